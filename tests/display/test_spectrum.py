from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.display.spectrum import LINES, draw_spectrum, spectrum_png
from core.errors import BadInput
from core.spectra import SpectralGrid

GRID = SpectralGrid.between(3800, 9200, 2e-4)
RNG = np.random.default_rng(0)


def spectrum(line: float = 6000.0):
    flux = 3 + 20 * np.exp(-(((GRID.wavelength - line) / 10) ** 2))
    return (flux + RNG.normal(0, 0.1, GRID.n)).astype("f4"), np.full(GRID.n, 100, "f4")


def bright(picture: np.ndarray) -> np.ndarray:
    """Where the smoothed flux was drawn: (y, x) of the blue of the dark look."""
    r, g, b = np.moveaxis(picture.astype(int), -1, 0)
    return np.argwhere((b > 200) & (g > 150) & (r < 160))


@pytest.mark.parametrize("size", [(512, 512), (1024, 512), (300, 200), (64, 64)])
@pytest.mark.parametrize("dark", [True, False])
def test_it_has_the_size_asked_for_and_repeats(size, dark):
    flux, ivar = spectrum()
    mask = np.zeros(GRID.n, bool)
    first = draw_spectrum(GRID, flux, ivar, mask, *size, dark=dark, redshift=0.1)
    assert first.shape == (size[1], size[0], 3)
    assert first.dtype == np.uint8
    assert first.std() > 5
    assert bool(np.median(first) < 128) is dark
    assert np.array_equal(
        first, draw_spectrum(GRID, flux, ivar, mask, *size, dark=dark, redshift=0.1)
    )
    content = spectrum_png(first)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), first)
    assert len(content) < 150_000


@pytest.mark.parametrize("line", [4500.0, 6500.0, 8500.0])
def test_a_line_stands_where_its_wavelength_is(line):
    flux, ivar = spectrum(line)
    picture = draw_spectrum(GRID, flux, ivar, np.zeros(GRID.n, bool), 1024, 512)
    at = bright(picture)
    top = at[at[:, 0] < at[:, 0].min() + 8]  # the line's peak
    expected = (line - 3800) / (9200 - 3800)
    assert top[:, 1].mean() / 1024 == pytest.approx(expected, abs=0.03)
    assert at[:, 0].max() > 400  # the continuum lies at the foot


def test_masked_stretches_are_shaded_and_bear_no_flux():
    flux, ivar = spectrum()
    mask = (GRID.wavelength > 7000) & (GRID.wavelength < 8000)
    flux[mask], ivar[mask] = 0, 0
    picture = draw_spectrum(GRID, flux, ivar, mask, 1024, 512)
    columns = slice(int(0.63 * 1024), int(0.75 * 1024))
    inside = picture[100:400, columns].reshape(-1, 3)
    outside = picture[100:400, 200:300].reshape(-1, 3)
    assert (np.median(inside, axis=0) != np.median(outside, axis=0)).any()
    drawn = bright(picture)
    assert not ((drawn[:, 1] > columns.start) & (drawn[:, 1] < columns.stop)).any()


def test_a_redshift_brings_its_lines():
    flux, ivar = spectrum()
    arguments = GRID, flux, ivar, np.zeros(GRID.n, bool), 1024, 512

    def orange(picture):
        r, g, b = np.moveaxis(picture.astype(int), -1, 0)
        return np.argwhere((r > g + 20) & (g > b + 15))

    assert not len(orange(draw_spectrum(*arguments)))
    marked = orange(draw_spectrum(*arguments, redshift=0.0))
    hydrogen = dict(LINES)["Ha"]
    expected = (hydrogen - 3800) / (9200 - 3800) * 1024
    low = marked[marked[:, 0] > 300]  # below the names
    assert np.abs(low[:, 1] - expected).min() < 25
    far = orange(draw_spectrum(*arguments, redshift=50.0))
    assert not (far[:, 0] > 100).any()  # the number alone
    assert not len(orange(draw_spectrum(*arguments, redshift=float("nan"))))


def test_a_bad_pixel_does_not_flatten_the_rest():
    flux, ivar = spectrum()
    plain = bright(draw_spectrum(GRID, flux, ivar, np.zeros(GRID.n, bool), 512, 512))
    flux[1500] = 1e6
    spoilt = bright(draw_spectrum(GRID, flux, ivar, np.zeros(GRID.n, bool), 512, 512))
    spread = np.percentile(plain[:, 0], 90) - np.percentile(plain[:, 0], 5)
    assert np.percentile(spoilt[:, 0], 90) - np.percentile(spoilt[:, 0], 5) > 0.25 * spread


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 60),
    scale=st.sampled_from([0.0, 1e-38, 1e-17, 1.0, 1e30, 3e38]),
    seed=st.integers(0, 99),
    bad=st.floats(0, 1),
    redshift=st.sampled_from([None, -0.5, -0.05, 0.0, 1e30, float("inf")]),
)
def test_it_draws_whatever_comes(n, scale, seed, bad, redshift):
    rng = np.random.default_rng(seed)
    grid = SpectralGrid(3.6, 1e-3, n)
    flux = np.clip(scale * rng.normal(size=n), -3e38, 3e38).astype("f4")
    ivar = rng.choice([0, 1e-30, 1, 1e30], n).astype("f4")
    flux[rng.random(n) < 0.1] = np.nan
    mask = rng.random(n) < bad
    picture = draw_spectrum(grid, flux, ivar, mask, 128, 96, redshift=redshift)
    assert picture.shape == (96, 128, 3)


def test_what_cannot_be_drawn():
    flux, ivar = spectrum()
    mask = np.zeros(GRID.n, bool)
    with pytest.raises(BadInput, match="shapes"):
        draw_spectrum(GRID, flux[1:], ivar, mask, 512, 512)
    with pytest.raises(BadInput, match="63 x 512"):
        draw_spectrum(GRID, flux, ivar, mask, 63, 512)
    empty = draw_spectrum(GRID, flux, ivar, ~mask, 512, 512)
    assert empty.std() > 0  # says so
