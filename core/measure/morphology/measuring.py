"""Morphology of many objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from core.errors import BadInput
from core.measure.morphology import apertures, light
from core.measure.morphology.peaks import Peaks, find_peaks, noise_left
from core.measure.morphology.quantities import (
    Bools,
    Floats,
    Morphology,
    Quantity,
    band_words,
    quantities,
)
from core.measure.morphology.recentring import (
    centroid,
    recentred,
    smoothed,
    smoothed_over_gaps,
    symmetry_centre,
)
from core.measure.morphology.region import Pixels, Regions, find_regions
from core.measure.morphology.sky import Skyless, without_sky

SMALLEST_PX = 8
"""A smaller picture has no room for a sky and an object: nothing of it is measured."""

LARGEST_PX = 256
"""The pixels of a larger picture are averaged in squares first, to no more than this."""

_FINE, _COARSE, _COARSEST = 1.0, 2.0, 4.0
_AT_ONCE = 2**20
_RESIDUAL_SIGMA = 3.0
_NOISE_OF_SMOOTHED = float(1 / (2 * np.sqrt(np.pi) * _FINE))
_COLOUR_SNR = 2.0
"""A colour needs so much light in both bands."""

Numbers = dict[str, NDArray[Any]]


def measure_morphology(
    images: NDArray[Any], *, bands: Sequence[str] | None = None, sky: Any = None, sigma: Any = None
) -> Morphology:
    """Numbers of shape, light and colour of the object in the middle of each picture.

    Parameters
    ----------
    images
        (B, band, y, x) in native pixels, of whole numbers or floats; NaN and infinities are
        pixels without a value.
    bands
        Their names, for those of the numbers; 1, 2, ... when left out.
    sky, sigma
        Level and noise of the sky, a number or one a band; measured at the border of each
        picture when left out.

    Returns
    -------
    Morphology
        `quantities(bands)` of each; NaN and False in the mask for what cannot be measured.

    Notes
    -----
    The object is the region of the bands' sum (each over its noise) that stands out of the sky
    near the middle. Concentration, asymmetry and smoothness follow Conselice 2003 (ApJS 147, 1),
    Gini and M20 Lotz et al. 2004 (AJ 128, 163), shape asymmetry Pawlik et al. 2016 (MNRAS 456,
    3032). Pictures are measured one by one: the batch is for speed.

    Raises
    ------
    BadInput
        It is not (B, band, y, x).
    """
    images = np.asarray(images)
    if images.ndim != 4 or not images.shape[1] or images.dtype.kind not in "uif":
        raise BadInput(
            "Morphology is measured in numbers of shape (object, band, y, x), but came"
            f" {images.dtype} of shape {images.shape}; give one picture as images[None]."
        )
    names = tuple(bands) if bands is not None else tuple(map(str, range(1, images.shape[1] + 1)))
    columns = quantities(names)
    values = np.full((len(images), len(columns)), np.nan, np.float32)
    if min(images.shape[2:]) >= SMALLEST_PX:
        side = -(-max(images.shape[2:]) // LARGEST_PX)
        step = max(1, _AT_ONCE // ((images.shape[1] + 3) * images[0, 0].size // side**2))
        for start in range(0, len(images), step):
            part = _binned(images[start : start + step], side)
            noise = None if sigma is None else np.asarray(sigma, np.float64) / side
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                numbers = _measured(part, names, sky, noise)
            for place, one in enumerate(columns):
                scale = float(side) ** _power_of_side(one)
                values[start : start + step, place] = numbers[one.name] * scale
    values[~np.isfinite(values)] = np.nan
    return Morphology(columns, values, np.isfinite(values))


def _power_of_side(one: Quantity) -> int:
    """What a number of averaged pixels is multiplied by, so that it is one of the picture's own:
    a power of the side of the squares. The mean of a square has the noise of a pixel over it."""
    if one.unit == "px" or one.name.startswith("noise_"):
        return 1
    if one.name == "surface_brightness":
        return -1
    return 2 if one.name.startswith("flux_") and one.unit else 0


def _binned(images: NDArray[Any], side: int) -> NDArray[Any]:
    """Means of squares of pixels, of those that have a value; NaN where none has."""
    if side == 1:
        return images
    count, bands, height, width = images.shape
    height, width = height // side, width // side
    cut = images[:, :, : height * side, : width * side].astype(np.float64)
    squares = cut.reshape(count, bands, height, side, width, side)
    there = np.isfinite(squares)
    total = np.where(there, squares, 0).sum(axis=(3, 5))
    n = there.sum(axis=(3, 5))
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


@dataclass(frozen=True)
class _Scene:
    """What the numbers are read off: pictures as they came and recentred.

    `light` (B, 1 + band, y, x) is recentred: the sum, then each band; `there` (B, y, x) its
    pixels that have a value; `noise` (B,) what is left of a noise of 1 a pixel.
    """

    skyless: Skyless
    regions: Regions
    pixels: Pixels
    white: Floats
    light: Floats
    there: Floats
    shape: Floats
    noise: Floats
    y: Floats
    x: Floats
    r: NDArray[np.float64]


def _measured(images: NDArray[Any], bands: tuple[str, ...], sky: Any, sigma: Any) -> Numbers:
    skyless = without_sky(images, sky, sigma)
    several = images.shape[1] > 1
    good: Bools = np.any(skyless.good, axis=1)
    usable = (skyless.good & skyless.varies[..., None, None]).sum(axis=1)
    white = skyless.z.sum(axis=1) / np.sqrt(np.maximum(usable, 1), dtype=np.float32)
    fine, coarse, coarsest = (
        smoothed_over_gaps(white, good, scale) for scale in (_FINE, _COARSE, _COARSEST)
    )
    grain = _grain(fine)
    regions = find_regions(np.where(good, fine, 0), grain)
    pixels = Pixels.of(regions.inside)
    start, (y, x) = _centres(fine, pixels)
    stack = [white[:, None], *([skyless.z] if several else [])]
    stack += [good[:, None], regions.inside[:, None]]
    moved, kept = recentred(np.concatenate(stack, axis=1, dtype=np.float32), y, x)
    there = (moved[:, -2] > 0.5).astype(np.float32)
    there *= there[:, ::-1, ::-1]
    scene = _Scene(
        skyless,
        regions,
        pixels,
        white,
        moved[:, :-2],
        there,
        (moved[:, -1] > 0.5).astype(np.float32),
        kept,
        y,
        x,
        apertures.radii(*white.shape[1:]),
    )
    numbers = _profile(scene, moved[:, -2])
    numbers |= _spread(scene, fine, numbers)
    numbers |= _symmetry(scene, numbers)
    nuclei = find_peaks(fine, coarse, regions.inside, _grown(grain, _FINE, _COARSE))
    clumps = find_peaks(coarse, coarsest, regions.inside, _grown(grain, _COARSE, _COARSEST))
    numbers |= _nuclei(nuclei, clumps)
    away = np.hypot(nuclei.y - start[0], nuclei.x - start[1])
    numbers["nucleus_offset"] = away / numbers["r50"][:, 0]
    return _named(scene, numbers, bands)


def _centres(fine: Floats, pixels: Pixels) -> tuple[NDArray[Any], NDArray[Any]]:
    """(2, B) y and x of the centroids and of the centres of symmetry."""
    start, found = np.empty((2, 2, len(fine)), np.float32)
    for rows, part in pixels.by_size():
        start[:, rows] = centroid(part, np.maximum(part.values(fine), 0))
        found[:, rows] = symmetry_centre(fine, part, *start[:, rows])
    return start, found


def _grain(fine: Floats) -> Floats:
    """(B,) noise of smoothed pictures: of white noise, or more where theirs is correlated.

    Correlated noise is told by the lower half of the border, which sources do not reach.
    """
    deep = max(2, min(fine.shape[1:]) // 16)
    ring = np.concatenate(
        [
            fine[:, :deep].reshape(len(fine), -1),
            fine[:, -deep:].reshape(len(fine), -1),
            fine[:, deep:-deep, :deep].reshape(len(fine), -1),
            fine[:, deep:-deep, -deep:].reshape(len(fine), -1),
        ],
        axis=1,
    )
    ordered = np.sort(ring, axis=1)
    n = ring.shape[1]
    below = ordered[:, n // 2] - ordered[:, int(0.1587 * n)]
    return np.maximum(below, np.float32(_NOISE_OF_SMOOTHED))


def _grown(grain: Floats, fine: float, coarse: float) -> Floats:
    """Noise of a difference of smoothings, from that of the finest one."""
    ratio = noise_left(fine, coarse) / _NOISE_OF_SMOOTHED
    return grain * np.float32(ratio)


def _profile(scene: _Scene, good: Floats) -> Numbers:
    """Radii and light, (B, 1 + band) or (B,)."""
    height, width = scene.white.shape[1:]
    r = scene.r
    full = apertures.full_areas(height, width)
    area = apertures.within((good > 0.5).astype(np.float32))
    present = (good > 0.5).astype(np.float32)[:, None]
    curve = apertures.growth(apertures.within(scene.light * present), area[:, None], full)
    petrosian = apertures.petrosian(curve[:, 0], r)
    covered = np.sqrt(scene.regions.inside.sum(axis=(1, 2)) / np.pi)
    aperture = apertures.APERTURE_PETROSIAN * np.where(
        np.isfinite(petrosian), petrosian, np.maximum(covered, 1.5)
    )
    aperture = np.clip(aperture, 1.0, r[-1])
    each = np.broadcast_to(aperture[:, None], curve.shape[:2])
    total = apertures.at_radius(curve, r, each)
    r20, r50, r80 = (apertures.radius_of(curve, r, share * total) for share in (0.2, 0.5, 0.8))
    numbers = {"petrosian": petrosian, "aperture": aperture, "total": total}
    numbers |= {"r20": r20, "r50": r50, "r80": r80}
    numbers["concentration"] = 5 * np.log10(r80 / r20)
    half = np.nan_to_num(r50[:, :1], nan=1.0)
    inner = apertures.at_radius(curve, r, np.broadcast_to(half, curve.shape[:2]))
    numbers["inner"] = inner
    numbers["brightness"] = inner / (np.pi * half**2)
    numbers["snr"] = total / np.sqrt(np.pi * aperture[:, None] ** 2)
    numbers |= _slopes(curve[:, 0], r, r20[:, 0], r50[:, 0], r80[:, 0])
    return numbers


def _slopes(
    curve: NDArray[np.float64], r: NDArray[np.float64], *at: NDArray[np.float64]
) -> Numbers:
    """Slopes of the profile between r20, r50 and r80, from the mean brightness of the rings
    around them; and the Sersic index with these slopes, which go as r^(1 / n)."""
    edges = [at[0] * 0.6, np.sqrt(at[0] * at[1]), np.sqrt(at[1] * at[2]), at[2] * 1.25]
    sums = [apertures.at_radius(curve, r, np.nan_to_num(edge)) for edge in edges]
    rings = [
        (outer - inner) / (np.pi * (b**2 - a**2))
        for inner, outer, a, b in zip(sums, sums[1:], edges, edges[1:], strict=False)
    ]
    middles = [np.sqrt(a * b) for a, b in pairwise(edges)]
    logs = [np.log(np.where(ring > 0, ring, np.nan)) for ring in rings]
    inner = (logs[1] - logs[0]) / np.log(middles[1] / middles[0])
    outer = (logs[2] - logs[1]) / np.log(middles[2] / middles[1])
    steepens = (inner < 0) & (outer < inner)
    step = np.log(np.sqrt(middles[1] * middles[2]) / np.sqrt(middles[0] * middles[1]))
    index = step / np.log(np.where(steepens, outer / inner, np.nan))
    return {
        "inner_slope": inner,
        "outer_slope": outer,
        "sersic_n": np.where(steepens, np.clip(index, 0.1, 12.0), np.nan),
    }


def _spread(scene: _Scene, fine: Floats, numbers: Numbers) -> Numbers:
    """Gini and M20 (B, 1 + band) and moments (B,), over the object's pixels."""
    # Lotz et al.: pixels brighter than the profile at the Petrosian radius.
    limit = np.nan_to_num(_brightness_at(scene, numbers["petrosian"]), nan=-np.inf)
    planes = [scene.white, *(scene.skyless.z.swapaxes(0, 1) if scene.light.shape[1] > 1 else ())]
    count = len(scene.white)
    found: Numbers = {name: np.empty((count, len(planes))) for name in ("gini", "m20")}
    found |= {name: np.empty(count) for name in light.MOMENTS}
    for rows, pixels in scene.pixels.by_size():
        smooth = pixels.values(fine)
        real = pixels.real & (smooth >= limit[rows, None])
        for name, values in light.moments(np.maximum(smooth, 0), pixels).items():
            found[name][rows] = values
        for number, plane in enumerate(planes):
            taken = pixels.values(plane)
            found["gini"][rows, number] = light.gini(taken, real)
            found["m20"][rows, number] = light.m20(taken, pixels, real)
    found["region_share"] = scene.pixels.real.sum(axis=1) / scene.white[0].size
    return found


