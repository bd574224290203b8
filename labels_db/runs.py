"""The registry of runs: what is running, how far it is, and whose process died."""

from __future__ import annotations

import datetime
import json
import os
import socket
import sqlite3
from collections.abc import Mapping
from typing import Any

import psutil

from core.errors import AlreadyExists, BadInput, InUse, NotFound
from core.vocabulary import JobKind, RunState, checked_name
from labels_db.checks import checked_whole, finite_or_none
from labels_db.connection import Connection
from labels_db.records import RunRow
from labels_db.schema import utc_now

MAX_MESSAGE_LENGTH = 1000

ELSEWHERE_SILENT_S = 600
"""A run of another machine or container, whose processes cannot be seen, counts as dead after
so many seconds without a heartbeat."""

# The system clock is part of a process's start time and may be set right by a second or so;
# the same pid again so soon after is out of the question.
_START_TIME_SLACK_S = 2.0

_COLUMNS = (
    "r.run_id, r.kind, r.subject, r.state, r.pid, r.host, r.started_at, r.heartbeat_at,"
    " r.finished_at, r.fraction, r.message, r.eta_s, r.cancel_requested, r.error, d.config,"
    " d.result"
)


class Runs(Connection):
    """The part of `LabelsDB` that holds the registry of runs."""

    def start_run(
        self, run_id: str, kind: JobKind, subject: str, config: Mapping[str, Any]
    ) -> None:
        """Enter this process as the running job of this kind on this survey or task.

        A run whose process is gone is marked orphaned first.

        Raises
        ------
        InUse
            A job of the kind is running on the subject.
        AlreadyExists
            The run_id was used before.
        BadInput
            A name cannot be used, or `config` is not JSON.
        """
        run_id = checked_name(run_id, "run")
        kind = checked_kind(kind)
        subject = checked_name(subject, "survey or task")
        document = _as_json(config, "config")
        now = utc_now()
        with self._write() as conn:
            if conn.execute("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone():
                raise AlreadyExists(f"There is a run {run_id!r} already; use another run_id.")
            _mark_orphans(conn, "AND kind = ? AND subject = ?", (kind, subject))
            running = conn.execute(
                "SELECT run_id, pid FROM runs WHERE kind = ? AND subject = ? AND state = ?",
                (kind, subject, RunState.RUNNING),
            ).fetchone()
            if running is not None:
                article = "An" if kind[0] in "aeiou" else "A"
                raise InUse(
                    f"{article} {kind} job is running on {subject!r} already (run {running[0]},"
                    f" process {running[1]}); wait for it or cancel it first."
                )
            conn.execute(
                "INSERT INTO runs (run_id, kind, subject, state, pid, pid_started, host,"
                " started_at, heartbeat_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run_id,
                    kind,
                    subject,
                    RunState.RUNNING,
                    os.getpid(),
                    psutil.Process().create_time(),
                    socket.gethostname(),
                    now,
                    now,
                ),
            )
            conn.execute(
                "INSERT INTO run_documents (run_id, config) VALUES (?, ?)", (run_id, document)
            )

    def heartbeat(
        self,
        run_id: str,
        fraction: float | None = None,
        message: str | None = None,
        eta_s: float | None = None,
    ) -> None:
        """Say that the run lives and how far it is: `fraction` in 0..1, seconds left.

        Every call is a commit: a few a second at most. What is None keeps its last value, but
        for the seconds left. `BadInput` if the run is not running (any more).
        """
        share = finite_or_none(fraction, "fraction")
        text = None if message is None else _short(message)
        with self._write() as conn:
            changed = conn.execute(
                "UPDATE runs SET heartbeat_at = ?, fraction = coalesce(?, fraction),"
                " message = coalesce(?, message), eta_s = ? WHERE run_id = ? AND state = ?",
                (
                    utc_now(),
                    None if share is None else min(max(share, 0.0), 1.0),
                    text,
                    finite_or_none(eta_s, "eta_s"),
                    run_id,
                    RunState.RUNNING,
                ),
            ).rowcount
            if not changed:
                state = _state(conn, run_id)
                raise BadInput(f"The run {run_id} is {state}, no longer running; start a new one.")

    def finish_run(self, run_id: str, result: Mapping[str, Any]) -> None:
        """Mark the run done with its result. Of several ends of a run the first one stands."""
        document = _as_json(result, "result")
        with self._write() as conn:
            if _end(conn, run_id, RunState.DONE):
                sql = "UPDATE run_documents SET result = ? WHERE run_id = ?"
                conn.execute(sql, (document, run_id))
                conn.execute("UPDATE runs SET fraction = 1.0 WHERE run_id = ?", (run_id,))

    def fail_run(self, run_id: str, sentence: str) -> None:
        """Mark the run failed; `sentence` tells a person why. The first end stands."""
        with self._write() as conn:
            _end(conn, run_id, RunState.FAILED, _short(sentence))

    def mark_cancelled(self, run_id: str) -> None:
        """Mark the run cancelled, by the job itself once it stopped. The first end stands."""
        with self._write() as conn:
            _end(conn, run_id, RunState.CANCELLED)

    def request_cancel(self, run_id: str) -> None:
        """Ask the run to stop; it looks from time to time. No effect on one that ended."""
        with self._write() as conn:
            _state(conn, run_id)
            conn.execute("UPDATE runs SET cancel_requested = 1 WHERE run_id = ?", (run_id,))

    def cancel_requested(self, run_id: str) -> bool:
        """Whether somebody asked the run to stop."""
        rows = self._rows("SELECT cancel_requested FROM runs WHERE run_id = ?", (run_id,))
        if not rows:
            raise _no_run(run_id)
        return bool(rows[0][0])

    def runs(self, limit: int = 200) -> list[RunRow]:
        """Return the runs, newest first, as they were last marked (see `clean_orphans`)."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM runs AS r JOIN run_documents AS d USING (run_id)"
            " ORDER BY r.started_at DESC, r.rowid DESC LIMIT ?",
            (checked_whole(limit, "limit", at_least=0),),
        )
        return [_as_run(row) for row in rows]

    def run(self, run_id: str) -> RunRow:
        """Return one run; `NotFound` if there is none."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM runs AS r JOIN run_documents AS d USING (run_id)"
            " WHERE r.run_id = ?",
            (run_id,),
        )
        if not rows:
            raise _no_run(run_id)
        return _as_run(rows[0])

    def clean_orphans(self) -> int:
        """Mark the running runs whose process is gone as orphaned; return how many."""
        with self._write() as conn:
            return _mark_orphans(conn)


