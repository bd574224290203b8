"""Galaxies seen by four cameras each, a twentieth of the views spoilt, as FITS files in tar files.

A galaxy is an oblate bulge, a thin disc and knots along its arms, in three dimensions; the cameras
stand at the corners of a tetrahedron. Each view lies elsewhere in the survey: it has its own
seeing, noise and chance neighbours, and its own artefact if it has one. Depth, seeing and counts
are those of the survey `simulated` in r (core/survey/demos).

Extent and strength of the artefacts are drawn over wide ranges, mostly evenly in the logarithm:
from what no one would see to what leaves nothing of the galaxy. No threshold of the artefact flags
is a limit of any range.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from core.survey.demos._population import Arms, draw_magnitude, draw_neighbours
from core.survey.demos._profiles import BLOB, Component, Psf, double_gaussian_psf, render
from core.survey.demos.simulated import (
    ELECTRONS_PER_NANOMAGGY,
    FWHM_R_ARCSEC,
    PIXEL_SCALE_ARCSEC,
    SKY_SIGMA,
)

SIZE_PX = 64
VIEWS = 4
TAR_GALAXIES = 200
SHARE = 0.05
GOOD = "good"
KINDS = {"missing": 0.4, "bleed": 0.15, "trail": 0.15, "cosmic": 0.15, "edge": 0.15}
"""Kinds of artefacts and their parts of all; what lies beyond the tiles is the most frequent."""

_CAMERAS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
_SIGMA = float(SKY_SIGMA[1])
_ELECTRONS = float(ELECTRONS_PER_NANOMAGGY[1])
_EARLY_SHARE = 0.35

Array = NDArray[np.float64]
Picture = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """One picture: its id ("sim_000012_cam3"), its galaxy, its camera, and what spoils it."""

    object_id: str
    galaxy: int
    camera: int
    kind: str


def counts_of(n_views: int) -> dict[str, int]:
    """How many of so many views have each kind of artefact; they add up to 5 %."""
    n_spoilt = round(SHARE * n_views)
    counts = {kind: round(part * n_spoilt) for kind, part in KINDS.items()}
    counts["missing"] += n_spoilt - sum(counts.values())
    return counts


def deal_out(n_galaxies: int, seed: int) -> list[View]:
    """The views of so many galaxies in order, their artefacts shuffled over all of them."""
    n_views = VIEWS * n_galaxies
    kinds = [kind for kind, count in counts_of(n_views).items() for _ in range(count)]
    kinds += [GOOD] * (n_views - len(kinds))
    order = np.random.default_rng([seed, 0]).permutation(n_views)
    return [
        View(f"sim_{n // VIEWS:06d}_cam{n % VIEWS}", n // VIEWS, n % VIEWS, kinds[order[n]])
        for n in range(n_views)
    ]


def write_tars(folder: Path, views: list[View], seed: int) -> None:
    """The views as FITS files in tar files of 200 galaxies each."""
    folder.mkdir(parents=True)
    per_tar = VIEWS * TAR_GALAXIES
    for start in range(0, len(views), per_tar):
        with tarfile.open(folder / f"galaxies_{start // per_tar:03d}.tar", "w") as tar:
            for view in views[start : start + per_tar]:
                header = fits.Header({"BUNIT": "nanomaggy", "FILTER": "r", "CAMERA": view.camera})
                content = io.BytesIO()
                fits.PrimaryHDU(picture(view, seed), header).writeto(content)
                member = tarfile.TarInfo(f"{view.object_id}.fits")
                member.size = content.tell()
                content.seek(0)
                tar.addfile(member, content)


def picture(view: View, seed: int) -> Picture:
    """(y, x) float32 of a view, nanomaggies a pixel, sky subtracted."""
    rng = np.random.default_rng([seed, 1, VIEWS * view.galaxy + view.camera])
    psf = _draw_psf(rng)
    parts = _seen(view.galaxy, view.camera, seed)
    parts += draw_neighbours(rng, SIZE_PX * PIXEL_SCALE_ARCSEC / 2)
    in_r = [replace(part, flux=part.flux[1:2]) for part in parts]
    image: Picture = render(in_r, psf, SIZE_PX, PIXEL_SCALE_ARCSEC)[0]
    variance = _SIGMA**2 + np.maximum(image, 0) / _ELECTRONS
    image = image + (rng.standard_normal(image.shape) * np.sqrt(variance)).astype(np.float32)
    if view.kind != GOOD:
        image = SPOIL[view.kind](rng, image, float(psf.fwhm_arcsec[0]) / PIXEL_SCALE_ARCSEC)
    return image


def _draw_psf(rng: np.random.Generator) -> Psf:
    fwhm = np.array([rng.uniform(*FWHM_R_ARCSEC)])
    ellipticity = min(float(rng.rayleigh(0.03)), 0.12)
    return double_gaussian_psf(fwhm, ellipticity, float(rng.uniform(0, np.pi)))


def _seen(galaxy: int, camera: int, seed: int) -> list[Component]:
    """The parts of a galaxy as a camera sees them; its draws are the same for all four."""
    rng = np.random.default_rng([seed, 2, galaxy])
    magnitude = draw_magnitude(rng)
    light = float(10 ** (0.4 * (22.5 - magnitude)))
    radius = float(np.clip(10 ** rng.normal(0.45 - 0.13 * (magnitude - 17), 0.15), 0.7, 6.0))
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]  # two axes in the disc, its pole
    plane, pole = frame[:, :2], frame[:, 2]
    sight = _CAMERAS[camera]
    right = np.cross(sight, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    screen = np.stack([right, np.cross(sight, right)])

    def part(share: float, n: float, size: float, thickness: float) -> Component:
        """An oblate spheroid; what is seen of its pole lies along the minor axis."""
        tilt = float(pole @ sight) ** 2
        axis_ratio = float(np.sqrt(tilt + (1 - tilt) * thickness**2))
        x, y = screen @ pole
        angle = float(np.arctan2(y, x) + np.pi / 2)
        return Component(_grey(share * light), 0, 0, n, size, axis_ratio, angle)

    if rng.random() < _EARLY_SHARE:
        return [part(1.0, float(rng.uniform(2.5, 5.0)), radius, float(rng.uniform(0.4, 0.9)))]
    bulge, knots = float(rng.beta(1.3, 4.0) * 0.6 + 0.02), float(rng.uniform(0.0, 0.15))
    parts = [
        part(bulge, float(rng.uniform(1, 4)), radius * float(rng.uniform(0.15, 0.35)), 0.7),
        part(1 - bulge - knots, 1.0, radius, 0.2),
    ]
    arms = Arms.draw(rng)
    shares = rng.dirichlet(np.full(int(rng.integers(8, 25)), 3.0))
    for number, share in enumerate(shares):
        out = float(rng.uniform(0.5, 3.0))
        azimuth = arms.azimuth(out, number % arms.number) + float(rng.normal(0, 0.2))
        in_disc = out * radius / 1.678 * np.array([np.cos(azimuth), np.sin(azimuth)])
        x, y = screen @ (plane @ in_disc)
        sigma = float(rng.uniform(0.2, 0.6))
        parts.append(Component(_grey(knots * share * light), x, y, BLOB, sigma))
    return parts


def _grey(flux: float) -> Array:
    return np.full(3, flux)


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _grid(side: int) -> tuple[Array, Array]:
    """(y, x) from the middle, pixels."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return y, x


