"""Artefacts read off native pixels, before any scaling: numbers, and flags by named thresholds.

Nothing here asks what the object is: what no galaxy can have is looked for (a missing corner, a
line of pixels that are all the same, a bright line across the whole picture).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from core.errors import BadInput
from core.measure.morphology.quantities import Bools, Floats, Quantity
from core.measure.morphology.recentring import smoothed
from core.measure.morphology.sky import without_sky

MISSING_SHARE = 0.2
ZERO_SHARE = 0.05
ZERO_SHARE_OF_8_BITS = 0.95
"""Black is a level like others in pictures made to be looked at."""

SATURATED_SHARE = 0.005
SATURATED_SHARE_OF_8_BITS = 0.05
SATURATED_PIXELS = 9
"""A detector that is full has many pixels at one value, a star's peak has one. In pictures made
to be looked at the cores of bright galaxies are white on purpose."""

TRAIL_COVER = 0.6
"""Share of a line across the picture that is bright, beyond that of the lines beside it."""

EDGE_SIGMA = 6.0
"""Step of the level between neighbouring lines, in six of eight parts of them."""

DEAD_LINES = 1
_COMMON_SHARE = 0.25
"""A value that more of the other pixels have than this is no sign of a dead line."""

ARTEFACT_NUMBERS = (
    Quantity("missing_share", "pixels without a value"),
    Quantity("zero_share", "pixels that are exactly zero in the band with most of them"),
    Quantity("top_share", "pixels at the brightest value in the band with most of them"),
    Quantity("flat_bands", "bands in which every pixel has one value"),
    Quantity("dead_lines", "rows and columns without a value or with one that others lack"),
    Quantity("edge_step", "step of the level along a whole row or column", "sigma"),
    Quantity("trail_cover", "bright share of the straightest line across the picture"),
)
FLAGS = (
    Quantity("empty", "no pixel has a value, or every pixel is zero"),
    Quantity("constant", "every pixel has one value"),
    Quantity("flat_band", "every pixel of a band has one value, but not of all bands"),
    Quantity("missing", f"more than {MISSING_SHARE:.0%} of the pixels have no value"),
    Quantity(
        "zero",
        f"more than {ZERO_SHARE:.0%} of a band is exactly zero"
        f" ({ZERO_SHARE_OF_8_BITS:.0%} of 8-bit pixels)",
    ),
    Quantity(
        "saturated",
        f"more than {SATURATED_SHARE:.1%} of a band is at its brightest value"
        f" (white: {SATURATED_SHARE_OF_8_BITS:.0%} of 8-bit pixels)",
    ),
    Quantity("dead_line", "a row or column without a value, or with one that others lack"),
    Quantity("edge", f"the level steps by {EDGE_SIGMA:.0f} sigma along a whole row or column"),
    Quantity("trail", "a straight bright line crosses the picture"),
)

_BLOCKS = 32
"""Trails are looked for in pictures of about so many blocks a side."""

_ANGLES = 48
_BRIGHT_SIGMA = 1.5
_BESIDE = 3
_WIDE = 2.5
_EDGE_WINDOW_PX = 3
_PARTS, _SPOILT = 8, 2
_SMALLEST_PX = 16
"""Steps and trails need so large a picture."""


@dataclass(frozen=True)
class Artefacts:
    """What is wrong with B pictures.

    Attributes
    ----------
    values
        (B, len(ARTEFACT_NUMBERS)); NaN where a number could not be measured.
    flags
        (B, len(FLAGS)).
    top
        (B, band) value of the brightest pixel, NaN without any.
    top_shares
        (B, band) share of the pixels at it.
    flat
        (B, band) every pixel of the band has one value, or none has.
    full
        (B, band) so many pixels are at the top that the detector was full.
    """

    values: Floats
    flags: Bools
    top: NDArray[np.float64]
    top_shares: NDArray[np.float64]
    flat: Bools
    full: Bools

    def number(self, name: str) -> Floats:
        """(B,) one of `ARTEFACT_NUMBERS`."""
        names = [one.name for one in ARTEFACT_NUMBERS]
        found: Floats = self.values[:, names.index(name)]
        return found

    def flag(self, name: str) -> Bools:
        """(B,) one of `FLAGS`."""
        found: Bools = self.flags[:, [one.name for one in FLAGS].index(name)]
        return found


def measure_artefacts(images: NDArray[Any]) -> Artefacts:
    """Numbers and flags of (B, band, y, x) native pixels; see `ARTEFACT_NUMBERS` and `FLAGS`.

    Raises
    ------
    BadInput
        It is not (B, band, y, x).
    """
    images = np.asarray(images)
    if images.ndim != 4 or not images[:1].size or images.dtype.kind not in "uif":
        if images.ndim == 4 and len(images) == 0 and images.dtype.kind in "uif":
            return _nothing(images)
        raise BadInput(
            "Artefacts are looked for in numbers of shape (object, band, y, x), but came"
            f" {images.dtype} of shape {images.shape}; give one picture as images[None]."
        )
    good = np.ones(images.shape, bool) if images.dtype.kind in "ui" else np.isfinite(images)
    whole = bool(good.all())
    n_pixels = images.shape[2] * images.shape[3]
    if whole:
        low, high = images.min(axis=(2, 3)), images.max(axis=(2, 3))
    else:
        low = np.where(good, images, np.inf).min(axis=(2, 3))
        high = np.where(good, images, -np.inf).max(axis=(2, 3))
    flat = ~(high > low)
    at_top = (images == high[..., None, None]).sum(axis=(2, 3))
    n_good = good.sum(axis=(2, 3)) if not whole else np.full(low.shape, n_pixels)
    zero = n_good - np.count_nonzero(images, axis=(2, 3)) + (n_pixels - n_good)
    missing = 1 - n_good.sum(axis=1) / (n_pixels * images.shape[1])
    zero_share = zero.max(axis=1) / n_pixels
    full = _full(images.dtype, at_top, high, n_pixels) & ~flat
    dead = _dead_lines(images, good, whole, flat)
    edge, trail = _edges_and_trails(images)
    all_flat = flat.all(axis=1)
    nothing = (n_good == 0).all(axis=1) | (all_flat & ~_any_light(low, n_good))
    shares = at_top / n_pixels
    values = np.stack(
        [missing, zero_share, shares.max(axis=1), flat.sum(axis=1), dead, edge, trail], axis=1
    ).astype(np.float32)
    least = ZERO_SHARE_OF_8_BITS if images.dtype == np.uint8 else ZERO_SHARE
    flags = np.stack(
        [
            nothing,
            all_flat & ~nothing,
            flat.any(axis=1) & ~all_flat,
            missing > MISSING_SHARE,
            zero_share > least,
            full.any(axis=1),
            dead >= DEAD_LINES,
            np.nan_to_num(edge) >= EDGE_SIGMA,
            np.nan_to_num(trail) >= TRAIL_COVER,
        ],
        axis=1,
    )
    # An empty or even picture has every fault of its lines; one flag says it.
    flags[nothing | all_flat, 2:] = False
    flags[:, 3] |= missing > MISSING_SHARE
    return Artefacts(values, flags, np.where(n_good > 0, high, np.nan), shares, flat, full)


def _nothing(images: NDArray[Any]) -> Artefacts:
    bands = images.shape[1]
    return Artefacts(
        np.empty((0, len(ARTEFACT_NUMBERS)), np.float32),
        np.empty((0, len(FLAGS)), bool),
        np.empty((0, bands)),
        np.empty((0, bands)),
        np.empty((0, bands), bool),
        np.empty((0, bands), bool),
    )


def _any_light(low: NDArray[Any], n_good: NDArray[Any]) -> Bools:
    return np.asarray(((low != 0) & (n_good > 0)).any(axis=1))


def _full(dtype: np.dtype[Any], at_top: NDArray[Any], high: NDArray[Any], n: int) -> Bools:
    """(B, band): so many pixels at the top that the detector was full."""
    least = SATURATED_SHARE_OF_8_BITS if dtype == np.uint8 else SATURATED_SHARE
    # A faint 8-bit picture has many pixels of its few brightest levels.
    at_end = high == 255 if dtype == np.uint8 else high != 0
    return np.asarray((at_top >= max(SATURATED_PIXELS, least * n)) & at_end)


def _dead_lines(
    images: NDArray[Any],
    good: Bools,
    whole: bool,
    flat: Bools,
) -> NDArray[np.int64]:
    """(B,) rows and columns that have no value, or one value that the rest hardly has."""
    lines = np.zeros(len(images), np.int64)
    for axis in (3, 2):
        if whole:
            first, last = images.min(axis=axis), images.max(axis=axis)
            even = first == last
        else:
            first = np.where(good, images, np.inf).min(axis=axis)
            last = np.where(good, images, -np.inf).max(axis=axis)
            # A line of one value among gaps is even too; one without any value is.
            even = ~(last > first)
        even &= ~flat[..., None]
        if not even.any():
            continue
        dead_in_a_band = np.zeros((len(images), even.shape[2]), bool)
        which, band, _line = np.nonzero(even)
        pairs = np.unique(np.stack([which, band]), axis=1)
        for one, of in pairs.T:
            picture, dead = images[one, of], even[one, of]
            rest = picture[:, ~dead] if axis == 2 else picture[~dead]
            real = rest[np.isfinite(rest)] if not whole else rest.reshape(-1)
            for value in np.unique(first[one, of][dead]):
                if np.isfinite(value) and real.size and (real == value).mean() > _COMMON_SHARE:
                    continue
                dead_in_a_band[one] |= dead & (first[one, of] == value)
        lines += dead_in_a_band.sum(axis=1)
    return lines


def _edges_and_trails(
    images: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count, _bands, height, width = images.shape
    if min(height, width) < _SMALLEST_PX:
        return np.full(count, np.nan), np.full(count, np.nan)
    skyless = without_sky(images)
    n = np.maximum(skyless.good.any(axis=(2, 3)).sum(axis=1), 1)
    white = skyless.z.sum(axis=1) / np.sqrt(n, dtype=np.float32)[:, None, None]
    usable = skyless.varies.any(axis=1)
    edge = np.where(usable, np.maximum(_steps(white), _steps(white.swapaxes(1, 2))), np.nan)
    return edge, np.where(usable, _cover(white), np.nan)


def _steps(white: Floats) -> NDArray[np.float64]:
    """(B,) largest step of the level from row to row that six of eight parts of the rows share,
    over the noise of such a step: a galaxy in the middle spoils two parts and makes no six."""
    count, height, width = white.shape
    part = width // _PARTS
    parts = white[:, :, : _PARTS * part].reshape(count, height, _PARTS, part)
    level = np.clip(parts, -10, 10).mean(axis=3)
    sums = np.cumsum(np.pad(level, ((0, 0), (1, 0), (0, 0))), axis=1, dtype=np.float64)
    w = _EDGE_WINDOW_PX
    means = (sums[:, w:] - sums[:, :-w]) / w
    step = means[:, w:] - means[:, :-w]
    # The picture's own grain: steps of correlated pixels are larger than those of white noise.
    grain = 1.4826 * np.median(np.abs(step), axis=1).min(axis=1)
    # A step through the border makes its noise seem larger than it is.
    noise = np.maximum(grain, 0.5 * np.sqrt(2 / (w * part)))
    ordered = np.sort(step, axis=2)
    third, sixth = ordered[:, :, _SPOILT], -ordered[:, :, -1 - _SPOILT]
    shared = np.maximum(third, sixth).max(axis=1)
    return np.asarray(np.maximum(shared, 0) / noise)


def _cover(white: Floats) -> NDArray[np.float64]:
    """(B,) bright share of the line across the picture that most exceeds its neighbours."""
    count, height, width = white.shape
    side = max(1, -(-min(height, width) // _BLOCKS))
    rows, columns = height // side, width // side
    blocks = white[:, : rows * side, : columns * side].reshape(count, rows, side, columns, side)
    level = np.clip(blocks, -20, 20).mean(axis=(2, 4))
    # A galaxy is wider than a trail: what is left of it beside its surroundings is its core.
    level = (level - smoothed(level, _WIDE)).reshape(count, -1)
    middle = np.median(level, axis=1, keepdims=True)
    spread = 1.4826 * np.median(np.abs(level - middle), axis=1, keepdims=True)
    spread = np.maximum(spread, 1 / side)
    bright = (level > middle + _BRIGHT_SIGMA * spread).astype(np.float32)
    lines, beside = _lines(rows, columns)
    share = (lines @ bright.T).T
    padded = np.concatenate([share, np.zeros((count, 1), np.float32)], axis=1)
    around = np.maximum(padded[:, beside[0]], padded[:, beside[1]])
    return np.asarray((share - around).max(axis=1), np.float64)


@lru_cache(maxsize=8)
def _lines(rows: int, columns: int) -> tuple[Any, NDArray[np.int64]]:
    """Lines across a picture: a matrix (L, rows * columns) that averages along each, and (2, L)
    the lines 3 blocks to either side (L where there is none).

    Lines are a block wide and at least three quarters of the shorter side long.
    """
    y, x = np.divmod(np.arange(rows * columns), columns)
    y, x = y - (rows - 1) / 2, x - (columns - 1) / 2
    reach = int(np.hypot(rows, columns) / 2) + 1
    places: dict[tuple[int, int], int] = {}
    which, pixel, weight = [], [], []
    for number in range(_ANGLES):
        angle = np.pi * number / _ANGLES
        # Halves, which upright lines of an even picture lie at, must not be rounded to even.
        offset = np.floor(x * np.sin(angle) - y * np.cos(angle) + 1e-9).astype(np.int64)
        for place in range(-reach, reach + 1):
            on = np.flatnonzero(offset == place)
            if len(on) >= 0.75 * min(rows, columns):
                places[number, place] = len(places)
                which.append(np.full(len(on), places[number, place]))
                pixel.append(on)
                weight.append(np.full(len(on), 1 / len(on), np.float32))
    n = len(places)
    matrix = sparse.csr_array(
        (np.concatenate(weight), (np.concatenate(which), np.concatenate(pixel))),
        shape=(n, rows * columns),
    )
    beside = np.array(
        [[places.get((a, p + s), n) for a, p in places] for s in (-_BESIDE, _BESIDE)], np.int64
    )
    return matrix, beside
