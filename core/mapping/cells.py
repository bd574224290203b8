"""An inverted file: the rows of an embedding by the cell they lie in, for very large surveys.

Cells are those of k-means (faiss). A search looks at the rows of the cells nearest to its examples
and measures their distances exactly; what it misses lies in other cells. How much that is, of one
example, of several and beside a counter-example, was measured when the cells were made.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput, Damaged
from core.mapping.lookalikes import (
    ALL,
    ANY,
    COSINE,
    METRICS,
    Lookalikes,
    Wanted,
    exact_distances,
)
from core.progress import Progress, silent

__all__ = ["EXACT_ROWS", "Cells", "load_cells", "make_cells", "save_cells"]

EXACT_ROWS = 4_000_000
"""Up to so many rows one pass over all is quick enough (25 ms a million on one core)."""

FILE = "cells.npz"

WANTED_RECALL = 0.95
_NEAREST, _QUERIES = 10, 100
_SEVERAL, _MOST_EXAMPLES = 40, 10
"""Searches with several examples that are tried, of each kind; examples of such a one, at most."""
_TRAINED_ON, _ROUNDS = 64, 10
_CHUNK = 16_384
_ROOM = 10
"""So many times the rows asked for are looked at, lest a filter leave too few."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Which rows lie where.

    Attributes
    ----------
    centres
        (C, D) float32, of length 1 for cosine distances.
    start, rows
        (C + 1,) int64 and (M,) int32: those of cell i are `rows[start[i] : start[i + 1]]`,
        ascending.
    probed
        Cells that a search looks into, for each example where any of them will do.
    recall
        Share of the 10 nearest that these hold: of searches with one example, with two to ten
        (`ALL` and `ANY`) and with counter-examples, that kind which finds least, on average.
    metric
        The distance that they are made for.
    """

    centres: np.ndarray
    start: np.ndarray
    rows: np.ndarray
    probed: int
    recall: float
    metric: str

    def near(self, wanted: Wanted, may: np.ndarray, k: int) -> np.ndarray:
        """Ascending rows in the cells near what is wanted, of those with `may`, (N,) bool; from
        more cells where these have few."""
        order = self.ordered(wanted)
        probed = min(self.probed * breadth(wanted), len(order))
        while True:
            rows = np.concatenate([self.members(int(cell)) for cell in order[:probed]])
            rows = rows[may[rows]].astype(np.int64)
            if len(rows) >= _ROOM * k or probed >= len(order):
                rows.sort()
                return rows
            probed = min(2 * probed, len(order))

    def ordered(self, wanted: Wanted) -> np.ndarray:
        """(C,) int: the cells as their centres stand, the nearest to what is wanted first."""
        standings = exact_distances(self.centres, wanted, self.metric)[1]
        return np.argsort(standings, kind="stable")

    def nearest_cells(self, vectors: np.ndarray) -> np.ndarray:
        """(P, C) int: the cells of each vector, the nearest first."""
        placed = _placed(np.asarray(vectors, np.float32), self.metric)
        gap = np.square(self.centres).sum(axis=1) - 2 * (placed @ self.centres.T)
        return np.argsort(gap, axis=1, kind="stable")

    def members(self, cell: int) -> np.ndarray:
        """Ascending rows of a cell."""
        return self.rows[self.start[cell] : self.start[cell + 1]]


def make_cells(
    values: np.ndarray,
    mask: np.ndarray,
    metric: str = COSINE,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Cells:
    """About sqrt(N) cells of the seen rows, and how many of them a search has to look into.

    Raises
    ------
    BadInput
        No row is seen, or there is no such metric.
    """
    import faiss

    if metric not in METRICS:
        raise BadInput(f"A distance is one of {', '.join(METRICS)}, but is {metric!r}.")
    everywhere = Lookalikes(values, mask, metric)
    seen = np.flatnonzero(everywhere.seen)
    if not len(seen):
        raise BadInput("No object has an embedding, so that there is nothing to search.")
    count = max(1, round(np.sqrt(len(seen))))
    rng = np.random.default_rng(seed)
    trained_on = np.sort(rng.choice(seen, min(len(seen), _TRAINED_ON * count), replace=False))
    progress(0.0, f"finding {count:,} cells of alike objects")
    means = faiss.Kmeans(
        values.shape[1],
        count,
        niter=_ROUNDS,
        seed=seed,
        spherical=metric == COSINE,
        min_points_per_centroid=1,
        max_points_per_centroid=_TRAINED_ON,
    )
    means.train(_placed(np.asarray(values[trained_on], np.float32), metric))
    cell_of = np.empty(len(seen), np.int32)
    for start in range(0, len(seen), _CHUNK):
        part = slice(start, start + _CHUNK)
        own = _placed(np.asarray(values[seen[part]], np.float32), metric)
        cell_of[part] = means.index.search(own, 1)[1][:, 0]
        done = min(start + _CHUNK, len(seen))
        progress(0.1 + 0.7 * done / len(seen), f"{done:,} of {len(seen):,} objects in their cell")
    order = np.argsort(cell_of, kind="stable")
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(cell_of, minlength=count), out=starts[1:])
    centres = np.ascontiguousarray(means.centroids, np.float32).reshape(count, -1)
    cells = Cells(centres, starts, seen[order].astype(np.int32), 1, 0.0, metric)
    progress(0.8, "measuring what a search through cells misses")
    return _measured(cells, everywhere, seen, rng, progress)


def breadth(wanted: Wanted) -> int:
    """How many places a search looks at: one, or one for each example where any will do."""
    return len(wanted.like) if wanted.how == ANY else 1


def _measured(
    cells: Cells,
    everywhere: Lookalikes,
    seen: np.ndarray,
    rng: np.random.Generator,
    progress: Progress,
) -> Cells:
    """With the fewest cells probed (1, 2, 4 ...) that hold `WANTED_RECALL` of the nearest, of
    each kind of search."""
    homes = np.empty(len(everywhere.seen), np.int32)
    homes[cells.rows] = np.repeat(np.arange(len(cells.centres)), np.diff(cells.start))
    others = everywhere.seen.copy()
    tried = _tried(seen, rng)
    needed: list[list[np.ndarray]] = [[] for _ in tried]
    done, count = 0, sum(map(len, tried))
    for kind, searches in enumerate(tried):
        for like, unlike, how in searches:
            wanted = Wanted(
                np.asarray(everywhere.values[like], np.float32),
                np.asarray(everywhere.values[unlike], np.float32),
                how=how,
            )
            both = np.concatenate([like, unlike])
            others[both] = False
            found = everywhere.search(wanted, _NEAREST, others).rows
            others[both] = True
            place = np.argsort(cells.ordered(wanted))  # of each cell
            if len(found):
                needed[kind].append(place[homes[found]] // breadth(wanted))
            done += 1
            progress(0.8 + 0.2 * done / count, "measuring what a search misses")
    probed = 1
    while True:
        held = [np.mean([(one < probed).mean() for one in kind]) for kind in needed if kind]
        recall = float(min(held, default=1.0))
        if recall >= WANTED_RECALL or probed >= len(cells.centres):
            return Cells(cells.centres, cells.start, cells.rows, probed, recall, cells.metric)
        probed = min(2 * probed, len(cells.centres))


def _tried(
    seen: np.ndarray, rng: np.random.Generator
) -> list[list[tuple[np.ndarray, np.ndarray, str]]]:
    """The searches that are tried, by kind: rows of examples and counter-examples, how joined."""
    none = np.empty(0, np.int64)
    alone = rng.choice(seen, min(_QUERIES, len(seen)), replace=False)
    tried = [[(alone[[at]], none, ALL) for at in range(len(alone))]]
    if len(seen) > 1:
        for how in (ALL, ANY):
            sizes = rng.integers(2, min(_MOST_EXAMPLES, len(seen)) + 1, _SEVERAL)
            tried.append([(rng.choice(seen, n, replace=False), none, how) for n in sizes])
        sizes = rng.integers(2, min(5, len(seen)) + 1, _SEVERAL)
        mixed = [rng.choice(seen, n, replace=False) for n in sizes]
        tried.append([(one[: -(len(one) // 2)], one[-(len(one) // 2) :], ALL) for one in mixed])
    return tried


def save_cells(cells: Cells, folder: Path) -> dict[str, Any]:
    """Write them into `folder`; what a record says of them."""
    np.savez(folder / FILE, centres=cells.centres, start=cells.start, rows=cells.rows)
    return {
        "cells": len(cells.centres),
        "probed": cells.probed,
        "recall": cells.recall,
        "metric": cells.metric,
    }


def load_cells(folder: Path, settings: dict[str, Any]) -> Cells:
    """The cells that `save_cells` wrote and described (`Damaged`)."""
    try:
        with open(folder / FILE, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Cells(
                arrays["centres"],
                arrays["start"],
                arrays["rows"],
                int(settings["probed"]),
                float(settings["recall"]),
                str(settings["metric"]),
            )
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise Damaged(
            f"{folder / FILE} cannot be read ({type(error).__name__}: {str(error)[:120]}); remove"
            " that folder and prepare the look-alikes again."
        ) from None


def _placed(vectors: np.ndarray, metric: str) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, np.float32)
    if metric != COSINE:
        return vectors
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
