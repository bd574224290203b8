"""How far an import has come, so that a killed one goes on where it was.

While an import runs, its partial folder holds plan.jsonl (every unit of work, in order, written
once), journal.json (the last point at which everything before a unit was safe) and kept-N.npz
(the rows whose shard was not whole at that point). A later process takes up the folder, brings
its files back to that point and goes on with the next unit.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from core.survey.unit import Unit

JOURNAL, PLAN = "journal.json", "plan.jsonl"


@dataclass
class Journal:
    """The point that an import has safely reached; see the module.

    Attributes
    ----------
    about
        What the import is of: source, options, reader, layout, the state of the source file. An
        import goes on only if all of this is the same.
    n_entries, n_units
        Of the whole plan.
    units_done
        Units whose objects and rejects are safe.
    n_rows, n_parts, n_rejects, rejects_bytes
        How far catalogue and rejects.csv reach.
    tally
        See `Batch`.
    resumed
        How often the import was taken up again.
    spectra_done, late_parts
        Units of the joined spectra that are safe, and part files of the columns beside them.
    kept
        The file with the rows that wait for their shard.
    when
        UTC time of the last write, ISO 8601.
    """

    about: dict[str, Any]
    n_entries: int
    n_units: int
    units_done: int = 0
    n_rows: int = 0
    n_parts: int = 0
    n_rejects: int = 0
    rejects_bytes: int = 0
    tally: dict[str, int] = field(default_factory=dict)
    resumed: int = 0
    spectra_done: int = 0
    late_parts: int = 0
    kept: str = ""
    when: str = ""

    def write(self, folder: Path, arrays: dict[str, np.ndarray] | None = None) -> None:
        """Make this the point to go on from; `arrays` are the rows that wait for their shard."""
        before = self.kept
        if arrays is not None:
            self.kept = f"kept-{self.units_done}.npz"
            # Renamed when it is whole: the journal may name the former one of the same units.
            fresh = folder / (self.kept + ".new")
            with open(fresh, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            os.replace(fresh, folder / self.kept)
        partial = folder / (JOURNAL + ".new")
        partial.write_text(json.dumps(asdict(self), ensure_ascii=True), encoding="utf-8")
        os.replace(partial, folder / JOURNAL)
        if before and before != self.kept:
            with contextlib.suppress(FileNotFoundError):
                (folder / before).unlink()

    @classmethod
    def read(cls, folder: Path) -> Journal | None:
        """The journal in a folder; None where there is none that makes sense."""
        try:
            return cls(**json.loads((folder / JOURNAL).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def arrays(self, folder: Path) -> dict[str, np.ndarray]:
        """What `write` was given last."""
        if not self.kept:
            return {}
        with np.load(folder / self.kept, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def write_plan(folder: Path, units: Iterable[Unit]) -> tuple[int, int]:
    """Write plan.jsonl; the number of units and of entries."""
    n_units = n_entries = 0
    with open(folder / PLAN, "w", encoding="utf-8") as file:
        for unit in units:
            file.write(json.dumps([unit.n_entries, unit.what], ensure_ascii=True) + "\n")
            n_units += 1
            n_entries += unit.n_entries
    return n_units, n_entries


def read_plan(folder: Path, start: int = 0) -> Iterator[Unit]:
    """The units of plan.jsonl from number `start` on."""
    with open(folder / PLAN, encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number >= start:
                n_entries, what = json.loads(line)
                yield Unit(number, n_entries, what)


def first_units(units: Iterable[Unit], n: int) -> Iterator[Unit]:
    """The first `n` units."""
    yield from islice(units, n)


def drop_tools(version: Path) -> None:
    """Remove what only the making of a version needed, once it has its name: until then a killed
    import goes on from it."""
    for name in ("parts", "late-columns"):
        shutil.rmtree(version / name, ignore_errors=True)
    for pattern in (JOURNAL, PLAN, "kept-*.npz", "late-*.*", "*.new"):
        for path in version.glob(pattern):
            path.unlink(missing_ok=True)
