from __future__ import annotations

import random

import numpy as np
import pytest

from core.errors import BadInput
from core.survey.readers import names as names_module
from core.survey.readers.band_choice import BandChoice
from core.survey.readers.bands import band_of_header, from_blue_to_red, is_band
from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.joining import Joined, NamePattern, common_bands, guess_pattern
from core.survey.readers.names import SortedNames
from core.survey.readers.sniffing import image_ending, stem
from core.survey.readers.unreadable import Unreadable


@pytest.mark.parametrize(
    "ordered",
    [
        ("u", "g", "r", "i", "z", "y"),
        ("FUV", "NUV", "g", "r", "J", "H", "Ks", "W1", "W4"),
        ("F275W", "F435W", "F606W", "F814W", "F105W", "F160W"),
        ("F090W", "F150W", "F200W", "F277W", "F444W", "F770W", "F1000W"),
        ("HSC-G", "HSC-R2", "HSC-I2", "HSC-Z", "HSC-Y"),
        ("sdss_g", "sdss_r", "band 3", "other"),
    ],
)
def test_bands_run_from_blue_to_red(ordered):
    shuffled = list(ordered)
    random.Random(1).shuffle(shuffled)
    assert from_blue_to_red(shuffled) == ordered


def test_which_words_are_bands():
    assert all(map(is_band, ("g", "Ks", "ks", "F606W", "f814w", "w1", "VIS")))
    assert not any(map(is_band, ("", "a", "galaxy", "F60", "0001", "image")))


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"FILTER": "'r       '"}, "r"),
        ({"FILTER": "'g DECam SDSS c0001 4720.0 1520.0'"}, "g"),
        ({"FILTER1": "'CLEAR1L'", "FILTER2": "'F814W'"}, "F814W"),
        ({"BAND": "'H-alpha narrow'"}, "H-alpha narrow"),
        ({"FILTER": "7", "FILTNAM": "'i'"}, "i"),
        ({"OBJECT": "'g'"}, ""),
    ],
)
def test_bands_of_headers(cards, expected):
    assert band_of_header(FitsHeader(cards)) == expected


@pytest.mark.parametrize(
    ("name", "ending", "bare"),
    [
        ("a/b.fits", ".fits", "b"),
        ("b.FITS.gz", ".FITS.gz", "b"),
        ("b.1.fits.fz", ".fits.fz", "b.1"),
        ("b.fz", ".fz", "b"),
        ("b.fts.bz2", ".fts.bz2", "b"),
        (".png.png", ".png", ".png"),
        (".png", ".png", ".png"),
        ("J1200.5", "", "J1200.5"),
        ("b.dat", "", "b"),
        ("a.tar.gz", "", "a.tar"),
    ],
)
def test_endings_and_stems(name, ending, bare):
    assert image_ending(name) == ending
    assert stem(name) == bare


def test_names_are_sorted_whatever_their_number(monkeypatch):
    monkeypatch.setattr(names_module, "_RUN", 100)
    monkeypatch.setattr(names_module, "_BLOCK", 7)
    given = [f"{number * 7919 % 1009}/ü\udcff\n{number}" for number in range(1009)]
    found = SortedNames(iter(given))
    assert list(found) == sorted(given)
    assert list(found) == sorted(given)  # again
    assert len(found) == 1009
    assert list(SortedNames([])) == []


def survey(form: str, ids: range, bands: str = "gri") -> list[str]:
    return [form.format(id=f"obj_{number}", band=band) for number in ids for band in bands]


@pytest.mark.parametrize(
    "form",
    [
        "{id}_{band}.fits",
        "{id}-{band}.fits",
        "{id}.{band}.fits",
        "{band}_{id}.fits",
        "field1/{id}_{band}.fits",
        "{band}/{id}.fits",
        "data/{band}/{id}.fits",
    ],
)
def test_patterns_are_guessed(form):
    names = sorted([*survey(form, range(30)), *(f"{n}.jpg" for n in range(50))])
    pattern = guess_pattern(names)
    assert pattern is not None
    joined = Joined(names, pattern)
    assert common_bands(joined.counts) == ("g", "r", "i")
    assert joined.choose("gri") == 30
    assert joined.n_left_out == 50
    assert joined.n_whole(3) == (30, 30)
    found = list(joined)
    assert [entry[0] for entry in found] == sorted(f"obj_{n}" for n in range(30))
    assert ("obj_7", {band: form.format(id="obj_7", band=band) for band in "gri"}) in found


@pytest.mark.parametrize(
    "names",
    [
        [],
        [f"galaxy_{n}.fits" for n in range(100)],
        [f"galaxy_{n}_g.fits" for n in range(100)],
        [f"galaxy_{n}_g.jpg" for n in range(100)],
        [*survey("{id}_{band}.fits", range(10)), *(f"x{n}.fits" for n in range(100))],
    ],
)
def test_no_pattern_is_guessed(names):
    assert guess_pattern(names) is None


def test_packed_endings_fit_and_odd_files_are_entries():
    pattern = NamePattern("{id}_{band}.fits")
    names = ["1_g.fits.gz", "1_r.fits.fz", "odd.fits", "1_g.fits", "shut/", "2_g.tif", "/"]
    joined = Joined(names, pattern)
    assert joined.choose("gr") == 4
    assert joined.n_left_out == 1
    assert set(map(str, joined)) == {
        "/",
        "odd.fits",
        "shut/",
        "('1', {'g': '1_g.fits//1_g.fits.gz', 'r': '1_r.fits.fz'})",
    }
    assert joined.choose("r") == 4
    assert joined.choose("i") == 3


@pytest.mark.parametrize("text", ["x.fits", "{id}.fits", "{id}_{id}_{band}", "{id}_{filter}"])
def test_patterns_that_are_none(text):
    with pytest.raises(BadInput, match="once each"):
        NamePattern(text)


def test_bands_are_chosen_by_name_or_place():
    image = np.arange(3 * 4).reshape(3, 2, 2)
    by_name = BandChoice.make(("g", "r", "i"), 3, ("i", "g"))
    assert by_name.bands == ("i", "g")
    np.testing.assert_array_equal(by_name.pick(image, ("r", "g", "i")), image[[2, 1]])
    with pytest.raises(Unreadable, match="lacks the band i"):
        by_name.pick(image, ("g", "r", "z"))
    with pytest.raises(Unreadable, match="does not name"):
        by_name.pick(image, ())

    by_place = BandChoice.make((), 3, ())
    assert by_place.bands == ("band1", "band2", "band3")
    assert by_place.pick(image, ()) is image
    with pytest.raises(Unreadable, match="has 2 bands, and most others have 3"):
        by_place.pick(image[:2], ())
    renamed = BandChoice.make((), 3, ("x", "y", "w"))
    assert renamed.bands == ("x", "y", "w")
    assert renamed.pick(image, ("g", "r", "i")) is image
    with pytest.raises(BadInput, match="name some of these, or 3 new names"):
        BandChoice.make(("g", "r", "i"), 3, ("z",))
