"""Pixels of any survey brought to one range, by limits that are saved with the encoder's run.

New data embedded by the same run is scaled by the same limits, so embeddings stay comparable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.errors import BadInput

INPUT_PX = 64
"""Side of the picture that the network sees."""

SOFTENING_SIGMA = 3.0
"""The asinh stretch is linear up to about this many times the sky noise."""


class BandLimits(Protocol):
    """Survey-wide pixel statistics, one number a band (a survey's manifest has them)."""

    @property
    def dtype(self) -> str: ...
    @property
    def band_low(self) -> tuple[float, ...]: ...
    @property
    def band_high(self) -> tuple[float, ...]: ...
    @property
    def band_sigma(self) -> tuple[float, ...]: ...


@dataclass(frozen=True)
class PixelScaling:
    """Native pixels -> about 0 (sky) to 1 (the survey's brightest cores).

    uint8 pictures were stretched when they were made: divided by 255. Anything else is flux:
    asinh((x - low) / (3 sigma)) over the same of `high`, a band each.
    """

    linear: bool
    low: tuple[float, ...]
    high: tuple[float, ...]
    sigma: tuple[float, ...]

    @classmethod
    def of(cls, limits: BandLimits) -> PixelScaling:
        return cls(
            linear=limits.dtype == "uint8",
            low=tuple(limits.band_low),
            high=tuple(limits.band_high),
            sigma=tuple(limits.band_sigma),
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "linear": self.linear,
            "low": list(self.low),
            "high": list(self.high),
            "sigma": list(self.sigma),
        }

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> PixelScaling:
        low, high, sigma = (tuple(map(float, settings[k])) for k in ("low", "high", "sigma"))
        return cls(bool(settings["linear"]), low, high, sigma)

    def __call__(self, images: NDArray[Any]) -> Tensor:
        """(B, band, y, x) native pixels -> (B, band, y, x) float32; NaN becomes sky."""
        if images.ndim != 4:
            raise BadInput(
                f"Pictures come as (object, band, y, x), but the array has shape {images.shape};"
                " reorder its axes."
            )
        if self.linear:
            return torch.from_numpy(np.ascontiguousarray(images)).float().div_(255.0)
        x = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
        low, high, sigma = (
            torch.tensor(v, dtype=torch.float32).view(1, -1, 1, 1)
            for v in (self.low, self.high, self.sigma)
        )
        softening = (SOFTENING_SIGMA * sigma).clamp_min(1e-12)
        x = torch.nan_to_num(x - low, nan=0.0, posinf=0.0, neginf=0.0)
        top = torch.asinh((high - low).clamp_min(1e-12) / softening).clamp_min(1e-6)
        return (torch.asinh(x / softening) / top).clamp_(-0.25, 1.5)


def to_bands(x: Tensor, bands: int = 3) -> Tensor:
    """(B, any bands, y, x) -> (B, bands, y, x).

    One band is repeated; of more bands than the network has, the first, middle and last are
    taken (blue, green and red of a sorted filter set).
    """
    have = x.shape[1]
    if have == 2 and bands == 3:
        return torch.stack([x[:, 0], x.mean(1), x[:, 1]], dim=1)
    if have < bands:
        return x[:, :1].expand(-1, bands, -1, -1)
    if have > bands:
        return x[:, torch.linspace(0, have - 1, bands).round().long()]
    return x


def resized(x: Tensor, size_px: int) -> Tensor:
    """(B, C, y, x) -> (B, C, size_px, size_px)."""
    if x.shape[2:] == (size_px, size_px):
        return x
    shrinks = min(x.shape[2:]) > size_px
    return functional.interpolate(
        x, size=(size_px, size_px), mode="bilinear", antialias=shrinks, align_corners=False
    )
