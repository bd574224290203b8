"""Taking back one event by its id: a flag, a note, marks, an answer; never somebody else's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from core.vocabulary import Action
from labels_db import TaskSpec
from tests.pages.acts import MARKS, NO, answer, says, seen
from tests.pages.conftest import rank

REMARKS: dict[str, dict[str, Any]] = {
    "flag": {},
    "note": {"note": "<i>odd"},
    "mark": {"payload": {"marks": MARKS}},
}


def remark(browser, kind, object_id="g0"):
    """Post one; its event_id."""
    own = str(uuid4())
    answer(browser, object_id, None, action=kind, event_id=own, **REMARKS[kind])
    return own


def take_back(browser, undoes, **more):
    body = {"event_id": str(uuid4()), "task": "dual", "undoes": undoes}
    return browser.post("/api/undo", body | more)


def history(browser, object_id="g0"):
    return browser.get(f"/api/history?task=dual&object_id={object_id}").json()["events"]


def remarks(payload):
    return payload["flags"], payload["notes"], [one["event_id"] for one in payload["marks"]]


@pytest.mark.parametrize("kind", list(REMARKS))
def test_exactly_one_is_taken_back_and_nothing_else_follows(browser, db, kind):
    answer(browser, "g0")
    kept = {one: remark(browser, one) for one in REMARKS}
    gone = remark(browser, kind)
    before = db.object_state("dual", "g0")
    got = take_back(browser, gone, object_id="g0")
    assert got.status == 200
    assert got.json()["undone"] == {"object_id": "g0", "action": kind, "class_name": None}
    assert (got.json()["counts"], got.json()["n_answers"]) == ({"dual": 1, NO: 0}, 1)
    assert db.object_state("dual", "g0") == before
    assert remarks(seen(browser)) == ([kept["flag"]], ["<i>odd"], [kept["mark"]])
    undone = {one["event_id"]: one["undone"] for one in history(browser)}
    assert {name for name, taken in undone.items() if taken} == {gone}
    redo = browser.post("/api/redo", {"task": "dual", "event_id": str(uuid4())})
    assert redo.status == 404
    assert [event.action for event in db.events("dual")][-1] is Action.UNDO


def test_sent_again_it_takes_back_nothing_more(browser, db):
    first, second = remark(browser, "flag"), remark(browser, "flag")
    body = {
        "event_id": str(uuid4()),
        "task": "dual",
        "object_id": "g0",
        "undoes": first,
        "answered_at": "2026-01-02T03:04:06Z",
    }
    once = browser.post("/api/undo", body).json()
    assert browser.post("/api/undo", body).json() == {**once, "duplicate": True}
    assert seen(browser)["flags"] == [second]
    undo = list(db.events("dual"))[-1]
    assert (undo.undoes, undo.answered_at) == (first, "2026-01-02T03:04:06Z")


def test_an_answer_is_taken_back_by_its_id_and_can_be_redone(browser, db):
    older = str(uuid4())
    answer(browser, "g1", event_id=older)
    answer(browser, "g2")
    got = take_back(browser, older).json()
    assert got["undone"] == {"object_id": "g1", "action": "label", "class_name": "dual"}
    assert db.current_classes("dual") == {"g2": "dual"}
    redone = browser.post("/api/redo", {"task": "dual", "event_id": str(uuid4())}).json()
    assert redone["redone"]["object_id"] == "g1"


def test_what_cannot_be_taken_back_is_a_sentence(browser, annotator, db):
    own = remark(browser, "flag")
    taken = remark(browser, "note")
    assert take_back(browser, taken).status == 200
    undo = list(db.events("dual"))[-1].event_id
    settled = says(db, "ann", "g3", action=Action.ADJUDICATE, class_name=NO)
    n_events = db.last_seq("dual")
    said = [
        (take_back(annotator, own), 422, "somebody else"),
        (take_back(browser, str(uuid4())), 404, "nothing under"),
        (take_back(browser, taken), 422, "undone before"),
        (take_back(browser, undo), 422, "of the kind 'undo'"),
        (take_back(browser, settled), 422, "Review page"),
        (take_back(browser, own, object_id="g1"), 422, "name the same object"),
        (take_back(browser, "not a uuid"), 422, "must be a UUID"),
        (take_back(browser, None), 422, "'undoes' must be text"),
        (take_back(browser, [own]), 422, "'undoes' must be text"),
        (take_back(browser, own, task="none"), 404, "none"),
        (take_back(browser, own, event_id=own), 422, "another event"),
    ]
    for got, status, words in said:
        assert got.status == status, got.body
        assert words in got.json()["error"]
    assert db.last_seq("dual") == n_events
    assert seen(browser)["flags"] == [own]


def test_an_event_of_another_task_is_not_this_ones(browser, db):
    db.create_task(TaskSpec("other", "tiny", "?", ("dual", NO), "dual"))
    flag = says(db, "ann", "g0", task="other", action=Action.FLAG)
    assert take_back(browser, flag).status == 404
    assert db.is_flagged("other", "g0")


def test_only_ones_own_come_with_their_ids(browser, annotator):
    own, hers = remark(browser, "flag"), remark(annotator, "flag")
    mine, marks = remark(browser, "mark"), remark(annotator, "mark")
    payload = seen(browser)
    assert (payload["flagged"], payload["flags"]) == (True, [own])
    assert payload["flagged_by_others"] is True
    assert [one["event_id"] for one in payload["marks"]] == [mine, None]
    assert [one["event_id"] for one in history(browser)] == [own, None, mine, None]
    assert [one["event_id"] for one in history(annotator)] == [None, hers, None, marks]
    assert take_back(browser, own).status == 200
    payload = seen(browser)
    assert (payload["flagged"], payload["flags"]) == (True, [])
    assert take_back(annotator, hers).status == 200
    assert (seen(browser)["flagged"], seen(browser)["flagged_by_others"]) == (False, False)


@pytest.mark.parametrize("secret", [False, True])
def test_objects_from_the_queue_come_with_what_stands_on_them(
    browser, annotator, db, workspace, secret
):
    if secret:
        db.change_task("dual", "ann", blind=True)
    rank(workspace, ["g0", "g1"])
    own, marks = remark(browser, "flag"), remark(browser, "mark")
    remark(annotator, "note")
    remark(annotator, "flag", "g1")
    first, second = browser.post("/api/lease", {"task": "dual", "n": 2}).json()["items"]
    # On a secret task those of others would sway the answer, of the owner too.
    assert remarks(first) == ([own], [] if secret else ["<i>odd"], [marks])
    assert (second["flagged"], second["flags"]) == (not secret, [])
    assert second["flagged_by_others"] is not secret
