"""A network with what labels are to teach it, and the loss of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import BadInput
from core.representation.device import full_precision
from core.representation.methods.method import Method
from core.representation.refining.averaging import Trailing
from core.representation.refining.labels import ALONE
from core.representation.refining.losses import fixmatch_terms, supervised_contrastive

THRESHOLD = 0.95
"""As in FixMatch and AnomalyMatch."""

TEMPERATURE = 0.2
AS_MUCH = 20
"""Labels of the rarer side with which they weigh as much as the objects without: with n of them,
n / (n + AS_MUCH) of the loss is theirs. A handful says where to look, not how to see."""

_FLAT = 1e-6


@dataclass(frozen=True)
class Way:
    """A way to teach labels, in words, and which terms it has: FixMatch's, and the network's own
    loss with the labelled pulled together."""

    words: str
    has_fixmatch: bool
    has_joint: bool


JOINT = "joint"
WAYS: dict[str, Way] = {
    "fixmatch": Way("labels, and what the network is sure of in the rest", True, False),
    JOINT: Way("the network's own loss goes on while finds are pulled together", False, True),
    "both": Way("both at once", True, True),
}


def way_named(name: str) -> Way:
    """The way of that name, else `BadInput`."""
    if name not in WAYS:
        raise BadInput(
            f"Labels are taught by {', '.join(WAYS)}, but {str(name)[:40]!r} was asked for; choose"
            " one of them."
        )
    return WAYS[name]


@dataclass(frozen=True)
class Shown:
    """The views of a step, each (B, channels, size_px, size_px); empty where the way has no use
    for them.

    Attributes
    ----------
    labelled
        Two views of the labelled objects, one batch after the other.
    own
        What the network's own loss takes of objects without a label.
    weak, strong
        Two views of objects without a label, for FixMatch.
    """

    labelled: Tensor
    own: Sequence[Tensor] = ()
    weak: Tensor | None = None
    strong: Tensor | None = None


class Refiner(nn.Module):
    """The network in training, its classifier, and the average that is kept.

    Batch statistics of what was trained before stay as they are: a batch of which half are finds
    is no sample of the survey. Everything that changes is state of this module.

    Parameters
    ----------
    network
        As it was loaded; what training alone needs of it (a projector) starts anew.
    way, n_rarer
        How the labels are taught, and how many there are of the rarer side.
    usual
        (N, channels, size_px, size_px) of some objects as they are. Codes are pulled together in
        the unit of their scatter, which is the space that an embedding keeps.
    """

    middle: Tensor
    scatter: Tensor
    scales: Tensor

    def __init__(self, network: Method, way: Way, n_rarer: int, usual: Tensor) -> None:
        super().__init__()
        self.network, self.way = network, way
        self.share = n_rarer / (n_rarer + AS_MUCH)
        self.head = nn.Linear(network.dimensions, 2)
        nn.init.zeros_(self.head.weight)  # undecided at first: no label is made up by chance
        nn.init.zeros_(self.head.bias)
        network.eval()
        with torch.no_grad():
            codes = network.codes(usual).float()
        deviation = codes.std(0)
        varies = deviation > _FLAT * codes.abs().mean(0).clamp(min=_FLAT)
        self.register_buffer("middle", codes.mean(0))
        self.register_buffer("scatter", torch.where(varies, deviation, torch.inf))
        self.register_buffer("scales", torch.zeros(2))
        self.kept = Trailing(network)
        self.train()

    @property
    def new(self) -> list[nn.Parameter]:
        """Parameters that start anew: they learn faster."""
        fresh = self.network.training_only or ("\0",)
        named = self.network.named_parameters()
        own = [one for name, one in named if name.startswith(fresh) and one.requires_grad]
        return [*self.head.parameters(), *own]

    @property
    def known(self) -> list[nn.Parameter]:
        """The other parameters of the network that learn."""
        new = {id(one) for one in self.new}
        return [
            one for one in self.network.parameters() if one.requires_grad and id(one) not in new
        ]

    def train(self, mode: bool = True) -> Refiner:
        super().train(mode)
        fresh = self.network.training_only or ("\0",)
        for name, module in self.network.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(fresh):
                module.eval()
        return self

    def standardised(self, codes: Tensor) -> Tensor:
        """(B, D) codes in units of their scatter over the survey before the training."""
        return (codes.float() - self.middle) / self.scatter

    def loss(self, shown: Shown, classes: Tensor) -> dict[str, Tensor]:
        """ "loss", which a step minimises, and its parts (scalars).

        classes: (B,) of the labelled objects, as in `Labels`.
        """
        codes = self.network.codes(shown.labelled)
        parts: dict[str, Tensor] = {}
        if self.way.has_fixmatch:
            assert shown.weak is not None
            assert shown.strong is not None
            with torch.no_grad():
                weak = self.network.codes(shown.weak)
            strong = self.network.codes(shown.strong)
            with full_precision(codes):
                terms = fixmatch_terms(
                    self._logits(codes),
                    (classes != ALONE).long().repeat(2),
                    self._logits(weak),
                    self._logits(strong),
                    THRESHOLD,
                )
            parts |= {"labelled": terms.labelled, "consistency": terms.consistency}
            parts["sure"] = terms.sure
        total = parts.get("labelled", codes.new_zeros(())) + parts.get("consistency", 0.0)
        if self.way.has_joint:
            own = self.network.loss(shown.own).total
            with full_precision(codes):
                pull = supervised_contrastive(
                    self.standardised(codes), _apart(classes).repeat(2), TEMPERATURE
                )
            parts |= {"own": own, "pull": pull}
            total = total + self._balanced(own, pull)
        return {"loss": total, **parts}

    def after_step(self, fraction: float) -> None:
        """To be called after each step of the optimiser."""
        self.network.after_step(fraction)
        self.kept.follow(self.network)

    def _logits(self, codes: Tensor) -> Tensor:
        out: Tensor = self.head(self.standardised(codes))
        return out

    def _balanced(self, own: Tensor, pull: Tensor) -> Tensor:
        """Both brought to 1 by what they were at the first step (methods differ a hundredfold),
        and weighed by the number of labels."""
        if not self.scales.any():
            self.scales.copy_(torch.stack([own.detach(), pull.detach()]).float().abs() + _FLAT)
        return (1 - self.share) * own / self.scales[0] + self.share * pull / self.scales[1]


def _apart(classes: Tensor) -> Tensor:
    """(B,) classes, those that are not to be pulled to others each with a number of its own."""
    own = -1 - torch.arange(len(classes), device=classes.device)
    return torch.where(classes == ALONE, own, classes)
