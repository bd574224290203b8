"""What every measure of an embedding starts from: checked tables, samples, whitened components."""

from __future__ import annotations

import numpy as np

from core.errors import BadInput

SAMPLE = 2000
"""Objects that a measure looks at, where there are as many: fixed, so that scores compare."""

COMPONENTS = 10
"""Leading whitened components in which pairs and clusters are measured: fixed for the same
reason, since distances concentrate with every dimension more."""

FEWEST = 20
"""Objects below which nothing is said about an embedding as a whole."""

_ROUNDING = 1e-5
"""Directions with less than this share of the first one's deviation are rounding."""


def finite_table(values: np.ndarray, fewest: int = FEWEST) -> np.ndarray:
    """(N, D) float64 of at least `fewest` rows, finite throughout, else `BadInput`."""
    table = np.asarray(values)
    if table.ndim != 2 or table.shape[1] < 1 or table.dtype.kind not in "fiu":
        raise BadInput(
            f"An embedding is a table of numbers (N, D), but has shape {table.shape} and type"
            f" {table.dtype}; embed the survey again."
        )
    table = table.astype(np.float64)
    if len(table) < fewest or not np.isfinite(table).all():
        raise BadInput(
            f"This measure needs {fewest} or more rows of finite values, but got {len(table)} rows"
            f" with {int((~np.isfinite(table)).sum())} values that are not finite; leave out the"
            " masked rows or embed more objects."
        )
    return table


def sample_rows(mask: np.ndarray, count: int = SAMPLE, seed: int = 0) -> np.ndarray:
    """Ascending rows of at most `count` of those where (N,) `mask` is True, drawn by the seed."""
    rows = np.flatnonzero(np.asarray(mask, bool))
    if len(rows) > count:
        rows = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
    return rows


def whitened(values: np.ndarray, components: int = COMPONENTS) -> np.ndarray:
    """(N, at most `components`): leading principal components, each of variance 1.

    There are fewer where the values have fewer directions, or a tenth of N is less; none where
    all rows are the same.
    """
    table = finite_table(values)
    centred = table - table.mean(0)
    left, size, _right = np.linalg.svd(centred, full_matrices=False)
    most = min(components, max(1, len(table) // 10))
    scale = max(float(np.abs(table).max()), 1e-300) * np.sqrt(len(table))
    kept = (size > _ROUNDING * size[0]) & (size > 1e-12 * scale)
    out: np.ndarray = left[:, kept][:, :most] * np.sqrt(len(table) - 1)
    return out


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, D), (B, D) -> (A, B) squared Euclidean distances."""
    out: np.ndarray = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a @ b.T
    return np.maximum(out, 0, out=out)


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays one."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    out: np.ndarray = values / np.where(length > 0, length, 1)
    return out


def alike(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as tables if they have one shape (views of the same objects), else `BadInput`."""
    first, second = finite_table(a, 1), finite_table(b, 1)
    if first.shape != second.shape:
        raise BadInput(
            f"Two views of the same objects have one shape, but came {first.shape} and"
            f" {second.shape}; encode them by the same encoder."
        )
    return first, second
