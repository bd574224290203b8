"""The manifest of a survey version, survey.toml: what it holds and how to read it."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass, fields
from typing import Any

from core.errors import Damaged, TooNew
from core.spectra import SpectralGrid

SURVEY_FORMAT = 2
"""Raised when an older Skysift could no longer read what this one writes: since 2 a survey may be
without pictures and may have spectra."""

FORMAT_OF_PICTURES = 1
"""Written for a survey of pictures alone, which every Skysift can read."""

_STRING_TUPLES = ("modalities", "bands", "notes")
_OPTIONAL = (
    "pixel_scale_arcsec",
    "wavelength_log10_start",
    "wavelength_log10_step",
    "wavelength_pixels",
)
_FLOAT_TUPLES = ("band_low", "band_high", "band_sigma")


@dataclass(frozen=True)
class Manifest:
    """What survey.toml says.

    Attributes
    ----------
    format_version
        Layout of the version folder; this Skysift reads up to `SURVEY_FORMAT`.
    name, version
        Of the survey.
    modalities
        What its objects have: "images", "spectra"; ("columns",) where they have neither.
    bands
        Names along the first axis of an image (band, y, x), from blue to red, or
        ("R", "G", "B") for colour pictures; empty without pictures.
    cutout_size_px
        Side of the square images in pixels; 0 without pictures.
    pixel_scale_arcsec
        Side of a pixel on the sky, `None` where unknown.
    dtype
        "uint8" or "float32".
    origin, licence
        Where the data came from and on what terms.
    created
        UTC time, ISO 8601.
    n_objects, n_rejects
        Rows of the catalogue and of rejects.csv.
    content_hash
        SHA-256 over object ids, columns, masks and pixels (see `core.survey.content`).
    band_low, band_high, band_sigma
        Pixel limits a band over the whole survey: sky level, 99.9th percentile of the objects'
        brightest pixels (`core.survey.limits` says which do not count), noise of the sky (always
        > 0); low and high of uint8 are 0 and 255.
    notes
        Sentences about the import that a person should know.
    wavelength_log10_start, wavelength_log10_step, wavelength_pixels
        The grid of the spectra (see `SpectralGrid`), `None` without spectra.
    """

    format_version: int
    name: str
    version: int
    modalities: tuple[str, ...]
    bands: tuple[str, ...]
    cutout_size_px: int
    pixel_scale_arcsec: float | None
    dtype: str
    origin: str
    licence: str
    created: str
    n_objects: int
    n_rejects: int
    content_hash: str
    band_low: tuple[float, ...]
    band_high: tuple[float, ...]
    band_sigma: tuple[float, ...]
    notes: tuple[str, ...] = ()
    wavelength_log10_start: float | None = None
    wavelength_log10_step: float | None = None
    wavelength_pixels: int | None = None

    @property
    def grid(self) -> SpectralGrid | None:
        """The wavelength grid of the spectra."""
        start, step = self.wavelength_log10_start, self.wavelength_log10_step
        if start is None or step is None or self.wavelength_pixels is None:
            return None
        return SpectralGrid(start, step, self.wavelength_pixels)

    def to_toml(self) -> str:
        """The text of survey.toml; `from_toml` gives back an equal manifest."""
        lines = ["# Written by Skysift. A survey version never changes: do not edit."]
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                lines.append(f"{field.name} = {_toml_value(value)}")
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str, where: str) -> Manifest:
        """Read a manifest; `where` names the file in error messages.

        Raises
        ------
        TooNew
            It was written by a newer Skysift.
        Damaged
            It is not TOML, lacks an entry, or an entry is of the wrong kind.
        """
        try:
            entries = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _damaged(where, f"is not TOML ({error})") from None
        written = entries.get("format_version")
        if type(written) is not int:
            raise _damaged(where, "lacks its format_version")
        if written > SURVEY_FORMAT:
            raise TooNew(
                f"{where} was written by a newer Skysift (format {written}, this one reads up to"
                f" {SURVEY_FORMAT}); update Skysift. Nothing was changed."
            )
        return cls(**{field.name: _entry(entries, field.name, where) for field in fields(cls)})


def grid_entries(grid: SpectralGrid | None) -> dict[str, Any]:
    """The entries of a manifest that say the wavelength grid."""
    if grid is None:
        return {}
    return {
        "wavelength_log10_start": grid.log10_start,
        "wavelength_log10_step": grid.log10_step,
        "wavelength_pixels": grid.n,
    }


_KINDS: dict[str, type] = {
    "format_version": int,
    "version": int,
    "cutout_size_px": int,
    "n_objects": int,
    "n_rejects": int,
}


def _entry(entries: dict[str, Any], name: str, where: str) -> Any:
    value = entries.get(name)
    if name in _OPTIONAL:
        if value is None:
            return None
        if type(value) not in (int, float):
            raise _damaged(where, f"has a {name} that is no number")
        return int(value) if name == "wavelength_pixels" else float(value)
    if name == "notes" and value is None:
        return ()
    if name in _STRING_TUPLES or name in _FLOAT_TUPLES:
        kinds: tuple[type, ...] = (str,) if name in _STRING_TUPLES else (int, float)
        if not isinstance(value, list) or not all(type(item) in kinds for item in value):
            raise _damaged(where, f"has no usable list {name}")
        return tuple(value) if name in _STRING_TUPLES else tuple(float(item) for item in value)
    if type(value) is not _KINDS.get(name, str) or (type(value) is int and value < 0):
        raise _damaged(where, f"has no usable entry {name}")
    return value


def _damaged(where: str, what: str) -> Damaged:
    return Damaged(f"{where} {what}; restore the survey from a backup or import it again.")


def _toml_value(value: object) -> str:
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped too, and
        # for lone surrogates, which TOML cannot hold.
        clean = value.encode("utf-8", "replace").decode("utf-8")
        return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a manifest holds finite numbers only, but got {value}")
        text = repr(value)
        return text if "." in text or "e" in text else text + ".0"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    raise TypeError(f"no way to write {type(value).__name__} into a manifest")
