"""The residual pictures bring out what they are for, and only that."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from core.representation.inputs.looks import (
    ASYMMETRY_GAIN,
    BANDS,
    CHANNELS,
    LOOKS,
    SHARP_GAIN,
    two_looks,
)


def galaxy(second=0.0, size=64):
    """A smooth round galaxy in three bands, with a second nucleus of that height beside it."""
    middle = (size - 1) / 2
    y, x = torch.meshgrid(torch.arange(size) - middle, torch.arange(size) - middle, indexing="ij")
    light = torch.exp(-(x**2 + y**2) / 200)
    light = light + second * torch.exp(-((x - 8) ** 2 + y**2) / 4)
    return light.expand(1, 3, size, size).clone()


@pytest.mark.parametrize("size", [32, 64, 101, 128])
def test_shape(size):
    assert two_looks(galaxy(size=size)).shape == (1, LOOKS, CHANNELS, 64, 64)


def test_a_symmetric_galaxy_leaves_no_asymmetry_and_a_second_nucleus_does():
    assert two_looks(galaxy())[:, :, BANDS : 2 * BANDS].abs().max() < 1e-5
    looks = two_looks(galaxy(second=0.5))[0, :, BANDS]
    assert looks.amax((1, 2)).min() > 0.3 * ASYMMETRY_GAIN
    # It is antisymmetric: what is too much on one side is missing on the other.
    assert torch.allclose(looks, -torch.rot90(looks, 2, (1, 2)), atol=1e-5)


def test_the_second_look_is_the_central_half_enlarged_twice():
    whole, centre = two_looks(galaxy(second=0.5))[0, :, 0]
    shrunk = torch.nn.functional.avg_pool2d(centre[None], 2)[0]
    assert torch.allclose(shrunk, whole[16:48, 16:48], atol=1e-5)


def test_sharp_structure_is_the_unsharp_mask_of_scipy():
    picture = galaxy(second=0.5, size=128)  # of the size at which the residuals are made
    sharp = two_looks(picture)[0, 1, 2 * BANDS].numpy()  # the centre, where no edge is near
    light = picture[0].mean(0).numpy().astype(np.float64)
    expected = light - gaussian_filter(light, 0.04 * 128, mode="mirror", radius=15)
    assert sharp == pytest.approx(SHARP_GAIN * expected[32:96, 32:96], abs=2e-4)
