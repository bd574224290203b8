"""Variational autoencoder (Kingma & Welling 2014, arXiv 1312.6114), with the weight beta of its
divergence (Higgins et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Loss, register_method
from core.representation.methods.reconstructing import MAX_WIDTH, Reconstructing, cross_entropy
from core.representation.methods.settings import Limits
from core.representation.networks.convolutional import StridedDecoder, StridedEncoder
from core.representation.networks.draws import Draws


@register_method("vae")
class VAE(Reconstructing):
    """Convolutions to a Gaussian over codes; a code drawn from it becomes the picture again.

    The loss is the negative evidence bound a pixel: cross-entropy + beta * divergence / pixels.

    Settings
    ----------
    latent
        Numbers in a code.
    widths
        Channels of the stages, each of which halves the picture; their number is the depth.
    beta
        Weight of the divergence: above 1 codes are more independent and pictures more blurred.
    """

    description: ClassVar[str] = "copies a picture through a cloud of codes shaped as a Gaussian"
    parts: ClassVar[tuple[str, ...]] = ("reconstruction", "divergence")
    training_only: ClassVar[tuple[str, ...]] = ("draws.",)

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        widths = self._check(
            "widths", latent=Limits(1, MAX_WIDTH, whole=True), beta=Limits(0, 1e4)
        )
        self.latent: int = self.settings["latent"]
        self.beta: float = self.settings["beta"]
        self.encoder = StridedEncoder(spec.channels, spec.size_px, widths, 2 * self.latent)
        self.decoder = StridedDecoder(spec.channels, spec.size_px, widths, self.latent)
        self.draws = Draws()

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {"latent": 32, "widths": [32, 64, 128, 128], "beta": 1.0}

    @property
    def dimensions(self) -> int:
        return self.latent

    def gaussians(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels, size_px, size_px) -> mean and log variance, (B, latent) each, float32."""
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 12)

    def loss(self, views: Sequence[Tensor]) -> Loss:
        seen = views[0]
        mean, log_variance = self.gaussians(seen)
        noise = self.draws.normal(len(mean), self.latent, mean.device)
        logits = self.logits(mean + noise * torch.exp(0.5 * log_variance))
        reconstruction = cross_entropy(logits, seen)
        divergence = gaussian_divergence(mean, log_variance).mean()
        if self.training:
            self.draws.advance()
        total = reconstruction + self.beta * divergence / seen[0].numel()
        return Loss(total, {"reconstruction": reconstruction, "divergence": divergence})

    def codes(self, x: Tensor) -> Tensor:
        return self.gaussians(x)[0]

    def logits(self, codes: Tensor) -> Tensor:
        out: Tensor = self.decoder(codes)
        return out


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(B, D) each -> (B,) Kullback-Leibler divergence in nats from N(0, 1): sum over D of
    (mean^2 + variance - 1 - log variance) / 2 (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
