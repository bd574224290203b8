"""The routes: what they answer and refuse; a write carries the identity the server knows."""

from __future__ import annotations

import io
from urllib.parse import quote
from uuid import uuid4

import pytest
from PIL import Image

from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent
from tests.pages.conftest import IDS, embed, make_survey, rank

ODD = IDS[-1]


def event(**changes):
    return {
        "event_id": str(uuid4()),
        "task": "dual",
        "object_id": "g0",
        "action": "label",
        "class_name": "dual",
        "shown_at": "2026-01-02T03:04:05.678Z",
        "answered_at": "2026-01-02T03:04:06Z",
        **changes,
    }


def lease(browser, **changes):
    return browser.post("/api/lease", {"task": "dual", **changes}).json()


def test_task_tells_the_question_and_the_state(browser, workspace):
    answer = browser.get("/api/task?task=dual").json()
    assert answer["question"] == "Two nuclei?"
    offered = [(one["name"], one["key"]) for one in answer["classes"]]
    assert offered == [("dual", "1"), ("<b>no</b>", "2")]
    assert (answer["role"], answer["tags"], answer["tree"]) == ("owner", [], None)
    assert (answer["target"], answer["n_objects"], answer["n_answers"]) == ("dual", 9, 0)
    assert answer["model"] is None
    assert answer["worker"]["state"] == "preparing"
    assert answer["annotator"] == "ann"


def test_queue_waits_for_the_embedding_then_for_the_ranking(browser, workspace, services):
    first = lease(browser)
    assert (first["items"], first["waiting"], first["condition"]) == ([], True, "preparing")
    embed(services.survey("tiny"))
    services._preparations.clear()
    second = lease(browser)
    assert (second["items"], second["condition"]) == ([], "waiting")
    assert second["state"].endswith(".")


def test_queue_gives_items_in_order_without_the_excluded(browser, workspace):
    version = rank(workspace, ["g2", "g1", ODD, "g0"])
    answer = lease(browser, n=2, exclude=["g2", "gx"])
    assert [item["object_id"] for item in answer["items"]] == ["g1", ODD]
    item = answer["items"][0]
    assert (item["sampler"], item["control"], item["score_kind"]) == ("control", True, "P(target)")
    assert (item["score"], item["probability"], item["model_version"]) == (0.5, 1.0, version)
    assert item["columns"] == {"flux": 1.0, "hole": None}
    again = lease(browser, n=2, exclude=["g2"])
    assert again["items"][0]["lease"] == item["lease"]  # still in the same hands


def test_what_is_given_back_goes_to_others(browser, workspace):
    rank(workspace, ["g2", "g1", "g0"])
    mine = lease(browser, n=3)["items"]
    with LabelsDB(workspace.labels) as db:
        assert db.lease_next("dual", "bob", 5).state == "leased"
        answer = browser.post(
            "/api/release", {"task": "dual", "leases": [mine[0]["lease"], "none"]}
        )
        assert answer.json() == {"released": 1}
        (free,) = db.lease_next("dual", "bob", 5).items
        assert free.object_id == "g2"
    held = [one["lease"] for one in mine]
    renewed = browser.post("/api/renew", {"task": "dual", "leases": held}).json()
    assert renewed == {"held": held[1:]}


def test_what_others_hold_is_told_from_nothing_left(browser, workspace, services):
    embed(services.survey("tiny"))
    rank(workspace, ["g2"])
    with LabelsDB(workspace.labels) as db:
        db.lease_next("dual", "bob", 1)
        waiting = lease(browser)
        assert (waiting["items"], waiting["condition"]) == ([], "leased")
        assert "free in" in waiting["state"]
        (lease_id,) = [item.lease for item in db.lease_next("dual", "bob", 1).items]
        db.release_leases("dual", "bob", [lease_id])
    browser.post("/api/events", event(object_id="g2", action="skip", class_name=None))
    rank(workspace, ["g2"])
    assert lease(browser)["condition"] == "nothing_left"


def test_queue_dry_says_so(browser, workspace):
    rank(workspace, IDS)
    for one in IDS:
        assert browser.post("/api/events", event(object_id=one)).status == 200
    answer = lease(browser)
    assert (answer["items"], answer["condition"]) == ([], "dry")


