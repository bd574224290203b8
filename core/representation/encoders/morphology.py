"""Morphology as an embedding: what can be measured without any training.

Numbers of shape, colour, nuclei, residuals and artefacts: what dual nuclei, mergers and artefacts
differ by, which a network may take for a detail.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from core.measure.morphology import (
    ARTEFACT_NUMBERS,
    DIRECTIONS,
    FLAGS,
    measure_artefacts,
    measure_morphology,
    quantities,
)
from core.progress import Progress
from core.representation.encoder import Sampled, register_encoder, sampled_rows
from core.representation.weightfiles import write_arrays
from core.survey import Survey

FIT_ROWS = 5000
CLIP = 8.0
"""Where a tamed number is cut: 1,490 deviations from the median."""

_ROWS_AT_ONCE = 256
_FEWEST_SHARE = 1e-3
"""Of a number that fewer objects of the sample have nothing tells the scale: its column is 0."""

_STEPS = {
    "missing_share": 0.1,
    "zero_share": 0.1,
    "top_share": 0.1,
    "trail_cover": 0.1,
    "residual_total": 0.1,
    "region_share": 0.1,
}
"""Scale of a number that does not vary in the sample; 1 of the others: counts, sigma, px."""

_TOLD_MISSING = (
    *("gini", "r50", "petrosian", "m20", "sersic_n", "ellipticity", "nucleus_offset"),
    *("separation", "clump_separation", "residual_radius", "sources"),
)
_TOLD_MISSING_OF_BANDS = ("sky", "noise", "flux", "r50", "m20", "colour", "gradient")
"""Others are missing with one of these, or nearly so: each reason has one column, lest an object
that was not found be told by a hundred."""


@register_encoder("morphology")
class MorphologyEncoder:
    """(B, band, y, x) native pixels -> (B, D): tamed numbers, what is missing, and flags.

    The numbers of `measure_morphology` and `measure_artefacts`, but for directions, as distances
    from the sample's median in robust deviations (1.4826 median absolute deviations; standard
    deviations where that is 0; a fixed step where the sample does not vary), compressed by
    arcsinh and cut at 8. What cannot be measured becomes the median. Columns of zeros and ones
    say which numbers are missing, one for each kind of reason, and which flags are raised; one is
    the share of numbers that are missing. The columns are the same for every survey of these
    bands, so that what is too rare to be in the sample is seen all the same. Fitted on at most
    5,000 objects drawn with a fixed seed. Every object has a row, whatever its picture.
    """

    name: str

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.bands: tuple[str, ...] = ()
        self.centre = np.zeros(0)
        self.scale = np.zeros(0)
        self.flagged = np.zeros(0, np.int64)
        self.sampled: Sampled | None = None

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Take the medians and deviations of a sample."""
        rows = sampled_rows(survey, FIT_ROWS, self.seed)
        self.bands = survey.manifest.bands
        parts = []
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            progress(start / len(rows), f"measuring the morphology of {len(rows)} objects")
            images = survey.images(rows[start : start + _ROWS_AT_ONCE])
            parts.append(self._measured(images))
        numbers, flags = (np.concatenate(one) for one in zip(*parts, strict=True))
        self._learn(numbers)
        self.sampled = Sampled(rows, self._codes(numbers, flags))

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        return self._codes(*self._measured(images))

    def _codes(
        self, numbers: NDArray[np.float64], flags: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """(B, D) of what `_measured` gives."""
        missing = ~np.isfinite(numbers)
        used = self.scale > 0
        away = (np.where(missing, self.centre, numbers) - self.centre)[:, used] / self.scale[used]
        tamed = np.clip(np.arcsinh(away), -CLIP, CLIP)
        share = missing.mean(axis=1, keepdims=True)
        out = np.concatenate([tamed, missing[:, self.flagged], share, flags], axis=1)
        return out.astype(np.float32)

    @property
    def columns(self) -> tuple[str, ...]:
        """What each dimension of the embedding is."""
        names = np.array(_names(self.bands))
        return (
            *names[self.scale > 0].tolist(),
            *(f"no {name}" for name in names[self.flagged]),
            "missing_numbers",
            *(one.name for one in FLAGS),
        )

    def save(self, folder: Path) -> dict[str, Any]:
        arrays = {"centre": self.centre, "scale": self.scale, "flagged": self.flagged}
        write_arrays(arrays, folder / "weights.safetensors")
        return {"seed": self.seed, "bands": list(self.bands)}

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> MorphologyEncoder:
        encoder = cls(settings["seed"])
        encoder.bands = tuple(settings["bands"])
        arrays = load_file(folder / "weights.safetensors")
        encoder.centre, encoder.scale = arrays["centre"], arrays["scale"]
        encoder.flagged = arrays["flagged"]
        return encoder

    def _measured(self, images: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(B, F) numbers, directions left out, NaN where there is none; and (B, L) flags."""
        shape = measure_morphology(images, bands=self.bands)
        kept = [name not in DIRECTIONS for name in shape.names]
        artefacts = measure_artefacts(images)
        numbers = np.concatenate([shape.values[:, kept], artefacts.values], axis=1)
        return numbers.astype(np.float64), artefacts.flags

    def _learn(self, numbers: NDArray[np.float64]) -> None:
        there = np.isfinite(numbers)
        known = there.mean(axis=0) > _FEWEST_SHARE
        filled = np.where(known, numbers, 0.0)
        self.centre = np.nanmedian(filled, axis=0)
        away = np.abs(filled - self.centre)
        robust = 1.4826 * np.nanmedian(away, axis=0)
        # Counts are mostly the same; where they are not, that is the point.
        spread = np.sqrt(np.nanmean(np.square(away), axis=0))
        scale = np.where(robust > 1e-6 * np.maximum(spread, 1e-300), robust, spread)
        varies = scale > 1e-12 * np.abs(self.centre)
        names = _names(self.bands)
        steps = np.array([_STEPS.get(name, 1.0) for name in names])
        artefact = np.isin(names, [one.name for one in ARTEFACT_NUMBERS])
        self.scale = np.where(known & varies, scale, np.where(known | artefact, steps, np.inf))
        self.flagged = np.flatnonzero([_tells_missing(name, self.bands) for name in names])


def _tells_missing(name: str, bands: tuple[str, ...]) -> bool:
    if name in _TOLD_MISSING:
        return True
    of_bands = {one.name for one in quantities(bands)} - {one.name for one in quantities(())}
    return name in of_bands and name.split("_")[0] in _TOLD_MISSING_OF_BANDS


def _names(bands: tuple[str, ...]) -> list[str]:
    shape = [one.name for one in quantities(bands) if one.name not in DIRECTIONS]
    return shape + [one.name for one in ARTEFACT_NUMBERS]
