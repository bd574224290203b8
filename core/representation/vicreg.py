"""The residual network pretrained by VICReg, as an encoder with shipped or own weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import Damaged
from core.progress import Progress
from core.representation.device import autocast, best_device
from core.representation.encoder import register_encoder
from core.representation.looks import LOOKS, two_looks
from core.representation.network import SlimResNet
from core.representation.scaling import PixelScaling
from core.survey import Survey

SHIPPED = Path(__file__).parent / "weights"
"""vicreg.safetensors, vicreg.json and the README with the command that made them."""


@register_encoder("vicreg")
class VICRegEncoder:
    """(B, band, y, x) -> (B, 256): 128 numbers of the whole picture, 128 of its central half.

    Each is the mean over the eight orientations: the sky has no up, so what differs between the
    orientations of one picture is noise.

    Parameters
    ----------
    weights
        Folder with vicreg.safetensors and vicreg.json; the shipped ones if None.
    """

    name: str

    def __init__(self, weights: Path | None = None) -> None:
        self.network, self.origin = load_network(weights or SHIPPED)
        self.scaling: PixelScaling | None = None

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Take the survey's pixel limits; the network itself is pretrained elsewhere."""
        progress(0.0, "taking the survey's pixel limits")
        self.scaling = PixelScaling.of(survey.manifest)

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        assert self.scaling is not None
        with torch.inference_mode(), autocast():
            looks = two_looks(self.scaling(images)).to(best_device())
            codes = [self._mean_over_orientations(looks[:, look]) for look in range(LOOKS)]
        out: NDArray[np.float32] = torch.cat(codes, dim=1).numpy()
        return out

    def _mean_over_orientations(self, x: Tensor) -> Tensor:
        total = torch.zeros(len(x), self.network.settings["dimensions"])
        for turns in range(4):
            for view in (x, x.flip(3)):
                turned = torch.rot90(view, turns, (2, 3))
                turned = turned.contiguous(memory_format=torch.channels_last)
                total += self.network(turned).float().cpu()
        return total / 8

    def save(self, folder: Path) -> dict[str, Any]:
        assert self.scaling is not None
        save_network(self.network, folder, self.origin)
        return {"scaling": self.scaling.as_dict(), "weights": self.origin}

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> VICRegEncoder:
        encoder = cls(folder)
        encoder.scaling = PixelScaling.from_dict(settings["scaling"])
        return encoder


def save_network(network: SlimResNet, folder: Path, origin: dict[str, Any]) -> None:
    """Write the network's weights and settings into `folder`."""
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    save_file(state, folder / "vicreg.safetensors")
    text = json.dumps({"network": network.settings, "origin": origin}, indent=1)
    (folder / "vicreg.json").write_text(text + "\n")


def load_network(folder: Path) -> tuple[SlimResNet, dict[str, Any]]:
    """The network in evaluation mode on the best device, and where its weights come from."""
    try:
        described = json.loads((folder / "vicreg.json").read_text())
        settings = described["network"]
        network = SlimResNet(
            settings["channels"],
            tuple(settings["widths"]),
            tuple(settings["blocks"]),
            settings["dimensions"],
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
