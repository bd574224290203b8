"""Where to cut mosaics: a catalogue's positions, or the sources that are detected on them."""

from __future__ import annotations

import abc
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.survey.batch import CatalogueValue, Reject
from core.survey.layout import ColumnInfo
from core.survey.mosaics.detection import COLUMNS, Detections, DetectionSettings, detect
from core.survey.mosaics.tiles import Tile
from core.survey.options import ImportOptions
from core.survey.positions import Position, PositionSource, open_positions, position_name
from core.survey.readers.mosaic_tiles import MosaicTiles
from core.survey.readers.unreadable import Unreadable

DETECTION_OPTIONS: Mapping[str, str] = {
    "threshold": "detection without a catalogue: level over the noise, in sigma (3)",
    "npixels": "detection: fewest connected pixels of a source (6)",
    "fwhm_px": "detection: width of the Gaussian that smooths before, in pixels (3)",
    "box_px": "detection: side of the boxes for the background (64)",
    "contrast": "detection: share of the flux that makes a peak its own source (0.005)",
    "min_flux": "detection: fainter sources are left out; in the mosaic's units",
    "detect_band": "detection: the band in which sources are found (the middle one)",
    "cache": "folder of what was detected before (default: ~/.cache/skysift/detections)",
}


class CutPositions(abc.ABC):
    """Positions to cut at, read by slices; can be pickled.

    Attributes
    ----------
    name
        What a reject names as its source.
    n_entries, columns, notes
        As of a `PositionSource`.
    bad
        Mosaics that detection could not read to their end.
    detection, band
        How sources were found, and in which band; None where a catalogue names them.
    """

    name: str
    n_entries: int
    columns: Mapping[str, ColumnInfo]
    notes: Sequence[str]
    bad: Sequence[Reject] = ()
    detection: DetectionSettings | None = None
    band: str = ""

    @abc.abstractmethod
    def rows(self, start: int, stop: int) -> Iterator[Position | Reject]:
        """The positions start <= number < stop."""


class CataloguePositions(CutPositions):
    """The rows of a catalogue."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        self._opened: PositionSource = open_positions(path, options)
        self.name = path.name
        self.n_entries = self._opened.n_entries
        self.columns = self._opened.columns
        self.notes = list(self._opened.notes)

    def rows(self, start: int, stop: int) -> Iterator[Position | Reject]:
        return self._opened.rows(start, stop)


@dataclass
class DetectedPositions(CutPositions):
    """Sources found on mosaics."""

    name: str
    found: Detections
    names: list[str]
    detection: DetectionSettings | None
    band: str
    bad: Sequence[Reject]
    columns: Mapping[str, ColumnInfo] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.n_entries = len(self.found)

    def rows(self, start: int, stop: int) -> Iterator[Position | Reject]:
        values = {name: column[start:stop].tolist() for name, column in self.found.values.items()}
        ra, dec = self.found.ra[start:stop].tolist(), self.found.dec[start:stop].tolist()
        for at, name in enumerate(self.names[start:stop]):
            columns: dict[str, CatalogueValue] = {key: row[at] for key, row in values.items()}
            yield Position(name, ra[at], dec[at], columns)


def positions_of(
    options: ImportOptions,
    own: Mapping[str, str],
    tiles: MosaicTiles,
) -> CutPositions:
    """Positions of `options.catalogue`, or of the sources detected on `tiles`.

    Raises
    ------
    BadInput
        The catalogue holds no positions, a setting is wrong, or nothing was found.
    """
    used = sorted((set(own) & set(DETECTION_OPTIONS)) - {"cache"})
    if options.catalogue:
        if used:
            raise BadInput(
                f"{used[0]} is a setting of detection, which is not done with a catalogue; leave"
                " one of the two out."
            )
        return CataloguePositions(Path(options.catalogue).expanduser(), options)
    bands = list(tiles.of_band)
    band = own.get("detect_band", bands[len(bands) // 2])
    if band not in bands:
        raise BadInput(
            f"detect_band must be one of {', '.join(bands)}, but is {band!r}; choose one of these."
        )
    settings = _settings(own)
    found, bad = _detect(tiles, band, settings, _cache(own))
    if not len(found):
        told = f" ({bad[0].source} {bad[0].reason})" if bad else ""
        raise BadInput(
            f"No source is brighter than {settings.threshold:g} sigma in {settings.npixels}"
            f" pixels on any mosaic{told}; lower threshold or npixels, or give a catalogue."
        )
    unit = next((tile.unit for tile in tiles.files if tile.band == band and tile.unit), "")
    columns = dict(COLUMNS)
    for name in ("flux", "peak"):
        columns[name] = replace(columns[name], unit=_unit(unit))
    notes = [
        f"No catalogue was given: {len(found):,} sources were detected in the band {band}, and are"
        " named by their position."
    ]
    if found.n_twice:
        notes.append(f"Sources found on several mosaics, and kept once: {found.n_twice:,}.")
    names = _distinct([position_name(*one) for one in zip(found.ra, found.dec, strict=True)])
    source = "detected"
    return DetectedPositions(source, found, names, settings, band, bad, columns, notes)


def _detect(
    tiles: MosaicTiles, band: str, settings: DetectionSettings, cache: Path | None
) -> tuple[Detections, list[Reject]]:
    bad: list[Reject] = []
    names: list[str] = []

    def opened() -> Iterator[tuple[Tile, int]]:
        for number in tiles.of_band[band]:
            about = tiles.files[number]
            try:
                tile = Tile.open(tiles.path(about), about.hdu)
            except Unreadable as error:
                bad.append(Reject(about.name, f"cannot be searched for sources: it {error}"))
                continue
            names.append(about.name)
            yield tile, about.plane

    found = detect(opened(), settings, cache=cache)
    bad += [
        Reject(names[number], f"cannot be searched for sources: it {reason}")
        for number, reason in found.failed
    ]
    return found, bad


def _settings(own: Mapping[str, str]) -> DetectionSettings:
    plain = DetectionSettings()
    numbers: dict[str, float | None] = {}
    for name in ("threshold", "npixels", "fwhm_px", "box_px", "contrast", "min_flux"):
        if name not in own:
            continue
        try:
            numbers[name] = float(own[name])
        except ValueError:
            raise BadInput(f"{name} must be a number, but is {own[name]!r}; change it.") from None
    for name in ("npixels", "box_px"):
        value = numbers.get(name)
        if value is not None:
            if not np.isfinite(value):
                raise BadInput(f"{name} must be a number, but is {own[name]!r}; change it.")
            numbers[name] = int(value)
    return replace(plain, **numbers)  # type: ignore[arg-type]


def _cache(own: Mapping[str, str]) -> Path | None:
    if own.get("cache"):
        return Path(own["cache"]).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home) / "skysift" / "detections" if os.path.isabs(home) else None


def _distinct(names: list[str]) -> list[str]:
    """Names that come again get the letters b, c, ... in order, as in the papers."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name}{_letters(seen[name])}")
    return made


def _letters(number: int) -> str:
    letters = ""
    while number:
        number, last = divmod(number - 1, 26)
        letters = chr(ord("a") + last) + letters
    return letters


def _unit(text: str) -> str:
    """In astropy's generic format; empty where it is no unit."""
    from astropy import units

    try:
        return str(units.Unit(text).to_string()) if text else ""
    except (ValueError, TypeError):
        return ""
