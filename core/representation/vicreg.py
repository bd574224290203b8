"""The residual network pretrained by VICReg, as an encoder with shipped or own weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from core.errors import Damaged
from core.progress import Progress
from core.representation.device import autocast, best_device
from core.representation.encoder import register_encoder, sampled_rows
from core.representation.looks import LOOKS, two_looks
from core.representation.network import SlimResNet
from core.representation.scaling import PixelScaling
from core.representation.weightfiles import write_tensors
from core.representation.whitening import Whitening
from core.survey import Survey

SHIPPED = Path(__file__).parent / "weights"
"""vicreg.safetensors, vicreg.json and the README with the command that made them."""


COMPONENTS = 64
QUARTER_TURNS = (0, 1, 2, 3)
FIT_ROWS = 5000


@register_encoder("vicreg")
class VICRegEncoder:
    """(B, band, y, x) -> (B, 64): whitened components of what the network makes of both looks.

    The network's 256 numbers a look are averaged over the four quarter turns (the sky has no up,
    so what differs between them is noise) and nine tenths of their variance lie in some ten
    directions; the 64 leading principal components, fitted on at most 5,000 objects drawn with a
    fixed seed, keep nearly all of it in an eighth of the space, ordered by variance.

    Parameters
    ----------
    weights
        Folder with vicreg.safetensors and vicreg.json; the shipped ones if None.
    """

    name: str

    def __init__(self, weights: Path | None = None) -> None:
        self.network, self.origin = load_network(weights or SHIPPED)
        self.scaling: PixelScaling | None = None
        self.whitening: Whitening | None = None

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Take the survey's pixel limits and the principal components of what the network sees."""
        self.scaling = PixelScaling.of(survey.manifest)
        rows = sampled_rows(survey, FIT_ROWS)
        codes = []
        for start in range(0, len(rows), 256):
            # Unturned: the components are the same, at a quarter of the time.
            codes.append(self._codes(survey.images(rows[start : start + 256]), turns=(0,)))
            progress(0.0, f"fitting components: {start + len(codes[-1]):,} of {len(rows):,}")
        self.whitening = Whitening.fit(np.concatenate(codes), COMPONENTS)

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        assert self.whitening is not None
        return self.whitening(self._codes(images))

    def encode_looks(self, looks: Tensor) -> NDArray[np.float32]:
        """(B, LOOKS, CHANNELS, y, x) -> (B, D), as `encode`, for who has the looks already."""
        assert self.whitening is not None
        return self.whitening(self._codes_of(looks, QUARTER_TURNS))

    def _codes(
        self, images: NDArray[Any], turns: Sequence[int] = QUARTER_TURNS
    ) -> NDArray[np.float32]:
        """(B, band, y, x) -> (B, LOOKS * 2C) of the network, the mean over the quarter turns."""
        assert self.scaling is not None
        with torch.inference_mode():
            return self._codes_of(two_looks(self.scaling(images)), turns)

    def _codes_of(self, looks: Tensor, turns: Sequence[int]) -> NDArray[np.float32]:
        looks = looks.to(best_device())
        with torch.inference_mode(), autocast():
            codes = [self._mean(looks[:, look], turns) for look in range(LOOKS)]
        out: NDArray[np.float32] = torch.cat(codes, dim=1).numpy()
        return out

    def _mean(self, x: Tensor, turns: Sequence[int]) -> Tensor:
        total = torch.zeros(len(x), self.network.dimensions)
        for quarter in turns:
            turned = torch.rot90(x, quarter, (2, 3))
            turned = turned.contiguous(memory_format=torch.channels_last)
            total += self.network(turned).float().cpu()
        return total / len(turns)

    def save(self, folder: Path) -> dict[str, Any]:
        assert self.scaling is not None
        assert self.whitening is not None
        save_network(self.network, folder, self.origin)
        self.whitening.save(folder / "vicreg-whitening.safetensors")
        return {"scaling": self.scaling.as_dict(), "weights": self.origin}

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> VICRegEncoder:
        encoder = cls(folder)
        encoder.scaling = PixelScaling.from_dict(settings["scaling"])
        encoder.whitening = Whitening.load(folder / "vicreg-whitening.safetensors")
        return encoder


def save_network(network: SlimResNet, folder: Path, origin: dict[str, Any]) -> None:
    """Write the network's weights and settings into `folder`."""
    write_tensors(network.state_dict(), folder / "vicreg.safetensors")
    text = json.dumps({"network": network.settings, "origin": origin}, indent=1)
    (folder / "vicreg.json").write_text(text + "\n")


def load_network(folder: Path) -> tuple[SlimResNet, dict[str, Any]]:
    """The network in evaluation mode on the best device, and where its weights come from."""
    try:
        described = json.loads((folder / "vicreg.json").read_text())
        settings = described["network"]
        network = SlimResNet(
            settings["channels"], tuple(settings["widths"]), tuple(settings["blocks"])
        )
        network.load_state_dict(load_file(folder / "vicreg.safetensors"))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise Damaged(
            f"{folder} should hold vicreg.safetensors and vicreg.json of one network, but they"
            f" cannot be read ({type(error).__name__}); make them again with"
            " `python -m core.run pretrain` or restore the files."
        ) from None
    network.eval().to(best_device()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, dict(described["origin"])