def checked_kind(kind: str) -> JobKind:
    try:
        return JobKind(kind)
    except ValueError:
        raise BadInput(
            f"A job is one of {', '.join(JobKind)}, but is {str(kind)[:80]!r}."
        ) from None


def process_lives(pid: int, pid_started: float) -> bool:
    """Whether the process `pid` that started at `pid_started` (s since 1970) still runs here.

    A pid is used again after a while: only with its start time does it name a process.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - pid_started) <= _START_TIME_SLACK_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _mark_orphans(conn: sqlite3.Connection, where: str = "", values: tuple[str, ...] = ()) -> int:
    running = conn.execute(
        f"SELECT run_id, pid, pid_started, host, heartbeat_at FROM runs WHERE state = ? {where}",
        (RunState.RUNNING, *values),
    ).fetchall()
    here = socket.gethostname()
    dead = [
        run_id
        for run_id, pid, pid_started, host, heartbeat_at in running
        if not (
            process_lives(pid, pid_started)
            if host == here
            else _silent_s(heartbeat_at) < ELSEWHERE_SILENT_S
        )
    ]
    conn.executemany(
        "UPDATE runs SET state = ?, finished_at = ?, eta_s = NULL, error = ? WHERE run_id = ?",
        [
            (RunState.ORPHANED, utc_now(), "Its process ended without a word.", run_id)
            for run_id in dead
        ],
    )
    return len(dead)


def _silent_s(heartbeat_at: str) -> float:
    last = datetime.datetime.fromisoformat(heartbeat_at)
    return (datetime.datetime.now(datetime.UTC) - last).total_seconds()


def _end(conn: sqlite3.Connection, run_id: str, state: RunState, error: str | None = None) -> bool:
    """Mark the run ended unless it was; an orphan that ends after all was alive."""
    changed = conn.execute(
        "UPDATE runs SET state = ?, finished_at = ?, eta_s = NULL, error = ?"
        " WHERE run_id = ? AND state IN (?, ?)",
        (state, utc_now(), error, run_id, RunState.RUNNING, RunState.ORPHANED),
    ).rowcount
    if not changed:
        _state(conn, run_id)
    return changed > 0


def _state(conn: sqlite3.Connection, run_id: str) -> RunState:
    row = conn.execute("SELECT state FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise _no_run(run_id)
    return RunState(row[0])


def _no_run(run_id: str) -> NotFound:
    return NotFound(f"There is no run {str(run_id)[:80]!r}; the runs page lists those there are.")


def _short(text: str) -> str:
    """Return a message cut to fit its row, with what SQLite or UTF-8 cannot hold replaced: it
    comes from exceptions and may be anything."""
    clean = str(text).encode("utf-8", "replace").decode().replace("\x00", " ")
    return clean if len(clean) <= MAX_MESSAGE_LENGTH else clean[: MAX_MESSAGE_LENGTH - 1] + "…"


def _as_json(document: Mapping[str, Any], what: str) -> str:
    try:
        return json.dumps(dict(document), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"The {what} of a run must be plain JSON (numbers, text, lists), but {error}."
        ) from None


def _as_run(row: tuple[Any, ...]) -> RunRow:
    names = [column.partition(".")[2] for column in _COLUMNS.split(", ")]
    values = dict(zip(names, row, strict=True))
    values["state"] = RunState(values["state"])
    values["cancel_requested"] = bool(values["cancel_requested"])
    values["config"] = json.loads(values["config"])
    values["result"] = None if values["result"] is None else json.loads(values["result"])
    return RunRow(**values)
