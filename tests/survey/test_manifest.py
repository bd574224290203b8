from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Damaged, TooNew
from core.survey.manifest import Manifest

PLAIN = Manifest(
    format_version=1,
    name="mine",
    version=1,
    modalities=("images",),
    bands=("g",),
    cutout_size_px=64,
    pixel_scale_arcsec=None,
    dtype="uint8",
    origin="",
    licence="",
    created="2026-01-01T00:00:00+00:00",
    n_objects=1,
    n_rejects=0,
    content_hash="0",
    band_low=(0.0,),
    band_high=(1e300,),
    band_sigma=(5e-324,),
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"))


@given(
    origin=texts,
    bands=st.lists(texts).map(tuple),
    scale=st.none() | numbers,
    low=st.lists(numbers).map(tuple),
    notes=st.lists(texts).map(tuple),
)
def test_round_trip(origin, bands, scale, low, notes):
    manifest = replace(
        PLAIN, origin=origin, bands=bands, pixel_scale_arcsec=scale, band_low=low, notes=notes
    )
    assert Manifest.from_toml(manifest.to_toml(), "x") == manifest


def test_lone_surrogates_are_written_as_question_marks():
    text = replace(PLAIN, origin="a\udcffb").to_toml()
    assert Manifest.from_toml(text, "x").origin == "a?b"


@pytest.mark.parametrize(
    "line",
    [
        "n_objects = true",
        "n_objects = -1",
        'bands = "g"',
        "bands = [1]",
        "band_low = ['x']",
        "name = 1",
        'pixel_scale_arcsec = "x"',
        "notes = 3",
        "dtype = []",
        "format_version = 1.0",
    ],
)
def test_wrong_kinds_are_damage(line):
    name = line.split(" = ")[0]
    kept = [text for text in PLAIN.to_toml().splitlines() if not text.startswith(name + " =")]
    with pytest.raises(Damaged, match=name):
        Manifest.from_toml("\n".join([*kept, line]), "survey.toml")


def test_not_toml_missing_and_too_new():
    with pytest.raises(Damaged, match="not TOML"):
        Manifest.from_toml("a = = 1", "survey.toml")
    with pytest.raises(Damaged, match="format_version"):
        Manifest.from_toml("", "survey.toml")
    with pytest.raises(Damaged, match="n_objects"):
        Manifest.from_toml(PLAIN.to_toml().replace("n_objects = 1\n", ""), "survey.toml")
    with pytest.raises(TooNew):  # whatever else a newer format may have changed
        Manifest.from_toml("format_version = 99", "survey.toml")


def test_numbers_that_are_none_are_not_written():
    with pytest.raises(ValueError, match="finite"):
        replace(PLAIN, band_low=(float("nan"),)).to_toml()
