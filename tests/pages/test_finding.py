"""Finding objects by id, by position, at random, or among the skipped."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from astropy.coordinates import SkyCoord

from pages._server import finding
from tests.pages.acts import NO, ODD, answer, says, sky_survey
from tests.pages.conftest import IDS


def found(browser, query, task="dual"):
    return browser.get(f"/api/find?task={task}&{query}").json()


def ids_of(answer):
    return [one["object_id"] for one in answer["items"]]


def test_find_by_id_and_by_its_beginning(browser, workspace):
    answer(browser, "g3")
    told = found(browser, "q=g3")
    assert told == {
        "items": [{"object_id": "g3", "separation_arcsec": None, "label": "dual"}],
        "state": "",
    }
    assert ids_of(found(browser, f"q={quote(ODD)}")) == [ODD]
    assert ids_of(found(browser, f"q={quote(' α')}")) == [ODD]
    assert ids_of(found(browser, "q=g")) == IDS[:-1]
    assert ids_of(found(browser, "q=G")) == IDS[:-1]
    nothing = found(browser, "q=%25")  # no wildcard
    assert nothing["items"] == []
    assert "no object whose id begins with '%'" in nothing["state"]


def test_find_gives_a_bounded_list_and_says_so(browser, monkeypatch):
    monkeypatch.setattr(finding, "MAX_FOUND", 3)
    told = found(browser, "q=g")
    assert ids_of(told) == ["g0", "g1", "g2"]
    assert told["state"] == "8 ids begin so; the first 3 are here."


@pytest.mark.parametrize(
    "text",
    ["185.7 15.8", "185.7,+15.8", "12:22:48 +15:48:00", "12h22m48s +15d48m0s", "J122248+154800"],
)
def test_find_by_position(browser, workspace, text):
    sky_survey(workspace)
    told = found(browser, f"q={quote(text)}", "stars")
    assert ids_of(told)[:2] == ["SDSS-1", "SDSS-2"]
    assert told["items"][0]["separation_arcsec"] == pytest.approx(0, abs=1e-2)
    assert told["items"][1]["separation_arcsec"] == pytest.approx(3.6, abs=1e-2)
    assert told["state"] == ""
    assert len(told["items"]) == 4  # the one of unknown place is not near anything


def test_find_by_position_across_the_start_of_right_ascension(browser, workspace):
    sky_survey(workspace)
    told = found(browser, "q=0%20-0.5", "stars")
    assert set(ids_of(told)[:2]) == {"sdss-3", "12 30"}
    here = SkyCoord(0, -0.5, unit="deg")
    for one, ra in zip(told["items"][:2], (0.0001, 359.9999), strict=True):
        there = SkyCoord(ra, -0.5, unit="deg")
        assert one["separation_arcsec"] == pytest.approx(here.separation(there).arcsec, abs=1e-3)
    far = found(browser, "q=90%2045", "stars")
    assert "Nothing lies at that position: the nearest object is" in far["state"]
    assert "degrees away" in far["state"]
    # What begins an id is an id.
    assert ids_of(found(browser, "q=12%203", "stars")) == ["12 30"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("10 95", "declination"),
        ("400 3", "right ascension"),
        ("12:22:75 +1:2:3", "position"),
        ("1 2 3", "position"),
        ("-5 3", "position"),
        ("1.5.2 3", "position"),
    ],
)
def test_a_position_that_is_none_is_a_sentence(browser, workspace, text, word):
    sky_survey(workspace)
    got = browser.get(f"/api/find?task=stars&q={quote(text)}")
    assert got.status == 422
    assert word in got.json()["error"]


def test_find_by_position_without_a_sky(browser):
    told = found(browser, "q=185.7%2015.8")
    assert told["items"] == []
    assert "no positions" in told["state"]


def test_a_random_object_is_one_that_nobody_touched(browser, db, monkeypatch):
    for one in IDS[:5]:
        answer(browser, one)
    says(db, "bob", "g5")
    left = set(IDS[6:])
    drawn = {ids_of(found(browser, "random=1"))[0] for _ in range(60)}
    assert drawn == left
    monkeypatch.setattr(finding, "TRIES", 0)
    assert {ids_of(found(browser, "random=1"))[0] for _ in range(40)} == left
    for one in left:
        answer(browser, one)
    told = found(browser, "random=1")
    assert told == {"items": [], "state": "Every object with a picture has an answer."}


def test_what_was_skipped_comes_newest_first(browser, annotator, db):
    assert "skipped nothing" in found(browser, "skipped=1")["state"]
    for one in ("g1", "g2", "g3"):
        answer(browser, one, None, action="skip")
    answer(browser, "g2")
    says(db, "bob", "g4")
    assert ids_of(found(browser, "skipped=1")) == ["g3", "g1"]
    assert found(annotator, "skipped=1")["items"] == []


def test_find_on_a_blind_task_shows_ones_own_labels(annotator, db):
    db.change_task("dual", "ann", blind=True)
    says(db, "bob", "g1", "dual")
    answer(annotator, "g2", NO)
    told = {one["object_id"]: one["label"] for one in found(annotator, "q=g")["items"]}
    assert (told["g1"], told["g2"]) == (None, NO)
