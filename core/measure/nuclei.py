"""Nuclei: the local peak near a click, and peaks that are worth pointing out.

Peaks are looked for in the sharpened picture, its negative Laplacian smoothed by a Gaussian
(Marr & Hildreth 1980; photometric codes know it as the Mexican hat): a constant or sloping
background drops out, and a nucleus on the flank of a brighter one still has a peak of its own.
Arrays in, numbers out. Pixels count from 0 at the centre of the first one.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from photutils.centroids import centroid_quadratic
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

from core.measure.blends import measure_blend

SNAP_RADIUS_PX = 3.0

_SNAP_SIGNIFICANCE = 1.7
"""Above the highest peak that noise alone is likely to have within the radius: 4 for 3 px."""

_SUGGEST_SIGNIFICANCE = 6.0

_FAINTEST_SHARE = 0.04
"""A suggested peak has at least this share of the main one's height: below it the shot noise and
the spikes of a bright core, which the noise of the sky says nothing about, look like nuclei."""

_FIT_SIGNIFICANCE = 4.0
_ONE_PEAK = 0.5
"""Positions closer than this share of the scale are of the same peak."""

_NO_PEAK_OF_ITS_OWN = (
    "No second peak stands out beside the one next to it; the mark stays where it was put."
)

_BLENDED = 8.0
"""Nuclei closer than so many scales are fitted together."""

_SEARCH_SCALES_PX = (0.7, 1.0, 1.5, 2.2)
_MAX_SEARCHED_PX = 384
_REACH = 0.3
"""Suggested nuclei lie within this share of the cutout's side from its centre."""


@dataclass(frozen=True)
class Nucleus:
    """A position, x and y in pixels.

    `snapped` is False if it is where it was put; `note` then says why in a sentence.
    `significance` is the height of the sharpened peak over the noise around it, and of a measured
    nucleus its flux over the error of it; 0 without either. `flux` is in the picture's units,
    None if not measured. `scale_px` is the scale at which it was found.
    """

    x: float
    y: float
    snapped: bool
    significance: float = 0.0
    note: str = ""
    flux: float | None = None
    scale_px: float = 1.0


def summed(image: np.ndarray, sigma: Sequence[float], band: int | None = None) -> np.ndarray:
    """One picture (y, x) of floats from an image (band, y, x).

    The sum of all bands, each divided by its noise `sigma`, or one band in its own units. Where
    some bands have no value the others stand for them; NaN where none has.
    """
    values = np.asarray(image, dtype=np.float64)
    if band is not None:
        return np.where(np.isfinite(values[band]), values[band], np.nan)
    noise = np.array([s if np.isfinite(s) and s > 0 else 1.0 for s in sigma], dtype=np.float64)
    values = np.clip(values / noise[:, None, None], -1e30, 1e30)
    there = np.isfinite(values) & np.isfinite(image)
    n = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0)
    return np.where(n > 0, total * len(values) / np.maximum(n, 1), np.nan)


def snap(picture: np.ndarray, x: float, y: float, radius_px: float = SNAP_RADIUS_PX) -> Nucleus:
    """The peak nearest to (x, y) of those within `radius_px`, to a fraction of a pixel.

    Sharpened at 1 px first, then coarser up to the radius; the finest scale with a peak of about
    4 sigma counts, unless a coarser one shows the same peak more than twice as clearly. Its place
    is that of a paraboloid fitted to the sharpened peak (photutils). Where no peak stands out the
    position stays as given.

    Parameters
    ----------
    picture
        (y, x) of floats; NaN is no source.
    """

    def stays(why: str) -> Nucleus:
        return Nucleus(x, y, False, 0.0, f"{why}; the mark stays where it was put.")

    height, width = picture.shape
    if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
        return stays(f"The point {x:.1f}, {y:.1f} lies outside the picture")
    scales = [1.0]
    while scales[-1] * 2 <= radius_px:
        scales.append(scales[-1] * 2)
    reach = int(np.ceil(radius_px + 8 * scales[-1] + 8))
    left, top = max(0, round(x) - reach), max(0, round(y) - reach)
    window = picture[top : round(y) + reach + 1, left : round(x) + reach + 1]
    filled, missing = _filled(window)
    if filled is None or missing[round(y) - top, round(x) - left]:
        return stays("There are no pixel values at this point")
    tallest_of_noise = np.sqrt(2 * np.log(max(3.0, np.pi * radius_px**2)))
    at_edge = False
    best: Nucleus | None = None
    for scale in scales:
        sharp, noise = _sharpened(filled, missing, scale)
        rows, columns = _peaks(sharp, missing)
        significance = sharp[rows, columns] / noise
        distance = np.hypot(columns + left - x, rows + top - y)
        tall = (distance <= radius_px) & (significance >= tallest_of_noise + _SNAP_SIGNIFICANCE)
        for which in np.flatnonzero(tall)[np.argsort(distance[tall], kind="stable")]:
            row, column = int(rows[which]), int(columns[which])
            if row + top in (0, height - 1) or column + left in (0, width - 1):
                at_edge = True
                continue
            px, py = _centroid(sharp, row, column, scale)
            one = Nucleus(px + left, py + top, True, float(significance[which]), scale_px=scale)
            # On a source wider than the scale noise makes a peak of its own anywhere.
            wider = best is not None and one.significance > 2 * best.significance
            if best is None or (wider and np.hypot(one.x - best.x, one.y - best.y) < scale):
                best = one
            break
    if best is not None:
        return best
    if at_edge:
        return stays("The light peaks at the edge of the picture, where it has no centroid")
    return stays(f"No peak stands out of the noise within {radius_px:.3g} px")


