"""Views keep what must be told apart and change what must not count."""

import torch

from core.representation.augmentation.augment import ViewRecipe, random_view

STILL = ViewRecipe(shift=0, zoom=1, brightness=0, colour=0, noise=0)


def spot(count: int = 6) -> torch.Tensor:
    """A round source in the middle of 33 px pictures of three bands."""
    y, x = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    one = torch.exp(-((x - 16) ** 2 + (y - 16) ** 2) / (2 * 3.0**2))
    return one.expand(count, 3, 33, 33).clone()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_round_source_is_the_same_at_any_angle():
    view = random_view(spot(), STILL, generator())
    assert torch.allclose(view, spot(), atol=0.04)


def test_the_same_seed_gives_the_same_view_and_another_seed_does_not():
    recipe = ViewRecipe()
    first = random_view(spot(), recipe, generator(1))
    assert torch.equal(first, random_view(spot(), recipe, generator(1)))
    assert not torch.allclose(first, random_view(spot(), recipe, generator(2)), atol=0.01)


def test_objects_of_one_batch_are_turned_by_different_angles():
    pictures = torch.zeros(8, 3, 33, 33)
    pictures[:, :, 16, 16:30] = 1.0  # a bar pointing right
    view = random_view(pictures, STILL, generator())
    assert len({tuple(v.flatten().round(decimals=2).tolist()) for v in view}) == 8


def test_strength_zero_leaves_only_rotations_and_flips():
    view = random_view(spot(), ViewRecipe().times(0), generator())
    assert torch.allclose(view, spot(), atol=0.04)


def test_two_sources_stay_two_at_their_distance():
    y, x = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
    two = torch.stack([torch.exp(-((x - cx) ** 2 + (y - 32) ** 2) / 4.0) for cx in (27, 37)])
    view = random_view(two.sum(0).expand(10, 3, 65, 65).clone(), STILL, generator(5))
    for picture in view[:, 0]:
        peaks = torch.nonzero(picture > 0.7).float()
        span = torch.cdist(peaks, peaks).max()
        assert 9 < span < 13  # ten pixels between the two, their width beside it
