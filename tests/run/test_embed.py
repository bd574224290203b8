"""`python -m core.run embed` and `embeddings`, and the worker that follows a choice."""

import threading

import numpy as np
import pytest

from core.run import main
from core.run_embed import run_embed
from core.run_worker import work
from core.survey import Survey
from core.workspace import open_workspace
from labels_db import LabelsDB
from tests.run.test_worker import latest, wait_for


@pytest.fixture
def survey(workspace) -> Survey:
    """The small test survey, embedded by structure."""
    path, _ = workspace
    return Survey.open(open_workspace(path), "spots")


def test_a_new_embedding_is_listed_and_chosen(workspace, survey, capsys):
    path, _ = workspace
    argv = ["embed", "spots", "--encoder", "pca", "--workspace", path, "--precision", "float32"]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "spots is embedded by pca" in said
    assert "float32" in said
    assert "Tasks and map use another embedding" in said
    assert main(["embed", "spots", "--encoder", "pca", "--choose", "--workspace", path]) == 0
    assert "Next, open it" in capsys.readouterr().out
    assert main(["embeddings", "spots", "--workspace", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 3
    assert lines[0].endswith("in use, chosen")
    assert "float16" in lines[0]
    assert main(["embeddings", "spots", "--choose", "newest", "--workspace", path]) == 0
    assert "chosen" not in capsys.readouterr().out
    assert main(["embeddings", "spots", "--choose", "embed-none", "--workspace", path]) == 2
    assert "is no finished embedding of spots" in capsys.readouterr().err


def test_a_damaged_run_is_told_and_does_not_stop_the_others(workspace, survey, capsys):
    path, _ = workspace
    torn = survey.folder / "runs" / "embed-torn"
    torn.mkdir()
    assert main(["embeddings", "spots", "--workspace", path]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Note: The run embed-torn is left out, since ")
    assert "structure" in said
    assert main(["embed", "spots", "--encoder", "pca", "--workspace", path]) == 0
    assert "note: The run embed-torn is left out" in capsys.readouterr().err


def test_what_may_not_be_asked(workspace, survey, capsys):
    path, _ = workspace
    for argv, said in (
        (["--encoder", "pca", "--rotations", "2"], "'rotations' was given"),
        (["--encoder", "vicreg", "--rotations", "2", "--set", "rotations=4"], "differ"),
        (["--batch-size", "0"], "1 to 65,536"),
        (["--encoder", "structure", "--dask", "tcp://127.0.0.1:9"], "no Dask scheduler"),
        (["--set", "rotations"], "KEY=VALUE"),
    ):
        assert main(["embed", "spots", *argv, "--workspace", path]) == 2
        assert said in capsys.readouterr().err


def test_workers_of_a_cluster_give_the_same(workspace, survey):
    from distributed import LocalCluster

    opened = open_workspace(workspace[0])
    here = run_embed(opened, "spots", "structure", batch_size=4, quiet=True)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        there = run_embed(
            opened,
            "spots",
            "structure",
            batch_size=4,
            dask=cluster.scheduler_address,
            quiet=True,
        )
    assert there.run_id != here.run_id
    assert np.array_equal(there.values, here.values, equal_nan=True)
    assert np.array_equal(there.mask, here.mask)


def test_the_resident_worker_goes_over_to_a_chosen_embedding(workspace, survey, monkeypatch):
    from core.representation import choose_embedding

    monkeypatch.setattr("core.representation.encoder.DEFAULT_ENCODER", "structure")
    path, _ = workspace
    argv = ["task", "doubles", "--survey", "spots", "--target", "double"]
    assert main([*argv, "--class", "double", "--class", "single", "--workspace", path]) == 0
    opened = open_workspace(path)
    other = run_embed(opened, "spots", "pca", quiet=True)
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(opened, "doubles"), kwargs={"stop": stop})
    thread.start()
    try:
        with LabelsDB(opened.labels) as db:
            wait_for(lambda: db.latest_model("doubles") is not None)
            assert latest(db).encoder_run != other.run_id
            choose_embedding(survey, other.run_id)
            wait_for(lambda: latest(db).encoder_run == other.run_id)
            choose_embedding(survey, None)
            wait_for(lambda: latest(db).encoder_run != other.run_id)
    finally:
        stop.set()
        thread.join(20)
