"""`python -m core.run group`: what it keeps, and what it refuses in words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.mapping.groups import METHODS as KNOWN
from core.mapping.groups import group
from core.representation import load_embedding
from core.run import main
from core.run_group import METHODS
from core.survey import RunFolder, Survey, finished_runs, import_folder
from core.vocabulary import JobKind, RunState
from core.workspace import open_workspace
from labels_db import LabelsDB
from tests.run.conftest import paint


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """With the survey `spots` and an embedding of 39 of its 40 objects in three heaps."""
    folder = tmp_path_factory.mktemp("groups")
    paint(folder / "pictures")
    made = open_workspace(folder / "ws")
    survey = import_folder(made, folder / "pictures", "spots")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 5)) + 20 * np.eye(5)[np.arange(40) % 5 % 3]
    values[3] = np.nan
    with RunFolder(
        survey, JobKind.EMBED, {"encoder": "fusion", "survey_version": survey.version}
    ) as run:
        np.save(run.path / "embedding.npy", values.astype(np.float16))
        np.save(run.path / "mask.npy", np.isfinite(values[:, 0]))
    return made


def run(workspace, *more):
    return main(["group", "spots", "--workspace", str(workspace.root), *more])


def newest(workspace):
    survey = Survey.open(workspace, "spots")
    return survey, finished_runs(survey, JobKind.GROUP)[0]


def test_a_run_keeps_groups_distances_and_how_they_were_made(workspace, capsys):
    assert run(workspace, "--k", "3", "--seed", "5", "--standardise") == 0
    said = capsys.readouterr().out
    assert "spots: 3 groups, by size: 16, 15, 8; 1 in none. The Groups page and the map" in said
    assert "1 object has no embedding and no group." in said
    survey, record = newest(workspace)
    groups = np.load(record.path / "groups.npy", allow_pickle=False)
    distances = np.load(record.path / "distances.npy", allow_pickle=False)
    embedding = load_embedding(survey)
    expected = group(embedding.values, k=3, seed=5, unseen=~embedding.mask, standardise=True)
    assert np.array_equal(groups, expected.groups)
    assert np.array_equal(distances, expected.distances, equal_nan=True)
    assert (groups.dtype, groups[3], np.isnan(distances[3])) == (np.int32, -1, True)
    assert record.config == {
        "method": "kmeans",
        "k": 3,
        "embedding_run": embedding.run_id,
        "encoder": "fusion",
        "standardise": True,
        "min_size": None,
        "seed": 5,
    }
    result = record.record["result"]
    assert (result["sizes"], result["in_none"]) == ([16, 15, 8], 1)
    assert record.record["survey"]["content_hash"] == survey.manifest.content_hash
    with LabelsDB(workspace.labels) as db:
        row = next(one for one in db.runs(10) if one.run_id == record.run_id)
    assert (row.kind, row.subject, row.state) == (JobKind.GROUP, "spots", RunState.DONE)


@pytest.mark.parametrize("method", [one for one in METHODS if one != "kmeans"])
def test_other_methods_and_a_proposed_number(workspace, method):
    assert run(workspace, "--method", method, "--k", "auto") == 0
    _, record = newest(workspace)
    assert (record.config["method"], record.config["k"]) == (method, None)
    assert record.record["result"]["n_groups"] == 3
    assert ("were proposed" in record.record["result"]["note"]) is (method == "mixture")
    assert json.loads((record.path / "config.json").read_text())["seed"] == 0


def test_the_command_line_knows_the_methods_that_there_are():
    assert set(METHODS) == set(KNOWN)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--k", "many"], "--k is a whole number of groups from 2 on, or auto, but is 'many'"),
        (["--k", "1"], "The number of groups is 2 to 39"),
        (["--k", "40"], "but is 40"),
        (["--seed", "-1"], "seed is zero or more"),
        (["--seed", "4294967296"], "below 4,294,967,296"),
        (["--method", "hdbscan", "--k", "5"], "hdbscan finds the number of groups by itself"),
        (["--min-size", "9"], "Only hdbscan knows a smallest size"),
        (["--embedding", "none-such"], "no finished embedding of spots"),
        (["--method", "hdbscan", "--min-size", "19"], "No place is dense enough"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_leaves_no_run(workspace, capsys, more, sentence):
    survey = Survey.open(workspace, "spots")
    before = {one.run_id for one in finished_runs(survey, JobKind.GROUP)}
    assert run(workspace, *more) == 2
    assert sentence in capsys.readouterr().err
    assert {one.run_id for one in finished_runs(survey, JobKind.GROUP)} == before
    assert not list((survey.folder / "runs").glob("*.partial"))


def test_a_survey_without_an_embedding_says_what_to_do(tmp_path, capsys):
    paint(tmp_path / "pictures", count=3)
    made = open_workspace(tmp_path / "ws")
    import_folder(made, tmp_path / "pictures", "spots")
    assert run(made) == 2
    assert "embed" in capsys.readouterr().err
