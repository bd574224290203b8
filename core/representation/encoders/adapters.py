"""Networks of other projects as encoders, where these are installed: timm, Zoobot, AstroPT, AION.

Each is an optional package; without it the encoder says the pip line, which leaves the installed
torch as it is. Weights come through the Hugging Face client and stay in its cache, or from a
folder here; no pickle is run, and a file that does not fill the whole network is refused
(`adapter_weights`).
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional

from core.errors import BadInput, NotFound, NotReady
from core.progress import Progress
from core.representation.device import best_device
from core.representation.encoder import register_encoder
from core.representation.encoders.adapter_weights import (
    check_filled,
    import_torchvision,
    in_short,
    loading,
)
from core.representation.encoders.pretrained import (
    PretrainedEncoder,
    check_layer,
    output_of,
    over_picture,
    state_hash,
)
from core.representation.inputs.scaling import resized
from core.survey import Survey


class _Adapter(PretrainedEncoder):
    """What the adapters share: a package, a model named by an option, any layer by its name."""

    default_model: ClassVar[str]
    brought_by: ClassVar[str]
    """The packages that pip is to install."""
    uses_torchvision: ClassVar[bool] = True
    own_options: ClassVar[dict[str, str]] = {
        **PretrainedEncoder.own_options,
        "layer": "a module's name, mean over the picture (default pooled, the second-last)",
    }

    def __init__(self, **options: Any) -> None:
        if str(options.get("model", "")).startswith(("/", "~", ".")):
            # Whole, so that a run finds it again from wherever it is started.
            options["model"] = str(_existing_folder(str(options["model"])))
        super().__init__(**options)

    @property
    def model(self) -> str:
        return self.options.get("model", self.default_model)

    def _package(self, name: str) -> Any:
        """A module of the package.

        Raises
        ------
        NotReady
            It, or one that it needs, is not installed or does not fit the installed torch.
        """
        try:
            if self.uses_torchvision:
                import_torchvision()
            return importlib.import_module(name)
        except Exception as error:  # a package that does not fit the installed torch raises any
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            needed = (missing or name).split(".")[0]
            wrong = "installed" if missing else f"usable here ({in_short(error)})"
            raise NotReady(
                f"The encoder {self.name} needs the package {needed}, which is not {wrong};"
                f" `pip install {self.brought_by} torch=={torch.__version__.partition('+')[0]}`"
                " brings it."
            ) from None

    def _loading(self, *beside: str) -> contextlib.AbstractContextManager[None]:
        return loading(f"The weights of {self.model!r} for the encoder {self.name}", beside)

    def _folder(self) -> Path | None:
        """The folder that the model is in, where the option names one: with /, ~ or . first."""
        return Path(self.model) if self.model.startswith("/") else None

    def _file(self, repository: str, name: str) -> Path:
        """A file of the model: in a folder here, or fetched once and kept."""
        folder = self._folder()
        if folder is None:
            return Path(self._package("huggingface_hub").hf_hub_download(repository, name))
        if not (folder / name).is_file():
            raise NotFound(f"The folder {folder} has no {name}; name another one.")
        return folder / name

    def _kept(self, network: Any, *beside: nn.Module) -> Any:
        """The network, ready to look at pictures; `beside` are others that take part."""
        check_layer(network, self.layer)
        hashed = nn.ModuleList([network, *beside]) if beside else network
        self.origin = f"{self.model} by {self.name} ({state_hash(hashed)})"
        return network.to(best_device()).eval()


def _existing_folder(text: str) -> Path:
    try:
        folder = Path(text).expanduser().resolve()
        is_there = folder.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # no such user, a NUL, no rights
        raise BadInput(
            f"The model {text[:200]!r} cannot be a folder ({in_short(error)}); correct it."
        ) from None
    if not is_there:
        raise NotFound(f"There is no folder {folder}; correct the model's name.")
    return folder


@register_encoder("timm")
class TimmEncoder(_Adapter):
    """(B, band, y, x) -> (B, D) of a network of PyTorch Image Models, by default the features
    before its classes, of pictures of the size and the normalisation that it was trained with."""

    default_model = "resnet18.a1_in1k"
    brought_by = "timm torchvision"
    own_options: ClassVar[dict[str, str]] = {
        **_Adapter.own_options,
        "model": "a name that timm knows, hf_hub:OWNER/NAME, or a folder (default"
        " resnet18.a1_in1k)",
    }

    def _network(self) -> Any:
        name = self._name()
        timm, data = self._package("timm"), self._package("timm.data")
        with self._loading(*_TIMM_BESIDE):
            network = timm.create_model(name, pretrained=True, num_classes=0)
        asked = data.resolve_model_data_config(network)
        self.bands, self.size_px = int(asked["input_size"][0]), int(asked["input_size"][-1])
        self.mean = _a_band(asked["mean"], self.bands)
        self.std = _a_band(asked["std"], self.bands)
        return self._kept(network)

    def _name(self) -> str:
        """As timm takes it. Whatever else it reads as a path no page would have checked."""
        folder = self._folder()
        if folder is not None:
            return f"local-dir:{folder}"
        source, colon, _ = self.model.partition(":")
        if source.lower() not in ("hf_hub", "hf-hub") if colon else "/" in source:
            raise BadInput(
                "A model is a name that timm knows, hf_hub:OWNER/NAME, or a folder's path with /,"
                f" ~ or . first, but is {self.model[:200]!r}; correct it."
            )
        return self.model

    def _features(self, x: Tensor) -> Tensor:
        if self.layer == "pooled":
            return over_picture(self.network(x))
        return output_of(self.network, self.layer, lambda: self.network(x), len(x))


_TIMM_BESIDE = (
    r"(head|fc|classifier)\.",
    r"AuxLogits\.",
    r"level\d\.(tree\d\.)*project\.",
)
"""What timm's files have beside a network without classes: these, where the file does not say what
they are called; more classes (Inception); what is never used (DLA)."""


def _a_band(values: Sequence[float], bands: int) -> tuple[float, ...]:
    """One number a band: where they are of other bands, their mean."""
    if len(values) == bands:
        return tuple(values)
    return (sum(values) / len(values),) * bands


@register_encoder("zoobot")
class ZoobotEncoder(TimmEncoder):
    """(B, band, y, x) -> (B, D) of Zoobot, trained on the answers of Galaxy Zoo (Walmsley et al.
    2023); its encoders are networks of timm that saw pixels of 0 to 1 as they are."""

    default_model = "hf_hub:mwalmsley/zoobot-encoder-convnext_nano"
    own_options: ClassVar[dict[str, str]] = {
        **TimmEncoder.own_options,
        "model": f"hf_hub:OWNER/NAME, or a folder (default {default_model})",
    }

    def _network(self) -> Any:
        network = super()._network()
        # Its file names the normalisation of the architecture, which Zoobot's views leave out.
        self.mean, self.std = (0.0,) * self.bands, (1.0,) * self.bands
        return network


@register_encoder("astropt")
class AstroPTEncoder(_Adapter):
    """(B, band, y, x) -> (B, D) of AstroPT, which was trained to foretell the next patch of DESI
    Legacy Survey galaxies (Smith et al. 2024, arXiv 2405.14930); by default the mean over the
    patches in its middle block, as its authors take it."""

    default_model = "Smith42/astroPT_v2.0:astropt/095M"
    brought_by = "astropt"
    own_options: ClassVar[dict[str, str]] = {
        **PretrainedEncoder.own_options,
        "layer": "a module's name, mean over the picture (default pooled, its middle block)",
        "model": f"REPOSITORY:PATH, or a folder with ckpt.pt (default {default_model})",
    }

    def _network(self) -> Any:
        model = self._package("astropt.model")
        datasets = self._package("astropt.local_datasets")
        is_folder = self._folder() is not None
        repository, colon, path = self.model.partition(":")
        if not (colon or is_folder):
            raise BadInput(
                "A model of AstroPT is REPOSITORY:PATH, such as"
                f" {self.default_model}, or a folder, but is {self.model!r}; correct it."
            )
        with self._loading():
            file = self._file(repository, "ckpt.pt" if is_folder else f"{path}/ckpt.pt")
            # These two say what the patches are; they hold names and numbers.
            with torch.serialization.safe_globals([model.ModalityRegistry, model.ModalityConfig]):
                saved = torch.load(file, map_location="cpu", weights_only=True)
            config, registry = model.GPTConfig(**saved["model_args"]), saved["modality_registry"]
            if registry.names() != ["images"]:
                raise BadInput(
                    f"The model {self.model!r} of AstroPT reads {', '.join(registry.names())}, but"
                    " is given pictures alone; choose one that reads images and nothing else."
                )
            network = model.GPT(config, registry, master_process=False)
            network.load_state_dict(
                {name.removeprefix("_orig_mod."): one for name, one in saved["model"].items()}
            )
            patch_px = int(registry.get_config("images").patch_size)
        self.size_px = 256 // patch_px * patch_px
        self.mean, self.std = (0.0,) * 3, (1 / 255,) * 3  # it takes pixels of 0 to 255
        self._patches = datasets.GalaxyImageDataset(
            None,
            spiral=True,
            transform={"images": _standardised},
            modality_registry=registry,
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
        return output_of(
            self.network,
            self.layer,
            lambda: self.network.generate_embeddings(given),
            len(x),
        )


def _standardised(patches: Tensor) -> Tensor:
    """Each patch (row) to mean 0 and deviation 1, as AstroPT was trained."""
    deviation, mean = torch.std_mean(patches, dim=1, keepdim=True)
    return (patches - mean) / (deviation + 1e-8)


_AION_SURVEYS = {"DES": ("LegacySurveyImage", 0.262), "HSC": ("HSCImage", 0.168)}
"""What stands before a band's dash -> AION's kind of picture, the side of its pixels in arcsec."""

_AION_PX = 96

_AION_BESIDE = (
    "decoder",
    "mask_token",
    r"encoder_embeddings\.",
    r"(_quantizer|subsample_out|post_quant_proj)\.",
    r"model\.(decoder_layers|conv_out)\.",
)
"""What no picture's tokens come from: other kinds of data, and all that makes pictures again."""


