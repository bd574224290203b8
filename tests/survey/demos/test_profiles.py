"""The mixtures are held against the formulas they stand for and a brute-force convolution."""

import numpy as np
import pytest
from scipy.signal import fftconvolve
from scipy.special import gammainc, gammaincinv

from core.survey.demos import _profiles as profiles
from core.survey.demos._profiles import Component, Painted, double_gaussian_psf, render

PSF = double_gaussian_psf(np.array([1.48, 1.4, 1.34]), 0.05, 0.4)
FLUX = np.array([5.0, 10.0, 14.0])


def test_flux_of_every_profile_is_conserved():
    for sersic in (profiles.POINT, profiles.BLOB, *profiles.SERSIC_INDICES):
        part = Component(FLUX, 0.3, -0.2, sersic, 0.8, 0.6, 0.5)
        total = render([part], PSF, 192, 0.396).sum(axis=(1, 2))
        assert total == pytest.approx(FLUX, rel=2e-3), sersic


@pytest.mark.parametrize("index", profiles.SERSIC_INDICES)
def test_curve_of_growth_is_that_of_a_sersic_profile(index):
    shares, variances = profiles.sersic_mixture(index)
    radius = np.array([0.2, 0.5, 1.0, 2.0, 4.0])
    got = (1 - np.exp(-(radius[:, None] ** 2) / (2 * variances))) @ shares
    b = gammaincinv(2 * index, 0.5)
    # The profile ends at 8 to 12 half-light radii; its flux is that within them.
    want = gammainc(2 * index, b * radius ** (1 / index)) / gammainc(
        2 * index, b * 10 ** (1 / index)
    )
    assert got == pytest.approx(want, abs=0.012)


def brute_force_exponential(size_px, scale, fine=9):
    """An exponential disc and the PSF, both sampled finely, convolved and binned."""
    step, n = scale / fine, size_px * fine
    axis = (np.arange(n) - (n - 1) / 2) * step
    x, y = np.meshgrid(axis, axis)
    q, angle, radius = 0.5, 0.7, 1.5
    along = (x - 0.31) * np.cos(angle) + (y + 0.17) * np.sin(angle)
    across = (y + 0.17) * np.cos(angle) - (x - 0.31) * np.sin(angle)
    h = radius / 1.67835
    disc = np.exp(-np.hypot(along, across / q) / h) / (2 * np.pi * h * h * q)
    xx, xy, yy = PSF.covariances[1].T
    psf = np.zeros_like(x)
    for k, share in enumerate(PSF.weights):
        det = xx[k] * yy[k] - xy[k] ** 2
        form = (yy[k] * x**2 - 2 * xy[k] * x * y + xx[k] * y**2) / det
        psf += share * np.exp(-form / 2) / (2 * np.pi * np.sqrt(det))
    seen = fftconvolve(disc, psf, mode="same") * step**4
    if n % 2 == 0:
        raise AssertionError("an even grid would shift the convolution by half a step")
    return seen.reshape(size_px, fine, size_px, fine).sum(axis=(1, 3))


def test_a_disc_matches_brute_force_convolution():
    part = Component(np.ones(3), 0.31, -0.17, 1.0, 1.5, 0.5, 0.7)
    fast = render([part], PSF, 45, 0.396)[1]
    slow = brute_force_exponential(45, 0.396)
    assert np.abs(fast - slow).max() < 0.004 * slow.max()


def test_fwhm_and_effective_pixels_are_those_of_the_rendered_psf():
    psf = double_gaussian_psf(np.array([1.4]))
    scale = 0.02
    image = render([Component(np.ones(1), 0, 0)], psf, 401, scale)[0]
    row = image[200]
    crossings = np.flatnonzero(np.diff(row > row.max() / 2))
    assert np.ptp(crossings) * scale == pytest.approx(1.4, abs=0.03)
    image = render([Component(np.ones(1), 0, 0)], psf, 65, 0.396)[0].astype(float)
    assert profiles.effective_pixels(psf, 0.396)[0] == pytest.approx(
        1 / (image**2).sum(), rel=1e-3
    )


def test_a_point_lies_where_it_was_put():
    x, y = 1.234, -2.345
    image = render([Component(np.ones(3), x, y)], PSF, 65, 0.396)[1].astype(float)
    axis = (np.arange(65) - 32) * 0.396
    centroid = [(image.sum(axis=0) * axis).sum(), (image.sum(axis=1) * axis).sum()] / image.sum()
    assert centroid == pytest.approx([x, y], abs=1e-3)


def test_a_painted_gaussian_equals_the_analytic_one():
    sigma = 1.1

    def brightness(x, y):
        shape = np.exp(-((x - 0.7) ** 2 + (y + 1.3) ** 2) / (2 * sigma**2))
        return FLUX[:, None, None] * shape / (2 * np.pi * sigma**2)

    painted = profiles.render_painted(Painted(brightness, 4), PSF, 64, 0.396)
    part = Component(FLUX, 0.7, -1.3, profiles.BLOB, sigma)
    analytic = render([part], PSF, 64, 0.396)
    assert np.abs(painted - analytic).max() < 2e-3 * analytic.max()
