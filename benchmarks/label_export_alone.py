"""One export in a process of its own, whose memory is its own; run by `benchmarks.label_reads`.

python -m benchmarks.label_export_alone ours|bare SOURCE TARGET csv|parquet
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

TASK = "duals"


def ours(source: Path, target: Path, format: str) -> float:
    """Seconds of an export out of a label database."""
    from core.run_labels import export_table
    from labels_db import LabelsDB

    with LabelsDB(source) as db:
        began = time.perf_counter()
        export_table(db, TASK, "events", format, target)
        return time.perf_counter() - began


def bare(source: Path, target: Path, format: str) -> float:
    """Seconds that pyarrow takes to write the same table, exported before, from memory."""
    table = parquet.read_table(source)
    if format == "csv":  # which knows no lists
        at = table.schema.get_field_index("tags")
        table = table.set_column(at, "tags", pa.nulls(len(table), pa.string()))
    began = time.perf_counter()
    if format == "csv":
        csv.write_csv(table, target)
    else:
        parquet.write_table(table, target)
    return time.perf_counter() - began


if __name__ == "__main__":
    side, source, target, format = sys.argv[1:]
    taken = {"ours": ours, "bare": bare}[side](Path(source), Path(target), format)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": taken, "peak_mb": peak / 1e6}))