def test_a_label_is_committed_and_carries_the_servers_identity(browser, workspace):
    rank(workspace, IDS)
    (item,) = lease(browser, n=1)["items"]
    sent = event(
        annotator="somebody else", survey_version=99, lease=item["lease"], sampler="forged", late=1
    )
    answer = browser.post("/api/events", sent).json()
    assert answer == {
        "event_id": sent["event_id"],
        "duplicate": False,
        "late": False,
        "counts": {"dual": 1, "<b>no</b>": 0},
        "n_answers": 1,
        "model_version": 1,
        "ahead": None,
    }
    with LabelsDB(workspace.labels) as db:
        (stored,) = db.events("dual")
    assert (stored.annotator, stored.survey_version) == ("ann", 1)
    assert (stored.sampler, stored.score, stored.model_version) == ("most_likely", 0.5, 1)
    assert (stored.lease, stored.prediction_visible) == (item["lease"], True)


def test_a_lease_of_somebody_else_is_refused(browser, workspace):
    rank(workspace, ["g2", "g0"])
    with LabelsDB(workspace.labels) as db:
        (taken,) = db.lease_next("dual", "bob", 1).items
        answer = browser.post("/api/events", event(object_id="g2", lease=taken.lease))
        assert answer.status == 422
        assert "somebody else" in answer.json()["error"]
        assert db.last_seq("dual") == 0


def test_an_answer_after_its_object_went_to_somebody_else_is_late(browser, workspace):
    rank(workspace, ["g0"])
    (item,) = lease(browser, n=1)["items"]
    with LabelsDB(workspace.labels) as db:
        db.tables.execute("UPDATE leases SET expires_at = 1")
        (taken,) = db.lease_next("dual", "bob", 1).items
        assert taken.object_id == "g0"
        answer = browser.post("/api/events", event(lease=item["lease"])).json()
        assert (answer["late"], answer["counts"]["dual"]) == (True, 0)
        assert [state.object_id for state in db.disputes("dual")] == ["g0"]


def test_sent_twice_it_counts_once(browser):
    sent = event()
    assert browser.post("/api/events", sent).json()["duplicate"] is False
    again = browser.post("/api/events", sent).json()
    assert (again["duplicate"], again["n_answers"]) == (True, 1)
    assert browser.post("/api/events", {**sent, "class_name": "<b>no</b>"}).status == 422


def test_undo_gives_the_object_back(browser):
    browser.post("/api/events", event(object_id="g1"))
    browser.post("/api/events", event(object_id=ODD, action="skip", class_name=None))
    own = str(uuid4())
    answer = browser.post("/api/undo", {"task": "dual", "event_id": own}).json()
    assert answer["undone"] == {"object_id": ODD, "action": "skip", "class_name": None}
    again = browser.post("/api/undo", {"task": "dual", "event_id": own}).json()
    # sent again after a lost answer it undoes nothing more
    assert again == {**answer, "duplicate": True}
    more = browser.post("/api/undo", {"task": "dual", "event_id": str(uuid4())}).json()
    assert (more["undone"]["object_id"], more["n_answers"]) == ("g1", 0)
    nothing = browser.post("/api/undo", {"task": "dual", "event_id": str(uuid4())})
    assert nothing.status == 404


def test_redo_gives_the_answers_again_in_order(browser):
    def post(act):
        return browser.post(f"/api/{act}", {"task": "dual", "event_id": str(uuid4())})

    browser.post("/api/events", event(object_id="g1"))
    browser.post("/api/events", event(object_id="g2", action="unsure", class_name=None))
    assert post("redo").status == 404
    post("undo")
    assert post("undo").json()["n_answers"] == 0
    first = post("redo").json()
    assert first["redone"] == {"object_id": "g1", "action": "label", "class_name": "dual"}
    assert post("redo").json()["redone"]["object_id"] == "g2"
    assert post("redo").status == 404


@pytest.mark.parametrize("act", ["events", "undo", "redo", "lease", "renew", "release", "prepare"])
def test_a_viewer_cannot_write(viewer, workspace, act):
    answer = viewer.post(f"/api/{act}", event())
    assert answer.status == 403, answer.body
    with LabelsDB(workspace.labels) as db:
        assert db.last_seq("dual") == 0


def test_a_viewer_looks_at_the_queue_without_taking_it(viewer, workspace):
    rank(workspace, ["g2", "g1"])
    shown = viewer.get("/api/queue?task=dual&exclude=g5").json()["items"]
    assert [(item["object_id"], item["lease"]) for item in shown] == [("g2", None), ("g1", None)]
    with LabelsDB(workspace.labels) as db:
        assert db.n_leased("dual") == {}


