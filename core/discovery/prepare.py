"""An embedding made fit for detectors (`standardise`) and learners (`whiten`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from core.discovery.scratch import keep_rows
from core.discovery.threads import one_blas_thread
from core.errors import BadInput
from core.mapping import pca, principal_axes

CLIP = 10.0
"""Standard deviations beyond which a value says no more: one wild value must not outvote the
rest, and float32 sums must stay finite."""

COMPONENTS = 64
"""Principal components that learners see. Self-supervised embeddings hold nine tenths of their
variance in a few directions and much of what sets rare classes apart in the others: in trials
with 200 answers, whitening raised the area of the finds curve from .23 to .29 on such embeddings
and lowered it from .82 to .81 on tables."""

_FLAT = 1e-3
"""Components with less than this share of the first one's deviation are rounding."""

CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class Scale:
    """What takes rows of an embedding to those of `standardise`; small, whatever the survey.

    Attributes
    ----------
    mean, deviation
        (D,) float64 of the survey.
    flagged
        Whether one column more tells what is missing.
    """

    mean: np.ndarray
    deviation: np.ndarray
    flagged: bool

    def filled(self, embedding: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """(n, D) or (n, D + 1) float32 of rows (n, D) and their mask (n,)."""
        block, missing = self.scaled(embedding, mask)
        d = block.shape[1]
        values = np.empty((len(block), d + self.flagged), dtype=np.float32)
        block[missing] = 0
        values[:, :d] = np.clip(block, -CLIP, CLIP)
        if self.flagged:
            values[:, d] = np.where(missing.any(axis=1), np.float32(2 * np.sqrt(d)), 0)
        return values

    def scaled(self, embedding: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, D) float64 of some rows, not clipped, and (n, D) bool: what is missing of them."""
        block = embedding.astype(np.float64)
        with np.errstate(invalid="ignore"):  # inf / inf: found missing on the next line
            block -= self.mean
            block /= self.deviation
        return block, ~(np.isfinite(block) & mask[:, None])


@dataclass(frozen=True, eq=False)
class Whitening:
    """What takes rows of an embedding to those of `whiten`: all that another process needs.

    Attributes
    ----------
    scale
        Standardises them.
    centre, root
        (D,) and (D, K) float64: their mean, and the axes, each over its deviation.
    """

    scale: Scale
    centre: np.ndarray
    root: np.ndarray

    @property
    def n_columns(self) -> int:
        """Of a whitened row."""
        return self.root.shape[1] + self.scale.flagged

    def rows(self, embedding: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """(n, K) or (n, K + 1) float32 of rows (n, D) of the embedding and their mask (n,)."""
        return _white(self.scale.filled(embedding, mask), self.centre, self.root)


class Standardised:
    """The rows of `standardise`, made from the embedding as they are read.

    It stands for an (N, D) float32 array where one reads rows only (`values[rows]`, by slice,
    numbers or mask) and takes no memory of its own: an embedding that is memory-mapped float16
    stays so.

    Attributes
    ----------
    embedding, mask
        (N, D) and (N,), what it is made from.
    unseen
        (N,) bool, the rows that lack something.
    scale
        What makes rows of it.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, embedding: np.ndarray, mask: np.ndarray) -> None:
        embedding = np.asanyarray(embedding)
        mask = np.asarray(mask)
        if embedding.ndim != 2 or 0 in embedding.shape or embedding.dtype.kind not in "fiu":
            raise BadInput(
                "An embedding is a table of numbers with at least one row and one column, but has"
                f" shape {embedding.shape} and type {embedding.dtype}; embed the survey again."
            )
        if mask.shape != embedding.shape[:1] or mask.dtype != bool:
            raise BadInput(
                f"The mask of an embedding is one true or false a row ({len(embedding)}), but has"
                f" shape {mask.shape} and type {mask.dtype}; embed the survey again."
            )
        self.embedding, self.mask = embedding, mask
        self.unseen = ~mask
        self.scale = Scale(*_moments(embedding, mask, self.unseen), flagged=False)
        if embedding.dtype.itemsize > 4:  # a number of 64 bits may be finite and too large
            for part in chunks(len(embedding)):
                missing = self.scale.scaled(embedding[part], mask[part])[1]
                self.unseen[part] |= missing.any(axis=1)
        self.scale = replace(self.scale, flagged=bool(self.unseen.any()))
        self.shape = (len(embedding), embedding.shape[1] + self.scale.flagged)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def n_columns(self) -> int:
        """Of the embedding: without the one that tells what is missing."""
        return int(self.embedding.shape[1])

    @cached_property
    def whitening(self) -> Whitening:
        """How a survey too large for one piece is whitened; one pass over it."""
        return Whitening(self.scale, *_centre_and_root(self, self.n_columns))

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        return self.scale.filled(self.embedding[rows], self.mask[rows])

    def of_others(self, embedding: np.ndarray) -> np.ndarray:
        """(M, D) float32 of things that are not in the survey, by the survey's own scale.

        embedding : (M, D) numbers of the encoder that made the survey's
        """
        if embedding.ndim != 2 or embedding.shape[1] != self.n_columns:
            raise BadInput(
                f"What is held beside this embedding has its {self.n_columns} columns, but came"
                f" in the shape {embedding.shape}; encode it by the embedding's own encoder."
            )
        return self.scale.filled(embedding, np.ones(len(embedding), dtype=bool))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = np.empty(self.shape, dtype=np.float32)
        for part in chunks(len(self)):
            values[part] = self[part]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The rows in blocks, first ones first."""
        return (self[part] for part in chunks(len(self)))


def standardise(embedding: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise an embedding over the survey and fill what is missing.

    Each column is centred and scaled by the mean and standard deviation of its finite values
    among the rows seen, then clipped to +-`CLIP`; a constant or empty column becomes zero.
    Unseen rows and non-finite values take the mean. Rows that lack anything are kept (the
    unmeasurable is often the odd) and told apart by one more column, which is there only if any
    row lacks something: 2 sqrt(D) where something is missing, else 0. That is farther than usual
    rows lie from one another (sqrt(2 D)), so that one of them is shown early on.

    Parameters
    ----------
    embedding : (N, D) array of numbers
    mask : (N,) bool, False where the encoder had nothing to see

    Returns
    -------
    values : (N, D) or (N, D + 1) float32
    unseen : (N,) bool, the rows that lack something

    Raises
    ------
    BadInput
        Wrong shapes, no rows, no columns, or not numbers.
    """
    rows = Standardised(embedding, mask)
    return np.asarray(rows), rows.unseen


