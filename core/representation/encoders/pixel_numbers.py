"""Encoders that learn nothing but the survey's pixel limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.progress import Progress
from core.representation.inputs.scaling import PixelScaling
from core.survey import Survey

_AT_ONCE = 16
"""Pictures whose intermediate arrays stay in a processor's cache: four times as fast as 256."""


class PixelNumbers(ABC):
    """Numbers of scaled pictures by a fixed recipe, `numbers`."""

    name: str

    def __init__(self) -> None:
        self.scaling: PixelScaling | None = None

    @abstractmethod
    def numbers(self, scaled: Tensor) -> Tensor:
        """(B, any bands, y, x) scaled pixels -> (B, D)."""

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Take the survey's pixel limits."""
        progress(0.0, "taking the survey's pixel limits")
        self.scaling = PixelScaling.of(survey.manifest)

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        assert self.scaling is not None
        with torch.inference_mode():
            parts = [
                self.numbers(self.scaling(images[start : start + _AT_ONCE]))
                for start in range(0, len(images), _AT_ONCE)
            ]
            out: NDArray[np.float32] = torch.cat(parts).numpy()
        return out

    def save(self, _folder: Path) -> dict[str, Any]:
        assert self.scaling is not None
        return {"scaling": self.scaling.as_dict()}

    @classmethod
    def load(cls, _folder: Path, settings: dict[str, Any]) -> Self:
        encoder = cls()
        encoder.scaling = PixelScaling.from_dict(settings["scaling"])
        return encoder
