from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.spectra import SpectralGrid, combine, estimated_ivar, fitting_grid, resample, to_vacuum


def spectrum(wavelength, seed=0):
    rng = np.random.default_rng(seed)
    flux = 5 + np.sin(wavelength / 90) + rng.normal(0, 0.3, len(wavelength))
    return flux, rng.uniform(0.5, 3, len(wavelength))


def by_hand(wavelength, flux, ivar, good, grid):
    """The formula, pixel by pixel."""
    middle = (wavelength[1:] + wavelength[:-1]) / 2
    edges = np.concatenate([[2 * wavelength[0] - middle[0]], middle])
    edges = np.append(edges, 2 * wavelength[-1] - middle[-1])
    out_flux, out_ivar, out_mask = np.zeros(grid.n), np.zeros(grid.n), np.ones(grid.n, bool)
    for j in range(grid.n):
        a, b = grid.edges[j], grid.edges[j + 1]
        overlap = np.clip(np.minimum(b, edges[1:]) - np.maximum(a, edges[:-1]), 0, None) * good
        if overlap.sum() < 0.5 * (b - a):
            continue
        out_mask[j] = False
        used = overlap > 0
        out_flux[j] = (overlap * flux)[used].sum() / overlap.sum()
        out_ivar[j] = overlap.sum() ** 2 / (overlap[used] ** 2 / ivar[used]).sum()
    return out_flux, out_ivar, out_mask


@pytest.mark.parametrize(
    "wavelength",
    [np.arange(3600, 9824, 0.8), np.arange(3000, 5000, 7.0), 10 ** np.arange(3.58, 3.9, 3e-4)],
    ids=["finer", "coarser", "log"],
)
def test_it_is_the_formula(wavelength):
    grid = SpectralGrid.between(3500, 9900, 2e-4)
    flux, ivar = spectrum(wavelength)
    mask = np.random.default_rng(1).random(len(flux)) < 0.1
    flux[~mask & (np.arange(len(flux)) % 97 == 0)] = np.nan
    ivar[::101] = 0
    good = ~mask & np.isfinite(flux) & (ivar > 0)
    found = resample(wavelength, flux, ivar, mask, grid)
    expected = by_hand(wavelength, np.nan_to_num(flux), np.where(good, ivar, 1), good, grid)
    assert [one.dtype for one in found] == [np.float32, np.float32, bool]
    np.testing.assert_array_equal(found[2], expected[2])
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-7)
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-6)


def test_it_agrees_with_specutils():
    import astropy.units as u
    from astropy.nddata import InverseVariance
    from specutils import Spectrum
    from specutils.manipulation import FluxConservingResampler

    wavelength = np.arange(4000, 4500, 0.8)
    flux, ivar = spectrum(wavelength)
    grid = SpectralGrid.between(4050, 4450, 3e-4)
    found = resample(wavelength, flux, ivar, None, grid)
    theirs = FluxConservingResampler()(
        Spectrum(
            flux=flux * u.Jy, spectral_axis=wavelength * u.AA, uncertainty=InverseVariance(ivar)
        ),
        grid.wavelength * u.AA,
    )
    inner = slice(1, -1)
    # Their output pixels end half-way between centres, ours half-way in log10 wavelength.
    np.testing.assert_allclose(found[0][inner], theirs.flux.value[inner], rtol=2e-4)
    np.testing.assert_allclose(found[1][inner], theirs.uncertainty.array[inner], rtol=2e-3)
    assert not found[2].any()


