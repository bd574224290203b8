"""Labels back into the network, on the discovery page."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.representation import load_embedding
from core.run_teaching import Ended, is_automatic, note_ended, set_automatic
from core.survey import RunFolder, Survey
from core.vocabulary import Action, JobKind
from core.workspace import Workspace
from labels_db import LabelsDB, NewEvent
from pages._server.services import Services
from pages._shared.discovery_refining import BY_ITSELF, TEACH
from tests.pages.conftest import IDS, embed
from tests.pages.kit import labels_of, one, open_page, press, text_of

RESULT = {
    "is_better": False,
    "words": "With the labels taught the network finds less, so the embedding in use stays.",
    "notes": ["1 label of objects without a picture is left out"],
    "before": 0.031,
    "after": 0.042,
    "gain": -0.44,
    "low": -0.9,
    "high": -0.1,
    "n_held_out": 9,
    "level": 0.98,
    "first_before": 6.3,
    "first_after": 5.0,
}


def model_part() -> AppTest:
    return open_page("discovery", {"part": "model"})


def answer(db: LabelsDB, monkeypatch: pytest.MonkeyPatch, n_finds: int, n_others: int) -> None:
    """Have the counts say so: the survey of the tests is smaller than what teaching takes."""
    monkeypatch.setattr(LabelsDB, "counts", lambda *_: {"dual": n_finds, "<b>no</b>": n_others})
    event = NewEvent(str(uuid.uuid4()), "dual", IDS[0], 1, "cat", Action.LABEL, "dual")
    db.record(event)


def test_it_starts_with_enough_labels_and_an_embedding(
    services: Services,
    workspace: Workspace,
    db: LabelsDB,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[object] = []
    monkeypatch.setattr(services.children, "start_job", lambda *args: started.append(args))
    script = model_part()
    assert "trained without labels" in text_of(script)
    assert "takes 6 finds and 6 others; there are 0 and 0." in text_of(script)
    assert one(script.button, TEACH).disabled
    answer(db, monkeypatch, 8, 30)
    assert "has no fusion embedding yet" in text_of(model_part())
    embed(Survey.open(workspace, "tiny"))
    script = model_part()
    assert not one(script.button, TEACH).disabled
    press(script, TEACH)
    assert started == [(JobKind.REFINE, "dual", ["tiny", "--task", "dual"])]


@pytest.mark.parametrize("name", ["vic", "cat"])
def test_who_is_no_owner_reads_and_starts_nothing(
    services: Services, workspace: Workspace, db: LabelsDB, sign_in, monkeypatch, name: str
) -> None:
    answer(db, monkeypatch, 8, 30)
    embed(Survey.open(workspace, "tiny"))
    sign_in(name)
    script = model_part()
    assert "Owners teach it" in text_of(script)
    assert "Labels back into the network" in text_of(script)
    assert TEACH not in labels_of(script)
    assert not script.toggle


def test_the_outcome_is_told_with_its_figures(services: Services, workspace: Workspace) -> None:
    survey = Survey.open(workspace, "tiny")
    config = {"task": "dual", "way": "joint", "n_labels": 60, "n_finds": 9}
    with RunFolder(survey, JobKind.REFINE, config) as run:
        run.result.update(RESULT)
    with RunFolder(survey, JobKind.REFINE, {**config, "task": "another"}) as run:
        run.result.update(RESULT, words="Not of this task.")
    script = model_part()
    told = text_of(script)
    assert "finds less, so the embedding in use stays." in told
    assert "1 label of objects without a picture is left out." in told
    assert "Not of this task" not in told
    table = script.dataframe[-1].value
    assert len(table) == 1
    row = table.iloc[0]
    assert row["Labels"] == "60 (9 finds)"
    assert row["Finds first"] == "6 \N{RIGHTWARDS ARROW} 5 of 9"
    assert row["Come before a find"] == "3.1% \N{RIGHTWARDS ARROW} 4.2%"
    assert row["Octaves gained"] == "-0.44 (-0.90 to -0.10)"
    assert row["Decision"] == "not taken"
    assert row["In use"] == ""
    assert "in brackets the 98% interval" in told


def test_a_running_one_is_watched_and_stopped(services: Services, db: LabelsDB) -> None:
    db.start_run("refine-1", JobKind.REFINE, "tiny", {"task": "dual"})
    db.heartbeat("refine-1", fraction=0.4, message="training 2 of 3")
    script = model_part()
    assert TEACH not in labels_of(script)
    assert "Teaching labels of dual" in str(script.get("progress")[0].proto).replace("\\", "")
    press(script, "Cancel")
    assert db.cancel_requested("refine-1")
    db.mark_cancelled("refine-1")
    assert TEACH in labels_of(model_part())
    db.start_run("refine-2", JobKind.REFINE, "tiny", {"task": "dual"})
    db.fail_run("refine-2", "The loss was no number.")
    assert "The loss was no number." in text_of(model_part())
    db.start_run("refine-3", JobKind.REFINE, "tiny", {"task": "another"})
    db.fail_run("refine-3", "Of another task, with its finds.")
    script = model_part()
    assert "The loss was no number." in text_of(script)
    assert "Of another task" not in text_of(script)


def test_an_error_is_of_the_last_start(
    services: Services, db: LabelsDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = services.children
    monkeypatch.setattr(children, "job_error", lambda *_: "It has 2 finds.")
    monkeypatch.setattr(children, "job_began", lambda *_: datetime.now(UTC))
    assert "It has 2 finds." in text_of(model_part())
    monkeypatch.setattr(
        children, "job_began", lambda *_: datetime.now(UTC) - timedelta(seconds=60)
    )
    db.start_run("refine-1", JobKind.REFINE, "tiny", {"task": "dual"})
    db.finish_run("refine-1", {})
    assert "It has 2 finds." not in text_of(model_part())


def test_a_better_network_is_taken_once_it_has_embedded_the_survey(
    services: Services, workspace: Workspace
) -> None:
    survey = Survey.open(workspace, "tiny")
    embed(survey)
    used = load_embedding(survey).run_id
    config = {"task": "dual", "embedding_run": used}
    with RunFolder(survey, JobKind.REFINE, config) as run:
        run.result.update(RESULT, is_better=True)
    script = model_part()
    assert script.dataframe[-1].value.iloc[0]["Decision"] == "better, not embedded yet"
    assert f"network of {run.path.name.removesuffix('.partial')} was not made" in plain_of(script)


def test_a_network_taught_on_an_earlier_version_is_remembered(
    services: Services, workspace: Workspace
) -> None:
    survey = Survey.open(workspace, "tiny")
    embed(survey)
    with RunFolder(survey, JobKind.REFINE, {"task": "dual", "encoder": "fusion"}) as run:
        run.result.update(RESULT, is_better=True)
    (path,) = survey.folder.glob("runs/refine-*/config.json")
    assert "Version 1 of the survey" not in plain_of(model_part())
    record = json.loads(path.read_text())
    record["survey"]["content_hash"] = "of an earlier version"
    path.write_text(json.dumps(record))
    told = plain_of(model_part())
    assert "Version 1 of the survey is not embedded with the network that was taught" in told
    assert f"--encoder fusion --weights {path.parent.name} " in told


def test_no_other_embedding_starts_meanwhile(services: Services, db: LabelsDB) -> None:
    db.start_run("refine-1", JobKind.REFINE, "tiny", {"task": "dual"})
    script = open_page("encoders")
    assert one(script.button, "Embed").disabled
    assert "Labels are being taught to the network" in text_of(script)


def plain_of(script: AppTest) -> str:
    return text_of(script).replace("\\", "")


def test_the_owner_says_whether_it_starts_by_itself(
    services: Services, workspace: Workspace
) -> None:
    script = model_part()
    switch = one(script.toggle, BY_ITSELF)
    assert switch.value is False
    switch.set_value(True).run()
    assert is_automatic(workspace, "dual")
    script = model_part()
    assert one(script.toggle, BY_ITSELF).value is True
    one(script.toggle, BY_ITSELF).set_value(False).run()
    assert not is_automatic(workspace, "dual")
    ended = Ended("The disk is full.", 60, is_settled=False)
    note_ended(workspace, "dual", ended)
    set_automatic(workspace, "dual", True)
    assert "The disk is full. It is tried again after a while." in text_of(model_part())
    (workspace.task_scores("dual") / "teaching.json").write_text("{")
    assert "switch it on again" in text_of(model_part())
