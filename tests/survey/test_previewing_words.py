"""Settings of an import in words."""

from __future__ import annotations

from core.survey.previewing_words import settings_pairs, settings_words, value_words


def test_settings_are_said_in_words_and_what_says_nothing_is_left_out():
    assert settings_words(
        {
            "images": "8-bit pictures",
            "looked_at": 215,
            "readable": 214,
            "mixed": "crop",
            "group_column": None,
            "position": ["RAJ2000", "DEJ2000"],
            "missing": [],
            "missing_suggested": [-10, -999],
            "BUNIT": {},
            "hours_at_least": 0.0,
            "bands": ["g", "r"],
            "size_is_a_guess": True,
            "pattern_guessed": False,
            "id_column": "",
            "some_new_thing": {"a_b": 1.25, "c": None},
        }
    ) == [
        "images: 8-bit pictures",
        "pictures of another size or scale: cropped, or padded",
        "columns of the position: RAJ2000, DEJ2000",
        "values that may mean not measured: -10, -999",
        "the cutout size is a guess",
        "some new thing: a b 1.25",
    ]
    assert settings_pairs({"size_is_a_guess": True}) == [("the cutout size is a guess", "")]


def test_values():
    assert value_words({"a": [1, 2.5], "b": None, "c": True}) == "a 1, 2.5, c yes"
    assert value_words(12345) == "12,345"
    assert value_words(None) == "none"
