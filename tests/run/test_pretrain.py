"""The job `pretrain`: what it writes, what it says, and that a killed one goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from safetensors.numpy import load_file

from core.representation.training import loop
from core.run import main
from core.run_pretrain import common_bands
from core.survey import Survey, finished_runs
from core.vocabulary import JobKind, RunState
from core.workspace import open_workspace
from labels_db import LabelsDB

from .conftest import paint

TINY = ["--set", "widths=[4,8,8,16]", "--set", "blocks=[1,1,1,1]", "--batch-size", "8"]


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Path of a workspace with the survey `spots` of 48 pictures, for those that only read it."""
    folder = tmp_path_factory.mktemp("pretrain")
    paint(folder / "pictures", count=48)
    path = str(folder / "ws")
    pictures = str(folder / "pictures")
    assert main(["import", pictures, "--name", "spots", "--workspace", path]) == 0
    return path


@pytest.fixture
def spots(imported, tmp_path):
    """Path of a copy of that workspace."""
    shutil.copytree(imported, tmp_path / "ws")
    return str(tmp_path / "ws")


def pretrain(path, *more):
    return main(["pretrain", "spots", "--workspace", path, *TINY, *more])


def survey_of(path):
    return Survey.open(open_workspace(path), "spots")


def records_of(run):
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def test_a_run_keeps_its_curves_its_quality_and_how_it_ended(spots, capsys, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 2)
    capsys.readouterr()
    assert pretrain(spots, "--steps", "4", "--augmentation", "weak", "--without", "noise") == 0
    told = capsys.readouterr()
    assert "48 pictures, 20 of them held out: 4 steps of 8 by vicreg" in told.err
    assert "All steps done; kept are the weights of step" in told.out
    (run,) = finished_runs(survey_of(spots), JobKind.PRETRAIN)
    records = records_of(run)
    losses = [record for record in records if "loss" in record]
    assert [record["step"] for record in losses] == [1, 2, 3, 4]
    assert {"invariance", "learning_rate", "seconds"} <= set(losses[0])
    qualities = [record for record in records if "quality" in record]
    assert [record["step"] for record in qualities] == [2, 4]
    assert run.config["method"] == "vicreg"
    assert run.config["augmentation"] == "weak"
    assert run.config["augmentation_off"] == ["noise"]
    assert run.config["bands"] == 3
    assert list(run.config["surveys"]) == ["spots"]
    result = run.record["result"]
    assert result["ending"] == "all steps done"
    assert result["best_quality"] in [record["quality"] for record in qualities]
    assert not (survey_of(spots).folder / "checkpoints").exists()
    with LabelsDB(open_workspace(spots).labels) as db:
        (row,) = [row for row in db.runs() if row.kind == JobKind.PRETRAIN]
        assert row.state == RunState.DONE
        assert row.result is not None
        assert row.result["ending"] == "all steps done"
    assert main(["embed", "spots", "--encoder", "vicreg", "--workspace", spots]) == 0


def test_minutes_are_turned_into_steps_that_are_saved(spots):
    assert pretrain(spots, "--minutes", "0.02") == 0
    (run,) = finished_runs(survey_of(spots), JobKind.PRETRAIN)
    assert run.config["minutes"] == 0.02
    assert run.config["steps"] == run.record["result"]["steps"] >= 1


KILLED = """
import time
import core.representation.training.loop as loop
from core.run import main
loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_COST = 0
loop.EVALUATE_FEWEST_STEPS = 2
save, saves = loop.Trainer._save, []
def slowly(self, folder):
    saves.append(save(self, folder))
    time.sleep(120 if len(saves) == 3 else 0)
loop.Trainer._save = slowly
main({argv!r})
"""


