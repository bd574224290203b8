"""Several targets on the pages: made, changed, told, ranked by and exported."""

from __future__ import annotations

import csv
import html
import re
import uuid
from dataclasses import replace

import numpy as np
import pytest

from core.export import rank_candidates
from core.run_worker import save_class_probabilities
from core.vocabulary import Action
from labels_db import ClassDetail, LabelsDB, NewEvent
from pages._server.services import Services
from pages._shared.task_history import differences
from pages.candidates import candidate_lines
from tests.pages.conftest import IDS, rank
from tests.pages.kit import one, open_page, press, text_of
from tests.pages.test_tasks_page import open_dialog

NO = "<b>no</b>"


@pytest.fixture
def both(services: Services, db: LabelsDB) -> None:
    """The task of the tests looks for a second class, a lens, too."""
    db.add_class("dual", ClassDetail("lens"), "ann")
    db.change_task("dual", "ann", also_targets=("lens",))


def says(db: LabelsDB, n: int, class_name: str, sampler: str) -> None:
    event = NewEvent(str(uuid.uuid4()), "dual", IDS[n], 1, "cat", Action.LABEL, class_name)
    db.record(replace(event, sampler=sampler))


def test_a_new_task_looks_for_several(services: Services) -> None:
    script = open_dialog()
    one(script.text_input, "Name").set_value("hunt").run()
    one(script.text_input, "Question").set_value("What is it?").run()
    classes = next(area for area in script.text_area if area.label.startswith("Classes"))
    classes.set_value("a\nb\nrest").run()
    looked_for = one(script.multiselect, "Looking for")
    assert looked_for.value == ["a"]  # the first, until somebody chooses
    looked_for.set_value(["b", "a"])
    press(script, "Make the task")
    assert services.db().task("hunt").targets == ("b", "a")


def test_what_is_looked_for_is_changed_with_the_settings(services: Services) -> None:
    services.db().add_class("dual", ClassDetail("lens"), "ann")
    script = open_page("tasks")
    looked_for = one(script.multiselect, "Looking for")
    assert looked_for.value == ["dual"]
    looked_for.set_value(["dual", "lens"])
    press(script, "Save the settings")
    assert services.db().task("dual").targets == ("dual", "lens")
    assert "looking for dual or lens" in text_of(open_page("tasks"))
    script = open_page("tasks")
    one(script.multiselect, "Looking for").set_value([])
    press(script, "Save the settings")
    assert "The target must be one of the classes" in script.error[0].value
    one(script.multiselect, "Looking for").set_value(["dual", "lens", NO])
    press(script, "Save the settings")
    assert "One class at least is not looked for" in script.error[0].value
    old, new = (each.document for each in services.db().task_versions("dual")[-2:])
    assert differences(old, new) == ["looking for: dual → dual, lens"]
    first = {name: value for name, value in old.items() if name != "also_targets"}
    assert differences(first, old) == ["nothing changed"]  # of before there could be several


def test_the_label_page_is_told_every_target(
    both, browser, services: Services, monkeypatch
) -> None:
    monkeypatch.setattr(services, "_sampler_words", {"most_likely/kernel": "", "margin": ""})
    told = browser.get("/api/task?task=dual").json()
    assert told["targets"] == ["dual", "lens"]
    assert told["samplers"]["most_likely (lens)"].startswith("The turn of lens:")
    of_an_arm = "The turn of dual: the most likely to be it first, by kernel."
    assert told["samplers"]["most_likely/kernel (dual)"] == of_an_arm
    assert "margin (dual)" not in told["samplers"]
    for n, name in enumerate(("dual", "lens", NO)):
        body = {"event_id": str(uuid.uuid4()), "task": "dual", "object_id": IDS[n]}
        assert browser.post("/api/events", body | {"action": "label", "class_name": name}).status
    since = "2020-01-01T00:00:00%2B00:00"
    assert browser.get(f"/api/session?task=dual&since={since}").json()["finds"] == 2


