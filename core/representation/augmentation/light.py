"""Scaled pixels as light and back, and the noise of a picture read off itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core.representation.augmentation.conditions import Conditions
from core.representation.augmentation.seam import Sight

_LARGEST_POWER = 60.0
"""exp of it is still a float32, with room for what is done to it."""

_SERIES_BELOW = 0.02
"""Where sinh(z) / z is taken from its series: the difference of two exponentials loses digits."""

BILINEAR = 2 / 3
"""Noise that is left of white noise where pixels are sampled at random places between their
centres: the mean of (1 - t)^2 + t^2 over t from 0 to 1, once an axis, and its root."""

MEASURED_FROM_PX = 16
"""Pictures smaller than this have too few pixels to tell noise from light."""

_MAD_TO_SIGMA = 1.4826


def to_light(scaled: Tensor, conditions: Conditions) -> Tensor:
    """(B, band, y, x) scaled -> light: linear in flux, and the same as scaled near the sky."""
    return _along(scaled, conditions, _sinh_ratio)


def to_scaled(light: Tensor, conditions: Conditions) -> Tensor:
    """The way back from `to_light`."""
    return _along(light, conditions, _asinh_ratio)


def sky_noise(light: Tensor, sight: Sight) -> Tensor:
    """(B, band, y, x) -> (B, band, 1, 1) noise that the survey's sky has in such views.

    The noise of native pixels, less what is averaged and interpolated away; where it is unknown,
    the object's own.
    """
    averaged = torch.nan_to_num(sight.scale, nan=1.0).clamp(max=1.0)
    expected = (BILINEAR * averaged[:, None] * sight.conditions.noise)[:, :, None, None]
    known = expected.isfinite()
    return expected if known.all() else torch.where(known, expected, own_noise(light))


def own_noise(light: Tensor) -> Tensor:
    """(B, band, y, x) -> (B, band, 1, 1) noise read off the pictures themselves.

    From the median absolute second difference along the rows, over steps of 2 px (adjacent pixels
    share noise once they were interpolated), at every fourth pixel. Where an object fills most of
    its picture its structure counts as noise: then too little is added, not too much. 0 for
    pictures under 16 px.
    """
    if min(light.shape[2:]) < MEASURED_FROM_PX:
        return torch.zeros_like(light[:, :, :1, :1])
    rows = light[:, :, ::4]
    second = rows[..., 2:-2:4] - (rows[..., :-4:4] + rows[..., 4::4]) / 2
    median = second.abs().flatten(2).median(2).values
    return (_MAD_TO_SIGMA / 1.5**0.5) * median[:, :, None, None]


def _along(x: Tensor, conditions: Conditions, ratio: Callable[[Tensor], Tensor]) -> Tensor:
    a = conditions.steepness[:, :, None, None]
    if not a.any():
        return x
    joint = conditions.joint[:, None, None, None]
    if not joint.any():
        return x * ratio(a * x)
    # Of the bands' mean: as much for all of them, so that their colour stays.
    of_mean = ratio(a[:, :1] * x.mean(1, keepdim=True))
    return x * (of_mean if joint.all() else torch.where(joint, of_mean, ratio(a * x)))


# torch's own sinh and asinh take twenty times as long as its exp and log.
def _sinh_ratio(z: Tensor) -> Tensor:
    size = z.abs().clamp(_SERIES_BELOW / 2, _LARGEST_POWER)
    power = torch.exp(size)
    far = (power - 1 / power) / (2 * size)
    return torch.where(z.abs() < _SERIES_BELOW, 1 + z * z / 6, far)


def _asinh_ratio(z: Tensor) -> Tensor:
    size = z.abs().clamp_min(_SERIES_BELOW / 2)
    far = torch.log(size + torch.sqrt(size * size + 1)) / size
    return torch.where(size < _SERIES_BELOW, 1 - z * z / 6, far)
