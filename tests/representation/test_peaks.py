"""What the peaks of made-up pictures are said to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.representation.encoders.peaks import DIMENSIONS, PEAKS, SIDE_PX, peaks


def picture(*spots: tuple[float, float, float, tuple[float, float, float]]) -> torch.Tensor:
    """(1, 3, 96, 96): Gaussians of 2 px at (x, y) from the middle with a peak and a colour."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] - (SIDE_PX - 1) / 2
    noise = np.random.default_rng(0).normal(0, 1e-3, (3, SIDE_PX, SIDE_PX))
    light = noise + 0.1 * np.exp(-(x**2 + y**2) / 800)
    for at_x, at_y, height, colour in spots:
        spot = height * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 8)
        light = light + spot * np.array(colour)[:, None, None]
    return torch.from_numpy(light[None].astype(np.float32))


WHITE, BLUE = (1.0, 1.0, 1.0), (0.4, 0.8, 1.8)
OTHERS = PEAKS - 1
AFTER = 7 * PEAKS
"""Where the numbers of the others begin."""


def test_separation_and_ratio_of_two_nuclei_are_found() -> None:
    numbers = peaks(picture((0.5, 0.5, 0.5, WHITE), (12.5, 0.5, 0.25, WHITE)))[0]
    assert torch.exp(numbers[AFTER]) == pytest.approx(0.5, rel=0.05)  # strength beside the first
    assert numbers[AFTER + OTHERS] * SIDE_PX == pytest.approx(12, abs=1)


def test_two_of_one_colour_look_more_like_two_nuclei_than_two_of_different() -> None:
    alike = peaks(picture((0.5, 0.5, 0.5, WHITE), (10.5, 0.5, 0.3, WHITE)))[0, -1]
    unlike = peaks(picture((0.5, 0.5, 0.5, WHITE), (10.5, 0.5, 0.3, BLUE)))[0, -1]
    single = peaks(picture((0.5, 0.5, 0.5, WHITE)))[0, -1]
    assert alike > 3 * unlike
    assert alike > 3 * single


def test_quarter_turns_and_mirrors_change_nothing() -> None:
    given = picture((0.5, 0.5, 0.5, WHITE), (12.5, -6.5, 0.25, BLUE))
    as_it_is = peaks(given)
    for turned in (torch.rot90(given, 1, (2, 3)), given.flip(3)):
        torch.testing.assert_close(peaks(turned), as_it_is, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bands", [1, 2, 5])
@pytest.mark.parametrize("side", [16, 96, 200])
def test_any_picture_gives_finite_numbers(bands: int, side: int) -> None:
    flat = torch.full((2, bands, side, side), 0.4)
    flat[1] = torch.rand(bands, side, side, generator=torch.Generator().manual_seed(0))
    numbers = peaks(flat)
    assert numbers.shape == (2, DIMENSIONS)
    assert torch.isfinite(numbers).all()
