"""The registry of runs: one job of a kind at a time, orphans, cancelling."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import AlreadyExists, BadInput, InUse, NotFound
from core.vocabulary import JobKind, RunState
from labels_db import LabelsDB


def test_a_run_from_start_to_end(db: LabelsDB, path: Path) -> None:
    db.start_run("run-1", JobKind.EMBED, "hubble", {"seed": 3, "note": "Ω"})
    row = db.run("run-1")
    assert (row.kind, row.subject, row.state) == ("embed", "hubble", RunState.RUNNING)
    assert (row.pid, row.config, row.result) == (os.getpid(), {"seed": 3, "note": "Ω"}, None)
    db.heartbeat("run-1", 0.25, "reading", 90)
    with LabelsDB(path) as other:
        (row,) = other.runs()
        assert (row.fraction, row.message, row.eta_s) == (0.25, "reading", 90.0)
        assert row.heartbeat_at >= row.started_at
    db.heartbeat("run-1")
    assert (db.run("run-1").fraction, db.run("run-1").message) == (0.25, "reading")
    db.heartbeat("run-1", float("nan"), "x" * 5000 + "\ud800\x00", float("inf"))
    row = db.run("run-1")
    assert (row.fraction, row.eta_s, len(row.message)) == (0.25, None, 1000)
    db.finish_run("run-1", {"objects": 10})
    row = db.run("run-1")
    assert (row.state, row.fraction, row.result) == (RunState.DONE, 1.0, {"objects": 10})
    assert row.finished_at is not None
    db.fail_run("run-1", "too late")
    assert (db.run("run-1").state, db.run("run-1").error) == (RunState.DONE, None)
    with pytest.raises(BadInput, match="is done, no longer running"):
        db.heartbeat("run-1")


def test_one_job_of_a_kind_on_a_subject_at_a_time(db: LabelsDB, path: Path) -> None:
    db.start_run("run-1", JobKind.EMBED, "hubble", {})
    with LabelsDB(path) as other, pytest.raises(InUse, match="run run-1"):
        other.start_run("run-2", JobKind.EMBED, "hubble", {})
    db.start_run("run-3", JobKind.MAP, "hubble", {})
    db.start_run("run-4", JobKind.EMBED, "sky", {})
    db.fail_run("run-1", "The disk is full.")
    db.start_run("run-2", JobKind.EMBED, "hubble", {})
    assert [run.run_id for run in db.runs()] == ["run-2", "run-4", "run-3", "run-1"]
    assert [run.run_id for run in db.runs(limit=1)] == ["run-2"]
    assert db.run("run-1").error == "The disk is full."
    with pytest.raises(AlreadyExists):
        db.start_run("run-1", JobKind.SIMULATE, "hubble", {})


def test_cancelling(db: LabelsDB) -> None:
    db.start_run("run-1", JobKind.MAP, "hubble", {})
    assert db.cancel_requested("run-1") is False
    db.request_cancel("run-1")
    assert db.cancel_requested("run-1") is True
    assert db.run("run-1").state is RunState.RUNNING
    db.mark_cancelled("run-1")
    assert db.run("run-1").state is RunState.CANCELLED


def test_unknown_and_unusable(db: LabelsDB) -> None:
    for ask in (db.heartbeat, db.request_cancel, db.cancel_requested, db.mark_cancelled, db.run):
        with pytest.raises(NotFound, match="There is no run"):
            ask("run-9")
    with pytest.raises(NotFound):
        db.finish_run("run-9", {})
    for kind, subject, config in (
        ("dance", "hubble", {}),
        ("map", "../up", {}),
        ("map", "hubble", {"x": float("nan")}),
        ("map", "hubble", {"x": object()}),
    ):
        with pytest.raises(BadInput):
            db.start_run("run-1", kind, subject, config)  # type: ignore[arg-type]
    assert db.runs() == []


def test_a_run_whose_process_was_killed_is_an_orphan(
    db: LabelsDB, crew: Callable[..., str]
) -> None:
    crew("abandon")
    db.start_run("run-2", JobKind.EMBED, "hubble", {})
    assert db.run("run-1").state is RunState.ORPHANED
    assert "process ended" in str(db.run("run-1").error)
    assert db.run("run-2").state is RunState.RUNNING
    assert db.clean_orphans() == 0


def test_a_pid_used_again_is_another_process(db: LabelsDB) -> None:
    db.start_run("run-1", JobKind.EMBED, "hubble", {})
    assert db.clean_orphans() == 0
    db.tables.execute("UPDATE runs SET pid_started = pid_started - 60")
    assert db.clean_orphans() == 1
    assert db.run("run-1").state is RunState.ORPHANED
    db.finish_run("run-1", {"objects": 1})
    assert db.run("run-1").state is RunState.DONE, "it was alive after all"


def test_a_run_on_another_machine_lives_as_long_as_it_is_heard(db: LabelsDB) -> None:
    db.start_run("run-1", JobKind.EMBED, "hubble", {})
    db.tables.execute("UPDATE runs SET host = 'elsewhere', pid = 999999999")
    assert db.clean_orphans() == 0
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    db.tables.execute("UPDATE runs SET heartbeat_at = ?", [long_ago.isoformat()])
    assert db.clean_orphans() == 1


def test_a_heartbeat_does_not_write_the_config_again(db: LabelsDB, path: Path) -> None:
    db.start_run("run-1", JobKind.EMBED, "hubble", {"long": "x" * 1_000_000})
    log = path.with_name(path.name + "-wal")
    before = log.stat().st_size
    for step in range(5):
        db.heartbeat("run-1", step / 5, "working", 10)
    assert log.stat().st_size - before < 100_000
