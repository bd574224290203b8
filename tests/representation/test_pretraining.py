"""Pretraining repeats, resumes, watches itself and learns, on a handful of small pictures."""

import contextlib
import json
import math
import os
import socket
import time
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from safetensors import safe_open
from torch import distributed

from core.config import PretrainConfig
from core.errors import BadInput, Cancelled, Damaged
from core.representation.inputs.pictures import PictureSource
from core.representation.methods.method import METHODS
from core.representation.training import checkpoint as checkpoints
from core.representation.training import held_out, loop
from core.representation.training.guard import LONG, REMEMBERED, LossWatch, out_of_memory
from core.representation.training.loop import Record, pretrain
from core.representation.training.order import Order, divided
from core.representation.training.rules import planned
from core.representation.training.team import Team
from core.survey import Batch, SurveyWriter
from core.workspace import open_workspace

SLIM = {"widths": [4, 8, 8, 16], "blocks": [1, 1, 1, 1]}
CONFIG = PretrainConfig(steps=6, batch_size=8, settings=SLIM, seed=4)
SHORT = PretrainConfig(steps=2, batch_size=8, settings=SLIM, seed=4)


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(24, 3, 128, 128, generator=generator)


def served(pictures):
    return lambda index: pictures[index]


def same_weights(a, b):
    ours, theirs = a.method.state_dict(), b.method.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


# The same again


def test_a_seed_gives_the_same_weights_again_and_another_seed_others(pictures):
    first = pretrain(served(pictures), 24, SHORT)
    assert same_weights(first, pretrain(served(pictures), 24, SHORT))
    other = PretrainConfig(**{**SHORT.as_dict(), "seed": 5})
    assert not same_weights(first, pretrain(served(pictures), 24, other))
    assert [record["step"] for record in first.history] == [1, 2]
    for record in first.history:
        assert set(record) == {
            "step",
            "loss",
            "invariance",
            "variance",
            "covariance",
            "learning_rate",
            "seconds",
        }
    assert first.ending == "all steps done"
    assert first.best_step == 2


@pytest.mark.parametrize("method", ["vicreg", "byol"])
def test_a_stopped_run_ends_with_the_weights_of_an_unbroken_one(
    pictures, tmp_path, monkeypatch, method
):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(loop, "CHECKPOINT_COST", 0)
    config = PretrainConfig(method=method, steps=6, batch_size=8, settings=SLIM, seed=4)
    whole = pretrain(served(pictures), 24, config)
    calls = []

    def stop(fraction, _message):
        calls.append(fraction)
        if len(calls) == 4:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        pretrain(served(pictures), 24, config, checkpoint=tmp_path, progress=stop)
    with safe_open(tmp_path / checkpoints.STATE, "pt") as handle:
        assert json.loads(handle.metadata()["state"])["step"] == 4
    records: list[Record] = []
    resumed = pretrain(served(pictures), 24, config, checkpoint=tmp_path, on_record=records.append)
    assert same_weights(whole, resumed)
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
    for ours, theirs in zip(resumed.history, whole.history, strict=True):
        assert ours["loss"] == theirs["loss"]


def test_a_checkpoint_of_other_settings_or_other_pictures_is_not_used(
    pictures, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    pretrain(served(pictures), 24, SHORT, checkpoint=tmp_path)
    other = PretrainConfig(steps=2, batch_size=8, settings=SLIM, seed=5)
    fresh = pretrain(served(pictures), 24, other)
    assert same_weights(fresh, pretrain(served(pictures), 24, other, checkpoint=tmp_path))
    # What the last line left is of 24 pictures.
    fewer = pretrain(served(pictures), 20, other)
    assert same_weights(fewer, pretrain(served(pictures), 20, other, checkpoint=tmp_path))
    (tmp_path / checkpoints.STATE).write_bytes(b"\x80\x04cut off")
    assert same_weights(fresh, pretrain(served(pictures), 24, other, checkpoint=tmp_path))


def test_finished_and_abandoned_checkpoints_are_removed(tmp_path):
    for name, days in (("mine", 0), ("fresh", 1), ("abandoned", 40)):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / checkpoints.STATE).write_bytes(b"x")
        then = time.time() - days * 86400
        os.utime(tmp_path / "checkpoints" / name, (then, then))
    checkpoints.remove_checkpoint(tmp_path / "checkpoints" / "mine")
    assert [one.name for one in (tmp_path / "checkpoints").iterdir()] == ["fresh"]
    checkpoints.remove_checkpoint(tmp_path / "checkpoints" / "fresh")
    assert not (tmp_path / "checkpoints").exists()


