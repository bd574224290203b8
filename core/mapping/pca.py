"""Principal components, with signs that do not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from core.errors import BadInput

_CHUNK = 65_536


def pca(
    values: np.ndarray,
    n_components: int,
    rows: np.ndarray | None = None,
    take: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """(N, n_components) float32: the coordinates along the first principal components.

    A component's sign is such that its largest loading (by size, the first of equals) is positive.
    Components beyond min(N, D) are zero. It goes through the rows in parts.

    Parameters
    ----------
    values
        (N, D) finite, or, with `rows`, more rows than are meant.
    rows
        (N,) those that are meant.
    take
        Makes the (B, D) numbers of (B,) `rows`, where these are not as they stand in `values`.

    Raises
    ------
    BadInput
        Not a table of finite numbers, or fewer than one component.
    """
    values = _table(values)

    def parts() -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, n, _CHUNK):
            where = slice(start, start + _CHUNK)
            if rows is None:
                yield where, values[where]
            else:
                yield where, values[rows[where]] if take is None else take(rows[where])

    n, d = len(values) if rows is None else len(rows), values.shape[1]
    lost = sum(int((~np.isfinite(part)).sum()) for _, part in parts())
    if n_components < 1 or lost:
        raise BadInput(
            "Principal components need finite values and at least one component, but got"
            f" {n_components} and {lost} values that are not finite; leave out the masked rows."
        )
    coordinates = np.zeros((n, n_components), dtype=np.float32)
    if 0 in (n, d):
        return coordinates
    mean = np.zeros(d)
    for _, part in parts():
        mean += part.sum(axis=0, dtype=np.float64)
    mean /= n
    axes = _axes(parts, n, mean)[:, :n_components]
    for where, part in parts():
        coordinates[where, : axes.shape[1]] = (part - mean) @ axes
    return coordinates


def pca_map(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(N, 2) float32: the first two principal components, NaN on unseen rows.

    values: (N, D); mask: (N,) bool, False where the encoder had nothing to see. Columns are
    weighed as they come. Any N will do: one row lies at (0, 0).
    """
    values, seen = unmasked(values, mask)
    coordinates = np.full((len(values), 2), np.nan, dtype=np.float32)
    if seen.any():
        coordinates[seen] = pca(values, 2, np.flatnonzero(seen))
    return coordinates


def unmasked(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`values` as a table, and (N,) bool: the rows that were seen and are finite throughout."""
    values, mask = _table(values), np.asarray(mask)
    if mask.shape != values.shape[:1] or mask.dtype != bool:
        raise BadInput(
            f"A mask is one true or false a row ({len(values)}), but has shape {mask.shape} and"
            f" type {mask.dtype}; embed the survey again."
        )
    seen = mask.copy()
    for start in range(0, len(values), _CHUNK):
        part = slice(start, start + _CHUNK)
        seen[part] &= np.isfinite(values[part]).all(axis=1)
    return values, seen


def _table(values: np.ndarray) -> np.ndarray:
    values = np.asanyarray(values)
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise BadInput(
            f"An embedding is a table of numbers, but has shape {values.shape} and type"
            f" {values.dtype}; embed the survey again."
        )
    return values


def principal_axes(scatter: np.ndarray) -> np.ndarray:
    """(D, D) float64 unit vectors, largest variance first, with the signs of `pca`.

    scatter: (D, D), the sum over the rows of the products of their centred values.
    """
    return _signed(np.linalg.eigh(scatter)[1][:, ::-1])


def _axes(
    parts: Callable[[], Iterator[tuple[slice, np.ndarray]]], n: int, mean: np.ndarray
) -> np.ndarray:
    """(D, min(N, D)) float64 unit vectors, largest variance first."""
    d = len(mean)
    if n < d:
        centred = np.concatenate([part for _, part in parts()]) - mean
        return _signed(np.linalg.svd(centred, full_matrices=False)[2].T)
    scatter = np.zeros((d, d))
    for _, part in parts():
        centred = part - mean
        scatter += centred.T @ centred
    return principal_axes(scatter)


def _signed(axes: np.ndarray) -> np.ndarray:
    """`axes`, each with its largest loading positive."""
    # Rounding must not decide which of two equal loadings is the largest.
    largest = np.abs(axes).round(9).argmax(axis=0)
    signs = np.sign(axes[largest, np.arange(axes.shape[1])])
    return axes * np.where(signs == 0, 1, signs)
