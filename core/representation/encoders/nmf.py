"""Non-negative factors of the scaled pixels (Lee & Seung 1999): parts that only add up."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np

from core.representation.encoder import register_encoder
from core.representation.encoders.linear import Floats, LinearEncoder, told_of_convergence

ROUNDS = 400
SWEEPS = 200
ENOUGH = 1e-5
"""Change of the weights in a sweep, as a share of the largest, at which they are taken."""


@register_encoder("nmf")
class NMFEncoder(LinearEncoder):
    """Weights (0 or more) of the parts that pictures reduced to 32 px are the sum of.

    Pixels below the sky count as sky, 0.

    Arrays
    ------
    parts
        (D, P), none below 0.
    """

    array_names: ClassVar[tuple[str, ...]] = ("parts",)

    def fit_pixels(self, pixels: Floats) -> None:
        from sklearn.decomposition import NMF

        light = np.maximum(pixels, 0)
        count = min(self.asked, *light.shape)
        if not float(light.max()) > 0:
            self.arrays = {"parts": np.zeros((1, light.shape[1]), np.float32)}
            return
        model = NMF(count, init="nndsvda", random_state=self.seed, max_iter=ROUNDS)
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            model.fit(light)
        self.notes += told_of_convergence(caught, ROUNDS, "NMF")
        parts = np.nan_to_num(model.components_).astype(np.float32)
        kept = parts.max(1) > 0
        kept[0] = True
        self.arrays = {"parts": parts[kept]}

    def code(self, pixels: Floats) -> Floats:
        """Non-negative least squares, one weight after the other (coordinate descent)."""
        parts = self.arrays["parts"].astype(np.float64)
        shared = parts @ parts.T  # (D, D)
        wanted = parts @ np.maximum(pixels, 0).T.astype(np.float64)  # (D, B)
        weights = np.zeros_like(wanted)
        for _sweep in range(SWEEPS):
            largest_step = 0.0
            for index in np.flatnonzero(shared.diagonal() > 0):
                slope = wanted[index] - shared[index] @ weights
                new = np.maximum(weights[index] + slope / shared[index, index], 0)
                largest_step = max(largest_step, float(np.abs(new - weights[index]).max()))
                weights[index] = new
            if largest_step <= ENOUGH * weights.max(initial=0.0):
                break
        return np.ascontiguousarray(weights.T, np.float32)

    def decode(self, codes: Floats) -> Floats:
        return np.asarray(codes @ self.arrays["parts"], np.float32)
