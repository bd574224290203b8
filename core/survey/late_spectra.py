"""Spectra that are joined to objects after these are all known, kept on the disk meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.survey.batch import Spectrum


class LateSpectra:
    """A place for the spectrum of each of `n` rows from `first` on, in files.

    Places without a spectrum take no room on disks that know sparse files. The files are written
    to and not mapped: where a disk is full, writing to a mapped file ends the process.
    """

    def __init__(self, folder: Path, first: int, n: int, n_pixels: int) -> None:
        self._spectra, self._units = folder / "late-spectra.bin", folder / "late-units.bin"
        self._first = first
        kinds = [("flux", np.float32), ("ivar", np.float32), ("mask", bool)]
        self._record = np.dtype([(name, kind, (n_pixels,)) for name, kind in kinds])
        # Which unit brought the spectrum of a place, counted from 1; 0 where there is none.
        self._by = np.zeros(n, np.int64)
        if self._units.exists():
            found = np.fromfile(self._units, np.int64, n)
            self._by[: len(found)] = found

    def go_back(self, units_done: int) -> None:
        """Forget what units after the first `units_done` brought: their process was killed before
        they were safe, and they will be read again."""
        self._by[self._by > units_done] = 0
        _write(self._units, self._by.tobytes(), 0)

    def put(self, row: int, spectrum: Spectrum, unit: int) -> bool:
        """Give the object of `row` its spectrum, brought by the unit of that number (from 0);
        False if it has one or is not new."""
        at = row - self._first
        if at < 0 or self._by[at]:
            return False
        record = np.zeros((), self._record)
        for name in self._record.names or ():
            record[name] = getattr(spectrum, name)
        _write(self._spectra, record.tobytes(), at * self._record.itemsize)
        _write(self._units, np.int64(unit + 1).tobytes(), at * self._by.itemsize)
        self._by[at] = unit + 1
        return True

    def __iter__(self) -> Iterator[Spectrum | None]:
        size = self._record.itemsize
        if not self._by.any():
            yield from [None] * len(self._by)
            return
        with open(self._spectra, "rb") as file:
            for at, unit in enumerate(self._by.tolist()):
                if not unit:
                    yield None
                    continue
                file.seek(at * size)
                record = np.frombuffer(file.read(size), self._record)[0]
                yield Spectrum(record["flux"], record["ivar"], record["mask"])

    def remove(self) -> None:
        """Remove the files."""
        for path in (self._spectra, self._units):
            path.unlink(missing_ok=True)


def _write(path: Path, content: bytes, offset: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        while content:  # a disk that becomes full takes a part of it first
            n_written = os.pwrite(handle, content, offset)
            content, offset = content[n_written:], offset + n_written
    finally:
        os.close(handle)