def suggest_nuclei(picture: np.ndarray, n: int = 2) -> tuple[list[Nucleus], str]:
    """Up to `n` nuclei near the centre, the most conspicuous first, and a sentence if none.

    Peaks of the picture sharpened at four scales, 6 sigma and more. A pair that only a fine
    scale resolves stands for its blend at a coarser one. The noise is that of the sharpened
    picture itself (median absolute deviation).
    """
    nothing = "No peak near the centre stands out of the noise; click the nuclei yourself."
    step = int(np.ceil(max(picture.shape) / _MAX_SEARCHED_PX))
    filled, missing = _filled(_binned(picture, step) if step > 1 else picture)
    if filled is None:
        return [], "The picture has no pixel values; there is nothing to suggest."
    if min(filled.shape) < 3:
        return [], nothing
    found = _candidates(filled, missing)
    if not found:
        return [], nothing
    middle = (np.array(filled.shape[::-1]) - 1) / 2
    side = max(filled.shape)
    # What was cut out lies at the centre: a neighbour must outshine it to be taken for it.
    weight = [
        one.significance * np.exp(-0.5 * (_distance(one, middle) / (0.15 * side)) ** 2)
        for one in found
    ]
    main = found[int(np.argmax(weight))]
    tall = [one for one in found if one is not main and one.share >= _FAINTEST_SHARE * main.share]
    tall.sort(key=lambda one: -one.significance)
    chosen = [main, *tall][:n]
    return measure_nuclei(picture, [_refined(picture, one, step) for one in chosen]), ""


def snap_all(
    picture: np.ndarray,
    points: Sequence[tuple[float, float]],
    radius_px: float = SNAP_RADIUS_PX,
    fixed: Collection[int] = (),
) -> list[Nucleus]:
    """`snap` for several clicks but those numbered in `fixed`, and then `measure_nuclei`.

    A click that leads to a peak which a nearer click has, or to none beside another nucleus, may
    mean one too close for a peak of its own: it starts from where it was clicked, and stays where
    the fit takes it if it has light of 4 sigma there.
    """
    alone = [
        snap(picture, x, y, radius_px) if k not in fixed else Nucleus(x, y, False)
        for k, (x, y) in enumerate(points)
    ]
    ones, fallback = list(alone), list(alone)
    taken: list[Nucleus] = []
    tried: list[int] = []
    for k in sorted(range(len(ones)), key=lambda k: _moved(alone[k], points[k])):
        one, (x, y) = alone[k], points[k]
        near = [np.hypot(one.x - other.x, one.y - other.y) / other.scale_px for other in taken]
        if one.snapped and all(distance >= _ONE_PEAK for distance in near):
            taken.append(one)
        elif k not in fixed and any(distance < _BLENDED for distance in near):
            ones[k] = Nucleus(x, y, True)
            if one.snapped:
                fallback[k] = Nucleus(x, y, False, note=_NO_PEAK_OF_ITS_OWN)
            tried.append(k)
    fitted = measure_nuclei(picture, ones)
    failed = [k for k in tried if fitted[k].significance < _FIT_SIGNIFICANCE]
    if not failed:
        return fitted
    for k in failed:
        ones[k] = fallback[k]
    return measure_nuclei(picture, ones)


def _moved(one: Nucleus, point: tuple[float, float]) -> float:
    return float(np.hypot(one.x - point[0], one.y - point[1])) if one.snapped else np.inf


def measure_nuclei(picture: np.ndarray, nuclei: Sequence[Nucleus]) -> list[Nucleus]:
    """The same nuclei with their fluxes, and places freed of one another's light.

    Those that lie within each other's reach are fitted together (see `measure_blend`); one that
    stayed where it was put stays there.
    """
    measured = list(nuclei)
    for group in _groups(nuclei):
        ones = [nuclei[k] for k in group]
        blend = measure_blend(
            picture,
            np.array([one.x for one in ones]),
            np.array([one.y for one in ones]),
            np.array([one.snapped for one in ones]),
            max(one.scale_px for one in ones),
        )
        for place, k in enumerate(group):
            flux, error = float(blend.flux[place]), float(blend.flux_error[place])
            x, y, known = float(blend.x[place]), float(blend.y[place]), np.isfinite(flux)
            clear = max(0.0, flux / error) if known and error > 0 else 0.0
            measured[k] = replace(
                nuclei[k], x=x, y=y, flux=flux if known else None, significance=clear
            )
    return measured


