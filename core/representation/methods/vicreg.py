"""VICReg: two views of an object agree, codes vary over objects, and no two numbers say the same
(Bardes, Ponce & LeCun 2022, arXiv 2105.04906)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Loss, Method, register_method
from core.representation.methods.vicreg_loss import vicreg_loss
from core.representation.networks.slim import Projector, SlimResNet
from core.representation.training.gathering import gathered


@register_method("vicreg")
class VICReg(Method):
    """The residual network with an expander of three layers."""

    description: ClassVar[str] = "two views agree; codes vary and do not repeat themselves"
    parts: ClassVar[tuple[str, ...]] = ("invariance", "variance", "covariance")
    training_only: ClassVar[tuple[str, ...]] = ("projector.",)

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        self.backbone = SlimResNet(
            spec.channels, tuple(self.settings["widths"]), tuple(self.settings["blocks"])
        )
        self.projector = Projector(self.backbone.dimensions)

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {
            "widths": [16, 32, 64, 128],
            "blocks": [1, 2, 2, 2],
            "invariance_weight": 25.0,
            "variance_weight": 25.0,
            "covariance_weight": 1.0,
        }

    @property
    def dimensions(self) -> int:
        return self.backbone.dimensions

    def loss(self, views: Sequence[Tensor]) -> Loss:
        size = len(views[0])
        projected = self.projector(self.backbone(torch.cat(list(views)))).float()
        terms = vicreg_loss(
            gathered(projected[:size]),
            gathered(projected[size:]),
            self.settings["invariance_weight"],
            self.settings["variance_weight"],
            self.settings["covariance_weight"],
        )
        parts = {name: getattr(terms, name) for name in self.parts}
        return Loss(terms.total, parts)

    def codes(self, x: Tensor) -> Tensor:
        out: Tensor = self.backbone(x)
        return out
