"""Find the sources in a picture: background, detection, deblending. Arrays in, arrays out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from astropy.convolution import convolve
from astropy.stats import SigmaClip
from astropy.utils.exceptions import AstropyWarning
from photutils.background import Background2D, MedianBackground
from photutils.segmentation import (
    SourceCatalog,
    deblend_sources,
    detect_sources,
    make_2dgaussian_kernel,
)

from core.errors import BadInput


@dataclass(frozen=True)
class Sources:
    """What was found, most significant (by signal to noise) first.

    Attributes
    ----------
    x, y
        (S,) float centroids in pixels, the first pixel's centre at 0.
    flux
        (S,) sum over the source's own pixels, background subtracted.
    significance
        (S,) that flux over the background noise of as many pixels.
    semi_major_px, ellipticity
        (S,) second-moment semi-major axis (1 sigma); 1 - minor/major.
    area_px
        (S,) pixels of the source.
    segments
        (y, x) int: 0 = sky, k + 1 = the pixels of source k in this order.
    background, noise
        (y, x) level and standard deviation of the sky.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    significance: np.ndarray
    semi_major_px: np.ndarray
    ellipticity: np.ndarray
    area_px: np.ndarray
    segments: np.ndarray
    background: np.ndarray
    noise: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def find_sources(
    picture: np.ndarray,
    *,
    threshold_sigma: float = 2.0,
    kernel_fwhm_px: float = 3.0,
    min_pixels: int = 6,
    box_px: int = 64,
    deblend_levels: int = 32,
    deblend_contrast: float = 0.005,
) -> Sources:
    """Detect and deblend the sources of one picture.

    Background and noise come from sigma-clipped boxes; the picture is smoothed by a Gaussian,
    pixels above `threshold_sigma` times the noise of the unsmoothed picture are grouped, and
    each group is split where it has several peaks (photutils; the way of SExtractor, Bertin &
    Arnouts 1996, A&AS 117, 393).

    Parameters
    ----------
    picture
        (y, x) of any real dtype; several bands are summed by the caller. NaN is no source.
    threshold_sigma, kernel_fwhm_px, min_pixels
        Detection: threshold, smoothing, and the fewest connected pixels of a source.
    box_px
        Side of the background boxes; several times the largest source.
    deblend_levels, deblend_contrast
        Thresholds between the detection and the peak; share of a group's flux that makes a peak
        a source of its own.

    Raises
    ------
    BadInput
        The picture is not two-dimensional or smaller than 8 pixels on a side.
    """
    values = np.array(picture, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 8:
        raise BadInput(
            "Sources are found in one picture (y, x) of at least 8 by 8 pixels, but the array has"
            f" the shape {np.shape(picture)}; sum its bands first."
        )
    missing = ~np.isfinite(values)
    values[missing] = 0.0
    if missing.all() or np.ptp(values[~missing]) == 0:  # a constant picture has no noise
        return _nothing(values)
    sky = Background2D(
        values,
        tuple(min(box_px, side) for side in values.shape),
        coverage_mask=missing if missing.any() else None,
        filter_size=3,
        exclude_percentile=80.0,
        sigma_clip=SigmaClip(sigma=3.0, maxiters=10),
        bkg_estimator=MedianBackground(),
    )
    noise = np.maximum(sky.background_rms, 1e-9 * np.ptp(values))
    above = np.where(missing, 0.0, values - sky.background)
    smooth = convolve(above, make_2dgaussian_kernel(kernel_fwhm_px, size=_odd(kernel_fwhm_px)))
    with warnings.catch_warnings():
        # photutils says "No sources were found" by a warning; here it is an empty answer.
        warnings.simplefilter("ignore", AstropyWarning)
        groups = detect_sources(smooth, threshold_sigma * noise, min_pixels)
        if groups is None:
            return _nothing(values, sky.background, noise)
        # It also warns of sources whose minimum is not positive, and deblends them all the same.
        split = deblend_sources(
            smooth,
            groups,
            min_pixels,
            n_levels=deblend_levels,
            contrast=deblend_contrast,
            progress_bar=False,
        )
        found = SourceCatalog(above, split, convolved_data=smooth, error=noise)
        flux, flux_error = np.atleast_1d(found.segment_flux, found.segment_flux_err)
        major = np.atleast_1d(found.semimajor_axis.value)
        ellipticity = np.atleast_1d(found.ellipticity.value)
        x, y = np.atleast_1d(found.x_centroid, found.y_centroid)
        area = np.atleast_1d(found.area.value)
    usable = np.isfinite(x) & np.isfinite(y) & np.isfinite(flux) & (flux > 0)
    significance = np.where(usable, flux / flux_error, -np.inf)
    order = np.argsort(-significance, kind="stable")[: int(usable.sum())]
    new_number = np.zeros(split.max_label + 1, dtype=np.int32)
    new_number[split.labels[order]] = np.arange(1, len(order) + 1)
    return Sources(
        x=x[order],
        y=y[order],
        flux=flux[order],
        significance=significance[order],
        semi_major_px=major[order],
        ellipticity=ellipticity[order],
        area_px=area[order],
        segments=new_number[split.data],
        background=sky.background,
        noise=noise,
    )


def _odd(fwhm_px: float) -> int:
    return 2 * int(np.ceil(fwhm_px)) + 1


def _nothing(
    values: np.ndarray, background: np.ndarray | None = None, noise: np.ndarray | None = None
) -> Sources:
    none = np.zeros(0)
    return Sources(
        x=none,
        y=none,
        flux=none,
        significance=none,
        semi_major_px=none,
        ellipticity=none,
        area_px=none,
        segments=np.zeros(values.shape, dtype=np.int32),
        background=np.full(values.shape, values.flat[0]) if background is None else background,
        noise=np.zeros(values.shape) if noise is None else noise,
    )
