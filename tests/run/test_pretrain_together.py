"""The job `pretrain` by several processes: what is said, and that it is said once."""

import json
import os
import signal
import subprocess

import pytest

from core.representation.training import loop
from core.run import main
from core.survey import Survey, finished_runs
from core.vocabulary import JobKind
from core.workspace import open_workspace
from labels_db import LabelsDB

from .conftest import paint

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")

TINY = ["--set", "widths=[4,8,8,16]", "--set", "blocks=[1,1,1,1]", "--batch-size", "8"]
TWO = ["--processes", "2"]


@pytest.fixture
def spots(tmp_path):
    """Path of a workspace with the survey `spots` of 48 pictures."""
    paint(tmp_path / "pictures", count=48)
    path = str(tmp_path / "ws")
    argv = ["import", str(tmp_path / "pictures"), "--name", "spots", "--workspace", path]
    assert main(argv) == 0
    return path


def pretrain(path, *more):
    return main(["pretrain", "spots", "--workspace", path, *TINY, *more])


def survey_of(path):
    return Survey.open(open_workspace(path), "spots")


def test_two_processes_train_one_network(spots, tmp_path, capfd):
    argv = ["--steps", "3", *TWO, "--out", str(tmp_path / "two")]
    assert pretrain(spots, *argv) == 0, capfd.readouterr().err
    assert pretrain(spots, "--steps", "3", "--out", str(tmp_path / "one")) == 0
    both, alone = (
        [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
        for run in finished_runs(survey_of(spots), JobKind.PRETRAIN)[::-1]
    )
    two, one = ([r["loss"] for r in records if "loss" in r] for records in (both, alone))
    assert two == pytest.approx(one, rel=0.05)  # bf16 where the processor has it
    assert "RANK" not in os.environ
    with LabelsDB(open_workspace(spots).labels) as db:
        kinds = [row.kind for row in db.runs()]
    assert kinds.count(JobKind.PRETRAIN) == 2


def test_a_signal_keeps_the_state_and_says_so_once(spots, capfd, monkeypatch):
    real = loop.Trainer.step

    def interrupted(self, step):
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, step)

    monkeypatch.setattr(loop.Trainer, "step", interrupted)
    capfd.readouterr()
    assert pretrain(spots, "--steps", "4", *TWO) == 143
    said = capfd.readouterr().err
    assert said.count("skysift:") == 1
    assert "stopped; its state after 2 steps is kept in" in said


def test_a_process_that_is_lost_ends_the_training_in_a_sentence(spots, capfd, monkeypatch):
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            started.append(self)

    real = loop.Trainer.step

    def loses(self, step):
        if step == 2:
            started[0].kill()
        return real(self, step)

    monkeypatch.setattr("core.representation.training.launch.subprocess.Popen", Watched)
    monkeypatch.setattr(loop.Trainer, "step", loses)
    capfd.readouterr()
    assert pretrain(spots, "--steps", "4", *TWO) == 2
    said = capfd.readouterr().err
    assert said.count("skysift:") == 1
    assert "Another of the 2 processes that train together was lost (signal 9 ended it)" in said
    assert "its state after 2 steps is kept in" in said


def test_divergence_is_told_once(spots, capfd):
    capfd.readouterr()
    assert pretrain(spots, "--steps", "30", "--learning-rate", "0.99", *TWO) == 2
    said = capfd.readouterr().err
    assert said.count("skysift:") == 1
    assert "diverged at step" in said
    assert finished_runs(survey_of(spots), JobKind.PRETRAIN) == []


def test_what_cannot_be_is_said_once_by_two_processes(spots, capfd):
    capfd.readouterr()
    argv = ["--method", "byol", "--set", "momentum=nan", "--steps", "1"]
    assert pretrain(spots, *argv, *TWO) == 2
    said = capfd.readouterr().err
    assert said.count("skysift:") == 1
    assert "momentum" in said
