"""Which columns made an object odd: occlusion against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from core.discovery import DETECTORS
from core.discovery.detectors import isolation_forest as forest_module
from core.discovery.prepare import standardise
from core.discovery.reasons import FLAG, reasons
from core.errors import BadInput, NotFound

NAMES = [f"column {letter}" for letter in "abcdef"]


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch):
    monkeypatch.setattr(forest_module, "N_TREES", 30)


def survey(n=200, seed=0):
    """Six columns that follow two hidden ones; rows 11 and 30 break with that."""
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.normal(size=(n, 2)), 3, axis=1) + 0.5 * rng.normal(size=(n, 6))
    values[11, 2] = -8
    values[30, [0, 4]] = 7
    return values.astype(np.float32), np.zeros(n, bool)


@pytest.mark.parametrize("name", sorted(set(DETECTORS) - {"farthest_first"}))
def test_the_planted_columns_come_first(name):
    values, unseen = survey()
    one, two = reasons(values, unseen, name, [11, 30], NAMES, top=2)
    assert one.row == 11
    assert one.reasons[0].column == "column c"
    if name in ("isolation_forest", "mahalanobis"):  # one of two leaves others as far out
        assert {part.column for part in two.reasons} == {"column a", "column e"}
    assert one.reasons[0].fall > 0
    assert one.score == pytest.approx(DETECTORS[name].call(values, unseen, 0)[11], rel=1e-4)
    median, scatter = (
        np.median(values[:, 2]),
        np.median(np.abs(values[:, 2] - np.median(values[:, 2]))),
    )
    assert one.reasons[0].robust_z == pytest.approx((-8 - median) / (1.4826 * scatter), rel=1e-4)
    assert "usual scatters below the median" in one.sentence
    assert one.sentence.startswith("Odder than ")


@pytest.mark.parametrize("name", ["knn_distance", "mahalanobis", "farthest_first"])
def test_falls_are_those_of_a_survey_in_which_the_value_is_usual(name):
    values, unseen = survey(80)
    (found,) = reasons(values, unseen, name, [30], NAMES, top=6)
    falls = {part.column: part.fall for part in found.reasons}
    usual = np.median(values, axis=0)
    before = DETECTORS[name].call(values, unseen, 0)[30]
    for column, label in enumerate(NAMES):
        altered = values.copy()
        altered[30, column] = usual[column]
        after = DETECTORS[name].call(altered, unseen, 0)[30]
        # A fitted detector keeps the covariance of the survey as it is.
        tolerance = 0.15 if name == "mahalanobis" else 1e-3
        assert falls[label] == pytest.approx(before - after, rel=tolerance, abs=tolerance)


def test_the_falls_are_sorted_and_shares_are_of_the_whole_fall():
    values, unseen = survey()
    (found,) = reasons(values, unseen, "reconstruction", [11], NAMES, top=6)
    falls = [part.fall for part in found.reasons]
    assert falls == sorted(falls, reverse=True)
    scorer = DETECTORS["reconstruction"].call
    table = np.vstack([values, np.median(values, axis=0)[None]])
    whole = found.score - scorer(table, np.zeros(201, bool), 0)[200]
    assert found.reasons[0].share == pytest.approx(found.reasons[0].fall / whole, rel=0.05)
    assert 0.9 < found.share_below <= 1


def test_an_unremarkable_row_gets_no_invented_reason():
    values, unseen = survey()
    usual = int(np.abs(values).max(axis=1).argmin())
    values[usual] = np.median(values, axis=0)
    (found,) = reasons(values, unseen, "mahalanobis", [usual], NAMES)
    assert all(abs(part.fall) < 0.05 for part in found.reasons)
    assert all(part.share != part.share or abs(part.share) < 50 for part in found.reasons)


def test_constant_columns_and_missing_values_are_told():
    embedding, _ = survey()
    embedding[:, 5] = 3
    embedding[44, 1] = np.nan
    values, unseen = standardise(embedding, np.ones(200, bool))
    (found,) = reasons(values, unseen, "mahalanobis", [44], NAMES, top=1)
    assert found.reasons[0].column == FLAG
    assert np.isfinite(found.reasons[0].robust_z)


def test_bad_questions_are_refused():
    values, unseen = survey(30 + 1)
    assert reasons(values, unseen, "mahalanobis", [], NAMES) == []
    with pytest.raises(BadInput, match=r"one name a column \(6\), but got 5"):
        reasons(values, unseen, "mahalanobis", [1], NAMES[:5])
    with pytest.raises(BadInput, match=r"one of .*mahalanobis"):
        reasons(values, unseen, "oddness", [1], NAMES)
    with pytest.raises(BadInput, match="one column or more"):
        reasons(values, unseen, "mahalanobis", [1], NAMES, top=0)
    with pytest.raises(NotFound, match="row 31"):
        reasons(values, unseen, "mahalanobis", [31], NAMES)
