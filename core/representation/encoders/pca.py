"""Principal components of the scaled pixels: the plain baseline beside any network."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from core.representation.encoder import register_encoder
from core.representation.encoders.linear import Floats, LinearEncoder, principal


@register_encoder("pca")
class PCAEncoder(LinearEncoder):
    """The leading principal components of pictures reduced to 32 px, whitened.

    Arrays
    ------
    mean
        (P,) of the pixels.
    components
        (D, P), each over the deviation along it.
    """

    default_components: ClassVar[int] = 128
    array_names: ClassVar[tuple[str, ...]] = ("mean", "components")

    def fit_pixels(self, pixels: Floats) -> None:
        mean, axes, deviation = principal(pixels, self.asked, self.seed)
        self.arrays = {"mean": mean, "components": axes / deviation[:, None]}

    def code(self, pixels: Floats) -> Floats:
        return np.asarray((pixels - self.arrays["mean"]) @ self.arrays["components"].T, np.float32)

    def decode(self, codes: Floats) -> Floats:
        whitened = self.arrays["components"]
        # An axis of length 1 over its deviation has the length 1 / deviation.
        squared = np.maximum((whitened**2).sum(1, keepdims=True), 1e-30)
        return np.asarray(codes @ (whitened / squared) + self.arrays["mean"], np.float32)
