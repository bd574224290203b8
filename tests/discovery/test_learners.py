"""The learners against plain references, and what all of them must take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.dummy import DummyClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression

from core.discovery import LEARNERS
from core.discovery.answered import (
    NEVER_OUT,
    aimed,
    folds_of,
    median_distance,
    out_of_fold,
    target_numbers,
)
from core.discovery.learners import kernel as kernel_module
from core.discovery.learners import torch_head as torch_module
from core.discovery.learners.kernel import landmark_rows
from core.errors import BadInput

OWN = sorted(set(LEARNERS) - {"averaged", "logistic", "extra_trees"})


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr(torch_module, "EPOCHS", 20)


def data(n=30, d=5, n_target=8, seed=0, shift=2.0):
    """(X, y): a target class 1 beside class 0, apart along the first two columns."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < n_target).astype(int)
    X = rng.normal(size=(n, d)).astype(np.float32)
    X[:, :2] += shift * y[:, None]
    return X, y


@pytest.mark.parametrize("name", OWN)
def test_the_order_of_the_answers_is_nothing_to_a_learner_and_it_repeats(name):
    X, y = data()
    X[3], y[3] = X[20], 1  # the same object answered both ways
    new = data(seed=1)[0]
    first = LEARNERS[name].call(5).fit(X, y).predict_proba(new)
    shuffled = np.random.default_rng(2).permutation(len(y))
    again = LEARNERS[name].call(5).fit(X[shuffled], y[shuffled]).predict_proba(new)
    assert np.isfinite(first).all()
    assert np.allclose(first, again, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(OWN) - {"ensemble"}))
def test_answers_of_one_class_are_refused_in_words(name):
    X, _ = data()
    with pytest.raises(BadInput, match="all 30 are 4; answer more objects first"):
        LEARNERS[name].call(0).fit(X, np.full(30, 4))


def test_folds_spread_each_class_and_never_hide_the_only_one_of_a_class():
    answers = np.array([0] * 11 + [1] * 6 + [2] * 2 + [3])
    folds = folds_of(answers, 4, np.random.default_rng(0))
    assert folds[-1] == NEVER_OUT
    for one in range(3):
        counts = np.bincount(folds[answers == one], minlength=4)
        assert counts.max() - counts.min() <= 1
    for fold in range(4):
        assert set(answers[folds != fold]) == {0, 1, 2, 3}
    assert np.ptp(np.bincount(folds[:-1])) <= 1


def test_out_of_fold_predictions_know_the_other_folds_only():
    X, answers = data(n=9, n_target=4)
    folds = np.array([0, 1, 2, 0, 1, 2, 0, NEVER_OUT, 1])
    found = out_of_fold(DummyClassifier(strategy="prior"), X, answers, folds)
    assert np.isnan(found[7]).all()
    for row in (0, 1, 2, 3, 4, 5, 6, 8):
        others = answers[folds != folds[row]]
        assert found[row].tolist() == pytest.approx([(others == 0).mean(), (others == 1).mean()])


def test_a_learner_that_can_aim_is_told_the_target():
    assert aimed(LEARNERS["calibrated"].call, 3, 7).target == 7
    assert aimed(LEARNERS["calibrated"].call, 3, 7).seed == 3
    assert "target" not in aimed(LEARNERS["kernel"].call, 3, 7).get_params()
    classes, answers = np.array([2, 4, 9]), np.array([0, 0, 1, 2, 2])
    assert target_numbers(classes, answers, 9).tolist() == [2]
    assert target_numbers(classes, answers, None).tolist() == [1]
    assert target_numbers(classes, answers, 5).tolist() == [1]  # nobody answered it


def test_kernel_is_logistic_regression_on_nystroms_features():
    X, y = data(n=40)
    new = data(n=25, seed=3)[0]
    distances = [np.linalg.norm(a - b) for i, a in enumerate(X) for b in X[:i]]
    assert median_distance(X) == pytest.approx(np.median(distances), rel=1e-5)
    features = Nystroem(gamma=0.5 / np.median(distances) ** 2, n_components=40).fit(X)
    plain = LogisticRegression(C=kernel_module.REGULARISATION_C, class_weight="balanced")
    plain.fit(features.transform(X), y)
    expected = plain.predict_proba(features.transform(new))
    assert np.allclose(
        LEARNERS["kernel"].call(0).fit(X, y).predict_proba(new), expected, atol=2e-3
    )


def test_kernel_keeps_every_target_among_fewer_landmarks(monkeypatch):
    answers = np.array([0] * 90 + [1] * 5)
    kept = landmark_rows(answers, 20, 0)
    assert len(kept) == 20
    assert {90, 91, 92, 93, 94} <= set(kept.tolist())
    monkeypatch.setattr(kernel_module, "LANDMARKS", 12)
    X, y = data(n=60)
    found = LEARNERS["kernel"].call(0).fit(X, y).predict_proba(X)[:, 1]
    assert found[y == 1].mean() > found[y == 0].mean() + 0.3


