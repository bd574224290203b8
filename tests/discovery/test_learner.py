"""modAL's learner, repaired; the canary that says when the repair can go."""

from __future__ import annotations

import numpy as np
import pytest
from modAL.models import ActiveLearner
from sklearn.linear_model import LogisticRegression

from core.discovery import LEARNERS, Learner
from core.discovery.learner import draw_from_pool


def data(n=40, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return (rng.normal(size=(n, 4)) + 3 * y[:, None]).astype(np.float32), y


@pytest.mark.parametrize("method", ["teach", "only_new", "fit"])
def test_canary_upstream_still_fails_on_the_renamed_keyword(method):
    """When this fails, modAL or scikit-learn changed: see whether `Learner` is still needed."""
    X, y = data()
    upstream = ActiveLearner(LogisticRegression())
    calls = {
        "teach": lambda: upstream.teach(X, y),
        "only_new": lambda: upstream.teach(X, y, only_new=True),
        "fit": lambda: upstream.fit(X, y),
    }
    with pytest.raises(TypeError, match="force_all_finite"):
        calls[method]()


def test_canary_what_the_subclass_relies_on_is_still_there():
    for name in ("_add_training_data", "_fit_to_known", "_fit_on_new", "query", "predict_proba"):
        assert callable(getattr(ActiveLearner, name))
    learner = Learner(LogisticRegression())
    assert learner.force_all_finite is True
    assert learner.X_training is None


def test_teach_accumulates_and_trains_on_all():
    X, y = data()
    learner = Learner(LogisticRegression(), draw_from_pool, X[:10], y[:10])
    learner.teach(X[10:], y[10:])
    assert np.array_equal(learner.X_training, X)
    plain = LogisticRegression().fit(X, y)
    assert np.allclose(learner.predict_proba(X), plain.predict_proba(X))


def test_teach_only_new_and_fit_forget():
    X, y = data()
    learner = Learner(LogisticRegression(), X_training=X[:10], y_training=y[:10])
    learner.teach(X[10:], y[10:], only_new=True)
    plain = LogisticRegression().fit(X[10:], y[10:])
    assert np.allclose(learner.predict_proba(X), plain.predict_proba(X))
    assert np.array_equal(learner.fit(X[:6], y[:6]).X_training, X[:6])


def test_teach_refuses_values_that_are_not_finite():
    X, y = data()
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        Learner(LogisticRegression()).teach(X, y)


def test_query_gives_rows_values_and_what_is_said_of_them():
    X, _y = data()

    def lowest_two(learner, values, n_instances):
        rows = np.argsort(values[:, 0])[:n_instances]
        return rows, "metrics"

    learner = Learner(LogisticRegression(), lowest_two)
    rows, values, metrics = learner.query(X, n_instances=2, return_metrics=True)
    assert rows.tolist() == np.argsort(X[:, 0])[:2].tolist()
    assert np.array_equal(values, X[rows])
    assert metrics == "metrics"


def test_repr_does_not_hold_the_data():
    X, y = data()
    assert repr(Learner(LogisticRegression(), X_training=X, y_training=y)) == (
        "Learner(LogisticRegression)"
    )


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_probabilities_stand_in_the_columns_of_their_classes(name):
    X, y = data()
    learner = Learner(LEARNERS[name].call(0))
    learner.teach(X, np.where(y == 1, 4, 2))  # classes 2 and 4 of 6
    p = learner.class_probabilities(X, 6)
    assert p.dtype == np.float32
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (p[:, [0, 1, 3, 5]] == 0).all()
    assert (p[y == 1, 4] > 0.5).all()
    assert (p[y == 0, 2] > 0.5).all()


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_learners_take_a_class_of_one_more_columns_than_rows_and_duplicates(name):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(4, 300)).astype(np.float32), 2, axis=0)
    y = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    learner = Learner(LEARNERS[name].call(0))
    learner.teach(X, y)
    assert np.isfinite(learner.class_probabilities(X, 3)).all()


def test_a_query_strategy_is_asked_once_and_what_it_raises_goes_on():
    """modAL's own `query` asks again after an interrupt too; when it does not, ours can go."""

    def interrupted_first(learner, values):
        asked.append(1)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return np.array([0]), None

    asked: list[int] = []
    ActiveLearner(LogisticRegression(), interrupted_first).query(data()[0])
    assert len(asked) == 2
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        Learner(LogisticRegression(), interrupted_first).query(data()[0])
    assert len(asked) == 1
