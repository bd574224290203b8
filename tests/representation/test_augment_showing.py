"""Views to be looked at are those that a network is trained with."""

import numpy as np
import pytest
import torch

from core.errors import NotFound
from core.representation.augmentation import Dose, ViewRecipe, preset
from core.representation.augmentation.showing import objects_to_show, shown_views
from core.representation.inputs.looks import two_looks
from core.representation.inputs.scaling import PixelScaling
from core.survey import Batch, SurveyWriter
from core.workspace import open_workspace


@pytest.fixture(scope="module", params=[("F814W",), ("R", "G", "B"), ("u", "g", "r", "i", "z")])
def survey(request, tmp_path_factory):
    """Nine objects, the fifth without a picture; three bands are 8-bit, others measured."""
    bands = request.param
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 200, (9, len(bands), 24, 24)).astype(np.float32)
    if len(bands) == 3:
        pictures = pictures.astype(np.uint8)
    workspace = open_workspace(tmp_path_factory.mktemp("ws") / "ws", create=True)
    with SurveyWriter(
        workspace,
        "mine",
        bands=bands,
        cutout_size_px=24,
        dtype=str(pictures.dtype),
        origin="made for a test",
        licence="none",
    ) as writer:
        images = [None if i == 4 else one for i, one in enumerate(pictures)]
        ids = [f"o{i}" for i in range(9)]
        writer.append(Batch(object_ids=ids, images=images, columns=[{}] * 9))
        return writer.commit()


def test_objects_are_drawn_by_a_seed_among_those_with_a_picture(survey):
    assert objects_to_show(survey, 4, 1) == objects_to_show(survey, 4, 1)
    assert objects_to_show(survey, 4, 1) != objects_to_show(survey, 4, 2)
    assert sorted(objects_to_show(survey, 99, 0)) == [f"o{i}" for i in range(9) if i != 4]


@pytest.mark.parametrize("look", [0, 1])
@pytest.mark.parametrize("scaling", ["asinh", "lupton", "minmax"])
def test_the_object_as_it_is_comes_first(survey, look, scaling):
    bands = len(survey.manifest.bands)
    shown = shown_views(
        survey, ["o7", "o2"], preset("strong"), views=2, look=look, scaling=scaling
    )
    assert shown.shape == (2, 3, 2 * bands + 1, 64, 64)
    assert torch.isfinite(shown).all()
    scaled = PixelScaling.of(survey.manifest, scaling)(survey.images(np.array([7, 2])))
    assert torch.equal(shown[:, 0], two_looks(scaled, bands)[:, look])


def test_views_follow_seed_and_recipe(survey):
    recipe = ViewRecipe({"brightness": Dose(0.5)})
    one, same, other = (shown_views(survey, ["o1"], recipe, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one[:, 1:], other[:, 1:], atol=1e-3)
    bands = len(survey.manifest.bands)
    gains = one[0, 1:, :bands].mean((1, 2, 3)) / one[0, 0, :bands].mean()
    assert gains.std() > 0.1
    still = shown_views(survey, ["o1"], ViewRecipe({}))
    assert torch.allclose(
        still[0, 1:, :bands], still[0, :1, :bands].expand(7, -1, -1, -1), atol=0.02
    )


def test_a_single_object_has_neighbours_too(survey):
    recipe = ViewRecipe({"neighbours": Dose(1.0)})
    shown = shown_views(survey, ["o1"], recipe, views=5)
    assert (shown[0, 1:] - shown[0, :1]).abs().amax((1, 2, 3)).min() > 0.02


@pytest.mark.parametrize("name", ["o4", "nope"])
def test_an_object_without_a_picture_is_told(survey, name):
    with pytest.raises(NotFound, match=name):
        shown_views(survey, [name], ViewRecipe())