# Which objects


def test_every_object_is_taken_once_an_epoch_and_the_order_needs_no_state():
    order = Order(np.arange(5, 29), seed=3)
    taken = torch.cat([order(step, 6) for step in range(4)])
    assert sorted(taken.tolist()) == list(range(5, 29))
    assert order(5, 6).tolist() != order(1, 6).tolist()
    again = Order(np.arange(5, 29), seed=3)
    assert again(5, 6).tolist() == order(5, 6).tolist()


def test_objects_on_disk_are_taken_in_blocks_of_neighbours():
    order = Order(np.arange(100), seed=0, block=10)
    taken = torch.cat([order(step, 20) for step in range(5)]).tolist()
    assert sorted(taken) == list(range(100))
    assert taken != sorted(taken)
    for start in range(0, 100, 10):
        assert taken[start : start + 10] == list(range(taken[start], taken[start] + 10))


@pytest.mark.parametrize(("count", "held"), [(20, 0), (39, 0), (40, 20), (1000, 100), (9000, 512)])
def test_how_many_are_held_out(count, held):
    trained, kept = divided(count, seed=1)
    assert len(kept) == held
    assert sorted([*trained, *kept]) == list(range(count))
    assert divided(count, seed=1)[1].tolist() == kept.tolist()


def test_views_of_one_thing_stay_on_one_side():
    groups = np.repeat(np.arange(50), 4)
    trained, kept = divided(200, 0, groups)
    assert 0 < len(kept) <= 20
    assert not set(groups[trained]) & set(groups[kept])
    everything_alike = np.zeros(200, np.int64)
    assert len(divided(200, 0, everything_alike)[1]) == 0


# Quality on held-out objects


@pytest.fixture(scope="module")
def patterns():
    """60 objects told apart by their pattern."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand(60, 3, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=128, mode="bilinear")


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


# What goes wrong


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


# Rules


def test_batch_rate_and_steps_by_rule(pictures):
    asked = PretrainConfig(steps=7, settings=SLIM)
    plan = planned(served(pictures), 24, asked)
    assert plan.config.batch_size == 24
    assert plan.config.learning_rate == pytest.approx(1.5e-3 * math.sqrt(24 / 192), rel=0.01)
    assert plan.config.steps == 7
    assert "24 pictures: 7 steps of 24 by vicreg" in plan.words
    told = PretrainConfig(batch_size=12, learning_rate=0.01, settings=SLIM)
    kept = planned(served(pictures), 24, told, by_rule=()).config
    assert kept == told


def test_minutes_become_steps(pictures):
    asked = PretrainConfig(settings=SLIM, batch_size=4)
    short = planned(served(pictures), 24, asked, minutes=0.02, by_rule=()).config
    longer = planned(served(pictures), 24, asked, minutes=20, by_rule=()).config
    assert 1 <= short.steps < longer.steps
    assert longer.batch_size == 4
    # Time that has gone by already is not there.
    assert (
        planned(served(pictures), 24, asked, minutes=0.02, by_rule=(), began=0.0).config.steps == 1
    )


# Several processes


def _in_team(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    try:
        for method in ("vicreg", "byol"):
            losses, state = _trained(method)
            if rank == 0:
                torch.save([losses, state], folder / f"{method}.pt")
    finally:
        distributed.destroy_process_group()


def _second(_index, port, folder):
    _in_team(1, port, folder)


def _exact(enabled: bool | None = None) -> contextlib.AbstractContextManager[object]:
    return contextlib.nullcontext()


def _trained(method):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(24, 3, 128, 128, generator=generator)
    before, loop.autocast = loop.autocast, _exact  # bf16 would hide differences
    try:
        config = PretrainConfig(method=method, steps=5, batch_size=8, settings=SLIM, seed=1)
        result = pretrain(lambda i: pictures[i], 24, config)
    finally:
        loop.autocast = before
    return [record["loss"] for record in result.history], result.method.state_dict()


def test_two_processes_agree_with_one_at_the_same_batch(tmp_path, monkeypatch):
    """The losses of five steps within one part in 10,000, the weights within a fiftieth of the way
    they went (AdamW also moves weights whose gradient is nothing but rounding)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    threads = torch.get_num_threads()
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")  # so that what is set now does not stay
    other = mp.spawn(_second, (port, tmp_path), nprocs=1, join=False, daemon=True)
    assert other is not None
    _in_team(0, port, tmp_path)
    assert other.join(60)
    torch.set_num_threads(threads)
    for method in ("vicreg", "byol"):
        losses, state = torch.load(tmp_path / f"{method}.pt", weights_only=True)
        alone, expected = _trained(method)
        assert losses == pytest.approx(alone, rel=1e-4)
        torch.manual_seed(1)
        fresh = METHODS[method](METHODS[method].input_spec(3), SLIM).state_dict()
        moving = [name for name, value in expected.items() if value.is_floating_point()]
        went = torch.cat([(expected[name] - fresh[name]).flatten() for name in moving])
        apart = torch.cat([(expected[name] - state[name]).flatten() for name in moving])
        assert apart.norm() < 0.02 * went.norm()