def test_neighbours_follow_their_formula():
    X, y = data(n=40, n_target=6)
    new = data(n=7, seed=4)[0]
    found = LEARNERS["neighbours"].call(0).fit(X, y).predict_proba(new)
    between = np.linalg.norm(X[:, None] - X[None], axis=2)
    np.fill_diagonal(between, np.inf)
    h = np.median(between.min(axis=1))
    for row, x in enumerate(new):
        distance = np.linalg.norm(X - x, axis=1)
        near = np.argsort(distance)[:15]
        weight = np.exp(-(distance[near] ** 2) / (2 * h * h))
        expected = (0.1 * y.mean() + weight[y[near] == 1].sum()) / (0.1 + weight.sum())
        assert found[row, 1] == pytest.approx(expected, rel=1e-3)
    far = np.full((1, 5), 60, np.float32)
    model = LEARNERS["neighbours"].call(0).fit(X, y)
    assert model.predict_proba(far)[0].tolist() == pytest.approx([34 / 40, 6 / 40], rel=1e-5)


def test_gaussian_process_holds_a_rare_target_rare_where_nothing_is_known():
    X, y = data(n=60, n_target=6, shift=3.0)
    places = np.array([[-40.0] * 5, [3, 3, 0, 0, 0], [0, 0, 0, 0, 0]], np.float32)
    far, near, usual = LEARNERS["gaussian_process"].call(0).fit(X, y).predict_proba(places)[:, 1]
    assert usual < far < 0.45
    assert near > 0.6
    turned = LEARNERS["gaussian_process"].call(0).fit(X, 1 - y).predict_proba(places)[:, 1]
    assert turned == pytest.approx([1 - far, 1 - near, 1 - usual], abs=1e-3)


def plain_network(weights, x, y, sample_weight, epochs):
    """One of the stacked networks, trained alone with torch's own layers."""
    first = torch.nn.Linear(x.shape[1], weights[0].shape[1])
    second = torch.nn.Linear(weights[0].shape[1], weights[2].shape[1])
    layers = torch.nn.Sequential(first, torch.nn.ReLU(), second)
    with torch.no_grad():
        first.weight.copy_(weights[0].T)
        second.weight.copy_(weights[2].T)
        first.bias.zero_()
        second.bias.zero_()
    optimiser = torch.optim.AdamW(
        layers.parameters(), lr=torch_module.LEARNING_RATE, weight_decay=torch_module.WEIGHT_DECAY
    )
    for _ in range(epochs):
        optimiser.zero_grad()
        losses = torch.nn.functional.cross_entropy(layers(x), y, reduction="none")
        (losses * sample_weight / sample_weight.sum()).sum().backward()
        optimiser.step()
    with torch.no_grad():
        held_out = torch.nn.functional.cross_entropy(layers(x), y, reduction="none")
    return first.weight.detach().T, held_out


def test_stacked_networks_learn_as_each_would_alone():
    X, answers = data(n=20)
    x, y = torch.from_numpy(X), torch.from_numpy(answers)
    balance = 1 / np.bincount(answers)[answers]
    out = np.zeros((2, 20), bool)
    out[0, :3], out[1, 15:] = True, True
    start = torch_module._first_weights(2, 5, 2, torch.Generator().manual_seed(4))
    trained, losses = torch_module._train(x, y, balance, out, 6, torch.Generator().manual_seed(4))
    total = 0.0
    for m in range(2):
        own = [one[m].detach() for one in start]
        weight = torch.from_numpy(np.where(out[m], 0, balance)).float()
        first, held_out = plain_network(own, x, y, weight, 6)
        assert torch.allclose(first, trained[0][m], atol=1e-5)
        total += float((held_out * torch.from_numpy(np.where(out[m], balance, 0))).sum())
    assert losses[-1] == pytest.approx(total, rel=1e-4)
    assert losses[0] != losses[-1]


def threads_within(estimator):
    """The `n_jobs` of a fitted model and of every model that it made and kept."""
    inner = [vars(estimator).get(name) for name in ("model_", "estimator_")]
    inner += list(vars(estimator).get("estimators_", ()))
    own = [estimator.n_jobs] if hasattr(estimator, "n_jobs") else []
    return own + [jobs for one in inner if one is not None for jobs in threads_within(one)]


@pytest.mark.parametrize(
    "name", ["averaged", "calibrated", "chosen", "ensemble", "extra_trees", "robust"]
)
def test_no_model_inside_a_learner_starts_threads(name):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 3)).astype(np.float32), np.arange(12) % 2
    found = threads_within(LEARNERS[name].call(0).fit(X, y))
    assert found
    assert set(found) <= {None, 1}
