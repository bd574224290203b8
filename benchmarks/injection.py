"""Second nuclei put into real SDSS cutouts, and ten confusers to each: known truth on real pixels.

The recipe is that of the survey `simulated` (core/survey/demos/_rarities.py): a host gets a first
nucleus, and a second source of 1 to 20 times less light at 0.5 to 4 FWHM from it, which is a
nucleus, a star, a neighbour, a clump or a knot. The pictures are 8-bit colour made by an asinh
stretch of the mean of the bands; sources are added in the light before that stretch, as far as it
can be undone, and every other pixel keeps its value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FWHM_PX = 5.0
"""About what stars have in these cutouts, which were resampled to one size."""
NONLINEARITY = 3.0
SHARE = 0.01
CONFUSERS_PER_DUAL = 10
SEPARATION_FWHM = (0.5, 4.0)
FLUX_RATIO = (1.0, 20.0)
NUCLEAR_SHARE = (0.05, 0.2)
"""Of the light in the picture; less than in `simulated`, as real hosts have a nucleus already and
the stretch leaves no room above it."""
_HOST_REACH = 2.5
_CENTRE_PX = 8
_TYPICAL_G_R, _TYPICAL_R_I = 0.9, 0.4
"""Of the centre of an ordinary galaxy: colours of stars are taken relative to these."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Injected:
    """Pictures with their truth.

    Attributes
    ----------
    images
        (N, y, x, 3) uint8.
    labels
        (N,) "dual_nucleus", "confuser" or "ordinary".
    separation_fwhm
        (N,) of the two nuclei; NaN for all others.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.str_]
    separation_fwhm: Array


def unstretched(images: NDArray[np.uint8]) -> Array:
    """(..., 3) 8-bit colour -> light, up to a factor: the inverse of `stretched`."""
    values = images / 255.0
    mean = values.mean(-1, keepdims=True)
    light = np.sinh(NONLINEARITY * mean) / NONLINEARITY
    return np.asarray(values * light / np.maximum(mean, 1e-6))


def stretched(light: Array) -> NDArray[np.uint8]:
    """(..., 3) light -> 8-bit colour: asinh of the mean, colours kept (Lupton et al. 2004)."""
    mean = np.maximum(light.mean(-1, keepdims=True), 1e-9)
    values = light * np.arcsinh(NONLINEARITY * mean) / NONLINEARITY / mean
    # A core brighter than the picture can show keeps its colour.
    values = values / np.maximum(values.max(-1, keepdims=True), 1.0)
    return np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)


@dataclass(frozen=True)
class _Host:
    """What is needed of a galaxy: centre (px), half-light radius (px), light, central colour."""

    x: float
    y: float
    radius_px: float
    light: float
    colour: Array


def _host(light: Array) -> _Host | None:
    """Measure the galaxy in the middle; None where there is none to speak of."""
    side = light.shape[0]
    border = np.concatenate([light[:6].reshape(-1, 3), light[-6:].reshape(-1, 3)])
    sky = np.median(border, axis=0)
    grey = (light - sky).mean(-1)
    middle = slice(side // 2 - _CENTRE_PX, side // 2 + _CENTRE_PX)
    peak = np.unravel_index(np.argmax(grey[middle, middle]), (2 * _CENTRE_PX, 2 * _CENTRE_PX))
    y, x = (float(one + side // 2 - _CENTRE_PX) for one in peak)
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot(rows - y, columns - x)
    noise = 1.48 * float(np.median(np.abs((border - sky).mean(-1)))) + 1e-3
    if grey[int(y), int(x)] < 10 * noise:
        return None
    inside = distance < side / 3
    order = np.argsort(distance[inside])
    growth = np.cumsum(np.maximum(grey[inside][order], 0))
    half = float(distance[inside][order][np.searchsorted(growth, growth[-1] / 2)])
    centre = (light - sky)[distance < 3].sum(0)
    colour = np.maximum(centre, 1e-3) / max(float(centre.mean()), 1e-3)
    return _Host(x, y, max(half, 1.0), float(growth[-1]), colour)


def _source(
    side: int, x: float, y: float, light: float, colour: Array, fwhm_px: float = FWHM_PX
) -> Array:
    """(side, side, 3) of a round Gaussian that holds `light` in the mean of the bands."""
    sigma = fwhm_px / 2.3548
    rows, columns = np.mgrid[:side, :side]
    spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))
    return np.asarray(light * spot[..., None] / (2 * np.pi * sigma**2) * colour / colour.mean())


def _shifted(colour: Array, g_r: float, r_i: float) -> Array:
    """A colour (i, r, g as red, green, blue) made redder by so many magnitudes."""
    factors = np.array([10 ** (0.4 * r_i), 1.0, 10 ** (-0.4 * g_r)])
    return np.asarray(colour * factors)


@dataclass(frozen=True)
class _Plan:
    """A host, and where and how bright its second source would be."""

    host: _Host
    first: float
    second: float
    x: float
    y: float
    separation_fwhm: float


def _plan(rng: np.random.Generator, host: _Host) -> _Plan:
    reach = _HOST_REACH * host.radius_px / FWHM_PX
    low, high = SEPARATION_FWHM[0], min(SEPARATION_FWHM[1], max(reach, SEPARATION_FWHM[0] + 0.1))
    separation = float(rng.uniform(low, high))
    ratio = float(np.exp(rng.uniform(*np.log(FLUX_RATIO))))
    first = host.light * float(rng.uniform(*NUCLEAR_SHARE)) / (1 + 1 / ratio)
    turn = float(rng.uniform(0, 2 * np.pi))
    distance = separation * FWHM_PX
    x, y = host.x + distance * np.cos(turn), host.y + distance * np.sin(turn)
    return _Plan(host, first, first / ratio, float(x), float(y), separation)


def _nucleus_colour(rng: np.random.Generator, host: _Host) -> Array:
    """Of the central stars, one in four bluer by an AGN."""
    blue = rng.random() < 0.25
    return _shifted(
        host.colour,
        float(rng.normal(-0.25 if blue else 0.0, 0.07)),
        float(rng.normal(-0.08 if blue else 0.0, 0.04)),
    )


def _second_nucleus(rng: np.random.Generator, plan: _Plan, side: int) -> Array:
    return _source(side, plan.x, plan.y, plan.second, _nucleus_colour(rng, plan.host))


def _star(rng: np.random.Generator, plan: _Plan, side: int) -> Array:
    g_r, r_i = (
        (float(np.clip(rng.normal(0.45, 0.13), 0.2, 1.2)), 0.15)
        if rng.random() < 0.45
        else (float(rng.normal(1.42, 0.06)), float(rng.uniform(0.6, 1.6)))
    )
    reach = 2 * plan.host.radius_px * np.sqrt(rng.random())
    turn = rng.uniform(0, 2 * np.pi)
    x, y = plan.host.x + reach * np.cos(turn), plan.host.y + reach * np.sin(turn)
    colour = _shifted(np.ones(3), g_r - _TYPICAL_G_R, r_i - _TYPICAL_R_I)
    return _source(side, float(x), float(y), plan.second, colour)


def _neighbour(rng: np.random.Generator, plan: _Plan, side: int) -> Array:
    g_r, r_i = (0.45, 0.2) if rng.random() < 0.6 else (1.45, 0.65)
    g_r, r_i = float(rng.normal(g_r, 0.13)), float(rng.normal(r_i, 0.1))
    light = plan.host.light * float(np.exp(rng.uniform(*np.log([0.02, 0.2]))))
    width = float(np.hypot(FWHM_PX, 2.3548 * rng.uniform(0.9, 3.0)))
    colour = _shifted(np.ones(3), g_r - _TYPICAL_G_R, r_i - _TYPICAL_R_I)
    return _source(side, plan.x, plan.y, light, colour, width)


def _knots(rng: np.random.Generator, plan: _Plan, side: int, count: int, share: float) -> Array:
    out = np.zeros((side, side, 3))
    for _ in range(count):
        reach = plan.host.radius_px * float(rng.uniform(0.4, 1.6))
        turn = rng.uniform(0, 2 * np.pi)
        x, y = plan.host.x + reach * np.cos(turn), plan.host.y + reach * np.sin(turn)
        g_r, r_i = rng.normal(-0.05, 0.1) - _TYPICAL_G_R, rng.normal(-0.1, 0.1) - _TYPICAL_R_I
        light = plan.host.light * share * float(rng.uniform(0.6, 1.6))
        width = float(np.hypot(FWHM_PX, rng.uniform(0.5, 2.0)))
        out += _source(
            side, float(x), float(y), light, _shifted(np.ones(3), float(g_r), float(r_i)), width
        )
    return out


def _clumps(rng: np.random.Generator, plan: _Plan, side: int) -> Array:
    return _knots(rng, plan, side, int(rng.integers(4, 9)), 0.01)


def _bright_knot(rng: np.random.Generator, plan: _Plan, side: int) -> Array:
    return _knots(rng, plan, side, 1, float(np.exp(rng.uniform(*np.log([0.015, 0.06])))))


Draw = Callable[[np.random.Generator, _Plan, int], Array]
CONFUSERS: tuple[Draw, ...] = (_star, _neighbour, _clumps, _bright_knot)


def inject(images: NDArray[np.uint8], *, seed: int = 0, share: float = SHARE) -> Injected:
    """Put second nuclei into a share of pictures (N, y, x, 3), and ten times as many confusers.

    Hosts are drawn at random among the pictures with a galaxy in the middle; each picture gets
    one thing at most.
    """
    rng = np.random.default_rng(seed)
    out = images.copy()
    labels = np.full(len(images), "ordinary", dtype="<U16")
    separations = np.full(len(images), np.nan)
    wanted = round(share * len(images))
    kinds: list[tuple[str, Draw]] = [("dual_nucleus", _second_nucleus)] * wanted
    kinds += [("confuser", CONFUSERS[i % 4]) for i in range(CONFUSERS_PER_DUAL * wanted)]
    hosts = iter(rng.permutation(len(images)))
    for label, draw in kinds:
        host = None
        while host is None:
            row = int(next(hosts))
            light = unstretched(images[row])
            host = _host(light)
        plan = _plan(rng, host)
        side = images.shape[1]
        first = _source(side, host.x, host.y, plan.first, _nucleus_colour(rng, host))
        spoilt = stretched(light + first + draw(rng, plan, side))
        # What the sources do not reach keeps the camera's value, not one rounded again.
        touched = np.abs(spoilt.astype(int) - stretched(light)) > 0
        out[row] = np.where(touched, spoilt, images[row])
        labels[row] = label
        if label == "dual_nucleus":
            separations[row] = plan.separation_fwhm
    return Injected(out, labels, separations)
