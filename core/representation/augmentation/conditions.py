"""What is known of how pictures were taken: their stretch, noise, point spread and dust."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from core.representation.augmentation.extinction import extinctions
from core.representation.inputs.scaling import PixelScaling, to_bands
from core.survey import Survey

PSF_COLUMN = "psf_fwhm_arcsec"
"""Column of a catalogue that says each object's point spread; readers of mosaics write it."""

GENTLE = 0.5
"""Share of the extinction that an 8-bit picture gets: its stretch has compressed the colours."""

_FWHM_OVER_SIGMA = 2 * math.sqrt(2 * math.log(2))


@dataclass(frozen=True)
class Conditions:
    """Of n objects, or of all alike where n = 1.

    Attributes
    ----------
    steepness
        (n, band) a where light = sinh(a scaled) / a; 0 where pixels were not stretched.
    joint
        (n,) bool: the stretch is of the bands' mean (the scaling "lupton").
    noise
        (n, band) standard deviation of the sky in native pixels, as scaled; NaN where unknown.
    extinction
        (n, band) magnitudes per E(B-V).
    native_px
        (n,) side of the pictures as they came; NaN where unknown.
    psf_px, typical_psf_px
        (n,) standard deviation of the point spread in native pixels, the object's own and the
        survey's median; NaN where unknown.
    """

    steepness: Tensor
    joint: Tensor
    noise: Tensor
    extinction: Tensor
    native_px: Tensor
    psf_px: Tensor
    typical_psf_px: Tensor

    @classmethod
    def unknown(cls, bands: int) -> Conditions:
        """Nothing is known: pixels count as light, and noise is measured on each object."""
        dust = GENTLE * torch.tensor([extinctions([""] * bands)])
        nothing = torch.full((1,), math.nan)
        flat = torch.zeros(1, bands)
        joint = torch.zeros(1, dtype=torch.bool)
        return cls(flat, joint, flat + math.nan, dust, nothing, nothing, nothing)

    @classmethod
    def of(cls, survey: Survey, scaling: PixelScaling, bands: int) -> Conditions:
        """Of a survey whose pictures were scaled so and brought to `bands` bands; n = 1."""

        def fitted(values: Sequence[float]) -> Tensor:
            return to_bands(torch.tensor(values).view(1, -1, 1, 1), bands)[:, :, 0, 0]

        manifest = survey.manifest
        dust = fitted(extinctions(manifest.bands)) * (GENTLE if scaling.linear else 1.0)
        widths = psf_widths_px(survey, np.flatnonzero(survey.has_image))
        known = widths[np.isfinite(widths)]
        psf = torch.tensor([float(np.median(known)) if len(known) else math.nan])
        return cls(
            fitted(scaling.steepness()),
            torch.tensor([scaling.kind == "lupton"]),
            fitted(scaling.sky_noise()),
            dust,
            torch.tensor([float(manifest.cutout_size_px)]),
            psf,
            psf,
        )

    def __len__(self) -> int:
        return len(self.native_px)

    def rows(self, index: Tensor) -> Conditions:
        """Of these objects, in this order; doubles allowed."""
        return Conditions(*(getattr(self, field.name)[index] for field in fields(self)))

    def to(self, device: torch.device) -> Conditions:
        return Conditions(*(getattr(self, field.name).to(device) for field in fields(self)))


class SurveyConditions:
    """Those of the objects of several surveys, by the index that `PictureSource` counts.

    Calling it with a (B,) index tensor gives the `Conditions` of these B objects.

    Parameters
    ----------
    surveys, scalings
        One of each a survey.
    which, rows
        (N,) of each object: the number of its survey, and its row there.
    """

    def __init__(
        self,
        surveys: Sequence[Survey],
        scalings: Sequence[PixelScaling],
        which: np.ndarray,
        rows: np.ndarray,
        bands: int,
    ) -> None:
        each = [Conditions.of(*pair, bands) for pair in zip(surveys, scalings, strict=True)]
        self._surveys = Conditions(
            *(
                torch.cat([getattr(one, field.name) for one in each])
                for field in fields(Conditions)
            )
        )
        self._which = torch.from_numpy(np.asarray(which, np.int64))
        widths = np.full(len(rows), np.nan, np.float32)
        for number, survey in enumerate(surveys):
            mine = which == number
            widths[mine] = psf_widths_px(survey, rows[mine])
        self._psf_px = torch.from_numpy(widths)

    def __call__(self, index: Tensor) -> Conditions:
        found = self._surveys.rows(self._which[index])
        own = self._psf_px[index]
        values = {field.name: getattr(found, field.name) for field in fields(found)}
        values["psf_px"] = torch.where(own.isfinite(), own, found.psf_px)
        return Conditions(**values)


def psf_widths_px(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """(len(rows),) float32: standard deviation of each point spread in native pixels, or NaN.

    From the column psf_fwhm_arcsec, else the mean of those of single bands, psf_fwhm_arcsec_r
    and so on; nothing is known without a pixel scale.
    """
    scale = survey.manifest.pixel_scale_arcsec
    names = [name for name in survey.catalogue if str(name).startswith(PSF_COLUMN + "_")]
    names = [PSF_COLUMN] if PSF_COLUMN in survey.catalogue else names
    if not scale or not names:
        return np.full(len(rows), np.nan, np.float32)
    columns = survey.catalogue[names].apply(pd.to_numeric, errors="coerce")
    fwhm = columns.mean(axis=1).to_numpy(np.float32, na_value=np.nan)[rows]
    known = np.isfinite(fwhm) & (fwhm > 0)
    return np.where(known, fwhm / (scale * _FWHM_OVER_SIGMA), np.nan).astype(np.float32)
