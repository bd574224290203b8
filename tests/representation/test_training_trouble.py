"""What goes wrong in a training, and what is said and kept."""

import math

import pytest
import torch

from core.config import PretrainConfig
from core.errors import BadInput
from core.representation.memory import out_of_memory
from core.representation.methods.method import METHODS
from core.representation.training import loop
from core.representation.training.guard import LONG, REMEMBERED, LossWatch
from core.representation.training.loop import Record, pretrain

from .short_training import CONFIG, SHORT, SLIM, noise, patterned, served


@pytest.fixture(scope="module")
def pictures():
    return noise()


@pytest.fixture(scope="module")
def patterns():
    return patterned()


def test_too_few_pictures_are_told():
    with pytest.raises(BadInput, match="at least 4 pictures"):
        pretrain(lambda i: torch.rand(len(i), 3, 128, 128), 3, CONFIG)


def test_a_small_survey_gets_a_small_batch(pictures):
    result = pretrain(served(pictures), 20, PretrainConfig(steps=2, settings=SLIM))
    assert math.isfinite(result.history[-1]["loss"])


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_surveys_of_any_number_of_bands(bands):
    generator = torch.Generator().manual_seed(0)
    cube = torch.rand(12, bands, 128, 128, generator=generator)
    result = pretrain(lambda i: cube[i], 12, SHORT, bands=bands)
    assert result.method.spec.bands == bands


def test_too_little_memory_halves_the_batch(pictures, monkeypatch):
    loss = METHODS["vicreg"].loss

    def hungry(self, views):
        if len(views[0]) > 8:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return loss(self, views)

    monkeypatch.setattr(METHODS["vicreg"], "loss", hungry)
    records: list[Record] = []
    config = PretrainConfig(steps=3, batch_size=20, settings=SLIM)
    result = pretrain(served(pictures), 24, config, on_record=records.append)
    notes = [record["note"] for record in records if "note" in record]
    assert notes == result.notes
    assert [note.split()[-1] for note in notes] == ["10.", "8."]
    assert len(result.history) == 3

    def starving(self, views):
        raise MemoryError

    monkeypatch.setattr(METHODS["vicreg"], "loss", starving)
    with pytest.raises(BadInput, match="not enough for 8 objects a step"):
        pretrain(served(pictures), 24, config)


def test_what_is_and_what_is_not_a_lack_of_memory():
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not out_of_memory(RuntimeError("shapes do not match"))
    assert not out_of_memory(ValueError("out of memory"))


def test_a_diverging_loss_ends_training_and_keeps_what_was_good(patterns, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 3)
    loss, calls = METHODS["vicreg"].loss, []

    def breaks(self, views):
        calls.append(1)
        found = loss(self, views)
        factor = math.nan if len(calls) > 4 else 1
        return type(found)(found.total * factor, found.parts)

    monkeypatch.setattr(METHODS["vicreg"], "loss", breaks)
    config = PretrainConfig(steps=9, batch_size=8, settings=SLIM)
    result = pretrain(served(patterns), 60, config)
    assert result.ending == (
        "the loss diverged at step 5, so training was stopped there; the weights of step 3 are"
        " kept"
    )
    assert result.best_step == 3
    assert all(torch.isfinite(value).all() for value in result.method.state_dict().values())
    calls.extend([1] * 20)
    with pytest.raises(BadInput, match="diverged at step 1, before there was anything to keep"):
        pretrain(served(patterns), 60, config)


def test_a_loss_far_above_what_it_was_diverges_only_if_it_stays_there():
    watch = LossWatch()
    for step in range(REMEMBERED):
        assert not watch.diverges(10 + 0.1 * (step % 3))
    for _ in range(LONG - 1):
        assert not watch.diverges(500.0)
    assert not watch.diverges(10.0)  # a spike that went by
    stays = [watch.diverges(500.0) for _ in range(LONG)]
    assert stays == [False] * (LONG - 1) + [True]
    assert LossWatch().diverges(math.inf)
    assert LossWatch().diverges(1.0, math.nan)


def test_a_loss_that_runs_away_at_once_diverges():
    watch = LossWatch()
    found = [watch.diverges(loss) for loss in (23.4, 26.1, 9e5, 1e7, 3e8, 3e6)]
    assert found == [False] * 5 + [True]
    assert list(watch.recent) == [23.4, 26.1]
    assert LossWatch(**LossWatch([1.0], 2, [1.0], 3).as_dict()).diverges(500.0)


def test_a_loss_that_finds_its_level_late_does_not_diverge():
    watch = LossWatch()
    rising = [4.5 + 5 * step / 80 for step in range(100)]
    assert not any(watch.diverges(loss) for loss in [0.9, 2.0, 3.0, *rising])


def test_a_run_that_ends_while_its_loss_runs_away_keeps_nothing_of_that(patterns, monkeypatch):
    loss, calls = METHODS["vicreg"].loss, []

    def explodes(self, views):
        calls.append(1)
        found = loss(self, views)
        return type(found)(found.total * (1e6 if len(calls) > 3 else 1), found.parts)

    monkeypatch.setattr(METHODS["vicreg"], "loss", explodes)
    config = PretrainConfig(steps=5, batch_size=8, settings=SLIM)
    with pytest.raises(BadInput, match="diverged at step 4, before there was anything to keep"):
        pretrain(served(patterns), 60, config)
    calls.clear()
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 3)
    result = pretrain(served(patterns), 60, config)
    assert result.best_step == 3
    assert result.ending.startswith("the loss diverged at step 4")
    assert len(result.qualities) == 2
