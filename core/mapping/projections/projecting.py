"""An embedding laid out in two dimensions, by any projection, of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from core.errors import BadInput
from core.mapping.pca import pca, unmasked
from core.mapping.projections.placing import Placer
from core.mapping.projections.projection import Objects, Projection, projection
from core.mapping.projections.space import Space
from core.progress import Progress, part_of, silent

__all__ = ["Projected", "added_to_map", "project"]

_CHUNK = 50_000
_ENOUGH_TO_START = 0.3
"""Of the objects must have a place on the map that one begins from."""
_JITTER = 1e-3
"""Of the start's deviation: two objects in one place would not come apart."""


@dataclass(frozen=True, eq=False)
class Projected:
    """A map.

    Attributes
    ----------
    places
        (N, 2) float32, NaN where the encoder had nothing to see.
    n_arranged
        Objects that the method arranged; the others were placed by their neighbours.
    started
        Whether it began from the places that were given.
    notes
        Sentences: what was done about size or because there was nothing to arrange.
    """

    places: np.ndarray
    n_arranged: int
    started: bool = False
    notes: tuple[str, ...] = ()


def project(
    values: np.ndarray,
    mask: np.ndarray,
    name: str = "umap",
    *,
    seed: int = 0,
    classes: np.ndarray | None = None,
    start: np.ndarray | None = None,
    most: int | None = None,
    progress: Progress = silent,
) -> Projected:
    """Lay an embedding out by the projection `name`; on one machine a seed repeats exactly.

    Columns are weighed as they come; near is near by straight distance, in the 100 leading
    principal components where there are more numbers.

    Parameters
    ----------
    values
        (N, D) numbers; may be memory-mapped float16.
    mask
        (N,) bool, False where the encoder had nothing to see; rows that are not finite count so.
    classes
        (N,) int: answers to be taught to the map, -1 for none.
    start
        (N, 2): places of an earlier map to begin from, NaN where it had none. Used where three in
        ten objects have one.
    most
        Above so many objects a random sample of that size, which keeps densities, and all with an
        answer are arranged, and the others placed by their neighbours; by the projection's own
        rule where left out.

    Raises
    ------
    BadInput
        No such projection, no table, answers that this projection cannot use or too few of them.
    """
    way = projection(name)
    values, seen = unmasked(values, mask)
    if seed < 0:
        raise BadInput(f"A seed is zero or more, but is {seed}; raise it.")
    taught = _checked_classes(way, classes, seen)
    rows = np.flatnonzero(seen)
    arranged = _sample(rows, most or way.most, taught, seed)
    if len(rows) < way.fewest:
        return _principal(values, rows, f"{len(rows):,} objects are too few for {way.title}")
    import faiss  # noqa: F401  (only what is loaded is held to one thread)

    with threadpool_limits(1):  # sums of several threads end in any order
        space = Space(values, rows, leading=not way.has_axes)
        # Of a projection that arranges all objects no copy is made.
        near = space.of(arranged[:1] if way.has_axes else arranged)
        alike = _are_alike(space, arranged) if way.has_axes else (near == near[0]).all()
        if alike:
            which = "objects" if len(arranged) == len(rows) else "objects of a large sample"
            return _principal(values, rows, f"All {which} are alike")
        begin = None if start is None or way.has_axes else _start(near, start[arranged], seed)
        rest = np.setdiff1d(rows, arranged, assume_unique=True)
        told = part_of(progress, 0.0, 0.7 if len(rest) else 1.0)
        if way.has_axes:
            given = Objects(values, seed, progress=told, rows=arranged, take=space.of)
        else:
            classes = None if taught is None else taught[arranged]
            given = Objects(near, seed, begin, classes, told)
        found = way.arrange(given)
        places = np.full((len(values), 2), np.nan, np.float32)
        places[arranged] = found * space.unit if way.has_axes else found
        notes = []
        if len(rest):
            _place(places, arranged, rest, space, part_of(progress, 0.7, 1.0))
            notes.append(
                f"{way.title} arranged {len(arranged):,} objects drawn at random; the other"
                f" {len(rest):,} were placed by their neighbours among these."
            )
    progress(1.0, f"mapped {len(rows):,} objects")
    return Projected(places, len(arranged), begin is not None, tuple(notes))


