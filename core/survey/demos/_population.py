"""The ordinary sky of the simulated survey: galaxies, stars, and what lies near them by chance.

Every function takes a random generator and returns parts to be rendered. Magnitudes are AB,
fluxes nanomaggies (zero point 22.5) in the bands g, r, i; lengths are arcsec.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import i0

from core.survey.demos._profiles import BLOB, Component, Painted

BRIGHTEST_R, FAINTEST_R = 15.5, 19.5
COUNT_SLOPE = 0.2
"""log10 N(r) grows by this per magnitude: below the Euclidean 0.6, as a sample that is chosen
by angular size has it; half of the objects are brighter than r = 18.3."""

STAR_SHARE = 0.07
"""Stars among the ordinary objects: what star-galaxy separation lets through."""

EARLY_SHARE = 0.35

NUCLEUS_SHARE = 0.3
"""Ordinary galaxies with a nucleus of their own, besides the bulge."""

NEIGHBOURS_MEAN = 0.8
NEIGHBOUR_DISTANCE_ARCSEC = 6.5
"""Chance sources are as frequent as counts at r < 22.5 make them in 25 arcsec, but keep this
distance so that an ordinary object is not a double by chance."""


@dataclass
class Scene:
    """What one cutout shows: smooth parts, and parts that have to be painted."""

    components: list[Component] = field(default_factory=list)
    painted: list[Painted] = field(default_factory=list)


@dataclass(frozen=True)
class Galaxy:
    """A host galaxy: what the recipes have to know to put something on it.

    Attributes
    ----------
    magnitude_r
        Total r magnitude of bulge and disc.
    radius_arcsec
        Half-light radius along the major axis (of the disc, where there is one).
    early
        Elliptical or lenticular, without young stars.
    nuclear_g_r, nuclear_r_i
        Colours of its central stars.
    x, y
        Its centre.
    """

    magnitude_r: float
    radius_arcsec: float
    axis_ratio: float
    angle: float
    early: bool
    nuclear_g_r: float
    nuclear_r_i: float
    x: float
    y: float
    scene: Scene

    @property
    def flux_r(self) -> float:
        return float(10 ** (0.4 * (22.5 - self.magnitude_r)))

    def on_disc(self, radius: float, azimuth: float) -> tuple[float, float]:
        """Return the place in the sky of a point in the galaxy's plane (radius in arcsec)."""
        along, across = radius * np.cos(azimuth), radius * np.sin(azimuth) * self.axis_ratio
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return self.x + along * cos - across * sin, self.y + along * sin + across * cos


def flux(flux_r: float, g_r: float, r_i: float) -> np.ndarray:
    """Return (3,) fluxes in g, r, i from the r flux and two colours in magnitudes."""
    return flux_r * np.array([10 ** (-0.4 * g_r), 1.0, 10 ** (0.4 * r_i)])


def draw_magnitude(rng: np.random.Generator) -> float:
    """Draw an r magnitude from the counts 10^(slope * r) between the limits."""
    low, high = (10 ** (COUNT_SLOPE * limit) for limit in (BRIGHTEST_R, FAINTEST_R))
    return float(np.log10(rng.uniform(low, high)) / COUNT_SLOPE)


def draw_centre(rng: np.random.Generator) -> tuple[float, float]:
    """Draw where a catalogue position ends up in its cutout: a third of a pixel off."""
    x, y = rng.normal(0, 0.13, 2)
    return float(x), float(y)


