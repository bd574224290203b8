"""Pretraining repeats and resumes, on a handful of small pictures."""

import json
import os
import time

import pytest
from safetensors import safe_open

from core.config import PretrainConfig
from core.errors import Cancelled
from core.representation.training import checkpoint as checkpoints
from core.representation.training import loop
from core.representation.training.loop import Record, pretrain

from .short_training import SHORT, SLIM, noise, same_weights, served


@pytest.fixture(scope="module")
def pictures():
    return noise()


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
