"""Scaled pictures of one or several surveys, fetched by index while pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import NotReady
from core.progress import Progress, silent
from core.representation.looks import LOOKS, two_looks
from core.representation.scaling import PixelScaling
from core.survey import Survey

IN_MEMORY = 20_000
"""Up to this many objects are kept scaled in memory (115 kB each); more are read from disk."""


class PictureSource:
    """Both looks at every object with a picture of all `surveys`.

    Index 2 i is the whole picture of object i, 2 i + 1 its central half. Calling it with a (B,)
    index tensor gives (B, CHANNELS, INPUT_PX, INPUT_PX) float32.
    """

    def __init__(self, surveys: Sequence[Survey], progress: Progress = silent) -> None:
        self.surveys = list(surveys)
        self.scalings = [PixelScaling.of(survey.manifest) for survey in surveys]
        rows = [np.flatnonzero(survey.has_image) for survey in surveys]
        self.which = np.concatenate([np.full(len(r), i) for i, r in enumerate(rows)])
        self.rows = np.concatenate(rows)
        if not len(self.rows):
            names = ", ".join(survey.name for survey in surveys)
            raise NotReady(f"No object of {names} has a picture to train on; import pictures.")
        self.kept: Tensor | None = None
        if len(self.rows) <= IN_MEMORY:
            progress(0.0, f"reading {len(self.rows):,} pictures")
            parts = [
                self._read(np.arange(start, min(start + 256, len(self.rows)))).half()
                for start in range(0, len(self.rows), 256)
            ]
            self.kept = torch.cat(parts).flatten(0, 1)

    def __len__(self) -> int:
        return LOOKS * len(self.rows)

    def _read(self, index: np.ndarray) -> Tensor:
        out: Tensor | None = None
        for number, survey in enumerate(self.surveys):
            at = np.flatnonzero(self.which[index] == number)
            if not len(at):
                continue
            scaled = self.scalings[number](survey.images(self.rows[index[at]]))
            part = two_looks(scaled)  # (B, LOOKS, CHANNELS, y, x)
            if out is None:
                out = torch.empty(len(index), *part.shape[1:])
            out[torch.from_numpy(at)] = part
        assert out is not None
        return out

    def __call__(self, index: Tensor) -> Tensor:
        if self.kept is not None:
            return self.kept[index].float()
        looks = self._read((index // LOOKS).numpy())
        return looks[torch.arange(len(index)), index % LOOKS]