@register_encoder("aion")
class AIONEncoder(_Adapter):
    """(B, band, y, x) -> (B, D) of AION-1 (Polymathic 2025, arXiv 2510.17960): the mean of the
    encoder's tokens, of fluxes in nanomaggies as they are in the survey (HSC: zero point 27).

    Pictures are brought to the pixels that AION knows, the middle 96 of them, with sky around
    where there are fewer; where the survey's pixel scale is not known they are stretched to 96.
    """

    default_model = "polymathic-ai/aion-base"
    brought_by = "polymathic-aion"
    uses_torchvision = False
    own_options: ClassVar[dict[str, str]] = {
        **_Adapter.own_options,
        "layer": "a module's name, mean over the picture (default pooled, the encoder's last)",
        "model": f"OWNER/NAME, or a folder (default {default_model})",
        "bands": "AION's names of the survey's bands (default DES-G,DES-R,DES-I,DES-Z)",
    }

    def _network(self) -> Any:
        aion, codecs = self._package("aion"), self._package("aion.codecs")
        modalities = self._package("aion.modalities")
        known = self._package("aion.codecs.preprocessing.band_to_index").BAND_TO_INDEX
        self._bands = self.options.get("bands", "DES-G,DES-R,DES-I,DES-Z").split(",")
        surveys = {name.partition("-")[0] for name in self._bands}
        is_repeated = len(set(self._bands)) < len(self._bands)
        if not set(self._bands) <= set(known) or len(surveys) > 1 or is_repeated:
            raise BadInput(
                f"AION's bands are, of one survey, {', '.join(known)}, each at most once, but"
                f" bands= names {', '.join(self._bands)}; correct it."
            )
        kind, self._native_arcsec = _AION_SURVEYS[surveys.pop()]
        self._picture = getattr(modalities, kind)
        self._pixel_arcsec: float | None = None
        with self._loading(*_AION_BESIDE):
            network = self._filled(self.model, "", aion.AION, wrapped=True)
            # There is one codec for all sizes of the network.
            home = self._package("aion.codecs.config").HF_REPO_ID
            self._codec = self._filled(home, "codecs/image/", codecs.ImageCodec)
        self._codec = self._codec.to(best_device()).eval()
        return self._kept(network, self._codec)

    def _filled(self, repository: str, within: str, kind: Any, wrapped: bool = False) -> Any:
        """A network of AION's from its two files; `wrapped` where it takes its settings as one."""
        config = json.loads(self._file(repository, f"{within}config.json").read_text())
        known = inspect.signature(kind).parameters
        network = (
            kind(config=config)
            if wrapped
            else kind(**{key: value for key, value in config.items() if key in known})
        )
        missing, _ = load_model(
            network, self._file(repository, f"{within}model.safetensors"), strict=False
        )
        check_filled(missing)
        return network

    def fit(self, survey: Survey, progress: Progress) -> None:
        if survey.manifest.dtype == "uint8":
            raise BadInput(
                f"AION takes fluxes, but the pictures of {survey.name} were stretched for show"
                " (uint8); import it from FITS, or choose another encoder."
            )
        self._pixel_arcsec = survey.manifest.pixel_scale_arcsec
        super().fit(survey, progress)

    def save(self, folder: Path) -> dict[str, Any]:
        return {**super().save(folder), "pixel_scale_arcsec": self._pixel_arcsec}

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> PretrainedEncoder:
        encoder = super().load(folder, settings)
        assert isinstance(encoder, AIONEncoder)
        encoder._pixel_arcsec = settings.get("pixel_scale_arcsec")
        return encoder

    def _codes(self, images: NDArray[Any]) -> NDArray[np.float32]:
        if images.shape[1] != len(self._bands):
            raise BadInput(
                f"AION is told the bands {','.join(self._bands)}, but the survey has"
                f" {images.shape[1]}; name its bands by `--set bands=`."
            )
        with torch.inference_mode():
            # A pixel without a number is sky, whatever sign its infinity has.
            flux = np.nan_to_num(images.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
            own = self._on_its_pixels(torch.from_numpy(flux))
            codes = self._features(own.to(best_device()))
            out: NDArray[np.float32] = codes.float().cpu().numpy()
        return out

    def _on_its_pixels(self, flux: Tensor) -> Tensor:
        """(B, band, y, x) flux a pixel -> (B, band, 96, 96) flux a pixel of AION's."""
        if not self._pixel_arcsec:
            return resized(flux, _AION_PX)
        step = self._native_arcsec / self._pixel_arcsec  # AION's pixel in the survey's
        flux = _middle(flux, step)
        side = max(1, round(flux.shape[-1] / step))
        flux = resized(flux, side) * (flux.shape[-1] / side) ** 2
        before, after = (_AION_PX - side) // 2, -((side - _AION_PX) // 2)
        return functional.pad(flux, (before, after, before, after))  # what is negative is cut

    def _features(self, x: Tensor) -> Tensor:
        picture = self._picture(flux=x, bands=self._bands)
        tokens = self._codec.encode(picture)
        given, count = {picture.token_key: tokens}, tokens.shape[1]
        if self.layer == "pooled":
            return over_picture(self.network.encode(given, num_encoder_tokens=count))
        return output_of(
            self.network,
            self.layer,
            lambda: self.network.encode(given, num_encoder_tokens=count),
            len(x),
        )


def _middle(flux: Tensor, step: float) -> Tensor:
    """(B, band, y, x) -> the middle of it that AION's pixels need, with a rim, so that no more is
    brought to another scale. Of sides about as long the one that is nearest to an even number of
    AION's pixels, `step` of the survey's each: scale and middle stay what they are."""
    side = flux.shape[-1]
    needed = math.ceil((_AION_PX + 2) * step) + 2
    first = needed + (side - needed) % 2  # as much is cut left as right
    sides = range(first, first + max(2, math.ceil(16 * step)), 2)
    kept = min(sides, key=lambda px: abs(px / step / 2 - round(px / step / 2)))
    cut = (side - kept) // 2
    return flux[:, :, cut:-cut, cut:-cut] if cut > 0 else flux


__all__ = ["AIONEncoder", "AstroPTEncoder", "TimmEncoder", "ZoobotEncoder"]
