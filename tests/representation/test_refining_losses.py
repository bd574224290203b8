"""What labels add to a loss, the average that is kept, and which labels are held out."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import BadInput
from core.representation.refining import (
    ALONE,
    FOLDS,
    Labels,
    fixmatch_terms,
    spread_folds,
    supervised_contrastive,
)
from core.representation.refining.averaging import Trailing
from core.representation.refining.labels import drawn


def log_softmax(row):
    """Of a list of numbers, the plain way."""
    total = math.log(sum(math.exp(one) for one in row))
    return [one - total for one in row]


def test_fixmatch_is_what_the_paper_writes():
    rng = np.random.default_rng(0)
    labelled, weak, strong = (rng.normal(0, 3, (n, 3)) for n in (5, 40, 40))
    answers = rng.integers(0, 3, 5)
    given = [torch.tensor(one) for one in (labelled, answers, weak, strong)]
    found = fixmatch_terms(given[0], given[1], given[2], given[3], threshold=0.9)
    expected = -np.mean([log_softmax(row)[k] for row, k in zip(labelled, answers, strict=True)])
    assert float(found.labelled) == pytest.approx(expected)
    total = n_sure = 0
    for seen_weakly, seen_strongly in zip(weak.tolist(), strong.tolist(), strict=True):
        shares = [math.exp(one) for one in log_softmax(seen_weakly)]
        if max(shares) >= 0.9:
            n_sure += 1
            total -= log_softmax(seen_strongly)[shares.index(max(shares))]
    assert 0 < n_sure < 40
    assert float(found.consistency) == pytest.approx(total / 40)
    assert float(found.sure) == pytest.approx(n_sure / 40)


def test_the_weak_view_teaches_and_does_not_learn():
    weak = torch.tensor([[4.0, 0.0]], requires_grad=True)
    strong = torch.tensor([[0.0, 0.0]], requires_grad=True)
    empty = torch.zeros(1, 2), torch.zeros(1, dtype=torch.long)
    fixmatch_terms(*empty, weak, strong, 0.95).consistency.backward()
    assert weak.grad is None
    assert strong.grad is not None
    assert strong.grad[0, 0] < 0 < strong.grad[0, 1]  # towards what the weak view says
    with pytest.raises(BadInput, match="both views of one batch"):
        fixmatch_terms(*empty, weak, strong[:, :1], 0.95)


def test_the_supervised_contrastive_loss_is_what_the_paper_writes():
    rng = np.random.default_rng(1)
    codes, classes = rng.normal(size=(9, 4)), np.array([0, 0, 1, 1, 1, 2, 0, 3, 3])
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    terms = []
    for i in range(9):
        others = [j for j in range(9) if j != i]
        same = [j for j in others if classes[j] == classes[i]]
        if not same:
            continue  # of class 2 there is one
        total = sum(math.exp(unit[i] @ unit[j] / 0.3) for j in others)
        shares = [math.log(math.exp(unit[i] @ unit[p] / 0.3) / total) for p in same]
        terms.append(-sum(shares) / len(same))
    found = supervised_contrastive(torch.tensor(codes), torch.tensor(classes), 0.3)
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-5)
    assert len(terms) == 8
    alone = supervised_contrastive(torch.tensor(codes), torch.arange(9), 0.3)
    assert float(alone) == 0.0
    with pytest.raises(BadInput, match="a class for each code"):
        supervised_contrastive(torch.tensor(codes), torch.arange(8), 0.3)


def test_the_average_trails_parameters_and_buffers():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    trailing = Trailing(network)
    expected = {k: v.clone().double() for k, v in network.state_dict().items()}
    for step in range(1, 201):
        with torch.no_grad():
            for one in network.parameters():
                one.add_(0.1)
            network(torch.randn(4, 2) + step)
        trailing.follow(network)
        momentum = min(0.99, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                expected[name] = momentum * expected[name] + (1 - momentum) * value
    kept = trailing.network.state_dict()
    for name, value in kept.items():
        if value.is_floating_point():
            assert torch.allclose(value.double(), expected[name], rtol=1e-4), name
    assert int(kept["1.num_batches_tracked"]) == 200
    assert not any(one.requires_grad for one in trailing.parameters())
    assert not trailing.train().network.training


def test_half_of_what_a_step_is_taught_are_finds():
    labels = Labels(np.arange(40), np.r_[[0, 0, 5], np.full(37, ALONE)])
    seen = set()
    for step in range(12):
        taught = drawn(labels, 16, (3, step))
        assert int(taught.answers.sum()) == 8
        assert (taught.classes == torch.from_numpy(labels.classes)[taught.index]).all()
        counts = np.bincount(taught.index[:8].numpy(), minlength=3)
        assert counts.max() - counts.min() <= 1  # by turns
        seen |= set(taught.index.tolist())
    assert len(seen) > 35
    again = drawn(labels, 16, (3, 11))
    assert torch.equal(again.index, taught.index)
    assert labels.n_rarer == 3
    assert labels.without(labels.is_target).n_rarer == 0


def test_folds_are_even_and_keep_views_of_one_thing_together():
    ids = [f"o{n}" for n in range(30)]
    groups = [f"g{n // 2}" for n in range(30)]
    finds = np.arange(30) < 12
    folds = spread_folds(ids, groups, finds, seed=0)
    assert (folds[::2] == folds[1::2]).all()
    for side in (finds, ~finds):
        counts = np.bincount(folds[side], minlength=FOLDS)
        assert counts.max() - counts.min() <= 2
    assert (folds != spread_folds(ids, groups, finds, seed=1)).any()


def test_a_label_stays_in_the_fold_of_the_round_before():
    ids = [f"o{n}" for n in range(20)]
    finds = np.arange(40) % 4 == 0
    first = spread_folds(ids, ids, finds[:20], seed=0)
    before = dict(zip(ids, first.tolist(), strict=True))
    more = [f"p{n}" for n in range(20)] + ids
    second = spread_folds(more, more, finds, seed=7, before=before)
    assert second[20:].tolist() == first.tolist()
    counts = np.bincount(second, minlength=FOLDS)
    assert counts.max() - counts.min() <= 2
