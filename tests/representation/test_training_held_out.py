"""Objects held out of a training: which, and what their quality decides."""

from typing import Any

import numpy as np
import pytest
import torch

from core.config import PretrainConfig
from core.representation.methods.method import METHODS
from core.representation.training import held_out, loop
from core.representation.training.loop import Record, pretrain
from core.representation.training.order import divided

from .short_training import SLIM, patterned, served


@pytest.fixture(scope="module")
def patterns():
    return patterned()


def test_held_out_objects_are_never_trained_on_and_their_quality_is_recorded(
    patterns, monkeypatch
):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 3)
    seen = []

    def fetch(index):
        seen.append(index.tolist())
        return patterns[index]

    config = PretrainConfig(steps=6, batch_size=16, settings=SLIM)
    records: list[Record] = []
    result = pretrain(fetch, 60, config, on_record=records.append)
    _, held = divided(60, 0)
    assert sum(seen.count([i]) for i in held) == 0
    trained_on = {i for rows in seen if len(rows) == 16 for i in rows}
    assert not trained_on & set(held)
    assert [record["step"] for record in result.qualities] == [3, 6]
    assert [record for record in records if "quality" in record] == result.qualities
    for record in result.qualities:
        assert {"neighbour_consistency", "view_retrieval", "rank"} <= set(record["quality"])
    assert result.best_quality in [record["quality"] for record in result.qualities]


def test_training_brings_the_views_of_an_object_together(patterns):
    config = PretrainConfig(
        steps=60, batch_size=40, learning_rate=4e-3, augmentation="weak", settings=SLIM
    )
    result = pretrain(served(patterns), 60, config)
    retrieved = [record["quality"]["view_retrieval"] for record in result.qualities]
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert max(retrieved) > 0.3  # chance is 1 in 20


def test_the_weights_of_the_best_evaluation_are_kept(patterns, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 2)
    scores = iter([0.5, 0.9, 0.2])
    kept = []

    def quality(self, method):
        kept.append({name: value.clone() for name, value in method.state_dict().items()})
        return {held_out.PROGRESS_MEASURE: next(scores)}

    monkeypatch.setattr(held_out.HeldOut, "quality", quality)
    config = PretrainConfig(steps=6, batch_size=8, settings=SLIM)
    result = pretrain(served(patterns), 60, config)
    assert (result.best_step, result.best_quality) == (4, {held_out.PROGRESS_MEASURE: 0.9})
    for name, value in result.method.state_dict().items():
        assert torch.equal(value, kept[1][name])


def test_training_stops_early_when_the_quality_no_longer_rises(patterns, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 1)
    monkeypatch.setattr(loop, "EVALUATIONS", 8)
    monkeypatch.setattr(loop, "PATIENCE", 1)
    scores = iter([0.5, 0.9, *[0.4] * 6])
    monkeypatch.setattr(
        held_out.HeldOut, "quality", lambda *_: {held_out.PROGRESS_MEASURE: next(scores)}
    )
    config = PretrainConfig(steps=8, batch_size=8, settings=SLIM)
    result = pretrain(served(patterns), 60, config)
    # Not at step 3: the first half of a run is gone through whatever the quality does.
    assert result.ending == (
        "stopped early at step 4: neighbour_consistency has not risen for 2 evaluations"
    )
    assert result.best_step == 2
    scores = iter([0.5, 0.9, *[0.4] * 6])
    on = PretrainConfig(steps=8, batch_size=8, settings=SLIM, early_stop=False)
    assert pretrain(served(patterns), 60, on).ending == "all steps done"


def test_codes_that_say_nothing_are_no_error(patterns):
    class Nothing:
        spec = METHODS["vicreg"].input_spec(3)
        reconstructs = False

        def eval(self):
            return self

        train = eval

        def codes(self, x):
            return torch.zeros(len(x), 5)

    recipe = loop.ViewRecipe()
    method: Any = Nothing()
    held = held_out.HeldOut(served(patterns), np.arange(20), method, recipe, 0)
    found = held.quality(method)
    assert "two_point" not in found
    assert found["rank"] == 0
