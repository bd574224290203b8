"""Cross-match: which objects of a survey are known already, by their place on the sky.

Every match within the radius counts, the nearest one gives its name. Positions are compared as
they stand in both catalogues: proper motion and the epoch are left out of account, so that a fast
star may be missed. Separations are great-circle distances, exact at the poles and across 0h.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from core.errors import BadInput, NotReady
from core.progress import Progress, silent
from core.survey.added_columns import added_columns, column_runs
from core.survey.astrometry import sky_positions
from core.survey.layout import ColumnInfo
from core.survey.matching.sphere import Positions, checked_radius
from core.survey.store import Survey

__all__ = [
    "Found",
    "KnownCatalogue",
    "MatchCounts",
    "MatchResult",
    "cross_match",
    "slug_of",
]

KNOWN_AS = "known_as"
"""The column that the label page reads out: "M 51a (SIMBAD), J1329+47 (lenscat)"."""


@dataclass(frozen=True)
class Found:
    """Matches, in any order: each the row of an object of the survey, how far off the known one
    is in arcsec, its name, and its type (None where unknown)."""

    rows: np.ndarray
    sep_arcsec: np.ndarray
    names: Sequence[str]
    types: Sequence[str | None]


class KnownCatalogue(Protocol):
    """A catalogue of known objects.

    Attributes
    ----------
    label
        How a person calls it: "SIMBAD", "lenscat", a file's name.
    notes
        Sentences about what was passed over.
    """

    label: str
    notes: list[str]

    def near(
        self, positions: Positions, radius_arcsec: float, progress: Progress
    ) -> Iterator[Found]:
        """What lies within `radius_arcsec` of the survey's objects."""

    def provenance(self) -> dict[str, Any]:
        """Where it came from, its hash and counts; asked for after `near`. JSON."""


class _Nearest:
    """The nearest match of every object, and how many there are."""

    def __init__(self, n: int) -> None:
        self.sep = np.full(n, np.inf)
        self.count = np.zeros(n, np.int64)
        self.name = np.full(n, None, dtype=object)
        self.type = np.full(n, None, dtype=object)

    def add(self, found: Found) -> None:
        rows = np.asarray(found.rows, np.intp)
        np.add.at(self.count, rows, 1)
        # The nearest first; of equally near ones (but for the last digits, which depend on the
        # order of the sums) the first of the catalogue.
        sep = np.round(np.asarray(found.sep_arcsec, np.float64), 6)
        order = np.lexsort((np.arange(len(rows)), sep, rows))
        firsts = order[np.unique(rows[order], return_index=True)[1]]
        for place in firsts[sep[firsts] < self.sep[rows[firsts]]].tolist():
            row = rows[place]
            self.sep[row] = sep[place]
            self.name[row] = found.names[place]
            self.type[row] = found.types[place] or None


@dataclass(frozen=True)
class MatchCounts:
    """What came of one catalogue: objects matched, of these with several matches, and all
    matches."""

    n_objects: int
    n_several: int
    n_matches: int


@dataclass(frozen=True)
class MatchResult:
    """Columns to add to a survey, and what is worth telling.

    Attributes
    ----------
    columns, info
        For `write_columns`.
    counts
        By the catalogue's label.
    n_searched, n_without_position
        Objects with and without a position.
    n_known
        Objects known in any catalogue, those of earlier cross-matches included.
    catalogues
        For the record: label, slug and provenance of each.
    """

    columns: dict[str, pa.Array]
    info: dict[str, ColumnInfo]
    counts: dict[str, MatchCounts]
    n_searched: int
    n_without_position: int
    n_known: int
    catalogues: list[dict[str, Any]]

    def sentences(self) -> list[str]:
        """What came out, for a person."""
        told = [
            f"Known in {label}: {one.n_objects:,} of {self.n_searched:,} objects"
            + (f", {one.n_several:,} with several matches" if one.n_several else "")
            + "."
            for label, one in self.counts.items()
        ]
        if self.n_without_position:
            told.append(
                f"Objects without a position, which cannot be looked up:"
                f" {self.n_without_position:,}."
            )
        told.extend(note for one in self.catalogues for note in one["notes"])
        return told


def cross_match(
    survey: Survey,
    catalogues: Sequence[KnownCatalogue],
    radius_arcsec: float,
    progress: Progress = silent,
) -> MatchResult:
    """Look every object of a survey up in catalogues of the known.

    For each catalogue the columns known_NAME_as, _type, _sep_arcsec and _n; and over all of them
    (with those of earlier cross-matches) known_as, known_in, known_type, known_sep_arcsec and
    known_n. known_n is 0 for an object that was looked up and is in none; all are missing for one
    without a position.

    Raises
    ------
    BadInput
        The radius is out of range, or two catalogues have one name.
    NotReady
        The survey has no positions.
    """
    checked_radius(radius_arcsec)
    slugs = [slug_of(one.label) for one in catalogues]
    if len(set(slugs)) < len(slugs):
        twice = next(slug for slug in slugs if slugs.count(slug) > 1)
        raise BadInput(
            f"Each catalogue needs its own name, but {twice!r} comes twice; leave one out or"
            " rename its file."
        )
    place = sky_positions(survey)
    if place is None:
        raise NotReady(
            f"The survey {survey.name} has no positions (columns ra and dec in degrees), so that"
            " nothing can be looked up by place; import it with positions."
        )
    positions = Positions(*place)
    columns: dict[str, pa.Array] = {}
    info: dict[str, ColumnInfo] = {}
    counts: dict[str, MatchCounts] = {}
    about = []
    sets: dict[str, _Set] = _earlier(survey, set(slugs))
    for number, (slug, catalogue) in enumerate(zip(slugs, catalogues, strict=True)):
        best = _Nearest(len(survey))
        tell = _part_of(progress, number, len(catalogues), catalogue.label)
        for found in catalogue.near(positions, radius_arcsec, tell):
            best.add(found)
        counts[catalogue.label] = MatchCounts(
            int((best.count > 0).sum()), int((best.count > 1).sum()), int(best.count.sum())
        )
        own = _own_columns(slug, best, positions)
        columns |= own
        info |= _own_info(slug, catalogue.label, radius_arcsec)
        sets[slug] = _Set(catalogue.label, [own[f"known_{slug}_{end}"] for end in _ENDS])
        about.append(
            {
                "label": catalogue.label,
                "slug": slug,
                **catalogue.provenance(),
                "notes": list(catalogue.notes),
            }
        )
    together = _together(list(sets.values()), len(survey))
    columns = together | columns
    info |= _JOINED_INFO
    n_known = len(survey) - together[KNOWN_AS].null_count
    progress(1.0, f"{n_known:,} objects are known")
    return MatchResult(
        columns, info, counts, len(positions), len(survey) - len(positions), n_known, about
    )