def _along(rng: np.random.Generator, side: int, straight: float) -> Array:
    """(y, x) positions along a direction, which is that of an axis in `straight` of all cases."""
    turn = float(rng.integers(4)) * np.pi / 2
    turn += float(rng.normal(0, 0.5)) if rng.random() > straight else 0.0
    y, x = _grid(side)
    return np.asarray(x * np.cos(turn) + y * np.sin(turn))


def _missing(rng: np.random.Generator, image: Picture, _fwhm_px: float) -> Picture:
    """Exact zeros: beyond the border of a tile (1 % of the picture to all of it), or as one to
    four round holes, as masks of bright stars leave them."""
    out = image.copy()
    if rng.random() < 0.7:
        place = _along(rng, len(image), straight=0.6)
        share = 1.0 if rng.random() < 0.15 else _log(rng, 0.01, 1.0)
        out[place >= np.quantile(place, 1 - share)] = 0
        return out
    y, x = _grid(len(image))
    for _ in range(int(rng.integers(1, 5))):
        down, across = rng.uniform(-32, 32, 2)
        out[np.hypot(y - down, x - across) < _log(rng, 1.5, 20)] = 0
    return out


def _bleed(rng: np.random.Generator, image: Picture, fwhm_px: float) -> Picture:
    """A star of r 10 to 16, in the picture or up to 8 px beside it: cut at a full well of 5 to
    90 % of its peak, with its charge along the columns."""
    side = len(image)
    y, x = _grid(side)
    down, across = rng.uniform(-side / 2 - 8, side / 2 + 8, 2)
    light = 10 ** (0.4 * (22.5 - rng.uniform(10.0, 16.0)))
    # Moffat wings (beta = 2.5), as in core/survey/demos/_rarities.py.
    gamma2 = fwhm_px**2 / 4 / (2 ** (1 / 2.5) - 1)
    peak = light * 1.5 / (np.pi * gamma2)
    star = peak * (1 + ((y - down) ** 2 + (x - across) ** 2) / gamma2) ** -2.5
    well = peak * _log(rng, 0.05, 0.9)
    reach, width = _log(rng, 2.0, side), float(rng.uniform(0.6, 3.0))
    column = (np.abs(x - across) < width) & (np.abs(y - down) < reach)
    return np.minimum(np.where(column, well, image + star), well).astype(np.float32)


