"""More like this: what comes ahead of the queue, for whom, and until when."""

from __future__ import annotations

from unittest.mock import ANY

import numpy as np
import pytest

from core.vocabulary import Action
from labels_db import QueueItem
from pages._server import more_like
from tests.pages.acts import NO, ODD, answer, says
from tests.pages.conftest import IDS, embed, rank


def by_hand(services, given, left_out=()):
    """Ids by their cosine distance to the nearest of `given`, in float64."""
    survey = services.survey("tiny")
    values = np.asarray(services.embedding(survey).values, np.float64)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    rows = [survey.row(one) for one in given]
    distance = (1 - unit @ unit[rows].T).min(axis=1)
    open_ids = [one for one in IDS if one not in {*given, *left_out}]
    order = sorted(open_ids, key=lambda one: distance[survey.row(one)])
    return order, {one: float(distance[survey.row(one)]) for one in order}


def ask(who, object_ids, **more):
    return who.post("/api/more_like", {"task": "dual", "object_ids": object_ids} | more)


def handed_out(who, n=3, **more):
    got = who.post("/api/lease", {"task": "dual", "n": n} | more).json()["items"]
    return got, [item["object_id"] for item in got]


def test_the_nearest_come_ahead_of_the_queue_for_who_asked(
    browser, annotator, workspace, services
):
    embed(services.survey("tiny"))
    rank(workspace, IDS)
    told = ask(browser, ["g0"], n=4).json()
    order, distance = by_hand(services, ["g0"])
    assert told == {
        "n": 4,
        "like": "g0",
        "ahead": {"reason": "More like g0", "sampler": "like_this", "n_left": 4, "at": ANY},
    }
    assert browser.get("/api/task?task=dual").json()["ahead"] == told["ahead"]
    assert annotator.get("/api/task?task=dual").json()["ahead"] is None
    items, ids = handed_out(browser, 4)
    assert ids == order[:4]
    assert {item["sampler"] for item in items} == {"like_this"}
    assert [item["score"] for item in items] == pytest.approx(
        [-distance[one] for one in ids], abs=1e-6
    )
    left = [one for one in IDS if one not in ids]
    assert handed_out(annotator, 9)[1] == left  # by rank, without those in other hands


def test_answers_are_stored_under_its_name_and_counted_down(browser, workspace, services, db):
    embed(services.survey("tiny"))
    rank(workspace, IDS)
    ask(browser, ["g0"], n=2)
    items, ids = handed_out(browser, 2)
    answer(browser, ids[0], NO, lease=items[0]["lease"])
    assert browser.get("/api/task?task=dual").json()["ahead"]["n_left"] == 1
    answer(browser, ids[1], None, action="skip", lease=items[1]["lease"])
    assert browser.get("/api/task?task=dual").json()["ahead"] is None
    assert [event.sampler for event in db.events("dual")] == ["like_this"] * 2
    assert db.task("dual").target == "dual"
    assert db.current_classes("dual") == {ids[0]: NO}


def test_several_are_like_the_nearest_of_them_without_what_is_done(
    browser, services, db, workspace
):
    embed(services.survey("tiny"))
    rank(workspace, IDS)
    says(db, "bob", "g1", NO)  # one answer is wanted: nobody is asked any more
    says(db, "ann", "g2")  # skipped by the one who asks
    says(db, "bob", "g3", action=Action.SKIP)  # skipped by another: still open
    order, _ = by_hand(services, ["g0", ODD], ["g1", "g2"])
    told = ask(browser, ["g0", ODD, "g0"], n=200).json()
    assert (told["like"], told["n"]) == ("2 objects", len(order))
    assert handed_out(browser, 9)[1][: len(order)] == order


def test_back_to_the_queue(browser, workspace, services):
    embed(services.survey("tiny"))
    rank(workspace, IDS)
    ask(browser, ["g5"], n=3)
    leases = [item["lease"] for item in handed_out(browser)[0]]
    back = browser.post("/api/back_to_queue", {"task": "dual"})
    assert (back.status, back.json()) == (200, {"ahead": None})
    items, ids = handed_out(browser, 3, give_back=leases)
    assert ids == IDS[:3]
    assert [item["sampler"] for item in items] == ["most_likely", "control", "most_likely"]


