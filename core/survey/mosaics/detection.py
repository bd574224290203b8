"""The sources of mosaics, found section by section where no catalogue names them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.survey.layout import ColumnInfo
from core.survey.mosaics.tiles import Tile, unit_vectors
from core.survey.readers.unreadable import Unreadable

SECTION_PX = 1024
MARGIN_PX = 128
"""Sections overlap by it on every side; a whole number of background boxes, so that the boxes of
neighbouring sections are the same."""

_SAME_PX = 2.0
"""Two detections of one source in overlapping sections or tiles are nearer than this, or than
their own semi-major axis."""

_METHOD = 1
"""Counted up when the same settings find other sources."""

COLUMNS: Mapping[str, ColumnInfo] = {
    "x_px": ColumnInfo("pix", "centroid on the mosaic, the first pixel's centre at 0"),
    "y_px": ColumnInfo("pix", "centroid on the mosaic, the first pixel's centre at 0"),
    "flux": ColumnInfo("", "sum over the source's own pixels above the background"),
    "peak": ColumnInfo("", "highest pixel above the background"),
    "sn": ColumnInfo("", "flux over the background noise of as many pixels"),
    "a_px": ColumnInfo("pix", "semi-major axis (1 sigma) by second moments"),
    "b_px": ColumnInfo("pix", "semi-minor axis (1 sigma) by second moments"),
    "ellipticity": ColumnInfo("", "1 - b/a"),
    "theta": ColumnInfo("deg", "angle of the major axis, from x towards y"),
    "area_px": ColumnInfo("pix", "pixels of the source"),
    "blended": ColumnInfo("", "touches another source"),
}


@dataclass(frozen=True)
class DetectionSettings:
    """How sources are found; see `core.measure.sources.find_sources`.

    Attributes
    ----------
    threshold
        Over the noise, in sigma.
    npixels
        The fewest connected pixels of a source.
    fwhm_px
        Of the Gaussian that smooths before detection.
    box_px
        Side of the background boxes.
    contrast
        Share of a group's flux that makes a peak a source of its own.
    min_flux
        Fainter sources are left out; in the mosaic's units.
    """

    threshold: float = 3.0
    npixels: int = 6
    fwhm_px: float = 3.0
    box_px: int = 64
    contrast: float = 0.005
    min_flux: float | None = None

    def __post_init__(self) -> None:
        limits = (
            ("threshold", self.threshold, 0.5, 1000.0),
            ("npixels", self.npixels, 1, 10_000),
            ("fwhm_px", self.fwhm_px, 0.5, 30.0),
            ("box_px", self.box_px, 8, 1024),
            ("contrast", self.contrast, 0.0, 1.0),
        )
        for name, value, low, high in limits:
            if not low <= value <= high:
                raise BadInput(
                    f"The detection's {name} must be {low:g} to {high:g}, but is {value!r};"
                    " change it."
                )


@dataclass(frozen=True)
class Detections:
    """Sources of one or more tiles.

    Attributes
    ----------
    tile
        (S,) which tile, as numbered by the caller.
    ra, dec
        (S,) degrees, ICRS.
    values
        (S,) each, by the names of `COLUMNS`.
    n_twice
        Sources that were found on another tile as well, and left out here.
    failed
        Numbers of tiles that could not be read, and why.
    """

    tile: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    values: Mapping[str, np.ndarray]
    n_twice: int = 0
    failed: Sequence[tuple[int, str]] = ()

    def __len__(self) -> int:
        return len(self.ra)


def detect(
    tiles: Iterable[tuple[Tile, int]],
    settings: DetectionSettings,
    *,
    cache: Path | None = None,
) -> Detections:
    """The sources of all tiles, each once: where tiles overlap, from the one whose edge is
    farther; ordered by tile, row of sections, and place in it.

    Parameters
    ----------
    tiles
        And which plane of each, where they are cubes; closed when they were searched.
    cache
        A folder that keeps what was found on a file, for the next time that it is asked for.
    """
    found, edges, scales, failed = [], [], [], []
    for number, (tile, plane) in enumerate(tiles):
        scales.append(tile.pixel_scale_arcsec)
        try:
            values = _cached(tile, plane, settings, cache)
        except Unreadable as error:
            failed.append((number, str(error)))
            continue
        finally:
            tile.close()
        ra, dec = tile.sky(values["x_px"], values["y_px"])
        good = np.isfinite(ra)
        values = {name: column[good] for name, column in values.items()}
        edges.append(tile.edge_distance(values["x_px"], values["y_px"]))
        found.append(
            Detections(np.full(int(good.sum()), number), ra[good], dec[good], values, 0, failed)
        )
    if not found:
        none = np.zeros(0)
        return Detections(none.astype(int), none, none, _nothing(), 0, failed)
    return _once(found, np.concatenate(edges), np.array(scales), failed)


def detect_tile(tile: Tile, settings: DetectionSettings, plane: int = 0) -> dict[str, np.ndarray]:
    """The sources of one tile, each once, by the names of `COLUMNS`.

    Raises
    ------
    Unreadable
        Pixels of the tile cannot be read.
    """
    parts: list[dict[str, np.ndarray]] = []
    number = 0
    for y0 in range(0, tile.height_there, SECTION_PX):
        for x0 in range(0, tile.width, SECTION_PX):
            part = _detect_section(tile, settings, plane, x0, y0)
            part["section"] = np.full(len(part["x_px"]), number)
            parts.append(part)
            number += 1
    parts = [part for part in parts if len(part["x_px"])]
    if not parts:
        return _nothing()
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    places = np.stack([whole["x_px"], whole["y_px"]], axis=1)
    # Its own section first, then the earlier one.
    rank = np.lexsort((whole["section"], ~whole["own"]))
    reach = np.maximum(_SAME_PX, whole["a_px"])
    keep = _first_of_each(places, reach, rank, whole["section"], float(MARGIN_PX))
    if settings.min_flux is not None:
        keep &= whole["flux"] >= settings.min_flux
    return {name: whole[name][keep] for name in COLUMNS}


def _detect_section(
    tile: Tile, settings: DetectionSettings, plane: int, x0: int, y0: int
) -> dict[str, np.ndarray]:
    from core.measure.sources import find_sources

    left, low = max(0, x0 - MARGIN_PX), max(0, y0 - MARGIN_PX)
    right = min(tile.width, x0 + SECTION_PX + MARGIN_PX)
    high = min(tile.height_there, y0 + SECTION_PX + MARGIN_PX)
    picture = tile.read(plane, low, high, left, right)
    none = _nothing() | {"own": np.zeros(0, dtype=bool)}
    if min(picture.shape) < 8:
        return none
    picture = picture.astype(np.float64)
    if tile.extension.bitpix < 0:
        # Measured pixels are never exactly 0: where they are, nothing was exposed.
        picture[picture == 0] = np.nan
    picture[~np.isfinite(picture)] = np.nan
    if np.isfinite(picture).sum() < 64:
        return none
    sources = find_sources(
        picture,
        threshold_sigma=settings.threshold,
        kernel_fwhm_px=settings.fwhm_px,
        min_pixels=settings.npixels,
        box_px=settings.box_px,
        deblend_contrast=settings.contrast,
    )
    above = np.nan_to_num(picture - sources.background)
    peak, theta = _peaks_and_angles(above, sources.segments, len(sources))
    a = sources.semi_major_px
    x, y = sources.x + left, sources.y + low
    # A centroid near the border may fall to either side, as the two sections see it.
    slack = np.maximum(_SAME_PX, np.nan_to_num(a))
    own = (x >= x0) & (x < x0 + SECTION_PX) & (y >= y0) & (y < y0 + SECTION_PX)
    near = (x >= x0 - slack) & (x < x0 + SECTION_PX + slack)
    near &= (y >= y0 - slack) & (y < y0 + SECTION_PX + slack)
    order = np.lexsort((x, y))
    order = order[near[order]]
    values = {
        "x_px": x,
        "y_px": y,
        "flux": sources.flux,
        "peak": peak,
        "sn": sources.significance,
        "a_px": a,
        "b_px": a * (1.0 - sources.ellipticity),
        "ellipticity": sources.ellipticity,
        "theta": theta,
        "area_px": sources.area_px.astype(np.int64),
        "blended": _touching(sources.segments, len(sources)),
        "own": own,
    }
    return {name: column[order] for name, column in values.items()}


def _peaks_and_angles(
    above: np.ndarray, segments: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.nonzero(segments)
    which = segments[y, x] - 1
    values = above[y, x]
    peak = np.full(n, -np.inf)
    np.maximum.at(peak, which, values)
    weight = np.maximum(values, 0.0)
    total = np.maximum(np.bincount(which, weight, n), 1e-300)
    mean_x = np.bincount(which, weight * x, n) / total
    mean_y = np.bincount(which, weight * y, n) / total
    dx, dy = x - mean_x[which], y - mean_y[which]
    xx, yy, xy = (np.bincount(which, weight * part, n) for part in (dx * dx, dy * dy, dx * dy))
    return peak, np.degrees(0.5 * np.arctan2(2 * xy, xx - yy))


def _touching(segments: np.ndarray, n: int) -> np.ndarray:
    """(n,) whether a pixel of another source is next to one of the source's, also diagonally."""
    touched = np.zeros(n + 1, dtype=bool)
    pairs = (
        (segments[:, :-1], segments[:, 1:]),
        (segments[:-1], segments[1:]),
        (segments[:-1, :-1], segments[1:, 1:]),
        (segments[:-1, 1:], segments[1:, :-1]),
    )
    for one, other in pairs:
        both = (one > 0) & (other > 0) & (one != other)
        touched[one[both]] = touched[other[both]] = True
    return touched[1:]


