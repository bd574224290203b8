"""What the pixels of a survey are like, from a sample of its objects, and which look wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from core.measure.morphology import FLAGS, Artefacts, measure_artefacts
from core.survey.store import Survey

__all__ = ["PERCENTILES", "BandSummary", "FlagRows", "Odd", "PixelSample", "sample_pixels"]

PERCENTILES = (1, 5, 16, 50, 84, 95, 99)
HISTOGRAM_BINS = 64

BLOCK_BYTES = 32 * 1024 * 1024
VALUES_A_BAND = 1_000_000
"""Pixels a band that percentiles and histograms are made of; mean, extremes and shares are of all
pixels of the sample."""

OUTLIER_SIGMA = 10.0
FEWEST_FOR_OUTLIERS = 20

FLAG_EXAMPLES = 6
"""Of each artefact flag."""

_MEANINGS = {one.name: one.meaning for one in FLAGS}


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
class FlagRows:
    """An artefact flag (`core.measure.morphology.FLAGS`): in how many pictures of the sample it
    is raised, and the rows of the first of them."""

    name: str
    count: int
    rows: tuple[int, ...]


@dataclass(frozen=True)
class PixelSample:
    """Statistics of each band, the odd ones among the sampled rows, and the artefact flags."""

    n_objects: int
    bands: tuple[BandSummary, ...]
    odd: tuple[Odd, ...]
    flags: tuple[FlagRows, ...] = ()


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
    raised = []
    for part, images in _blocks(survey, rows):
        flat = images.reshape(len(part), len(names), n_pixels)
        chosen = generator.permuted(np.arange(n_pixels))[:each]
        for number, band in enumerate(gathered):
            _gather(band, flat[:, number], flat[:, number][:, chosen])
        artefacts = measure_artefacts(images)
        raised.append(artefacts.flags)
        found += _odd(part, flat, names, seen, artefacts)
    bands = tuple(
        _summed(name, band, manifest.dtype) for name, band in zip(names, gathered, strict=True)
    )
    known = {one.row for one in found}
    for name, band in zip(names, gathered, strict=True):
        found += _outliers(rows, np.concatenate(band.peaks), name, known)
    flags = tuple(
        FlagRows(one.name, int(up.sum()), tuple(rows[up][:FLAG_EXAMPLES].tolist()))
        for one, up in zip(FLAGS, np.concatenate(raised).T, strict=True)
    )
    return PixelSample(len(rows), bands, tuple(found), flags)


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
    rows: np.ndarray,
    flat: np.ndarray,
    names: tuple[str, ...],
    seen: dict[bytes, int],
    artefacts: Artefacts,
) -> list[Odd]:
    """What is wrong with single pictures (object, band, pixel): one reason an object."""
    found = []
    flags = [one.name for one in FLAGS]
    missing = artefacts.number("missing_share")
    for place, row in enumerate(rows.tolist()):
        digest = hashlib.blake2b(np.ascontiguousarray(flat[place]).tobytes(), digest_size=16)
        twin = seen.setdefault(digest.digest(), row)
        up = {name for name, is_up in zip(flags, artefacts.flags[place], strict=True) if is_up}
        if "empty" in up:
            none = missing[place] == 1
            words = "no pixel has a value" if none else "every pixel is zero"
            found.append(Odd(row, words, words))
        elif "constant" in up:
            found.append(Odd(row, "every pixel has one value", "every pixel has one value"))
        elif "missing" in up:
            reason = f"{missing[place]:.0%} of its pixels are missing"
            found.append(Odd(row, _MEANINGS["missing"], reason))
        elif "flat_band" in up:
            which = ", ".join(np.array(names)[artefacts.flat[place]])
            reason = f"every pixel of {which} has one value"
            found.append(Odd(row, "every pixel of a band has one value", reason))
        elif twin != row:
            found.append(Odd(row, "the same picture twice", "the same picture as", twin))
        elif "saturated" in up:
            reason = _full(artefacts, place, names)
            found.append(Odd(row, "many pixels at the brightest value", reason))
        else:
            kind = next(
                (name for name in ("dead_line", "zero", "edge", "trail") if name in up), ""
            )
            if kind:
                found.append(Odd(row, _MEANINGS[kind], _words(artefacts, place, kind)))
    return found


def _full(artefacts: Artefacts, place: int, names: tuple[str, ...]) -> str:
    """Says which band is saturated most."""
    shares = np.where(artefacts.full[place], artefacts.top_shares[place], 0)
    worst = int(np.argmax(shares))
    top = artefacts.top[place, worst]
    return f"{shares[worst]:.1%} of band {names[worst]} is at its brightest value {top:.6g}"


def _words(artefacts: Artefacts, place: int, kind: str) -> str:
    """The reason with its number."""
    if kind == "dead_line":
        n = int(artefacts.number("dead_lines")[place])
        lines = "row or column has" if n == 1 else "rows or columns have"
        return f"{n} {lines} no value, or one that others lack"
    if kind == "zero":
        return f"{artefacts.number('zero_share')[place]:.0%} of a band is exactly zero"
    if kind == "edge":
        step = artefacts.number("edge_step")[place]
        return f"its level steps by {step:.0f} sigma along a whole row or column"
    return "a straight bright line crosses it"


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
