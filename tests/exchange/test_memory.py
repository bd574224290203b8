"""A table is streamed: what a writer or reader holds does not grow with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.exchange import Format

ROWS = 200_000

WRITE_AND_READ = """
import resource, sys
import pyarrow as pa
from core.exchange import EVENT_SCHEMA, read_labels, rows_to_batches, write_table

path, form, n_rows = sys.argv[1], sys.argv[2], int(sys.argv[3])

def row(i):
    text = f"2026-05-04T12:00:{i % 60:02d}.{i % 1000:03d}+00:00"
    note = "=looks & \\"double\\" é" if i % 20 == 0 else None
    return (
        f"{i:036d}", i, "hunt", "hubble", 1, f"SDSS J{i:012d}", f"ada{i % 7}", "label",
        "dual AGN", 0.5, '["tail"]' if i % 10 == 0 else None, None, None, None, note, None, 0, 1,
        text, text, text, "uncertainty", i / 7, 1 / (i + 1), i // 5, None,
    )

def pages(n):
    for start in range(0, n, 2000):
        yield [row(i) for i in range(start, min(start + 2000, n))]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def both(name, n):
    assert write_table(name, form, EVENT_SCHEMA, rows_to_batches(pages(n), EVENT_SCHEMA), {}) == n
    assert sum(1 for _ in read_labels(name)) == n

both(path + "-small", 70_000)
before = peak()
both(path, n_rows)
print(before, peak())
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", list(Format))
def test_memory_does_not_grow_with_the_table(form, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WRITE_AND_READ, str(tmp_path / "table"), form, str(ROWS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    before, after = map(int, done.stdout.split())
    assert after < 500, "MB at most, whatever the table"
    # Held whole, the rows added would take 300 MB as Python objects and 70 MB as Arrow's.
    assert after - before < 40
