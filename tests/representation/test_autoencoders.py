"""Autoencoders: the study's shapes, the losses against references, and the way to an embedding."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch.nn import functional

from core.config import PretrainConfig
from core.errors import BadInput
from core.representation import METHODS, embed, pretrain
from core.representation.inputs.pictures import PictureSource
from core.representation.inputs.spec import InputSpec
from core.representation.methods import load_method, save_method
from core.representation.methods.aae import AAE, APART, mixture_means
from core.representation.methods.autoencoder import Autoencoder
from core.representation.methods.reconstructing import cross_entropy
from core.representation.methods.vae import VAE, gaussian_divergence
from core.representation.networks import draws as module
from core.representation.networks.draws import Draws
from core.survey import Batch, RunFolder, SurveyWriter
from core.vocabulary import JobKind
from core.workspace import open_workspace

SMALL: dict[str, dict[str, Any]] = {
    "autoencoder": {"filters": [8, 8, 4, 4]},
    "dense_autoencoder": {"widths": [8, 4]},
    "vae": {"latent": 3, "widths": [4, 4]},
    "aae": {"latent": 3, "widths": [4, 4], "discriminator_width": 8},
}


def spec(bands=1, size_px=16):
    return InputSpec("plain", bands, size_px)


def seen(count=6, bands=1, size_px=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, bands, size_px, size_px, generator=generator)


def weights_of(kernel, before, after):
    return kernel**2 * before * after + after


@pytest.mark.parametrize("bands", [1, 5])
def test_the_convolutional_autoencoder_is_the_study_s(bands):
    cls = Autoencoder
    shown = cls.input_spec(bands)
    assert (shown.kind, shown.size_px, shown.scaling) == ("plain", 128, "minmax")
    method = cls(shown).eval()
    maps = method.encoder(torch.rand(2, bands, 128, 128))
    assert maps.shape == (2, 4, 16, 16)
    codes = method.codes(torch.rand(2, bands, 128, 128))
    assert codes.shape == (2, 1024)
    assert method.dimensions == 1024
    assert method.decode(codes).shape == (2, bands, 128, 128)
    down = [weights_of(3, bands, 16), weights_of(3, 16, 8), weights_of(3, 8, 4)]
    up = [weights_of(3, 4, 4), weights_of(3, 4, 8), weights_of(3, 8, 16), weights_of(3, 16, bands)]
    assert sum(p.numel() for p in method.parameters()) == sum(down) + 2 * 4 + sum(up)


def test_the_dense_autoencoder_is_the_study_s():
    with torch.device("meta"):
        method = METHODS["dense_autoencoder"](METHODS["dense_autoencoder"].input_spec(1))
    shapes = [tuple(p.shape) for n, p in method.named_parameters() if n.endswith("weight")]
    assert shapes == [
        *[(2048, 16384), (512, 2048), (128, 512)],
        (128,),
        *[(512, 128), (2048, 512), (16384, 2048)],
    ]


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_latent_of_the_studies_is_normalised_and_codes_go_back_to_pictures(name):
    torch.manual_seed(1)
    method = METHODS[name](spec(3, 16), SMALL[name])
    method.train()
    codes = method.codes(seen(32, 3))
    if name in ("autoencoder", "dense_autoencoder"):
        maps = codes.unflatten(1, (-1, 4)) if name == "autoencoder" else codes[..., None]
        assert maps.mean((0, 2)).abs().max() < 1e-5
    assert codes.shape == (32, method.dimensions)
    pictures = method.decode(codes)
    assert pictures.shape == (32, 3, 16, 16)
    assert 0 <= float(pictures.detach().min()) <= float(pictures.detach().max()) <= 1


def test_the_cross_entropy_is_numpy_s_and_pixels_count_as_0_to_1():
    logits, shown = torch.randn(4, 2, 5, 5), seen(4, 2, 5) * 1.5 - 0.25
    p, x = torch.sigmoid(logits).double().numpy(), np.clip(shown.double().numpy(), 0, 1)
    expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).mean()
    assert float(cross_entropy(logits, shown)) == pytest.approx(expected, rel=1e-5)


def test_the_divergence_agrees_with_draws():
    """E_q[log q - log p] over 200,000 draws of q."""
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(0, 1, (3, 2)), rng.normal(0, 0.7, (3, 2))
    sigma = np.exp(log_variance / 2)
    z = mean + sigma * rng.normal(size=(200_000, 3, 2))
    log_q = -0.5 * ((z - mean) / sigma) ** 2 - np.log(sigma)
    drawn = (log_q + 0.5 * z**2).sum(2)
    closed = gaussian_divergence(torch.tensor(mean), torch.tensor(log_variance)).numpy()
    error = drawn.std(0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(0) - closed) < 4 * error).all()
    assert float(gaussian_divergence(torch.zeros(1, 4), torch.zeros(1, 4))) == 0


def test_the_vae_s_loss_is_the_bound_a_pixel_and_codes_are_the_mean():
    torch.manual_seed(0)
    method = VAE(spec(), {**SMALL["vae"], "beta": 4.0})
    shown = seen()
    noise = method.draws.normal(6, 3, torch.device("cpu"))
    mean, log_variance = method.gaussians(shown)
    logits = method.logits(mean + noise * (log_variance / 2).exp())
    bits = functional.binary_cross_entropy_with_logits(logits, shown, reduction="sum") / 6
    divergence = gaussian_divergence(mean, log_variance).mean()
    loss = method.loss([shown])
    expected = (bits + 4 * divergence) / 256
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert set(loss.parts) == {"reconstruction", "divergence"}
    assert torch.equal(method.codes(shown), mean)


def gradient(loss, method, part):
    method.zero_grad()
    loss.backward(retain_graph=True)
    return sum(
        float(p.grad.abs().sum())
        for n, p in method.named_parameters()
        if n.startswith(part) and p.grad is not None
    )


@pytest.mark.parametrize("prior", ["gaussian", "mixture"])
def test_discriminator_and_encoder_train_against_each_other_only(prior):
    torch.manual_seed(0)
    method = AAE(spec(), {**SMALL["aae"], "prior": prior})
    parts = method.loss([seen()]).parts
    assert gradient(parts["discriminator"], method, "discriminator.") > 0
    assert gradient(parts["discriminator"], method, "encoder.") == 0
    assert gradient(parts["deception"], method, "encoder.") > 0
    assert gradient(parts["deception"], method, "discriminator.") == 0
    assert gradient(parts["deception"], method, "decoder.") == 0
    assert gradient(parts["reconstruction"], method, "discriminator.") == 0
    assert gradient(parts["reconstruction"], method, "decoder.") > 0


def test_the_priors_are_what_they_say():
    torch.manual_seed(0)
    gaussian = AAE(spec(), SMALL["aae"]).prior_draw(4000, torch.device("cpu")).numpy()
    assert kstest(gaussian.ravel(), "norm").pvalue > 1e-3
    mixed = AAE(spec(), {**SMALL["aae"], "prior": "mixture", "components": 5})
    drawn = mixed.prior_draw(4000, torch.device("cpu"))
    means = mixture_means(5)
    apart = torch.cdist(means, means) + 100 * torch.eye(5)
    assert apart.min(1).values.allclose(torch.full((5,), APART), atol=1e-4)
    nearest = torch.cdist(drawn[:, :2], means).argmin(1)
    shares = torch.bincount(nearest, minlength=5) / 4000
    assert shares.min() > 0.17
    assert kstest((drawn[:, :2] - means[nearest]).numpy().ravel(), "norm").statistic < 0.03
    assert kstest(drawn[:, 2].numpy(), "norm").pvalue > 1e-3


def test_the_adversary_draws_codes_to_the_prior():
    """Codes far from the prior: the discriminator tells them, and the way down the deception
    leads each number of theirs back to 0."""
    torch.manual_seed(0)
    method = AAE(spec(), SMALL["aae"])
    away = torch.tensor([4.0, -4.0, 4.0])
    with torch.no_grad():
        method.encoder.dense.bias.add_(away)
    shown = seen(32)
    told_before = method.loss([shown]).parts["discriminator"].item()
    optimiser = torch.optim.Adam(method.discriminator.parameters(), lr=0.01)
    for _step in range(40):
        optimiser.zero_grad()
        method.loss([shown]).parts["discriminator"].backward()
        optimiser.step()
    assert method.loss([shown]).parts["discriminator"].item() < 0.5 * told_before
    method.zero_grad()
    method.loss([shown]).parts["deception"].backward()
    way = method.encoder.dense.bias.grad
    assert way is not None
    assert torch.equal(torch.sign(way), torch.sign(away))


def test_draws_repeat_from_their_state_and_differ_by_step_and_part():
    torch.manual_seed(3)
    draws = Draws()
    cpu = torch.device("cpu")
    first = draws.normal(4, 2, cpu)
    assert torch.equal(first, draws.normal(4, 2, cpu))
    assert not torch.equal(first, draws.normal(4, 2, cpu, part=1))
    draws.advance()
    state = draws.state_dict()
    second = draws.normal(4, 2, cpu)
    assert not torch.equal(first, second)
    torch.manual_seed(4)
    again = Draws()
    again.load_state_dict(state)
    assert torch.equal(again.normal(4, 2, cpu), second)


def test_two_processes_draw_what_one_does(monkeypatch):
    torch.manual_seed(3)
    draws, cpu = Draws(), torch.device("cpu")
    whole = draws.normal(6, 2, cpu)
    monkeypatch.setattr(module, "processes", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(module.distributed, "get_rank", lambda rank=rank: rank)
        assert torch.equal(draws.normal(3, 2, cpu), whole[3 * rank : 3 * rank + 3])


def test_settings_as_text_are_understood_and_wrong_ones_told():
    method = METHODS["autoencoder"](spec(1, 32), {"filters": "8, 4", "latent": "6"})
    assert method.settings == {"filters": [8, 4], "latent": 6}
    assert method.codes(seen(2, 1, 32)).shape == (2, 6)
    for name, wrong, words in (
        ("autoencoder", {"filters": []}, "filters"),
        ("autoencoder", {"filters": "a,b"}, "filters"),
        ("autoencoder", {"filters": [4] * 9}, "halve"),
        ("vae", {"latent": 0}, "latent"),
        ("vae", {"beta": -1}, "beta"),
        ("vae", {"beta": float("nan")}, "beta"),
        ("aae", {"prior": "uniform"}, "gaussian or mixture"),
        ("aae", {"prior": "mixture", "latent": 1}, "latent"),
        ("dense_autoencoder", {"depth": 3}, "widths"),
    ):
        with pytest.raises(BadInput, match=words):
            METHODS[name](spec(1, 32), wrong)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Twenty small pictures of two bands; one has NaN in it, one is constant."""
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (20, 2, 24, 24)).astype(np.float32)
    images[:, :, 8:16, 8:16] += rng.uniform(5, 20, (20, 2, 1, 1)).astype(np.float32)
    images[3, :, :4] = np.nan
    images[4] = 2.0
    writer = SurveyWriter(
        open_workspace(tmp_path_factory.mktemp("autoencoders") / "ws"),
        "small",
        bands=("g", "r"),
        cutout_size_px=24,
        dtype="float32",
        origin="test",
        licence="none",
    )
    with writer:
        ids = [f"S{number}" for number in range(20)]
        writer.append(Batch(ids, list(images), [{} for _ in ids]))
        return writer.commit()


@pytest.mark.parametrize("name", sorted(SMALL))
def test_each_trains_saves_loads_and_embeds_by_name(survey, name):
    source = PictureSource([survey], bands=2, scaling=METHODS[name].input_spec(2).scaling)
    config = PretrainConfig(method=name, steps=3, batch_size=8, settings=SMALL[name], seed=2)
    trained = pretrain(source, len(source), config, bands=2)
    if name in ("vae", "aae"):  # those that draw numbers of their own
        again = pretrain(source, len(source), config, bands=2)
        assert trained.history[-1]["loss"] == again.history[-1]["loss"]
    assert set(METHODS[name].parts) <= set(trained.history[-1])
    origin = {"method": name, "surveys": {}, "config": config.as_dict()}
    with RunFolder(survey, JobKind.PRETRAIN, origin) as run:
        save_method(trained.method, run.path, origin)
    loaded, _ = load_method(run.path, name)
    shown = trained.method.spec(source(torch.arange(4)))[:, 0]
    with torch.inference_mode():
        expected = trained.method.eval().codes(shown)
        torch.testing.assert_close(loaded.codes(shown), expected)
    values = embed(survey, name, options={"rotations": 1}).rows()
    assert values.shape[0] == 20
    assert np.isfinite(values).all()
