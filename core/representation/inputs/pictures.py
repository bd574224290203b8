"""Scaled pictures of one or several surveys, fetched by index while pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import NotReady
from core.progress import Progress, silent
from core.representation.augmentation.conditions import SurveyConditions
from core.representation.inputs.scaling import INPUT_PX, PixelScaling, resized, to_bands
from core.survey import Survey

FINE_PX = 2 * INPUT_PX
"""Side of the pictures that views are drawn from: twice what a network sees, for the centre."""

IN_MEMORY_BYTES = 2 << 30
"""Up to so many bytes of scaled pictures are kept in memory (float16), more are read from disk."""

READ_TOGETHER = 16
"""Neighbours that are read from disk together: a few of the pieces they lie in."""


class PictureSource:
    """Every object with a picture of all `surveys`, scaled by `scaling`, at FINE_PX.

    Calling it with a (B,) index tensor gives (B, bands, FINE_PX, FINE_PX) float32; the index
    counts the objects that have a picture, survey after survey.

    Parameters
    ----------
    memory_bytes
        Up to so many all pictures are read once; beyond, each call reads what it is asked for.

    Attributes
    ----------
    block
        How many neighbours are best asked for together: 1 from memory.
    conditions
        Gives how the pictures of an index tensor were taken.
    """

    def __init__(
        self,
        surveys: Sequence[Survey],
        bands: int = 3,
        progress: Progress = silent,
        scaling: str = "asinh",
        memory_bytes: int = IN_MEMORY_BYTES,
    ) -> None:
        self.surveys = list(surveys)
        self.bands = bands
        self.scalings = [PixelScaling.of(survey.manifest, scaling) for survey in surveys]
        rows = [np.flatnonzero(survey.has_image) for survey in surveys]
        self.which = np.concatenate([np.full(len(r), i) for i, r in enumerate(rows)])
        self.rows = np.concatenate(rows)
        if not len(self.rows):
            names = ", ".join(survey.name for survey in surveys)
            raise NotReady(f"No object of {names} has a picture to train on; import pictures.")
        self.conditions = SurveyConditions(
            self.surveys, self.scalings, self.which, self.rows, bands
        )
        self.kept: Tensor | None = None
        self.block = READ_TOGETHER
        if 2 * len(self.rows) * bands * FINE_PX**2 <= memory_bytes:
            kept = torch.empty(len(self.rows), bands, FINE_PX, FINE_PX, dtype=torch.float16)
            for start in range(0, len(self.rows), 256):
                progress(0.0, f"reading {start:,} of {len(self.rows):,} pictures")
                index = np.arange(start, min(start + 256, len(self.rows)))
                kept[start : start + len(index)] = self._read(index).half()
            self.kept, self.block = kept, 1

    @property
    def groups(self) -> NDArray[np.int64]:
        """(N,) number of the thing that each picture shows (`group_id` of its survey)."""
        names = [
            f"{number}/{group}"
            for number, survey in enumerate(self.surveys)
            for group in survey.catalogue["group_id"].to_numpy()[survey.has_image]
        ]
        _, codes = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
        return codes.astype(np.int64)

    def ids(self, index: NDArray[np.int64]) -> dict[str, list[str]]:
        """object_ids of ascending indices, by survey, in their order."""
        found: dict[str, list[str]] = {}
        for number, survey in enumerate(self.surveys):
            rows = self.rows[index[self.which[index] == number]]
            if len(rows):
                found[survey.name] = [str(one) for one in survey.object_ids[rows]]
        return found

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
