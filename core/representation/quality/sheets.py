"""An object and those nearest to it in each embedding; how far all others are from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import NotReady
from core.metrics.representation import SAMPLE, sample_rows
from core.metrics.representation.tables import unit_rows
from core.representation.quality.finding import Embedded

NEAREST = 8
QUERIES = 6
_BLOCK = 65_536


def query_rows(embeddings: Sequence[Embedded], seed: int = 0) -> NDArray[np.int64]:
    """Rows of a few random objects that all the embeddings have (of any, if there is none)."""
    masks = [one.mask for one in embeddings]
    shared = np.logical_and.reduce(masks)
    chosen = shared if shared.any() else np.logical_or.reduce(masks)
    rows: NDArray[np.int64] = sample_rows(chosen, QUERIES, seed)
    return rows


def cosine_distances(embedded: Embedded, row: int) -> NDArray[np.float32]:
    """(N,) 1 - cos of the angle to an object, NaN for itself and where there is no embedding.

    Read in blocks, so that memory does not grow with the number of dimensions. Raises `NotReady`
    where the object has no embedding.
    """
    if not embedded.mask[row]:
        raise NotReady(
            f"The encoder {embedded.encoder} had nothing to see in this object; choose another."
        )
    query = unit_rows(np.asarray(embedded.values[row : row + 1], np.float32))[0]
    out = np.full(len(embedded.mask), np.nan, np.float32)
    for start in range(0, len(out), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = np.asarray(embedded.values[part], np.float32)
        out[part] = np.where(embedded.mask[part], 1 - unit_rows(block) @ query, np.nan)
    out[row] = np.nan
    return out


def nearest_rows(distances: NDArray[np.float32], k: int = NEAREST) -> NDArray[np.int64]:
    """Up to `k` rows of the smallest of (N,) distances, nearest first; NaN is never among them."""
    finite = int(np.isfinite(distances).sum())
    kept = min(k, finite)
    if not kept:
        return np.empty(0, np.int64)
    filled = np.where(np.isfinite(distances), distances, np.inf)
    found = np.argpartition(filled, kept - 1)[:kept]
    return np.asarray(found[np.argsort(filled[found], kind="stable")], np.int64)


def distance_sample(distances: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Finite distances of at most 2,000 objects drawn by the seed, for a histogram."""
    return distances[sample_rows(np.isfinite(distances), SAMPLE, seed)]
