"""How a picture was taken, against plain formulas and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from core.representation.augmentation import Conditions, Dose, ViewRecipe, random_view
from core.representation.augmentation.exposure import blurred
from core.representation.augmentation.extinction import extinctions
from core.representation.augmentation.light import own_noise, to_light, to_scaled
from core.representation.inputs.scaling import PixelScaling


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def known(**values) -> Conditions:
    """Three bands; native pixels are the views'."""
    start = {**Conditions.unknown(3).__dict__, "native_px": torch.tensor([64.0])}
    return Conditions(**{**start, **{key: torch.tensor(value) for key, value in values.items()}})


def only(name: str, amount: float, x: torch.Tensor, conditions=None, seed=0) -> torch.Tensor:
    recipe = ViewRecipe({name: Dose(amount)})
    return random_view(x, recipe, generator(seed), conditions=conditions)


def white(sigma: float, count: int = 30, side: int = 64, seed: int = 1) -> torch.Tensor:
    return 0.5 + sigma * torch.randn(count, 3, side, side, generator=generator(seed))


# Dust


def test_named_bands_have_the_published_coefficients():
    # k = -0.4 A of Stein et al. (2110.00023) for g, r, z
    k = -0.4 * np.array(extinctions(["g", "r", "z"]))
    assert k == pytest.approx([-1.2856, -0.866, -0.4844], abs=1e-9)
    assert extinctions(["DECam_z", "sdss-u"]) == [1.211, 3.995]


@pytest.mark.parametrize("bands", [("F435W", "F606W", "F814W", "F160W"), ("B", "V", "x")])
def test_unknown_bands_lie_evenly_from_blue_to_red(bands):
    found = extinctions(bands)
    assert found[0] == 3.214
    assert found[-1] == 1.211
    assert np.diff(found) == pytest.approx([(1.211 - 3.214) / (len(bands) - 1)] * (len(bands) - 1))


def test_colour_pictures_come_from_red_to_blue_and_one_band_is_one():
    assert extinctions(["R", "G", "B"]) == extinctions(["x1", "x2", "x3"])[::-1]
    assert extinctions(["x"]) == [2.165]


def test_reddening_dims_each_band_by_its_own_factor():
    dust = [[3.214, 2.165, 1.211]]
    pictures = torch.full((50, 3, 16, 16), 0.4)
    gain = (only("reddening", 0.5, pictures, known(extinction=dust)) / pictures)[..., 0, 0]
    excess = torch.log10(gain[:, 1]) / (-0.4 * 2.165)
    assert excess.min() > 0
    assert 0.35 < excess.max() <= 0.5
    for band in (0, 2):
        assert gain[:, band].numpy() == pytest.approx(
            10 ** (-0.4 * dust[0][band] * excess.numpy()), rel=1e-4
        )


def test_reddening_is_in_flux_not_in_stretched_pixels():
    scaling = PixelScaling(False, (0.0,) * 3, (100.0,) * 3, (0.1,) * 3)
    flux = torch.linspace(0.05, 90, 20).view(20, 1, 1, 1).expand(20, 3, 16, 16).numpy()
    conditions = known(
        steepness=[scaling.steepness()], noise=[scaling.sky_noise()], extinction=[[2.0, 2.0, 2.0]]
    )
    view = only("reddening", 0.3, scaling(flux), conditions)
    # back to flux, by the definition of the stretch
    top = math.asinh(100 / 0.3)
    back = 0.3 * np.sinh(view[..., 0, 0].numpy() * top)
    ratio = back / flux[..., 0, 0]
    assert ratio[:, 0] == pytest.approx(ratio[:, 1], rel=1e-3)
    seen = {round(float(x), 3) for x in ratio[:, 0]}
    assert len(seen) > 10
    assert max(seen) <= 1.001
    assert min(seen) >= 10 ** (-0.4 * 2.0 * 0.3) - 0.01


# Stretch and back


