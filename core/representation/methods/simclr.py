"""SimCLR: the views of an object are found among all others of the batch (Chen et al. 2020,
arXiv 2002.05709; on galaxies Hayat et al. 2021, arXiv 2012.13083)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from core.representation.device import full_precision
from core.representation.methods.contrastive_loss import nt_xent
from core.representation.methods.method import Loss, register_method
from core.representation.methods.paired import Paired
from core.representation.methods.settings import Limits
from core.representation.training.gathering import gathered


@register_method("simclr")
class SimCLR(Paired):
    """The residual network with a head of two layers and the NT-Xent loss."""

    description: ClassVar[str] = "the two views of an object are found among the whole batch"
    parts: ClassVar[tuple[str, ...]] = ("attraction", "repulsion")
    training_only: ClassVar[tuple[str, ...]] = ("projector.",)
    limits: ClassVar[Mapping[str, Limits]] = {
        "projection": Limits(2, 16384, whole=True),
        "temperature": Limits(0.01, 10),
    }

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {**super().default_settings(), "projection": 128, "temperature": 0.2}

    def loss(self, views: Sequence[Tensor]) -> Loss:
        projected = self.projected(views)
        with full_precision(projected):
            first, second = projected.float().chunk(2)
            terms = nt_xent(gathered(first), gathered(second), self.settings["temperature"])
            total = terms.total
        return Loss(total, {name: getattr(terms, name) for name in self.parts})
