"""What the methods that compare two views of an object have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Method
from core.representation.methods.settings import Limits, check_settings
from core.representation.networks.slim import Projector, SlimResNet

WIDTHS, BLOCKS = [16, 32, 64, 128], [1, 2, 2, 2]


class Paired(Method):
    """The slim residual network with a head behind it; the loss is taken of the head's output.

    Class attributes
    ----------------
    layers
        Of the head.
    limits
        Of the settings that are the method's own.
    """

    layers: ClassVar[int] = 2
    limits: ClassVar[Mapping[str, Limits]] = {}

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        architecture = {
            "widths": Limits(4, 2048, whole=True),
            "blocks": Limits(1, 24, whole=True),
            "projector_width": Limits(8, 16384, whole=True),
        }
        check_settings(self.name, self.settings, {**architecture, **self.limits})
        self.backbone = SlimResNet(
            spec.channels, tuple(self.settings["widths"]), tuple(self.settings["blocks"])
        )
        self.projector = Projector(
            self.backbone.dimensions,
            self.settings["projector_width"],
            self.settings.get("projection"),
            self.layers,
        )

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {"widths": list(WIDTHS), "blocks": list(BLOCKS), "projector_width": 256}

    @property
    def dimensions(self) -> int:
        return self.backbone.dimensions

    def online(self) -> nn.Module:
        """Network and head as one module, sharing their parameters."""
        return nn.Sequential(self.backbone, self.projector)

    def projected(self, views: Sequence[Tensor]) -> Tensor:
        """The views one after the other, (views * B, channels, y, x) -> (views * B, P)."""
        out: Tensor = self.projector(self.backbone(torch.cat(list(views))))
        return out

    def codes(self, x: Tensor) -> Tensor:
        out: Tensor = self.backbone(x)
        return out
