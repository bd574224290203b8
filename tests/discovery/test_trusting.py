"""Answers that are believed less weigh less, and a learner that cannot weigh says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.config import LoopConfig
from core.discovery import DETECTORS, LEARNERS, Engine
from core.discovery.learner import Learner
from core.discovery.prepare import standardise, whiten
from core.discovery.trusting import takes_weights
from core.errors import BadInput

QUICK = LoopConfig(learner="logistic", queue_length=10, control_share=0)


@pytest.fixture(autouse=True)
def quick_detector(monkeypatch):
    entry = replace(DETECTORS["isolation_forest"], call=lambda values, *_: np.abs(values).sum(1))
    monkeypatch.setitem(DETECTORS._entries, "isolation_forest", entry)


def table():
    values = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    values[:40, 0] += 4
    return values, np.ones(400, bool)


def engine(learner="logistic"):
    values, mask = table()
    return Engine(values, mask, ("dual", "other"), "dual", replace(QUICK, learner=learner))


def answers_with_mistakes():
    """Of rows 0 to 99 every other; five duals and 25 others are called what they are not."""
    labels = {row: "dual" if row < 40 else "other" for row in range(0, 200, 2)}
    wrong = [*range(0, 10, 2), *range(100, 150, 2)]
    return labels | {row: "other" if row < 40 else "dual" for row in wrong}, wrong


def test_answers_believed_less_weigh_less():
    labels, wrong = answers_with_mistakes()
    rest = np.arange(1, 400, 2)
    is_dual = rest < 40

    def apart(ranking):
        scores = ranking.scores[rest]
        return float(np.log(scores[is_dual]).mean() - np.log(scores[~is_dual]).mean())

    even = engine().rerank(labels)
    weighed = engine().rerank(labels, trust=dict.fromkeys(wrong, 0.1))
    right = engine().rerank({row: one for row, one in labels.items() if row not in wrong})
    assert apart(even) < apart(weighed) < apart(right)
    # The same by scikit-learn alone.
    values, mask = table()
    X, rows = whiten(*standardise(values, mask)), sorted(labels)
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000).fit(
        X[rows],
        [labels[row] for row in rows],
        sample_weight=[0.1 if row in wrong else 1.0 for row in rows],
    )
    assert weighed.scores == pytest.approx(model.predict_proba(X)[:, 0], abs=1e-4)
    assert weighed.state.endswith(" 30 answers weigh less, for who gave them errs more often.")


def test_full_trust_changes_nothing():
    labels, _ = answers_with_mistakes()
    one, other = engine().rerank(labels), engine().rerank(labels, trust=dict.fromkeys(labels, 1.0))
    assert one.picks == other.picks
    assert (one.scores == other.scores).all()
    assert one.state == other.state


def test_a_learner_that_cannot_weigh_says_so():
    assert takes_weights(LEARNERS["averaged"].call(0))
    assert not takes_weights(LEARNERS["neighbours"].call(0))
    labels, wrong = answers_with_mistakes()
    even = engine("neighbours").rerank(labels)
    weighed = engine("neighbours").rerank(labels, trust={wrong[0]: 0.3})
    assert (even.scores == weighed.scores).all()
    assert "'neighbours' cannot weigh answers; the default one can." in weighed.state


def test_a_weight_out_of_range_is_refused():
    labels, _ = answers_with_mistakes()
    for weight in (0.0, 1.5, float("nan")):
        with pytest.raises(BadInput, match="more than 0 and at most 1"):
            engine().rerank(labels, trust={0: weight})


def test_only_an_order_that_goes_by_the_weighted_learner_is_said_to_be_weighed():
    labels, wrong = answers_with_mistakes()
    trust = dict.fromkeys(wrong, 0.1)

    def state(sampler):
        return engine().with_config(replace(QUICK, sampler=sampler)).rerank(labels, trust=trust)

    for sampler in ("margin", "ens"):
        assert state(sampler).state.endswith("for who gave them errs more often.")
    for sampler in ("positive_unlabelled", "anomaly"):
        said = state(sampler).state
        assert "30 answers are of people who err more often" in said
        assert "the order shown does not go by it" in said


def test_arms_of_a_portfolio_are_taught_weights_where_they_can(monkeypatch):
    labels, wrong = answers_with_mistakes()
    told = {}
    teach = Learner.teach

    def spy(self, X, y, **kwargs):
        told[type(self.estimator).__name__] = kwargs
        teach(self, X, y, **kwargs)

    monkeypatch.setattr(Learner, "teach", spy)
    own = engine().with_config(replace(QUICK, sampler="portfolio"))
    said = own.rerank(labels, trust=dict.fromkeys(wrong, 0.1)).state
    main, trees = told["LogisticRegression"], told["ExtraTreesClassifier"]
    assert (main["sample_weight"] < 1).sum() == len(wrong)
    assert (trees["sample_weight"] == main["sample_weight"]).all()
    assert told["Kernel"] == {}
    deaf = "most_likely/kernel, most_likely/neighbours"
    assert f"more often, but not with {deaf}, which cannot weigh." in said
    told.clear()
    own.rerank(labels)
    assert "sample_weight" not in told["ExtraTreesClassifier"]
