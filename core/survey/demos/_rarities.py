"""The rare and the misleading of the simulated survey, each by a fixed recipe.

Dual nuclei and their confusers draw host and first nucleus in the same way, and their second
sources are of like brightness, so that only the nature of the second source tells them apart.
Units as in `_population`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.survey.demos._population import (
    Galaxy,
    Scene,
    background_galaxy,
    draw_galaxy,
    draw_ordinary,
    flux,
    nucleus,
    star,
)
from core.survey.demos._profiles import BLOB, Component, Painted

SEPARATION_FWHM = (0.5, 4.0)
FLUX_RATIO = (1.0, 20.0)
NUCLEAR_SHARE = (0.15, 0.5)
"""Both nuclei together hold this share of the host's starlight (uniform, r band)."""

_HOST_REACH = 2.5
"""A second nucleus lies within this many half-light radii: it belongs to the galaxy."""


@dataclass(frozen=True)
class DoublePlan:
    """A host with its first nucleus, and where and how bright a second source would be."""

    galaxy: Galaxy
    x: float
    y: float
    flux_r: float
    separation_fwhm: float
    flux_ratio: float


def _host_with_nucleus(
    rng: np.random.Generator, fwhm_arcsec: float, *, disc: bool = False
) -> DoublePlan:
    separation = float(rng.uniform(*SEPARATION_FWHM))
    ratio = float(np.exp(rng.uniform(*np.log(FLUX_RATIO))))
    distance = separation * fwhm_arcsec
    galaxy = draw_galaxy(rng, disc=disc)
    while galaxy.radius_arcsec * _HOST_REACH < distance:
        galaxy = draw_galaxy(rng, disc=disc)
    first = galaxy.flux_r * rng.uniform(*NUCLEAR_SHARE) / (1 + 1 / ratio)
    galaxy.scene.components.append(nucleus(rng, galaxy, first, galaxy.x, galaxy.y))
    direction = rng.uniform(0, 2 * np.pi)
    return DoublePlan(
        galaxy,
        galaxy.x + distance * float(np.cos(direction)),
        galaxy.y + distance * float(np.sin(direction)),
        first / ratio,
        separation,
        ratio,
    )


def dual_nucleus(rng: np.random.Generator, fwhm_arcsec: float) -> tuple[Scene, float, float]:
    """Return a galaxy with two nuclei, their separation in FWHM (r) and their flux ratio (r)."""
    plan = _host_with_nucleus(rng, fwhm_arcsec)
    second = nucleus(rng, plan.galaxy, plan.flux_r, plan.x, plan.y)
    plan.galaxy.scene.components.append(second)
    return plan.galaxy.scene, plan.separation_fwhm, plan.flux_ratio


def star_in_front(rng: np.random.Generator, fwhm_arcsec: float) -> Scene:
    """A star anywhere over the galaxy: uniform over the ellipse of two half-light radii."""
    plan = _host_with_nucleus(rng, fwhm_arcsec)
    galaxy = plan.galaxy
    reach, azimuth = 2 * galaxy.radius_arcsec, float(rng.uniform(0, 2 * np.pi))
    x, y = galaxy.on_disc(reach * float(np.sqrt(rng.random())), azimuth)
    galaxy.scene.components.append(star(rng, plan.flux_r, x, y))
    return galaxy.scene


def chance_neighbour(rng: np.random.Generator, fwhm_arcsec: float) -> Scene:
    """A galaxy at another distance, of 4 to 40 % of the host's light, in the line of sight."""
    plan = _host_with_nucleus(rng, fwhm_arcsec)
    light = plan.galaxy.flux_r * float(np.exp(rng.uniform(*np.log([0.04, 0.4]))))
    plan.galaxy.scene.components.append(background_galaxy(rng, light, plan.x, plan.y))
    return plan.galaxy.scene


