"""Another strategy on the same engine ranks as an engine made for it."""

from __future__ import annotations

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import Engine
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
