"""Principal components as arrays: fitted, applied, saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Components:
    """(B, P) -> (B, D): the leading components, in a common scale in which the mean square of all
    values that were fitted is 1.

    Attributes
    ----------
    mean
        (P,).
    axes
        (D, P), orthogonal, each as long as the common scale.
    """

    mean: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    axes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @classmethod
    def fit(cls, values: NDArray[np.float32], count: int, seed: int) -> Components:
        """Of (B, P) values; fewer than `count` where they have fewer directions."""
        from sklearn.decomposition import PCA

        if len(values) < 2 or not values.shape[1]:
            only = np.asarray(values.mean(0), np.float32)
            return cls(only, np.zeros((1, values.shape[1]), np.float32))
        size = min(count, len(values), values.shape[1])
        solver = "full" if min(values.shape) <= 4 * count else "randomized"
        with np.errstate(all="ignore"):  # values that are all the same explain nothing
            model = PCA(size, svd_solver=solver, random_state=seed).fit(values.astype(float))
        variances = model.explained_variance_
        kept = variances > 1e-9 * max(float(variances.max()), 1e-30)
        kept[0] = True
        scale = float(np.sqrt(variances[kept].mean())) or 1.0
        return cls(
            model.mean_.astype(np.float32), (model.components_[kept] / scale).astype(np.float32)
        )

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((values - self.mean) @ self.axes.T, np.float32)

    def arrays(self, prefix: str) -> dict[str, NDArray[np.float32]]:
        return {f"{prefix}mean": self.mean, f"{prefix}axes": self.axes}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.float32]], prefix: str) -> Components:
        return cls(arrays[f"{prefix}mean"], arrays[f"{prefix}axes"])
