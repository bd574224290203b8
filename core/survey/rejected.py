"""rejects.csv: what could not be taken in, written as it is found."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from core.csvsafe import safe_cell
from core.survey.batch import Reject

FIELDS = ("source", "member", "reason")
KEPT = 100
_MAX_REASON = 500


class RejectsWriter:
    """Appends to rejects.csv, safe to open in a spreadsheet; the first few stay in memory.

    Parameters
    ----------
    path
        The file; gone on with if `n_bytes` of it are known to be good, else begun.
    n_bytes, n_rejects
        How much of it is good, and how many lines that is (without the head).
    """

    def __init__(self, path: Path, n_bytes: int = 0, n_rejects: int = 0) -> None:
        self._path = path
        self._waiting: list[Reject] = []
        self.n_rejects = n_rejects
        self.first: list[Reject] = []
        if n_bytes:
            with open(path, "r+b") as file:
                file.truncate(n_bytes)
            self.n_bytes = n_bytes
        else:
            path.write_bytes(head := _line(FIELDS))
            self.n_bytes = len(head)

    def add(self, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            self._waiting.append(reject)
            self.n_rejects += 1
            if len(self.first) < KEPT:
                self.first.append(reject)
        if len(self._waiting) >= 1000:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        lines = b"".join(
            _line(
                (safe_cell(_shown(r.source)), safe_cell(_shown(r.member)), safe_cell(_reason(r)))
            )
            for r in self._waiting
        )
        with open(self._path, "r+b") as file:
            file.seek(self.n_bytes)
            file.write(lines)
            file.truncate()
        self.n_bytes += len(lines)
        self._waiting = []


def _line(cells: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(tuple(cells))
    return text.getvalue().encode("utf-8")


def _shown(text: str) -> str:
    """A name as it can be written: undecodable bytes of a file name are marked."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def _reason(reject: Reject) -> str:
    return _shown(" ".join(reject.reason.split())[:_MAX_REASON])
