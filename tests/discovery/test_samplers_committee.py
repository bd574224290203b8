"""The samplers that ask several models: committees against modAL's own measures, BALD against a
posterior worked out by finite differences."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from modAL import disagreement

from core.discovery import SAMPLERS
from core.discovery.committee import fit_committee
from core.discovery.learners.logistic import logistic
from core.discovery.posterior import posterior_members
from core.discovery.samplers.bald import N_DRAWS
from core.discovery.samplers.vote_entropy import TIE_BREAK
from tests.discovery.pools import make_pool

NAMES = ("vote_entropy", "consensus_kl", "bald")


def answered_pool(n_classes=2, seed=0, **changes):
    return make_pool(n=60, n_classes=n_classes, seed=seed, unlabelled=range(18, 58), **changes)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_vote_entropy_is_modals_with_ties_by_the_consensus(n_classes):
    pool = answered_pool(n_classes)
    committee = fit_committee(answered_pool(n_classes))
    votes = disagreement.vote_entropy(committee, pool.embedding)
    spread = disagreement.consensus_entropy(committee, pool.embedding)
    draw = SAMPLERS["vote_entropy"].call(pool, 12)
    open_rows = pool.unlabelled
    assert draw.scores[open_rows] == pytest.approx(
        votes[open_rows] + TIE_BREAK * spread[open_rows], abs=1e-6
    )
    best = sorted(open_rows.tolist(), key=lambda row: (-round(votes[row], 9), -spread[row]))
    assert draw.rows.tolist() == best[:12]
    assert len(set(votes[open_rows])) > 2


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_consensus_kl_is_modals(n_classes):
    pool = answered_pool(n_classes)
    slow = disagreement.KL_max_disagreement(
        fit_committee(answered_pool(n_classes)), pool.embedding
    )
    draw = SAMPLERS["consensus_kl"].call(pool, 5)
    assert draw.scores[pool.unlabelled] == pytest.approx(slow[pool.unlabelled], abs=1e-5)
    assert draw.rows.tolist() == sorted(pool.unlabelled.tolist(), key=lambda row: -slow[row])[:5]


def test_each_member_learnt_a_bootstrap_with_every_class():
    answers = [0] * 12 + [1] * 5 + [2] + [0, 0]
    pool = answered_pool(3, answers=answers)
    taught = {tuple(pool.embedding[row]): k for row, k in zip(pool.labelled, answers, strict=True)}
    seen = set()
    for member in fit_committee(pool):
        assert np.bincount(member.y_training).tolist() == [14, 5, 1]
        rows = [tuple(row) for row in member.X_training]
        assert [taught[row] for row in rows] == member.y_training.tolist()
        assert len(set(rows)) < len(rows)
        seen.add(tuple(rows))
    assert len(seen) == 10


@pytest.mark.parametrize("n_classes", [2, 3])
def test_bald_is_the_mean_divergence_of_models_from_their_mean(n_classes):
    """Mutual information as an expected Kullback-Leibler divergence, in plain Python."""
    pool = answered_pool(n_classes)
    taught = pool.embedding[pool.labelled]
    members = posterior_members(taught, pool.answers, N_DRAWS, np.random.default_rng(0))
    draw = SAMPLERS["bald"].call(pool, 4)
    slow = {}
    for row in pool.unlabelled.tolist():
        chances = []
        for m in range(N_DRAWS):
            logits = [
                float(pool.embedding[row] @ members.weights[:, m, k] + members.offsets[m, k])
                for k in range(n_classes)
            ]
            total = sum(math.exp(z) for z in logits)
            chances.append([math.exp(z) / total for z in logits])
        mean = [statistics.fmean(one[k] for one in chances) for k in range(n_classes)]
        slow[row] = statistics.fmean(
            sum(p * math.log(p / q) for p, q in zip(one, mean, strict=True) if p > 0)
            for one in chances
        )
        assert draw.scores[row] == pytest.approx(slow[row], abs=1e-5)
    assert draw.rows.tolist() == sorted(slow, key=lambda row: -slow[row])[:4]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_posterior_has_the_curvature_of_what_the_learner_minimises(n_classes):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(30, 2)).astype(np.float32)
    answers = rng.permutation([0] * 20 + [1] * 7 + [n_classes - 1] * 3)
    model = logistic(0).fit(values, answers)
    n_logits = len(model.coef_)
    share = np.bincount(answers) / len(answers) * n_classes

    def loss(parameters):
        """Ridge + balanced log loss as scikit-learn states it, + the offsets' wide prior."""
        table = parameters.reshape(n_logits, 3)
        logits = values @ table[:, :2].T + table[:, 2]
        if n_logits == 1:
            logits = np.column_stack([np.zeros(30), logits])
        log_total = np.log(np.exp(logits).sum(axis=1))
        own = log_total - logits[np.arange(30), answers]
        ridge = (table[:, :2] ** 2).sum() / 2
        return ridge + (table[:, 2] ** 2).sum() / 200 + (own / share[answers]).sum()

    best = np.column_stack([model.coef_, model.intercept_]).ravel()
    size, step = len(best), 1e-3
    hessian = np.empty((size, size))
    moves = np.eye(size) * step
    for i in range(size):
        for j in range(size):
            hessian[i, j] = (
                loss(best + moves[i] + moves[j])
                - loss(best + moves[i] - moves[j])
                - loss(best - moves[i] + moves[j])
                + loss(best - moves[i] - moves[j])
            ) / (4 * step**2)
    covariance = np.linalg.inv(hessian)

    members = posterior_members(values, answers, 20_000, rng)
    own = slice(-n_logits, None)
    drawn = np.concatenate([members.weights, members.offsets[None]])[:, :, own]  # (3, M, K)
    drawn = drawn.transpose(1, 2, 0).reshape(20_000, size)
    deviation = np.sqrt(np.diag(covariance))
    assert drawn.mean(axis=0) == pytest.approx(best, abs=5 * deviation.max() / 141)
    correlation = np.cov(drawn.T) / np.outer(deviation, deviation)
    assert correlation == pytest.approx(
        covariance / np.outer(deviation, deviation), abs=5 * math.sqrt(2 / 20_000)
    )


@pytest.mark.parametrize("name", NAMES)
def test_many_chunks_score_like_one(name, monkeypatch):
    whole = SAMPLERS[name].call(answered_pool(3), 7)
    monkeypatch.setattr("core.discovery.committee._CHUNK", 16)
    parts = SAMPLERS[name].call(answered_pool(3), 7)
    assert parts.rows.tolist() == whole.rows.tolist()
    assert parts.scores == pytest.approx(whole.scores, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_answers_of_one_class_are_refused(name):
    with pytest.raises(ValueError, match=r"BOTH_CLASSES|two classes"):
        SAMPLERS[name].call(answered_pool(2, answers=[1] * 20), 3)
