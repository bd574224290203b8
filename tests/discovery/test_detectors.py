"""The detectors and what is made of an embedding before them."""

from __future__ import annotations

import numpy as np
import pytest

from core.discovery import DETECTORS
from core.discovery.detectors import farthest_first as farthest_module
from core.discovery.prepare import CLIP, COMPONENTS, standardise, whiten
from core.errors import BadInput


def cloud(n=300, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def slow_farthest_first(points, n):
    chosen = [int(np.argmin((points**2).sum(axis=1)))]
    while len(chosen) < n:
        distance = [min(np.linalg.norm(p - points[c]) for c in chosen) for p in points]
        chosen.append(int(np.argmax(distance)))
    return chosen


def test_farthest_first_repeats_the_greedy_order_of_a_slow_reference():
    values = cloud(60)
    scores = DETECTORS["farthest_first"].call(values, np.zeros(60, bool), 0)
    expected = slow_farthest_first(np.clip(values, -2, 2).astype(np.float64), 20)
    assert np.argsort(-scores, kind="stable")[:20].tolist() == expected


def test_farthest_first_of_copies_shows_each_thing_once_before_any_copy():
    values = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    scores = DETECTORS["farthest_first"].call(values, np.zeros(20, bool), 0)
    assert len({row // 5 for row in np.argsort(-scores)[:4]}) == 4
    assert (np.sort(scores)[:16] == 0).all()


def test_farthest_first_among_a_sample_still_scores_every_row(monkeypatch):
    monkeypatch.setattr(farthest_module, "_CANDIDATES", 50)
    monkeypatch.setattr(farthest_module, "_CENTRES", 10)
    values = cloud(200)
    scores = DETECTORS["farthest_first"].call(values, np.zeros(200, bool), 3)
    assert scores.shape == (200,)
    assert np.isfinite(scores).all()
    assert len(np.unique(np.sort(scores)[-10:])) == 10


def test_isolation_forest_puts_the_far_point_first_and_repeats():
    values = cloud()
    values[17] = 9
    first = DETECTORS["isolation_forest"].call(values, np.zeros(300, bool), 0)
    again = DETECTORS["isolation_forest"].call(values, np.zeros(300, bool), 0)
    assert first.dtype == np.float32
    assert first.argmax() == 17
    assert (first == again).all()


@pytest.mark.parametrize("name", sorted(DETECTORS))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_detectors_take_tiny_and_constant_surveys(name, n):
    scores = DETECTORS[name].call(np.zeros((n, 2), np.float32), np.zeros(n, bool), 0)
    assert scores.shape == (n,)
    assert np.isfinite(scores).all()


def test_one_of_the_unseen_rows_comes_early_and_the_others_wait():
    embedding = cloud(200, 8)
    mask = np.ones(200, bool)
    mask[50:80] = False
    values, unseen = standardise(embedding, mask)
    order = np.argsort(-DETECTORS["farthest_first"].call(values, unseen, 0), kind="stable")
    early = set(order[:20].tolist()) & set(range(50, 80))
    assert len(early) == 1


def test_standardise_keeps_every_row_and_marks_what_is_missing():
    embedding = np.array([[1, 5, 0], [3, 5, np.nan], [5, 5, 2], [99, 99, 99]], np.float32)
    values, unseen = standardise(embedding, np.array([True, True, True, False]))
    assert unseen.tolist() == [False, True, False, True]
    deviation = np.std([1, 3, 5])
    assert values[:, 0].tolist() == pytest.approx([-2 / deviation, 0, 2 / deviation, 0])
    assert values[:, 1].tolist() == [0, 0, 0, 0]  # constant where seen
    assert values[:, 2].tolist() == pytest.approx([-1, 0, 1, 0])
    assert values[:, 3].tolist() == pytest.approx([0, 12**0.5, 0, 12**0.5])


def test_standardise_survives_infinities_and_clips_wild_values():
    embedding = cloud(500)
    embedding[0, 0], embedding[1, 1] = np.inf, 1e30
    values, unseen = standardise(embedding, np.ones(500, bool))
    assert np.isfinite(values).all()
    assert np.abs(values[:, :6]).max() <= CLIP
    assert unseen.sum() == 1


@pytest.mark.parametrize(
    ("embedding", "mask"),
    [
        (np.zeros(3), np.ones(3, bool)),
        (np.zeros((0, 3)), np.ones(0, bool)),
        (np.zeros((3, 0)), np.ones(3, bool)),
        (np.array([["a"]]), np.ones(1, bool)),
        (np.zeros((3, 2)), np.ones(2, bool)),
        (np.zeros((3, 2)), np.ones(3)),
    ],
)
def test_standardise_refuses_what_is_no_embedding(embedding, mask):
    with pytest.raises(BadInput, match="embed the survey again"):
        standardise(embedding, mask)


def test_whitened_components_have_unit_variance_and_no_correlation():
    mixed = cloud(400, 5) @ np.diag([10, 3, 1, 0.3, 0.1]) @ np.linalg.qr(cloud(5, 5))[0]
    values, unseen = standardise(mixed, np.ones(400, bool))
    white = whiten(values, unseen)
    assert white.shape == (400, 5)
    assert np.allclose(np.cov(white.T, bias=True), np.eye(5), atol=1e-3)


def test_whiten_takes_more_columns_than_rows_and_a_constant_embedding():
    few, unseen = standardise(cloud(6, 200), np.ones(6, bool))
    assert whiten(few, unseen).shape == (6, 5)  # six points span five directions
    flat, unseen = standardise(np.ones((6, 200)), np.ones(6, bool))
    assert whiten(flat, unseen).tolist() == [[0.0]] * 6
    wide, unseen = standardise(cloud(300, 100), np.ones(300, bool))
    assert whiten(wide, unseen).shape == (300, COMPONENTS)