def chunks(n: int) -> list[slice]:
    """The rows 0 to n - 1 in pieces of `CHUNK`, of a large survey in smaller ones, which stay in
    the processor's cache."""
    size = CHUNK if n <= 4 * CHUNK else max(1, CHUNK // 8)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _moments(
    embedding: np.ndarray, mask: np.ndarray, unseen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(D,) mean and standard deviation of the finite values seen, in two float64 passes.

    A deviation that is nothing beside the column's size (rounding of a constant) is given as
    infinite. `unseen` (N,) becomes True where a value is not finite.
    """
    d = embedding.shape[1]
    total, count, square = np.zeros(d), np.zeros(d), np.zeros(d)
    for part in chunks(len(embedding)):
        block = embedding[part][mask[part]].astype(np.float64)
        finite = np.isfinite(block)
        block[~finite] = 0
        unseen[np.flatnonzero(mask[part])[~finite.all(axis=1)] + part.start] = True
        total += block.sum(axis=0)
        count += finite.sum(axis=0)
    mean = total / np.maximum(count, 1)
    for part in chunks(len(embedding)):
        block = embedding[part][mask[part]].astype(np.float64)
        missing = ~np.isfinite(block)
        with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e154: no usable spread
            block -= mean
            block[missing] = 0
            square += np.square(block, out=block).sum(axis=0)
    deviation = np.sqrt(square / np.maximum(count, 1))
    flat = deviation <= 1e-6 * np.abs(mean) + np.finfo(np.float32).tiny
    return mean, np.where(flat, np.inf, deviation)


def whiten(
    values: np.ndarray | Standardised, unseen: np.ndarray, folder: str | None = None
) -> np.ndarray:
    """The principal components of standardised values, each with unit variance.

    values, unseen : what `standardise` gave. Returns (N, K) float32, K at most `COMPONENTS`,
    clipped to +-`CLIP`; where any row lacks something, the flag stays as one column more. A
    large result is mapped from an unnamed file in `folder` (see `keep_rows`).
    """
    flagged = bool(unseen.any())
    n, d = values.shape[0], values.shape[1] - flagged
    if n <= CHUNK:
        whole = np.asarray(values)
        scores = pca(whole[:, :d], min(COMPONENTS, n, d))
        deviation = scores.std(axis=0, dtype=np.float64)
        kept = _with_spread(deviation)
        scale = np.where(deviation > 1e-12, deviation, 1)[kept].astype(np.float32)
        return np.hstack([np.clip(scores[:, kept] / scale, -CLIP, CLIP), whole[:, d:]])

    with one_blas_thread():
        return _whiten_in_pieces(values, d, folder)


def _whiten_in_pieces(values: np.ndarray | Standardised, d: int, folder: str | None) -> np.ndarray:
    """What `whiten` gives for the first `d` columns, and the others as they are."""
    if isinstance(values, Standardised):
        centre, root = values.whitening.centre, values.whitening.root
    else:
        centre, root = _centre_and_root(values, d)
    n = values.shape[0]
    blocks = (_white(values[part], centre, root) for part in chunks(n))
    return keep_rows(blocks, (n, root.shape[1] + values.shape[1] - d), folder)


def _centre_and_root(values: np.ndarray | Standardised, d: int) -> tuple[np.ndarray, np.ndarray]:
    """(d,) mean of the first `d` columns, and (d, K) their axes, each over its deviation."""
    n = values.shape[0]
    total, scatter = np.zeros(d), np.zeros((d, d))
    for part in chunks(n):
        block = values[part][:, :d].astype(np.float64)
        total += block.sum(axis=0)
        scatter += block.T @ block
    mean = total / n
    scatter -= n * np.outer(mean, mean)
    axes = principal_axes(scatter)[:, :COMPONENTS]
    deviation = np.sqrt(np.maximum(((scatter @ axes) * axes).sum(axis=0) / n, 0))
    kept = _with_spread(deviation)
    return mean, axes[:, kept] / np.where(deviation > 1e-12, deviation, 1)[kept]


def _white(block: np.ndarray, centre: np.ndarray, root: np.ndarray) -> np.ndarray:
    """(n, K) or (n, K + 1) float32 of standardised rows (n, D) or (n, D + 1)."""
    d = len(centre)
    white = np.clip((block[:, :d] - centre) @ root, -CLIP, CLIP)
    return np.hstack([white.astype(np.float32), block[:, d:]])


def _with_spread(deviation: np.ndarray) -> np.ndarray:
    """(K,) bool, the components that are more than rounding."""
    kept = deviation > max(_FLAT * deviation[0], 1e-12)
    kept[0] = True  # a constant embedding keeps one column of zeros
    return kept
