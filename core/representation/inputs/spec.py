"""What a network is shown of an object; saved with its weights, to show new data alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from core.errors import BadInput
from core.representation.inputs.looks import LOOKS, two_looks
from core.representation.inputs.scaling import INPUT_PX, checked_scaling, resized, to_bands

KINDS = ("looks", "plain")
MAX_BANDS = 16
MIN_PX, MAX_PX = 8, 1024


@dataclass(frozen=True)
class InputSpec:
    """What a network takes.

    Attributes
    ----------
    kind
        "looks": the whole picture and its central half, each with residual channels beside the
        bands (`core.representation.inputs.looks`). "plain": the bands of the whole picture.
    bands
        Of the survey that it was trained on; other surveys are brought to as many.
    size_px
        Side of what the network sees.
    scaling
        How pixels become numbers of about 0 to 1: a name in `SCALINGS`.
    """

    kind: str = "looks"
    bands: int = 3
    size_px: int = INPUT_PX
    scaling: str = "asinh"

    def __post_init__(self) -> None:
        checked_scaling(self.scaling)
        fits = 1 <= self.bands <= MAX_BANDS and MIN_PX <= self.size_px <= MAX_PX
        if self.kind not in KINDS or not fits:
            raise BadInput(
                f"A network sees {' or '.join(KINDS)} of 1 to {MAX_BANDS} bands at {MIN_PX} to"
                f" {MAX_PX} px, but came {self.kind!r} of {self.bands} bands at {self.size_px} px;"
                " correct its settings."
            )

    @property
    def images(self) -> int:
        """Pictures an object: what `__call__` gives along its second axis."""
        return LOOKS if self.kind == "looks" else 1

    @property
    def channels(self) -> int:
        return 2 * self.bands + 1 if self.kind == "looks" else self.bands

    def __call__(self, scaled: Tensor) -> Tensor:
        """(B, any bands, y, x) scaled pixels -> (B, images, channels, size_px, size_px)."""
        if self.kind == "looks":
            return two_looks(scaled, self.bands, self.size_px)
        return resized(to_bands(scaled, self.bands), self.size_px).unsqueeze(1)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> InputSpec:
        return cls(
            str(settings["kind"]),
            int(settings["bands"]),
            int(settings["size_px"]),
            str(settings["scaling"]),
        )