def added_to_map(
    values: np.ndarray, mask: np.ndarray, places: np.ndarray, *, progress: Progress = silent
) -> Projected:
    """A map whose objects stay where they are: only those without a place are given one, by
    their neighbours.

    values, mask: as for `project`. places: (N, 2), NaN for new objects.

    Raises
    ------
    BadInput
        No object has both an embedding and a place.
    """
    values, seen = unmasked(values, mask)
    known = seen & np.isfinite(places).all(axis=1)
    if not known.any():
        raise BadInput(
            "No object of this survey is on the map that objects were to be added to; make a map"
            " anew."
        )
    out = np.where(known[:, None], places, np.nan).astype(np.float32)
    old, new = np.flatnonzero(known), np.flatnonzero(seen & ~known)
    if len(new):
        import faiss  # noqa: F401  (as in `project`)

        with threadpool_limits(1):
            _place(out, old, new, Space(values, np.flatnonzero(seen)), progress)
    note = f"{len(old):,} objects stayed where they were; {len(new):,} were placed by neighbours."
    return Projected(out, 0, True, (note,))


def _checked_classes(
    way: Projection, classes: np.ndarray | None, seen: np.ndarray
) -> np.ndarray | None:
    if classes is None:
        return None
    if not way.takes_labels:
        raise BadInput(
            f"{way.title} cannot be taught answers, only umap can; leave the task out or choose"
            " umap."
        )
    taught = np.where(seen, np.asarray(classes), -1)
    kinds = np.unique(taught[taught >= 0])
    if len(kinds) < 2:
        raise BadInput(
            "A map taught by answers needs objects of two classes with an embedding, but those"
            f" with an answer are of {len(kinds)}; label some more first."
        )
    return taught


def _sample(
    rows: np.ndarray, most: int | None, taught: np.ndarray | None, seed: int
) -> np.ndarray:
    """Ascending rows that are arranged: all, or a random sample and all that have an answer."""
    if most is None or len(rows) <= most:
        return rows
    drawn = np.random.default_rng(seed).choice(rows, most, replace=False)
    if taught is None:
        return np.sort(drawn)
    return np.union1d(drawn, np.flatnonzero(taught >= 0))


def _are_alike(space: Space, rows: np.ndarray) -> bool:
    first = space.of(rows[:1])
    parts = (rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK))
    return all((space.of(part) == first).all() for part in parts)


def _start(near: np.ndarray, start: np.ndarray, seed: int) -> np.ndarray | None:
    """(M, 2) float32 of variance 1, no two alike; None where too few objects have a place."""
    known = np.isfinite(start).all(axis=1)
    if known.mean() < _ENOUGH_TO_START:
        return None
    begin = np.array(start, np.float64)
    if not known.all():
        placer, new = Placer(near[known], start[known]), np.flatnonzero(~known)
        for first in range(0, len(new), _CHUNK):
            part = new[first : first + _CHUNK]
            begin[part] = placer.place(near[part])
    begin -= begin.mean(axis=0)
    deviation = float(np.sqrt(np.square(begin).mean()))
    if not deviation > 0:
        return None
    jitter = np.random.default_rng(seed).normal(scale=_JITTER, size=begin.shape)
    return (begin / deviation + jitter).astype(np.float32)


def _place(
    places: np.ndarray, known: np.ndarray, new: np.ndarray, space: Space, progress: Progress
) -> None:
    placer = Placer(space.of(known), places[known])
    for start in range(0, len(new), _CHUNK):
        part = new[start : start + _CHUNK]
        places[part] = placer.place(space.of(part))
        done = start + len(part)
        progress(done / len(new), f"{done:,} of {len(new):,} placed by their neighbours")


def _principal(values: np.ndarray, rows: np.ndarray, why: str) -> Projected:
    places = np.full((len(values), 2), np.nan, np.float32)
    if len(rows):
        places[rows] = pca(values, 2, rows)
    return Projected(places, len(rows), notes=(f"{why}: mapped by principal components.",))
