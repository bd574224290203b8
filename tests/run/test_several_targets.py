"""A task with several targets, from the command line to how its search went."""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from core.representation import Embedding
from core.run import main
from core.run_discovery import check_model, search_so_far
from core.run_worker import work
from core.survey import Survey
from core.vocabulary import Action
from core.workspace import open_workspace
from labels_db import LabelsDB, ModelRecord, NewEvent, TaskSpec
from tests.run.test_command_line import refused
from tests.run.test_discovery import SKY, N


def says(db: LabelsDB, task: str, object_id: str, class_name: str, **more: object) -> None:
    event = NewEvent(str(uuid.uuid4()), task, object_id, 1, "ann", Action.LABEL, class_name)
    db.record(NewEvent(**(vars(event) | more)))


def kind(object_id: str) -> str:
    """Every fifth object is a double, and one in ten of the others is called faint."""
    number = int(object_id[-3:])
    return "double" if number % 5 == 0 else "faint" if number % 10 == 1 else "single"


def test_from_the_command_line_to_the_queue(workspace, tmp_path, capsys, monkeypatch):
    path, _ = workspace
    argv = ["task", "hunt", "--survey", "spots", "--workspace", path, "--target", "faint"]
    for name in ("single", "double", "faint"):
        argv += ["--class", name]
    sentence = refused(capsys, *argv, "--target", "lens")
    assert "'lens' is not; choose one of them" in sentence
    assert main([*argv, "--target", "double"]) == 0
    sentence = refused(capsys, "examples", "hunt", "--id", "obj-001", "--workspace", path)
    assert "looks for faint, double" in sentence
    argv = ["examples", "hunt", "--id", "obj-001", "--class", "faint", "--workspace", path]
    assert main(argv) == 0

    monkeypatch.setattr("core.representation.encoder.DEFAULT_ENCODER", "structure")
    opened = open_workspace(path)
    survey = Survey.open(opened, "spots")
    with LabelsDB(opened.labels) as db:
        assert db.task("hunt").targets == ("faint", "double")
        for object_id in [*survey.object_ids[2:9], survey.object_ids[0]]:
            says(db, "hunt", str(object_id), kind(str(object_id)))
        db.set_strategy("hunt", "ann", learner="logistic", control_share=0)
        work(opened, "hunt", until_ranked=True)
        turns = [one.sampler for one in db.next_items("hunt", 6)]
        assert turns == [f"most_likely ({name})" for name in ("double", "faint") * 3]
        model = db.latest_model("hunt")
        assert model is not None
        assert "9 answers, 1 of them 'faint', 2 'double'" in model.state
        scores = np.load(opened.task_scores("hunt") / str(model.scores_file))
        classes = np.load(opened.task_scores("hunt") / "classes" / str(model.scores_file))
    assert scores == pytest.approx(classes["faint"] + classes["double"], abs=2e-3)

    truth = tmp_path / "kinds.csv"
    lines = [f"{one},{kind(str(one))}" for one in survey.object_ids]
    truth.write_text("\n".join(["object_id,label", *lines]))
    argv = ["simulate", "spots", "--truth", str(truth), "--workspace", path, "--budget", "20"]
    argv += ["--encoder", "structure", "--learner", "logistic", "--target", "faint"]
    assert "Each --target is named once" in refused(capsys, *argv, "--target", "faint")
    everything = refused(capsys, *argv, "--target", "double", "--target", "single")
    assert "search needs objects of another class" in everything
    argv += ["--target", "double"]
    assert main(argv) == 0
    assert " of 12 faint or double found with 20 answers" in (said := capsys.readouterr().out)
    assert main([*argv, "--out", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    (run,) = found["runs"]
    shown = [kind(step["object_id"]) for step in run["order"]]
    assert run["of_each"] == {
        "faint": [shown.count("faint"), 4],
        "double": [shown.count("double"), 8],
    }
    assert [step["is_target"] for step in run["order"]] == [one != "single" for one in shown]
    assert f"Of these {shown.count('faint')} of 4 faint, {shown.count('double')} of 8" in said


def test_how_a_search_for_several_went(tmp_path) -> None:
    with LabelsDB(tmp_path / "labels.sqlite") as db:
        spec = TaskSpec("t", "sky", "?", ("a", "b", "no"), "a", also_targets=("b",))
        task = db.create_task(spec)
        record = ModelRecord(
            task="t",
            n_labels=0,
            label_seq=0,
            sampler="most_likely",
            learner="logistic",
            survey_version=1,
            seed=0,
            task_version=task.version,
        )
        version = db.replace_queue("t", [], record)
        shown = {"score": 0.7, "model_version": version}
        for row in range(36):
            name = ("a", "b", "no", "no")[row % 4]
            says(db, "t", f"o{row}", name, sampler=f"most_likely ({'ab'[row % 2]})", **shown)
        search = search_so_far(db, task, SKY)
        assert search.found.sum() == 18
        assert {name: hits.sum() for name, hits in search.found_of.items()} == {"a": 9, "b": 9}
        assert (search.found == search.found_of["a"] | search.found_of["b"]).all()
        assert [(one.sampler, one.n_found) for one in search.tallies] == [
            ("most_likely (a)", 9),
            ("most_likely (b)", 9),
        ]
        assert search.told == pytest.approx([0.7] * 36)

        values = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
        values[:36:4, 1] += 4
        values[1:36:4, 2] += 4
        embedding = SimpleNamespace(values=values, mask=np.ones(N, dtype=bool), run_id="r")
        db.set_strategy("t", "ann", learner="logistic")
        check = check_model(db, task, SKY, cast(Embedding, embedding)).validation
        assert check.targets == (0, 1)
        assert check.is_find.sum() == 18
        assert check.precisions[-1] > 0.9
        # What was told of "a or b" says nothing of "a".
        alone = db.change_task("t", "ann", also_targets=())
        assert db.targets_at("t", task.version) == ("a", "b")
        assert np.isnan(search_so_far(db, alone, SKY).told).all()
