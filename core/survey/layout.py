"""What every object of a survey has: bands, size and kind of pixels, wavelength grid, columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.spectra import SpectralGrid

UNIT_BYTES = 8 * 1024 * 1024
"""About what one unit of work may hold in memory."""

MAX_UNIT_ENTRIES = 256


@dataclass(frozen=True)
class ColumnInfo:
    """What is known of a catalogue column beside its name and type.

    Attributes
    ----------
    unit
        In astropy's generic format ("deg", "mag", "1e-17 erg / (Angstrom s cm2)"); empty where
        none was given.
    description
        As the source gave it.
    kind
        "categorical" for a column whose values are names of classes, else empty.
    missing
        Values that the source used for "not measured" and that were taken for missing cells.
    """

    unit: str = ""
    description: str = ""
    kind: str = ""
    missing: tuple[float | str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """What a reader says of the survey that its objects make.

    Attributes
    ----------
    bands
        Names along the first image axis, from blue to red, or ("R", "G", "B") for colour
        pictures; empty for a survey without pictures.
    cutout_size_px
        Side of every image; 0 without pictures.
    dtype
        "uint8" or "float32".
    pixel_scale_arcsec
        Side of a pixel on the sky, where it is known and the same for all.
    grid
        The wavelength grid of the spectra; `None` for a survey without spectra.
    origin, licence
        Where the data came from and on what terms.
    columns
        What is known of the catalogue's columns, by name; columns may be left out.
    """

    bands: tuple[str, ...] = ()
    cutout_size_px: int = 0
    dtype: str = "uint8"
    pixel_scale_arcsec: float | None = None
    grid: SpectralGrid | None = None
    origin: str = ""
    licence: str = "not stated"
    columns: Mapping[str, ColumnInfo] = field(default_factory=dict)

    @property
    def object_bytes(self) -> int:
        """Bytes of one object's pixels and spectrum."""
        pixels = len(self.bands) * self.cutout_size_px**2 * (1 if self.dtype == "uint8" else 4)
        return pixels + (9 * self.grid.n if self.grid else 0)

    @property
    def unit_entries(self) -> int:
        """Entries that a unit of work should have, so that it stays small in memory."""
        return max(1, min(MAX_UNIT_ENTRIES, UNIT_BYTES // max(1, self.object_bytes)))
