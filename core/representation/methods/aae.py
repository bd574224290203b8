"""Adversarial autoencoder (Makhzani et al. 2015, arXiv 1511.05644): a discriminator shapes the
cloud of codes to a Gaussian, or to a mixture of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from core.errors import BadInput
from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Loss, register_method
from core.representation.methods.reconstructing import MAX_WIDTH, Reconstructing, cross_entropy
from core.representation.methods.settings import Limits
from core.representation.networks.convolutional import StridedDecoder, StridedEncoder
from core.representation.networks.dense import Dense
from core.representation.networks.draws import Draws

PRIORS = ("gaussian", "mixture")
APART = 6.0
"""Deviations between neighbouring Gaussians of the mixture."""


@register_method("aae")
class AAE(Reconstructing):
    """Convolutions to a code and back; a dense network tells codes from draws of the prior.

    All three are trained in one step by the sum of their losses. The discriminator sees codes
    without gradient; the encoder is judged by the discriminator's weights without gradient.

    Settings
    ----------
    latent
        Numbers in a code.
    widths
        Channels of the stages, each of which halves the picture; their number is the depth.
    prior
        "gaussian": N(0, 1) in every direction. "mixture": so many `components` of it on a circle
        in the first two directions.
    deception_weight
        Of what the encoder loses to the discriminator, beside the cross-entropy a pixel.
    discriminator_width
        Of its two hidden layers.
    """

    description: ClassVar[str] = "copies a picture; an adversary shapes the cloud of codes"
    parts: ClassVar[tuple[str, ...]] = ("reconstruction", "discriminator", "deception")
    training_only: ClassVar[tuple[str, ...]] = ("discriminator.", "draws.")
    learning_rate: ClassVar[float] = 5e-4

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        if self.settings["prior"] not in PRIORS:
            raise BadInput(
                f"The setting prior of aae is {' or '.join(PRIORS)}, but came"
                f" {self.settings['prior']!r}; choose one of them."
            )
        mixture = self.settings["prior"] == "mixture"
        widths = self._check(
            "widths",
            latent=Limits(2 if mixture else 1, MAX_WIDTH, whole=True),
            components=Limits(2, 100, whole=True),
            deception_weight=Limits(0, 1e4),
            discriminator_width=Limits(1, MAX_WIDTH, whole=True),
        )
        self.latent: int = self.settings["latent"]
        self.components: int = self.settings["components"] if mixture else 1
        self.deception_weight: float = self.settings["deception_weight"]
        self.encoder = StridedEncoder(spec.channels, spec.size_px, widths, self.latent)
        self.decoder = StridedDecoder(spec.channels, spec.size_px, widths, self.latent)
        hidden = self.settings["discriminator_width"]
        self.discriminator = Dense([self.latent, hidden, hidden, 1], leak=0.2)
        self.draws = Draws()

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {
            "latent": 32,
            "widths": [32, 64, 128, 128],
            "prior": "gaussian",
            "components": 7,
            "deception_weight": 0.02,
            "discriminator_width": 128,
        }

    @property
    def dimensions(self) -> int:
        return self.latent

    def prior_draw(self, count: int, device: torch.device) -> Tensor:
        """(count, latent) draws of the prior for this step."""
        drawn = self.draws.normal(count, self.latent, device)
        if self.components > 1:
            # The sign and size of one more normal number choose the component evenly.
            even = torch.special.ndtr(self.draws.normal(count, 1, device, part=1)[:, 0])
            which = (even * self.components).long().clamp_max(self.components - 1)
            drawn[:, :2] += mixture_means(self.components).to(device)[which]
        return drawn

    def loss(self, views: Sequence[Tensor]) -> Loss:
        seen = views[0]
        codes = self.codes(seen)
        reconstruction = cross_entropy(self.logits(codes), seen)
        real = self.discriminator(self.prior_draw(len(codes), codes.device)).float()
        fake = self.discriminator(codes.detach()).float()
        discriminator = (_told(real, 1.0) + _told(fake, 0.0)) / 2
        fixed = {name: one.detach() for name, one in self.discriminator.named_parameters()}
        judged = functional_call(self.discriminator, fixed, (codes,)).float()
        deception = _told(judged, 1.0)
        if self.training:
            self.draws.advance()
        total = reconstruction + discriminator + self.deception_weight * deception
        parts = {
            "reconstruction": reconstruction,
            "discriminator": discriminator,
            "deception": deception,
        }
        return Loss(total, parts)

    def codes(self, x: Tensor) -> Tensor:
        out: Tensor = self.encoder(x).float()
        return out

    def logits(self, codes: Tensor) -> Tensor:
        out: Tensor = self.decoder(codes)
        return out


def mixture_means(components: int) -> Tensor:
    """(components, 2) means on a circle, neighbours `APART` from each other."""
    angle = 2 * math.pi * torch.arange(components) / components
    radius = APART / 2 / math.sin(math.pi / components)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def _told(logits: Tensor, truth: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))
