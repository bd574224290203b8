from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys

import pytest

from core.errors import AlreadyExists, BadInput, InUse, StorageFull
from core.survey import RunFolder, damaged_runs, finished_runs
from core.survey.runs import versions
from core.vocabulary import JobKind


def test_finished_run_tells_how_it_was_made(write_survey):
    survey = write_survey()
    with RunFolder(survey, JobKind.EMBED, {"seed": 7, "encoder": "pca"}) as run:
        assert run.path.name == f"{run.run_id}.partial"
        (run.path / "embedding.npy").write_bytes(b"1")
        run.result["n_objects"] = 20
    assert run.path == survey.folder / "runs" / run.run_id
    assert {entry.name for entry in run.path.iterdir()} == {"embedding.npy", "config.json"}
    (record,) = finished_runs(survey)
    assert record.run_id == run.run_id
    assert record.run_id.startswith("embed-")
    assert record.path == run.path
    assert record.config == {"seed": 7, "encoder": "pca"}
    assert record.kind is JobKind.EMBED
    assert record.record["seed"] == 7
    assert record.record["survey"]["content_hash"] == survey.manifest.content_hash
    assert record.record["versions"]["skysift"] == versions()["skysift"]
    assert record.record["versions"]["numpy"]
    assert record.record["started"] < record.record["finished"]
    assert record.record["result"] == {"n_objects": 20}


def test_newest_first_and_by_kind(write_survey):
    survey = write_survey()
    made = []
    for kind in (JobKind.EMBED, JobKind.MAP, JobKind.EMBED):
        with RunFolder(survey, kind, {}) as run:
            made.append(run.run_id)
    assert [record.run_id for record in finished_runs(survey)] == made[::-1]
    assert [r.run_id for r in finished_runs(survey, JobKind.EMBED)] == [made[2], made[0]]
    assert finished_runs(survey, JobKind.PRETRAIN) == []


def test_unfinished_run_is_removed(write_survey):
    survey = write_survey()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117
        with RunFolder(survey, JobKind.MAP, {}) as run:
            (run.path / "half.npy").write_bytes(b"1")
            raise ZeroDivisionError
    assert finished_runs(survey) == []
    assert not (survey.folder / "runs").exists()
    assert survey.path.is_dir()


def test_full_disk_is_told_in_words(write_survey):
    survey = write_survey()
    with pytest.raises(StorageFull), RunFolder(survey, JobKind.MAP, {}):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert finished_runs(survey) == []


def test_run_ids_are_checked_and_not_used_twice(write_survey):
    survey = write_survey()
    with RunFolder(survey, JobKind.MAP, {}, run_id="mine"), pytest.raises(InUse):
        RunFolder(survey, JobKind.MAP, {}, run_id="mine").__enter__()
    with pytest.raises(AlreadyExists, match="run 'mine'"):
        RunFolder(survey, JobKind.MAP, {}, run_id="mine").__enter__()
    for bad in ("../x", "a.partial", "a/b"):
        with pytest.raises(BadInput, match="run name"):
            RunFolder(survey, JobKind.MAP, {}, run_id=bad)
    with pytest.raises(TypeError):
        RunFolder(survey, JobKind.MAP, {"array": object()})


def test_folder_of_a_survey_will_do(workspace):
    folder = workspace.survey("other")
    folder.mkdir(parents=True)
    with RunFolder(folder, JobKind.SIMULATE, {}):
        pass
    assert finished_runs(folder)[0].record["survey"] is None


def test_damaged_run_is_left_out_and_told(write_survey):
    survey = write_survey()
    for run_id in ("whole", "torn"):
        with RunFolder(survey, JobKind.EMBED, {}, run_id=run_id) as run:
            pass
    assert damaged_runs(survey) == []
    config = run.path / "config.json"
    for text, why in (
        ("{", "is no record of a run"),
        (json.dumps({"config": {}, "kind": "tea"}), "is no record of a run"),
        (None, "is not there"),
    ):
        if text is None:
            config.unlink()
        else:
            config.write_text(text)
        assert [record.run_id for record in finished_runs(survey)] == ["whole"]
        (told,) = damaged_runs(survey)
        assert told.startswith(f"The run torn is left out, since {config} {why};")


def test_partial_runs_of_killed_processes_are_removed(write_survey):
    survey = write_survey()
    runs = survey.folder / "runs"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name, holder in (
        ("killed", {"pid": gone.pid, "pid_start_time": 1.0, "host": socket.gethostname()}),
        ("elsewhere", {"pid": gone.pid, "pid_start_time": 1.0, "host": "another.computer"}),
    ):
        (runs / f"{name}.partial").mkdir(parents=True)
        (runs / f"{name}.partial" / "holder.json").write_text(json.dumps(holder))
        (runs / f"{name}.partial" / "big.npy").write_bytes(b"1")
    with (
        RunFolder(survey, JobKind.MAP, {}, run_id="first"),
        RunFolder(survey, JobKind.MAP, {}, run_id="second"),
    ):
        left = {one.name for one in runs.iterdir()}
    assert left == {"first.partial", "second.partial", "elsewhere.partial"}
    assert [record.run_id for record in finished_runs(survey)] == ["first", "second"]


def test_versions_are_complete():
    assert {"python", "skysift", "torch", "scikit-learn"} <= versions().keys()
    assert "unknown" not in versions().values()
