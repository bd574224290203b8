"""MoCo v2: a view is told from earlier objects, kept in a queue, by a slowly moving network (Chen
et al. 2020, arXiv 2003.04297; on galaxies Stein et al. 2021, arXiv 2110.00023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from core.representation.device import full_precision
from core.representation.inputs.spec import InputSpec
from core.representation.methods.contrastive_loss import info_nce
from core.representation.methods.method import Loss, register_method
from core.representation.methods.paired import Paired
from core.representation.methods.settings import Limits
from core.representation.networks.averaged import Averaged
from core.representation.training.gathering import gathered


@register_method("moco")
class MoCo(Paired):
    """The residual network with a head, the average of both that makes the keys, and the queue.

    The queue is short beside the 65,536 of large surveys: in a small one it would hold the object
    itself many times over, as something to be told apart from. The other keys of the batch stand
    beside the queue, as in version 3 (Chen, Xie & He 2021, arXiv 2104.02057): by the statistics of
    batch normalisation a network can see which keys came with its batch, and must not be done with
    that. (The paper shuffles the batch over processes, each of which has its own statistics.) The
    average follows the network closely in its first steps, so that a training of a few hundred is
    not spent on the keys of an untrained one.
    """

    description: ClassVar[str] = "a view is told from the objects of the last few batches"
    parts: ClassVar[tuple[str, ...]] = ("attraction", "repulsion")
    training_only: ClassVar[tuple[str, ...]] = (
        "projector.",
        "target.",
        "queue",
        "position",
        "steps",
    )
    limits: ClassVar[Mapping[str, Limits]] = {
        "projection": Limits(2, 16384, whole=True),
        "queue_length": Limits(2, 1 << 20, whole=True),
        "momentum": Limits(0, 1),
        "temperature": Limits(0.01, 10),
    }

    queue: Tensor
    position: Tensor
    steps: Tensor

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        self.target = Averaged(self.online())
        noise = torch.randn(self.settings["queue_length"], self.settings["projection"])
        self.register_buffer("queue", functional.normalize(noise, dim=1))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._fresh: Tensor | None = None

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {
            **super().default_settings(),
            "projection": 128,
            "queue_length": 1024,
            "momentum": 0.996,
            "temperature": 0.2,
        }

    def loss(self, views: Sequence[Tensor]) -> Loss:
        query = self.projected(views[:1])
        key = self.target(views[1])
        with full_precision(query):
            keys = gathered(functional.normalize(key.float(), dim=1))
            terms = info_nce(
                gathered(query.float()), keys, self.queue, self.settings["temperature"]
            )
            total = terms.total
        if self.training:
            self._fresh = keys
        return Loss(total, {name: getattr(terms, name) for name in self.parts})

    def after_step(self, fraction: float) -> None:  # noqa: ARG002
        steps = int(self.steps.add_(1))
        momentum = min(self.settings["momentum"], steps / (steps + 9))
        self.target.follow(self.online(), momentum)
        if self._fresh is not None:
            self._enqueue(self._fresh)
            self._fresh = None

    def _enqueue(self, keys: Tensor) -> None:
        """(B, D) keys take the places of the oldest ones."""
        keys = keys[-len(self.queue) :]
        places = (int(self.position) + torch.arange(len(keys))) % len(self.queue)
        self.queue[places.to(self.queue.device)] = keys
        self.position.copy_((self.position + len(keys)) % len(self.queue))
