"""BYOL: a view predicts what a moving average of the network makes of the other view (Grill et
al. 2020, arXiv 2006.07733; on galaxies Mohale & Lochner 2024, arXiv 2311.14157)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import BadInput
from core.representation.device import full_precision
from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Loss, register_method
from core.representation.methods.paired import Paired
from core.representation.methods.settings import Limits
from core.representation.networks.averaged import Averaged
from core.representation.networks.slim import Projector
from core.representation.training.gathering import gathered


def disagreement(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean of 2 - 2 cos over two (B, D) arrays (equation 2 of the paper): 0 to 4."""
    if predicted.shape != target.shape or predicted.ndim != 2:
        raise BadInput(
            "The BYOL loss needs two (B, D) arrays of one shape, but got"
            f" {tuple(predicted.shape)} and {tuple(target.shape)}; give both views of one batch."
        )
    return 2 - 2 * functional.cosine_similarity(predicted, target, dim=1).mean()


def momentum_at(fraction: float, start: float) -> float:
    """From `start` to 1 by half a cosine over the training (section 3.3 of the paper)."""
    return 1 - (1 - start) * (math.cos(math.pi * fraction) + 1) / 2


@register_method("byol")
class BYOL(Paired):
    """The residual network with a head, a predictor, and the average of network and head.

    The average starts at a momentum of .99, which the paper takes for its shorter trainings.
    """

    description: ClassVar[str] = "a view predicts what the network's average makes of the other"
    parts: ClassVar[tuple[str, ...]] = ("agreement",)
    training_only: ClassVar[tuple[str, ...]] = ("projector.", "predictor.", "target.")
    limits: ClassVar[Mapping[str, Limits]] = {
        "projection": Limits(2, 16384, whole=True),
        "momentum": Limits(0, 1),
    }

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        width, projection = self.settings["projector_width"], self.settings["projection"]
        self.predictor = Projector(projection, width, projection, layers=2)
        self.target = Averaged(self.online())

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {**super().default_settings(), "projection": 128, "momentum": 0.99}

    def loss(self, views: Sequence[Tensor]) -> Loss:
        predicted = self.predictor(self.projected(views))
        aimed = self.target(torch.cat(list(views)))
        with full_precision(predicted):
            first, second = (gathered(half) for half in predicted.float().chunk(2))
            of_first, of_second = (gathered(half) for half in aimed.float().chunk(2))
            total = disagreement(first, of_second) + disagreement(second, of_first)
        return Loss(total, {"agreement": total})

    def after_step(self, fraction: float) -> None:
        self.target.follow(self.online(), momentum_at(fraction, self.settings["momentum"]))
