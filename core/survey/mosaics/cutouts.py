"""Cut objects out of mosaics, by the semantics of `astropy.nddata.Cutout2D`.

The cutout of n pixels around the pixel position x begins at ceil(x - n / 2), so that the object
lies within half a pixel of its middle; nothing is resampled. What lies outside the mosaic is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.survey.astrometry import WCS_COLUMNS
from core.survey.batch import CatalogueValue, Reject
from core.survey.mosaics.tiles import Tile, local_cd
from core.survey.readers.shaping import Unfit, same_scale, shape_image
from core.survey.readers.unreadable import Unreadable

if TYPE_CHECKING:
    from core.survey.positions import Position

__all__ = [
    "Cut",
    "Cutout",
    "Tile",
    "cut_band",
    "cut_many",
    "cut_out",
    "empty_fraction",
    "psf_columns",
    "wcs_columns",
]

CHANGED = "changed while it was being read"
NO_DATA = "lies where there are no data (every pixel is 0 or missing)"
_FAR_PX = 1e9
_AT_ONCE = 64
_MAX_SIDE_PX = 8192


@dataclass(frozen=True)
class Cutout:
    """One object cut out of a tile.

    Attributes
    ----------
    image
        (size, size) float32, NaN outside the tile and where it has no value.
    x0, y0
        The tile's pixel, counted from 0, that became the cutout's first one; may be negative.
    wcs
        The eight `wcs_*` columns: linear, around the middle of the cutout.
    inside_fraction
        The part of the cutout that lies on the tile.
    """

    image: np.ndarray
    x0: int
    y0: int
    wcs: dict[str, float]
    inside_fraction: float


@dataclass
class Cut:
    """Many objects cut out of tiles in one band; rows as the positions that were given.

    Attributes
    ----------
    images
        (N, size, size) float32.
    x, y
        (N,) pixel of the position on its tile, NaN where it does not lie near it.
    x_middle, y_middle, zoom
        (N,) the tile's pixel at the middle of the cutout, and tile pixels a cutout pixel.
    inside
        (N,) the part of the cutout that lies on the tile; 0 where there is none.
    reasons
        One an object: why it could not be cut, else "".
    """

    images: np.ndarray
    x: np.ndarray
    y: np.ndarray
    x_middle: np.ndarray
    y_middle: np.ndarray
    zoom: np.ndarray
    inside: np.ndarray
    reasons: list[str] = field(default_factory=list)

    @classmethod
    def empty(cls, n: int, size_px: int, images: np.ndarray | None = None) -> Cut:
        """Room for `n` objects, all of them missing; `images` may be a view to write into."""
        if images is None:
            images = np.empty((n, size_px, size_px), dtype=np.float32)
        images[...] = np.nan
        x, y, x_middle, y_middle = (np.full(n, np.nan) for _ in range(4))
        return cls(images, x, y, x_middle, y_middle, np.ones(n), np.zeros(n), [""] * n)


def cut_out(tile: Tile, ra: float, dec: float, size_px: int, *, plane: int = 0) -> Cutout:
    """Cut one object out of a tile that it lies on, or near.

    Raises
    ------
    Unreadable
        The cutout would lie outside the tile, or its pixels cannot be read.
    """
    cut = Cut.empty(1, size_px)
    cut_band(tile, np.array([ra]), np.array([dec]), cut, plane=plane)
    if cut.reasons[0]:
        raise Unreadable(cut.reasons[0])
    middle = (size_px - 1) / 2
    x0, y0 = round(cut.x_middle[0] - middle), round(cut.y_middle[0] - middle)
    wcs = wcs_columns(tile, cut, np.array([0]))[0]
    return Cutout(cut.images[0], x0, y0, wcs, float(cut.inside[0]))


def cut_band(
    tile: Tile,
    ra: np.ndarray,
    dec: np.ndarray,
    cut: Cut,
    rows: Sequence[int] | np.ndarray | None = None,
    *,
    plane: int = 0,
    scale_arcsec: float | None = None,
    mixed: str = "auto",
) -> None:
    """Cut the positions (N,) out of a tile into `rows` of `cut` (all of them when left out).

    Parameters
    ----------
    plane
        Of a cube.
    scale_arcsec, mixed
        Pixel scale of the survey, and what happens to a tile of another one: see
        `core.survey.readers.shaping`. The tile's own pixels are kept when left out.
    """
    rows = np.arange(len(ra)) if rows is None else np.asarray(rows, dtype=np.int64)
    size_px = cut.images.shape[1]
    x, y = tile.pixels(ra, dec)
    cut.x[rows], cut.y[rows] = x, y
    zoom = 1.0
    if mixed != "crop" and not same_scale(tile.pixel_scale_arcsec, scale_arcsec):
        assert scale_arcsec is not None
        zoom = scale_arcsec / tile.pixel_scale_arcsec
    side = size_px if zoom == 1.0 else max(1, int(np.ceil(size_px * zoom - 1e-9)))
    if side > _MAX_SIDE_PX:
        for row in rows.tolist():
            cut.reasons[row] = f"cannot be cut out: {tile.path.name} has far finer pixels"
        return
    with np.errstate(invalid="ignore"):
        near = np.isfinite(x) & np.isfinite(y) & (np.abs(x) < _FAR_PX) & (np.abs(y) < _FAR_PX)
        x0, y0 = (np.ceil(np.where(near, at - side / 2.0, 0.0)).astype(int) for at in (x, y))
    near &= (x0 + side > 0) & (y0 + side > 0) & (x0 < tile.width) & (y0 < tile.height)
    per_pixel = zoom == 1.0 or _is_per_pixel(tile)
    for at, row in enumerate(rows.tolist()):
        if not near[at]:
            cut.reasons[row] = "lies outside the mosaic"
            continue
        try:
            left, top = int(x0[at]), int(y0[at])
            if zoom == 1.0:
                cut.inside[row] = _cut_one(tile, plane, left, top, cut.images[row])
                cut.x_middle[row] = left + (side - 1) / 2
                cut.y_middle[row] = top + (side - 1) / 2
                continue
            piece = np.full((1, side, side), np.nan, dtype=np.float32)
            cut.inside[row] = _cut_one(tile, plane, left, top, piece[0])
            shaped = shape_image(
                piece,
                size_px,
                mixed,
                scale=tile.pixel_scale_arcsec,
                target_scale=scale_arcsec,
                per_pixel=per_pixel,
            )
            cut.images[row] = shaped.image[0]
            middle = (size_px - 1) / 2 * shaped.zoom
            cut.x_middle[row] = left + shaped.x0 + middle
            cut.y_middle[row] = top + shaped.y0 + middle
            cut.zoom[row] = shaped.zoom
        except (Unreadable, Unfit) as error:
            cut.reasons[row] = f"cannot be cut out: {tile.path.name} {error}"


def _cut_one(tile: Tile, plane: int, x0: int, y0: int, image: np.ndarray) -> float:
    """Fill the part of `image` that lies on the tile; how large a part that is."""
    side = image.shape[0]
    left, right = max(0, x0), min(tile.width, x0 + side)
    low, high = max(0, y0), min(tile.height, y0 + side)
    image[low - y0 : high - y0, left - x0 : right - x0] = tile.read(plane, low, high, left, right)
    return (high - low) * (right - left) / side**2


def wcs_columns(tile: Tile, cut: Cut, rows: np.ndarray) -> list[dict[str, float]]:
    """The `wcs_*` columns of objects cut out of a tile; empty where it has no positions."""
    if not len(rows):
        return []
    size_px = cut.images.shape[1]
    zoom = cut.zoom[rows]
    ra, dec, cd = local_cd(tile, cut.x_middle[rows], cut.y_middle[rows], size_px / 4)
    cd = cd * zoom[:, None, None]
    middle = np.full(len(rows), (size_px + 1) / 2)
    table = np.stack(
        [ra, dec, middle, middle, cd[:, 0, 0], cd[:, 0, 1], cd[:, 1, 0], cd[:, 1, 1]], axis=1
    )
    whole = np.isfinite(table).all(axis=1).tolist()
    return [
        dict(zip(WCS_COLUMNS, values, strict=True)) if good else {}
        for values, good in zip(table.tolist(), whole, strict=True)
    ]


def empty_fraction(images: np.ndarray) -> np.ndarray:
    """(N, band, y, x) -> (N, band) the part of the pixels that are exactly 0 or missing."""
    empty = (images == 0) | np.isnan(images)
    return np.count_nonzero(empty, axis=(2, 3)) / (images.shape[2] * images.shape[3])


def cut_many(
    paths_by_band: Mapping[str, Path],
    positions: Iterable[Position],
    size_px: int,
    *,
    hdu: int | str | None = None,
) -> Iterator[tuple[Position, np.ndarray, dict[str, CatalogueValue]] | Reject]:
    """Cut positions out of one frame a band, each by its own coordinates; in the order given.

    Yields
    ------
    The position, its image (band, y, x) float32 and the columns that were found (`ra`, `dec`,
    `wcs_*` of the first band, `padded`, `zero_fraction`, `psf_fwhm_arcsec...`), or why not.
    A band whose pixels do not reach the position is NaN; the first band must hold it.

    Raises
    ------
    Unreadable
        A frame cannot be opened.
    """
    with ExitStack() as open_tiles:
        tiles: dict[str, Tile] = {}
        for band, path in paths_by_band.items():
            try:
                tiles[band] = Tile.open(path, hdu)
            except Unreadable as error:
                raise Unreadable(f"{path.name} {error}") from None
            open_tiles.callback(tiles[band].close)
        waiting = iter(positions)
        while part := list(islice(waiting, _AT_ONCE)):
            yield from _cut_frames(tiles, part, size_px)


def _cut_frames(
    tiles: Mapping[str, Tile], part: list[Position], size_px: int
) -> Iterator[tuple[Position, np.ndarray, dict[str, CatalogueValue]] | Reject]:
    ra = np.array([position.ra for position in part], dtype=np.float64)
    dec = np.array([position.dec for position in part], dtype=np.float64)
    first = next(iter(tiles.values()))
    images = np.empty((len(part), len(tiles), size_px, size_px), dtype=np.float32)
    cuts = []
    for number, tile in enumerate(tiles.values()):
        cut = Cut.empty(len(part), size_px, images[:, number])
        cut_band(tile, ra, dec, cut, scale_arcsec=first.pixel_scale_arcsec)
        cuts.append(cut)
    lead = cuts[0]
    on_first = first.edge_distance(lead.x, lead.y) >= 0
    wcs = wcs_columns(first, lead, np.arange(len(part)))
    empty = empty_fraction(images)
    inside = np.min([cut.inside for cut in cuts], axis=0)
    changed = [tile.path.name for tile in tiles.values() if tile.changed()]
    widths = psf_columns(tiles)
    for row, position in enumerate(part):
        broken = [cut.reasons[row] for cut in cuts if cut.reasons[row].startswith("cannot")]
        reason = broken[0] if broken else ""
        if not on_first[row]:
            reason = reason or f"lies outside {first.path.name}"
        elif changed:
            reason = f"cannot be cut out: {changed[0]} {CHANGED}"
        elif empty[row].min() == 1.0:
            reason = reason or NO_DATA
        if reason:
            yield Reject(position.object_id, reason)
            continue
        columns: dict[str, CatalogueValue] = {"ra": position.ra, "dec": position.dec}
        columns |= wcs[row]
        columns["padded"] = round(1.0 - float(inside[row]), 6)
        columns["zero_fraction"] = round(float(empty[row].max()), 6)
        yield position, images[row], columns | widths


def psf_columns(tiles: Mapping[str, Tile]) -> dict[str, CatalogueValue]:
    """The width of the point spread function, a column a band where there are several."""
    return {
        "psf_fwhm_arcsec" if len(tiles) == 1 else f"psf_fwhm_arcsec_{band}": width
        for band, tile in tiles.items()
        if (width := tile.psf_fwhm_arcsec) is not None
    }


def _is_per_pixel(tile: Tile) -> bool:
    """Whether values grow with the pixel's area, by BUNIT: "MJy/sr" does not, "adu" does."""
    unit = str(tile.card("BUNIT") or "").lower().replace(" ", "")
    return not any(word in unit for word in ("/sr", "sr-1", "sr^-1", "arcsec", "mag"))
