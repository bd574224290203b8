"""What the model thinks of an object: what is told, to whom, and when."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from core.run_worker import save_class_probabilities
from pages._server.items import AFTERWARDS, NEVER
from pages._server.probabilities import opinions
from tests.pages.acts import NO, ODD, answer, learn, says, seen
from tests.pages.conftest import IDS, rank


def test_items_carry_the_chances_of_the_model_that_ranked_them(browser, workspace):
    learn(workspace)
    taken = browser.post("/api/lease", {"task": "dual", "n": 1}).json()["items"][0]
    assert taken["probabilities"] == pytest.approx({"dual": 0.9, NO: 0.1}, abs=1e-3)
    assert taken["probabilities_state"] == ""
    opened = seen(browser, ODD)
    assert opened["probabilities"] == pytest.approx({"dual": 0.1, NO: 0.9}, abs=1e-3)
    # A later ranking does not change what an item in hand was ranked by; it is soon forgotten.
    for _ in range(3):
        rank(workspace, IDS)
    taken = browser.post("/api/lease", {"task": "dual", "n": 1}).json()["items"][0]
    assert taken["model_version"] == 1
    assert taken["probabilities"] is None
    assert taken["probabilities_state"].startswith("They cannot be read any more of the model")


def test_why_there_are_no_chances(browser, workspace, services, monkeypatch):
    assert seen(browser)["probabilities_state"] == "The object was not ranked by a model."
    rank(workspace, IDS, learner=None)
    assert (
        seen(browser)["probabilities_state"]
        == "Nothing was learnt when this object was ranked: the model begins with the first answer"
        " dual, and takes unanswered objects for others until enough are answered."
    )
    # The model has learnt from answers with the target alone, beside stand-ins: no file.
    rank(workspace, IDS)
    stood_in = seen(browser)
    assert stood_in["score_kind"] == "P(target)"
    assert "only the chance of dual says something" in stood_in["probabilities_state"]
    # Nor is there one of a model whose files were all swept away.
    model, task = services.db().latest_model("dual"), services.db().task("dual")
    (workspace.task_scores("dual") / model.scores_file).unlink()
    ((_, gone),) = opinions(services, task, services.survey("tiny"), [(0, model.version)])
    assert gone.startswith("They cannot be read any more")
    learn(workspace)
    model = services.db().latest_model("dual")
    (workspace.task_scores("dual") / "classes" / model.scores_file).write_bytes(b"not numpy")
    broken = seen(browser)
    assert broken["probabilities"] is None
    assert "its file is damaged" in broken["probabilities_state"]
    monkeypatch.setattr("pages._server.probabilities.MAX_CLASS_PROBABILITIES", 17)
    assert "up to 17 objects times classes" in seen(browser)["probabilities_state"]


def test_chances_made_anew_under_the_same_name_are_read_anew(browser, workspace, services):
    learn(workspace)
    assert seen(browser)["probabilities"]["dual"] == pytest.approx(0.9, abs=1e-3)
    name = services.db().latest_model("dual").scores_file
    path = workspace.task_scores("dual") / "classes" / name
    chances = np.full((len(IDS), 2), 0.5, np.float32)
    save_class_probabilities(path, chances, ["dual", NO])
    assert seen(browser)["probabilities"] == {"dual": 0.5, NO: 0.5}


@pytest.mark.parametrize("role", ["browser", "annotator"])
def test_on_a_blind_task_the_model_is_seen_after_ones_own_answer(role, request, workspace, db):
    who = request.getfixturevalue(role)
    db.change_task("dual", "ann", blind=True, answers_per_object=3)
    learn(workspace)
    task = who.get("/api/task?task=dual").json()
    assert (task["prediction_visible"], task["prediction_after_answer"]) == (False, True)
    item = who.post("/api/lease", {"task": "dual", "n": 1}).json()["items"][0]
    for before in (item, seen(who)):
        assert (before["probabilities"], before["score"], before["sampler"]) == (None, None, None)
        assert (before["hidden"], before["probabilities_state"]) == (True, AFTERWARDS)
    answer(who, "g0", lease=item["lease"])
    after = seen(who)
    assert after["probabilities"] == pytest.approx({"dual": 0.9, NO: 0.1}, abs=1e-3)
    assert (after["hidden"], after["sampler"], after["score_kind"]) == (
        *(False, "most_likely", "P(target)"),
    )
    assert after["score"] == pytest.approx(0.9)
    assert seen(who, "g1")["probabilities"] is None
    # Undone and answered again: by then it could be seen.
    assert who.post("/api/undo", {"task": "dual", "event_id": str(uuid4())}).status == 200
    assert seen(who)["probabilities"] is not None
    answer(who, "g0", NO)
    answer(who, "g1", NO)
    told = [(one.object_id, one.prediction_visible) for one in db.events("dual")]
    assert told == [("g0", False), ("g0", None), ("g0", True), ("g1", False)]


def test_on_a_blind_task_a_skip_is_no_answer_and_a_viewer_sees_nothing(
    annotator, viewer, workspace, db
):
    db.change_task("dual", "ann", blind=True)
    learn(workspace)
    answer(annotator, "g0", None, action="skip")
    says(db, "vic2", "g0", "dual")
    for who in (annotator, viewer):
        told = seen(who)
        assert (told["probabilities"], told["score"], told["hidden"]) == (None, None, True)
        assert told["label"] is None


@pytest.mark.parametrize("role", ["browser", "annotator", "viewer"])
def test_with_gold_objects_the_model_is_never_seen(role, request, workspace, db):
    who = request.getfixturevalue(role)
    db.change_task("dual", "ann", blind=True)
    db.add_gold("dual", "g5", "dual", "bob", 1)
    learn(workspace)
    if role != "viewer":
        answer(who, "g0")
        answer(who, "g5")
        answer(who, "g5", NO)
        visible = {one.prediction_visible for one in db.events("dual") if one.action == "label"}
        assert visible == {False}
    for object_id in ("g0", "g5"):
        told = seen(who, object_id)
        assert (told["probabilities"], told["score"], told["sampler"]) == (None, None, None)
        assert told["probabilities_state"] == NEVER
    assert not who.get("/api/task?task=dual").json()["prediction_after_answer"]


def test_on_an_open_task_everybody_sees_it_and_it_is_recorded(annotator, viewer, workspace, db):
    learn(workspace)
    assert seen(viewer)["probabilities"] is not None
    answer(annotator, "g0")
    assert [one.prediction_visible for one in db.events("dual")] == [True]