def test_a_spectrum_on_the_grid_is_copied_exactly():
    grid = SpectralGrid.between(3600, 11000)
    loglam = (3.5534 + 1e-4 * np.arange(4606)).astype(np.float32)
    rng = np.random.default_rng(0)
    flux = rng.normal(size=4606).astype(np.float32)
    ivar = rng.uniform(0, 2, 4606).astype(np.float32)
    ivar[100:120] = 0
    mask = np.zeros(4606, bool)
    mask[200] = True
    found = resample(10.0 ** loglam.astype(float), flux, ivar, mask, grid)
    at = round((grid.log10_start - 3.5534) / 1e-4)
    n = 4606 - at
    bad = mask | (ivar == 0)
    assert np.array_equal(found[0][:n], np.where(bad, 0, flux)[at:])
    assert np.array_equal(found[1][:n], np.where(bad, 0, ivar)[at:])
    assert np.array_equal(found[2][:n], bad[at:])
    assert found[2][n:].all()
    assert n < grid.n


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.floats(0.2, 0.5), min_size=60, max_size=90),
    scale=st.floats(-1e6, 1e6),
    spike=st.floats(-1e12, 1e12),
    log10_step=st.floats(1e-5, 3e-4),
)
def test_flux_is_conserved(steps, scale, spike, log10_step):
    """The integral over any stretch of whole output pixels is that of the input below it."""
    wavelength = 5000 + np.cumsum(steps)
    flux = scale * np.sin(np.arange(len(steps)))
    flux[20] = spike
    grid = SpectralGrid.between(wavelength[8], wavelength[-9], log10_step)
    found, _ivar, mask = resample(wavelength, flux, np.ones(len(flux)), None, grid)
    assert not mask.any()
    edges = (wavelength[1:] + wavelength[:-1]) / 2
    edges = np.concatenate(
        [[wavelength[0] - steps[1] / 2], edges, [wavelength[-1] + steps[-1] / 2]]
    )
    running = np.concatenate([[0], np.cumsum(flux * np.diff(edges))])
    a, b = np.interp([grid.edges[0], grid.edges[-1]], edges, running)
    total = np.sum(found.astype(float) * np.diff(grid.edges))
    size = np.sum(np.abs(flux) * np.diff(edges)) + 1e-30
    assert abs(total - (b - a)) < 1e-6 * size


def test_a_bright_pixel_leaves_the_others_their_digits():
    wavelength = np.arange(4000, 4400, 0.8)
    flux = np.ones(len(wavelength))
    flux[10] = 1e20
    grid = SpectralGrid.between(4100, 4300)
    found, _ivar, _mask = resample(wavelength, flux, np.ones(len(flux)), None, grid)
    np.testing.assert_allclose(found, 1, rtol=1e-6)


def test_gaps_and_ends_have_no_data():
    wavelength = np.concatenate([np.arange(4000, 4100, 0.8), np.arange(4200, 4300, 0.8)])
    grid = SpectralGrid.between(3900, 4400)
    flux, ivar, mask = resample(
        wavelength, np.ones(len(wavelength)), np.ones(len(wavelength)), None, grid
    )
    inside = (grid.wavelength > 4101) & (grid.wavelength < 4199)
    beyond = (grid.wavelength < 3999) | (grid.wavelength > 4301)
    assert mask[inside].all()
    assert mask[beyond].all()
    near = (grid.wavelength > 4001) & (grid.wavelength < 4099)
    assert not mask[near].any()
    assert (flux[mask] == 0).all()
    assert (ivar[mask] == 0).all()
    outside = resample(wavelength, wavelength, wavelength, None, SpectralGrid.between(5000, 5100))
    assert outside[2].all()


def test_values_that_single_precision_cannot_hold_are_masked():
    wavelength = np.arange(4000, 4100, 0.8)
    flux = np.full(len(wavelength), 1e300)
    grid = SpectralGrid.between(4010, 4090)
    found = resample(wavelength, flux, np.ones(len(flux)), None, grid)
    assert found[2].all()
    assert np.isfinite(found[0]).all()


def test_co_adding_is_the_weighted_mean():
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(3):
        mask = rng.random(50) < 0.4
        flux = rng.normal(size=50).astype(np.float32) * ~mask
        parts.append((flux, rng.uniform(1, 2, 50).astype(np.float32) * ~mask, mask))
    flux, ivar, mask = combine(parts)
    assert np.array_equal(mask, np.all([part[2] for part in parts], axis=0))
    np.testing.assert_allclose(ivar, sum(part[1] for part in parts), rtol=1e-6)
    seen = ~mask
    expected = np.average(
        [part[0][seen] for part in parts], axis=0, weights=[part[1][seen] for part in parts]
    )
    np.testing.assert_allclose(flux[seen], expected, rtol=1e-5, atol=1e-6)


