"""How a picture was taken: calibration, dust in front, seeing, sky and noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import ive
from torch import Tensor
from torch.nn import functional

from core.representation.augmentation.chances import Chances
from core.representation.augmentation.light import own_noise, sky_noise
from core.representation.augmentation.seam import Change, Dose, Sight, register_augmentation

UNKNOWN_BLUR_PX = 0.4
"""Where no point spread is known: the largest blur in view pixels at an amount of 1."""

LEAST_BLUR_PX, LARGEST_BLUR_PX = 0.1, 4.0


@register_augmentation("reddening")
class Reddening(Change):
    reason = (
        "Dust of the Milky Way lies in front of every object and dims blue more than red, by how"
        " much depends on where it stands. Kept small: the colour of an object of its own, a"
        " blue arc round a red lens, must be told."
    )
    words = "E(B-V) up to {:.2f} mag, half of it for 8-bit pictures"
    order = 21

    def __call__(self, x: Tensor, dose: Dose, chances: Chances, sight: Sight) -> Tensor:
        excess = chances.uniform(0, dose.amount) * chances.chosen(dose.probability)
        magnitudes = excess.to(x.device)[:, None] * sight.conditions.extinction
        return x * torch.pow(10, -0.4 * magnitudes)[:, :, None, None]


@register_augmentation("blur")
class Blur(Change):
    reason = (
        "Seeing differs from night to night. A point spread is drawn, and only what an object's"
        " own lacks to it is added. Not in the default: two nuclei that seeing merges, and a"
        " core that is sharp, are what a search may be for."
    )
    words = "up to {:.1f} times the survey's median point spread"
    order = 22

    def __call__(self, x: Tensor, dose: Dose, chances: Chances, sight: Sight) -> Tensor:
        scale = sight.scale
        drawn = chances.uniform(0, dose.amount).to(x.device)
        own = sight.conditions.psf_px * scale
        final = drawn * sight.conditions.typical_psf_px * scale
        missing = (final.square() - own.square()).clamp_min(0).sqrt()
        sigma = torch.where(missing.isfinite(), missing, drawn * UNKNOWN_BLUR_PX)
        sigma = sigma.clamp_max(LARGEST_BLUR_PX) * chances.chosen(dose.probability).to(x.device)
        rows = (sigma > LEAST_BLUR_PX).nonzero()[:, 0]
        if not len(rows):
            return x
        out = x.clone()
        out[rows] = blurred(x[rows], sigma[rows])
        return out


@register_augmentation("brightness")
class Brightness(Change):
    reason = (
        "Distance, exposure and the stretch decide how bright the same object comes out. How"
        " bright it is compared with others is partly lost to the network by this."
    )
    words = "all bands together, by a gain that scatters by {:.0%}"
    order = 10
    in_light = False

    def __call__(self, x: Tensor, dose: Dose, chances: Chances, _sight: Sight) -> Tensor:
        return _amplified(x, dose, chances, 1)


@register_augmentation("colour")
class Colour(Change):
    reason = (
        "Zero points are known to a few per cent a band. Kept small: colour tells lenses, active"
        " nuclei and chance neighbours."
    )
    words = "each band by a gain that scatters by {:.1%}"
    order = 11
    in_light = False

    def __call__(self, x: Tensor, dose: Dose, chances: Chances, _sight: Sight) -> Tensor:
        return _amplified(x, dose, chances, x.shape[1])


@register_augmentation("sky_gradient")
class SkyGradient(Change):
    reason = (
        "Moonlight and bright stars leave a slope in the sky that no subtraction takes out. Not"
        " in the default: faint tails and halos look much like it."
    )
    words = "a slope of up to {:.1f} times the noise of the sky"
    order = 23

    def __call__(self, x: Tensor, dose: Dose, chances: Chances, sight: Sight) -> Tensor:
        angle = chances.uniform(0, 2 * math.pi)
        height = chances.uniform(0, dose.amount) * chances.chosen(dose.probability)
        slope = (height[:, None] * torch.stack([torch.cos(angle), torch.sin(angle)], 1)).to(
            x.device
        )
        across = _places(x.shape[3], x.device)[None, None, :]
        down = _places(x.shape[2], x.device)[None, :, None]
        plane = slope[:, 0, None, None] * across + slope[:, 1, None, None] * down
        return x + sky_noise(x, sight) * plane[:, None]


@register_augmentation("noise")
class Noise(Change):
    reason = (
        "Exposures differ in depth. A noise is drawn, and only what an object's own lacks to it"
        " is added: faint structure is never buried deeper than in the survey's shallow parts."
    )
    words = "up to {:.1f} times the noise of the survey's sky"
    order = 24

    def __call__(self, x: Tensor, dose: Dose, chances: Chances, sight: Sight) -> Tensor:
        drawn = chances.uniform(0, dose.amount) * chances.chosen(dose.probability)
        final = drawn.to(x.device)[:, None, None, None] * sky_noise(x, sight)
        missing = (final.square() - own_noise(x).square()).clamp_min(0).sqrt()
        if not missing.any():
            return x
        white = chances.pixels(*x.shape[1:], device=x.device)
        return torch.addcmul(x, missing, white.to(x.dtype))


def blurred(x: Tensor, sigma_px: Tensor) -> Tensor:
    """(B, band, y, x) convolved with a Gaussian of its own width each, reflected at the edges.

    The kernel is the discrete Gaussian exp(-t) I_n(t) with t = sigma^2 (Lindeberg 1990), whose
    variance is sigma^2 however narrow it is.
    """
    reach = min(x.shape[2:]) - 1
    radius = min(max(1, math.ceil(5 * float(sigma_px.max()))), reach)
    steps = np.abs(np.arange(-radius, radius + 1))
    weights = ive(steps, sigma_px.double().cpu().numpy()[:, None] ** 2)
    weights /= weights.sum(1, keepdims=True)
    kernels = torch.from_numpy(weights).to(x)[:, :, None, None, None]
    # Sums of shifted copies: a convolution with kernels of their own takes longer.
    padded = functional.pad(x, (radius, radius, 0, 0), mode="reflect")
    size = x.shape[3]
    out = kernels[:, 0] * padded[..., :size]
    for step in range(1, 2 * radius + 1):
        out.addcmul_(kernels[:, step], padded[..., step : step + size])
    padded = functional.pad(out, (0, 0, radius, radius), mode="reflect")
    size = x.shape[2]
    out = kernels[:, 0] * padded[..., :size, :]
    for step in range(1, 2 * radius + 1):
        out.addcmul_(kernels[:, step], padded[..., step : step + size, :])
    return out


def _places(size: int, device: torch.device) -> Tensor:
    """(size,) centres of pixels from -1 to 1 over the side."""
    return (2 * torch.arange(size, device=device) + 1) / size - 1


def _amplified(x: Tensor, dose: Dose, chances: Chances, bands: int) -> Tensor:
    """Each chosen object by a log-normal gain, one for all bands or one for each."""
    power = dose.amount * chances.normal(bands, 1, 1)
    power = power * chances.chosen(dose.probability)[:, None, None, None]
    return x * torch.exp(power).to(x.device)
