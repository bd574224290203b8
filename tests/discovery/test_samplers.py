"""Each sampler against a plain, slow reference; the probabilities of random draws by counting."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from core.discovery import (
    DETECTORS,
    SAMPLERS,
    Draw,
    Need,
    register_sampler,
    top_draw,
)
from core.discovery.registry import Entry, Registry
from core.errors import AlreadyExists, BadInput
from tests.discovery.pools import FixedLearner, make_pool


def plain_entropy(p):
    return -sum(float(x) * math.log(float(x)) for x in p if x > 0)


REFERENCES = {
    "uncertainty": lambda p: 1 - max(float(x) for x in p),
    "margin": lambda p: 1 - (sorted(map(float, p))[-1] - sorted(map(float, p))[-2]),
    "entropy": plain_entropy,
    "most_likely": lambda p: float(p[1]),
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("n_classes", [2, 3, 8])
def test_supervised_sampler_agrees_with_slow_reference(name, n_classes):
    pool = make_pool(n_classes=n_classes, unlabelled=range(3, 40, 2))
    draw = SAMPLERS[name].call(pool, 6)
    slow = {row: REFERENCES[name](pool.probabilities[row]) for row in pool.unlabelled.tolist()}
    best = sorted(slow, key=lambda row: (-slow[row], row))[:6]
    assert draw.rows.tolist() == best
    assert draw.probabilities.tolist() == [1.0] * 6
    for row in range(40):
        if row in slow:
            assert draw.scores[row] == pytest.approx(slow[row], abs=1e-5)
        else:
            assert np.isnan(draw.scores[row])


@pytest.mark.parametrize(
    ("sampler", "detector"), [("anomaly", "isolation_forest"), ("diverse", "farthest_first")]
)
def test_unsupervised_sampler_follows_its_detector(sampler, detector):
    pool = make_pool(unlabelled=range(5, 40), detectors=[detector])
    scores = pool.detector_scores[detector]
    best = sorted(range(5, 40), key=lambda row: (-scores[row], row))[:4]
    assert SAMPLERS[sampler].call(pool, 4).rows.tolist() == best
    assert SAMPLERS[sampler].detector == detector
    assert SAMPLERS[sampler].needs is Need.DETECTOR


def test_entropy_of_a_certain_row_is_zero_not_nan():
    pool = make_pool(n_classes=2)
    sure = np.tile(np.array([1, 0], np.float32), (40, 1))
    object.__setattr__(pool, "learner", FixedLearner(sure))
    assert SAMPLERS["entropy"].call(pool, 40).scores.tolist() == [0.0] * 40


def test_random_draws_every_row_as_often_as_it_says():
    pool = make_pool(n=12, unlabelled=range(2, 12))
    counts: Counter[int] = Counter()
    n_trials = 4000
    for _ in range(n_trials):
        draw = SAMPLERS["random"].call(pool, 3)
        assert draw.probabilities.tolist() == [1 / 10, 1 / 9, 1 / 8]  # of those left
        counts.update(draw.rows.tolist())
    assert set(counts) == set(range(2, 12))
    # Five standard deviations of a count of 4000 draws with p = 0.3.
    tolerance = 5 * math.sqrt(n_trials * 0.3 * 0.7)
    assert all(abs(count - 0.3 * n_trials) < tolerance for count in counts.values())


def test_top_draw_breaks_ties_by_row_and_takes_no_more_than_there_is():
    pool = make_pool(n=10, unlabelled=[1, 3, 5, 7, 9])
    scores = np.array([9, 1, 9, 2, 9, 1, 9, 2, 9, 1], float)
    assert top_draw(pool, scores, 3).rows.tolist() == [3, 7, 1]
    assert top_draw(pool, scores, 99).rows.tolist() == [3, 7, 1, 5, 9]
    assert top_draw(pool, scores, 0).rows.tolist() == []


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_every_sampler_copes_with_an_empty_pool(name):
    pool = make_pool(
        unlabelled=np.empty(0, int), scores={detector: np.zeros(40) for detector in DETECTORS}
    )
    draw = SAMPLERS[name].call(pool, 5)
    assert len(draw.rows) == 0
    assert np.isnan(draw.scores).all()


def test_pool_cannot_be_mutated():
    pool = make_pool(detectors=["isolation_forest"])
    for array in (pool.embedding, pool.mask, pool.unlabelled, pool.labelled, pool.answers):
        with pytest.raises(ValueError, match="read-only"):
            array[:1] = 0
    with pytest.raises(ValueError, match="read-only"):
        pool.detector_scores["isolation_forest"][0] = 1
    with pytest.raises(ValueError, match="read-only"):
        pool.probabilities[0] = 1
    with pytest.raises(TypeError):
        pool.detector_scores["x"] = pool.mask
    with pytest.raises(AttributeError):
        pool.target = 0


def test_draw_refuses_what_is_no_draw():
    scores = np.array([1, np.nan, 2], np.float32)
    with pytest.raises(ValueError, match="one probability a row"):
        Draw(scores, np.array([0]), np.ones(2))
    with pytest.raises(ValueError, match="each row once"):
        Draw(scores, np.array([1]), np.ones(1))
    with pytest.raises(ValueError, match="each row once"):
        Draw(scores, np.array([0, 0]), np.ones(2))


def test_a_name_is_registered_once_and_found_or_listed():
    registry: Registry[int] = Registry("sampler")
    registry.add(Entry("a", 1, ""))
    with pytest.raises(AlreadyExists, match="'a'"):
        registry.add(Entry("a", 2, ""))
    with pytest.raises(BadInput, match="must be one of a, but is 'b'"):
        registry.find("b")
    with pytest.raises(AlreadyExists, match="'margin'"):
        register_sampler("margin", needs=Need.NOTHING, description="")(SAMPLERS["random"].call)
    with pytest.raises(BadInput, match="exactly if it needs one"):
        register_sampler("x", needs=Need.DETECTOR, description="")


BUILT = ("vote_entropy", "consensus_kl", "bald", "k_centre", "typiclust", "badge", "stratified")
RNG = np.random.default_rng(0)
AWKWARD: dict[str, dict[str, Any]] = {
    "a class of one": {"values": RNG.normal(size=(30, 4)), "answers": [0] * 9 + [1]},
    "constant columns": {"values": np.zeros((30, 4))},
    "two rows, over and over": {"values": np.repeat(RNG.normal(size=(2, 4)), 15, axis=0)},
    "more columns than rows": {"values": RNG.normal(size=(30, 64))},
    "one column": {"values": RNG.normal(size=(30, 1))},
    "wild values": {"values": RNG.choice([-10.0, 10.0], size=(30, 4))},
}


@pytest.mark.parametrize("case", AWKWARD)
@pytest.mark.parametrize("name", BUILT)
def test_a_sampler_survives(name, case):
    """A batch larger than the pool, and one of half of it; the same again for the same seed."""
    for n in (100, 10):
        draws = []
        for _ in range(2):
            pool = make_pool(
                unlabelled=range(10, 30),
                n_classes=2,
                learner="taught",
                **AWKWARD[case],
            )
            draws.append(SAMPLERS[name].call(pool, n))
        draw, again = draws
        assert len(set(draw.rows.tolist())) == len(draw.rows) == min(n, 20)
        assert set(draw.rows.tolist()) <= set(range(10, 30))
        assert np.isfinite(draw.scores[10:]).all()
        assert np.isnan(draw.scores[:10]).all()
        assert ((draw.probabilities > 0) & (draw.probabilities <= 1)).all()
        assert again.rows.tolist() == draw.rows.tolist()
        assert again.probabilities.tolist() == draw.probabilities.tolist()
        assert again.scores[10:].tolist() == draw.scores[10:].tolist()


@pytest.mark.parametrize("answers", [[], [1], [0, 0, 0], [1, 1]])
@pytest.mark.parametrize("name", ["k_centre", "typiclust", "stratified"])
def test_a_sampler_draws_before_both_classes_are_seen(name, answers):
    assert SAMPLERS[name].needs is not Need.BOTH_CLASSES
    pool = make_pool(
        unlabelled=range(len(answers), 40),
        answers=answers,
        learner=None,
        scores={"isolation_forest": np.arange(40.0)},
    )
    draw = SAMPLERS[name].call(pool, 6)
    assert len(set(draw.rows.tolist())) == 6
    assert np.isfinite(draw.scores[pool.unlabelled]).all()