def test_alone_a_team_is_no_trouble():
    team = Team.join()
    assert (team.rank, team.size, team.is_main) == (0, 1, True)
    assert team.told({"a": [1]}) == {"a": [1]}
    assert team.share_of(8) == slice(0, 8)
    team.leave()


# Pictures of a survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """50 float pictures in five bands: one has NaN, one is constant, one is missing, one
    nothing but NaN (which counts as missing)."""
    rng = np.random.default_rng(0)
    images = list(rng.normal(3, 1, (50, 5, 20, 20)).astype(np.float32))
    images[3][:, :4] = np.nan
    images[4][:] = np.nan
    images[5][:] = 7.0
    images[6] = None
    writer = SurveyWriter(
        open_workspace(tmp_path_factory.mktemp("pretraining") / "ws"),
        "cubes",
        bands=tuple("ugriz"),
        cutout_size_px=20,
        dtype="float32",
        origin="test",
        licence="none",
    )
    with writer:
        ids = [f"C{number}" for number in range(50)]
        writer.append(Batch(ids, images, [{} for _ in ids], [f"T{n // 2}" for n in range(50)]))
        return writer.commit()


def test_training_from_disk_is_training_from_memory(survey):
    kept = PictureSource([survey], bands=5)
    streamed = PictureSource([survey], bands=5, memory_bytes=0)
    assert (kept.block, streamed.block, len(streamed)) == (1, 16, 48)
    index = torch.tensor([40, 3, 17])
    assert torch.allclose(kept(index), streamed(index), atol=2e-3)
    result = pretrain(streamed, 48, SHORT, bands=5, groups=streamed.groups)
    assert all(math.isfinite(record["loss"]) for record in result.history)
    assert same_weights(result, pretrain(streamed, 48, SHORT, bands=5, groups=streamed.groups))


def test_groups_of_the_survey_hold_together(survey):
    groups = PictureSource([survey, survey], bands=3).groups
    assert len(groups) == 96
    assert len(set(groups[:48])) == 25
    assert not set(groups[:48]) & set(groups[48:])  # the surveys' groups are not one another's
    assert groups[0] == groups[1] != groups[2]


def test_a_read_that_fails_while_a_step_runs_is_told(survey, monkeypatch):
    source = PictureSource([survey], bands=5, memory_bytes=0)
    real, calls = source._read, []

    def fails(index):
        calls.append(1)
        if len(calls) > 6:
            raise Damaged("The file is gone.")
        return real(index)

    monkeypatch.setattr(source, "_read", fails)
    with pytest.raises(Damaged, match="gone"):
        pretrain(source, 48, CONFIG, bands=5)
