"""What the pixels of a survey are like, from a sample of its objects, and which look wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from core.survey.store import Survey

__all__ = ["PERCENTILES", "BandSummary", "Odd", "PixelSample", "sample_pixels"]

PERCENTILES = (1, 5, 16, 50, 84, 95, 99)
HISTOGRAM_BINS = 64

BLOCK_BYTES = 32 * 1024 * 1024
VALUES_A_BAND = 1_000_000
"""Pixels a band that percentiles and histograms are made of; mean, extremes and shares are of all
pixels of the sample."""

MISSING_SHARE = 0.2
SATURATED_SHARE = 0.005
SATURATED_SHARE_OF_8_BITS = 0.05
SATURATED_PIXELS = 9
"""A detector that is full has many pixels at one value, a star's peak has one. In pictures made
to be looked at the cores of bright galaxies are white on purpose."""

OUTLIER_SIGMA = 10.0
FEWEST_FOR_OUTLIERS = 20


@dataclass(frozen=True)
class BandSummary:
    """The pixels of one band, in the survey's units.

    Attributes
    ----------
    name
        Of the band.
    low, high, mean, std
        Of all finite pixels; None where there is none.
    percentiles
        At `PERCENTILES`; empty where no pixel is finite.
    nan_share, zero_share
        Of the pixels: not finite, and exactly zero.
    edges, counts
        A histogram of 64 bins: of 8-bit pixels from 0 to 256, of others of the central 99.8%.
    """

    name: str
    low: float | None
    high: float | None
    mean: float | None
    std: float | None
    percentiles: tuple[float, ...]
    nan_share: float
    zero_share: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Odd:
    """A row that is worth a look before anybody trusts the survey.

    Attributes
    ----------
    row
        Of the object.
    kind
        The reason in general words.
    reason
        The reason with its numbers.
    twin
        The row of the object that has the same picture, if that is the reason.
    """

    row: int
    kind: str
    reason: str
    twin: int | None = None


@dataclass(frozen=True)
class PixelSample:
    """Statistics of each band, and the odd ones among the sampled rows."""

    n_objects: int
    bands: tuple[BandSummary, ...]
    odd: tuple[Odd, ...]


@dataclass
class _Band:
    """One band, gathered block by block."""

    n: int = 0
    n_finite: int = 0
    n_zero: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    values: list[np.ndarray] = field(default_factory=list)
    peaks: list[np.ndarray] = field(default_factory=list)


def sample_pixels(survey: Survey, rows: np.ndarray, seed: int) -> PixelSample:
    """Measure the pictures of sorted rows, which all have one."""
    manifest = survey.manifest
    names = manifest.bands
    if not names or not len(rows):
        return PixelSample(0, (), ())
    n_pixels = manifest.cutout_size_px**2
    generator = np.random.default_rng(seed)
    each = min(n_pixels, max(16, VALUES_A_BAND // len(rows)))
    gathered = [_Band() for _name in names]
    found: list[Odd] = []
    seen: dict[bytes, int] = {}
    for part, images in _blocks(survey, rows):
        flat = images.reshape(len(part), len(names), n_pixels)
        chosen = generator.permuted(np.arange(n_pixels))[:each]
        for number, band in enumerate(gathered):
            _gather(band, flat[:, number], flat[:, number][:, chosen])
        found += _odd(part, flat, names, seen)
    bands = tuple(
        _summed(name, band, manifest.dtype) for name, band in zip(names, gathered, strict=True)
    )
    known = {one.row for one in found}
    for name, band in zip(names, gathered, strict=True):
        found += _outliers(rows, np.concatenate(band.peaks), name, known)
    return PixelSample(len(rows), bands, tuple(found))


def _blocks(survey: Survey, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    manifest = survey.manifest
    item = np.dtype(manifest.dtype).itemsize
    size = len(manifest.bands) * manifest.cutout_size_px**2 * item
    step = max(1, min(256, BLOCK_BYTES // size))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        yield part, survey.images(part)


def _gather(band: _Band, pixels: np.ndarray, chosen: np.ndarray) -> None:
    """Take in one band (object, pixel) of some objects, and the pixels for percentiles."""
    finite = np.isfinite(pixels)
    values = np.where(finite, pixels, 0).astype(np.float64)
    n_finite = int(finite.sum())
    band.n += pixels.size
    band.n_finite += n_finite
    band.n_zero += int((pixels == 0).sum())
    if n_finite:
        # Whole blocks are summed, so float64 keeps the digits of any survey's units.
        band.total += float(values.sum())
        band.squares += float(np.square(values).sum())
        band.low = min(band.low, float(np.where(finite, values, np.inf).min()))
        band.high = max(band.high, float(np.where(finite, values, -np.inf).max()))
    band.values.append(chosen[np.isfinite(chosen)].astype(np.float32))
    peaks = np.where(finite, values, -np.inf).max(axis=1)
    band.peaks.append(np.where(np.isfinite(peaks), peaks, np.nan))


def _summed(name: str, band: _Band, dtype: str) -> BandSummary:
    values = np.concatenate(band.values).astype(np.float64)
    nan_share = 1 - band.n_finite / band.n
    zero_share = band.n_zero / band.n
    if not band.n_finite:
        return BandSummary(name, None, None, None, None, (), nan_share, zero_share, (), ())
    mean = band.total / band.n_finite
    variance = max(0.0, band.squares / band.n_finite - mean**2)
    percentiles: tuple[float, ...] = ()
    edges, counts = np.empty(0), np.empty(0, np.int64)
    if values.size:
        percentiles = tuple(np.percentile(values, PERCENTILES).tolist())
        ends = (0.0, 256.0) if dtype == "uint8" else _ends(values)
        counts, edges = np.histogram(values, HISTOGRAM_BINS, ends)
    return BandSummary(
        name,
        band.low,
        band.high,
        mean,
        float(np.sqrt(variance)),
        percentiles,
        nan_share,
        zero_share,
        tuple(edges.tolist()),
        tuple(counts.tolist()),
    )


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [0.1, 99.9]).tolist()
    if not high > low:
        step = max(abs(low) * 1e-6, 1e-30)
        return low - step, low + step
    return low, high


def _odd(
    rows: np.ndarray, flat: np.ndarray, names: tuple[str, ...], seen: dict[bytes, int]
) -> list[Odd]:
    """What is wrong with single pictures (object, band, pixel): one reason an object."""
    found = []
    finite = np.isfinite(flat)
    missing = 1 - finite.mean(axis=(1, 2))
    low = np.where(finite, flat, np.inf).min(axis=2)
    high = np.where(finite, flat, -np.inf).max(axis=2)
    at_high = (flat == high[:, :, None]).sum(axis=2)
    for place, row in enumerate(rows.tolist()):
        digest = hashlib.blake2b(np.ascontiguousarray(flat[place]).tobytes(), digest_size=16)
        twin = seen.setdefault(digest.digest(), row)
        flat_bands = [
            name for name, a, b in zip(names, low[place], high[place], strict=True) if a == b
        ]
        if len(flat_bands) == len(names) and not low[place].any():
            found.append(Odd(row, "every pixel is zero", "every pixel is zero"))
        elif len(flat_bands) == len(names):
            found.append(Odd(row, "every pixel has one value", "every pixel has one value"))
        elif missing[place] > MISSING_SHARE:
            kind = f"more than {MISSING_SHARE:.0%} of its pixels are missing"
            found.append(Odd(row, kind, f"{missing[place]:.0%} of its pixels are missing"))
        elif flat_bands:
            reason = f"every pixel of {', '.join(flat_bands)} has one value"
            found.append(Odd(row, "every pixel of a band has one value", reason))
        elif twin != row:
            found.append(Odd(row, "the same picture twice", "the same picture as", twin))
        else:
            full = _full(flat.dtype, at_high[place], high[place], flat.shape[2], names)
            if full:
                found.append(Odd(row, "many pixels at the brightest value", full))
    return found


def _full(
    dtype: np.dtype, at_high: np.ndarray, high: np.ndarray, n_pixels: int, names: tuple[str, ...]
) -> str:
    """Says which band is saturated; empty for none."""
    least = SATURATED_SHARE_OF_8_BITS if dtype == np.uint8 else SATURATED_SHARE
    enough = at_high >= max(SATURATED_PIXELS, least * n_pixels)
    # A faint 8-bit picture has many pixels of its few brightest levels.
    enough &= high == 255 if dtype == np.uint8 else high != 0
    if not enough.any():
        return ""
    worst = int(np.argmax(np.where(enough, at_high, 0)))
    share = at_high[worst] / n_pixels
    return f"{share:.1%} of band {names[worst]} is at its brightest value {high[worst]:.6g}"


def _outliers(rows: np.ndarray, peaks: np.ndarray, name: str, known: set[int]) -> list[Odd]:
    """Objects whose brightest pixel lies far above those of the others."""
    good = np.isfinite(peaks)
    if good.sum() < FEWEST_FOR_OUTLIERS:
        return []
    median, one, two = np.percentile(peaks[good], [50, 84.13, 97.72])
    # Fluxes have a long tail upwards: its own width is taken, twice, for sigma.
    sigma = max(one - median, (two - median) / 2)
    if not sigma > 0:
        return []
    with np.errstate(invalid="ignore"):
        far = (peaks - median) / sigma
    found = []
    for place in np.flatnonzero(good & (far > OUTLIER_SIGMA)).tolist():
        row = int(rows[place])
        if row not in known:
            known.add(row)
            reason = (
                f"its brightest pixel in {name} ({peaks[place]:.4g}) lies {far[place]:.0f} sigma"
                " above the others'"
            )
            found.append(Odd(row, "brightest pixel far above the others'", reason))
    return found
