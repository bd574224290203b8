"""What the default learner sees of a row, and how it is taught: against plain references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from core.config import LoopConfig
from core.discovery import Engine
from core.discovery import wide as wide_module
from core.discovery.learner import Learner
from core.discovery.outside import Outside
from core.discovery.prepare import Standardised, standardise
from core.discovery.registry import LEARNERS
from core.discovery.teaching import STAND_INS, TAKEN_BACK, teach
from core.discovery.trusting import Trusted
from core.discovery.wide import (
    DETECTORS_SEEN,
    Wide,
    nearest_rows,
    normal_scores,
    wide_sample,
)

N = 2_400


def some_rows(n=N, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_rows_are_components_scores_and_own_columns_however_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(wide_module, "_CHUNK", 7)
    white, own, below = some_rows(40, 3), some_rows(36, 4, 1), some_rows(4, 4, 2)
    scores = [np.arange(40, dtype=np.float32), -np.arange(40, dtype=np.float32)]
    rows = Wide(white, scores, own, below)
    whole = np.hstack([white, np.stack(scores, 1), np.vstack([own, below])])
    assert rows.shape == whole.shape == (40, 9)
    assert rows.n_leading == 5
    mask = np.arange(40) % 3 == 0
    for asked in (slice(None), slice(30, 99), slice(3, 30), np.array([39, 0, 36, 0]), mask):
        assert (rows[asked] == whole[asked]).all()
    assert rows[np.empty(0, dtype=np.int64)].shape == (0, 9)
    assert (rows.kept() == whole).all()


def test_own_columns_are_those_of_the_embedding_standardised():
    values = some_rows().astype(np.float64)
    values[3, 2] = np.nan
    mask = np.ones(N, bool)
    mask[8] = False
    rows = Wide(some_rows(N, 2), (), Standardised(values, mask))
    plain = standardise(values, mask)[0]
    assert (rows[:][:, 2:] == plain).all()
    assert (rows[np.array([8, 3, 5])][:, 2:] == plain[[8, 3, 5]]).all()


def test_scores_become_those_of_a_normal_distribution(monkeypatch):
    scores = np.random.default_rng(0).exponential(size=501).astype(np.float32)
    scores[:40] = scores[40]
    found = normal_scores(scores, 0)
    plain = norm.ppf((rankdata(scores) - 0.5) / len(scores))
    assert np.allclose(found, plain, atol=1e-5)
    assert (normal_scores(np.full(9, 2.5, np.float32), 0) == 0).all()
    monkeypatch.setattr(wide_module, "_RANKED_AMONG", 250)
    near = normal_scores(scores, 0)
    assert np.isfinite(near).all()
    assert np.abs(near - plain).mean() < 0.1
    assert (near == normal_scores(scores, 0)).all()


def test_what_is_below_is_as_odd_as_what_it_is_most_like(monkeypatch):
    monkeypatch.setattr(wide_module, "_CHUNK", 100)
    values = some_rows(530)
    distance = np.linalg.norm(values[:500, None] - values[None, 500:], axis=2)
    assert (nearest_rows(values, 500) == distance.argmin(axis=0)).all()


def planted():
    """Rows of which 1 in 10 are targets: what one column says, among forty that say nothing."""
    values = some_rows(N, 40)
    is_target = np.zeros(N, bool)
    is_target[::10] = True
    values[is_target, 7] += 6
    return values, is_target


def found_in(learner, values, is_target):
    config = LoopConfig(learner=learner, control_share=0, queue_length=60)
    engine = Engine(values, np.ones(N, bool), ("other", "target"), "target", config)
    rows = [10, 20, *range(101, 109)]
    labels = {row: "target" if is_target[row] else "other" for row in rows}
    picks = engine.rerank(labels).picks
    return sum(bool(is_target[pick.row]) for pick in picks)


def test_what_one_column_says_is_found_by_whoever_sees_the_columns():
    values, is_target = planted()
    broad = found_in("broad", values, is_target)
    assert broad > found_in("averaged", values, is_target)
    assert broad > 50


@pytest.mark.parametrize("take_back", [False, True])
def test_the_likeliest_of_the_stand_ins_are_taken_back(take_back):
    values, is_target = planted()
    labelled, answers = np.arange(0, 60, 10), np.ones(6, np.int64)
    open_rows = np.setdiff1d(np.arange(N), labelled)
    learner = Learner(LEARNERS["logistic"].call(0))
    n = teach(
        *(learner, values, labelled, answers, open_rows, (1,), 2, Trusted(), 3),
        n_survey=N,
        take_back=take_back,
    )
    assert n == round(STAND_INS * (1 - TAKEN_BACK * take_back))
    assert len(learner.X_training) == 6 + n
    seen = learner.X_training[6:, 7] > 3
    rng = np.random.default_rng([3, 6, 0xD0])
    drawn = np.sort(rng.choice(open_rows, STAND_INS, replace=False))
    assert is_target[drawn].sum() > 5
    if not take_back:
        assert (learner.X_training[6:] == values[drawn]).all()
        return
    plain = LEARNERS["logistic"].call(0)
    plain.fit(values[np.r_[labelled, drawn]], np.r_[answers, np.zeros(STAND_INS, int)])
    chances = plain.predict_proba(values[drawn])[:, 1]
    stay = np.sort(np.argsort(chances, kind="stable")[:n])
    assert (learner.X_training[6:] == values[drawn[stay]]).all()
    assert seen.sum() < is_target[drawn].sum()


def test_believed_answers_keep_their_weight_where_stand_ins_are_taken_back():
    values, _ = planted()
    labelled, answers = np.arange(0, 60, 10), np.ones(6, np.int64)
    learner = Learner(LEARNERS["broad"].call(0))
    trusted = Trusted(np.linspace(0.5, 1, 6), 5, "broad")
    n = teach(
        *(learner, values, labelled, answers, np.arange(60, N), (1,), 2, trusted, 3),
        n_survey=N,
        take_back=True,
    )
    assert learner.weights.tolist() == [*np.linspace(0.5, 1, 6), *np.ones(n)]


def test_known_pictures_are_taught_in_all_columns():
    values, is_target = planted()
    config = LoopConfig(control_share=0, queue_length=60)
    engine = Engine(values, np.ones(N, bool), ("other", "target"), "target", config)
    known = engine.with_outside(Outside(values[[10, 20]] + 0.01, ("target", "target")))
    assert engine.rerank({}).learner is None
    ranking = known.rerank({})
    assert ranking.learner == "broad"
    assert len(ranking.scores) == N
    share = np.mean([is_target[pick.row] for pick in ranking.picks])
    assert share > 0.4
    again = known.rerank({})
    assert [pick.row for pick in again.picks] == [pick.row for pick in ranking.picks]


@pytest.mark.parametrize("sampler", ["portfolio", "margin", "ens", "badge", "positive_unlabelled"])
def test_samplers_rank_with_the_default_learner(sampler):
    values, is_target = planted()
    config = LoopConfig(sampler=sampler, control_share=0, queue_length=8)
    engine = Engine(values[:600], np.ones(600, bool), ("other", "target"), "target", config)
    labels = {row: "target" if is_target[row] else "other" for row in (0, 10, 20, 31, 42)}
    ranking = engine.rerank(labels)
    assert len(ranking.picks) == 8
    assert ranking.learner == "broad"


def test_what_is_odd_is_learnt_from_the_rows_drawn_alone():
    values, _ = planted()
    own, _ = standardise(values, np.ones(N, bool))
    white = own[:, :3]
    every = wide_sample(own, white, np.ones(N, bool), 5)[1]
    config = LoopConfig(seed=5)
    engine = Engine(values, np.ones(N, bool), ("a", "b"), "a", config)
    scores = np.stack([normal_scores(engine.detector_scores(one), 5) for one in DETECTORS_SEEN], 1)
    assert np.allclose(every[:, 3:5], scores)
    # Copies of the odd beside it make nothing less odd: they were not drawn.
    many = np.concatenate([own, np.repeat(own[:1], 300, axis=0)])
    drawn = np.arange(len(many)) < N
    found = wide_sample(many, many[:, :3], drawn, 5)[1]
    assert np.allclose(found[:N], every)
    assert np.allclose(found[N + 1 :, 3], every[0, 3], atol=1e-5)  # the forest's, of an equal row
    few = wide_sample(many, many[:, :3], np.arange(len(many)) < 5, 5)[1]
    assert (few[:, 3:5] == 0).all()
