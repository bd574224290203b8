"""Nuclei: the local peak near a click, and peaks that are worth pointing out.

Peaks are looked for in the sharpened picture (see `sharpening`): a constant or sloping background
drops out, and a nucleus on the flank of a brighter one still has a peak of its own. Arrays in,
numbers out. Pixels count from 0 at the centre of the first one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse.csgraph import connected_components

from core.measure.blends import measure_blend
from core.measure.sharpening import (
    Patch,
    binned,
    bytes_to_sharpen,
    centroid,
    filled_in,
    patches,
    peaks,
    sharpened,
)

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

_PIXELS_FITTED = 320
"""For each nucleus at most (see `measure_blend`)."""

_SUMMED_AT_ONCE = 2**20

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
    """One picture (y, x) of float32 from an image (band, y, x).

    The sum of all bands, each divided by its noise `sigma`, or one band in its own units. Where
    some bands have no value the others stand for them; NaN where none has.
    """
    if band is not None:
        values = np.asarray(image[band], dtype=np.float32)
        return np.where(np.isfinite(values), values, np.float32(np.nan))
    noise = np.array([s if np.isfinite(s) and s > 0 else 1.0 for s in sigma], dtype=np.float64)
    n_bands, height, width = image.shape
    total = np.empty((height, width), np.float32)
    # By some rows at a time: at once it takes five times the memory of a large image.
    step = max(1, _SUMMED_AT_ONCE // (n_bands * width))
    for top in range(0, height, step):
        rows = slice(top, top + step)
        total[rows] = _sum_of(image[:, rows], noise)
    return total


def _sum_of(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    values = np.clip(np.asarray(image, np.float64) / noise[:, None, None], -1e30, 1e30)
    there = np.isfinite(values) & np.isfinite(image)
    n = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0)
    return np.where(n > 0, total * len(values) / np.maximum(n, 1), np.nan)


def bytes_to_measure(n_points: int, radius_px: float, side_px: int) -> int:
    """What `snap_all` holds at its height, beside a picture of so many pixels a side."""
    fit = n_points * _PIXELS_FITTED * (n_points + 7) * 8 * 4
    reach = _reach(radius_px)
    sharp = [bytes_to_sharpen(n_points, one, reach, side_px) for one in _scales(radius_px)]
    return max(sharp) + fit + 2**22


def bytes_to_suggest(side_px: int) -> int:
    """What `suggest_nuclei` holds at its height, beside a picture of so many pixels a side."""
    return side_px**2 * 8 + min(side_px, _MAX_SEARCHED_PX) ** 2 * 8 * 10


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
    return _snapped(picture, [(x, y)], radius_px)[0]


def _snapped(
    picture: np.ndarray, points: Sequence[tuple[float, float]], radius_px: float
) -> list[Nucleus]:
    """`snap` for several points, none of which depends on the others."""
    found: list[Nucleus | None] = [None] * len(points)
    stay: dict[int, str] = {}
    height, width = picture.shape
    for k, (x, y) in enumerate(points):
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            stay[k] = f"The point {x:.1f}, {y:.1f} lies outside the picture"
        elif not np.isfinite(picture[_within(y, height), _within(x, width)]):
            stay[k] = "There are no pixel values at this point"
    asked = [k for k in range(len(points)) if k not in stay]
    at_edge: set[int] = set()
    reach = _reach(radius_px)
    for scale in _scales(radius_px):
        around = patches(picture, [points[k] for k in asked], scale, reach)
        for k, patch in zip(asked, around, strict=True):
            if patch is None:
                continue
            one, edge = _nearest_peak(patch, points[k], scale, radius_px, picture.shape)
            found[k] = _clearer(found[k], one, scale)
            if edge:
                at_edge.add(k)
    for k in asked:
        if k in at_edge:
            stay[k] = "The light peaks at the edge of the picture, where it has no centroid"
        else:
            stay[k] = f"No peak stands out of the noise within {radius_px:.3g} px"
    return [
        one or Nucleus(x, y, False, 0.0, f"{stay[k]}; the mark stays where it was put.")
        for k, (one, (x, y)) in enumerate(zip(found, points, strict=True))
    ]


def _clearer(best: Nucleus | None, one: Nucleus | None, scale: float) -> Nucleus | None:
    """The finer scale's peak, unless the coarser one shows the same more than twice as clearly:
    on a source wider than the scale noise makes a peak of its own anywhere."""
    if best is None or one is None:
        return best or one
    same = np.hypot(one.x - best.x, one.y - best.y) < scale
    return one if same and one.significance > 2 * best.significance else best


def _scales(radius_px: float) -> list[float]:
    scales = [1.0]
    while scales[-1] * 2 <= radius_px:
        scales.append(scales[-1] * 2)
    return scales


def _reach(radius_px: float) -> float:
    """Pixels around a click that tell the noise."""
    return radius_px + 8 * _scales(radius_px)[-1] + 8


def _within(place: float, side: int) -> int:
    return min(max(round(place), 0), side - 1)


def _nearest_peak(
    patch: Patch,
    point: tuple[float, float],
    scale: float,
    radius_px: float,
    shape: tuple[int, ...],
) -> tuple[Nucleus | None, bool]:
    """The nearest peak that stands out, and whether there was one at the picture's edge."""
    rows, columns = patch.peaks(*point, radius_px)
    significance = patch.sharp[rows, columns] / patch.noise
    across, down = patch.place(columns, rows)
    distance = np.hypot(across - point[0], down - point[1])
    tallest_of_noise = np.sqrt(2 * np.log(max(3.0, np.pi * radius_px**2)))
    tall = (distance <= radius_px) & (significance >= tallest_of_noise + _SNAP_SIGNIFICANCE)
    last_row, last_column = (side // patch.step - 1 for side in shape)
    at_edge = False
    for which in np.flatnonzero(tall)[np.argsort(distance[tall], kind="stable")]:
        row, column = int(rows[which]), int(columns[which])
        if row + patch.top in (0, last_row) or column + patch.left in (0, last_column):
            at_edge = True
            continue
        x, y = patch.place(*centroid(patch.sharp, row, column, scale / patch.step))
        one = Nucleus(float(x), float(y), True, float(significance[which]), scale_px=scale)
        return one, at_edge
    return None, at_edge


def suggest_nuclei(picture: np.ndarray, n: int = 2) -> tuple[list[Nucleus], str]:
    """Up to `n` nuclei near the centre, the most conspicuous first, and a sentence if none.

    Peaks of the picture sharpened at four scales, 6 sigma and more. A pair that only a fine
    scale resolves stands for its blend at a coarser one. The noise is that of the sharpened
    picture itself (median absolute deviation).
    """
    nothing = "No peak near the centre stands out of the noise; click the nuclei yourself."
    step = int(np.ceil(max(picture.shape) / _MAX_SEARCHED_PX))
    filled, missing = filled_in(binned(picture, step) if step > 1 else picture)
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
    alone = [Nucleus(x, y, False) for x, y in points]
    free = [k for k in range(len(points)) if k not in fixed]
    for k, one in zip(free, _snapped(picture, [points[k] for k in free], radius_px), strict=True):
        alone[k] = one
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
        sharp, noise = sharpened(filled, missing, scale)
        known = list(found)
        for row, column in zip(*peaks(sharp, missing), strict=True):
            significance = float(sharp[row, column]) / noise
            inside = 0 < row < len(sharp) - 1 and 0 < column < sharp.shape[1] - 1
            if not inside or significance < _SUGGEST_SIGNIFICANCE:
                continue
            x, y = centroid(sharp, int(row), int(column), scale)
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
