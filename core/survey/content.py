"""The content hash of a survey: the same objects, columns and pixels give the same hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from core.spectra import SpectralGrid
from core.survey.batch import Spectrum


class ColumnHash:
    """SHA-256 of one catalogue column, fed in pieces of any length.

    Missing cells and values are hashed apart, so that neither the pieces nor what lies in
    memory under a missing cell shows in the digest.
    """

    def __init__(self) -> None:
        self._missing = hashlib.sha256()
        self._values = hashlib.sha256()

    def update(self, column: pa.Array) -> None:
        self._missing.update(np.asarray(column.is_null()).astype(np.uint8).tobytes())
        if pa.types.is_string(column.type):
            encoded = [text.encode() for text in column.drop_null().to_pylist()]
            for text in encoded:  # length first: "ab", "c" is not "a", "bc"
                self._values.update(len(text).to_bytes(8, "little") + text)
            return
        present = np.asarray(column.drop_null())
        kind = {"b": "u1", "i": "<i8", "f": "<f8"}[present.dtype.kind]
        values = present.astype(kind)
        if kind == "<f8":
            values = values + 0.0  # -0.0 and 0.0 are one number,
            values[np.isnan(values)] = np.nan  # and so are all NaNs
        self._values.update(values.tobytes())

    def hexdigest(self) -> str:
        return self._missing.hexdigest() + self._values.hexdigest()


class PixelHash:
    """SHA-256 of presence mask and pixels, fed one object at a time in row order."""

    def __init__(self) -> None:
        self._has_image = hashlib.sha256()
        self._pixels = hashlib.sha256()

    def add(self, image: np.ndarray | None) -> None:
        """Take in the image (band, y, x) of the next row, `None` where there is none."""
        if image is None:
            self._has_image.update(b"\0")
            return
        self._has_image.update(b"\1")
        self._pixels.update(np.ascontiguousarray(image, image.dtype.newbyteorder("<")).data)

    def hexdigest(self) -> str:
        return self._has_image.hexdigest() + self._pixels.hexdigest()


class SpectrumHash:
    """SHA-256 of presence mask and spectra, fed one object at a time in row order."""

    def __init__(self) -> None:
        self._has_spectrum = hashlib.sha256()
        self._values = hashlib.sha256()

    def add(self, spectrum: Spectrum | None) -> None:
        """Take in the spectrum of the next row, `None` where there is none."""
        self._has_spectrum.update(b"\0" if spectrum is None else b"\1")
        if spectrum is not None:
            for values, kind in ((spectrum.flux, "<f4"), (spectrum.ivar, "<f4")):
                self._values.update(np.ascontiguousarray(values, kind).data)
            self._values.update(np.ascontiguousarray(spectrum.mask, np.uint8).data)

    def hexdigest(self) -> str:
        return self._has_spectrum.hexdigest() + self._values.hexdigest()


def content_hash(
    bands: Sequence[str],
    dtype: str,
    cutout_size_px: int,
    columns: Sequence[tuple[str, str, ColumnHash]],
    pixels: PixelHash,
    grid: SpectralGrid | None = None,
    spectra: SpectrumHash | None = None,
) -> str:
    """One SHA-256, in hexadecimal, over the digests of the parts and what they mean.

    `columns` are (name, type, digest), in catalogue order. Spectra count where there are any.
    """
    parts: dict[str, object] = {
        "bands": list(bands),
        "dtype": dtype,
        "cutout_size_px": cutout_size_px,
        "columns": [[name, kind, digest.hexdigest()] for name, kind, digest in columns],
        "pixels": pixels.hexdigest(),
    }
    if grid is not None and spectra is not None:
        parts["grid"] = [grid.log10_start, grid.log10_step, grid.n]
        parts["spectra"] = spectra.hexdigest()
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()
