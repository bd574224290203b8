"""Pixels of any survey brought to one range, by limits that are saved with the encoder's run.

New data embedded by the same run is scaled by the same limits, so embeddings stay comparable.
"""

from __future__ import annotations

import math
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

SCALINGS: dict[str, str] = {
    "asinh": "asinh of each band by itself, between limits of the whole survey",
    "lupton": "asinh of the bands' mean, so that bright cores keep their colour, between limits of"
    " the whole survey (Lupton et al. 2004)",
    "minmax": "each object from its own darkest to its own brightest pixel; how bright it is gets"
    " lost",
}
"""Ways to scale, and what each does, in words for people."""

LOWEST, HIGHEST = -0.25, 1.5
"""Scaled pixels are cut here: an artefact may be a thousand times brighter than any galaxy."""

ABSURD = 1e4
"""No pixel this many times as far from the sky as the survey's brightest cores is light."""

_LARGEST, _SMALLEST = 1e37, 1e-30
"""Pixels are cut here first, so that float32 can subtract them; nothing smaller is divided by."""


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

    "asinh": asinh((x - low) / (3 sigma)) over the same of `high`, a band each. "lupton": with s =
    (x - low) / (high - low), I its mean over the bands and k the mean of 3 sigma / (high - low),
    s asinh(I / k) / (I asinh(1 / k)) (Lupton et al. 2004, PASP 116, 133). uint8 pictures were
    stretched when they were made: both only divide them by 255. "minmax": (x - min) / (max - min)
    of the object, all bands together; sky is then where the object is darkest. A pixel that no
    light can have (`ABSURD`) is no extreme, and is cut at those of the others.

    Raises
    ------
    BadInput
        There is no such kind.
    """

    linear: bool
    low: tuple[float, ...]
    high: tuple[float, ...]
    sigma: tuple[float, ...]
    kind: str = "asinh"

    def __post_init__(self) -> None:
        checked_scaling(self.kind)

    @classmethod
    def of(cls, limits: BandLimits, kind: str = "asinh") -> PixelScaling:
        return cls(
            linear=limits.dtype == "uint8",
            low=tuple(limits.band_low),
            high=tuple(limits.band_high),
            sigma=tuple(limits.band_sigma),
            kind=kind,
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "linear": self.linear,
            "low": list(self.low),
            "high": list(self.high),
            "sigma": list(self.sigma),
        }

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> PixelScaling:
        """Of settings that `as_dict` gave; those up to version 0.4 name no kind and are asinh."""
        low, high, sigma = (tuple(map(float, settings[k])) for k in ("low", "high", "sigma"))
        kind = str(settings.get("kind", "asinh"))
        return cls(bool(settings["linear"]), low, high, sigma, kind)

    def __call__(self, images: NDArray[Any]) -> Tensor:
        """(B, band, y, x) native pixels -> (B, band, y, x) float32; what is not finite becomes
        sky."""
        if images.ndim != 4:
            raise BadInput(
                f"Pictures come as (object, band, y, x), but the array has shape {images.shape};"
                " reorder its axes."
            )
        if self.kind == "minmax":
            return self._minmax(images)
        if self.linear:
            return torch.from_numpy(np.ascontiguousarray(images)).float().div_(255.0)
        x = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
        low, high, sigma = (
            torch.tensor(v, dtype=torch.float32).view(1, -1, 1, 1)
            for v in (self.low, self.high, self.sigma)
        )
        x = torch.where(torch.isfinite(x), x.clamp(-_LARGEST, _LARGEST) - low, 0.0)
        span = (high - low).clamp_min(_SMALLEST)
        softening = (SOFTENING_SIGMA * sigma).clamp_min(_SMALLEST)
        if self.kind == "lupton":
            return _lupton((x / span).clamp_(-1e6, 1e6), float((softening / span).mean()))
        top = torch.asinh(span / softening).clamp_min(1e-6)
        x = (x / softening).clamp_(-1e18, 1e18)  # whose square is finite
        return (torch.asinh(x) / top).clamp_(LOWEST, HIGHEST)

    def _minmax(self, images: NDArray[Any]) -> Tensor:
        x = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
        known = torch.isfinite(x)
        if not self.linear:
            low, high = (torch.tensor(v).view(1, -1, 1, 1) for v in (self.low, self.high))
            likely = known & ((x.double() - low).abs() <= ABSURD * (high - low))
            # Objects of another survey, in other units, may have none.
            known = torch.where(likely.any((1, 2, 3), keepdim=True), likely, known)
        lowest = torch.where(known, x, torch.inf).amin((1, 2, 3), keepdim=True)
        highest = torch.where(known, x, -torch.inf).amax((1, 2, 3), keepdim=True)
        # float64 between: a survey in odd units may span more than float32 can subtract.
        span = (highest.double() - lowest.double()).float()
        scaled = torch.where(torch.isfinite(x), x - lowest, 0.0)
        scaled /= torch.where(span > 0, span, 1.0)
        return torch.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0).clamp_(0.0, 1.0)

    def steepness(self) -> tuple[float, ...]:
        """a of each band, where light = sinh(a scaled) / a undoes the stretch; 0 where none is.

        This light has the scaled pixels' unit near the sky. For "lupton" scaled is the bands'
        mean, and each band's light goes with it.
        """
        if self.linear or self.kind == "minmax":
            return (0.0,) * len(self.low)
        reach = [
            max(high - low, _SMALLEST) / max(SOFTENING_SIGMA * sigma, _SMALLEST)
            for low, high, sigma in zip(self.low, self.high, self.sigma, strict=True)
        ]
        if self.kind == "lupton":
            reach = [len(reach) / sum(1 / one for one in reach)] * len(reach)
        return tuple(math.asinh(one) for one in reach)

    def sky_noise(self) -> tuple[float, ...]:
        """Standard deviation of the sky in scaled pixels, a band each; NaN for "minmax"."""
        if self.kind == "minmax":
            return (math.nan,) * len(self.low)
        if self.linear:
            return tuple(sigma / 255.0 for sigma in self.sigma)
        steep = self.steepness()
        if self.kind == "asinh":
            return tuple(1 / (SOFTENING_SIGMA * max(a, 1e-6)) for a in steep)
        return tuple(
            sigma / max(high - low, _SMALLEST) * math.sinh(a) / a
            for low, high, sigma, a in zip(self.low, self.high, self.sigma, steep, strict=True)
        )


def checked_scaling(kind: str) -> str:
    """`kind` if it is in `SCALINGS`, else `BadInput`."""
    if kind not in SCALINGS:
        raise BadInput(
            f"Pixels are scaled by {', '.join(SCALINGS)}, but {kind!r} was asked for; choose one."
        )
    return kind


def _lupton(s: Tensor, knee: float) -> Tensor:
    """(B, band, y, x) in units of the survey's span; what is too bright keeps its colour."""
    light = s.mean(1, keepdim=True).abs().clamp_min(1e-3 * knee)  # the ratio is even and smooth
    scaled = s * (torch.asinh(light / knee) / (light * math.asinh(1 / knee)))
    scaled /= (scaled.amax(1, keepdim=True) / HIGHEST).clamp_min(1.0)
    return scaled.clamp_(LOWEST, HIGHEST)


def to_bands(x: Tensor, bands: int = 3) -> Tensor:
    """(B, any bands, y, x) -> (B, bands, y, x).

    One band is repeated, two become themselves and their mean where three are wanted. Else evenly
    spaced ones are taken, the first and last among them: of more bands than wanted each once
    (blue, green and red of a sorted filter set), of fewer all, some of them twice.
    """
    have = x.shape[1]
    if have == 2 and bands == 3:
        return torch.stack([x[:, 0], x.mean(1), x[:, 1]], dim=1)
    if have == 1:
        return x.expand(-1, bands, -1, -1)
    if have != bands:
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
