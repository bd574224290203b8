"""Stratified controls: in their places, seeded, with the probabilities that counting gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import DETECTORS, Engine
from core.discovery.control import StratifiedControls, is_control_position
from core.errors import BadInput
from core.vocabulary import CONTROL_SAMPLER


def test_each_row_comes_with_the_probability_that_is_told():
    open_rows = np.setdiff1d(np.arange(200), [5, 6, 7])
    scores = np.random.default_rng(0).random(200)
    used = set(open_rows[np.argsort(-scores[open_rows])][:20].tolist())  # most of the top 32
    n = 8_000
    told: dict[int, float] = {}
    came: Counter[int] = Counter()
    controls = StratifiedControls(open_rows, scores, 0)
    for position in range(n):
        row, told_now = controls.draw(position, used)
        came[row] += 1
        told[row] = told_now
    assert set(came) == set(open_rows.tolist()) - used
    assert sum(told.values()) == pytest.approx(1)
    for row, p in told.items():
        assert abs(came[row] / n - p) < 5 * np.sqrt(p / n)
    # The top is met far more often than its share of the rows.
    top = open_rows[np.argsort(-scores[open_rows])][20:32].tolist()
    assert sum(told[row] for row in top) == pytest.approx(1 / 2)  # of two strata


def test_one_draw_estimates_how_many_targets_are_left():
    scores = np.linspace(1, 0, 1000)
    is_target = np.zeros(1000)
    is_target[[0, 3, 40, 500, 900]] = 1
    controls, estimates = StratifiedControls(np.arange(1000), scores, 0), []
    for position in range(6_000):
        row, p = controls.draw(position, ())
        estimates.append(is_target[row] / p)
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - 5) < 4 * error


def test_the_engine_shows_them_in_the_places_of_controls(monkeypatch):
    entry = replace(DETECTORS["isolation_forest"], call=lambda values, *_: np.abs(values).sum(1))
    monkeypatch.setitem(DETECTORS._entries, "isolation_forest", entry)
    values = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    config = LoopConfig(
        sampler="anomaly",
        learner="logistic",
        queue_length=40,
        control_share=0.2,
        control="stratified",
    )

    def ranking(config, labels=None):
        engine = Engine(values, np.ones(300, bool), ("yes", "no"), "yes", config)
        return engine.rerank(labels or {})

    one = ranking(config)
    assert [pick.rank for pick in one.picks if pick.sampler == "stratified"] == [
        place for place in range(40) if is_control_position(place, 0.2)
    ]
    assert not any(pick.sampler == CONTROL_SAMPLER for pick in one.picks)
    assert one.picks == ranking(config).picks
    assert one.picks[:4] == ranking(replace(config, queue_length=4)).picks
    assert "20 % from all heights of the ranking as control" in one.state
    # All others are those of the uniform kind, but for rows that a control took.
    plain = [pick.row for pick in ranking(replace(config, control="uniform")).picks]
    assert plain[0] == one.picks[0].row
    assert len({pick.row for pick in one.picks}) == 40
    whole = ranking(replace(config, queue_length=300))
    assert {pick.row for pick in whole.picks} == set(range(300))
    with pytest.raises(BadInput, match="control must be uniform or stratified, but is 'odd'"):
        LoopConfig(control="odd")