def test_finds_of_each_are_drawn_and_what_is_missing_is_said(both, db: LabelsDB) -> None:
    for n in range(4):
        says(db, n, "dual" if n else NO, "most_likely (dual)")
    script = open_page("discovery")
    assert [metric.value for metric in script.metric][:2] == ["4", "3"]
    assert "No lens was found yet" in text_of(script)
    (drawn,) = (
        chart.proto.spec for chart in script.get("plotly_chart") if "finds-" in chart.proto.config
    )
    for name in ("found: dual or lens", "%{y:,} lens after", "%{y:,} dual after"):
        assert name in drawn
    table = script.dataframe[0].value
    assert table["Sampler"].tolist() == ["most_likely (dual)"]
    assert table["Shows"].tolist() == ["the most likely to be the target first"]
    says(db, 5, "lens", "anomaly")
    assert "was found yet" not in text_of(open_page("discovery"))


def chances_kept(services: Services, ids: list[str]) -> None:
    """Rank as the worker does: lenses are what dual nuclei are not."""
    rank(services.workspace, ids)
    model = services.db().latest_model("dual")
    assert model is not None
    table = np.linspace([0.8, 0.1, 0.1], [0.1, 0.1, 0.8], len(IDS)).astype(np.float32)
    path = services.workspace.task_scores("dual") / "classes" / str(model.scores_file)
    save_class_probabilities(path, table, services.db().task("dual").every_class)


def test_candidates_for_any_target_or_one(both, services: Services, db: LabelsDB) -> None:
    rank(services.workspace, IDS)
    script = open_page("candidates")
    assert "The ranking is for any target. Of each alone: None yet" in text_of(script)
    chances_kept(services, IDS)
    says(db, len(IDS) - 1, "lens", "anomaly")
    script = open_page("candidates")
    assert "Ranked by P(dual or lens) of model 2" in text_of(script)
    assert [box.label for box in script.checkbox] == [
        "Leave out what was answered other than dual or lens"
    ]
    one(script.selectbox, "Ranked by").set_value("lens").run()
    assert not script.exception
    assert "Ranked by P(lens) of model 2" in text_of(script)
    assert script.checkbox[0].label == "Leave out what was answered other than lens"


def test_the_likeliest_of_one_target_are_not_in_the_order_of_the_survey(
    both, services: Services
) -> None:
    rank(services.workspace, IDS)
    model = services.db().latest_model("dual")
    assert model is not None
    order = np.random.default_rng(0).permutation(len(IDS))
    table = np.zeros((len(IDS), 3))
    table[order, 2] = 1 - 1e-6 * np.arange(1, len(IDS) + 1)  # all 1 in half precision
    table[order, 0] = 1e-6 * np.linspace(0, 1, len(IDS))[::-1]
    table[:, 1] = 1 - table[:, 0] - table[:, 2]
    folder = services.workspace.task_scores("dual")
    classes = services.db().task("dual").every_class
    assert [classes[k] for k in (0, 2)] == ["dual", "lens"]
    save_class_probabilities(folder / "classes" / str(model.scores_file), table, classes)
    np.save(folder / str(model.scores_file), (table[:, 0] + table[:, 2]).astype(np.float32))
    script = open_page("candidates")
    one(script.selectbox, "Ranked by").set_value("lens").run()
    shown = re.findall(r'title="Open (.*?) on the label page', html.unescape(text_of(script)))
    assert shown == [IDS[row] for row in order]


def test_a_ranking_is_called_by_what_it_was_made_for(both, services: Services, db) -> None:
    rank(services.workspace, IDS)
    db.change_task("dual", "ann", also_targets=())
    script = open_page("candidates")
    assert "Ranked by P(dual or lens)" in text_of(script)
    assert "looks for dual by now" in text_of(script)
    rank(services.workspace, IDS)
    script = open_page("candidates")
    assert "Ranked by P(dual) of model 2" in text_of(script)
    assert "by now" not in text_of(script)


def test_the_table_of_candidates_names_the_targets(both, services: Services) -> None:
    chances_kept(services, IDS)
    task, survey = services.db().task("dual"), services.survey("tiny")
    scores = services.scores(task)
    assert scores is not None
    ranked = rank_candidates(survey.object_ids, scores.values)
    rows = list(csv.DictReader(candidate_lines(task, survey, scores, ranked)))
    assert {row["target"] for row in rows} == {"dual or lens"}
    lens = np.linspace(0.1, 0.8, len(IDS))
    lines = candidate_lines(task, survey, scores, ranked, ("lens",), {"lens": lens})
    rows = list(csv.DictReader(lines))
    assert {row["target"] for row in rows} == {"lens"}
    assert [float(row["P(lens)"]) for row in rows] == pytest.approx(lens)
    assert [float(row["flux"]) for row in rows] == [float(i) for i in range(len(IDS))]
