"""VICReg: two views of an object agree, codes vary over objects, and no two numbers say the same
(Bardes, Ponce & LeCun 2022, arXiv 2105.04906)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from core.representation.device import full_precision
from core.representation.methods.method import Loss, register_method
from core.representation.methods.paired import Paired
from core.representation.methods.settings import Limits
from core.representation.methods.vicreg_loss import vicreg_loss
from core.representation.training.gathering import gathered


@register_method("vicreg")
class VICReg(Paired):
    """The residual network with an expander of three layers."""

    description: ClassVar[str] = "two views agree; codes vary and do not repeat themselves"
    parts: ClassVar[tuple[str, ...]] = ("invariance", "variance", "covariance")
    training_only: ClassVar[tuple[str, ...]] = ("projector.",)
    layers: ClassVar[int] = 3
    limits: ClassVar[Mapping[str, Limits]] = {
        "invariance_weight": Limits(0, 1e4),
        "variance_weight": Limits(0, 1e4),
        "covariance_weight": Limits(0, 1e4),
    }

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {
            **super().default_settings(),
            "invariance_weight": 25.0,
            "variance_weight": 25.0,
            "covariance_weight": 1.0,
        }

    def loss(self, views: Sequence[Tensor]) -> Loss:
        projected = self.projected(views)
        with full_precision(projected):
            first, second = projected.float().chunk(2)
            terms = vicreg_loss(
                gathered(first),
                gathered(second),
                self.settings["invariance_weight"],
                self.settings["variance_weight"],
                self.settings["covariance_weight"],
            )
        return Loss(terms.total, {name: getattr(terms, name) for name in self.parts})
