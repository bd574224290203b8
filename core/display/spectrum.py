"""A spectrum as a picture: flux, its errors, what is masked, and the lines of a redshift."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.display.spectrum_axes import Plot, number_text, power_of_ten, ticks
from core.errors import BadInput
from core.spectra import SpectralGrid

MIN_SIDE_PX, MAX_SIDE_PX = 64, 4096

LINES = (
    *(("Lya", 1215.67), ("C IV", 1549.48), ("C III]", 1908.73), ("Mg II", 2799.12)),
    *(("[O II]", 3728.48), ("Ca K", 3934.78), ("Ca H", 3969.59), ("Hb", 4862.68)),
    *(("[O III]", 5008.24), ("Mg b", 5176.63), ("Na D", 5895.60), ("Ha", 6564.61)),
    ("[S II]", 6725.48),
)
"""Name and vacuum wavelength at rest in Angstrom (SDSS's list; doublets at their middle). Latin
letters, since Pillow's own font has no others."""

_UNIT = "Angstrom"
_COLUMNS_A_BOX = 1.8
_LEAST_BOXCAR = 3
_SHOWN = (0.5, 99.5)
_NOISY = 4.0
_PEAKS, _TROUGHS = 1.0, 0.4
_MARGIN = 0.06
_SAMPLES = 2


@dataclass(frozen=True)
class _Colours:
    ground: tuple[int, int, int]
    frame: tuple[int, int, int]
    text: tuple[int, int, int]
    raw: tuple[int, int, int]
    flux: tuple[int, int, int]
    error: tuple[int, int, int]
    masked: tuple[int, int, int]
    line: tuple[int, int, int]
    zero: tuple[int, int, int]


_DARK = _Colours(
    (14, 17, 23),
    (110, 118, 130),
    (205, 210, 218),
    (70, 84, 104),
    (120, 200, 255),
    (44, 62, 84),
    (44, 38, 40),
    (240, 170, 70),
    (62, 68, 78),
)
_LIGHT = _Colours(
    (255, 255, 255),
    (120, 126, 136),
    (40, 44, 52),
    (190, 200, 212),
    (10, 80, 150),
    (208, 224, 240),
    (238, 230, 230),
    (190, 100, 0),
    (216, 218, 222),
)


def draw_spectrum(
    grid: SpectralGrid,
    flux: np.ndarray,
    ivar: np.ndarray,
    mask: np.ndarray,
    width_px: int,
    height_px: int,
    *,
    dark: bool = True,
    redshift: float | None = None,
    flux_label: str = "",
) -> np.ndarray:
    """Draw one spectrum.

    Wavelength runs linearly from the first to the last good pixel. The bright line is the flux
    smoothed by a boxcar weighted with the inverse variance, at least three pixels wide and as
    wide as a column of the picture; the dim one the flux itself. The band is one standard
    deviation of the smoothed flux on both sides; stretches without good pixels are shaded.
    Flux reaches from the 0.5th to the 99.5th percentile of the smoothed flux and beyond to its
    extremes, but at most as far again, so that a bad pixel does not flatten all others; pixels
    of four times the usual noise have no say.

    Parameters
    ----------
    flux, ivar, mask
        (n,) on the grid, as `core.survey.Spectrum` has them.
    width_px, height_px
        64 to 4096.
    redshift
        Marks the lines that it brings into view; not finite or below -0.1 is left out.
    flux_label
        Unit of the flux, drawn above the axis.

    Returns
    -------
    (height_px, width_px, 3) uint8; `core.display.encode_png` makes a file of it.
    """
    _check(grid, flux, ivar, mask, width_px, height_px)
    colours = _DARK if dark else _LIGHT
    picture = Image.new("RGB", (width_px * _SAMPLES, height_px * _SAMPLES), colours.ground)
    canvas = ImageDraw.Draw(picture)
    size = max(10, min(16, round(min(width_px, height_px) / 34))) * _SAMPLES
    font = ImageFont.load_default(size)
    good = ~mask & (ivar > 0) & np.isfinite(flux)
    if not good.any():
        words = "no good pixel"
        canvas.text(
            (picture.width / 2, picture.height / 2), words, colours.text, font, anchor="mm"
        )
        return _finished(picture, width_px, height_px)
    first, last = np.flatnonzero(good)[[0, -1]]
    last = max(last, first + 1) if first + 1 < grid.n else last
    first = min(first, last - 1)
    part = slice(first, last + 1)
    box = _boxcar(last + 1 - first, width_px)
    smooth, sigma = _smoothed(flux[part], ivar[part], good[part], box)
    low, high = _flux_range(smooth, sigma)
    marks = ticks(low, high, max(3, height_px // 90))
    power = power_of_ten(max(abs(low), abs(high)))
    labels = [number_text(value, marks, power) for value in marks]
    label_width = max((canvas.textlength(label, font=font) for label in labels), default=0)
    frame = (
        round(label_width + size * 1.1),
        round(size * 1.7),
        picture.width - round(size * 0.8),
        picture.height - round(size * 1.9),
    )
    plot = Plot(frame, float(grid.edges[first]), float(grid.edges[last + 1]), low, high)
    _shade(canvas, plot, grid, good, first, last, colours)
    _band(canvas, plot, grid.wavelength[part], smooth, sigma, colours)
    if low < 0 < high:
        canvas.line([plot.at(plot.blue, 0), plot.at(plot.red, 0)], colours.zero, _SAMPLES)
    _curve(
        canvas,
        plot,
        grid.wavelength[part],
        np.where(good[part], flux[part], np.nan),
        colours.raw,
        1,
    )
    _curve(canvas, plot, grid.wavelength[part], smooth, colours.flux, _SAMPLES + 1)
    _cover(canvas, frame, picture.size, colours)
    _axes(canvas, plot, marks, labels, font, size, colours, width_px)
    if redshift is not None and math.isfinite(redshift) and redshift > -0.1:
        _lines(canvas, plot, redshift, font, size, colours)
    words = f"x 10^{power}  {flux_label}".strip() if power else flux_label
    if words:
        canvas.text((frame[0], size * 0.3), words, colours.text, font, anchor="la")
    if redshift is not None and math.isfinite(redshift):
        words = f"z = {redshift:.4f}"
        canvas.text((frame[2], size * 0.3), words, colours.line, font, anchor="ra")
    return _finished(picture, width_px, height_px)


def _check(
    grid: SpectralGrid,
    flux: np.ndarray,
    ivar: np.ndarray,
    mask: np.ndarray,
    width_px: int,
    height_px: int,
) -> None:
    shapes = {np.shape(flux), np.shape(ivar), np.shape(mask)}
    if shapes != {(grid.n,)}:
        raise BadInput(
            f"Flux, ivar and mask have a value for each of the grid's {grid.n} pixels, but got"
            f" the shapes {sorted(shapes)}; check where they came from."
        )
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (width_px, height_px)):
        raise BadInput(
            f"A spectrum is drawn {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels wide and high, but"
            f" {width_px} x {height_px} was asked for; choose another size."
        )


def _boxcar(n_pixels: int, width_px: int) -> int:
    width = max(_LEAST_BOXCAR, round(_COLUMNS_A_BOX * n_pixels / width_px))
    return min(width | 1, max(1, n_pixels // 4) | 1)


def _smoothed(
    flux: np.ndarray, ivar: np.ndarray, good: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean over `width` pixels and its standard deviation; NaN where a pixel is bad
    and less than a third of those around it is good."""
    box = np.ones(width)
    weight = np.where(good, ivar, 0).astype(np.float64)
    total = np.convolve(weight, box, "same")
    summed = np.convolve(weight * np.where(good, flux, 0), box, "same")
    usable = (good | (np.convolve(good, box, "same") > width / 3)) & (total > 0)
    with np.errstate(all="ignore"):
        smooth = np.where(usable, summed / total, np.nan)
        sigma = np.where(usable, total**-0.5, np.nan)
    return smooth, sigma


def _flux_range(smooth: np.ndarray, sigma: np.ndarray) -> tuple[float, float]:
    """Flux at the foot and the top of the frame."""
    seen = np.isfinite(smooth)
    # The ends of a detector are loud and say little.
    values = smooth[seen & (sigma <= _NOISY * np.median(sigma[seen]))]
    low, high = (float(one) for one in np.percentile(values, _SHOWN))
    most, least = float(values.max()), float(values.min())
    span = high - low
    low, high = max(least, low - _TROUGHS * span), min(most, high + _PEAKS * span)
    size = max(abs(low), abs(high))
    if not high - low > 1e-6 * size:
        low, high = low - 0.5 * (size or 1.0), high + 0.5 * (size or 1.0)
    margin = _MARGIN * (high - low)
    return low - margin, high + margin


def _shade(
    canvas: ImageDraw.ImageDraw,
    plot: Plot,
    grid: SpectralGrid,
    good: np.ndarray,
    first: int,
    last: int,
    colours: _Colours,
) -> None:
    bad = np.concatenate([[False], ~good[first : last + 1], [False]])
    turns = np.flatnonzero(np.diff(bad))
    for begin, end in zip(turns[::2], turns[1::2], strict=True):
        left = float(plot.x(grid.edges[first + begin]))
        right = max(float(plot.x(grid.edges[first + end])), left + 1)
        canvas.rectangle((left, plot.frame[1], right, plot.frame[3]), colours.masked)


def _runs(finite: np.ndarray) -> list[slice]:
    turns = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]])))
    return [slice(a, b) for a, b in zip(turns[::2], turns[1::2], strict=True)]


def _band(
    canvas: ImageDraw.ImageDraw,
    plot: Plot,
    wavelength: np.ndarray,
    smooth: np.ndarray,
    sigma: np.ndarray,
    colours: _Colours,
) -> None:
    for run in _runs(np.isfinite(smooth)):
        x = plot.x(wavelength[run])
        upper, lower = plot.y(smooth[run] + sigma[run]), plot.y(smooth[run] - sigma[run])
        corners = [*zip(x, upper, strict=True), *zip(x[::-1], lower[::-1], strict=True)]
        if len(corners) > 4:
            canvas.polygon(corners, fill=colours.error)


def _curve(
    canvas: ImageDraw.ImageDraw,
    plot: Plot,
    wavelength: np.ndarray,
    flux: np.ndarray,
    colour: tuple[int, int, int],
    width: int,
) -> None:
    for run in _runs(np.isfinite(flux)):
        points = list(zip(plot.x(wavelength[run]), plot.y(flux[run]), strict=True))
        if len(points) == 1:  # a pixel between two bad ones
            (x, y) = points[0]
            points = [(x - 1, y), (x + 1, y)]
        canvas.line(points, colour, width)


def _cover(
    canvas: ImageDraw.ImageDraw,
    frame: tuple[int, int, int, int],
    size: tuple[int, int],
    colours: _Colours,
) -> None:
    """Paint over what ran out of the frame."""
    left, top, right, bottom = frame
    width, height = size
    for corner in (
        (0, 0, width, top - 1),
        (0, bottom + 1, width, height),
        (0, 0, left - 1, height),
        (right + 1, 0, width, height),
    ):
        canvas.rectangle(corner, colours.ground)


def _axes(
    canvas: ImageDraw.ImageDraw,
    plot: Plot,
    marks: np.ndarray,
    labels: list[str],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: int,
    colours: _Colours,
    width_px: int,
) -> None:
    left, _top, right, bottom = plot.frame
    canvas.rectangle(plot.frame, outline=colours.frame, width=_SAMPLES)
    mark = size * 0.4
    for value, label in zip(marks, labels, strict=True):
        y = float(plot.y(value))
        canvas.line([(left, y), (left + mark, y)], colours.frame, _SAMPLES)
        canvas.text((left - size * 0.35, y), label, colours.text, font, anchor="rm")
    free = right - canvas.textlength(" " + _UNIT, font=font)
    for value in ticks(plot.blue, plot.red, max(3, width_px // 110)):
        x = float(plot.x(value))
        canvas.line([(x, bottom), (x, bottom - mark)], colours.frame, _SAMPLES)
        label = f"{value:g}" if value < 1e6 else f"{value:.3g}"
        half = canvas.textlength(label, font=font) / 2
        if x - half > left * 0.5 and x + half < free:
            canvas.text((x, bottom + size * 0.3), label, colours.text, font, anchor="ma")
    canvas.text((right, bottom + size * 0.3), _UNIT, colours.text, font, anchor="ra")


def _lines(
    canvas: ImageDraw.ImageDraw,
    plot: Plot,
    redshift: float,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: int,
    colours: _Colours,
) -> None:
    """Dashed marks with names, a name in the first of three rows where it fits."""
    _left, top, _right, bottom = plot.frame
    taken = [-math.inf] * 3
    for name, rest in LINES:
        wavelength = rest * (1 + redshift)
        if not plot.blue < wavelength < plot.red:
            continue
        x = float(plot.x(wavelength))
        half = canvas.textlength(name, font=font) / 2 + size * 0.2
        row = next((k for k, end in enumerate(taken) if x - half > end), None)
        begin = top + size * 0.4
        if row is not None and x + half < plot.frame[2] and x - half > plot.frame[0]:
            taken[row] = x + half
            y = top + size * (0.3 + 1.15 * row)
            canvas.text((x, y), name, colours.line, font, anchor="ma")
            begin = y + size * 1.3
        for y in np.arange(begin, bottom, size * 0.6):
            canvas.line([(x, y), (x, min(bottom, y + size * 0.2))], colours.line, 1)


def _finished(picture: Image.Image, width_px: int, height_px: int) -> np.ndarray:
    small = picture.resize((width_px, height_px), Image.Resampling.BOX)
    return np.asarray(small)


def spectrum_png(picture: np.ndarray) -> bytes:
    """PNG of what `draw_spectrum` made, small: the picture has few colours."""
    target = io.BytesIO()
    Image.fromarray(picture).save(target, format="PNG", compress_level=3)
    return target.getvalue()