def _groups(nuclei: Sequence[Nucleus]) -> list[list[int]]:
    """Indices of nuclei that reach each other, directly or through others."""
    places = np.array([[one.x, one.y] for one in nuclei]).reshape(-1, 2)
    scales = np.array([one.scale_px for one in nuclei])
    apart = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    near = apart < _BLENDED * np.maximum(scales[:, None], scales)
    n, group = connected_components(near, directed=False)
    return [np.flatnonzero(group == k).tolist() for k in range(n)]


@dataclass(frozen=True)
class _Candidate:
    """A peak of the searched picture; `share` is its sharpened height at the finest scale."""

    x: float
    y: float
    significance: float
    share: float
    scale: float


def _candidates(filled: np.ndarray, missing: np.ndarray) -> list[_Candidate]:
    middle = (np.array(filled.shape[::-1]) - 1) / 2
    reach = max(_REACH * max(filled.shape), 3.0)
    found: list[_Candidate] = []
    for scale in _SEARCH_SCALES_PX:
        sharp, noise = _sharpened(filled, missing, scale)
        known = list(found)
        for row, column in zip(*_peaks(sharp, missing), strict=True):
            significance = float(sharp[row, column]) / noise
            inside = 0 < row < len(sharp) - 1 and 0 < column < sharp.shape[1] - 1
            if not inside or significance < _SUGGEST_SIGNIFICANCE:
                continue
            x, y = _centroid(sharp, int(row), int(column), scale)
            if np.hypot(x - middle[0], y - middle[1]) > reach:
                continue
            if any(np.hypot(one.x - x, one.y - y) < 2.5 * scale for one in known):
                continue  # the same at a finer scale, or the blend of several
            found.append(_Candidate(x, y, significance, float(sharp[row, column]), scale))
    return found


def _distance(one: _Candidate, place: np.ndarray) -> float:
    return float(np.hypot(one.x - place[0], one.y - place[1]))


def _refined(picture: np.ndarray, one: _Candidate, step: int) -> Nucleus:
    """The candidate in the full picture's pixels."""
    x, y = ((place + 0.5) * step - 0.5 for place in (one.x, one.y))
    scale = max(1.0, one.scale * step)
    if step > 1:
        sharper = snap(picture, x, y, radius_px=1.5 * step)
        x, y, scale = sharper.x, sharper.y, sharper.scale_px if sharper.snapped else scale
    return Nucleus(x, y, True, one.significance, scale_px=scale)


def _filled(picture: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Pixels without a value take that of the nearest with one; and where they were."""
    missing = ~np.isfinite(picture)
    if missing.all():
        return None, missing
    values = np.clip(np.where(missing, 0.0, picture), -1e30, 1e30).astype(np.float64)
    if missing.any():
        nearest = ndimage.distance_transform_edt(
            missing, return_distances=False, return_indices=True
        )
        values = values[tuple(nearest)]
    return values, missing


def _binned(picture: np.ndarray, step: int) -> np.ndarray:
    """Means of step x step pixels; the odd rest at the right and lower edge is left out."""
    height, width = (side // step for side in picture.shape)
    blocks = picture[: height * step, : width * step].reshape(height, step, width, step)
    there = np.isfinite(blocks)
    n = there.sum(axis=(1, 3))
    total = np.where(there, blocks, 0.0).sum(axis=(1, 3))
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _sharpened(filled: np.ndarray, missing: np.ndarray, scale: float) -> tuple[np.ndarray, float]:
    """The sharpened picture and its noise; a picture without noise gets a thousandth of its
    highest peak, so that nothing is divided by zero."""
    sharp = -(scale**2) * ndimage.gaussian_laplace(filled, scale, mode="nearest")
    known = sharp[~missing]
    noise = 1.4826 * float(np.median(np.abs(known - np.median(known))))
    return sharp, max(noise, 1e-3 * float(known.max()), 1e-9 * float(np.abs(filled).max()), 1e-300)


def _peaks(sharp: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the positive local maxima."""
    highest = ndimage.maximum_filter(sharp, size=3, mode="nearest")
    rows, columns = np.nonzero((sharp == highest) & (sharp > 0) & ~missing)
    return rows, columns


def _centroid(sharp: np.ndarray, row: int, column: int, scale: float) -> tuple[float, float]:
    """Of a paraboloid through the peak and its neighbours, at most a pixel (or scale) away."""
    half = max(1, round(scale))
    top, left = max(0, row - half), max(0, column - half)
    box = sharp[top : row + half + 1, left : column + half + 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)  # a failed fit is NaN, seen below
        x, y = centroid_quadratic(box, fit_boxsize=min(2 * half + 1, *_odd_sides(box)))
    x, y = float(x) + left, float(y) + top
    if not np.hypot(x - column, y - row) <= max(1.0, scale):
        return float(column), float(row)
    return x, y


def _odd_sides(box: np.ndarray) -> list[int]:
    return [side - 1 + side % 2 for side in box.shape]