def _once(
    found: list[Detections],
    edges: np.ndarray,
    scales_arcsec: np.ndarray,
    failed: Sequence[tuple[int, str]],
) -> Detections:
    tile = np.concatenate([part.tile for part in found])
    ra = np.concatenate([part.ra for part in found])
    dec = np.concatenate([part.dec for part in found])
    values = {name: np.concatenate([part.values[name] for part in found]) for name in COLUMNS}
    n_twice = 0
    if len(found) > 1 and len(ra):
        scales = np.radians(scales_arcsec / 3600.0)
        reach = scales[tile] * np.maximum(_SAME_PX, values["a_px"])
        rank = np.lexsort((tile, -edges))
        longest = float(scales.max()) * MARGIN_PX
        keep = _first_of_each(unit_vectors(ra, dec), reach, rank, tile, longest)
        n_twice = int(len(keep) - keep.sum())
        tile, ra, dec = tile[keep], ra[keep], dec[keep]
        values = {name: column[keep] for name, column in values.items()}
    return Detections(tile, ra, dec, values, n_twice, failed)


def _nothing() -> dict[str, np.ndarray]:
    kinds = {"area_px": np.int64, "blended": np.bool_}
    return {name: np.zeros(0, dtype=kinds.get(name, np.float64)) for name in COLUMNS}


