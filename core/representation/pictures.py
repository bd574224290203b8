"""Scaled pictures of one or several surveys, fetched by index while pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import NotReady
from core.progress import Progress, silent
from core.representation.scaling import PixelScaling, to_network_input
from core.survey import Survey

IN_MEMORY = 60_000
"""Up to this many pictures are kept scaled in memory (24 kB each); more are read from disk."""


class PictureSource:
    """Every object with a picture of all `surveys`, one index after the other.

    Calling it with a (B,) index tensor gives (B, bands, 64, 64) float32 scaled pixels.
    """

    def __init__(
        self, surveys: Sequence[Survey], bands: int = 3, progress: Progress = silent
    ) -> None:
        self.bands = bands
        self.surveys = list(surveys)
        self.scalings = [PixelScaling.of(survey.manifest) for survey in surveys]
        rows = [np.flatnonzero(survey.has_image) for survey in surveys]
        self.which = np.concatenate([np.full(len(r), i) for i, r in enumerate(rows)])
        self.rows = np.concatenate(rows)
        if not len(self.rows):
            names = ", ".join(survey.name for survey in surveys)
            raise NotReady(f"No object of {names} has a picture to train on; import pictures.")
        self.kept: Tensor | None = None
        if len(self) <= IN_MEMORY:
            progress(0.0, f"reading {len(self):,} pictures")
            parts = [
                self._read(np.arange(start, min(start + 512, len(self)))).half()
                for start in range(0, len(self), 512)
            ]
            self.kept = torch.cat(parts)

    def __len__(self) -> int:
        return len(self.rows)

    def _read(self, index: np.ndarray) -> Tensor:
        out: Tensor | None = None
        for number, survey in enumerate(self.surveys):
            at = np.flatnonzero(self.which[index] == number)
            if not len(at):
                continue
            scaled = self.scalings[number](survey.images(self.rows[index[at]]))
            part = to_network_input(scaled, self.bands)
            if out is None:
                out = torch.empty(len(index), *part.shape[1:])
            out[torch.from_numpy(at)] = part
        assert out is not None
        return out

    def __call__(self, index: Tensor) -> Tensor:
        if self.kept is not None:
            return self.kept[index].float()
        return self._read(index.numpy())
