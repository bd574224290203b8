"""Holding a learner against the answers: the same as by hand, never taught what it is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from core.config import LoopConfig
from core.discovery import LEARNERS, Engine
from core.discovery.answered import NEVER_OUT, folds_of
from core.discovery.learners.logistic import logistic
from core.discovery.prepare import standardise, whiten
from core.discovery.registry import Entry
from core.discovery.validation import (
    N_FOLDS,
    SCALE_ROWS,
    SLOW_LEARNERS,
    answered_values,
    validate,
)
from core.errors import NotReady
from core.metrics import average_precision


def made(seed: int = 0, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    answers = (rng.random(n) < 0.3).astype(np.int64)
    values = rng.normal(size=(n, 3)).astype(np.float32)
    values[:, 0] += 2.5 * answers
    return values, answers


def test_it_agrees_with_a_plain_loop() -> None:
    values, answers = made()
    found = validate("logistic", values, answers, 2, 1, seed=3)
    folds = folds_of(answers, N_FOLDS, np.random.default_rng([3, 0xF0]))
    assert found.sizes.tolist() == [15, 30, 60]
    for place, size in enumerate((15, 30, 60)):
        told = np.empty(60)
        for fold in range(N_FOLDS):
            rows = [row for row in range(size) if folds[row] != fold]
            model = logistic(3).fit(values[rows], answers[rows])
            told[folds == fold] = model.predict_proba(values[folds == fold])[:, 1]
        assert found.precisions[place] == pytest.approx(average_precision(answers, told))
    assert found.probabilities[:, 1] == pytest.approx(told)
    assert found.predicted.tolist() == (told > 0.5).astype(int).tolist()
    assert found.confusion()[1, 0] == ((answers == 1) & (told <= 0.5)).sum()
    assert found.confusion().sum() == 60


class Recalls(ClassifierMixin, BaseEstimator):
    """Knows by heart what it was taught: sure of that, and of nothing else."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Recalls:
        self.classes_ = np.unique(y)
        self.known_ = {row.tobytes() for row in X}
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        assert not any(row.tobytes() in self.known_ for row in X), "it was asked what it knows"
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_no_model_is_asked_what_it_was_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    entry: Entry[Any] = Entry("recalls", lambda _seed: Recalls(), "what it knows by heart")
    monkeypatch.setitem(LEARNERS._entries, "recalls", entry)
    values, answers = made(1)
    found = validate("recalls", values, answers, 2, 1, seed=0)
    assert found.precisions[-1] == pytest.approx(answers.mean())  # it told nothing apart


def test_wrong_answers_are_the_most_surprising() -> None:
    values, answers = made(2, n=120)
    values[:, 0] += 3 * answers
    mistaken = answers.copy()
    for row in (7, 50, 93):
        mistaken[row] = 1 - mistaken[row]
    found = validate("logistic", values, mistaken, 2, 1, seed=0)
    assert set(found.surprising()[:3].tolist()) == {7, 50, 93}
    given = found.given[found.surprising()]
    assert (np.diff(given) >= 0).all()
    assert (given < 0.5).all()


def test_the_only_answer_of_a_class_is_taught_and_never_asked() -> None:
    values, answers = made()
    answers = answers.copy()
    answers[10] = 3  # class 2 has none
    found = validate("logistic", values, answers, 4, 1, seed=0)
    folds = folds_of(answers, N_FOLDS, np.random.default_rng([0, 0xF0]))
    assert (folds == NEVER_OUT).nonzero()[0].tolist() == [10]
    assert np.flatnonzero(~found.is_held_out).tolist() == [10]
    assert found.predicted[10] == -1
    assert np.isnan(found.given[10])
    assert (found.probabilities[found.is_held_out][:, 2] == 0).all()
    assert found.probabilities[found.is_held_out].sum(axis=1) == pytest.approx(np.ones(59))


def test_a_point_of_the_curve_without_finds_is_left_open() -> None:
    values, answers = made()
    order = np.argsort(answers, kind="stable")  # all finds come last
    found = validate("logistic", values[order], answers[order], 2, 1, seed=0)
    assert np.isnan(found.precisions[:-1]).all()
    assert np.isfinite(found.precisions[-1])


@pytest.mark.parametrize("answers", [[1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], []])
def test_too_few_answers_are_told(answers: list[int]) -> None:
    with pytest.raises(NotReady, match="two or more finds and two or more others"):
        validate("default", np.zeros((len(answers), 2)), np.array(answers, int), 2, 1, 0)


def test_no_fit_starts_threads_of_linear_algebra(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []

    class Limits:
        def __enter__(self) -> None:
            inside.append(True)

        def __exit__(self, *_: object) -> None:
            inside.pop()

    class Looks(Recalls):
        def fit(self, X: np.ndarray, y: np.ndarray) -> Recalls:
            assert inside == [True]
            return super().fit(X, y)

        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            assert inside == [True]
            return super().predict_proba(X)

    entry: Entry[Any] = Entry("looks", lambda _seed: Looks(), "whether threads are limited")
    monkeypatch.setitem(LEARNERS._entries, "looks", entry)
    monkeypatch.setattr("core.discovery.validation.one_blas_thread", Limits)
    values, answers = made(1, n=20)
    assert np.isfinite(validate("looks", values, answers, 2, 1, seed=0).precisions[-1])
    assert not inside


def test_the_slow_learners_are_registered() -> None:
    assert set(LEARNERS) >= SLOW_LEARNERS


def test_small_surveys_are_scaled_as_the_engine_does() -> None:
    embedding = np.random.default_rng(0).normal(3, 2, (50, 5))
    mask = np.arange(50) != 4
    rows = np.array([30, 4, 12])
    seen = answered_values(embedding, mask, rows, 0, "logistic")
    assert np.array_equal(seen.survey, whiten(*standardise(embedding, mask)))
    assert np.array_equal(seen.values, seen.survey[rows])
    assert seen.n_leading is None


def test_the_default_learner_is_held_against_what_the_engine_shows_it() -> None:
    embedding = np.random.default_rng(0).normal(3, 2, (300, 5))
    mask = np.arange(300) != 4
    rows = np.array([30, 4, 12])
    seen = answered_values(embedding, mask, rows, seed=0)
    config = LoopConfig(seed=0)
    n_leading, wide = Engine(embedding, mask, ("a", "b"), "a", config)._wide_rows()
    assert seen.n_leading == n_leading
    assert np.array_equal(seen.values, wide[rows])


def test_large_surveys_are_scaled_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.discovery.validation.SCALE_ROWS", 2000)
    embedding = np.random.default_rng(0).normal(3, 2, (9000, 4)) * [1, 5, 25, 125]
    mask = np.ones(9000, dtype=bool)
    rows = np.array([8000, 3, 17])
    seen = answered_values(embedding, mask, rows, 0, "logistic")
    assert SCALE_ROWS > 2000 <= len(seen.survey) <= 2003
    again = answered_values(embedding, mask, rows, 0, "logistic")
    assert np.array_equal(seen.values, again.values)
    whole = whiten(*standardise(embedding, mask))[rows]
    # Components of like variance turn freely; distances stay.
    lengths = np.linalg.norm(seen.values, axis=1)
    assert lengths == pytest.approx(np.linalg.norm(whole, axis=1), rel=0.05)