def test_a_blind_task_shows_neither_scores_nor_the_answers_of_others(annotator, workspace):
    rank(workspace, ["g0", "g1"])
    with LabelsDB(workspace.labels) as db:
        db.change_task("dual", "ann", blind=True, answers_per_object=2)
        db.record(NewEvent(str(uuid4()), "dual", "g0", 1, "bob", Action.LABEL, class_name="dual"))
        db.record(NewEvent(str(uuid4()), "dual", "g0", 1, "bob", Action.NOTE, note="mine"))
    task = annotator.get("/api/task?task=dual").json()
    assert (task["counts"], task["prediction_visible"]) == (None, False)
    (item, _) = lease(annotator)["items"]
    assert item["object_id"] == "g0"
    assert (item["score"], item["sampler"], item["hidden"]) == (None, None, True)
    seen = annotator.get("/api/object?task=dual&object_id=g0").json()
    assert (seen["label"], seen["notes"], seen["score"]) == (None, [], None)
    annotator.post("/api/events", event(class_name="<b>no</b>", lease=item["lease"]))
    seen = annotator.get("/api/object?task=dual&object_id=g0").json()
    assert seen["label"] == "<b>no</b>"
    with LabelsDB(workspace.labels) as db:
        assert db.current_label("dual", "g0") is None  # tied
        assert [one.prediction_visible for one in db.history("dual", "g0")] == [None, None, False]


def test_a_gold_object_is_not_given_away(browser, workspace):
    rank(workspace, ["g0", "g1", "g2"])
    with LabelsDB(workspace.labels) as db:
        db.change_task("dual", "ann", gold_rate=0.5)
        for name in IDS[3:]:
            db.add_gold("dual", name, "dual", "bob", 1)
    items = lease(browser, n=50)["items"]
    names = {item["object_id"] for item in items}
    told = [
        {key: value for key, value in item.items() if key not in ("object_id", "lease", "columns")}
        for item in items
    ]
    assert len(names) > 3, "a gold object is among them"
    assert all(one == told[0] for one in told), "nothing tells it from the others"
    assert told[0]["hidden"]


def test_a_task_with_gold_shows_annotators_nothing_but_their_own(annotator, workspace):
    rank(workspace, ["g0", "g1"])
    with LabelsDB(workspace.labels) as db:
        db.add_gold("dual", "g5", "dual", "bob", 1)
    for path in ("object?object_id=g5&", "queue?"):
        seen = annotator.get(f"/api/{path}task=dual").json()
        assert seen.get("label") is None
        assert seen.get("items", []) == []
    task = annotator.get("/api/task?task=dual").json()
    assert (task["counts"], task["n_answers"], task["model"]["state"]) == (None, None, None)
    annotator.post("/api/events", event(object_id="g5", class_name="<b>no</b>"))
    assert annotator.get("/api/object?task=dual&object_id=g5").json()["label"] == "<b>no</b>"


def test_object_by_its_id_with_its_history(browser, workspace):
    rank(workspace, IDS)
    browser.post("/api/events", event(object_id=ODD))
    browser.post("/api/events", event(object_id=ODD, action="flag", class_name=None))
    browser.post("/api/events", event(object_id=ODD, action="note", class_name=None, note="<i>"))
    answer = browser.get(f"/api/object?task=dual&object_id={quote(ODD, safe='')}").json()
    assert (answer["object_id"], answer["label"], answer["flagged"]) == (ODD, "dual", True)
    assert answer["notes"] == ["<i>"]
    assert answer["score"] == pytest.approx(0.1)
    assert browser.get("/api/object?task=dual&object_id=none").status == 404


def test_neighbours_wait_for_the_embedding(browser, services):
    waiting = browser.get("/api/neighbours?task=dual&object_id=g0").json()
    assert waiting["items"] == []
    assert "embedding" in waiting["state"]
    embed(services.survey("tiny"))
    browser.post("/api/events", event(object_id="g1"))
    found = browser.get("/api/neighbours?task=dual&object_id=g0&k=20").json()["items"]
    assert {one["object_id"] for one in found} == set(IDS) - {"g0"}
    assert [one["distance"] for one in found] == sorted(one["distance"] for one in found)
    assert {one["object_id"]: one["label"] for one in found}["g1"] == "dual"