def _trail(rng: np.random.Generator, image: Picture, fwhm_px: float) -> Picture:
    """A straight line of 1 to 40 sigma, 1 to 4 times as wide as the seeing; one in four ends in
    the picture."""
    y, x = _grid(len(image))
    turn, miss = float(rng.uniform(0, np.pi)), float(rng.uniform(-28, 28))
    across = x * np.sin(turn) - y * np.cos(turn) - miss
    width = fwhm_px / 2.355 * _log(rng, 1.0, 4.0)
    line = _log(rng, 1.0, 40.0) * _SIGMA * np.exp(-(across**2) / (2 * width**2))
    if rng.random() < 0.25:
        line *= x * np.cos(turn) + y * np.sin(turn) > rng.uniform(-20, 20)
    return (image + line).astype(np.float32)


def _cosmic(rng: np.random.Generator, image: Picture, _fwhm_px: float) -> Picture:
    """1 to 30 hits of 1 to 25 px length and one pixel's width, 4 to 300 sigma each, unsmoothed."""
    out = image.copy()
    side = len(image)
    for _ in range(round(_log(rng, 1.0, 30.0))):
        steps = np.arange(0, _log(rng, 1.0, 25.0), 0.5)
        turn, down, across = rng.uniform(0, 2 * np.pi), *rng.uniform(0, side, 2)
        hit = np.stack([down + steps * np.sin(turn), across + steps * np.cos(turn)]).astype(int)
        hit = np.unique(hit[:, ((hit >= 0) & (hit < side)).all(axis=0)], axis=1)
        out[hit[0], hit[1]] += np.float32(_log(rng, 4.0, 300.0) * _SIGMA)
    return out


def _edge(rng: np.random.Generator, image: Picture, _fwhm_px: float) -> Picture:
    """The level steps by 0.3 to 15 sigma where two exposures meet, every second time with up to
    2.5 times the noise beyond."""
    place = _along(rng, len(image), straight=0.8)
    beyond = place > np.quantile(place, rng.uniform(0.1, 0.9))
    step = _log(rng, 0.3, 15.0) * _SIGMA * (1 if rng.random() < 0.5 else -1)
    more = float(rng.uniform(1.0, 2.5)) if rng.random() < 0.5 else 1.0
    noise = _SIGMA * np.sqrt(more**2 - 1) * rng.standard_normal(image.shape)
    return (image + np.where(beyond, step + noise, 0)).astype(np.float32)


SPOIL: dict[str, Callable[[np.random.Generator, Picture, float], Picture]] = {
    "missing": _missing,
    "bleed": _bleed,
    "trail": _trail,
    "cosmic": _cosmic,
    "edge": _edge,
}
