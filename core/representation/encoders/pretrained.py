"""What encoders around a network that somebody else trained have in common."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor, nn

from core.errors import BadInput
from core.progress import Progress
from core.representation.components import Components
from core.representation.device import best_device
from core.representation.encoder import sampled_rows
from core.representation.inputs.scaling import PixelScaling, resized, to_bands
from core.representation.weightfiles import write_arrays
from core.survey import Survey

POOLED = "pooled"
"""The layer that is taken unless another one is named: the second-last."""

NAMED = 24
"""Layers that are named where there is no such one, at most."""

BATCH = 64
FIT_ROWS = 5000
MAX_COMPONENTS = 1024

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_WATCHED = threading.Lock()
"""Threads share a network and what hangs on it: one looks at a layer at a time."""

_COMPONENTS = "components.safetensors"


class PretrainedEncoder(ABC):
    """Pictures as the network's own training saw them -> what one of its layers says.

    A subclass says how the network is made (`_network`), what it needs (`size_px`, `bands`,
    `mean`, `std`) and what comes out (`_features`). Weights are not copied into the run: where
    they come from and their hash are noted, and `load` takes them from there again.

    Attributes
    ----------
    origin
        Words that say where the weights come from, with their hash.
    """

    name: str
    default_layer: ClassVar[str] = POOLED
    own_options: ClassVar[dict[str, str]] = {
        "layer": "which layer's numbers, mean over the picture (default: the second-last)",
        "components": "leading principal components kept of them; 0 keeps all (default 0)",
    }

    def __init__(self, **options: Any) -> None:
        self.options = {key: str(value) for key, value in options.items()}
        self.layer = self.options.get("layer", self.default_layer)
        count = self.options.get("components", "0")
        if not count.isdecimal() or int(count) > MAX_COMPONENTS:
            raise BadInput(
                f"components is a whole number up to {MAX_COMPONENTS:,}, but is {count!r}; change"
                " it."
            )
        self.count = int(count)
        self.size_px, self.bands = 224, 3
        self.mean: tuple[float, ...] = IMAGENET_MEAN
        self.std: tuple[float, ...] = IMAGENET_STD
        self.origin = ""
        self.scaling: PixelScaling | None = None
        self.components: Components | None = None
        self.network = self._network()

    @abstractmethod
    def _network(self) -> Any:
        """Make the network, in evaluation mode on the best device; set what pictures it takes."""

    @abstractmethod
    def _features(self, x: Tensor) -> Tensor:
        """(B, bands, size_px, size_px) on the device -> (B, D) of the chosen layer."""

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Take the survey's pixel limits and, where asked for, fit principal components."""
        progress(0.0, "taking the survey's pixel limits")
        self.scaling = PixelScaling.of(survey.manifest)
        if not self.count:
            return
        rows = sampled_rows(survey, FIT_ROWS)
        codes: list[NDArray[np.float32]] = []
        for start in range(0, len(rows), BATCH):
            codes.append(self._codes(survey.images(rows[start : start + BATCH])))
            progress(start / len(rows), f"fitting components: {start:,} of {len(rows):,}")
        self.components = Components.fit(np.concatenate(codes), self.count, seed=0)

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        codes = np.concatenate(
            [self._codes(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        )
        return codes if self.components is None else self.components(codes)

    def _codes(self, images: NDArray[Any]) -> NDArray[np.float32]:
        assert self.scaling is not None
        with torch.inference_mode():
            x = self.scaling(images)
            # A network that knows no colour is shown all bands, not the first of them.
            x = x.mean(1, keepdim=True) if self.bands == 1 else to_bands(x, self.bands)
            x = resized(x, self.size_px).clamp(0, 1)
            mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (self.mean, self.std))
            codes = self._features(((x - mean) / std).to(best_device()))
            out: NDArray[np.float32] = codes.float().cpu().numpy()
        return out

    def save(self, folder: Path) -> dict[str, Any]:
        assert self.scaling is not None
        if self.components is not None:
            write_arrays(self.components.arrays(""), folder / _COMPONENTS)
        return {
            "options": self.options,
            "weights": self.origin,
            "scaling": self.scaling.as_dict(),
        }

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> PretrainedEncoder:
        encoder = cls(**settings["options"])
        if encoder.origin != settings["weights"]:
            raise BadInput(
                f"The embedding was made with {settings['weights']}, but here is {encoder.origin};"
                " install the former, or embed the survey again."
            )
        encoder.scaling = PixelScaling.from_dict(settings["scaling"])
        if encoder.count:
            encoder.components = Components.of(load_file(folder / _COMPONENTS), "")
        return encoder


def over_picture(x: Tensor) -> Tensor:
    """(B, D, H, H) maps, (B, H, H, D) as some networks order them, (B, T, D) tokens or (B, D)
    numbers -> (B, D)."""
    if x.ndim == 4:
        return x.mean((1, 2) if x.shape[1] == x.shape[2] != x.shape[3] else (2, 3))
    return x.mean(1) if x.ndim == 3 else x.flatten(1)


def output_of(network: nn.Module, layer: str, run: Callable[[], object], count: int) -> Tensor:
    """(count, D) of what a module within a network gives while `run` has the network look at
    `count` pictures. A second thread waits.

    layer: its dotted name, as in `network.named_modules()`.

    Raises
    ------
    BadInput
        There is no such module, it is not used, used more than once, or does not keep the
        pictures apart along its first axis.
    """
    check_layer(network, layer)
    kept: list[Any] = []
    with _WATCHED:
        handle = network.get_submodule(layer).register_forward_hook(
            lambda _module, _given, out: kept.append(out)
        )
        try:
            run()
        finally:
            handle.remove()
    out = kept[0] if len(kept) == 1 else None
    if not isinstance(out, Tensor) or out.ndim < 2 or len(out) != count:
        raise BadInput(f"The layer {layer!r} gives no numbers a picture; choose another.")
    return over_picture(out)


def check_layer(network: nn.Module, layer: str) -> None:
    """See that a network has a module of this dotted name, or that `pooled` is meant.

    Raises
    ------
    BadInput
        It has none; the sentence names some of those nearest to the outside.
    """
    parts = {
        name: part
        for name, part in network.named_modules()
        if name and not isinstance(part, nn.ModuleList | nn.ModuleDict)
    }
    if layer == POOLED or layer in parts:
        return
    few = ", ".join(sorted(parts, key=lambda name: name.count("."))[:NAMED])
    more = " and so on" if len(parts) > NAMED else ""
    raise BadInput(f"The network has no layer {layer!r}; choose {POOLED}, or one of {few}{more}.")


def state_hash(network: nn.Module) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all parameters and buffers."""
    found = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()[:16]


__all__ = ["PretrainedEncoder", "check_layer", "output_of", "over_picture", "state_hash"]
