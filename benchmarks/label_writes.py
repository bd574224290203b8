"""Durable label events a second, beside prepared statements on bare sqlite3 on the same disk.

Each process records labels through `LabelsDB.record`, one commit an event, for a fixed time. The
bare table has the same columns and a unique event_id, WAL and synchronous=FULL as here, and no
other index, check, count or state. Rounds of the two alternate, so that both meet the same noise.

python -m benchmarks.label_writes
"""

from __future__ import annotations

import itertools
import multiprocessing
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from benchmarks.common import arguments, report
from core.vocabulary import Action
from labels_db import EVENT_COLUMNS, LabelsDB, NewEvent, TaskSpec

TASK = TaskSpec("duals", "sky", "Two nuclei?", ("dual", "other"), "dual")
SHOWN, ANSWERED = "2026-11-25T12:00:00.000Z", "2026-11-25T12:00:01.500Z"


def ours(path: Path, who: str, until: Callable[[], bool]) -> int:
    """Record labels until told to stop; return how many."""
    with LabelsDB(path, busy_timeout_ms=60_000) as db:
        for number in itertools.count():
            if until():
                return number
            db.record(
                NewEvent(
                    event_id=str(uuid.uuid4()),
                    task=TASK.name,
                    object_id=f"{who}-{number}",
                    survey_version=1,
                    annotator=who,
                    action=Action.LABEL,
                    class_name="dual" if number % 10 == 0 else "other",
                    shown_at=SHOWN,
                    answered_at=ANSWERED,
                    sampler="most_likely",
                    score=0.5,
                    probability=1.0,
                    model_version=3,
                )
            )
    raise AssertionError


def bare(path: Path, who: str, until: Callable[[], bool]) -> int:
    """The same rows by one prepared INSERT in a transaction of its own."""
    conn = bare_connection(path)
    sql = f"INSERT INTO events VALUES (?{', ?' * (len(EVENT_COLUMNS) - 1)})"
    for number in itertools.count():
        if until():
            conn.close()
            return number
        row = bare_row(who, number)
        conn.execute("BEGIN IMMEDIATE")
        conn.execute(sql, row)
        conn.execute("COMMIT")
    raise AssertionError


def bare_connection(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(path, timeout=60, isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    columns = ", ".join(
        {"seq": "seq INTEGER PRIMARY KEY", "event_id": "event_id TEXT UNIQUE"}.get(name, name)
        for name in EVENT_COLUMNS
    )
    conn.execute(f"CREATE TABLE IF NOT EXISTS events ({columns})")
    return conn


def bare_row(who: str, number: int) -> list[Any]:
    values = {
        "event_id": str(uuid.uuid4()),
        "task": TASK.name,
        "survey": TASK.survey,
        "survey_version": 1,
        "object_id": f"{who}-{number}",
        "annotator": who,
        "action": "label",
        "class_name": "dual" if number % 10 == 0 else "other",
        "late": 0,
        "shown_at": SHOWN,
        "answered_at": ANSWERED,
        "recorded_at": SHOWN,
        "sampler": "most_likely",
        "score": 0.5,
        "probability": 1.0,
        "model_version": 3,
    }
    return [values.get(name) for name in EVENT_COLUMNS]


def work(side: str, path: Path, who: str, seconds: float, start: Barrier, out: Any) -> None:
    start.wait()
    ends = time.monotonic() + seconds

    def until() -> bool:
        return time.monotonic() >= ends

    try:
        out.put((side, {"ours": ours, "bare": bare}[side](path, who, until), ""))
    except Exception as error:
        out.put((side, 0, repr(error)))


def rate(side: str, path: Path, processes: int, seconds: float) -> float:
    """Events a second of all processes together; any error of any of them ends the benchmark."""
    context = multiprocessing.get_context("spawn")
    start, out = context.Barrier(processes), context.Queue()
    crew = [
        context.Process(target=work, args=(side, path, f"p{n}", seconds, start, out))
        for n in range(processes)
    ]
    for one in crew:
        one.start()
    told = [out.get() for _ in crew]
    for one in crew:
        one.join()
    errors = [error for _, _, error in told if error]
    if errors:
        raise SystemExit(f"{side}, {processes} processes: {errors[0]}")
    return sum(done for _, done, _ in told) / seconds


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    rows = []
    for processes in a.processes:
        rates: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(a.rounds):
            with tempfile.TemporaryDirectory(dir=Path(a.workspace).parent) as folder:
                with LabelsDB(Path(folder) / "labels.sqlite") as db:
                    db.create_task(TASK)
                bare_connection(Path(folder) / "bare.sqlite").close()
                for side, name in (("bare", "bare.sqlite"), ("ours", "labels.sqlite")):
                    rates[side].append(rate(side, Path(folder) / name, processes, a.seconds))
                with LabelsDB(Path(folder) / "labels.sqlite") as db:
                    db.check(thorough=True)
        pairs = [one / other for one, other in zip(rates["ours"], rates["bare"], strict=True)]
        rows.append(
            [
                processes,
                round(statistics.median(rates["ours"])),
                round(statistics.median(rates["bare"])),
                statistics.median(pairs),
                f"{min(pairs):.2f} to {max(pairs):.2f}",
            ]
        )
    columns = ["processes", "Skysift (events/s)", "bare sqlite3 (events/s)", "ratio", "range"]
    report("label_writes", columns, rows, {"seconds": a.seconds, "rounds": a.rounds})


if __name__ == "__main__":
    main()
