"""`python -m core.run map`: versions of a map, each laid over the one before."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from core.errors import BadInput, NotFound
from core.mapping import PROJECTIONS
from core.mapping.projections import Projection
from core.representation import load_embedding
from core.run import main
from core.run_map import PROJECTION_NAMES, MapSettings, run_map
from core.run_map_before import map_before
from core.survey import Survey, finished_runs
from core.vocabulary import JobKind
from core.workspace import open_workspace
from labels_db import LabelsDB
from tests.run.conftest import paint

ENCODER = "structure"
TAUGHT = Projection(
    "umap",
    "UMAP",
    "tells what it was taught",
    lambda objects: np.column_stack([np.array(objects.classes), np.arange(len(objects.values))]),
    takes_labels=True,
)


@pytest.fixture
def opened(workspace):
    return open_workspace(workspace[0])


def places_of(survey, run_id):
    return np.load(survey.folder / "runs" / run_id / "map.npy")


def test_every_projection_can_be_asked_for():
    assert set(PROJECTION_NAMES) == set(PROJECTIONS)


def test_a_map_is_made_measured_and_laid_over_the_one_before(workspace, opened, capsys):
    path, _ = workspace
    assert (
        main(["map", "spots", "--projection", "tsne", "--encoder", ENCODER, "--workspace", path])
        == 0
    )
    said = capsys.readouterr().out
    assert "Trustworthiness 0." in said
    assert "of an object's 15 nearest" in said
    survey = Survey.open(opened, "spots")
    first = finished_runs(survey, JobKind.MAP)[0]
    assert first.config["after"] is None
    other = run_map(opened, "spots", MapSettings("tsne", ENCODER, seed=5), quiet=True)
    again = run_map(
        opened, "spots", MapSettings("tsne", ENCODER, seed=5, after=first.run_id), quiet=True
    )
    assert other["n_common"] == 40
    assert np.array_equal(
        places_of(survey, other["run_id"]), places_of(survey, again["run_id"])
    )  # of the same seed, laid over the same map
    assert other["moved"] < 0.2
    assert 0.5 < other["trustworthiness"] <= 1
    assert 0 < other["neighbours_kept"] <= 1
    newest = finished_runs(survey, JobKind.MAP)[0]
    assert newest.config["after"] == first.run_id
    axes = run_map(opened, "spots", MapSettings("pca", ENCODER), quiet=True)
    assert axes["n_arranged"] == 40
    assert not axes["started"]


def test_new_objects_are_added_where_the_others_stay(workspace, opened, tmp_path, capsys):
    path, _ = workspace
    made = run_map(opened, "spots", MapSettings("tsne", ENCODER), quiet=True)
    before = Survey.open(opened, "spots")
    old = dict(zip(before.object_ids, places_of(before, made["run_id"]), strict=True))
    paint(tmp_path / "more" / "pictures", 44, seed=3)
    for known in range(40):
        (tmp_path / "more" / "pictures" / f"obj-{known:03d}.png").unlink()
    argv = ["import", str(tmp_path / "more" / "pictures"), "--name", "spots", "--append"]
    assert main([*argv, "--workspace", path]) == 0
    survey = Survey.open(opened, "spots")
    assert (survey.version, len(survey)) == (2, 44)
    assert main(["embed", "spots", "--encoder", ENCODER, "--workspace", path]) == 0
    capsys.readouterr()
    assert main(["map", "spots", "--keep", "--encoder", ENCODER, "--workspace", path]) == 0
    assert "40 objects stayed where they were; 4 were placed" in capsys.readouterr().out
    record = finished_runs(survey, JobKind.MAP)[0]
    assert (record.config["projection"], record.config["after"]) == ("tsne", made["run_id"])
    places = places_of(survey, record.run_id)
    assert np.isfinite(places).all()
    for row, object_id in enumerate(survey.object_ids):
        if object_id in old:
            assert np.array_equal(places[row], old[object_id])


def test_a_map_taught_by_answers_is_no_start_for_others(workspace, opened, monkeypatch):
    monkeypatch.setattr("core.mapping.projections.projecting.projection", lambda name: TAUGHT)
    path, _ = workspace
    for name in ("t", "u"):
        argv = ["task", name, "--survey", "spots", "--class", "a", "--class", "b", "--target", "a"]
        assert main([*argv, "--workspace", path]) == 0
    labels = "object_id,label\n" + "\n".join(f"obj-{i:03d},{'ab'[i % 2]}" for i in range(20))
    (opened.root.parent / "labels.csv").write_text(labels + "\n")
    argv = ["import-labels", "t", str(opened.root.parent / "labels.csv"), "--workspace", path]
    assert main(argv) == 0
    taught = run_map(opened, "spots", MapSettings(encoder=ENCODER, supervised="t"), quiet=True)
    survey = Survey.open(opened, "spots")
    record = finished_runs(survey, JobKind.MAP)[0]
    assert record.config["supervised"] == "t"
    with LabelsDB(opened.labels) as db:
        assert record.config["label_seq"] == db.last_seq("t")
    codes = places_of(survey, taught["run_id"])[:, 0]
    assert codes.tolist() == [*([0, 1] * 10), *([-1] * 20)]
    assert map_before(opened, survey, projection="umap") is None
    assert map_before(opened, survey, projection="umap", taught=["u"]) is None
    found = map_before(opened, survey, projection="umap", taught=["t"])
    assert found is not None
    assert found.run_id == taught["run_id"]
    # Objects that are added need no answers: the map stays one of those that it was taught.
    monkeypatch.setattr("core.run_map._answers", None)
    run_map(opened, "spots", MapSettings("umap", ENCODER, supervised="t", keep=True), quiet=True)
    added = finished_runs(survey, JobKind.MAP)[0]
    for key in ("supervised", "label_seq", "taught_by"):
        assert added.config[key] == record.config[key]
    assert added.config["taught_by"] == ["t"]


def test_a_map_of_an_embedding_that_was_taught_answers_tells_them_too(opened):
    survey = Survey.open(opened, "spots")
    folder = survey.folder / "runs" / load_embedding(survey, ENCODER).run_id
    config = json.loads((folder / "config.json").read_text())
    refined = {"refined": {"task": "t", "earlier": ["s"], "run": "refine-1"}}
    plain = run_map(opened, "spots", MapSettings("pca", ENCODER), quiet=True)
    config["result"]["weights"] = refined
    (folder / "config.json").write_text(json.dumps(config))
    run_map(opened, "spots", MapSettings("pca", ENCODER), quiet=True)
    record = finished_runs(survey, JobKind.MAP)[0]
    assert record.config["taught_by"] == ["s", "t"]
    assert record.config["supervised"] is None
    assert record.config["after"] == plain["run_id"]
    for taught, after in ((["t"], plain["run_id"]), (["s", "t"], record.run_id)):
        found = map_before(opened, survey, projection="pca", taught=taught)
        assert found is not None
        assert found.run_id == after


def test_a_map_with_axes_is_laid_over_its_like_alone(opened):
    other = run_map(opened, "spots", MapSettings("tsne", ENCODER), quiet=True)
    first = run_map(opened, "spots", MapSettings("pca", ENCODER), quiet=True)
    assert first["n_common"] is None
    with pytest.raises(BadInput, match="laid over such"):
        run_map(opened, "spots", MapSettings("pca", ENCODER, after=other["run_id"]), quiet=True)
    kept = run_map(opened, "spots", MapSettings("umap", ENCODER, keep=True), quiet=True)
    assert kept["notes"][0] == f"Objects were added to {first['run_id']}, a map by pca."


def test_what_may_not_be_asked(workspace, capsys):
    path, _ = workspace
    task = ["task", "t", "--survey", "spots", "--class", "a", "--class", "b", "--target", "a"]
    assert main([*task, "--workspace", path]) == 0
    for argv, said in (
        (["--supervised", "ghost"], "ghost"),
        (["--supervised", "t"], "answers needs some of two classes"),
        (["--supervised", "t", "--projection", "pca"], "Only umap can be taught"),
        (["--seed", "-1"], "zero or more"),
        (["--embedding", "embed-none"], "is no finished embedding of spots"),
        (["--after", "map-none"], "is no finished map of spots"),
        (["--keep"], "has no map yet"),
        (["--keep", "--anew"], "leave out --anew"),
    ):
        encoder = [] if "--embedding" in argv else ["--encoder", ENCODER]
        assert main(["map", "spots", *argv, *encoder, "--workspace", path]) == 2
        assert said in capsys.readouterr().err


def test_an_earlier_map_that_cannot_be_used_is_told(workspace, opened):
    settings = MapSettings("pca", ENCODER)
    first = run_map(opened, "spots", settings, quiet=True)
    survey = Survey.open(opened, "spots")
    folder = survey.folder / "runs" / first["run_id"]
    for torn in (b"torn", b""):
        (folder / "map.npy").write_bytes(torn)
        made = run_map(opened, "spots", settings, quiet=True)
        assert "cannot be read" in made["notes"][0]
        shutil.rmtree(survey.folder / "runs" / made["run_id"])
    config = json.loads((folder / "config.json").read_text())
    config["survey"] = {"name": "spots", "version": 9, "content_hash": "gone"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(NotFound, match="not there any more"):
        map_before(opened, survey, projection="pca", run_id=first["run_id"])
