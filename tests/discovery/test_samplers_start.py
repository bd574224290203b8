"""The samplers of the cold start and of "more like this", against plain references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import SAMPLERS, Engine
from core.errors import BadInput, NotFound
from tests.discovery.pools import make_pool


def plain_nearest(values, rows):
    return np.array([min(np.linalg.norm(v - values[row]) for row in rows) for v in values])


def test_like_this_orders_by_the_distance_to_the_nearest_find():
    pool = make_pool(50, n_classes=3, unlabelled=range(12, 50))
    finds = pool.labelled[pool.answers == pool.target]
    draw = SAMPLERS["like_this"].call(pool, 10)
    distance = plain_nearest(pool.embedding.astype(float), finds)
    assert -draw.scores[12:] == pytest.approx(distance[12:], abs=1e-3)
    assert draw.rows.tolist() == (12 + np.argsort(distance[12:]))[:10].tolist()
    assert np.isnan(draw.scores[:12]).all()


def survey_engine():
    values = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    config = LoopConfig(learner="logistic", control_share=0, queue_length=7)
    return Engine(values, np.ones(80, bool), ("a", "b"), "a", config)


def test_more_like_given_rows_shows_their_neighbours_but_not_themselves():
    one = survey_engine()
    picks = one.more_like([4, 9, 4], done=[3])
    distance = plain_nearest(one._values.astype(float), [4, 9])
    left = np.setdiff1d(np.arange(80), [3, 4, 9])
    assert [pick.row for pick in picks] == left[np.argsort(distance[left])][:7].tolist()
    assert [pick.rank for pick in picks] == list(range(7))
    assert [pick.score for pick in picks] == pytest.approx(
        [-distance[pick.row] for pick in picks], abs=1e-3
    )
    assert {pick.sampler for pick in picks} == {"like_this"}
    assert len(one.more_like([1], n=500)) == 79
    with pytest.raises(BadInput, match="needs an object to be like"):
        one.more_like([])
    with pytest.raises(BadInput, match="zero or more places"):
        one.more_like([1], n=-1)
    with pytest.raises(NotFound, match="0 to 79"):
        one.more_like([80])


def test_each_part_has_its_turn():
    scores = {
        "isolation_forest/left": np.array([9, 8, 7, 1, 2, 3, 0, 0.0]),
        "isolation_forest/right": np.array([9, 1, 2, 8, 7, 3, 0, 0.5]),
    }
    pool = replace(
        make_pool(8, n_classes=2, unlabelled=range(8), answers=[]),
        detect=scores.__getitem__,
        parts=("left", "right"),
    )
    draw = SAMPLERS["anomaly_by_part"].call(pool, 5)
    # Both parts put row 0 first; then the left's second, the right's second, and so on.
    assert draw.rows.tolist() == [0, 1, 3, 2, 4]
    assert (np.diff(draw.scores[draw.rows]) < 0).all()
    part = replace(pool, unlabelled=np.arange(1, 8))
    assert SAMPLERS["anomaly_by_part"].call(part, 3).rows.tolist() == [1, 3, 2]


def test_by_part_without_parts_is_the_anomaly_of_the_whole():
    config = LoopConfig(sampler="anomaly_by_part", control_share=0, queue_length=9)
    values = np.random.default_rng(1).normal(size=(60, 4))
    whole = Engine(values, np.ones(60, bool), ("a", "b"), "a", config)
    plain = Engine(values, np.ones(60, bool), ("a", "b"), "a", replace(config, sampler="anomaly"))
    assert [p.row for p in whole.rerank({}).picks] == [p.row for p in plain.rerank({}).picks]
    parts = {"x": slice(0, 2), "y": slice(2, 4)}
    split = Engine(values, np.ones(60, bool), ("a", "b"), "a", config, parts=parts)
    first = [int(split.detector_scores(f"isolation_forest/{part}").argmax()) for part in parts]
    assert [p.row for p in split.rerank({}).picks[:2]] == first


def test_isolated_follows_the_distance_to_the_neighbours():
    pool = make_pool(40, detectors=["knn_distance"])
    draw = SAMPLERS["isolated"].call(pool, 40)
    values = pool.embedding.astype(float)
    mean = np.sort(np.linalg.norm(values[:, None] - values[None], axis=-1), axis=1)[:, 1:11].mean(
        1
    )
    assert draw.rows.tolist() == np.argsort(-mean).tolist()
