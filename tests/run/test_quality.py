"""`python -m core.run quality`: the table, what is kept, and what is refused in words."""

from __future__ import annotations

import json

import pytest

from core.representation.quality import kept, quality_runs
from core.run import main
from core.survey import Survey
from core.vocabulary import JobKind, RunState
from core.workspace import open_workspace
from labels_db import LabelsDB


def quality(path, *more):
    return main(["quality", "spots", "--workspace", path, *more])


@pytest.fixture
def embedded(workspace):
    path, truth = workspace
    assert main(["embed", "spots", "--encoder", "pca", "--workspace", path]) == 0
    return path, truth


def test_the_newest_of_each_encoder_is_assessed_and_kept(embedded, capsys):
    path, _ = embedded
    assert main(["embed", "spots", "--encoder", "pca", "--workspace", path]) == 0
    capsys.readouterr()
    assert quality(path) == 0
    said = capsys.readouterr().out
    for word in ("pca", "structure", "Two-point score", "Effective rank", "Take "):
        assert word in said
    workspace = open_workspace(path)
    survey = Survey.open(workspace, "spots")
    (record,) = quality_runs(survey)
    found = kept(record)
    assert [one.encoder for one in found.comparison.assessments] == ["pca", "structure"]
    assert len(found.sheets) == 6
    for sheet in found.sheets:
        assert set(sheet.nearest) == set(record.config["embeddings"])
        assert all(len(ids) == 8 and sheet.object_id not in ids for ids in sheet.nearest.values())
    told = json.loads((record.path / "quality.json").read_text())
    assert told["verdict"] == found.comparison.verdict
    with LabelsDB(workspace.labels) as db:
        run = next(one for one in db.runs(10) if one.kind == JobKind.QUALITY)
        assert (run.state, run.subject, run.run_id) == (RunState.DONE, "spots", record.run_id)


def test_labels_of_a_task_give_probes(embedded, capsys):
    path, truth = embedded
    asked = ["--class", "double", "--class", "single", "--target", "double"]
    assert main(["task", "pairs", "--survey", "spots", *asked, "--workspace", path]) == 0
    assert main(["import-labels", "pairs", str(truth), "--workspace", path]) == 0
    capsys.readouterr()
    assert quality(path, "--encoder", "structure", "--task", "pairs") == 0
    said = capsys.readouterr().out
    assert "AP double, linear probe" in said
    survey = Survey.open(open_workspace(path), "spots")
    (one,) = kept(quality_runs(survey)[0]).comparison.assessments
    assert (one.probes[0].n_targets, one.probes[0].n_labelled) == (8, 40)
    assert one.probes[0].linear[0] > 0.9


def test_a_task_without_labels_says_so(embedded, capsys):
    path, _ = embedded
    asked = ["--class", "double", "--class", "single", "--target", "double"]
    assert main(["task", "pairs", "--survey", "spots", *asked, "--workspace", path]) == 0
    assert quality(path, "--encoder", "structure", "--task", "pairs") == 0
    assert "the task pairs has 0 and 0; label more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--run", "no-such"], "no finished embedding of this version of spots"),
        (["--encoder", "vicreg"], "has no vicreg embedding yet"),
        (["--encoder", "none-such"], "The encoder must be one of"),
        (["--run", "a", "--encoder", "pca"], "not by both"),
        (["--seed", "-1"], "--seed must be zero or more"),
        (["--task", "none-such"], "none-such"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(workspace, capsys, more, sentence):
    assert quality(workspace[0], *more) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_a_task_of_another_survey_is_refused(workspace, tmp_path, capsys):
    path, _ = workspace
    pictures = str(tmp_path / "pictures")
    assert main(["import", pictures, "--name", "others", "--workspace", path]) == 0
    asked = ["--class", "a", "--class", "b", "--target", "a"]
    assert main(["task", "far", "--survey", "others", *asked, "--workspace", path]) == 0
    assert quality(path, "--task", "far") == 2
    assert "is about the survey others" in capsys.readouterr().err