def slug_of(label: str) -> str:
    """A catalogue's name as a part of column names: "II/246/out" -> "ii_246_out"."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:48] or "catalogue"


_ENDS = ("as", "type", "sep_arcsec", "n")

_JOINED_INFO = {
    KNOWN_AS: ColumnInfo(description="names of the nearest known objects, with their catalogue"),
    "known_in": ColumnInfo(description="catalogues in which it is known"),
    "known_type": ColumnInfo(description="types by these catalogues"),
    "known_sep_arcsec": ColumnInfo("arcsec", "distance of the nearest known object"),
    "known_n": ColumnInfo(description="known objects within the radius, in all catalogues"),
}


@dataclass(frozen=True)
class _Set:
    """The four columns of one catalogue, in the order of `_ENDS`."""

    label: str
    columns: list[pa.Array]


def _own_columns(slug: str, best: _Nearest, positions: Positions) -> dict[str, pa.Array]:
    searched = np.zeros(positions.n_objects, bool)
    searched[positions.rows] = True
    values = (
        pa.array(best.name, pa.string()),
        pa.array(best.type, pa.string()),
        pa.array(best.sep, pa.float64(), mask=best.count == 0),
        pa.array(best.count, pa.int64(), mask=~searched),
    )
    return {f"known_{slug}_{end}": column for end, column in zip(_ENDS, values, strict=True)}


def _own_info(slug: str, label: str, radius_arcsec: float) -> Mapping[str, ColumnInfo]:
    said = (
        ColumnInfo(description=f"name in {label} of the nearest within {radius_arcsec:g} arcsec"),
        ColumnInfo(description=f"its type by {label}"),
        ColumnInfo("arcsec", "its distance"),
        ColumnInfo(description=f"objects of {label} within {radius_arcsec:g} arcsec"),
    )
    return {f"known_{slug}_{end}": one for end, one in zip(_ENDS, said, strict=True)}


def _earlier(survey: Survey, left_out: set[str]) -> dict[str, _Set]:
    """The newest columns of catalogues that were matched before and are not now, oldest first."""
    labels: dict[str, str] = {}
    for run in reversed(column_runs(survey)):
        for one in run.record.get("catalogues", []):
            if one["slug"] not in left_out:
                labels[one["slug"]] = one["label"]
    frame = added_columns(survey) if labels else None
    sets = {}
    for slug, label in labels.items():
        names = [f"known_{slug}_{end}" for end in _ENDS]
        if frame is not None and all(name in frame for name in names):
            arrays = [pa.array(frame[name], from_pandas=True) for name in names]
            sets[slug] = _Set(label, [_plain(one) for one in arrays])
    return sets


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _together(sets: Sequence[_Set], n: int) -> dict[str, pa.Array]:
    """One set of columns over all catalogues."""
    texts = {name: np.full(n, None, dtype=object) for name in (KNOWN_AS, "known_in", "known_type")}
    nearest = np.full(n, np.inf)
    total = np.zeros(n, np.int64)
    searched = np.zeros(n, bool)
    for one in sets:
        names, types, seps, counts = one.columns
        sep = seps.cast(pa.float64()).to_numpy(zero_copy_only=False)
        nearest = np.fmin(nearest, np.where(np.isnan(sep), np.inf, sep))
        searched |= counts.is_valid().to_numpy(zero_copy_only=False)
        total += counts.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        matched = np.flatnonzero(names.is_valid().to_numpy(zero_copy_only=False))
        chosen = pa.array(matched)
        words = zip(names.take(chosen).to_pylist(), types.take(chosen).to_pylist(), strict=True)
        for row, (name, kind) in zip(matched.tolist(), words, strict=True):
            _append(texts[KNOWN_AS], row, f"{name} ({one.label})")
            _append(texts["known_in"], row, one.label)
            if kind:
                _append(texts["known_type"], row, f"{kind} ({one.label})")
    return {
        **{name: pa.array(values, pa.string()) for name, values in texts.items()},
        "known_sep_arcsec": pa.array(nearest, pa.float64(), mask=np.isinf(nearest)),
        "known_n": pa.array(total, pa.int64(), mask=~searched),
    }


def _append(texts: np.ndarray, row: int, text: str) -> None:
    texts[row] = text if texts[row] is None else f"{texts[row]}, {text}"


def _part_of(progress: Progress, number: int, n: int, label: str) -> Progress:
    return lambda fraction, message: progress(
        0.99 * (number + min(fraction, 1.0)) / n, f"{label}: {message}"
    )
