"""Two views of an object that every encoder can be asked for: turned, mirrored, shifted, noisier.

They are made of native pixels and not by the augmentations that a network was trained with, so
that networks, principal components and measured shapes are asked the same question.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.representation.encoder import read_batch, reads, seen_rows
from core.survey import Survey

MOST_SHIFT_PX = 2

_BATCH = 64


class ViewedSurvey(Survey):
    """A survey whose pictures and spectra are each seen in another view.

    A picture is turned by a random number of quarter turns, mirrored or not, shifted by up to 2 px
    (its edge repeated), and given once more the noise that the survey's sky has. A spectrum gets
    its own noise once more. Which view an object gets depends on `seed` and its row alone.
    """

    def __init__(self, survey: Survey, seed: int) -> None:
        self.__dict__.update(survey.__dict__)
        self._seed = seed

    def images(self, rows: slice | np.ndarray) -> np.ndarray:
        native = super().images(rows)
        sigma = np.asarray(self.manifest.band_sigma, np.float32)
        views = [
            changed(one, sigma, self._generator(row))
            for one, row in zip(native, self._numbers(rows), strict=True)
        ]
        return np.stack(views) if views else native

    def image(self, row: int) -> np.ndarray:
        viewed: np.ndarray = self.images(np.array([row]))[0]
        return viewed

    def spectra(self, rows: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        flux, ivar, mask = super().spectra(rows)
        noise = np.stack(
            [self._generator(row).normal(size=flux.shape[1]) for row in self._numbers(rows)]
        ).astype(flux.dtype)
        known = ivar > 0
        added = noise / np.sqrt(np.where(known, ivar, 1))
        return flux + np.where(known, added, 0).astype(flux.dtype), ivar, mask

    def _numbers(self, rows: slice | np.ndarray) -> list[int]:
        if isinstance(rows, slice):
            return list(range(*rows.indices(len(self))))
        return [int(row) for row in np.asarray(rows)]

    def _generator(self, row: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, row))


def changed(
    image: NDArray[Any], sigma: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[Any]:
    """One view of (band, y, x) native pixels; sigma (band,) is the noise added. NaN stays NaN."""
    view = np.rot90(image, int(rng.integers(4)), (1, 2))
    if rng.random() < 0.5:
        view = view[:, :, ::-1]
    down, right = rng.integers(-MOST_SHIFT_PX, MOST_SHIFT_PX + 1, 2)
    height, width = view.shape[1:]
    y = np.clip(np.arange(height) - down, 0, height - 1)
    x = np.clip(np.arange(width) - right, 0, width - 1)
    moved = view[:, y][:, :, x].astype(np.float32)
    moved += sigma[:, None, None] * rng.normal(size=moved.shape).astype(np.float32)
    if image.dtype.kind in "ui":
        limits = np.iinfo(image.dtype)
        moved = np.clip(np.rint(moved), limits.min, limits.max)
    out: NDArray[Any] = moved.astype(image.dtype)
    return out


def codes_of_view(
    survey: Survey, encoder: Any, rows: NDArray[np.int64], seed: int
) -> NDArray[np.float32]:
    """(B, D) of one view of each of (B,) rows by a fitted encoder; NaN where it sees nothing."""
    viewed, what = ViewedSurvey(survey, seed), reads(encoder)
    seen = seen_rows(survey, what)[rows]
    parts = [
        encoder.encode(read_batch(viewed, some, what))
        for some in np.array_split(rows[seen], max(1, -(-int(seen.sum()) // _BATCH)))
        if len(some)
    ]
    dimensions = parts[0].shape[1] if parts else 1
    out = np.full((len(rows), dimensions), np.nan, np.float32)
    if parts:
        out[seen] = np.concatenate(parts)
    return out