@pytest.mark.parametrize("kind", ["asinh", "lupton", "minmax"])
def test_light_is_linear_in_flux_and_returns_to_the_same_pixels(kind):
    rng = np.random.default_rng(3)
    flux = rng.uniform(-0.5, 40, (6, 3, 8, 8)).astype(np.float32)
    scaling = PixelScaling(False, (0.0, 0.0, 0.0), (50.0, 80.0, 60.0), (0.1, 0.3, 0.2), kind)
    scaled = scaling(flux)
    conditions = known(
        steepness=[scaling.steepness()], joint=[kind == "lupton"], noise=[scaling.sky_noise()]
    )
    light = to_light(scaled, conditions)
    assert torch.allclose(to_scaled(light, conditions), scaled, atol=2e-5)
    if kind != "minmax":
        uncut = (scaled.amax(1) < 1.49) & (scaled.amin(1) > -0.25)
        assert uncut.float().mean() > 0.8
        for band in range(3):
            ratio = (light[:, band] / torch.from_numpy(flux[:, band]))[uncut]
            assert ratio.std() / ratio.mean() < 1e-3
            # The unit near the sky is that of the scaled pixels: noise is what the scaling says.
            assert scaling.sky_noise()[band] == pytest.approx(
                float(ratio.mean()) * scaling.sigma[band], rel=1e-3
            )


# Noise


def test_own_noise_is_that_of_white_noise_whatever_lies_beneath():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    galaxy = 3 * torch.exp(-((x - 32) ** 2 + (y - 32) ** 2) / (2 * 5.0**2))
    measured = own_noise(white(0.05) + galaxy)
    assert measured.shape == (30, 3, 1, 1)
    assert float(measured.mean()) == pytest.approx(0.05, rel=0.12)
    assert own_noise(torch.ones(2, 1, 12, 12)).abs().max() == 0


def test_only_the_missing_noise_is_added():
    conditions = known(noise=[[0.06, 0.06, 0.06]])
    drawn = only("noise", 1.0, torch.full((200, 3, 64, 64), 0.5), conditions).std((1, 2, 3))
    # Of pictures without noise: everything up to what the survey's sky has in the view, evenly.
    assert drawn.max() <= 0.06 * 2 / 3 * 1.02
    assert drawn.mean() == pytest.approx(0.02, rel=0.15)
    deep = white(0.01, 200)
    own = deep.std((1, 2, 3))
    after = only("noise", 1.0, deep, conditions).std((1, 2, 3))
    # In quadrature: noise ends where a picture without any would.
    expected = torch.maximum(own, drawn)
    assert torch.allclose(after, expected, atol=0.002)
    shallow = white(0.08, 20)
    assert torch.equal(only("noise", 1.0, shallow, conditions), only("noise", 0.0, shallow))


def test_noise_is_white_within_an_object_and_differs_between_objects():
    conditions = known(noise=[[0.3, 0.3, 0.3]])
    added = only("noise", 1.0, torch.zeros(40, 3, 64, 64), conditions)
    flat = added[added.std((1, 2, 3)) > 0.02].flatten(1)
    flat = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True)
    for step in (1, 64, 64 * 64):
        correlation = (flat[:, :-step] * flat[:, step:]).mean()
        assert abs(float(correlation)) < 0.01
    between = flat @ flat.T / flat.shape[1] - torch.eye(len(flat))
    assert between.abs().max() < 0.05
    assert float((flat**4).mean()) == pytest.approx(3.0, rel=0.02)


def test_noise_of_native_pixels_is_less_where_they_are_averaged():
    pictures = torch.zeros(300, 3, 64, 64)
    at = [
        only("noise", 1.0, pictures, known(noise=[[0.1] * 3], native_px=[side])).std().item()
        for side in (64.0, 128.0, 32.0)
    ]
    assert at[1] == pytest.approx(at[0] / 2, rel=1e-4)
    assert at[2] == pytest.approx(at[0], rel=1e-4)


# Seeing


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.3])
def test_blur_adds_its_variance(sigma):
    y, x = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
    star = torch.exp(-((x - 32) ** 2 + (y - 32) ** 2) / (2 * 2.0**2)).expand(2, 3, 65, 65)
    out = blurred(star, torch.full((2,), sigma))
    assert torch.allclose(out.sum((2, 3)), star.sum((2, 3)), rtol=1e-4)  # flux is kept
    for axis in (x, y):
        variance = ((axis - 32) ** 2 * out[0, 0]).sum() / out[0, 0].sum()
        assert float(variance) == pytest.approx(2.0**2 + sigma**2, rel=0.01)


