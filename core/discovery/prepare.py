"""An embedding made fit for detectors (`standardise`) and learners (`whiten`)."""

from __future__ import annotations

import numpy as np

from core.errors import BadInput
from core.mapping import pca

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

_CHUNK = 65_536


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
    mean, deviation = _moments(embedding, mask)
    n, d = embedding.shape
    unseen = ~mask
    values = np.empty((n, d), dtype=np.float32)
    for part in _chunks(n):
        with np.errstate(invalid="ignore"):  # inf / inf: found missing on the next line
            block = (embedding[part].astype(np.float64) - mean) / deviation
        missing = ~(np.isfinite(block) & mask[part, None])
        block[missing] = 0
        unseen[part] |= missing.any(axis=1)
        values[part] = np.clip(block, -CLIP, CLIP)
    if unseen.any():
        flag = np.where(unseen, np.float32(2 * np.sqrt(d)), np.float32(0))
        values = np.column_stack([values, flag])
    return values, unseen


def _chunks(n: int) -> list[slice]:
    return [slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]


def _moments(embedding: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(D,) mean and standard deviation of the finite values seen, in two float64 passes.

    A deviation that is nothing beside the column's size (rounding of a constant) is given as 1.
    """
    d = embedding.shape[1]
    total, count, square = np.zeros(d), np.zeros(d), np.zeros(d)
    for part in _chunks(len(embedding)):
        block = embedding[part][mask[part]].astype(np.float64)
        finite = np.isfinite(block)
        total += np.where(finite, block, 0).sum(axis=0)
        count += finite.sum(axis=0)
    mean = total / np.maximum(count, 1)
    for part in _chunks(len(embedding)):
        block = embedding[part][mask[part]].astype(np.float64)
        with np.errstate(over="ignore"):  # beyond 1e154: the column has no usable spread
            square += (np.where(np.isfinite(block), block - mean, 0) ** 2).sum(axis=0)
    deviation = np.sqrt(square / np.maximum(count, 1))
    flat = deviation <= 1e-6 * np.abs(mean) + np.finfo(np.float32).tiny
    return mean, np.where(flat, np.inf, deviation)


def whiten(values: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """The principal components of standardised values, each with unit variance.

    values, unseen : what `standardise` gave. Returns (N, K) float32, K at most `COMPONENTS`,
    clipped to +-`CLIP`; where any row lacks something, the flag stays as one column more.
    """
    flag = values[:, -1:] if unseen.any() else values[:, :0]
    columns = values[:, : values.shape[1] - flag.shape[1]]
    scores = pca(columns, min(COMPONENTS, *columns.shape))
    deviation = scores.std(axis=0, dtype=np.float64)
    kept = deviation > max(_FLAT * deviation[0], 1e-12)
    kept[0] = True  # a constant embedding keeps one column of zeros
    scale = np.where(deviation > 1e-12, deviation, 1)[kept].astype(np.float32)
    return np.hstack([np.clip(scores[:, kept] / scale, -CLIP, CLIP), flag])
