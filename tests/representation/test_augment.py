"""Views keep what must be told apart and change what must not count."""

import json
from pathlib import Path

import pytest
import torch

from core.errors import BadInput
from core.representation.augmentation import (
    AUGMENTATIONS,
    DEFAULT_PRESET,
    PRESETS,
    Conditions,
    Dose,
    ViewRecipe,
    in_order,
    preset,
    random_view,
)
from core.representation.augmentation.extinction import EXTINCTION
from core.representation.inputs.scaling import SCALINGS

TURNS = ViewRecipe().times(0)


def spot(count: int = 6) -> torch.Tensor:
    """A round source in the middle of 33 px pictures of three bands."""
    y, x = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    one = torch.exp(-((x - 16) ** 2 + (y - 16) ** 2) / (2 * 3.0**2))
    return one.expand(count, 3, 33, 33).clone()


def sky(count: int = 4, bands: int = 3, side: int = 128, seed: int = 0) -> torch.Tensor:
    """Smooth blobs on noise, with something else in each corner."""
    pictures = torch.rand(count, bands, side, side, generator=generator(seed))
    return torch.nn.functional.avg_pool2d(pictures, 5, 1, 2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_round_source_is_the_same_at_any_angle():
    assert torch.allclose(random_view(spot(), TURNS, generator()), spot(), atol=0.04)


def test_none_keeps_every_pixel_under_quarter_turns_and_flips():
    pictures = sky(12, side=32)
    views = random_view(pictures, preset("none"), generator())
    symmetries = [
        torch.rot90(mirrored, quarters, (2, 3))
        for mirrored in (pictures, pictures.flip(3))
        for quarters in range(4)
    ]
    nearest = torch.stack([(views - one).abs().amax((1, 2, 3)) for one in symmetries])
    assert nearest.min(0).values.max() < 1e-4
    assert len(nearest.argmin(0).unique()) > 3
    assert torch.allclose(views.sum((2, 3)), pictures.sum((2, 3)), rtol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_gives_the_same_view_and_another_seed_does_not(name):
    pictures = sky(8)
    first = random_view(pictures, preset(name), generator(1), size_px=64)
    assert torch.equal(first, random_view(pictures, preset(name), generator(1), size_px=64))
    other = random_view(pictures, preset(name), generator(2), size_px=64)
    assert not torch.allclose(first, other, atol=0.01)


def test_objects_of_one_batch_are_turned_by_different_angles():
    pictures = torch.zeros(8, 3, 33, 33)
    pictures[:, :, 16, 16:30] = 1.0  # a bar pointing right
    view = random_view(pictures, TURNS, generator())
    assert len({tuple(v.flatten().round(decimals=2).tolist()) for v in view}) == 8


def test_two_sources_stay_two_at_their_distance():
    y, x = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
    two = torch.stack([torch.exp(-((x - cx) ** 2 + (y - 32) ** 2) / 4.0) for cx in (27, 37)])
    view = random_view(two.sum(0).expand(10, 3, 65, 65).clone(), TURNS, generator(5))
    for picture in view[:, 0]:
        peaks = torch.nonzero(picture > 0.7).float()
        span = torch.cdist(peaks, peaks).max()
        assert 9 < span < 13  # ten pixels between the two, their width beside it


def test_the_second_look_is_the_central_half():
    pictures = sky(2)
    looks = torch.tensor([0, 1])
    still = ViewRecipe({})
    whole, centre = random_view(pictures, still, generator(), looks=looks, size_px=64)
    assert torch.allclose(whole, torch.nn.functional.avg_pool2d(pictures[:1], 2)[0], atol=1e-5)
    assert torch.allclose(centre, pictures[1, :, 32:96, 32:96], atol=1e-5)


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
@pytest.mark.parametrize("side", [40, 128])
def test_any_number_of_bands_and_any_size(bands, side):
    pictures = sky(5, bands, side)
    pictures[0] = 0.25  # a constant picture
    for recipe in PRESETS.values():
        view = random_view(pictures, recipe.times(2), generator(), size_px=40)
        assert view.shape == (5, bands, 40, 40)
        assert torch.isfinite(view).all()
        assert torch.equal(pictures, sky_with_constant(bands, side))  # nothing in place


def sky_with_constant(bands, side):
    pictures = sky(5, bands, side)
    pictures[0] = 0.25
    return pictures


def test_corners_that_turn_in_are_never_black():
    bright = torch.full((20, 3, 64, 64), 0.5)
    moves = ViewRecipe({"rotation": Dose(1.0), "shift": Dose(0.3), "zoom": Dose(0.5)})
    assert random_view(bright, moves, generator()).min() > 0.49


def test_parts_of_a_batch_see_what_the_whole_would():
    pictures = sky(9)
    looks = torch.tensor([0, 1, 0, 0, 1, 1, 0, 1, 0])
    recipe = preset("strong").without("neighbours")
    whole = random_view(pictures, recipe, generator(3), looks=looks, size_px=64)
    for first, last in ((0, 4), (4, 9)):
        own = generator(3)
        part = random_view(
            pictures[first:last],
            recipe,
            own,
            looks=looks[first:last],
            size_px=64,
            part=(first, 9),
        )
        assert torch.allclose(part, whole[first:last], atol=1e-6)


def test_the_generator_moves_on_alike_whatever_is_drawn():
    after = set()
    for name, count in (("none", 2), ("strong", 2), ("strong", 7)):
        one = generator(4)
        random_view(sky(count, side=32), preset(name), one)
        after.add(int(torch.randint(1 << 40, (1,), generator=one)))
    assert len(after) == 1


def test_leaving_one_out_changes_nothing_else():
    pictures = sky(6)
    recipe = ViewRecipe({"rotation": Dose(1.0), "brightness": Dose(0.5), "shift": Dose(0.2)})
    with_it = random_view(pictures, recipe, generator(5))
    without = random_view(pictures, recipe.without("brightness"), generator(5))
    ratio = (with_it / without).flatten(1)
    assert ratio.std(1).max() < 1e-4
    assert ratio.mean(1).std() > 0.1


def test_presets_grow_in_strength():
    assert list(PRESETS) == ["none", "weak", "standard", "strong"]
    assert preset(DEFAULT_PRESET) == ViewRecipe()
    for weaker, stronger in zip(list(PRESETS.values()), list(PRESETS.values())[1:], strict=False):
        assert set(weaker.given) <= set(stronger.given)
        for name in weaker.given:
            assert weaker.dose(name).amount <= stronger.dose(name).amount
            assert weaker.dose(name).probability <= stronger.dose(name).probability
    # and so do the views
    pictures = sky(40)
    still = random_view(pictures, ViewRecipe({}), generator(), size_px=64)
    away = [
        (random_view(pictures, one.without("rotation", "flip", "quarter_turn"), generator(6),
                     size_px=64) - still).square().mean()
        for one in PRESETS.values()
    ]  # fmt: skip
    assert away == sorted(away)


def test_the_default_hides_nothing_that_is_searched_for():
    for name in ("none", "weak", "standard"):
        hiding = {"neighbours", "artefacts", "blur", "sky_gradient"}
        assert not hiding & set(preset(name).given)
    assert set(preset("strong").given) == set(AUGMENTATIONS)  # whatever is wanted can be had


def test_every_augmentation_says_why():
    for one in in_order():
        assert len(one.reason) > 40
        assert one.reason.endswith(".")
        assert one.said(preset("strong").dose(one.name))
    blur = in_order()[[one.name for one in in_order()].index("blur")]
    assert blur.said(Dose(1.5, 0.5)) == (
        "up to 1.5 times the survey's median point spread, 50% of the objects"
    )
    assert [one.name for one in in_order()][:2] == ["flip", "quarter_turn"]


def test_strength_scales_amounts_but_not_turns():
    twice, none = preset("standard").times(2), preset("standard").times(0)
    assert twice.dose("shift").amount == pytest.approx(0.1)
    assert twice.dose("reddening") == Dose(0.2, 0.5)
    assert none.given == ("flip", "quarter_turn", "rotation")


def test_a_recipe_survives_its_own_json():
    recipe = preset("strong").times(0.7).without("noise")
    assert ViewRecipe.from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe
    assert "noise" not in recipe.given


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: preset("huge"),
        lambda: ViewRecipe().without("rain"),
        lambda: ViewRecipe({"rain": Dose(1.0)}),
        lambda: ViewRecipe.from_dict({"noise": [1.0, 2.0]}),
        lambda: ViewRecipe.from_dict({"noise": 1.0}),
        lambda: ViewRecipe().times(-1),
        lambda: random_view(torch.zeros(2, 3, 8, 9), ViewRecipe(), generator()),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(wrong):
    with pytest.raises(BadInput, match=r"(choose|correct|resize) .*\.$"):
        wrong()


def test_conditions_of_single_objects_count():
    """Noise is drawn against each object's own survey where a batch holds several."""
    pictures = torch.zeros(64, 1, 64, 64)
    quiet = Conditions.unknown(1)
    noise = torch.tensor([[0.0], [0.3]])[torch.arange(64) % 2]
    mixed = quiet.rows(torch.zeros(64, dtype=torch.long))
    mixed = Conditions(**{**mixed.__dict__, "noise": noise})
    view = random_view(pictures, ViewRecipe({"noise": Dose(1.0)}), generator(), conditions=mixed)
    assert view[::2].abs().max() == 0
    assert view[1::2].std((1, 2, 3)).min() > 0


def test_the_guide_names_every_augmentation_recipe_and_scaling():
    guide = (Path(__file__).parents[2] / "docs" / "augmentations.md").read_text("utf-8")
    for name in (*AUGMENTATIONS, *PRESETS, *SCALINGS):
        assert f"`{name}`" in guide
    assert all(f"{value}" in guide for value in EXTINCTION.values())
