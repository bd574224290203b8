"""Scaled pictures of one or several surveys, fetched by index while pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import NotReady
from core.progress import Progress, silent
from core.representation.inputs.scaling import INPUT_PX, PixelScaling, resized, to_bands
from core.survey import Survey

FINE_PX = 2 * INPUT_PX
"""Side of the pictures that views are drawn from: twice what a network sees, for the centre."""

IN_MEMORY_BYTES = 2 << 30
"""Up to so many bytes of scaled pictures are kept in memory (float16), more are read from disk."""


class PictureSource:
    """Every object with a picture of all `surveys`, scaled, at FINE_PX.

    Calling it with a (B,) index tensor gives (B, bands, FINE_PX, FINE_PX) float32; the index
    counts the objects that have a picture, survey after survey.
    """

    def __init__(
        self, surveys: Sequence[Survey], bands: int = 3, progress: Progress = silent
    ) -> None:
        self.surveys = list(surveys)
        self.bands = bands
        self.scalings = [PixelScaling.of(survey.manifest) for survey in surveys]
        rows = [np.flatnonzero(survey.has_image) for survey in surveys]
        self.which = np.concatenate([np.full(len(r), i) for i, r in enumerate(rows)])
        self.rows = np.concatenate(rows)
        if not len(self.rows):
            names = ", ".join(survey.name for survey in surveys)
            raise NotReady(f"No object of {names} has a picture to train on; import pictures.")
        self.kept: Tensor | None = None
        if 2 * len(self.rows) * bands * FINE_PX**2 <= IN_MEMORY_BYTES:
            progress(0.0, f"reading {len(self.rows):,} pictures")
            parts = [
                self._read(np.arange(start, min(start + 256, len(self.rows)))).half()
                for start in range(0, len(self.rows), 256)
            ]
            self.kept = torch.cat(parts)

    def __len__(self) -> int:
        return len(self.rows)

    def _read(self, index: np.ndarray) -> Tensor:
        out = torch.empty(len(index), self.bands, FINE_PX, FINE_PX)
        for number, survey in enumerate(self.surveys):
            at = np.flatnonzero(self.which[index] == number)
            if len(at):
                scaled = self.scalings[number](survey.images(self.rows[index[at]]))
                out[torch.from_numpy(at)] = resized(to_bands(scaled, self.bands), FINE_PX)
        return out

    def __call__(self, index: Tensor) -> Tensor:
        if self.kept is not None:
            return self.kept[index].float()
        return self._read(index.numpy())