def test_picture_is_named_and_cached(browser, services):
    url = f"/api/image?survey=tiny&version=1&size=100&object_id={quote(ODD, safe='')}"
    answer = browser.get(url)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["x-object-id"] == quote(ODD, safe="")
    assert Image.open(io.BytesIO(answer.body)).size == (128, 128)
    again = browser.get(url, **{"if-none-match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    content = services.survey("tiny").manifest.content_hash[:16]
    kept = browser.get(f"{url}&hash={content}").headers["cache-control"]
    assert "immutable" in kept
    assert "private" in kept
    assert browser.get(f"{url}&hash={'0' * 16}").status == 404


def test_a_survey_made_anew_is_not_shown_from_the_old_cache(browser, services, workspace):
    import shutil

    url = "/api/image?survey=tiny&object_id=g0"
    before = browser.get(url)
    shutil.rmtree(workspace.survey("tiny"))
    make_survey(workspace, seed=9)
    after = browser.get(url)
    assert after.body != before.body
    assert after.headers["etag"] != before.headers["etag"]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/api/task", 400),
        ("/api/task?task=none", 404),
        ("/api/task?task=../../etc", 404),
        ("/api/queue?task=dual&n=x", 400),
        ("/api/neighbours?task=dual&object_id=g0&k=x", 400),
        ("/api/neighbours?task=dual&object_id=g0&k=-1", 400),
        ("/api/neighbours?task=dual", 400),
        ("/api/image?survey=tiny&object_id=none", 404),
        ("/api/image?survey=../tiny&object_id=g0", 422),
        ("/api/image?survey=tiny&version=2&object_id=g0", 404),
        ("/api/image?survey=tiny", 400),
        ("/api/image?survey=tiny&object_id=" + "x" * 600, 422),
        ("/api/image?survey=tiny&object_id=g0&size=9999999999999", 400),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(browser, url, status):
    answer = browser.get(url)
    assert answer.status == status
    assert len(answer.json()["error"]) > 10
    assert "Traceback" not in answer.json()["error"]


@pytest.mark.parametrize(
    "changes",
    [
        {"class_name": "none of them"},
        {"class_name": None},
        {"action": "undo"},
        {"action": ["label"]},
        {"action": None},
        {"event_id": "not a uuid"},
        {"event_id": None},
        {"object_id": 5},
        {"object_id": "g0\n"},
        {"task": {}},
        {"confidence": "high"},
        {"confidence": 2.0},
        {"lease": 7},
        {"payload": {"gold": True}},
        {"payload": ["tags"]},
        {"payload": {"tags": ["not one of the task's"]}},
        {"payload": {"marks": ["x" * 20_000]}},
        {"action": "adjudicate"},
        {"action": "mark", "class_name": None},
        {"shown_at": "yesterday"},
        {"action": "note", "class_name": None, "note": "x" * 5000},
        {"action": "note", "class_name": None, "note": 7},
    ],
)
def test_a_malformed_event_is_refused_and_leaves_nothing(browser, workspace, changes):
    answer = browser.post("/api/events", event(**changes))
    assert answer.status == 422, answer.body
    assert len(answer.json()["error"]) > 10
    with LabelsDB(workspace.labels) as db:
        assert db.last_seq("dual") == 0


def test_unknown_task_and_object(browser):
    assert browser.post("/api/events", event(task="none")).status == 404
    assert browser.post("/api/events", event(object_id="none")).status == 404


def test_bodies_that_are_not_a_small_json_object(browser):
    assert browser.post("/api/events", b"{", **{"content-type": "text/plain"}).status == 415
    assert browser.post("/api/events", b"{").status == 400
    assert browser.post("/api/events", b"[1]").status == 400
    assert browser.post("/api/events", b"[" * 60_000).status == 400
    assert browser.post("/api/events", b'{"a": NaN, "task": 1}').status == 422
    assert browser.post("/api/events", event(note="x" * 70_000)).status == 413
    assert browser.post("/api/events", b"\xff\xfe").status == 400


def test_an_unforeseen_error_is_a_sentence_and_a_log(browser, services, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(services, "survey", broken)
    answer = browser.get("/api/task?task=dual")
    assert answer.status == 500
    assert "secret detail" not in answer.json()["error"]
    assert "secret detail" in caplog.text
