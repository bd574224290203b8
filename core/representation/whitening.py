"""Principal components of unit variance, kept with an encoder to treat new data alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from core.representation.weightfiles import write_arrays

FLOOR = 1e-3
"""Directions with less than this share of the first one's deviation are rounding, left out."""


RARE_FLAG = (0.01 * 0.99) ** 0.5
"""Deviation of a flag that one object in a hundred raises."""


@dataclass(frozen=True)
class Whitening:
    """(B, P) numbers -> (B, D) components, each with mean 0 and deviation 1 where it was fitted.

    Attributes
    ----------
    mean
        (P,) of the columns.
    matrix
        (P, D): standardises the columns, turns to the components, scales them to unit variance.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]

    @classmethod
    def nothing(cls) -> Whitening:
        """Not fitted yet."""
        return cls(np.zeros(0, np.float32), np.zeros((0, 0), np.float32))

    @classmethod
    def standardising(cls, values: NDArray[np.float32]) -> Whitening:
        """Columns of (N, P) brought to mean 0 and deviation 1, not turned.

        A column of zeros and ones is a flag: it keeps at least the deviation of one that a
        hundredth of all objects raise, so that a flag which none of the sample raises is still
        seen in the object that does, and one that a single object raises does not outvote all
        else. Another column that does not vary becomes zeros.
        """
        x: NDArray[np.float64] = values.astype(np.float64)
        mean, deviation = x.mean(0), x.std(0)
        is_flag = np.isin(x, (0.0, 1.0)).all(axis=0)
        deviation = np.where(is_flag, np.maximum(deviation, RARE_FLAG), deviation)
        varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1e-3)
        scale = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
        return cls(mean.astype(np.float32), np.diag(scale).astype(np.float32))

    @classmethod
    def fit(cls, values: NDArray[np.float32], components: int) -> Whitening:
        """Fit on (N, P) values; at most `components` directions, largest variance first."""
        x: NDArray[np.float64] = values.astype(np.float64)
        mean, deviation = x.mean(0), x.std(0)
        varies = deviation > 1e-9 * (np.abs(mean) + 1e-9)
        scale = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
        standard = (x - mean) * scale
        variance, directions = np.linalg.eigh(standard.T @ standard / max(1, len(x)))
        order = np.argsort(-variance)[: min(components, max(1, len(x) - 1))]
        variance, directions = variance[order], directions[:, order]
        kept = np.sqrt(np.maximum(variance, 0)) > FLOOR * np.sqrt(max(variance[0], 1e-300))
        kept[0] = True  # a constant input keeps one column of zeros
        # The sign of an eigenvector is arbitrary: fix it, so that a run repeats.
        largest = np.abs(directions).argmax(0)
        directions = directions * np.sign(directions[largest, np.arange(directions.shape[1])])
        spread = np.sqrt(np.maximum(variance[kept], 1e-12))
        matrix = scale[:, None] * directions[:, kept] / spread
        return cls(mean.astype(np.float32), matrix.astype(np.float32))

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((values - self.mean) @ self.matrix, dtype=np.float32)

    def save(self, path: Path) -> None:
        write_arrays({"mean": self.mean, "matrix": self.matrix}, path)

    @classmethod
    def load(cls, path: Path) -> Whitening:
        tensors = load_file(path)
        return cls(tensors["mean"], tensors["matrix"])