def _knot_flux(rng: np.random.Generator, flux_r: float) -> np.ndarray:
    """Young stars and nebular lines: far bluer than any nucleus."""
    return flux(flux_r, float(rng.normal(-0.05, 0.1)), float(rng.normal(-0.1, 0.1)))


def clumpy_disc(rng: np.random.Generator, fwhm_arcsec: float) -> Scene:
    """A disc with 4 to 8 blue clumps of 1.5 to 6 % of its light each."""
    galaxy = _host_with_nucleus(rng, fwhm_arcsec, disc=True).galaxy
    for _ in range(int(rng.integers(4, 9))):
        radius = galaxy.radius_arcsec * float(rng.uniform(0.4, 1.6))
        x, y = galaxy.on_disc(radius, float(rng.uniform(0, 2 * np.pi)))
        light = _knot_flux(rng, galaxy.flux_r * float(rng.uniform(0.015, 0.06)))
        size = float(rng.uniform(0.2, 0.5))
        galaxy.scene.components.append(Component(light, x, y, BLOB, size))
    return galaxy.scene


def bright_knot(rng: np.random.Generator, fwhm_arcsec: float) -> Scene:
    """One bright star-forming knot off the centre of a disc, of 4 to 15 % of its light."""
    galaxy = _host_with_nucleus(rng, fwhm_arcsec, disc=True).galaxy
    radius = galaxy.radius_arcsec * float(rng.uniform(0.5, 1.5))
    x, y = galaxy.on_disc(radius, float(rng.uniform(0, 2 * np.pi)))
    share = float(np.exp(rng.uniform(*np.log([0.04, 0.15]))))
    light = _knot_flux(rng, galaxy.flux_r * share)
    knot = Component(light, x, y, BLOB, float(rng.uniform(0.1, 0.35)))
    galaxy.scene.components.append(knot)
    return galaxy.scene


CONFUSERS: tuple[Callable[[np.random.Generator, float], Scene], ...] = (
    star_in_front,
    chance_neighbour,
    clumpy_disc,
    bright_knot,
)
"""In equal shares, ten to a dual nucleus in all."""


