"""Independent components of the scaled pixels (FastICA; Hyvarinen & Oja 2000)."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np

from core.representation.encoder import register_encoder
from core.representation.encoders.linear import (
    Floats,
    LinearEncoder,
    principal,
    told_of_convergence,
)

ROUNDS = 400
TOLERANCE = 1e-3


@register_encoder("ica")
class ICAEncoder(LinearEncoder):
    """Components as independent as can be, of unit variance, of pictures reduced to 32 px.

    Found among the principal components: FastICA turns the whitened pixels. In which order and
    with which sign they come is FastICA's; the seed fixes it.

    Arrays
    ------
    mean
        (P,) of the pixels.
    components
        (D, P): pixels to sources.
    mixing
        (D, P): sources to pixels.
    """

    array_names: ClassVar[tuple[str, ...]] = ("mean", "components", "mixing")

    def fit_pixels(self, pixels: Floats) -> None:
        from sklearn.decomposition import FastICA

        mean, axes, deviation = principal(pixels, self.asked, self.seed)
        white = ((pixels - mean) @ axes.T / deviation).astype(np.float64)
        turn = np.eye(len(axes))
        if len(axes) > 1:
            model = FastICA(whiten=False, random_state=self.seed, max_iter=ROUNDS, tol=TOLERANCE)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(white)
            turn = model.components_
            self.notes += told_of_convergence(caught, ROUNDS, "ICA")
        self.arrays = {
            "mean": mean,
            "components": (turn @ (axes / deviation[:, None])).astype(np.float32),
            "mixing": (np.linalg.pinv(turn).T @ (axes * deviation[:, None])).astype(np.float32),
        }

    def code(self, pixels: Floats) -> Floats:
        return np.asarray((pixels - self.arrays["mean"]) @ self.arrays["components"].T, np.float32)

    def decode(self, codes: Floats) -> Floats:
        return np.asarray(codes @ self.arrays["mixing"] + self.arrays["mean"], np.float32)
