"""Networks of other projects as encoders, where these are installed: timm, Zoobot, AstroPT, AION.

Each is an optional package; without it the encoder says the pip line. Weights come through the
package's own downloader. torch reads them by its restricted reader, whatever the package asks for.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import BadInput, NotReady
from core.representation.device import best_device
from core.representation.encoder import register_encoder
from core.representation.encoders.pretrained import (
    PretrainedEncoder,
    output_of,
    over_picture,
    state_hash,
)
from core.representation.inputs.scaling import resized


class _Adapter(PretrainedEncoder):
    """What the adapters share: a package, a model named by an option, any layer by its name."""

    optional: ClassVar[bool] = True
    default_model: ClassVar[str]
    pip_line: ClassVar[str]
    own_options: ClassVar[dict[str, str]] = {
        **PretrainedEncoder.own_options,
        "layer": "a module's name, mean over the picture (default pooled, the second-last)",
        "model": "the model's name, as the package knows it",
    }

    @property
    def model(self) -> str:
        return self.options.get("model", self.default_model)

    def _package(self, name: str) -> Any:
        try:
            return importlib.import_module(name)
        except Exception as error:  # a package that does not fit the installed torch raises any
            raise NotReady(
                f"The encoder {self.name} needs the package {name.split('.')[0]}, which is not"
                f" usable here ({type(error).__name__}: {str(error)[:100]}); `{self.pip_line}`"
                " brings it."
            ) from None

    @contextlib.contextmanager
    def _loading(self) -> Iterator[None]:
        """Have torch refuse pickles, and tell in words what a download raises."""
        before = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
        os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
        try:
            yield
        except Exception as error:  # hubs, files and packages raise errors of their own kinds
            raise NotReady(
                f"The weights of {self.model!r} for the encoder {self.name} cannot be had"
                f" ({type(error).__name__}: {str(error)[:120]}); check the model's name and the"
                " connection, and run the same command again."
            ) from None
        finally:
            if before is None:
                del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
            else:
                os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before

    def _kept(self, network: Any) -> Any:
        network = network.to(best_device()).eval()
        self.origin = f"{self.model} by {self.name} ({state_hash(network)})"
        return network


@register_encoder("timm")
class TimmEncoder(_Adapter):
    """(B, band, y, x) -> (B, D) of a network of PyTorch Image Models, by default the features
    before its classes, of pictures of the size and the normalisation that it was trained with."""

    default_model = "resnet18.a1_in1k"
    pip_line = "pip install timm torchvision"

    def _network(self) -> Any:
        timm = self._package("timm")
        data = self._package("timm.data")
        with self._loading():
            network = timm.create_model(self.model, pretrained=True, num_classes=0)
        asked = data.resolve_model_data_config(network)
        self.size_px = int(asked["input_size"][-1])
        self.mean, self.std = tuple(asked["mean"]), tuple(asked["std"])
        return self._kept(network)

    def _features(self, x: Tensor) -> Tensor:
        if self.layer == "pooled":
            return over_picture(self.network(x))
        return output_of(self.network, self.layer, lambda: self.network(x))


@register_encoder("zoobot")
class ZoobotEncoder(TimmEncoder):
    """(B, band, y, x) -> (B, D) of Zoobot, trained on the answers of Galaxy Zoo (Walmsley et al.
    2023); its encoders are networks of timm."""

    default_model = "hf_hub:mwalmsley/zoobot-encoder-convnext_nano"


@register_encoder("astropt")
class AstroPTEncoder(_Adapter):
    """(B, band, y, x) -> (B, D) of AstroPT, which was trained to foretell the next patch of DESI
    Legacy Survey galaxies (Smith et al. 2024, arXiv 2405.14930)."""

    default_model = "Smith42/astroPT_v2.0:astropt/095M"
    pip_line = "pip install astropt"

    def _network(self) -> Any:
        utils = self._package("astropt.model_utils")
        datasets = self._package("astropt.local_datasets")
        repository, colon, path = self.model.partition(":")
        if not colon:
            raise BadInput(
                "A model of AstroPT is REPOSITORY:PATH, such as"
                f" {self.default_model}, but is {self.model!r}; correct it."
            )
        with self._loading():
            network = utils.load_astropt(repository, path=path)
        self.size_px = 256
        self.mean, self.std = (0.0,) * 3, (1 / 255,) * 3  # it takes pixels of 0 to 255
        self._patches = datasets.GalaxyImageDataset(
            None,
            spiral=True,
            transform={"images": _standardised},
            modality_registry=network.modality_registry,
        )
        return self._kept(network)

    def _features(self, x: Tensor) -> Tensor:
        # Its own patching takes one picture at a time, with x before y.
        patches = torch.stack(
            [self._patches.process_galaxy(one.swapaxes(1, 2).cpu()).float() for one in x]
        ).to(x.device)
        positions = torch.arange(patches.shape[1], device=x.device).expand(len(x), -1)
        given = {"images": patches, "images_positions": positions}
        if self.layer == "pooled":
            return over_picture(self.network.generate_embeddings(given)["images"])
        return output_of(self.network, self.layer, lambda: self.network.generate_embeddings(given))


def _standardised(patches: Tensor) -> Tensor:
    """Each patch (row) to mean 0 and deviation 1, as AstroPT was trained."""
    deviation, mean = torch.std_mean(patches, dim=1, keepdim=True)
    return (patches - mean) / (deviation + 1e-8)


@register_encoder("aion")
class AIONEncoder(_Adapter):
    """(B, band, y, x) -> (B, D) of AION-1 (Polymathic 2025, arXiv 2510.17960): the mean of the
    encoder's tokens, of fluxes in nanomaggies as they are in the survey."""

    default_model = "polymathic-ai/aion-base"
    pip_line = "pip install polymathic-aion"
    own_options: ClassVar[dict[str, str]] = {
        **_Adapter.own_options,
        "bands": "AION's names of the survey's bands (default DES-G,DES-R,DES-I,DES-Z)",
    }

    def _network(self) -> Any:
        aion, codecs = self._package("aion"), self._package("aion.codecs")
        self._picture = self._package("aion.modalities").LegacySurveyImage
        self._bands = self.options.get("bands", "DES-G,DES-R,DES-I,DES-Z").split(",")
        with self._loading():
            network = aion.AION.from_pretrained(self.model)
            self._codecs = codecs.CodecManager(device=best_device())
        self.size_px = 96
        return self._kept(network)

    def _codes(self, images: NDArray[Any]) -> NDArray[np.float32]:
        if images.shape[1] != len(self._bands):
            raise BadInput(
                f"AION is told the bands {','.join(self._bands)}, but the survey has"
                f" {images.shape[1]}; name its bands by `--set bands=`."
            )
        with torch.inference_mode():
            flux = torch.from_numpy(np.nan_to_num(images.astype(np.float32)))
            codes = self._features(resized(flux, self.size_px).to(best_device()))
            out: NDArray[np.float32] = codes.float().cpu().numpy()
        return out

    def _features(self, x: Tensor) -> Tensor:
        tokens = self._codecs.encode(self._picture(flux=x, bands=self._bands))
        count = sum(one.shape[1] if one.ndim == 2 else 1 for one in tokens.values())
        if self.layer == "pooled":
            return over_picture(self.network.encode(tokens, num_encoder_tokens=count))
        return output_of(
            self.network,
            self.layer,
            lambda: self.network.encode(tokens, num_encoder_tokens=count),
        )


__all__ = ["AIONEncoder", "AstroPTEncoder", "TimmEncoder", "ZoobotEncoder"]
