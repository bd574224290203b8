"""Which columns of a table are the position, and what they are in degrees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import BadInput
from core.survey.astrometry import POSITION_COLUMNS
from core.survey.options import ImportOptions
from core.survey.positions.angles import (
    HOUR_WORDS,
    NotAnAngle,
    declination,
    is_sexagesimal,
    right_ascension,
)
from core.survey.tables.base import TableSource, listed
from core.survey.tables.missing import finite

_BRACKETS = re.compile(r"\s*[\[({]\s*([^\])}]*)[\])}]\s*$")
_HINT = re.compile(r"(.*?)[_ ]?(h|hr|hrs|hour|hours|hms|deg|dms|d|rad)$")
_RADIANS = frozenset(("rad", "radian", "radians"))
_DEGREES = frozenset(("d", "deg", "degree", "degrees", "dms", "d:m:s"))
_SUSPECT_ROWS = 100

_HMS = ("rah", "ram", "ras", "ded", "dem", "des")
"""The columns of a position in the tables of the CDS; "de-" is the sign."""


@dataclass
class Degrees:
    """Positions of some rows.

    Attributes
    ----------
    ra, dec
        (N,) float64 degrees, 0 <= ra < 360; both NaN where there is a problem.
    problems
        Number of the row to what is wrong with it.
    n_wrapped
        Right ascensions that were below 0 and were turned by 360.
    """

    ra: np.ndarray
    dec: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)
    n_wrapped: int = 0


def parse_positions(
    ra: pa.ChunkedArray | pa.Array | Sequence[object],
    dec: pa.ChunkedArray | pa.Array | Sequence[object],
    ra_unit: str = "",
    dec_unit: str = "",
) -> Degrees:
    """Right ascensions and declinations, numbers or text, in degrees.

    `ra_unit` and `dec_unit` may say that numbers are hours ("hourangle", "h") or radians; numbers
    without a unit are degrees.
    """
    n = len(ra)
    problems: dict[int, str] = {}
    ra_deg = _angles(ra, ra_unit, True, problems)
    dec_deg = _angles(dec, dec_unit, False, problems)
    with np.errstate(invalid="ignore"):
        outside = np.flatnonzero((ra_deg < -180) | (ra_deg > 360))
        beyond = np.flatnonzero(np.abs(dec_deg) > 90)
        wrapped = (ra_deg < 0) & (ra_deg >= -180)
    for row in outside:
        problems.setdefault(
            int(row), f"its right ascension {ra_deg[row]:.6g} lies outside of 0 to 360 degrees"
        )
    for row in beyond:
        problems.setdefault(
            int(row), f"its declination {dec_deg[row]:.6g} lies outside of -90 to 90 degrees"
        )
    bad = np.zeros(n, bool)
    bad[list(problems)] = True
    ra_deg = np.where(bad, np.nan, ra_deg % 360.0)
    # The rest of a tiny negative number is 360 itself.
    ra_deg = np.where(ra_deg >= 360.0, 0.0, ra_deg)
    n_wrapped = int((wrapped & ~bad).sum())
    return Degrees(ra_deg, np.where(bad, np.nan, dec_deg), problems, n_wrapped)


def position_of(ra: str, dec: str) -> tuple[float, float]:
    """One position as text in degrees; raises `NotAnAngle`."""
    ra_deg, dec_deg = right_ascension(ra), declination(dec)
    if not -180 <= ra_deg <= 360:
        raise NotAnAngle(f"its right ascension {ra_deg:.6g} lies outside of 0 to 360 degrees")
    if not -90 <= dec_deg <= 90:
        raise NotAnAngle(f"its declination {dec_deg:.6g} lies outside of -90 to 90 degrees")
    turned = ra_deg % 360.0
    return (0.0 if turned >= 360.0 else turned), dec_deg


@dataclass
class PositionColumns:
    """Columns that hold the position.

    Attributes
    ----------
    names
        (ra, dec), or the six or seven columns of hours, minutes, seconds, degrees ...
    ra_unit, dec_unit
        What they are in, as far as something says so.
    is_plain
        They are numbers in degrees under names that say what they are, and can stay as they are.
    notes
        Sentences for a person.
    """

    names: tuple[str, ...]
    ra_unit: str = ""
    dec_unit: str = ""
    is_plain: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def replaced(self) -> tuple[str, ...]:
        """Columns that say nothing more once there are degrees."""
        return self.names if self.is_plain else ()

    def degrees(self, table: pa.Table) -> Degrees:
        if len(self.names) == 2:
            ra, dec = self.names
            return parse_positions(
                table.column(ra), table.column(dec), self.ra_unit, self.dec_unit
            )
        parts = [table.column(name).to_pylist() for name in self.names]
        hms, dms = zip(*parts[:3], strict=True), zip(*parts[3:6], strict=True)
        signs = parts[6] if len(parts) > 6 else [""] * len(table)
        ra_text = [_joined("", part) for part in hms]
        dec_text = [_joined(sign or "", part) for sign, part in zip(signs, dms, strict=True)]
        return parse_positions(ra_text, dec_text)


def find_positions(source: TableSource, options: ImportOptions) -> PositionColumns | None:
    """The columns of the position: those that `options` names, or by their names; None if none.

    Raises `BadInput` if a named column is not there.
    """
    names = _chosen(source, options) or find_names(list(source.columns))
    if names is None:
        return None
    if len(names) > 2:
        return PositionColumns(names)
    ra_name, dec_name = names
    ra_unit = _unit(source, ra_name)
    dec_unit = _unit(source, dec_name)
    found = PositionColumns(names, ra_unit, dec_unit)
    numbers = all(
        pa.types.is_floating(source.types[name]) or pa.types.is_integer(source.types[name])
        for name in names
    )
    listed_pair = (ra_name.lower(), dec_name.lower()) in POSITION_COLUMNS
    found.is_plain = numbers and listed_pair and ra_unit not in HOUR_WORDS | _RADIANS
    found.is_plain = found.is_plain and dec_unit not in _RADIANS
    sample = source.sample(names)
    if source.types[ra_name] == pa.string():
        first = next((text for text in sample.column(ra_name).to_pylist() if text), "")
        if is_sexagesimal(first):
            found.notes.append(
                f"Column {ra_name!r} is sexagesimal and was read as"
                f" {'degrees' if _DEGREES & {ra_unit} else 'hours'}, minutes, seconds"
                f" (such as {first[:24]!r})."
            )
        return found
    if ra_unit in HOUR_WORDS:
        found.notes.append(f"Column {ra_name!r} is in hours and was multiplied by 15.")
    elif ra_unit in _RADIANS:
        found.notes.append(f"Column {ra_name!r} is in radians and was turned into degrees.")
    else:
        values = finite(sample.column(ra_name))
        values = values[(values >= -180) & (values <= 360)]
        if len(values) > _SUSPECT_ROWS and values.min() >= 0 and 12 < values.max() <= 24:
            found.notes.append(
                f"Column {ra_name!r} was read as degrees, but no value is above 24: if these"
                " are hours, give the column the unit 'h'."
            )
        elif len(values) and values.min() < 0:
            found.notes.append(
                f"Right ascensions of column {ra_name!r} below 0 were turned by 360 degrees."
            )
    return found


def _chosen(source: TableSource, options: ImportOptions) -> tuple[str, str] | None:
    ra, dec = options.ra_column, options.dec_column
    if ra is None and dec is None:
        return None
    if ra is None or dec is None:
        raise BadInput(
            "The columns of right ascension and declination are named together, but only"
            f" {ra or dec!r} was; name both."
        )
    for name in (ra, dec):
        if name not in source.columns:
            raise BadInput(
                f"{source.path} has no column {name!r} (there: {listed(list(source.columns))});"
                " choose one of these."
            )
    return ra, dec


def find_names(names: Sequence[str]) -> tuple[str, ...] | None:
    """The columns that are a position by their names."""
    exact = {name.lower(): name for name in reversed(names)}
    for ra, dec in POSITION_COLUMNS:
        if ra in exact and dec in exact:
            return exact[ra], exact[dec]
    if all(name in exact for name in _HMS):
        return tuple(exact[name] for name in (*_HMS, "de-") if name in exact)
    bare: dict[str, str] = {}
    for name in reversed(names):
        low = _BRACKETS.sub("", name).strip().lower()
        hint = _HINT.fullmatch(low)
        bare[hint.group(1) if hint and hint.group(1) in _BARE else low] = name
    for ra, dec in POSITION_COLUMNS:
        if ra in bare and dec in bare:
            return bare[ra], bare[dec]
    return None


_BARE = frozenset(name for pair in POSITION_COLUMNS for name in pair)


def _unit(source: TableSource, name: str) -> str:
    """What the unit or the name says a column is in; in small letters."""
    unit = source.columns[name].unit.strip().strip("\"'").lower()
    if unit:
        return unit
    bracket = _BRACKETS.search(name)
    if bracket:
        return bracket.group(1).strip().lower()
    hint = _HINT.fullmatch(name.lower())
    return hint.group(2) if hint and hint.group(1) in _BARE else ""


def _angles(
    values: pa.ChunkedArray | pa.Array | Sequence[object],
    unit: str,
    is_ra: bool,
    problems: dict[int, str],
) -> np.ndarray:
    what = "right ascension" if is_ra else "declination"
    hours = is_ra and unit in HOUR_WORDS
    if isinstance(values, pa.Array):
        values = pa.chunked_array([values])
    cells: Sequence[Any]
    if isinstance(values, pa.ChunkedArray):
        if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
            factor = 15.0 if hours else 180.0 / np.pi if unit in _RADIANS else 1.0
            numbers = values.cast(pa.float64()).to_numpy().astype(np.float64) * factor
            for row in np.flatnonzero(~np.isfinite(numbers)).tolist():
                problems.setdefault(row, f"its {what} is missing")
            return np.asarray(numbers)
        cells = values.to_pylist()
    else:
        cells = values
    found = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell is None or cell != cell or str(cell).strip() == "":
            problems.setdefault(row, f"its {what} is missing")
            continue
        try:
            if is_ra:
                found[row] = right_ascension(str(cell), hours, unit in _DEGREES)
            else:
                found[row] = declination(str(cell))
        except NotAnAngle as error:
            problems.setdefault(row, f"its {what} cannot be used: {error}")
            continue
        if unit in _RADIANS and not is_sexagesimal(str(cell)):
            found[row] = np.degrees(found[row])
    return found


def _joined(sign: str, parts: tuple[object, ...]) -> str:
    """ "12 34 56.7" from numbers; empty if one is missing."""
    if any(part is None for part in parts):
        return ""
    first, minutes, seconds = (float(str(part)) for part in parts)
    if any(part != part for part in (first, minutes, seconds)):
        return ""
    minus = "-" if sign.strip() == "-" or first < 0 else ""
    return f"{minus}{abs(first):.0f} {minutes:.0f} {seconds:.6f}"
