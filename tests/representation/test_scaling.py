import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import BadInput
from core.representation.inputs.scaling import SCALINGS, PixelScaling, resized, to_bands
from core.representation.inputs.spec import InputSpec
from core.survey.limits import LimitsSample


def test_pictures_are_divided_by_255():
    scaling = PixelScaling(True, (0.0,), (255.0,), (1.0,))
    out = scaling(np.full((1, 1, 2, 2), 51, np.uint8))
    assert torch.allclose(out, torch.full((1, 1, 2, 2), 0.2))


def test_flux_goes_from_sky_zero_to_one_at_the_brightest():
    scaling = PixelScaling(False, (10.0,), (110.0,), (0.5,))
    flux = np.array([10.0, 110.0, np.nan, -np.inf]).reshape(1, 1, 2, 2)
    out = scaling(flux).flatten()
    assert out.tolist() == pytest.approx([0, 1, 0, 0], abs=1e-6)


def test_scaling_is_monotonic_and_survives_its_own_json():
    scaling = PixelScaling(False, (0.0, 1.0), (50.0, 60.0), (0.1, 0.2))
    ramp = np.linspace(-1, 70, 64, dtype=np.float32).reshape(1, 1, 8, 8).repeat(2, axis=1)
    out = scaling(ramp)
    assert (out[0, 0].flatten().diff() >= 0).all()
    assert torch.equal(out, PixelScaling.from_dict(scaling.as_dict())(ramp))


def test_constant_survey_gives_finite_numbers():
    scaling = PixelScaling(False, (3.0,), (3.0,), (0.0,))
    assert torch.isfinite(scaling(np.full((2, 1, 4, 4), 3.0))).all()


def test_wrong_axes_are_told():
    with pytest.raises(BadInput, match="object, band, y, x"):
        PixelScaling(True, (0.0,), (1.0,), (1.0,))(np.zeros((3, 4, 4)))


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [8, 64, 101])
def test_any_survey_fits_the_network(bands, size):
    x = torch.rand(2, bands, size, size)
    out = resized(to_bands(x, 3), 64)
    assert out.shape == (2, 3, 64, 64)
    if bands == 5:
        assert torch.allclose(out.mean((0, 2, 3)), x[:, [0, 2, 4]].mean((0, 2, 3)), atol=0.05)


@pytest.mark.parametrize(
    ("have", "bands", "taken"),
    [
        (1, 4, [0, 0, 0, 0]),
        (2, 4, [0, 0, 1, 1]),
        (3, 5, [0, 0, 1, 2, 2]),
        (4, 5, [0, 1, 2, 2, 3]),
        (3, 3, [0, 1, 2]),
        (5, 3, [0, 2, 4]),
    ],
)
def test_no_band_is_lost_where_more_are_wanted(have, bands, taken):
    x = torch.rand(2, have, 4, 4)
    assert torch.equal(to_bands(x, bands), x[:, taken])


def test_two_bands_are_three_with_their_mean():
    x = torch.rand(2, 2, 4, 4)
    assert torch.equal(to_bands(x, 3), torch.stack([x[:, 0], x.mean(1), x[:, 1]], 1))


# Kinds of scaling

FLUX = np.random.default_rng(0).gamma(0.5, 30, (5, 3, 12, 12)).astype(np.float32)
SCALING = PixelScaling(False, (1.0, 2.0, 3.0), (200.0, 400.0, 300.0), (0.5, 1.0, 0.4))


def test_lupton_is_the_asinh_of_the_mean_and_keeps_the_colour():
    """Lupton et al. (2004), pixel by pixel."""
    scaled = replace(SCALING, kind="lupton")(FLUX).numpy()
    limits = (SCALING.low, SCALING.high, SCALING.sigma)
    low, high, sigma = (np.array(one)[:, None] for one in limits)
    knee = float(np.mean(3 * sigma / (high - low)))
    s = (FLUX[2].reshape(3, -1).astype(np.float64) - low) / (high - low)
    for pixel in range(s.shape[1]):
        mean = s[:, pixel].mean()
        expected = s[:, pixel] * np.arcsinh(mean / knee) / mean / np.arcsinh(1 / knee)
        expected = expected / max(1, expected.max() / 1.5)
        assert scaled[2].reshape(3, -1)[:, pixel] == pytest.approx(
            np.clip(expected, -0.25, 1.5), abs=1e-4
        )


def test_lupton_of_one_band_is_asinh():
    one = PixelScaling(False, SCALING.low[:1], SCALING.high[:1], SCALING.sigma[:1])
    lupton = replace(one, kind="lupton")
    assert torch.allclose(one(FLUX[:, :1]), lupton(FLUX[:, :1]), atol=1e-4)


def test_minmax_is_of_the_object_alone_whatever_its_units():
    pictures = FLUX.copy()
    pictures[1] = pictures[0] * 1e-9 + 5e-9
    pictures[2, 0, 0, 0] = np.nan
    scaled = replace(SCALING, kind="minmax")(pictures)
    assert scaled.amin((1, 2, 3)).tolist() == [0] * 5
    assert scaled.amax((1, 2, 3)).tolist() == pytest.approx([1] * 5)
    assert torch.allclose(scaled[0], scaled[1], atol=1e-5)
    flat = pictures[3].ravel()
    expected = (flat - flat.min()) / (flat.max() - flat.min())
    assert scaled[3].flatten().numpy() == pytest.approx(expected, abs=1e-6)
    assert scaled[2, 0, 0, 0] == 0
    eight_bit = PixelScaling(True, (0.0,), (255.0,), (1.0,), "minmax")
    assert eight_bit(np.array([50, 60, 70, 90], np.uint8).reshape(1, 1, 2, 2)).max() == 1


