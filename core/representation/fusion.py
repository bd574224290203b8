"""Several encoders side by side: what the app uses unless told otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from core.progress import Progress
from core.representation.encoder import register_encoder, sampled_rows
from core.representation.looks import two_looks
from core.representation.structure import StructureEncoder, structure
from core.representation.vicreg import VICRegEncoder
from core.representation.weightfiles import write_arrays
from core.survey import Survey

NETWORK_COMPONENTS = 16
"""Leading whitened components of the network: about what its effective rank holds. More of them,
at unit variance each, outvote the structure numbers."""
FIT_ROWS = 5000


@register_encoder("fusion")
class FusionEncoder:
    """(B, band, y, x) -> (B, 142): the structure numbers, standardised, and VICReg components.

    Parameters
    ----------
    weights
        Folder of a pretrained network; the shipped one if None.
    """

    name: str

    def __init__(self, weights: Path | None = None) -> None:
        self.structure = StructureEncoder()
        self.network = VICRegEncoder(weights)
        self.mean = np.zeros(0, np.float32)  # (126,) of the structure numbers
        self.deviation = np.ones(0, np.float32)

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Fit both parts, and the standardisation on at most 5,000 objects."""
        self.structure.fit(survey, progress)
        rows = sampled_rows(survey, FIT_ROWS)
        numbers = np.concatenate(
            [
                self.structure.encode(survey.images(rows[start : start + 256]))
                for start in range(0, len(rows), 256)
            ]
        )
        self.mean = numbers.mean(0)
        self.deviation = np.maximum(numbers.std(0), 1e-6).astype(np.float32)
        self.network.fit(survey, progress)

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        assert self.structure.scaling is not None
        with torch.inference_mode():
            looks = two_looks(self.structure.scaling(images))
            numbers = (structure(looks).numpy() - self.mean) / self.deviation
        codes = self.network.encode_looks(looks)[:, :NETWORK_COMPONENTS]
        out: NDArray[np.float32] = np.concatenate([numbers, codes], axis=1).astype(np.float32)
        return out

    def save(self, folder: Path) -> dict[str, Any]:
        parts = {"mean": self.mean, "deviation": self.deviation}
        write_arrays(parts, folder / "structure.safetensors")
        return self.structure.save(folder) | self.network.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> FusionEncoder:
        encoder = cls(folder)
        encoder.structure = StructureEncoder.load(folder, settings)
        encoder.network = VICRegEncoder.load(folder, settings)
        tensors = load_file(folder / "structure.safetensors")
        encoder.mean, encoder.deviation = tensors["mean"], tensors["deviation"]
        return encoder
