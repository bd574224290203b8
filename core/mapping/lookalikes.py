"""What looks like these and not like those: every row of an embedding by its distance to examples.

One pass over the memory-mapped embedding, block by block in a processor's cache, gives the exact
distances of all rows, so no copy is kept and any weights and counter-examples will do. Very large
embeddings are searched through `cells` instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from mmap import mmap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.errors import BadInput
from core.mapping.pca import unmasked

if TYPE_CHECKING:
    from core.mapping.cells import Cells

__all__ = [
    "ALL",
    "ANY",
    "COSINE",
    "EUCLIDEAN",
    "METRICS",
    "Lookalikes",
    "Nearest",
    "Wanted",
    "exact_distances",
    "one_thread",
]

COSINE, EUCLIDEAN = "cosine", "euclidean"
METRICS = {
    COSINE: "1 - cos of the angle between two embeddings, 0 to 2: how large they are is left out",
    EUCLIDEAN: "the straight line between two embeddings, in their own units",
}

ALL, ANY = "all", "any"
"""Like all examples together (weighted mean distance), or like any of them (the nearest)."""

MAX_EXAMPLES = 100
MOST_PUSHED = 10.0
"""A counter-example lengthens a distance by so much at most: to infinity, no figure could show."""
BLOCK = 4096
SAMPLE_ROWS = 100_000
"""Rows whose distances show how far all others are, where cells are searched."""

_TIED, _TIED_ROOT = 1e-5, 1e-3
"""Standings so near to each other may be disordered by the pass's float32, in which the straight
distance is a root of what is left of large numbers."""

_MOST_TIED = 5000


@dataclass(frozen=True, eq=False)
class Wanted:
    """Examples and counter-examples.

    Attributes
    ----------
    like
        (P, D) finite: what is looked for, at least one.
    unlike
        (Q, D) finite: what it shall not be.
    like_weights, unlike_weights
        (P,) and (Q,) above 0; all equal where left out.
    how
        `ALL` or `ANY`.

    Raises
    ------
    BadInput
        No example, too many, numbers that are not finite, a weight of zero or less.
    """

    like: np.ndarray
    unlike: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    like_weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    unlike_weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    how: str = ALL

    def __post_init__(self) -> None:
        if self.how not in (ALL, ANY):
            raise BadInput(f"Alike is {ALL} or {ANY} of the examples, but is {self.how!r}.")
        if not len(self.like):
            only = "only what it shall not be like" if len(self.unlike) else "none"
            raise BadInput(
                f"A search for look-alikes needs at least one example, but got {only}; choose an"
                " object that is like what you look for."
            )
        n = len(self.like) + len(self.unlike)
        if n > MAX_EXAMPLES:
            raise BadInput(f"At most {MAX_EXAMPLES} examples are used, but got {n}; drop some.")
        for vectors, weights in (
            (self.like, self.like_weights),
            (self.unlike, self.unlike_weights),
        ):
            if not np.isfinite(vectors).all():
                raise BadInput(
                    "The encoder had nothing to see in one of the examples, so that nothing can"
                    " be said to be like it; choose another."
                )
            given = np.asarray(weights, np.float64)
            if len(given) and (len(given) != len(vectors) or not (given > 0).all()):
                raise BadInput("Each example has a weight above 0; correct the weights.")


@dataclass(frozen=True, eq=False)
class Nearest:
    """What was found, nearest first, equals by row.

    Attributes
    ----------
    rows
        (k,) int64; fewer than asked for where there are fewer.
    distances
        (k,) float32: to the examples, by `how`.
    standings
        (k,) float32: what orders them: the distances, longer for what is nearer to a
        counter-example.
    spread
        (M,) float32: standings of all rows that may be found, or of a sample of them.
    sampled
        Whether `spread` is a sample and the search went through cells.
    """

    rows: np.ndarray
    distances: np.ndarray
    standings: np.ndarray
    spread: np.ndarray
    sampled: bool


class Lookalikes:
    """The seen rows of an embedding, ready to be searched; safe to use from many threads.

    With d the distance to the examples (`ALL`: their weighted mean, which for `COSINE` is that to
    Rocchio's centre of unit vectors, Manning, Raghavan & Schuetze 2008, section 9.1; `ANY`: the
    least d_i over its weight) and u the least distance to a counter-example, rows stand by
    d max(1, d / u). d / u is the ratio of nearest-neighbour relevance feedback (Giacinto & Roli
    2004, NIPS 17, 489); it counts only for what lies nearer to a counter-example than to the
    examples, since what lies far from both would come first otherwise.

    Parameters
    ----------
    values
        (N, D) float16 or float32; may be memory-mapped, and is never copied as a whole.
    mask
        (N,) bool, False where the encoder had nothing to see; such rows are never found.
    metric
        `COSINE` or `EUCLIDEAN`. A row of zeros has cosine distance 1 to every other.
    cells
        Where to look instead of everywhere.
    """

    def __init__(
        self,
        values: np.ndarray,
        mask: np.ndarray,
        metric: str = COSINE,
        cells: Cells | None = None,
    ) -> None:
        if metric not in METRICS:
            raise BadInput(f"A distance is one of {', '.join(METRICS)}, but is {metric!r}.")
        self.values, self.seen = unmasked(values, mask)
        self.metric = metric
        self.cells = cells
        self._tensor = _as_tensor(self.values)
        self._sizes = self._squared_lengths()

    def search(self, wanted: Wanted, k: int, allowed: np.ndarray | None = None) -> Nearest:
        """The `k` rows that stand nearest.

        allowed: (N,) bool, rows that may be found; all where left out.

        Raises
        ------
        BadInput
            k below 1, or vectors of another length than the embedding's.
        """
        if k < 1:
            raise BadInput(f"The number of look-alikes is at least 1, but is {k}.")
        d = self.values.shape[1]
        for vectors in (wanted.like, wanted.unlike):
            if len(vectors) and np.shape(vectors)[1:] != (d,):
                raise BadInput(
                    f"Examples are rows of {d} numbers, but came in the shape"
                    f" {np.shape(vectors)}; encode them by the embedding's own encoder."
                )
        may = self.seen if allowed is None else self.seen & allowed
        if self.cells is None:
            standings = self._pass(wanted)[1]
            standings[~may] = np.inf
            rows = _leading(standings, k, self._doubt(wanted))
            return self._ordered(wanted, rows, k, standings[may], sampled=False)
        rows = self.cells.near(wanted, may, k)
        standings = self._exactly(wanted, rows)[1].astype(np.float32)
        rows = rows[_leading(standings, k, self._doubt(wanted))]
        sample = np.flatnonzero(may)
        if len(sample) > SAMPLE_ROWS:
            sample = sample[np.linspace(0, len(sample) - 1, SAMPLE_ROWS).astype(np.int64)]
        spread = self._exactly(wanted, sample)[1].astype(np.float32)
        return self._ordered(wanted, rows, k, spread, sampled=True)

    def distances(self, wanted: Wanted) -> tuple[np.ndarray, np.ndarray]:
        """(N,) float32 distances and (N,) float32 standings of all rows; NaN of unseen ones."""
        distances, standings = self._pass(wanted)
        distances[~self.seen] = standings[~self.seen] = np.nan
        return distances, standings

    def _ordered(
        self, wanted: Wanted, rows: np.ndarray, k: int, spread: np.ndarray, *, sampled: bool
    ) -> Nearest:
        """Those rows anew in float64: the pass's float32 cannot tell near-duplicates apart."""
        distances, standings = self._exactly(wanted, rows)
        order = np.lexsort((rows, standings))[:k]
        found = (distances[order].astype(np.float32), standings[order].astype(np.float32))
        return Nearest(rows[order], *found, spread, sampled)

    def _exactly(self, wanted: Wanted, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B,) distances and standings of some rows, float64."""
        distances, standings = np.empty(len(rows)), np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            part = slice(start, start + BLOCK)
            found = exact_distances(self.values[rows[part]], wanted, self.metric)
            distances[part], standings[part] = found
        return distances, standings

    def _pass(self, wanted: Wanted) -> tuple[np.ndarray, np.ndarray]:
        """(N,) distances and standings of all rows, float32; of unseen rows anything."""
        import torch

        n, d = self.values.shape
        placed = _placed(_examples(wanted).astype(np.float32), self.metric)
        turned = torch.from_numpy(np.ascontiguousarray(placed.T))
        sizes = torch.from_numpy(np.square(placed).sum(axis=1))
        block = torch.empty((min(BLOCK, n), d))
        lengths = torch.from_numpy(self._sizes)
        simple = len(placed) == 1
        distances = np.empty(n, np.float32)
        standings = distances if not len(wanted.unlike) else np.empty(n, np.float32)
        with one_thread():
            for start in range(0, n, BLOCK):
                stop = min(start + BLOCK, n)
                own = block[: stop - start]
                own.copy_(self._tensor[start:stop])  # to float32, in the processor's cache
                each = own @ turned
                size = lengths[start:stop, None]
                if self.metric == COSINE:
                    each = 1 - each / torch.where(size > 0, size, 1).sqrt()
                else:
                    each = (size + sizes - 2 * each).clamp_min_(0).sqrt_()
                if simple:
                    distances[start:stop] = each.numpy()[:, 0]
                    continue
                found = _joined(each.numpy(), wanted)
                distances[start:stop], standings[start:stop] = found
        return distances, standings

    def _squared_lengths(self) -> np.ndarray:
        """(N,) float32; of unseen rows anything."""
        import torch

        n, d = self.values.shape
        sizes = torch.empty(n)
        block = torch.empty((min(BLOCK, n), d))
        with one_thread():
            for start in range(0, n, BLOCK):
                stop = min(start + BLOCK, n)
                own = block[: stop - start]
                own.copy_(self._tensor[start:stop])
                sizes[start:stop] = torch.linalg.vecdot(own, own)
        found: np.ndarray = sizes.numpy()
        return found

    def _doubt(self, wanted: Wanted) -> float:
        """By how much rounding may disorder two standings of the pass."""
        pushed = MOST_PUSHED if len(wanted.unlike) else 1.0
        if self.metric == COSINE:
            return _TIED * pushed
        return _TIED_ROOT * pushed * float(1 + np.linalg.norm(wanted.like, axis=1).max())


def exact_distances(
    vectors: np.ndarray, wanted: Wanted, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """(B,) distances and (B,) standings of any (B, D) vectors, float64."""
    own = _placed(np.asarray(vectors, np.float64), metric)
    examples = _placed(_examples(wanted).astype(np.float64), metric)
    each = np.empty((len(own), len(examples)))
    for column, example in enumerate(examples):
        each[:, column] = np.sqrt(np.square(own - example).sum(axis=1))
    if metric == COSINE:
        each = np.square(each) / 2
        each[~own.any(axis=1)] = 1.0
        each[:, ~examples.any(axis=1)] = 1.0
    return _joined(each, wanted)


def _examples(wanted: Wanted) -> np.ndarray:
    """(P + Q, D) examples, then counter-examples."""
    return np.concatenate([wanted.like, *([wanted.unlike] * bool(len(wanted.unlike)))])


def _placed(vectors: np.ndarray, metric: str) -> np.ndarray:
    """Vectors where their straight distances count: on the unit sphere for cosine."""
    if metric == EUCLIDEAN:
        return vectors
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _joined(each: np.ndarray, wanted: Wanted) -> tuple[np.ndarray, np.ndarray]:
    """(B, P + Q) distances to each example -> (B,) distances and (B,) standings."""
    n = len(wanted.like)
    weights = _weights(wanted.like_weights, n)
    if wanted.how == ANY:
        distance = (each[:, :n] * (weights.max() / weights)).min(axis=1)
    else:
        distance = each[:, :n] @ (weights / weights.sum())
    if not len(wanted.unlike):
        return distance, distance
    counter = _weights(wanted.unlike_weights, each.shape[1] - n)
    away = (each[:, n:] * (counter.max() / counter)).min(axis=1)
    away = np.maximum(away, np.finfo(np.float32).tiny)
    return distance, distance * np.clip(distance / away, 1.0, MOST_PUSHED)


def _as_tensor(values: np.ndarray) -> Any:
    """The values as torch sees them, without a copy of a mapped file.

    torch warns of arrays that cannot be written to: the file is mapped once more, copy-on-write,
    and nothing is written.
    """
    import torch

    if isinstance(values, np.memmap) and isinstance(values.base, mmap) and values.filename:
        order: Literal["C", "F"] = "C" if values.flags.c_contiguous else "F"
        values = np.memmap(values.filename, values.dtype, "c", values.offset, values.shape, order)
    elif not values.flags.writeable:
        values = values.copy()
    return torch.from_numpy(values)


def _weights(given: np.ndarray, count: int) -> np.ndarray:
    return np.asarray(given, np.float64) if len(given) else np.ones(count)


def _leading(standings: np.ndarray, k: int, doubt: float) -> np.ndarray:
    """Ascending rows of the `k` smallest finite standings, and of those that may be of them, the
    surest `k + _MOST_TIED`: all that stand nearer than the k-th, then its equals by row."""
    finite = np.isfinite(standings)
    if finite.sum() <= k:
        return np.flatnonzero(finite)
    kth = float(np.partition(standings, k - 1)[k - 1])
    rows = np.flatnonzero(standings <= kth + doubt)
    if len(rows) > k + _MOST_TIED:
        surest = np.argsort(standings[rows], kind="stable")[: k + _MOST_TIED]
        rows = np.sort(rows[surest])
    return rows


def one_thread() -> Any:
    """A context in which torch starts no threads: the pass waits for the memory, and beside other
    work threads that spin for each other took a hundred times as long."""
    return _pools().limit(limits=1, user_api="openmp")


@lru_cache(maxsize=1)
def _pools() -> Any:
    import torch  # noqa: F401 (its library of threads must be there to be found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
