"""What all autoencoders share: they copy what they are shown through a narrow code."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import BadInput
from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Method
from core.representation.methods.settings import Limits, check_settings

MAX_WIDTH = 16_384


class Reconstructing(Method):
    """One view, hardly changed; codes go back to pictures."""

    views: ClassVar[int] = 1
    augments: ClassVar[bool] = False
    reconstructs: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("reconstruction",)
    batch_size: ClassVar[int] = 64
    learning_rate: ClassVar[float] = 1e-3

    @classmethod
    def input_spec(cls, bands: int) -> InputSpec:
        return InputSpec(kind="plain", bands=bands)

    @abstractmethod
    def logits(self, codes: Tensor) -> Tensor:
        """(B, dimensions) -> (B, channels, size_px, size_px) before the sigmoid."""

    def decode(self, codes: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(codes).float())

    def _check(self, widths: str, **limits: Limits) -> list[int]:
        """Check the settings; those of the layers, a list named `widths`, come back."""
        check_settings(self.name, self.settings, limits)
        value: Any = self.settings[widths]
        given = value.split(",") if isinstance(value, str) else value
        try:
            found = [int(one) for one in given]
        except (TypeError, ValueError):
            found = []
        if not found or not all(1 <= one <= MAX_WIDTH for one in found):
            raise BadInput(
                f"The setting {widths} of the method {self.name} must be whole numbers of 1 to"
                f" {MAX_WIDTH:,}, one a stage, but is {value!r}; change that setting."
            )
        self.settings[widths] = found
        return found


def cross_entropy(logits: Tensor, seen: Tensor) -> Tensor:
    """Binary cross-entropy a pixel, the mean over pixels and objects; pixels count as 0 to 1.

    Of pixels that are neither 0 nor 1 its smallest value is their own entropy, not 0.
    """
    return functional.binary_cross_entropy_with_logits(
        logits.float(), seen.detach().float().clamp(0, 1)
    )
