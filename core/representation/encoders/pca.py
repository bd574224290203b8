"""Principal components of the scaled pixels: the plain baseline beside any network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor

from core.progress import Progress
from core.representation.encoder import register_encoder, sampled_rows
from core.representation.inputs.scaling import PixelScaling, resized
from core.representation.weightfiles import write_arrays
from core.survey import Survey

PCA_INPUT_PX = 32
PCA_COMPONENTS = 128
FIT_ROWS = 5000


@register_encoder("pca")
class PCAEncoder:
    """The leading principal components (128 at most) of pictures reduced to 32 px, whitened.

    Fitted on at most 5,000 objects drawn with a fixed seed.
    """

    name: str

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.scaling: PixelScaling | None = None
        self.mean = np.zeros(0, np.float32)  # (P,) of P = band * 32 * 32 pixels
        self.components = np.zeros((0, 0), np.float32)  # (D, P), each over its deviation

    def fit(self, survey: Survey, progress: Progress) -> None:
        from sklearn.decomposition import PCA

        self.scaling = PixelScaling.of(survey.manifest)
        rows = sampled_rows(survey, FIT_ROWS, self.seed)
        progress(0.0, f"fitting principal components on {len(rows)} pictures")
        pixels = np.concatenate(
            [
                self._pixels(survey.images(rows[start : start + 256])).numpy()
                for start in range(0, len(rows), 256)
            ]
        )
        size = min(PCA_COMPONENTS, len(pixels), pixels.shape[1])
        model = PCA(size, svd_solver="randomized", random_state=self.seed).fit(pixels)
        deviation = np.sqrt(model.explained_variance_) + 1e-6
        self.mean = model.mean_.astype(np.float32)
        self.components = (model.components_ / deviation[:, None]).astype(np.float32)

    def _pixels(self, images: NDArray[Any]) -> Tensor:
        assert self.scaling is not None
        x = resized(self.scaling(images), PCA_INPUT_PX)
        return x.flatten(1)

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            pixels = self._pixels(images).numpy()
        out: NDArray[np.float32] = (pixels - self.mean) @ self.components.T
        return out

    def save(self, folder: Path) -> dict[str, Any]:
        assert self.scaling is not None
        parts = {"mean": self.mean, "components": self.components}
        write_arrays(parts, folder / "weights.safetensors")
        return {"seed": self.seed, "scaling": self.scaling.as_dict()}

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> PCAEncoder:
        encoder = cls(settings["seed"])
        encoder.scaling = PixelScaling.from_dict(settings["scaling"])
        tensors = load_file(folder / "weights.safetensors")
        encoder.mean, encoder.components = tensors["mean"], tensors["components"]
        return encoder
