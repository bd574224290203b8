"""Another strategy on the same engine ranks as an engine made for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import DETECTORS, SAMPLERS, Engine
from core.errors import BadInput

CLASSES = ("yes", "no")


@pytest.mark.parametrize("labels", [{}, {0: "yes", 5: "no", 9: "no"}])
def test_it_ranks_as_a_new_engine_would(labels: dict[int, str]) -> None:
    embedding = np.random.default_rng(0).normal(size=(60, 4))
    mask = np.ones(60, dtype=bool)
    wanted = LoopConfig(sampler="margin", learner="logistic", control_share=0.3, seed=2)
    first = Engine(embedding, mask, CLASSES, "yes", LoopConfig(seed=2))
    before = first.rerank(labels, n=20)
    changed = first.with_config(wanted)
    expected = Engine(embedding, mask, CLASSES, "yes", wanted).rerank(labels, n=20)
    found = changed.rerank(labels, n=20)
    assert found.picks == expected.picks
    assert (found.sampler, found.learner, found.state) == (
        *(expected.sampler, expected.learner),
        expected.state,
    )
    assert first.rerank(labels, n=20).picks == before.picks


@pytest.mark.parametrize("change", [{"sampler": "none"}, {"learner": "none"}, {"seed": 3}])
def test_what_is_not_there_is_refused(change: dict[str, object]) -> None:
    engine = Engine(np.eye(6), np.ones(6, dtype=bool), CLASSES, "yes", LoopConfig(seed=2))
    with pytest.raises(BadInput):
        engine.with_config(LoopConfig(**({"seed": 2} | change)))  # type: ignore[arg-type]


def test_another_task_ranks_as_a_new_engine_and_shares_what_was_worked_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embedding = np.random.default_rng(0).normal(size=(60, 4))
    mask = np.ones(60, dtype=bool)
    config = LoopConfig(learner="logistic", seed=2)
    first = Engine(embedding, mask, CLASSES, "yes", config)
    before = first.rerank({}, n=20)
    classes = ("new", "yes", "no")
    labels = {0: "yes", 5: "no", 9: "new", 11: "new"}
    expected = Engine(embedding, mask, classes, "new", config).rerank(labels, n=20)

    def never(*_: object) -> np.ndarray:
        raise AssertionError("worked out a second time")

    monkeypatch.setattr("core.discovery.engine.whiten", never)
    entry = DETECTORS["isolation_forest"]
    monkeypatch.setitem(DETECTORS._entries, entry.name, replace(entry, call=never))
    other = first.with_task(classes, "new")
    assert other.classes == classes
    assert other.targets == (0,)
    assert (other.detector_scores(entry.name) == first.detector_scores(entry.name)).all()
    found = other.rerank(labels, n=20)
    assert found.picks == expected.picks
    assert found.state == expected.state
    assert first.classes == CLASSES
    assert first.rerank({}, n=20).picks == before.picks
    with pytest.raises(BadInput, match="two or more different classes"):
        first.with_task(("yes", "no"), "lens")


def test_a_sampler_is_refused_a_survey_that_it_cannot_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert SAMPLERS["ens"].most_rows == 1_000_000
    monkeypatch.setitem(SAMPLERS._entries, "ens", replace(SAMPLERS["ens"], most_rows=5))
    embedding, mask = np.eye(6), np.ones(6, dtype=bool)
    ens = LoopConfig(sampler="ens")
    with pytest.raises(BadInput, match=r"'ens' takes up to 5 objects.* has 6; choose another"):
        Engine(embedding, mask, CLASSES, "yes", ens)
    with pytest.raises(BadInput, match="'ens' takes up to 5 objects"):
        Engine(embedding, mask, CLASSES, "yes").with_config(ens)
    assert len(Engine(embedding[:5], mask[:5], CLASSES, "yes", ens)) == 5
