"""Autoencoders, convolutional and dense, with the layers by which mock images of a survey were
sorted into galaxies and artefacts: 128 px, min-max scaled, binary cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import Loss, register_method
from core.representation.methods.reconstructing import MAX_WIDTH, Reconstructing, cross_entropy
from core.representation.methods.settings import Limits
from core.representation.networks.convolutional import (
    PoolingEncoder,
    UpsamplingDecoder,
    map_side,
)
from core.representation.networks.dense import Dense
from core.representation.networks.normalisation import BatchNorm

STUDY_PX = 128


class _Study(Reconstructing):
    """What both have in common: the pictures, and the normalised code."""

    norm: BatchNorm

    @classmethod
    def input_spec(cls, bands: int) -> InputSpec:
        return InputSpec(kind="plain", bands=bands, size_px=STUDY_PX, scaling="minmax")

    def loss(self, views: Sequence[Tensor]) -> Loss:
        reconstruction = cross_entropy(self.logits(self.codes(views[0])), views[0])
        return Loss(reconstruction, {"reconstruction": reconstruction})


@register_method("autoencoder")
class Autoencoder(_Study):
    """Filters of 3x3 with 2x pooling between them, and their mirror.

    With the default filters 128 px become maps of 16x16x4, which are the code of 1,024 numbers.

    Settings
    ----------
    filters
        Of each stage; their number is the depth.
    latent
        Numbers in a code: a dense layer each way between them and the maps. 0: the maps are it.
    """

    description: ClassVar[str] = "copies a picture through small maps (the artefact study's)"
    learning_rate: ClassVar[float] = 5e-3  # at 1e-3 its 4,000 weights hardly move in a short run

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        filters = self._check("filters", latent=Limits(0, MAX_WIDTH, whole=True))
        latent = int(self.settings["latent"])
        side = map_side(spec.size_px, len(filters))
        self.map_shape = (filters[-1], side, side)
        maps = filters[-1] * side**2
        self.encoder = PoolingEncoder(spec.channels, filters)
        self.narrow = nn.Linear(maps, latent) if latent else nn.Identity()
        self.norm = BatchNorm(latent or filters[-1])
        self.widen = nn.Linear(latent, maps) if latent else nn.Identity()
        self.decoder = UpsamplingDecoder(spec.channels, filters)
        self._dimensions = latent or maps

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {"filters": [16, 8, 4], "latent": 0}

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def codes(self, x: Tensor) -> Tensor:
        maps = self.encoder(x)
        if self.settings["latent"]:
            maps = self.narrow(maps.flatten(1))
        out: Tensor = self.norm(maps).flatten(1)
        return out

    def logits(self, codes: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.widen(codes).unflatten(1, self.map_shape))
        return out


@register_method("dense_autoencoder")
class DenseAutoencoder(_Study):
    """Every pixel to 2,048, 512 and 128 numbers, and back; 69 million weights for one band.

    Settings
    ----------
    widths
        Of the layers; the last is the code, their number the depth.
    """

    description: ClassVar[str] = "copies a picture through dense layers (the artefact study's)"
    learning_rate: ClassVar[float] = 3e-4

    def __init__(self, spec: InputSpec, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(spec, settings)
        widths = self._check("widths")
        self.picture_shape = (spec.channels, spec.size_px, spec.size_px)
        layers = [spec.channels * spec.size_px**2, *widths]
        self.encoder = Dense(layers)
        self.norm = BatchNorm(widths[-1])
        self.decoder = Dense(layers[::-1])

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        return {"widths": [2048, 512, 128]}

    @property
    def dimensions(self) -> int:
        return int(self.settings["widths"][-1])

    def codes(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.encoder(x.flatten(1)))
        return out

    def logits(self, codes: Tensor) -> Tensor:
        out: Tensor = self.decoder(codes).unflatten(1, self.picture_shape)
        return out