def _first_of_each(
    places: np.ndarray, reach: np.ndarray, rank: np.ndarray, origin: np.ndarray, longest: float
) -> np.ndarray:
    """(S,) bool: what stays when of two that are of different origin and nearer than the larger
    `reach` (at most `longest`) only the one that comes first in `rank` does."""
    from scipy.spatial import cKDTree

    keep = np.ones(len(places), dtype=bool)
    if len(places) < 2:
        return keep
    reach = np.minimum(np.nan_to_num(reach), longest)
    order = np.empty(len(rank), dtype=np.int64)
    order[rank] = np.arange(len(rank))
    tree = cKDTree(places)
    pairs = tree.query_pairs(float(reach.max()), output_type="ndarray")
    pairs = pairs[origin[pairs[:, 0]] != origin[pairs[:, 1]]]
    apart = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    pairs = pairs[apart < np.maximum(reach[pairs[:, 0]], reach[pairs[:, 1]])]
    first = np.where((order[pairs[:, 0]] < order[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1])
    for stays, goes in first[np.argsort(order[first[:, 0]], kind="stable")].tolist():
        if keep[stays]:
            keep[goes] = False
    return keep


def _cached(
    tile: Tile, plane: int, settings: DetectionSettings, cache: Path | None
) -> dict[str, np.ndarray]:
    """What was found on this file with these settings before, else found now and kept."""
    if cache is None:
        return detect_tile(tile, settings, plane)
    import photutils

    key = [str(tile.path.resolve()), *tile.stamp, tile.extension.index, plane]
    key += [asdict(settings), _METHOD, photutils.__version__, np.__version__]
    path = cache / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in COLUMNS}
    except Exception:
        # Not there, or damaged: what is kept only saves time.
        values = detect_tile(tile, settings, plane)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache, suffix=".partial", delete=False) as file:
            np.savez(file, allow_pickle=False, **values)
        os.replace(file.name, path)
    except OSError:
        pass
    return values
