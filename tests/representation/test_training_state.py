"""The state of a training on disk: whole, claimed, and gone on from."""

import json
import os
import signal
import time

import psutil
import pytest

from core.config import PretrainConfig
from core.errors import InUse
from core.representation.training import checkpoint as checkpoints
from core.representation.training import held_out, loop
from core.representation.training.interrupts import held_back
from core.representation.training.loop import Trainer, pretrain

from .short_training import CONFIG, SHORT, SLIM, noise, patterned, same_weights, served


@pytest.fixture(scope="module")
def pictures():
    return noise()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_step_leaves_the_state_after_it(pictures, tmp_path, monkeypatch, number):
    class Ended(KeyboardInterrupt):
        pass

    def end(_number, _frame):
        raise Ended

    real = Trainer.step

    def interrupted(self, step):
        if step == 1:
            os.kill(os.getpid(), number)
        return real(self, step)

    whole = pretrain(served(pictures), 24, CONFIG)
    before = signal.signal(number, end)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", interrupted)
            with pytest.raises(Ended):
                pretrain(served(pictures), 24, CONFIG, checkpoint=tmp_path)
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    assert checkpoints.kept_step(tmp_path) == 2
    assert same_weights(whole, pretrain(served(pictures), 24, CONFIG, checkpoint=tmp_path))


def test_a_second_signal_is_not_held_back():
    done: list[bool | str] = []
    # A run in the background of a shell is started deaf to SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def twice():
        with held_back() as came:
            assert not came()
            signal.raise_signal(signal.SIGINT)
            done.append(came())
            signal.raise_signal(signal.SIGINT)
            done.append("more")

    try:
        with pytest.raises(KeyboardInterrupt):
            twice()
        assert done == [True]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_that_stopped_early_does_not_train_on(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 1)
    monkeypatch.setattr(loop, "EVALUATIONS", 4)
    monkeypatch.setattr(loop, "PATIENCE", 1)
    scores = iter([0.9, 0.4, 0.4, 0.4])
    monkeypatch.setattr(
        held_out.HeldOut, "quality", lambda *_: {held_out.PROGRESS_MEASURE: next(scores)}
    )
    config = PretrainConfig(steps=4, batch_size=8, settings=SLIM)
    first = pretrain(served(patterned()), 60, config, checkpoint=tmp_path)
    assert first.ending.startswith("stopped early at step 2")

    def nothing(_index):
        raise AssertionError("nothing is left to train")

    again = pretrain(nothing, 60, config, checkpoint=tmp_path)
    assert again.ending == first.ending
    assert again.best_step == 1
    assert same_weights(first, again)


def test_a_checkpoint_is_held_by_one_process_and_left_to_the_next(pictures, tmp_path):
    folder = tmp_path / "checkpoints" / "pretrain-a"
    with checkpoints.claimed_checkpoint(folder, "network") as held:
        (held / checkpoints.PLAN).write_text("{}")
        pretrain(served(pictures), 24, SHORT, checkpoint=held)
        with (
            pytest.raises(InUse, match="already making the network"),
            checkpoints.claimed_checkpoint(folder, "network"),
        ):
            pass
    with checkpoints.claimed_checkpoint(folder, "network") as held:
        assert (held / checkpoints.PLAN).exists()
        assert checkpoints.kept_step(held) == 2
        checkpoints.remove_checkpoint(held)
    assert not folder.parent.exists()
    with checkpoints.claimed_checkpoint(folder, "network"):
        pass
    assert not folder.parent.exists()


def test_only_abandoned_trainings_are_removed(tmp_path):
    kept = tmp_path / "embed-1.partial"
    held = tmp_path / "pretrain-held.partial"
    planned_only = tmp_path / "pretrain-old.partial"
    for folder in (kept, held, planned_only):
        folder.mkdir()
    (kept / "journal.json").write_text("{}")
    (planned_only / checkpoints.PLAN).write_text("{}")
    (held / checkpoints.PLAN).write_text("{}")
    me = {"pid": os.getpid(), "pid_start_time": psutil.Process().create_time()}
    (held / "holder.json").write_text(json.dumps(me))
    long_ago = time.time() - 40 * 86400
    for folder in (kept, held, planned_only):
        os.utime(folder, (long_ago, long_ago))
    checkpoints.remove_checkpoint(tmp_path / "pretrain-mine.partial")
    assert kept.exists()
    assert held.exists()
    assert not planned_only.exists()
