"""FixMatch on a classifier of two classes, as AnomalyMatch trains it between two rounds of answers
(Gomez et al. 2025, arXiv 2505.03509), cut down to what one core does in minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.fixmatch_views import strong_view, weak_view
from core.errors import BadInput
from core.representation.device import autocast, full_precision
from core.representation.encoders.imagenet import ImageNetEncoder
from core.representation.encoders.network import SHIPPED
from core.representation.encoders.pretrained import IMAGENET_MEAN, IMAGENET_STD
from core.representation.inputs.looks import as_channels
from core.representation.inputs.scaling import INPUT_PX, PixelScaling, resized, to_bands
from core.representation.methods.store import load_method
from core.representation.networks.efficientnet import HEAD
from core.representation.refining import fixmatch_terms
from core.representation.refining.averaging import Trailing
from core.representation.refining.labels import Labels, drawn
from core.representation.refining.refiner import THRESHOLD
from core.representation.training.views import random_numbers
from core.survey import Survey

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.0075, 0.9, 7.5e-4
"""Of stochastic gradient descent by Nesterov's rule, as published; never lowered."""

_READ, _SCORED = 256, 128


@dataclass(frozen=True)
class Cut:
    """What a round of training takes. Published are 200 steps of 16 and 80 pictures of 224 px.

    Attributes
    ----------
    steps
        A round.
    labelled, unlabelled
        Objects a step; the unlabelled ones are seen in two views each.
    """

    steps: int = 50
    labelled: int = 8
    unlabelled: int = 40


class Lite0(nn.Module):
    """EfficientNet-Lite0 with the weights that ImageNet gave it: AnomalyMatch's own."""

    def __init__(self) -> None:
        super().__init__()
        # The encoder lies on the best device; all else here, the views too, on the processor.
        self.body = ImageNetEncoder().network.to("cpu")
        self.head = nn.Linear(HEAD, 2)
        for name, values in (("mean", IMAGENET_MEAN), ("deviation", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1))

    mean: Tensor
    deviation: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, y, x), 0 to 1 -> (B, 2) logits of other and target."""
        given = (x - self.mean) / self.deviation
        codes = self.body.layer(given.contiguous(memory_format=torch.channels_last))
        with full_precision(codes):
            out: Tensor = self.head(codes.float())
        return out


class Small(nn.Module):
    """The network that comes with Skysift, a sixth of the size, looking at the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        self.body = load_method(SHIPPED)[0]
        self.body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.norm = nn.BatchNorm1d(self.body.dimensions, affine=False)
        self.head = nn.Linear(self.body.dimensions, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, y, x), 0 to 1 -> (B, 2) logits of other and target."""
        codes = self.body.codes(as_channels(x).contiguous(memory_format=torch.channels_last))
        with full_precision(codes):
            out: Tensor = self.head(self.norm(codes.float()))
        return out


NETWORKS: dict[str, type[nn.Module]] = {"imagenet": Lite0, "own": Small}


def pictures_of(survey: Survey) -> Tensor:
    """(N, 3, 64, 64) uint8 of every row, scaled by the survey's limits.

    Raises
    ------
    BadInput
        A row has no picture.
    """
    if not survey.has_image.all():
        raise BadInput(
            f"FixMatch needs a picture of every object, but {int((~survey.has_image).sum())} of"
            f" {survey.name} have none; leave the set out."
        )
    scaling = PixelScaling.of(survey.manifest)
    out = torch.empty(len(survey), 3, INPUT_PX, INPUT_PX, dtype=torch.uint8)
    for start in range(0, len(survey), _READ):
        rows = np.arange(start, min(start + _READ, len(survey)))
        x = resized(to_bands(scaling(survey.images(rows))), INPUT_PX).clamp(0, 1)
        out[start : start + len(rows)] = (255 * x).round().byte()
    return out


class FixMatch:
    """A network in training, its trailing average, and the optimiser: all go on from round to
    round.

    Parameters
    ----------
    network
        A name in `NETWORKS`.
    pictures
        (N, 3, y, x) uint8
    """

    def __init__(self, network: str, pictures: Tensor, seed: int, cut: Cut) -> None:
        torch.manual_seed(seed)
        self.pictures, self.seed, self.cut = pictures, seed, cut
        self.network = NETWORKS[network]()
        self.trailing = Trailing(self.network)
        whole = [one for one in self.network.modules() if isinstance(one, nn.BatchNorm2d)]
        free = [p for one in whole for p in one.parameters()]
        known = {id(p) for p in free}
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.network.parameters() if id(p) not in known]},
            {"params": free, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.SGD(
            groups,
            lr=LEARNING_RATE,
            momentum=MOMENTUM,
            weight_decay=WEIGHT_DECAY,
            nesterov=True,
        )

    def train(self, labels: Labels, unlabelled: NDArray[np.int64]) -> float:
        """One round on answered and (U,) unanswered rows; returns the mean share of the unlabelled
        pictures that were sure enough to take part."""
        self.network.train()
        sure = [self._step(labels, unlabelled, step) for step in range(self.cut.steps)]
        return float(np.mean(sure))

    def _step(self, labels: Labels, unlabelled: NDArray[np.int64], step: int) -> float:
        key = (self.seed, len(labels.index), step)
        rng, generator = np.random.default_rng([0xF1, *key]), random_numbers(*key)
        taught = drawn(labels, self.cut.labelled, key)
        count = min(self.cut.unlabelled, len(unlabelled))
        rows = torch.from_numpy(rng.choice(unlabelled, count, replace=False))
        labelled = weak_view(self.pictures[taught.index], generator)
        weak = weak_view(self.pictures[rows], generator)
        strong = strong_view(self.pictures[rows], generator, rng)
        with torch.no_grad(), autocast():  # of these no gradient is taken
            weak_logits = self.network(weak)
        logits = self.network(torch.cat([labelled, strong]))
        answers = taught.answers
        terms = fixmatch_terms(
            logits[: len(answers)], answers, weak_logits, logits[len(answers) :], THRESHOLD
        )
        self.optimiser.zero_grad(set_to_none=True)
        (terms.labelled + terms.consistency).backward()
        self.optimiser.step()
        self.trailing.follow(self.network)
        return float(terms.sure)

    def scores(self) -> NDArray[np.float32]:
        """(N,) log of P(target) / P(other) of every row by the average: P itself is 1 for many."""
        network = self.trailing.network
        out = []
        for part in self.pictures.split(_SCORED):
            with torch.inference_mode(), autocast():
                logits = network(part.float() / 255)
            out.append((logits[:, 1] - logits[:, 0]).float().numpy())
        return np.concatenate(out)
