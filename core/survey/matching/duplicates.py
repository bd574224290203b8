"""Duplicates within a survey: objects at one place on the sky, and objects with one picture.

Pairs closer than a radius are friends, and friends of friends form a group (Huchra & Geller
1982), and so do objects with the same pixels or nearly the same picture. Objects of one group_id
are views of one thing and no duplicates of each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from core.errors import BadInput, NotReady
from core.progress import Progress, silent
from core.survey.astrometry import sky_positions
from core.survey.layout import ColumnInfo
from core.survey.matching.duplicate_sets import Links, Sets, numbered
from core.survey.matching.fingerprints import Fingerprints, alikeness, close_pairs
from core.survey.matching.sphere import Positions, arcsec_of_chords, checked_radius, chord
from core.survey.store import Survey

__all__ = ["DuplicateReport", "Duplicates", "find_duplicates"]

ALIKE = 0.9
"""Two pictures that correlate less are different ones. Of the 13 million pairs of 5,111 galaxies
of the SDSS the most alike, two edge-on discs that lie alike, reached 0.80; copies of 128 pixels a
side that were compressed anew, brightened or made noisier lie above 0.9."""

MAX_PAIRS = 50_000_000
"""More pairs within the radius than this mean that it is far too large."""

_AT_ONCE_BYTES = 16 * 1024 * 1024
_FULL_SET = 50
"""Up to this many objects of one fingerprint are compared each with each."""

INFO = {
    "duplicate_group": ColumnInfo(description="number of the group of duplicates"),
    "duplicate_of": ColumnInfo(description="first object of the group, where it is another one"),
    "duplicate_why": ColumnInfo(description="what it has in common with others of the group"),
}


@dataclass
class DuplicateReport:
    """What was found.

    Attributes
    ----------
    n_objects, n_groups, n_duplicates
        Of the survey; groups; objects that are duplicates of an earlier one.
    largest
        Objects in the largest group.
    by_reason
        Duplicates for each reason; one may have several.
    n_without_position, n_without_picture
        Objects that could not be compared so; None where it was not asked for.
    notes
        What else is worth telling.
    """

    n_objects: int
    n_groups: int = 0
    n_duplicates: int = 0
    largest: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    n_without_position: int | None = None
    n_without_picture: int | None = None
    notes: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """The report for a person."""
        told = [
            f"Duplicates of an earlier object: {self.n_duplicates:,} of {self.n_objects:,};"
            f" groups: {self.n_groups:,}."
        ]
        told += [f"{reason}: {n:,}." for reason, n in self.by_reason.items() if n]
        if self.largest > 20:
            told.append(
                f"The largest group has {self.largest:,} objects: a placeholder in place of a"
                " position or a picture, or a crowded field."
            )
        if self.n_without_position:
            told.append(f"Objects without a position to compare: {self.n_without_position:,}.")
        if self.n_without_picture:
            told.append(
                f"Objects without a picture that has any contrast: {self.n_without_picture:,}."
            )
        return told + self.notes


@dataclass(frozen=True)
class Duplicates:
    """Columns to add to a survey, and the report."""

    columns: dict[str, pa.Array]
    report: DuplicateReport


SAME_PIXELS = "Same pixels"
CLOSE_BY = "Close by on the sky"
ALIKE_PICTURE = "Nearly the same picture"


def find_duplicates(
    survey: Survey,
    *,
    radius_arcsec: float | None = None,
    pictures: bool = False,
    progress: Progress = silent,
) -> Duplicates:
    """Group the objects of a survey that are one and the same.

    The columns are duplicate_group (numbered from 1 in row order), duplicate_of (the group's
    first object, missing for that one itself) and duplicate_why ("same pixels; 0.30 arcsec
    away": what the object has in common with the nearest or any other of its group).

    Parameters
    ----------
    radius_arcsec
        Compare positions; None: do not.
    pictures
        Compare pictures.

    Raises
    ------
    BadInput
        Neither was asked for, or the radius is out of range or holds far too many pairs.
    NotReady
        There are no positions or no pictures to compare.
    """
    if radius_arcsec is None and not pictures:
        raise BadInput(
            "Duplicates are looked for by position (a radius), by picture, or both; say which."
        )
    views = _views(survey)
    report = DuplicateReport(len(survey))
    links: dict[str, Links] = {}
    if radius_arcsec is not None:
        checked_radius(radius_arcsec)
        progress(0.0, "comparing positions")
        links[CLOSE_BY] = _close_by(survey, radius_arcsec, views, report)
    if pictures:
        links |= _alike(survey, views, report, progress)
    columns = _columns(survey, links, report)
    progress(1.0, f"{report.n_duplicates:,} duplicates")
    return Duplicates(columns, report)


def _views(survey: Survey) -> np.ndarray:
    """(N,) a number for each group_id."""
    codes, _ = pd.factorize(survey.catalogue["group_id"])
    return np.asarray(codes)


def _close_by(
    survey: Survey, radius_arcsec: float, views: np.ndarray, report: DuplicateReport
) -> Links:
    place = sky_positions(survey)
    if place is None:
        raise NotReady(
            f"The survey {survey.name} has no positions (columns ra and dec in degrees) to find"
            " duplicates by; compare the pictures instead."
        )
    known = Positions(*place)
    report.n_without_position = len(survey) - len(known)
    # Thousands may share one place, as where a catalogue writes 0, 0 for "unknown": those are
    # chained, and their place is compared once.
    at = numbered(known.ra, known.dec)
    sets = Sets(known.rows, at, views)
    _, first = np.unique(at, return_index=True)
    apart = _pairs(known.vectors[first], radius_arcsec)
    row, view = known.rows[first], views[known.rows[first]]
    mixed = np.zeros(len(first), bool)
    mixed[at[views[known.rows] != view[at]]] = True
    a, b = apart.one, apart.other
    # Two places that hold views of one and the same thing alone are no duplicates.
    kept = mixed[a] | mixed[b] | (view[a] != view[b])
    one, other = sets.chains()
    links = Links(
        np.concatenate([one, row[a[kept]]]),
        np.concatenate([other, row[b[kept]]]),
        np.concatenate([np.zeros(len(one)), apart.arcsec[kept]]),
    )
    return sets.with_twins(links)


def _pairs(places: np.ndarray, radius_arcsec: float) -> Links:
    """All pairs of different places within the radius."""
    from scipy.spatial import cKDTree

    empty = np.empty(0, np.intp)
    if len(places) < 2:
        return Links(empty, empty, np.empty(0))
    tree = cKDTree(places, balanced_tree=False, compact_nodes=False)
    reach = chord(radius_arcsec) * (1 + 1e-9) + 1e-15
    n_pairs = (int(tree.count_neighbors(tree, reach)) - len(places)) // 2
    if n_pairs > MAX_PAIRS:
        raise BadInput(
            f"Within {radius_arcsec:g} arcsec of each other lie {n_pairs:,} pairs of objects, and"
            f" up to {MAX_PAIRS:,} can be taken; choose a smaller radius."
        )
    pairs = tree.query_pairs(reach, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    sep = arcsec_of_chords(np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1))
    kept = sep <= radius_arcsec
    return Links(pairs[kept, 0], pairs[kept, 1], sep[kept])


def _alike(
    survey: Survey, views: np.ndarray, report: DuplicateReport, progress: Progress
) -> dict[str, Links]:
    if not survey.manifest.bands or not survey.has_image.any():
        raise NotReady(
            f"The survey {survey.name} has no pictures to find duplicates by; compare the"
            " positions instead."
        )
    prints = Fingerprints(len(survey))
    step = _step(survey)
    for start in range(0, len(survey), step):
        progress(0.05 + 0.8 * start / len(survey), f"{start:,} of {len(survey):,} pictures seen")
        stop = min(start + step, len(survey))
        prints.put(start, survey.images(slice(start, stop)), survey.has_image[start:stop])
    report.n_without_picture = int((~prints.seen).sum())
    rows = np.flatnonzero(prints.seen)
    same = numbered(*prints.digests[rows].T)
    sets = Sets(rows, same, views)
    one, other = sets.chains()
    links = Links(one, other, np.full(len(one), np.nan))
    found = {SAME_PIXELS: sets.with_twins(links)}
    rows = sets.firsts
    progress(0.86, "comparing fingerprints")
    pairs, all_seen = _suspects(rows, prints.hashes[rows])
    if not all_seen:
        report.notes.append(
            "The pictures are so alike in structure that not all could be compared with each"
            " other; some nearly equal ones may be missing here."
        )
    pairs = pairs[views[pairs[:, 0]] != views[pairs[:, 1]]]
    digests = prints.digests
    pairs = pairs[(digests[pairs[:, 0]] != digests[pairs[:, 1]]).any(axis=1)]
    kept = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), step):
        progress(0.88 + 0.1 * start / len(pairs), f"{start:,} of {len(pairs):,} pairs compared")
        part = pairs[start : start + step]
        alike = alikeness(survey.images(part[:, 0]), survey.images(part[:, 1]))
        kept[start : start + step] = alike >= ALIKE
    pairs = pairs[kept]
    links = Links(pairs[:, 0], pairs[:, 1], np.full(len(pairs), np.nan))
    found[ALIKE_PICTURE] = sets.with_twins(links)
    return found


def _step(survey: Survey) -> int:
    """Pictures worked on at once: each becomes 8-byte numbers on the way."""
    manifest = survey.manifest
    each = 8 * max(1, len(manifest.bands)) * manifest.cutout_size_px**2
    return max(1, min(1024, _AT_ONCE_BYTES // max(1, each)))


def _suspects(rows: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, bool]:
    """Pairs of rows with the same or close fingerprints, and whether all could be compared."""
    order = np.argsort(hashes, kind="stable")
    distinct, starts = np.unique(hashes[order], return_index=True)
    sets = np.split(order, starts[1:])
    within = [pair for one in sets if len(one) > 1 for pair in _within(one.tolist())]
    close, all_seen = close_pairs(distinct, _most_bits(len(distinct)))
    single = np.array([len(one) == 1 for one in sets], bool)
    plain = (single[close[:, 0]] & single[close[:, 1]]) if len(close) else np.empty(0, bool)
    across = [
        pair
        for a, b in close[~plain].tolist()
        for pair in _across(sets[a].tolist(), sets[b].tolist())
    ]
    lists = [np.array(pairs, np.intp).reshape(-1, 2) for pairs in (within, across)]
    together = np.concatenate([*lists, order[starts][close[plain]]])
    return rows[np.unique(np.sort(together, axis=1), axis=0)], all_seen


def _within(one: list[int]) -> Iterator[tuple[int, int]]:
    """Pairs of a set with one fingerprint: all of a small one, a chain of a large one."""
    return itertools.combinations(one, 2) if len(one) <= _FULL_SET else itertools.pairwise(one)


def _across(one: list[int], other: list[int]) -> Iterator[tuple[int, int]]:
    """Pairs of two sets with close fingerprints: all of small ones, of large ones each with the
    first of the other."""
    if len(one) * len(other) <= _FULL_SET**2:
        yield from itertools.product(one, other)
    else:
        yield from ((member, other[0]) for member in one)
        yield from ((one[0], member) for member in other[1:])


def _most_bits(n: int) -> int:
    """In how many bits fingerprints may differ: fewer where there are more of them, so that
    comparing takes seconds, and because chance brings more of them close."""
    return next(
        (bits for bits, most in ((8, 200_000), (5, 2_000_000)) if n <= most),
        3,
    )


def _columns(
    survey: Survey, links: dict[str, Links], report: DuplicateReport
) -> dict[str, pa.Array]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(survey)
    one = np.concatenate([link.one for link in links.values()]).astype(np.intp)
    other = np.concatenate([link.other for link in links.values()]).astype(np.intp)
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    sizes = np.bincount(component, minlength=1)
    _, first = np.unique(component, return_index=True)
    member = sizes[component] > 1
    starts = np.sort(first[sizes > 1])
    number = np.zeros(len(sizes), np.int64)
    number[component[starts]] = np.arange(1, len(starts) + 1)
    later = member.copy()
    later[starts] = False
    why = np.full(n, None, dtype=object)
    for reason, link in links.items():
        _say(why, reason, link, later, report)
    report.n_groups, report.n_duplicates = len(starts), int(later.sum())
    report.largest = int(sizes.max()) if len(starts) else 0
    rows = np.flatnonzero(later)
    of = np.full(n, None, dtype=object)
    of[rows] = survey.object_ids[first[component[rows]]]
    return {
        "duplicate_group": pa.array(number[component], pa.int64(), mask=~member),
        "duplicate_of": pa.array(of, pa.string()),
        "duplicate_why": pa.array(why, pa.string()),
    }


def _say(
    why: np.ndarray, reason: str, links: Links, later: np.ndarray, report: DuplicateReport
) -> None:
    """Write a reason beside every duplicate that it holds for."""
    ends = np.concatenate([links.one, links.other]).astype(np.intp)
    arcsec = np.concatenate([links.arcsec, links.arcsec])
    nearest = np.full(len(why), np.inf)
    np.fmin.at(nearest, ends, arcsec)
    rows = np.unique(ends)
    rows = rows[later[rows]]
    if reason == ALIKE_PICTURE:  # goes without saying where the pixels are the same
        told = [SAME_PIXELS.lower() in (why[row] or "") for row in rows.tolist()]
        rows = rows[~np.array(told, bool)]
    report.by_reason[reason] = len(rows)
    for row in rows.tolist():
        text = f"{nearest[row]:.2f} arcsec away" if reason == CLOSE_BY else reason.lower()
        why[row] = text if why[row] is None else f"{why[row]}; {text}"
