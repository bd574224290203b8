"""Maps of the held-out objects: how they come apart while a network learns.

One is made at each evaluation and kept in its record, so that a training which goes on after a
restart has the very maps of an unbroken one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from core.representation.training.held_out import LEAST_SPREAD, HeldOut

__all__ = ["MAP", "OBJECTS", "aligned", "mapped", "positions"]

MAP, OBJECTS = "map", "objects"
"""In a record: [[x, y] of each object], and {survey: [object_id, ...]} in the same order, which
only the first record with a map has."""

_DECIMALS = 3


def mapped(held: HeldOut | None, before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the record of the newest evaluation has beside the quality.

    Empty where nothing is held out, where the pictures have no names, or where the codes are no
    numbers.

    before : the records of the evaluations before
    """
    if held is None or held.plain is None or not held.objects:
        return {}
    last = next((one[MAP] for one in reversed(before) if MAP in one), None)
    found = positions(held.plain)
    if last is not None:
        found = aligned(found, np.asarray(last, float))
    # What is kept is what the next one is turned to: no digit may get lost by a restart.
    told: dict[str, Any] = {MAP: np.round(found, _DECIMALS).tolist()}
    return told if last is not None else told | {OBJECTS: held.objects}


def positions(codes: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(N, D) codes -> (N, 2), mean square radius 1: the two leading principal components of their
    directions from the mean.

    Directions, since the app looks neighbours up by angle: otherwise a few bright objects far out
    would press all others into a point. Codes that are (nearly) all the same lie at the origin.
    """
    x: NDArray[np.float64] = codes.astype(np.float64)
    found = np.zeros((len(x), 2))
    if x.std(0).max() <= LEAST_SPREAD * np.abs(x).max():
        return found
    x -= x.mean(0)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    x /= np.maximum(lengths, 1e-9 * lengths.max())
    x -= x.mean(0)
    # N is some hundreds: the eigenvectors of the N x N products are the components themselves.
    variance, vectors = eigh(x @ x.T, subset_by_index=[len(x) - 2, len(x) - 1])
    found = (vectors * np.sqrt(np.maximum(variance, 0)))[:, ::-1]
    # The sign of an eigenvector is arbitrary: fix it, so that a run repeats.
    found = found * np.sign(found[np.abs(found).argmax(0), [0, 1]])
    return found / np.sqrt((found**2).sum(1).mean())


def aligned(present: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (N, 2) positions turned and mirrored to lie nearest to those before.

    Orthogonal Procrustes (Schönemann 1966, Psychometrika 31, 1): the R with R R^T = 1 that makes
    |present R - before| least is U V^T of the singular value decomposition of present^T before.
    """
    left, _, right = np.linalg.svd(present.T @ before)
    turned: NDArray[np.float64] = present @ (left @ right)
    return turned
