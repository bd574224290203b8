"""Known examples that the survey does not hold: brought to its scale, taught, never shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import DETECTORS, SAMPLERS, Engine
from core.discovery.outside import Outside, whitened_like
from core.discovery.prepare import Standardised, whiten
from core.errors import BadInput

CLASSES = ("dual", "other", "artefact")
QUICK = LoopConfig(learner="logistic", queue_length=12, control_share=0.1)


def survey(n=160, d=6):
    """Rows 0 to 9 are duals, in a corner of their own."""
    values = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    values[:10, 0] += 6
    return values, np.ones(n, bool)


def outside(count=3, class_name="dual"):
    values = np.random.default_rng(1).normal(size=(count, 6)).astype(np.float32)
    values[:, 0] += 6
    return Outside(values, (class_name,) * count)


@pytest.fixture(autouse=True)
def quick_detectors(monkeypatch):
    def outer(values, unseen, seed):
        return (np.abs(values) ** 2).sum(axis=1)

    for name in ("isolation_forest", "knn_distance"):
        monkeypatch.setitem(DETECTORS._entries, name, replace(DETECTORS[name], call=outer))


def engine(**changes):
    values, mask = survey()
    return Engine(values, mask, CLASSES, "dual", replace(QUICK, **changes))


@pytest.mark.parametrize("shape", [(300, 20), (30, 50)])
@pytest.mark.parametrize("gaps", [False, True])
def test_what_is_outside_is_whitened_as_the_survey_was(shape, gaps):
    rng = np.random.default_rng(3)
    values = (rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1]))).astype(np.float32)
    values[:, 4] = 7.0  # constant: says nothing
    values[2, 1] = 1e5  # a row that is clipped
    mask = np.ones(shape[0], bool)
    if gaps:
        values[5, 3], mask[6] = np.nan, False
    rows = Standardised(values, mask)
    white = whiten(rows, rows.unseen)
    some = np.array([0, 7, 11, 29])
    found = whitened_like(rows.of_others(values[some]), rows, white)
    assert found == pytest.approx(white[some], abs=2e-3)
    assert found.dtype == np.float32


def test_pictures_steer_the_search_before_the_first_answer():
    plain, taught = engine(), engine().with_outside(outside())
    assert plain.rerank({}).learner is None
    ranking = taught.rerank({}, n=12)
    assert ranking.learner == "logistic"
    assert len(ranking.scores) == 160
    assert ranking.n_labels == 0
    best = [pick.row for pick in ranking.picks if pick.sampler == "most_likely"][:9]
    assert set(best) <= set(range(10))
    assert ranking.state.startswith("No answers yet")
    assert ranking.state.endswith(" 3 known pictures are taught beside the answers.")
    assert "3 known" not in taught.with_outside(None).rerank({}).state


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_every_sampler_takes_them_and_shows_none_of_them(sampler):
    taught = engine(sampler=sampler).with_outside(outside())
    labels = {3: "dual", 40: "other", 60: "artefact"}
    ranking = taught.rerank(labels, n=12)
    assert len(ranking.picks) == 12
    assert all(0 <= pick.row < 160 and pick.row not in labels for pick in ranking.picks)
    assert len(ranking.scores) == 160
    if ranking.class_probabilities is not None:
        assert ranking.class_probabilities.shape == (160, 3)


def test_none_of_them_leaves_the_queue_as_it_was():
    labels = {3: "dual", 40: "other", 60: "artefact"}
    one = engine(sampler="default").rerank(labels)
    other = engine(sampler="default").with_outside(outside()).with_outside(None).rerank(labels)
    assert one.picks == other.picks
    assert (one.scores == other.scores).all()


def test_they_weigh_as_answers_do():
    """Pictures of rows of the survey teach what answers to these rows teach."""
    values, _ = survey()
    labels = {3: "dual", 7: "dual", 40: "other", 60: "artefact"} | dict.fromkeys(
        range(80, 110), "other"
    )
    answered = engine().rerank(labels | {5: "dual"})
    taught = engine().with_outside(Outside(values[[5]], ("dual",))).rerank(labels)
    rest = np.setdiff1d(np.arange(160), [5])
    assert taught.scores[rest] == pytest.approx(answered.scores[rest], abs=0.05)
    assert np.abs(taught.scores - engine().rerank(labels).scores).max() > 1e-3


def test_what_cannot_be_taught_is_said():
    with pytest.raises(BadInput, match="leave out what the encoder cannot see"):
        Outside(np.full((1, 6), np.nan), ("dual",))
    with pytest.raises(BadInput, match="its 6 columns, but came in the shape"):
        engine().with_outside(Outside(np.zeros((1, 5)), ("dual",)))
    with pytest.raises(BadInput, match="a known example is 'star'; remove the example"):
        engine().with_outside(outside(class_name="star")).rerank({})
