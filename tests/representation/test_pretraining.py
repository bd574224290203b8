"""Pretraining repeats, resumes and learns on a handful of small pictures."""

import json

import pytest
import torch
from safetensors import safe_open

from core.config import PretrainConfig
from core.errors import BadInput, Cancelled
from core.representation import pretraining as module
from core.representation.networks.slim import SlimResNet
from core.representation.training.loop import pretrain, steps_within

CONFIG = PretrainConfig(steps=6, batch_size=8, seed=4)


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(24, 7, 64, 64, generator=generator)


def weights(result):
    return {k: v for k, v in result.network.state_dict().items() if v.is_floating_point()}


def test_same_seed_same_weights_and_network_is_as_slim_as_promised(pictures):
    first = pretrain(lambda i: pictures[i], len(pictures), CONFIG)
    second = pretrain(lambda i: pictures[i], len(pictures), CONFIG)
    assert all(torch.equal(v, weights(second)[k]) for k, v in weights(first).items())
    parameters = sum(p.numel() for p in first.network.parameters())
    assert 0.5e6 <= parameters <= 1.5e6
    assert first.network(pictures[:2]).shape == (2, 256)


def test_an_interrupted_run_resumes_to_the_weights_of_an_unbroken_one(
    pictures, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 2)
    whole = pretrain(lambda i: pictures[i], len(pictures), CONFIG)

    served = []

    def breaks(index):
        served.append(1)
        if len(served) > 4:
            raise Cancelled("stopped")
        return pictures[index]

    with pytest.raises(Cancelled):
        pretrain(breaks, len(pictures), CONFIG, checkpoint=tmp_path)
    with safe_open(tmp_path / "checkpoint.safetensors", "pt") as handle:
        assert json.loads(handle.metadata()["state"])["step"] == 4
    resumed = pretrain(lambda i: pictures[i], len(pictures), CONFIG, checkpoint=tmp_path)
    assert all(torch.equal(v, weights(resumed)[k]) for k, v in weights(whole).items())


def test_a_checkpoint_of_other_settings_is_not_used(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 2)
    pretrain(lambda i: pictures[i], len(pictures), CONFIG, checkpoint=tmp_path)
    other = PretrainConfig(steps=3, batch_size=8, seed=5)
    fresh = pretrain(lambda i: pictures[i], len(pictures), other)
    beside = pretrain(lambda i: pictures[i], len(pictures), other, checkpoint=tmp_path)
    assert all(torch.equal(v, weights(beside)[k]) for k, v in weights(fresh).items())


def test_training_brings_the_views_of_an_object_together():
    """Twelve objects told apart by pattern: after training, nearest in embedding = same object."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand(12, 7, 4, 4, generator=generator)
    pictures = torch.nn.functional.interpolate(coarse, size=64, mode="bilinear")
    config = PretrainConfig(steps=80, batch_size=12, seed=0)
    result = pretrain(lambda i: pictures[i], len(pictures), config)
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    turned = torch.rot90(pictures, 1, (2, 3))
    with torch.no_grad():
        a, b = result.network(pictures), result.network(turned)
    a, b = (x - x.mean(0) for x in (a, b))
    nearest = torch.cdist(a, b).argmin(1)
    assert (nearest == torch.arange(12)).float().mean() > 0.5  # chance is 1 in 12


def test_too_few_pictures_are_told():
    with pytest.raises(BadInput, match="at least 4 pictures"):
        pretrain(lambda i: torch.rand(len(i), 7, 64, 64), 3, CONFIG)


def test_minutes_become_steps(pictures):
    config = steps_within(lambda i: pictures[i], len(pictures), CONFIG, seconds=1.0)
    assert config.steps >= 1
    assert config.seed == CONFIG.seed


def test_a_faint_second_spot_moves_the_embedding():
    """Maximum pooling sees a spot of a few pixels that the average would drown."""
    network = SlimResNet().eval()
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    one = torch.exp(-((x - 32) ** 2 + (y - 32) ** 2) / 18)
    two = one + 0.3 * torch.exp(-((x - 40) ** 2 + (y - 32) ** 2) / 6)
    with torch.no_grad():
        a, b = network(torch.stack([one, two]).unsqueeze(1).expand(-1, 7, -1, -1))
    assert (a - b).norm() > 1e-3
