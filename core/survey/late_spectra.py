"""Spectra that are joined to objects after these are all known, kept on the disk meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.survey.batch import Spectrum

_KINDS = {"flux": np.float32, "ivar": np.float32, "mask": bool}
_BY = "by"
"""Which unit brought the spectrum of a place, counted from 1; 0 where there is none."""


class LateSpectra:
    """A place for the spectrum of each of `n` rows from `first` on, in files that are mapped.

    Places without a spectrum take no room on disks that know sparse files.
    """

    def __init__(self, folder: Path, first: int, n: int, n_pixels: int) -> None:
        self._folder, self._first = folder, first
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_KINDS, (n, n_pixels)) | {_BY: (n,)}
        self._arrays = {}
        for name, shape in shapes.items():
            path = self._path(name)
            kind = np.dtype(_KINDS.get(name, np.int64))
            if n == 0:
                self._arrays[name] = np.zeros(shape, kind)
            elif path.exists():
                self._arrays[name] = np.load(path, mmap_mode="r+", allow_pickle=False)
            else:
                self._arrays[name] = np.lib.format.open_memmap(path, "w+", kind, shape)

    def go_back(self, units_done: int) -> None:
        """Forget what units after the first `units_done` brought: their process was killed before
        they were safe, and they will be read again."""
        by = self._arrays[_BY]
        by[by > units_done] = 0

    def put(self, row: int, spectrum: Spectrum, unit: int) -> bool:
        """Give the object of `row` its spectrum, brought by the unit of that number (from 0);
        False if it has one or is not new."""
        at = row - self._first
        if at < 0 or self._arrays[_BY][at]:
            return False
        for name in _KINDS:
            self._arrays[name][at] = getattr(spectrum, name)
        self._arrays[_BY][at] = unit + 1
        return True

    def __iter__(self) -> Iterator[Spectrum | None]:
        for at, unit in enumerate(self._arrays[_BY]):
            yield Spectrum(*(self._arrays[name][at] for name in _KINDS)) if unit else None

    def remove(self) -> None:
        """Remove the files."""
        for name in (*_KINDS, _BY):
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"late-{name}.npy"