def _brightness_at(scene: _Scene, radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the sum's recentred light in a ring of a pixel either side of a radius."""
    known = np.nan_to_num(radius, nan=1.0)[:, None, None]
    distance = apertures.distances(*scene.white.shape[1:])
    ring = (np.abs(distance - known) <= 1) & (scene.there > 0)
    n = ring.sum(axis=(1, 2))
    mean = np.where(ring, scene.light[:, 0], 0).sum(axis=(1, 2)) / np.maximum(n, 1)
    return np.where(np.isfinite(radius) & (n > 0), mean, np.nan)


def _symmetry(scene: _Scene, numbers: Numbers) -> Numbers:
    """Asymmetries (B, 1 + band), smoothness and residuals (B,)."""
    r, aperture = scene.r, numbers["aperture"]
    there = scene.there[:, None]
    planes = scene.light * there
    unlike = planes - planes[..., ::-1, ::-1]
    sums = apertures.within(np.concatenate([np.abs(unlike), np.abs(planes), there], axis=1))
    each = np.broadcast_to(aperture[:, None], sums.shape[:2])
    at = apertures.at_radius(sums, r, each)
    n = planes.shape[1]
    # |a - b| of noise of 1 has the mean 2 / sqrt(pi).
    expected = 2 / np.sqrt(np.pi) * scene.noise[:, None] * at[:, -1:]
    found: Numbers = {
        "asymmetry": (at[:, :n] - expected) / np.where(at[:, n:-1] > 0, at[:, n:-1], np.nan)
    }
    turned = scene.shape[:, ::-1, ::-1]
    area = scene.shape.sum(axis=(1, 2))
    found["shape_asymmetry"] = np.abs(scene.shape - turned).sum(axis=(1, 2)) / (2 * area)
    inside = apertures.disc(scene.white.shape, aperture) & (scene.there > 0)
    found["smoothness"] = _smoothness(scene, planes[:, 0], numbers, inside)
    found |= _residuals(scene, planes[:, 0], unlike[:, 0], inside, numbers)
    return found


def _smoothness(
    scene: _Scene, plane: Floats, numbers: Numbers, inside: Bools
) -> NDArray[np.float64]:
    """Positive light beyond the smoothed picture between 0.25 and 1.5 Petrosian radii, less what
    noise has of it, over all the light (Lotz et al. 2004)."""
    petrosian = np.nan_to_num(numbers["petrosian"], nan=4.0)
    boxes = np.maximum(2 * np.floor(petrosian / 8 + 0.5).astype(np.int64) + 1, 3)
    over = np.empty(len(plane))
    kept = inside & ~apertures.disc(plane.shape, petrosian / 4)
    for box in np.unique(boxes):
        rows = boxes == box
        sharp = plane[rows] - uniform_filter(plane[rows], (0, box, box), mode="constant")
        # Moving the picture took some of its grain, but nothing of the mean of a box.
        noise = np.sqrt(np.maximum(scene.noise[rows] ** 2 - 1 / box**2, 0) / (2 * np.pi))
        positive = np.where(kept[rows], np.maximum(sharp, 0), 0).sum(axis=(1, 2))
        over[rows] = positive - noise * kept[rows].sum(axis=(1, 2))
    total = np.where(kept, np.abs(plane), 0).sum(axis=(1, 2))
    return np.where(total > 0, over / np.where(total > 0, total, 1), np.nan)


def _residuals(
    scene: _Scene, plane: Floats, unlike: Floats, inside: Bools, numbers: Numbers
) -> Numbers:
    """What is left when the symmetric part is taken away, smoothed over 1 px."""
    left = smoothed(unlike, _FINE)
    smooth = smoothed(plane, _FINE)
    noise = np.sqrt(2) * _NOISE_OF_SMOOTHED * scene.noise
    shown = np.where(inside, left, 0)
    flat = shown.reshape(len(shown), -1)
    at = flat.argmax(axis=1)
    tallest = flat[np.arange(len(flat)), at]
    distance = apertures.distances(*plane.shape[1:]).reshape(-1)[at]
    peak = np.where(inside, smooth, 0).max(axis=(1, 2))
    clear = shown > _RESIDUAL_SIGMA * noise[:, None, None]
    strong = tallest > _RESIDUAL_SIGMA * noise
    total = numbers["total"][:, 0]
    return {
        "residual_peak": tallest / np.where(peak > 0, peak, np.nan),
        "residual_snr": tallest / noise,
        "residual_radius": np.where(strong, distance / numbers["r50"][:, 0], np.nan),
        "residual_total": np.where(clear, shown, 0).sum(axis=(1, 2))
        / np.where(total > 0, total, np.nan),
    }


def _nuclei(nuclei: Peaks, clumps: Peaks) -> Numbers:
    return {
        "nuclei": nuclei.count,
        "separation": nuclei.separation,
        "flux_ratio": nuclei.ratio,
        "clumps": clumps.count,
        "clump_separation": clumps.separation,
        "clump_ratio": clumps.ratio,
    }


def _named(scene: _Scene, numbers: Numbers, bands: tuple[str, ...]) -> Numbers:
    """Everything by the names of `quantities`; NaN where no object was found."""
    found = scene.regions.found
    height, width = scene.white.shape[1:]
    out = {name: values if values.ndim == 1 else values[:, 0] for name, values in numbers.items()}
    out["surface_brightness"] = out.pop("brightness")
    out["centre_offset"] = np.hypot(scene.y - (height - 1) / 2, scene.x - (width - 1) / 2)
    out["neighbour_ratio"] = scene.regions.neighbour
    several = len(bands) > 1
    noise = np.where(scene.skyless.varies, scene.skyless.noise, np.nan)
    bright: Numbers = {}
    for number, word in enumerate(band_words(bands)):
        plane = number + 1 if several else 0
        here = found & scene.skyless.varies[:, number]
        bright[f"flux_{word}"] = numbers["total"][:, plane] * noise[:, number]
        bright[f"brightness_{word}"] = numbers["brightness"][:, plane] * noise[:, number]
        if several:
            for name in ("snr", "r50", "concentration", "asymmetry", "gini", "m20"):
                bright[f"{name}_{word}"] = np.where(here, numbers[name][:, plane], np.nan)
    if several:
        bright |= _colours(numbers, noise, bands)
    out = {name: np.where(found, values, np.nan) for name, values in (out | bright).items()}
    out["sources"] = np.where(scene.skyless.varies.any(axis=1), scene.regions.sources, np.nan)
    for number, word in enumerate(band_words(bands)):
        some = scene.skyless.good[:, number].any(axis=(1, 2))
        out[f"sky_{word}"] = np.where(some, scene.skyless.sky[:, number], np.nan)
        out[f"noise_{word}"] = noise[:, number]
    return out


def _colours(numbers: Numbers, noise: NDArray[np.float64], bands: tuple[str, ...]) -> Numbers:
    """Magnitudes between neighbouring bands, and those of the centre minus the outskirts."""
    total, inner = numbers["total"][:, 1:], numbers["inner"][:, 1:]
    outer = total - inner
    area = np.pi * numbers["aperture"] ** 2
    half = np.pi * np.nan_to_num(numbers["r50"][:, 0], nan=1.0) ** 2
    clear = [
        part > _COLOUR_SNR * np.sqrt(pixels)[:, None]
        for part, pixels in ((total, area), (inner, half), (outer, np.maximum(area - half, 1)))
    ]
    magnitudes = [
        np.where(enough, -2.5 * np.log10(np.where(enough, part * noise, 1)), np.nan)
        for part, enough in zip((total, inner, outer), clear, strict=True)
    ]
    words = band_words(bands)
    found: Numbers = {}
    for number, pair in enumerate(pairwise(words)):
        whole, centre, outskirts = (one[:, number] - one[:, number + 1] for one in magnitudes)
        found["colour_" + "_".join(pair)] = whole
        found["gradient_" + "_".join(pair)] = centre - outskirts
    return found
