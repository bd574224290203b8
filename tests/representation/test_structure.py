"""Numbers of structure and peaks against plain references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from core.representation.encoders import peaks
from core.representation.encoders.structure import SCALES_PX, structure
from core.representation.inputs import looks


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) - 0.3


def test_structure_is_extremes_and_strength_of_means_over_squares():
    shown = noise(2, 2, 7, 64, 64)
    found = structure(shown).numpy()
    rows = []
    for one in shown.flatten(0, 1).numpy().astype(np.float64):
        row = []
        for side in SCALES_PX:
            smooth = np.stack([ndimage.uniform_filter(x, side, mode="constant") for x in one])
            row += [smooth.max((1, 2)), smooth.min((1, 2)), np.sqrt((smooth**2).mean((1, 2)))]
        rows.append(np.concatenate(row))
    np.testing.assert_allclose(found, np.array(rows).reshape(2, -1), atol=1e-5)


@pytest.mark.parametrize("sigma", [peaks.FINE_PX, peaks.MIDDLE_PX, peaks.BROAD_PX])
def test_pictures_are_blurred_with_their_reflection(sigma):
    x = noise(2, 96, 96)
    expected = [
        ndimage.gaussian_filter(
            one.numpy().astype(np.float64), sigma, mode="mirror", radius=round(3 * sigma)
        )
        for one in x
    ]
    np.testing.assert_allclose(peaks._blurred(x, sigma), expected, atol=1e-6)


def test_the_tallest_of_five_and_the_lower_middle():
    x = noise(3, 6, 9)
    size = (1, 1, 5)
    expected = ndimage.maximum_filter(x.numpy(), size, mode="constant", cval=-np.inf)
    assert np.array_equal(peaks._tallest(x), expected)
    rows = x.flatten(1)
    assert torch.equal(peaks._median(rows), rows.median(1, keepdim=True).values)


def test_looks_of_many_pictures_are_those_of_each():
    scaled = noise(2 * looks._AT_ONCE + 3, 3, 64, 64)
    together = looks.two_looks(scaled)
    assert together.shape[0] == len(scaled)
    for row in (0, looks._AT_ONCE, len(scaled) - 1):
        alone = looks.two_looks(scaled[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)
    assert looks.two_looks(scaled[:0]).shape == (0, *together.shape[1:])