def test_air_to_vacuum_is_that_of_specutils():
    import astropy.units as u
    from specutils.utils.wcs_utils import air_to_vac

    air = np.array([2100.0, 3933.66, 4861.33, 5006.84, 6562.80, 10829.0])
    theirs = air_to_vac(air * u.AA, scheme="iteration", method="Ciddor1996").to_value(u.AA)
    np.testing.assert_allclose(to_vacuum(air), theirs, rtol=1e-9)
    assert to_vacuum(np.array([5006.84]))[0] == pytest.approx(5008.24, abs=0.01)
    assert to_vacuum(np.array([1215.67]))[0] == 1215.67


def test_the_noise_estimate_finds_the_noise():
    rng = np.random.default_rng(0)
    flux = 100 + np.linspace(0, 50, 4000) + rng.normal(0, 2.0, 4000)
    flux[2000:2040] += 500
    assert estimated_ivar(flux)[0] ** -0.5 == pytest.approx(2.0, rel=0.05)
    assert estimated_ivar(np.full(100, 7.0))[0] == pytest.approx((7e-3) ** -2)
    flux[5] = np.nan
    assert estimated_ivar(flux)[5] == 0
    assert np.isfinite(estimated_ivar(np.zeros(3))).all()


def test_the_grid_of_sdss_spectra_is_their_own():
    parts = [
        10.0 ** (start + 1e-4 * np.arange(4600)).astype(np.float32).astype(float)
        for start in (3.5534, 3.5801, 3.56)
    ]
    grid = fitting_grid(parts)
    assert grid.log10_step == 1e-4
    assert grid.log10_start == pytest.approx(3.5534, abs=1e-9)
    assert grid.n == 4600 + 267
    for part in parts:
        values = np.arange(len(part), dtype=np.float32) + 1
        flux, _ivar, mask = resample(part, values, values, None, grid)
        assert np.array_equal(flux[~mask], values)


def test_grids_of_other_spectra():
    odd = np.geomspace(3800, 9200, 1921)  # its pixels are no whole multiples of its step
    grid = fitting_grid([odd, odd[100:]])
    np.testing.assert_allclose(grid.wavelength, odd, rtol=1e-7)
    desi = fitting_grid([np.arange(3600, 9824, 0.8)])
    assert desi.log10_step == 1e-4
    assert (desi.wavelength[0], desi.wavelength[-1]) == pytest.approx((3600, 9823.2), rel=2.4e-4)
    coarse = fitting_grid([np.arange(1150.0, 1600, 4.0)])
    assert coarse.log10_step > 1e-3
    wished = fitting_grid([odd], 4000, 5000, 5e-4)
    assert wished == SpectralGrid.between(4000, 5000, 5e-4)
    wide = fitting_grid([np.geomspace(1, 1e9, 500), np.geomspace(1, 1e9, 100_000)])
    assert wide.n <= 65_536


@pytest.mark.parametrize("low", [3576.6, 3800.0, 3800.4, 1150.0])
@pytest.mark.parametrize("step", [1e-4, 2e-4, 3.1e-4])
def test_a_grid_is_found_again_by_its_ends(low, step):
    """An import that adds to a survey is told the survey's grid so."""
    first = fitting_grid([10.0 ** (np.log10(low) + step * np.arange(2000))])
    ends = float(first.wavelength[0]), float(first.wavelength[-1]), first.log10_step
    assert fitting_grid([np.arange(2000.0, 3000)], *ends) == first
    assert type(first.log10_start) is type(first.log10_step) is float  # as TOML wants them


def test_limits_that_make_no_grid_are_told_in_words():
    wavelength = np.arange(4000.0, 4100)
    for low, high in ((5000, 4000), (20_000, None), (-5, 4000)):
        for step in (None, 1e-4):
            with pytest.raises(BadInput, match="from a lower to a higher wavelength, but from"):
                fitting_grid([wavelength], low, high, step)
    with pytest.raises(BadInput, match=r"but got the start 3\.5, the step 0\.1 and 1 pixels"):
        SpectralGrid(3.5, 0.1, 1)