@pytest.mark.parametrize("kind", SCALINGS)
def test_pictures_with_nothing_in_them_give_finite_numbers(kind):
    scaling = replace(SCALING, kind=kind)
    odd = np.stack(
        [
            np.full((3, 8, 8), 7.0),
            np.full((3, 8, 8), np.nan),
            np.full((3, 8, 8), np.inf),
            np.zeros((3, 8, 8)),
            np.where(np.arange(64).reshape(8, 8) % 2, 3e38, -3e38)[None].repeat(3, 0),
        ]
    ).astype(np.float32)
    scaled = scaling(odd)
    assert torch.isfinite(scaled).all()
    assert scaled.abs().max() <= 1.5
    nothing = PixelScaling(False, (3.0,) * 3, (3.0,) * 3, (0.0,) * 3, kind)
    assert torch.isfinite(nothing(odd)).all()
    assert np.isfinite(nothing.steepness()).all()


@pytest.mark.parametrize("kind", SCALINGS)
def test_the_kind_is_kept_and_old_settings_are_asinh(kind):
    scaling = replace(SCALING, kind=kind)
    settings = json.loads(json.dumps(scaling.as_dict()))
    assert PixelScaling.from_dict(settings) == scaling
    del settings["kind"]
    assert PixelScaling.from_dict(settings).kind == "asinh"


def test_an_unknown_kind_is_told_with_those_there_are():
    for refused in (
        lambda: replace(SCALING, kind="log"),
        lambda: InputSpec(scaling="log"),
    ):
        with pytest.raises(BadInput, match=r"asinh, lupton, minmax, but 'log'"):
            refused()


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("kind", ["asinh", "lupton"])
def test_the_noise_of_the_sky_is_known_in_scaled_pixels(kind, linear):
    scaling = replace(SCALING, linear=linear, kind=kind)
    rng = np.random.default_rng(1)
    sigma = np.array(SCALING.sigma)[:, None, None]
    if linear:
        sky = rng.normal(128, 20, (4, 3, 64, 64)).clip(0, 255).astype(np.uint8)
        scaling = PixelScaling(True, (0.0,) * 3, (255.0,) * 3, (20.0,) * 3, kind)
    else:  # a tenth of the noise, where the stretch is linear
        sky = np.array(SCALING.low)[:, None, None] + 0.1 * rng.normal(size=(4, 3, 64, 64)) * sigma
    measured = scaling(sky).std((0, 2, 3)) * (1 if linear else 10)
    assert measured.tolist() == pytest.approx(scaling.sky_noise(), rel=0.03)


# Pixels that are no light


def a_survey(units=1.0):
    """(50, 3, 24, 24) float32 galaxies, 20 to 3,000 sigma, on skies of 1, 2 and 3."""
    rng = np.random.default_rng(3)
    light = np.exp(-np.hypot(*(np.mgrid[-12:12, -12:12] + 0.5)) / 2)
    found = rng.normal(0, 1, (50, 3, 24, 24))
    found += 10 ** rng.uniform(1.3, 3.5, (50, 1, 1, 1)) * light
    return ((found + np.arange(1, 4)[:, None, None]) * units).astype(np.float32)


def scaling_of(images, kind):
    sample = LimitsSample()
    for row, image in enumerate(images):
        sample.offer(row, image)
    found = sample.limits(3, "float32")
    return PixelScaling(False, found.low, found.high, found.sigma, kind)


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize("value", [1e38, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("patch", [(slice(2, 3), slice(2, 3)), (slice(0, 8), slice(0, 9))])
def test_one_spoilt_object_of_fifty_leaves_the_others_as_they_are(kind, value, patch):
    clean = a_survey()
    spoilt = clean.copy()
    spoilt[(7, slice(None), *patch)] = value
    expected = scaling_of(clean, kind)(clean)
    found = scaling_of(spoilt, kind)(spoilt)
    others = np.arange(50) != 7
    assert (found[others] - expected[others]).abs().max() < 0.02
    # Of the spoilt object itself, what is not spoilt stays as well.
    kept = torch.ones(3, 24, 24, dtype=torch.bool)
    kept[(slice(None), *patch)] = False
    assert (found[7] - expected[7])[kept].abs().max() < 0.02
    at = found[7][(slice(None), *patch)]
    ends = (0.0, 1.0) if kind == "minmax" else (-0.25, 1.5)
    if not np.isfinite(value):
        assert (at == 0).all()
    else:
        assert (at == (ends[1] if value > 0 else ends[0])).any()


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize("units", [1e-20, 1e20])
def test_the_units_of_a_survey_do_not_matter(kind, units):
    plain, other = a_survey(), a_survey(units)
    assert torch.allclose(
        scaling_of(plain, kind)(plain), scaling_of(other, kind)(other), atol=1e-4
    )
    steep = scaling_of(other, kind).steepness()
    assert steep == pytest.approx(scaling_of(plain, kind).steepness(), rel=1e-4)
