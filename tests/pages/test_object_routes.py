"""What stands beside the picture: preferences, columns, the sky, history, the session."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from core.vocabulary import Action
from tests.pages.acts import BIG, MARKS, NO, answer, says, seen, sky_survey, undo
from tests.pages.conftest import IDS, rank

# Preferences


def test_preferences_are_ones_own_and_a_viewer_has_some(browser, annotator, viewer):
    look = {"name": "look:tiny", "value": {"stretch": "log"}, "task": "dual"}
    assert browser.get("/api/preferences").json() == {"preferences": {}}
    for who in (browser, viewer):
        assert who.post("/api/preferences", look).json() == {"saved": True}
    viewer.post("/api/preferences", {"name": "mode", "value": "grid"})
    viewer.post("/api/preferences", {"name": "look:tiny", "value": None})
    assert browser.get("/api/preferences").json() == {"preferences": {"look:tiny": look["value"]}}
    assert viewer.get("/api/preferences").json() == {"preferences": {"mode": "grid"}}
    assert annotator.get("/api/preferences").json() == {"preferences": {}}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"value": 1}, 422),
        ({"name": "mode"}, 422),
        ({"name": "No Name", "value": 1}, 422),
        ({"name": ["mode"], "value": 1}, 422),
        ({"name": "mode", "value": "x" * 17_000}, 422),
        (b'{"name": "mode", "value": NaN}', 422),
        (b"[]", 400),
    ],
)
def test_a_preference_that_cannot_be_kept_is_a_sentence(viewer, body, status):
    got = viewer.post("/api/preferences", body)
    assert got.status == status
    assert len(got.json()["error"]) > 10
    assert viewer.get("/api/preferences").json() == {"preferences": {}}


def test_another_site_may_not_change_a_viewers_preferences(viewer):
    body = {"name": "mode", "value": "grid"}
    assert viewer.post("/api/preferences", body, origin="http://evil:8501").status == 403
    assert viewer.post("/api/preferences/", body).status == 403  # the exception is one address
    assert viewer.get("/api/preferences").json() == {"preferences": {}}


# The task, columns and the sky


def test_the_task_tells_what_the_survey_has(browser, workspace):
    told = browser.get("/api/task?task=dual").json()
    assert told["columns"] == [
        {"name": "flux", "kind": "number"},
        {"name": "hole", "kind": "number"},
    ]
    assert (told["bands"], told["dtype"], told["has_sky"]) == (["R", "G", "B"], "uint8", False)
    assert "gray" in told["maps"]
    sky_survey(workspace)
    told = browser.get("/api/task?task=stars").json()
    kinds = {one["name"]: one["kind"] for one in told["columns"]}
    assert list(kinds)[:7] == ["ra", "dec", "z", "big", "hit", "<i>name", "hole"]
    assert [kinds[name] for name in ("big", "hit", "<i>name")] == ["number", "truth", "text"]
    assert (told["dtype"], told["has_sky"], len(kinds)) == ("float32", True, 37)


def test_columns_come_by_name_and_whole(browser, workspace):
    sky_survey(workspace)
    url = "/api/columns?survey=sky&object_id=SDSS-2&object_id=odd%20%25%2F%26"
    told = browser.get(f"{url}&column=big&column=%3Ci%3Ename&column=none&column=ra&column=big")
    assert told.json()["columns"] == {
        # A whole number of 64 bits would lose its last digits in a browser.
        "SDSS-2": {"big": str(BIG), "<i>name": "<b>1", "ra": 185.7},
        "odd %/&": {"big": str(BIG), "<i>name": "<b>4", "ra": None},
    }
    first = browser.get("/api/columns?survey=sky&object_id=SDSS-1").json()["columns"]["SDSS-1"]
    assert len(first) == 24
    assert (first["big"], first["hit"], first["hole"]) == (3, False, None)
    seen_one = browser.get("/api/object?task=stars&object_id=SDSS-1&columns=c29&columns=hit")
    assert seen_one.json()["columns"] == {"c29": 29.0, "hit": False}


def test_items_come_with_the_columns_that_were_asked_for(browser, viewer, workspace):
    rank(workspace, ["g2", "g1"])
    body = {"task": "dual", "n": 2, "columns": ["flux", "gone"]}
    items = browser.post("/api/lease", body).json()["items"]
    assert [item["columns"] for item in items] == [{"flux": 2.0}, {"flux": 1.0}]
    many = browser.post("/api/lease", body | {"columns": ["x"] * 201})
    assert (many.status, "At most 200 columns" in many.json()["error"]) == (422, True)
    shown = viewer.get("/api/queue?task=dual&columns=hole").json()["items"]
    assert [item["columns"] for item in shown] == [{"hole": None}] * 2
    assert [item["sky"] for item in items] == [None, None]


def test_where_an_object_lies(browser, workspace):
    sky_survey(workspace)
    sky = browser.get("/api/object?task=stars&object_id=SDSS-1").json()["sky"]
    assert (sky["ra_deg"], sky["dec_deg"], sky["x_px"], sky["y_px"]) == (185.7, 15.8, 3.5, 3.5)
    assert (sky["scale_arcsec"], sky["assumed"], sky["z"]) == (0.25, True, 0.5)
    assert sky["cd"][0][0] == pytest.approx(-0.25 / 3600)


# History and marks


def test_history_tells_what_stands_and_what_was_undone(browser, db):
    says(db, "bob", "g0", NO)
    answer(browser, "g0")
    answer(browser, "g0", None, action="note", note="<i>two")
    answer(browser, "g0", None, action="mark", payload={"marks": MARKS})
    answer(browser, "g0", NO)
    undo(db, "ann")
    told = browser.get("/api/history?task=dual&object_id=g0").json()
    assert told["state"] == ""
    assert [
        (one["annotator"], one["action"], one["class_name"], one["undone"], one["own"])
        for one in told["events"]
    ] == [
        ("bob", "label", NO, False, False),
        ("ann", "label", "dual", False, True),
        ("ann", "note", None, False, True),
        ("ann", "mark", None, False, True),
        ("ann", "label", NO, True, True),
    ]
    assert [one["note"] for one in told["events"]][2] == "<i>two"
    assert [one["marks"] for one in told["events"]][3] == MARKS
    assert {one["late"] for one in told["events"]} == {False}
    (marked,) = seen(browser)["marks"]
    assert (marked["annotator"], marked["own"], marked["marks"]) == ("ann", True, MARKS)
    empty = browser.get("/api/history?task=dual&object_id=g1").json()
    assert (empty["events"], empty["state"]) == ([], "Nothing was recorded of this object yet.")


@pytest.mark.parametrize("kind", ["blind", "gold"])
@pytest.mark.parametrize("role", ["browser", "annotator", "viewer"])
def test_history_of_a_secret_task_is_ones_own(kind, role, request, db):
    who = request.getfixturevalue(role)
    if kind == "blind":
        db.change_task("dual", "ann", blind=True, answers_per_object=2)
    else:
        db.add_gold("dual", "g5", "dual", "bob", 1)
    says(db, "bob", "g0", NO)
    says(db, "bob", "g0", action=Action.MARK, payload={"marks": MARKS})
    if role != "viewer":
        answer(who, "g0")
    own = {"browser": ["ann"], "annotator": ["cat"], "viewer": []}[role]
    told = who.get("/api/history?task=dual&object_id=g0").json()
    assert [one["annotator"] for one in told["events"]] == own
    assert "yourself" in told["state"]
    assert who.get("/api/history?task=dual&object_id=g5").json()["events"] == []
    # Marks as notes: the owner sees those of others, nobody else does.
    assert len(seen(who)["marks"]) == (role == "browser")


# The session


def test_a_session_counts_what_stands(browser, annotator, db):
    since = browser.get("/api/task?task=dual").json()["now"]
    answer(browser, "g0")
    answer(browser, "g1", NO)
    answer(browser, "g1", "dual")
    answer(browser, "g2", NO)
    undo(db, "ann")
    answer(browser, "g3", None, action="unsure")
    answer(browser, "g4", None, action="skip")
    answer(annotator, "g5")
    told = browser.get(f"/api/session?task=dual&since={quote(since)}").json()
    assert (told["n_labels"], told["n_unsure"], told["n_skipped"]) == (2, 1, 1)
    assert (told["per_class"], told["finds"]) == ({"dual": 2, NO: 0}, 2)
    assert [point[1:] for point in told["points"]] == [[1, 1], [2, 2]]
    assert 0 <= told["points"][0][0] <= told["points"][1][0] < 600
    later = browser.get("/api/session?task=dual&since=2999-01-01T00:00:00Z").json()
    assert (later["n_labels"], later["per_hour"], later["points"]) == (0, None, [])


def test_per_hour_is_over_the_time_of_the_labels(browser, db, monkeypatch):
    for number, name in enumerate(IDS[:4]):
        moment = f"2027-01-31T08:{number * 10:02d}:00.000+00:00"
        monkeypatch.setattr("labels_db.events.utc_now", lambda moment=moment: moment)
        says(db, "ann", name, "dual" if number % 2 else NO)
    told = browser.get("/api/session?task=dual&since=2027-01-31T09:00:00%2B01:00").json()
    assert (told["n_labels"], told["per_hour"]) == (4, 6.0)
    assert told["points"] == [[0, 1, 0], [600, 2, 1], [1200, 3, 1], [1800, 4, 2]]
    monkeypatch.setattr("pages._server.history.MAX_POINTS", 2)
    thinned = browser.get("/api/session?task=dual&since=2027-01-31T08:00:00Z").json()["points"]
    assert thinned == [[600, 2, 1], [1800, 4, 2]]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/api/history?task=dual&object_id=none", 404),
        ("/api/history?task=dual", 400),
        ("/api/compare?task=dual&object_id=none", 404),
        ("/api/compare?task=none&object_id=g0", 404),
        ("/api/compare?task=dual&object_id=g0&k=x", 400),
        ("/api/find?task=dual", 400),
        ("/api/find?task=dual&q=%20%20", 422),
        ("/api/find?task=dual&q=" + "x" * 600, 422),
        ("/api/find?task=none&random=1", 404),
        ("/api/session?task=dual", 400),
        ("/api/session?task=dual&since=yesterday", 422),
        ("/api/session?task=dual&since=2027-01-31T08:00:00", 422),
        ("/api/session?task=dual&since=0001-01-01T00:00:00%2B14:00", 422),
        ("/api/columns?survey=tiny", 400),
        ("/api/columns?survey=tiny&object_id=none", 404),
        ("/api/columns?survey=tiny&object_id=g0&hash=0000", 404),
        ("/api/columns?survey=tiny&object_id=g0&version=2", 404),
        ("/api/columns?survey=none&object_id=g0", 404),
        ("/api/columns?survey=tiny&object_id=g0" + "&column=x" * 201, 422),
        ("/api/columns?survey=tiny" + "&object_id=g0" * 401, 422),
        ("/api/object?task=dual&object_id=g0" + "&columns=x" * 201, 422),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(browser, url, status):
    got = browser.get(url)
    assert got.status == status, got.body
    assert len(got.json()["error"]) > 10
    assert "unforeseen" not in got.json()["error"]
