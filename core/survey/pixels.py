"""images.zarr and spectra.zarr of a survey version, one object readable without the rest.

images.zarr is a Zarr v3 group of two arrays: `image` (N, band, y, x) in the native dtype, in
small compressed chunks packed into shards of about a thousand objects, and `has_image` (N,) bool.
An object without a picture has a row of zeros (uint8) or NaN (float32) and False in the mask.

spectra.zarr holds `flux` and `ivar` (N, pixel) float32, `mask` (N, pixel) bool and `has_spectrum`
(N,) bool; the wavelength grid is in the manifest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.survey.batch import Spectrum
from core.survey.rows import FlagsWriter, RowsReader, RowsWriter, link_group, open_group

IMAGES, SPECTRA = "images.zarr", "spectra.zarr"


class _GroupWriter:
    """Rows of several arrays that belong together, and the mask of those that are there."""

    flag: str
    parts: dict[str, RowsWriter]

    def __init__(self, path: Path, base: Path | None) -> None:
        if base is not None:
            link_group(base, path)
        self._group = open_group(path)
        self._flags = FlagsWriter()

    @property
    def n_rows(self) -> int:
        first = next(iter(self.parts.values()))
        return first.n_flushed + len(first.tail)

    def flush(self) -> None:
        for part in self.parts.values():
            part.flush()

    def keep(self) -> dict[str, np.ndarray]:
        """What a later process needs beside the shards to go on: the open rows and the mask."""
        kept = {name: part.tail for name, part in self.parts.items()}
        return kept | {self.flag: self._flags.all()}

    def go_on(self, kept: dict[str, np.ndarray]) -> None:
        """Stand again where `keep` was called."""
        flags = kept[self.flag]
        for name, part in self.parts.items():
            part.go_on(len(flags), kept[name])
        self._flags.extend(flags)

    def follow(self, flags: np.ndarray) -> None:
        """Stand after the rows of the older version that the group was linked from."""
        for part in self.parts.values():
            part.go_on(len(flags))
        self._flags.extend(flags)

    @property
    def flags(self) -> np.ndarray:
        return self._flags.all()

    def finish(self) -> None:
        self.flush()
        self._flags.write(self._group, self.flag)


class PixelWriter(_GroupWriter):
    """Appends pictures to an images.zarr."""

    flag = "has_image"

    def __init__(
        self, path: Path, n_bands: int, side: int, dtype: str, base: Path | None = None
    ) -> None:
        super().__init__(path, base)
        kind = np.dtype(dtype)
        absent = np.nan if kind.kind == "f" else 0
        shape = (n_bands, side, side)
        self._image = RowsWriter(self._group, "image", shape, kind, absent, ("band", "y", "x"))
        self.parts = {"image": self._image}

    def add(self, image: np.ndarray | None) -> None:
        """Append one picture (band, y, x), or the place of an object that has none."""
        self._flags.add(image is not None)
        self._image.add(image)


class SpectrumWriter(_GroupWriter):
    """Appends spectra to a spectra.zarr."""

    flag = "has_spectrum"

    def __init__(self, path: Path, n_pixels: int, base: Path | None = None) -> None:
        super().__init__(path, base)
        kinds = {"flux": (np.float32, np.nan), "ivar": (np.float32, 0), "mask": (bool, True)}
        self.parts = {
            name: RowsWriter(self._group, name, (n_pixels,), np.dtype(kind), absent, ("pixel",))
            for name, (kind, absent) in kinds.items()
        }

    def add(self, spectrum: Spectrum | None) -> None:
        """Append one spectrum, or the place of an object that has none."""
        self._flags.add(spectrum is not None)
        for name, part in self.parts.items():
            part.add(None if spectrum is None else getattr(spectrum, name))


class PixelReader:
    """Reads pictures out of images.zarr; raises `Damaged` where that fails.

    Parameters
    ----------
    path
        The images.zarr folder.
    shape
        What the manifest says: (N, band, y, x).
    dtype
        What the manifest says.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int], dtype: str) -> None:
        self._image = RowsReader(path, "image", shape, dtype, "pixels")
        self._has_image = RowsReader(path, "has_image", shape[:1], "bool", "pixels")
        self.chunk_objects = self._image.chunk_objects
        self.shard_objects = self._image.shard_objects
        self.block = self._image.block
        self.gather = self._image.gather

    def missing_files(self) -> list[Path]:
        """Chunk files that should be there and are not (no file is read)."""
        return [*self._image.missing_files(), *self._has_image.missing_files()]

    def mask(self) -> np.ndarray:
        """Which objects have a picture, (N,) bool."""
        return self._has_image.all()


class SpectrumReader:
    """Reads spectra out of spectra.zarr; raises `Damaged` where that fails."""

    def __init__(self, path: Path, n_objects: int, n_pixels: int) -> None:
        shape = (n_objects, n_pixels)
        self.parts = {
            name: RowsReader(path, name, shape, dtype, "spectra")
            for name, dtype in (("flux", "float32"), ("ivar", "float32"), ("mask", "bool"))
        }
        self._has_spectrum = RowsReader(path, "has_spectrum", shape[:1], "bool", "spectra")
        self.shard_objects = min(part.shard_objects for part in self.parts.values())

    def missing_files(self) -> list[Path]:
        """Chunk files that should be there and are not (no file is read)."""
        return [
            p for part in (*self.parts.values(), self._has_spectrum) for p in part.missing_files()
        ]

    def has_spectrum(self) -> np.ndarray:
        """Which objects have a spectrum, (N,) bool."""
        return self._has_spectrum.all()

    def block(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """flux, ivar, mask (stop - start, pixel) of neighbouring rows."""
        flux, ivar, mask = (part.block(start, stop) for part in self.parts.values())
        return flux, ivar, mask

    def gather(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """flux, ivar, mask (B, pixel) of any rows."""
        flux, ivar, mask = (part.gather(rows) for part in self.parts.values())
        return flux, ivar, mask
