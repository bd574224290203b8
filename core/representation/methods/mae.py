"""Masked autoencoder: three quarters of a picture are hidden and drawn in from the rest (He et al.
2022, arXiv 2111.06377)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.errors import BadInput
from core.representation.device import full_precision
from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Loss, Method, register_method
from core.representation.methods.settings import Limits, check_settings
from core.representation.networks.patches import PatchDecoder, PatchEncoder, as_patches
from core.representation.training.gathering import gathered, processes

HEADS = 4
LIMITS = {
    "patch_px": Limits(2, 64, whole=True),
    "width": Limits(16, 2048, whole=True),
    "depth": Limits(1, 24, whole=True),
    "decoder_width": Limits(16, 2048, whole=True),
    "decoder_depth": Limits(1, 24, whole=True),
    "hidden_share": Limits(0.05, 0.95),
    "seed": Limits(0, 2**31, whole=True),
}


@register_method("mae")
class MaskedAutoencoder(Method):
    """A small transformer over patches; the pixels of hidden patches are what it must draw.

    It is shown both looks, but of each the bands alone: the asymmetry would tell it what lies
    under the patch opposite. A code is the mean and the maximum over the patches, side by side; a
    second nucleus is in one patch of many.

    `seed` draws the masks, together with the number of the step: they are the same however many
    processes share the batch.
    """

    description: ClassVar[str] = "most of a picture is hidden and drawn in from the rest"
    parts: ClassVar[tuple[str, ...]] = ("reconstruction",)
    views: ClassVar[int] = 1
    augments: ClassVar[bool] = False
    training_only: ClassVar[tuple[str, ...]] = ("decoder.", "steps")
    learning_rate: ClassVar[float] = 1e-3

    steps: Tensor

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        check_settings(self.name, self.settings, LIMITS)
        chosen = self.settings
        patch = chosen["patch_px"]
        if spec.size_px % patch or spec.size_px == patch:
            raise BadInput(
                f"The setting patch_px of the method {self.name} must divide the {spec.size_px} px"
                f" that the network sees into several patches, but is {patch}; choose another."
            )
        for name in ("width", "decoder_width"):
            if chosen[name] % 4:
                raise BadInput(
                    f"The setting {name} of the method {self.name} must be a multiple of 4, but is"
                    f" {chosen[name]}; change that setting."
                )
        side = spec.size_px // patch
        self.patches = side**2
        self.visible = min(
            self.patches - 1, max(1, round(self.patches * (1 - chosen["hidden_share"])))
        )
        self.encoder = PatchEncoder(
            spec.bands, spec.size_px, patch, chosen["width"], chosen["depth"], HEADS
        )
        self.decoder = PatchDecoder(
            chosen["width"],
            side,
            spec.bands * patch**2,
            chosen["decoder_width"],
            chosen["decoder_depth"],
            HEADS,
        )
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {
            "patch_px": 8,
            "width": 128,
            "depth": 5,
            "decoder_width": 64,
            "decoder_depth": 1,
            "hidden_share": 0.75,
            "seed": 0,
        }

    @property
    def dimensions(self) -> int:
        return 2 * int(self.settings["width"])

    def loss(self, views: Sequence[Tensor]) -> Loss:
        x = views[0][:, : self.spec.bands]
        order = self._order(len(x)).to(x.device)
        visible, hidden = order[:, : self.visible], order[:, self.visible :]
        drawn = self.decoder(self.encoder(x, visible), visible)
        with full_precision(drawn):
            error = patch_error(drawn.float(), x.float(), hidden, self.settings["patch_px"])
            total = gathered(error).mean()
        return Loss(total, {"reconstruction": total})

    def _order(self, batch: int) -> Tensor:
        """(B, P): the patches of each object in random order, the visible ones first."""
        # A generator goes by the lowest 32 bits alone, so the step has to be in them.
        seed = (self.settings["seed"] * 1_000_003 + int(self.steps)) % 2**32
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.rand(processes() * batch, self.patches, generator=generator).argsort(1)
        first = torch.distributed.get_rank() * batch if processes() > 1 else 0
        return drawn[first : first + batch]

    def codes(self, x: Tensor) -> Tensor:
        tokens = self.encoder(x[:, : self.spec.bands])  # (B, P, width)
        return torch.cat([tokens.mean(1), tokens.amax(1)], dim=1)

    def after_step(self, fraction: float) -> None:  # noqa: ARG002
        self.steps.add_(1)


def patch_error(drawn: Tensor, x: Tensor, hidden: Tensor, patch_px: int) -> Tensor:
    """Mean squared error over the hidden patches of each object.

    Parameters
    ----------
    drawn
        (B, P, bands * patch_px * patch_px) pixels of every patch.
    x
        (B, bands, y, x) what they should be.
    hidden
        (B, H) numbers of the hidden patches.

    Returns
    -------
    Tensor
        (B,).
    """
    wanted = as_patches(x, patch_px).flatten(2)
    square = (drawn - wanted).square().mean(2)  # (B, P)
    return square.gather(1, hidden).mean(1)