def test_what_cannot_be_is_a_sentence(browser, viewer, services, db):
    def refused(who, status, words, object_ids):
        got = ask(who, object_ids)
        assert (got.status, words in got.json()["error"]) == (status, True), got.body

    refused(browser, 503, "embed", ["g0"])
    embed(services.survey("tiny"))
    refused(viewer, 403, "", ["g0"])
    assert viewer.post("/api/back_to_queue", {"task": "dual"}).status == 403
    refused(browser, 422, "1 to 64 objects", [])
    refused(browser, 422, "1 to 64 objects", [f"x{number}" for number in range(65)])
    refused(browser, 404, "no object", ["nowhere"])
    for one in IDS[1:]:
        says(db, "bob", one, NO)
    refused(browser, 422, "Nothing that is like g0 is left", ["g0"])
    assert browser.post("/api/more_like", {"task": "none", "object_ids": ["g0"]}).status == 404


def test_a_blind_task_tells_nothing_more(annotator, workspace, services, db):
    embed(services.survey("tiny"))
    rank(workspace, IDS)
    db.change_task("dual", "ann", blind=True, answers_per_object=2)
    says(db, "bob", "g1", "dual")
    told = ask(annotator, ["g0"], n=3).json()
    order, _ = by_hand(services, ["g0"])  # what others have answered once is asked all the same
    assert told == {
        "n": 3,
        "like": "g0",
        "ahead": {"reason": "More like g0", "sampler": "like_this", "n_left": 3, "at": ANY},
    }
    items, ids = handed_out(annotator, 3)
    assert ids == order[:3]
    assert {(item["sampler"], item["score"]) for item in items} == {(None, None)}


@pytest.mark.parametrize("n", [1, 7, 60])
def test_nearest_open_is_exact_whatever_is_closed(n):
    from core.mapping.lookalikes import Lookalikes

    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 3)).astype(np.float32)
    mask = rng.random(400) > 0.1
    given = np.flatnonzero(mask)[[3, 90, 200]]
    unit = values.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    distance = (1 - unit @ unit[given].T).min(axis=1)
    closed = set(np.argsort(distance)[:150].tolist())  # all that is near
    allowed = [row for row in range(400) if mask[row] and row not in closed | set(given.tolist())]
    expected = sorted(allowed, key=lambda row: distance[row])[:n]
    is_open = np.ones(400, bool)
    is_open[list(closed)] = False
    found = more_like.nearest_open(Lookalikes(values, mask), given, n, is_open)
    assert [row for row, _ in found] == expected
    assert [one for _, one in found] == pytest.approx(distance[expected], abs=1e-5)


def test_who_waits_for_other_searches_too_long_is_told(browser, services, monkeypatch):
    embed(services.survey("tiny"))
    monkeypatch.setattr(more_like, "WAIT_S", 0.01)
    with more_like._SEARCHING:
        got = ask(browser, ["g0"])
    assert (got.status, "Others are searching" in got.json()["error"]) == (503, True)
    assert ask(browser, ["g0"]).status == 200


def test_gold_objects_are_among_what_is_alike(annotator, workspace, services, db):
    embed(services.survey("tiny"))
    rank(workspace, IDS)
    order, _ = by_hand(services, ["g0"])
    db.add_gold("dual", order[1], NO, "ann", 1)
    says(db, "bob", order[2], NO)
    told = ask(annotator, ["g0"], n=3).json()
    ids = [order[0], order[1], order[3]]
    assert (told["n"], handed_out(annotator)[1]) == (3, ids)
    items = db.lease_next("dual", "cat", 3).items
    assert [one.sampler for one in items] == ["like_this", "gold", "like_this"]


def test_what_a_newer_version_of_the_survey_lacks_is_passed_over(browser, workspace, services, db):
    rank(workspace, IDS)
    db.change_task("dual", "ann", answers_per_object=2)
    says(db, "bob", "left out", "dual")
    names = ["gone", "g4"]
    db.put_ahead("dual", "ann", [QueueItem(one, n, "x") for n, one in enumerate(names)], "Two")
    embed(services.survey("tiny"))
    assert handed_out(browser, 2)[1] == ["g4", "g0"]
    assert browser.get("/api/task?task=dual").json()["ahead"]["n_left"] == 1


@pytest.mark.parametrize("is_secret", [False, True])
def test_a_secret_task_keeps_the_words_of_others(browser, annotator, db, is_secret):
    db.change_task("dual", "ann", blind=is_secret)
    for name in ("ann", "cat"):
        items = [QueueItem("g4", 0, "selection")]
        db.put_ahead("dual", name, items, "Certainly dual", by="ann")

    def reason(who):
        return who.get("/api/task?task=dual").json()["ahead"]["reason"]

    assert reason(browser) == "Certainly dual"
    assert reason(annotator) == (more_like.PUT_FIRST if is_secret else "Certainly dual")
