"""What is pasted in lies off the centre and leaves it alone."""

import pytest
import torch

from core.representation.augmentation import Dose, ViewRecipe, random_view
from core.representation.augmentation.pasted import CENTRE, _column, _edge, _hot_pixels, _trail


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def only(name: str, amount: float, x: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return random_view(x, ViewRecipe({name: Dose(amount)}), generator(seed))


def radius(side: int = 64) -> torch.Tensor:
    """(side, side) distance from the centre, in half sides."""
    at = (2 * torch.arange(side) + 1) / side - 1
    return torch.hypot(at[:, None], at[None])


def sources(heights, side: int = 64) -> torch.Tensor:
    """A round source in the middle of each picture, on a sky of 0.1."""
    light = torch.exp(-((radius(side) * side / 2) ** 2) / (2 * 3.0**2))
    return 0.1 + torch.tensor(heights)[:, None, None, None] * light.expand(len(heights), 3, -1, -1)


def test_a_neighbour_is_added_off_the_centre_and_fainter():
    pictures = sources([0.8] * 24)
    added = only("neighbours", 1.0, pictures) - pictures
    assert added[..., radius() < 0.12].abs().max() < 0.02
    peak = added.amax((1, 2, 3))
    assert 0.15 < float(peak.min()) < float(peak.max()) <= 0.8
    for one in added[:, 0]:
        at = one.flatten().argmax()
        assert 0.5 < radius().flatten()[at] < 1.1
    # Only its light: no box and no sky of the other picture.
    border = torch.cat([added[:, :, 0], added[:, :, -1]], dim=-1)
    assert border.median().abs() < 1e-3


def test_a_neighbour_is_another_object():
    pictures = torch.cat([sources([0.8]), sources([0.0])])
    added = only("neighbours", 1.0, pictures) - pictures
    assert added[0].abs().max() < 1e-4  # gets the empty one
    assert added[1].max() > 0.15  # gets the galaxy
    alone = pictures[:1]
    assert torch.equal(only("neighbours", 1.0, alone), only("neighbours", 0.0, alone))


def test_artefacts_leave_the_centre_alone_and_come_in_all_kinds():
    pictures = torch.full((200, 3, 64, 64), 0.3)
    out = only("artefacts", 1.0, pictures)
    changed = out != only("neighbours", 0.0, pictures)
    assert not changed[..., radius() < 0.2].any()
    assert changed.flatten(1).any(1).float().mean() > 0.9
    assert (out.amax((1, 2, 3)) > 0.31).any()  # trails and hot pixels
    assert (out.amin((1, 2, 3)) == 0).any()  # dead columns and cut edges
    assert out.max() <= 1.0
    in_one_band = changed.any(3).any(2).sum(1) == 1
    assert 0.3 < float(in_one_band.float().mean()) < 0.7


def test_a_column_is_one_pixel_wide_and_an_edge_is_a_strip():
    x = torch.zeros(1, 3, 64, 64)
    draws = torch.rand(50, 3, generator=generator())
    columns = _column(draws, x)
    assert set(columns.flatten(1).sum(1).tolist()) <= {64.0, 128.0}  # on a border of two: both
    assert (
        (columns.amax(1) == columns.amin(1))
        .all(1)
        .logical_xor((columns.amax(2) == columns.amin(2)).all(1))
        .all()
    )
    strips = _edge(draws, x).flatten(1).mean(1)
    assert 0.02 < float(strips.min()) < float(strips.max()) <= 0.26


def test_a_trail_is_straight_and_misses_the_centre():
    x = torch.zeros(1, 3, 64, 64)
    trails = _trail(torch.rand(50, 3, generator=generator()), x)
    for one in trails:
        if one.max() < 0.5:
            continue  # passes the corner
        places = (one > 0.5).nonzero().float()
        spread = torch.linalg.svdvals(places - places.mean(0))
        assert spread[1] / len(places) ** 0.5 < 1.5  # px across, however long it is
    assert float(trails[:, radius() < CENTRE - 0.15].max()) == 0


def test_hot_pixels_are_single():
    x = torch.zeros(1, 3, 64, 64)
    hot = _hot_pixels(torch.rand(20, 6, 2, generator=generator()) * 2 - 1, x)
    assert 1 <= int(hot.flatten(1).sum(1).min()) <= int(hot.flatten(1).sum(1).max()) <= 6


@pytest.mark.parametrize("name", ["neighbours", "artefacts"])
def test_the_strength_scales_what_is_pasted(name):
    pictures = sources([0.8] * 40)
    weak, strong = (only(name, amount, pictures).amax() for amount in (0.2, 3.0))
    assert weak < strong
