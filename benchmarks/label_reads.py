"""What a look at the label database costs, by its size: 10,000 and 1,000,000 objects and events.

The events are labels of one task by three annotators, taken in by `LabelsDB.import_events`. Each
time is the median of many calls. Exports stand beside pyarrow writing the same table from memory,
in a process of their own each, with the peak of its memory.

python -m benchmarks.label_reads
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import arguments, report
from labels_db import LabelsDB, ModelRecord, QueueItem, TaskSpec

TASK = "duals"
CLASSES = ("dual", "star", "chance pair", "clumpy disc", "ordinary")
HEAD = 2000


def rows(count: int) -> Iterator[tuple[int, dict[str, Any]]]:
    chance = random.Random(0)
    for number in range(count):
        yield (
            number,
            {
                "event_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                "object_id": f"SDSS-{number:09d}",
                "annotator": chance.choice(("ann", "bob", "cat")),
                "class_name": chance.choices(CLASSES, (1, 10, 10, 10, 69))[0],
                "shown_at": "2026-11-25T12:00:00.000Z",
                "answered_at": f"2026-11-25T12:{chance.randrange(60):02d}:01.500Z",
                "sampler": chance.choice(("most_likely", "control")),
                "score": chance.random(),
                "probability": 1.0,
                "model_version": number // 5 + 1,
            },
        )


def filled(path: Path, count: int) -> float:
    """Make the database; return the seconds that the import took."""
    with LabelsDB(path) as db:
        db.create_task(TaskSpec(TASK, "sky", "Two nuclei?", CLASSES, "dual"))
        began = time.perf_counter()
        db.import_events(TASK, rows(count), by="ann", source="made", survey_version=1)
        taken = time.perf_counter() - began
        db.replace_queue(TASK, head(), model())
        return taken


def head() -> list[QueueItem]:
    return [QueueItem(f"new-{n}", n, "most_likely", 1 - n / HEAD, 1.0) for n in range(HEAD)]


def model() -> ModelRecord:
    return ModelRecord(task=TASK, n_labels=1, label_seq=1, sampler="m", survey_version=1, seed=0)


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def looked(path: Path, count: int) -> dict[str, float]:
    """Milliseconds of each kind of look."""
    chance = random.Random(1)
    with LabelsDB(path) as db:

        def look_up() -> object:
            return db.current_label(TASK, f"SDSS-{chance.randrange(count):09d}")

        def lease() -> object:
            given = db.lease_next(TASK, "dora", 1)
            return db.release_leases(TASK, "dora", [item.lease for item in given.items])

        return {
            "current label of one object": milliseconds(look_up, 2000),
            "counts per class": milliseconds(lambda: db.counts(TASK), 200),
            "next lease, and back": milliseconds(lease, 200),
            f"re-rank of a head of {HEAD:,}": milliseconds(
                lambda: db.replace_queue(TASK, head(), model()), 10
            ),
        }


def apart(*arguments: object) -> dict[str, float]:
    """Run one export in a process of its own, whose memory is its own."""
    command = [sys.executable, "-m", "benchmarks.label_export_alone", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    a = parser.parse_args()
    looks: dict[str, list[float]] = {}
    exports = []
    for count in a.sizes:
        with tempfile.TemporaryDirectory(dir=Path(a.workspace).parent) as name:
            folder = Path(name)
            path = folder / "labels.sqlite"
            looks.setdefault("import (s)", []).append(filled(path, count))
            for what, taken in looked(path, count).items():
                looks.setdefault(f"{what} (ms)", []).append(taken)
            for format in ("parquet", "csv"):
                found: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
                for number in range(a.rounds):
                    target = folder / f"ours{number}.{format}"
                    found["ours"].append(apart("ours", path, target, format))
                    source = folder / "ours0.parquet"
                    found["bare"].append(
                        apart("bare", source, folder / f"bare{number}.{format}", format)
                    )
                times = {
                    side: statistics.median(one["seconds"] for one in runs)
                    for side, runs in found.items()
                }
                peak = max(one["peak_mb"] for one in found["ours"])
                exports.append(
                    [
                        *(f"{count:,}", format, times["ours"], times["bare"]),
                        *(times["bare"] / times["ours"], round(peak)),
                    ]
                )
    sizes = [f"{count:,} events" for count in a.sizes]
    lines = [[what, *taken, taken[1] / taken[0]] for what, taken in looks.items()]
    report("label_reads", ["", *sizes, "ratio"], lines, {"head": HEAD})
    print()
    columns = [
        *("events", "export", "Skysift (s)", "pyarrow alone (s)", "speed ratio"),
        "peak memory (MB)",
    ]
    report("label_exports", columns, exports, {"rounds": a.rounds})


if __name__ == "__main__":
    main()