def draw_galaxy(rng: np.random.Generator, *, disc: bool = False) -> Galaxy:
    """Draw an ordinary galaxy; `disc` asks for one with a disc that is not edge-on.

    Sizes: log10 of the half-light radius is normal (0.15 dex) about 2.8 arcsec at r = 17,
    0.13 dex smaller per magnitude. Discs are inclined at random (thickness 0.2),
    ellipticals have axis ratios of 0.5 to 1. Colours follow a red sequence that reddens
    with magnitude (redshift) and a bluer, broader cloud of discs with redder bulges.
    """
    early = not disc and rng.random() < EARLY_SHARE
    magnitude = draw_magnitude(rng)
    mean = 0.45 - 0.13 * (magnitude - 17)
    radius = float(np.clip(10 ** rng.normal(mean, 0.15), 0.7, 6.0))
    angle = float(rng.uniform(0, np.pi))
    x, y = draw_centre(rng)
    red_g_r = 0.78 + 0.07 * (magnitude - 16) + rng.normal(0, 0.05)
    red_r_i = 0.37 + 0.015 * (magnitude - 16) + rng.normal(0, 0.025)
    if early:
        axis_ratio = float(0.5 + 0.5 * rng.beta(2.0, 1.5))
    else:
        cos_inclination = rng.uniform(0.45 if disc else 0.0, 1.0)
        axis_ratio = float(np.sqrt(cos_inclination**2 * 0.96 + 0.04))
    galaxy = Galaxy(
        magnitude, radius, axis_ratio, angle, early, float(red_g_r), float(red_r_i), x, y, Scene()
    )
    (_fill_early if early else _fill_late)(rng, galaxy)
    return galaxy


def _fill_early(rng: np.random.Generator, galaxy: Galaxy) -> None:
    """An elliptical (one Sersic profile, n 2.5 to 5) or, one in three, a lenticular."""
    total = flux(galaxy.flux_r, galaxy.nuclear_g_r, galaxy.nuclear_r_i)
    x, y, radius = galaxy.x, galaxy.y, galaxy.radius_arcsec
    axis_ratio, angle = galaxy.axis_ratio, galaxy.angle
    parts = galaxy.scene.components
    if rng.random() < 2 / 3:
        n = float(rng.uniform(2.5, 5.0))
        parts.append(Component(total, x, y, n, radius, axis_ratio, angle))
        return
    bulge, roundness = rng.uniform(0.35, 0.7), max(axis_ratio, 0.7)
    parts.append(Component(total * bulge, x, y, 3.0, 0.5 * radius, roundness, angle))
    parts.append(Component(total * (1 - bulge), x, y, 1.0, 1.3 * radius, axis_ratio, angle))


def _fill_late(rng: np.random.Generator, galaxy: Galaxy) -> None:
    """A disc (n = 1) with a bulge of 2 to 45 % of the light, a bar, arms, knots along them."""
    bulge = float(rng.beta(1.3, 4.0) * 0.6 + 0.02)
    disc_g_r = galaxy.nuclear_g_r - rng.normal(0.38, 0.1) + 0.25 * bulge
    disc_r_i = galaxy.nuclear_r_i - rng.normal(0.15, 0.05) + 0.1 * bulge
    knots = float(rng.uniform(0.0, 0.06)) if rng.random() < 0.5 else 0.0
    disc_light = galaxy.flux_r * (1 - bulge - knots)
    parts = galaxy.scene.components
    x, y, angle = galaxy.x, galaxy.y, galaxy.angle
    bulge_flux = flux(galaxy.flux_r * bulge, galaxy.nuclear_g_r, galaxy.nuclear_r_i)
    bulge_radius = galaxy.radius_arcsec * rng.uniform(0.15, 0.35)
    n = float(rng.uniform(1.0, 4.0))
    if rng.random() < 0.3:  # barred
        tilt = angle + (rng.uniform(0, np.pi) if galaxy.axis_ratio > 0.5 else 0.0)
        bar = 1.6 * bulge_radius
        parts.append(Component(0.5 * bulge_flux, x, y, BLOB, bar, 0.35, tilt))
        bulge_flux = 0.5 * bulge_flux
    roundness = max(galaxy.axis_ratio, float(rng.uniform(0.6, 0.95)))
    parts.append(Component(bulge_flux, x, y, n, bulge_radius, roundness, angle))
    disc_flux = flux(disc_light, disc_g_r, disc_r_i)
    # Arms narrower than the seeing would be lost in it and alias on the painting grid.
    may_have_arms = galaxy.axis_ratio > 0.35 and galaxy.radius_arcsec > 1.2
    arms = Arms.draw(rng) if may_have_arms and rng.random() < 0.7 else None
    if arms is None:
        parts.append(
            Component(disc_flux, x, y, 1.0, galaxy.radius_arcsec, galaxy.axis_ratio, angle)
        )
    else:
        galaxy.scene.painted.append(_spiral_disc(galaxy, disc_flux, arms))
    if knots:
        parts.extend(_small_knots(rng, galaxy, knots, arms, disc_g_r))