def test_a_killed_run_goes_on_to_the_weights_of_an_unbroken_one(
    spots, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 2)
    argv = ["pretrain", "spots", "--workspace", spots, *TINY, "--steps", "12", "--no-early-stop"]
    argv += ["--set", "covariance_weight=2"]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(argv=argv)], stderr=subprocess.DEVNULL
    )
    checkpoints = survey_of(spots).folder / "checkpoints"
    limit = time.monotonic() + 120
    while not list(checkpoints.glob("*/checkpoint.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # Another command does not take it up, nor does it take the checkpoint away.
    assert pretrain(spots, "--steps", "1") == 0
    assert list(checkpoints.glob("*/checkpoint.safetensors"))
    capsys.readouterr()
    assert main([*argv, "--out", str(tmp_path / "resumed")]) == 0
    assert "a run that was stopped goes on" in capsys.readouterr().err
    assert not checkpoints.exists()
    assert main([*argv, "--out", str(tmp_path / "unbroken")]) == 0
    assert "goes on" not in capsys.readouterr().err
    resumed = load_file(tmp_path / "resumed" / "network.safetensors")
    unbroken = load_file(tmp_path / "unbroken" / "network.safetensors")
    assert set(resumed) == set(unbroken)
    assert all((resumed[name] == unbroken[name]).all() for name in resumed)
    newest, before, *_ = finished_runs(survey_of(spots), JobKind.PRETRAIN)
    steps = [[r["step"] for r in records_of(run) if "loss" in r] for run in (newest, before)]
    assert steps[0] == steps[1] == list(range(1, 13))
    maps = [[r for r in records_of(run) if "map" in r] for run in (newest, before)]
    assert [record["step"] for record in maps[0]] == [2, 4, 6, 8, 10, 12]
    assert maps[0] == maps[1]
    assert sum(len(ids) for ids in maps[0][0]["objects"].values()) == 20


def test_a_cancelled_run_says_where_its_state_is(spots, capsys, monkeypatch):
    monkeypatch.setattr("core.run_jobs.HEARTBEAT_S", 0)
    real = LabelsDB.cancel_requested

    def ask(self, run_id):
        (row,) = [row for row in self.runs() if row.run_id == run_id]
        return bool(re.match(r"step 3 of", row.message or "")) or real(self, run_id)

    monkeypatch.setattr(LabelsDB, "cancel_requested", ask)
    capsys.readouterr()
    assert pretrain(spots, "--steps", "9") == 2
    said = capsys.readouterr().err
    assert "its state after 3 steps is kept in" in said
    assert "the same command goes on" in said
    monkeypatch.setattr(LabelsDB, "cancel_requested", real)
    assert pretrain(spots, "--steps", "9") == 0
    with LabelsDB(open_workspace(spots).labels) as db:
        states = [row.state for row in db.runs() if row.kind == JobKind.PRETRAIN]
    assert sorted(states) == [RunState.CANCELLED, RunState.DONE]


def test_a_signal_before_the_first_step_claims_nothing(spots, capsys, monkeypatch):
    def interrupted(*_arguments, **_settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("core.representation.inputs.pictures.PictureSource", interrupted)
    capsys.readouterr()
    assert pretrain(spots, "--steps", "4") == 130
    assert "it had not learnt anything yet" in capsys.readouterr().err
    assert not (survey_of(spots).folder / "checkpoints").exists()


def test_the_same_training_at_once_is_refused(spots, capsys, monkeypatch):
    real, second = loop.Trainer.run, []

    def meanwhile(self, *arguments):
        second.append(pretrain(spots, "--steps", "2"))
        return real(self, *arguments)

    monkeypatch.setattr(loop.Trainer, "run", meanwhile)
    capsys.readouterr()
    assert pretrain(spots, "--steps", "2") == 0
    assert second == [2]
    assert "is already making the vicreg network of spots" in capsys.readouterr().err
    assert len(finished_runs(survey_of(spots), JobKind.PRETRAIN)) == 1


def test_the_way_on_is_told_for_each_survey(spots, tmp_path, capsys):
    argv = ["import", str(tmp_path / "more"), "--name", "more", "--workspace", spots]
    paint(tmp_path / "more", count=8)
    assert main(argv) == 0
    capsys.readouterr()
    assert main(["pretrain", "spots", "more", "--workspace", spots, *TINY, "--steps", "1"]) == 0
    said = capsys.readouterr().out
    (run,) = finished_runs(survey_of(spots), JobKind.PRETRAIN)
    for name in ("spots", "more"):
        assert f"embed {name} --encoder vicreg --weights {run.run_id} --workspace" in said
    argv = ["embed", "more", "--encoder", "vicreg", "--weights", run.run_id]
    assert main([*argv, "--workspace", spots]) == 0


def refused(capsys, path, *more):
    capsys.readouterr()
    assert pretrain(path, *more) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--minutes", "1", "--steps", "3"], "give one of them"),
        (["--minutes", "nan"], "--minutes is above 0 and at most 43,200 (30 days), but is nan;"),
        (["--minutes", "inf"], "(30 days), but is inf;"),
        (["--minutes", "1e9"], "(30 days), but is 1e+09;"),
        (["--method", "magic"], "must be one of"),
        (["--augmentation", "wild"], "none, weak, standard, strong"),
        (["--without", "gravity"], "gravity"),
        (["--set", "depth"], "KEY=VALUE"),
        (["--set", "depth=9"], "depth"),
        (["--learning-rate", "7"], "learning_rate"),
        (["--processes", "0"], "--processes is 1 to"),
        (["--processes", "999"], "--processes is 1 to"),
        (["--bands", "99"], "--bands is 1 to 16, but is 99;"),
        (["--bands", "0"], "--bands is 1 to 16, but is 0;"),
        (["--bands", "-1"], "--bands is 1 to 16, but is -1;"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(imported, capsys, arguments, said):
    assert said in refused(capsys, imported, *arguments)


def test_a_survey_of_three_pictures_is_refused(tmp_path, capsys):
    paint(tmp_path / "pictures", count=3)
    path = str(tmp_path / "ws")
    argv = ["import", str(tmp_path / "pictures"), "--name", "spots", "--workspace", path]
    assert main(argv) == 0
    assert "at least 4 pictures" in refused(capsys, path, "--steps", "2")


def having(*bands):
    return SimpleNamespace(manifest=SimpleNamespace(bands=bands))


def test_the_network_sees_the_bands_that_the_surveys_have():
    assert common_bands([having("r")]) == 1
    assert common_bands([having(*"ugriz"), having(*"ugriz")]) == 5
    assert common_bands([having(*"gr"), having(*"gri")]) == 3
    assert common_bands([having(*range(40))]) == 16


def test_a_signal_keeps_the_state_and_says_so(spots, capfd, monkeypatch):
    argv = ["--steps", "4"]
    real = loop.Trainer.step

    def interrupted(self, step):
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "step", interrupted)
        capfd.readouterr()
        assert pretrain(spots, *argv) == 143
    said = capfd.readouterr().err
    assert said.count("skysift:") == 1
    assert "stopped; its state after 2 steps is kept in" in said
    assert pretrain(spots, *argv) == 0
    assert "a run that was stopped goes on" in capfd.readouterr().err


def test_a_training_that_diverges_is_no_network(spots, capsys):
    assert "diverged at step" in refused(capsys, spots, "--steps", "30", "--learning-rate", "0.99")
    assert finished_runs(survey_of(spots), JobKind.PRETRAIN) == []