def lens(rng: np.random.Generator) -> Scene:
    """A red elliptical that lenses a blue galaxy behind it into arcs or a ring.

    The lens is a singular isothermal sphere with external shear, traced pixel by pixel:
    beta = theta - theta_E theta/|theta| - shear theta (Schneider, Ehlers & Falco 1992, ch. 8).
    Einstein radius 1.5 to 4 arcsec; the arcs have 25 to 70 % of the lens's light in r.
    """
    galaxy = draw_galaxy(rng)
    while not (galaxy.early and 16.0 < galaxy.magnitude_r < 18.3):
        galaxy = draw_galaxy(rng)
    einstein = float(rng.uniform(1.5, 4.0))
    shear, shear_angle = float(rng.uniform(0.02, 0.12)), float(rng.uniform(0, np.pi))
    offset, direction = einstein * 0.4 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    source_x, source_y = offset * np.cos(direction), offset * np.sin(direction)
    scale = float(rng.uniform(0.15, 0.3))
    light_r = galaxy.flux_r * float(np.exp(rng.uniform(*np.log([0.25, 0.7]))))
    light = flux(light_r, float(rng.normal(0.15, 0.1)), float(rng.normal(0.08, 0.06)))
    shear_1, shear_2 = shear * np.cos(2 * shear_angle), shear * np.sin(2 * shear_angle)

    def brightness(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dx, dy = x - galaxy.x, y - galaxy.y
        radius = np.maximum(np.hypot(dx, dy), 1e-3)
        beta_x = dx * (1 - einstein / radius - shear_1) - dy * shear_2 - source_x
        beta_y = dy * (1 - einstein / radius + shear_1) - dx * shear_2 - source_y
        image = np.exp(-np.hypot(beta_x, beta_y) / scale)
        pixel_area = (x[0, 1] - x[0, 0]) ** 2
        return light[:, None, None] * image / (image.sum() * pixel_area)

    galaxy.scene.painted.append(Painted(brightness, oversampling=4))
    return galaxy.scene


ArtefactPixels = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""(noisy image (band, y, x), sky sigma (band,), FWHM in pixels) -> the spoilt image."""


def artefact(rng: np.random.Generator, kind: int) -> tuple[Scene, ArtefactPixels]:
    """Return an ordinary object and what the camera does to its pixels.

    Kinds 0, 1, 2: satellite trail, dead columns, saturated star with a bleed.
    """
    scene = draw_ordinary(rng)
    return scene, (_trail, _dead_columns, _bleed)[kind](rng)


def _trail(rng: np.random.Generator) -> ArtefactPixels:
    """A satellite in one band (drift scanning takes them a minute apart), rarely in two."""
    angle, miss = float(rng.uniform(0, np.pi)), float(rng.uniform(-14, 14))
    bands = rng.permutation(3)[: 2 if rng.random() < 0.2 else 1]
    height, width = float(np.exp(rng.uniform(*np.log([6, 40])))), float(rng.uniform(0.8, 1.3))

    def spoil(image: np.ndarray, sky_sigma: np.ndarray, fwhm_px: float) -> np.ndarray:
        axis = np.arange(image.shape[-1]) - (image.shape[-1] - 1) / 2
        distance = axis[None, :] * np.sin(angle) - axis[:, None] * np.cos(angle) - miss
        line = np.exp(-(distance**2) / (2 * (width * fwhm_px / 2.355) ** 2))
        for band in bands:
            image[band] += (height * sky_sigma[band] * line).astype(image.dtype)
        return image

    return spoil


def _dead_columns(rng: np.random.Generator) -> ArtefactPixels:
    """One to four neighbouring columns that read nothing or too much, in one band or in all."""
    width, place = int(rng.integers(1, 5)), float(rng.uniform(0.15, 0.8))
    bands = np.arange(3) if rng.random() < 0.4 else rng.permutation(3)[:1]
    level = float(rng.uniform(15, 60)) if rng.random() < 0.5 else float(rng.uniform(-25, -8))

    def spoil(image: np.ndarray, sky_sigma: np.ndarray, _fwhm_px: float) -> np.ndarray:
        first = int(place * image.shape[-1])
        for band in bands:
            image[band, :, first : first + width] = level * sky_sigma[band]
        return image

    return spoil


def _bleed(rng: np.random.Generator) -> ArtefactPixels:
    """A star of r 11 to 13: full wells in its core, and their charge along the columns."""
    x, y = rng.uniform(-16, 16, 2)
    star_flux = star(rng, float(10 ** (0.4 * (22.5 - rng.uniform(11.0, 13.0)))), 0, 0).flux
    length = float(rng.uniform(0.35, 1.0))

    def spoil(image: np.ndarray, _sky_sigma: np.ndarray, fwhm_px: float) -> np.ndarray:
        size = image.shape[-1]
        axis = np.arange(size) - (size - 1) / 2
        radius2 = (axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2
        core = (fwhm_px / 2.355) ** 2
        # Moffat wings (beta = 2.5): the halo of a bright star reaches far beyond the core.
        gamma2 = core * 2.355**2 / 4 / (2 ** (1 / 2.5) - 1)
        shape = 1.5 / (np.pi * gamma2) * (1 + radius2 / gamma2) ** -2.5
        for band, light in enumerate(star_flux):
            image[band] += (light * shape).astype(image.dtype)
            full_well = 60.0 * (0.75, 1.0, 1.25)[band]
            full = image[band] > full_well
            overfull = np.flatnonzero(full.sum(axis=0) >= 3)
            reach = np.abs(axis - y) < length * size * (0.6 + 0.03 * band)
            for column in overfull:
                if abs(axis[column] - x) <= 1.5:
                    full[:, column] |= reach
            image[band][full] = full_well
        return image

    return spoil
