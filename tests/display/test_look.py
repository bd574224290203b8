"""A look reads back as it was written, equal pictures have equal keys, wrong values a sentence."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.display import COLOUR_MAPS, COLOURS, LIMITS, STRETCHES, Look
from core.errors import BadInput
from core.measure import RESIDUAL_MODES

BANDS = ("g", "r", "<i>&z=1")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda value: value + 0.0)


@st.composite
def looks(draw: st.DrawFn) -> Look:
    band = st.one_of(st.none(), st.sampled_from(BANDS))
    limits = draw(st.sampled_from(LIMITS))
    low = draw(numbers(-1e30, 1e29))
    high = draw(numbers(low, 1e30).filter(lambda value: value > low))
    return Look(
        colour=draw(st.sampled_from(COLOURS)),
        band=draw(band),
        red=draw(band),
        green=draw(band),
        blue=draw(band),
        q=draw(numbers(0.01, 1000)),
        soft=draw(st.one_of(st.none(), numbers(1e-30, 1e30))),
        stretch=draw(st.sampled_from(STRETCHES)),
        limits=limits,
        percent=draw(numbers(50, 100)),
        low=low if limits == "fixed" else None,
        high=high if limits == "fixed" else None,
        map=draw(st.sampled_from(COLOUR_MAPS)),
        invert=draw(st.booleans()),
        contrast=draw(numbers(0, 10)),
        bias=draw(numbers(0, 1)),
        residual=draw(st.sampled_from(RESIDUAL_MODES)),
        smooth=draw(numbers(0, 10)),
    )


@given(looks())
def test_a_look_reads_back_from_its_query_and_from_json(look):
    assert Look.from_query(look.query(), BANDS) == look
    as_json = {field.name: getattr(look, field.name) for field in fields(look)}
    assert Look.from_query(json.loads(json.dumps(as_json)), BANDS) == look


@given(looks(), looks())
def test_keys_are_equal_where_the_pictures_are(one, other):
    assert one.canonical().canonical() == one.canonical()
    assert one.canonical().key() == one.key()
    assert (one.key() == other.key()) == (one.canonical() == other.canonical())
    assert one.levels().levels() == one.levels()


def test_the_default_look_is_empty():
    assert Look().query() == {}
    assert Look().key() == ""
    assert Look.from_query({"survey": "hubble", "size": "512"}, BANDS) == Look()
    assert Look.from_query({"soft": "auto", "band": "", "map": None}, BANDS) == Look()


def test_what_does_not_show_is_not_in_the_key():
    assert Look(stretch="log", limits="zscale", map="heat", band="g", q=3.0).key() == ""
    band = Look(colour="band", percent=90.0, red="g")
    assert band.key() == Look(colour="band").key()
    assert replace(band, limits="percentile").key() != Look(colour="band").key()
    lupton = Look(colour="lupton", residual="unsharp", q=4.0)
    assert lupton.key() == Look(residual="unsharp").key()
    assert Look(colour="band", map="heat", contrast=2.0, invert=True).levels() == Look(
        colour="band"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colour": "rgb"}, "survey, lupton, channels, band"),
        ({"band": "u"}, "g, r, <i>&z=1"),
        ({"red": 3}, "must be one of"),
        ({"stretch": "gamma"}, "asinh, linear, log"),
        ({"limits": "auto"}, "zscale"),
        ({"map": "../../etc"}, "gray"),
        ({"residual": "all"}, "unsharp"),
        ({"q": "nan"}, "0.01 to 1000"),
        ({"q": True}, "0.01 to 1000"),
        ({"soft": "-1"}, "'soft'"),
        ({"soft": []}, "'soft'"),
        ({"percent": "100.1"}, "50 to 100"),
        ({"contrast": "inf"}, "0 to 10"),
        ({"bias": "1e400"}, "0 to 1"),
        ({"smooth": "-0.1"}, "0 to 10"),
        ({"invert": "yes"}, "0 or 1"),
        ({"low": 10**400}, "'low'"),
        ({"limits": "fixed", "low": "1"}, "'high' is missing"),
        ({"limits": "fixed", "high": "1"}, "'low' is missing"),
        ({"limits": "fixed", "low": "2", "high": "2"}, "below"),
        ({"colour": "x" * 5000}, "x" * 40),
    ],
)
def test_wrong_values_are_refused_in_a_sentence(given, said):
    with pytest.raises(BadInput) as raised:
        Look.from_query(given, BANDS)
    assert said in str(raised.value)
    assert len(str(raised.value)) < 400