def test_blur_is_the_gaussian_filter_of_scipy():
    rng = np.random.default_rng(0)
    picture = gaussian_filter(rng.normal(size=(2, 1, 40, 40)), (0, 0, 3, 3)).astype(np.float32)
    out = blurred(torch.from_numpy(picture), torch.tensor([1.5, 3.0])).numpy()
    for number, sigma in enumerate((1.5, 3.0)):
        # A sampled Gaussian, which is a little less peaked at the same variance.
        expected = gaussian_filter(picture[number, 0], sigma, mode="mirror", truncate=6)
        assert out[number, 0] == pytest.approx(expected, abs=0.02 * float(np.abs(expected).max()))


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_blur_dims_waves_as_the_discrete_gaussian_does(sigma):
    # Lindeberg (1990): the transform of exp(-t) I_n(t) is exp(t (cos w - 1)).
    frequency = 2 * math.pi / 8
    wave = torch.cos(frequency * torch.arange(64.0)).expand(1, 1, 64, 64)
    inside = blurred(wave, torch.tensor([sigma]))[..., 24:40]
    expected = math.exp(sigma**2 * (math.cos(frequency) - 1))
    assert torch.allclose(inside, expected * wave[..., 24:40], atol=1e-4)


def test_only_the_missing_blur_is_added():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    conditions = Conditions.unknown(3).rows(torch.zeros(60, dtype=torch.long))
    own = torch.tensor([1.0, 3.0]).repeat(30)
    conditions = Conditions(
        **{
            **conditions.__dict__,
            "psf_px": own,
            "typical_psf_px": torch.full((60,), 2.0),
            "native_px": torch.full((60,), 64.0),
        }
    )
    centred = (x - 31.5) ** 2 + (y - 31.5) ** 2
    stars = torch.exp(-centred / (2 * own[:, None, None] ** 2))[:, None].expand(-1, 3, -1, -1)
    out = only("blur", 1.5, stars, conditions)
    width = ((centred * out[:, 0]).sum((1, 2)) / out[:, 0].sum((1, 2)) / 2).sqrt()
    sharp, wide = width[::2], width[1::2]
    assert torch.allclose(wide, torch.tensor(3.0), atol=0.02)  # poorer than all that is drawn
    assert sharp.min() > 0.99
    assert 2.5 < sharp.max() < 3.02


def test_blur_without_a_known_point_spread_is_small():
    sharp = torch.zeros(40, 3, 33, 33)
    sharp[:, :, 16, 16] = 1.0
    out = only("blur", 1.0, sharp)
    peak = out[:, 0, 16, 16]
    assert peak.min() > 0.6
    assert peak.min() < 0.95


# Gains and slopes


def test_brightness_is_one_gain_and_colour_one_a_band():
    pictures = torch.full((400, 3, 16, 16), 0.5)
    gain = (only("brightness", 0.3, pictures) / 0.5).log()
    assert gain.std((1, 2, 3)).max() < 1e-5
    assert float(gain[:, 0, 0, 0].std()) == pytest.approx(0.3, rel=0.1)
    gain = (only("colour", 0.1, pictures) / 0.5).log()
    assert gain.std((2, 3)).max() < 1e-5
    assert float(gain[:, :, 0, 0].std()) == pytest.approx(0.1, rel=0.1)
    assert abs(float(torch.corrcoef(gain[:, :2, 0, 0].T)[0, 1])) < 0.15


def test_a_sky_gradient_is_a_plane_about_nothing():
    conditions = known(noise=[[0.03, 0.06, 0.03]])
    added = only("sky_gradient", 2.0, torch.full((30, 3, 64, 64), 0.5), conditions) - 0.5
    assert added.mean((2, 3)).abs().max() < 1e-5
    for axis in (2, 3):
        assert added.diff(n=2, dim=axis).abs().max() < 1e-5
    assert torch.allclose(added[:, 1], 2 * added[:, 0], atol=1e-6)  # as the noise of the bands
    edge = added[:, 0].abs().amax((1, 2))
    assert edge.max() <= 2.0 * 0.03 * 2 / 3 * 2**0.5
    assert edge.max() > 0.02


def test_a_probability_says_how_many_objects_it_happens_to():
    pictures = torch.full((500, 3, 16, 16), 0.5)
    recipe = ViewRecipe({"brightness": Dose(0.3, 0.25)})
    changed = (random_view(pictures, recipe, generator()) != pictures).any(3).any(2).any(1)
    assert 0.19 < float(changed.float().mean()) < 0.31