@dataclass(frozen=True)
class Arms:
    """Logarithmic spiral arms: number, winding, phase and contrast per band."""

    number: int
    tan_pitch: float
    phase: float
    contrast: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Arms:
        pitch = np.deg2rad(rng.uniform(12, 32)) * rng.choice([-1, 1])
        contrast = rng.uniform(0.7, 2.2) * np.array([1.15, 1.0, 0.85])
        number = int(rng.choice([2, 2, 2, 3, 4]))
        return cls(number, float(np.tan(pitch)), float(rng.uniform(0, 2 * np.pi)), contrast)

    def azimuth(self, radius: float, arm: int) -> float:
        """Return where the ridge of an arm lies at this radius (in scale lengths)."""
        return (self.phase + 2 * np.pi * arm) / self.number + np.log(radius) / self.tan_pitch


def _spiral_disc(galaxy: Galaxy, disc_flux: np.ndarray, arms: Arms) -> Painted:
    """An exponential disc whose light each ring shares out among the arms.

    The von Mises profile exp(k cos) / I0(k) averages to one round any ring, so that arms
    neither add nor take light. They fade in from the centre.
    """
    scale = galaxy.radius_arcsec / 1.678  # half-light radius of an exponential
    cos, sin, q = np.cos(galaxy.angle), np.sin(galaxy.angle), galaxy.axis_ratio
    centre = disc_flux / (2 * np.pi * scale**2 * q)

    def brightness(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dx, dy = (x - galaxy.x).astype("f4"), (y - galaxy.y).astype("f4")
        along, across = dx * cos + dy * sin, (dy * cos - dx * sin) / q
        radius = np.hypot(along, across) / scale
        theta = np.arctan2(across, along)
        winding = np.log(np.maximum(radius, 0.3)) / arms.tan_pitch
        wave = np.cos(arms.number * (theta - winding) - arms.phase)
        wave *= 1 - np.exp(-((radius / 0.9) ** 2))
        smooth = np.exp(-radius)
        # The ring's mean, I0, is looked up: it is a function of the radius alone.
        rings = np.linspace(0, 5, 501)
        grown = 1 - np.exp(-((rings / 0.9) ** 2))
        return np.stack(
            [
                smooth * np.exp(k * wave) * np.interp(radius, rings, peak / i0(k * grown))
                for peak, k in zip(centre, arms.contrast, strict=True)
            ]
        )

    # The cusp of a small disc needs the finer grid to keep its flux within 2 %.
    return Painted(brightness, oversampling=2 if scale * q > 0.6 else 3)


def _small_knots(
    rng: np.random.Generator, galaxy: Galaxy, share: float, arms: Arms | None, disc_g_r: float
) -> list[Component]:
    """Ordinary H II regions: 4 to 11 faint knots, each below 1.5 % of the light."""
    scale = galaxy.radius_arcsec / 1.678
    parts = []
    number = int(rng.integers(4, 12))
    for part in rng.dirichlet(np.full(number, 3.0)):
        radius = float(rng.uniform(0.7, 3.0))
        azimuth = rng.uniform(0, 2 * np.pi)
        if arms is not None:
            azimuth = arms.azimuth(radius, int(rng.integers(arms.number))) + rng.normal(0, 0.2)
        x, y = galaxy.on_disc(radius * scale, float(azimuth))
        light = flux(galaxy.flux_r * min(share * part, 0.015), disc_g_r - 0.35, 0.0)
        parts.append(Component(light, x, y, BLOB, float(rng.uniform(0.2, 0.45))))
    return parts


def draw_nucleus_colour(rng: np.random.Generator, galaxy: Galaxy) -> tuple[float, float]:
    """Draw g-r and r-i of a nucleus: of the central stars, one in four bluer by an AGN."""
    blue = rng.random() < 0.25
    g_r = galaxy.nuclear_g_r + rng.normal(-0.25 if blue else 0.0, 0.07)
    r_i = galaxy.nuclear_r_i + rng.normal(-0.08 if blue else 0.0, 0.04)
    return float(g_r), float(r_i)


def nucleus(
    rng: np.random.Generator, galaxy: Galaxy, flux_r: float, x: float, y: float
) -> Component:
    """A nucleus at (x, y): a point or, every second time, a tiny bulge of 0.15 to 0.4 arcsec."""
    light = flux(flux_r, *draw_nucleus_colour(rng, galaxy))
    if rng.random() < 0.5:
        return Component(light, x, y)
    return Component(light, x, y, 2.0, float(rng.uniform(0.15, 0.4)))


def draw_ordinary(rng: np.random.Generator) -> Scene:
    """A galaxy, with or without a nucleus, or a star."""
    if rng.random() < STAR_SHARE:
        x, y = draw_centre(rng)
        return Scene([star(rng, float(10 ** (0.4 * (22.5 - draw_magnitude(rng)))), x, y)])
    galaxy = draw_galaxy(rng)
    if rng.random() < NUCLEUS_SHARE:
        light = galaxy.flux_r * rng.uniform(0.02, 0.3)
        galaxy.scene.components.append(nucleus(rng, galaxy, light, galaxy.x, galaxy.y))
    return galaxy.scene


def star(rng: np.random.Generator, flux_r: float, x: float, y: float) -> Component:
    """A point with colours on the stellar locus: 45 % halo and disc F to K, 55 % M dwarfs.

    The two peaks in g-r and the locus are those of SDSS stars at r = 18 to 21 (Covey et al.
    2007, AJ 134, 2398).
    """
    if rng.random() < 0.45:
        g_r = float(np.clip(rng.normal(0.45, 0.13), 0.2, 1.2))
        r_i = 0.36 * g_r - 0.01 + rng.normal(0, 0.02)
    else:
        g_r = float(rng.normal(1.42, 0.06))
        r_i = float(rng.uniform(0.6, 1.6))
    return Component(flux(flux_r, g_r, float(r_i)), x, y)


def background_galaxy(rng: np.random.Generator, flux_r: float, x: float, y: float) -> Component:
    """A small galaxy at another distance: blue and faint, or red by its redshift."""
    if rng.random() < 0.6:
        g_r, r_i = rng.normal(0.45, 0.15), rng.normal(0.2, 0.1)
    else:
        g_r, r_i = rng.normal(1.45, 0.12), rng.normal(0.65, 0.1)
    radius = float(np.clip(10 ** rng.normal(-0.1, 0.15), 0.35, 1.6))
    n = float(rng.choice([1.0, 1.0, 2.0, 4.0]))
    axis_ratio, angle = float(rng.uniform(0.3, 1)), float(rng.uniform(0, np.pi))
    return Component(flux(flux_r, float(g_r), float(r_i)), x, y, n, radius, axis_ratio, angle)


def draw_neighbours(rng: np.random.Generator, half_width_arcsec: float) -> list[Component]:
    """Chance sources down to r = 22.5 away from the centre, four in five of them galaxies."""
    parts = []
    for _ in range(int(rng.poisson(NEIGHBOURS_MEAN))):
        x, y = rng.uniform(-half_width_arcsec - 1, half_width_arcsec + 1, 2)
        if np.hypot(x, y) < NEIGHBOUR_DISTANCE_ARCSEC:
            continue
        magnitude = 22.5 - rng.exponential(1 / (0.35 * np.log(10)))
        light = float(10 ** (0.4 * (22.5 - max(magnitude, 18.5))))
        kind = background_galaxy if rng.random() < 0.8 else star
        parts.append(kind(rng, light, float(x), float(y)))
    return parts
