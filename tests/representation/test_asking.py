"""What is asked of a training is checked before anything is read."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import BadInput, NotReady
from core.representation.training.asking import (
    checked_bands,
    checked_minutes,
    checked_numbers,
    checked_surveys,
)


def having(name, pictures):
    return SimpleNamespace(name=name, has_image=np.arange(5) < pictures)


def test_a_survey_that_is_named_twice_is_refused():
    checked_surveys([having("one", 5), having("two", 1)])
    with pytest.raises(BadInput, match="The survey one is named twice; name each survey once"):
        checked_surveys([having("one", 5), having("two", 5), having("one", 5)])


def test_a_survey_without_pictures_is_named():
    with pytest.raises(NotReady) as caught:
        checked_surveys([having("table", 0)])
    assert str(caught.value) == ("No object of table has a picture to train on; import pictures.")
    with pytest.raises(NotReady, match=r"of table has .* import pictures, or leave table out"):
        checked_surveys([having("one", 5), having("table", 0)])


@pytest.mark.parametrize("minutes", [0, -3, float("nan"), float("inf"), 1e9])
def test_a_time_that_none_can_plan_by_is_refused(minutes):
    with pytest.raises(BadInput, match="--minutes is above 0 and at most"):
        checked_minutes(minutes)
    checked_numbers(0.1, 1)
    checked_numbers(None, None)


def test_a_number_of_bands_that_no_network_sees_is_refused():
    for bands in (0, -1, 17):
        with pytest.raises(BadInput, match=f"--bands is 1 to 16, but is {bands};"):
            checked_bands(bands)
    for allowed in (None, 1, 16):
        checked_bands(allowed)
