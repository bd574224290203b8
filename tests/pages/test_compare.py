"""The nearest labelled examples of each class."""

from __future__ import annotations

import numpy as np

from core.survey import Survey
from labels_db import LabelsDB
from pages._server import labelled
from tests.pages.acts import NO, ODD, answer, says, undo
from tests.pages.conftest import IDS, embed


def nearest_by_hand(services, object_id, ids):
    survey = services.survey("tiny")
    values = np.asarray(services.embedding(survey).values, np.float64)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    distance = 1 - unit @ unit[survey.row(object_id)]
    return sorted(ids, key=lambda one: distance[survey.row(one)])


def compared(browser, object_id="g0", k=3):
    told = browser.get(f"/api/compare?task=dual&object_id={object_id}&k={k}").json()
    lists = {one["name"]: [item["object_id"] for item in one["items"]] for one in told["classes"]}
    return lists, told["state"]


def test_compare_gives_the_nearest_of_each_class(browser, services, db):
    lists, state = compared(browser)
    assert lists == {"dual": [], NO: []}
    assert "embedding" in state
    embed(services.survey("tiny"))
    assert "No other object has a label" in compared(browser)[1]
    duals, others = ["g1", "g2", "g3", ODD], ["g4", "g5"]
    for one in (*duals, "g0"):
        answer(browser, one)
    for one in others:
        answer(browser, one, NO)
    lists, state = compared(browser, k=3)
    assert state == ""
    assert lists == {
        "dual": nearest_by_hand(services, "g0", duals)[:3],
        NO: nearest_by_hand(services, "g0", others),
    }
    told = browser.get("/api/compare?task=dual&object_id=g0").json()["classes"][0]["items"]
    assert [one["distance"] for one in told] == sorted(one["distance"] for one in told)
    assert {one["label"] for one in told} == {"dual"}


def test_compare_follows_answers_without_reading_all_of_them_again(
    browser, services, db, monkeypatch
):
    embed(services.survey("tiny"))
    answer(browser, "g1")
    assert compared(browser)[0] == {"dual": ["g1"], NO: []}
    monkeypatch.setattr(LabelsDB, "newest_classes", None)
    answer(browser, "g2")
    answer(browser, "g1", NO)
    assert compared(browser)[0] == {"dual": ["g2"], NO: ["g1"]}
    undo(db, "ann")
    assert set(compared(browser)[0]["dual"]) == {"g1", "g2"}
    undo(db, "ann")
    assert compared(browser)[0] == {"dual": ["g1"], NO: []}


def test_compare_takes_the_newest_of_very_many(browser, services, db, monkeypatch):
    monkeypatch.setattr(labelled, "MAX_LABELLED", 4)
    embed(services.survey("tiny"))
    for one in IDS[1:7]:
        answer(browser, one)
    lists, _ = compared(browser, k=9)
    assert set(lists["dual"]) == {"g5", "g6"}
    for one in IDS[1:5]:
        answer(browser, one, NO)
    lists, _ = compared(browser, k=9)
    assert set(lists[NO]) == {"g1", "g2", "g3", "g4"}
    assert lists["dual"] == []


def test_compare_places_only_what_changed(browser, services, db, monkeypatch):
    embed(services.survey("tiny"))
    for one in IDS[1:6]:
        answer(browser, one)
    compared(browser)
    asked: list[str] = []
    row = Survey.row

    def noted(self: Survey, object_id: str) -> int:
        asked.append(object_id)
        return row(self, object_id)

    monkeypatch.setattr(Survey, "row", noted)
    answer(browser, "g2", NO)
    answer(browser, "g6")
    asked.clear()
    lists, _ = compared(browser, k=9)
    assert asked == ["g0", "g6"]
    assert set(lists["dual"]) == {"g1", "g3", "g4", "g5", "g6"}
    assert lists[NO] == ["g2"]
    monkeypatch.undo()
    for one in (*IDS[1:7], ODD):  # which move to a longer table
        answer(browser, one, NO)
    assert compared(browser, k=9)[0][NO] == nearest_by_hand(services, "g0", [*IDS[1:7], ODD])


def test_compare_after_another_embedding(browser, services, db):
    survey = services.survey("tiny")
    embed(survey)
    for one in IDS[1:5]:
        answer(browser, one)
    first = compared(browser)[0]["dual"]
    embed(survey, seed=5)
    second = compared(browser)[0]["dual"]
    assert second == nearest_by_hand(services, "g0", IDS[1:5])[:3]
    assert first != second


def test_what_was_handed_out_stays_while_more_is_placed(services):
    survey = services.survey("tiny")
    embed(survey)
    places = labelled._Places(survey, services.embedding(survey))
    places.change({"g1": "dual", "g2": NO})
    before = places.placed()
    kept = before.vectors.copy()
    places.change({"g2": None, "g1": NO, "unheard of": NO, **dict.fromkeys(IDS[3:], "dual")})
    assert list(before.ids) == ["g1", "g2"]
    assert list(before.classes) == ["dual", NO]
    assert np.array_equal(before.vectors, kept)
    after = places.placed()
    assert dict(zip(after.ids, after.classes, strict=True)) == {
        "g1": NO,
        "g2": None,
        **dict.fromkeys(IDS[3:], "dual"),
    }


def test_compare_on_a_secret_task_has_ones_own_examples(browser, annotator, viewer, services, db):
    embed(services.survey("tiny"))
    db.change_task("dual", "ann", blind=True, answers_per_object=2)
    says(db, "bob", "g1", "dual")
    says(db, "bob", "g3", "dual")
    answer(annotator, "g1", NO)
    answer(annotator, "g2")
    assert compared(annotator)[0] == {"dual": ["g2"], NO: ["g1"]}
    undo(db, "cat")
    assert compared(annotator)[0] == {"dual": [], NO: ["g1"]}
    for who in (browser, viewer):
        lists, state = compared(who)
        assert lists == {"dual": [], NO: []}
        assert "yourself" in state
