"""--dask: a search goes over a large survey on a cluster, and what is said without one."""

from __future__ import annotations

import pytest
from distributed import LocalCluster

import app
from core.discovery import partitions, prepare, shortlist, wide
from core.errors import BadInput
from core.run import main
from core.run_worker import work
from core.workspace import open_workspace
from labels_db import LabelsDB
from pages._server import processes
from tests.run.test_simulate import command
from tests.run.test_worker import answer, latest, truth

NOWHERE = "tcp://127.0.0.1:9"
TASK = ["task", "doubles", "--survey", "spots", "--target", "double", "--class", "double"]


def test_the_worker_of_a_task_hands_the_survey_to_a_cluster(workspace, monkeypatch):
    path, _ = workspace
    assert main([*TASK, "--class", "single", "--workspace", path]) == 0
    monkeypatch.setattr("core.representation.encoder.DEFAULT_ENCODER", "structure")
    for module in (shortlist, wide):
        monkeypatch.setattr(module, "FULL_ROWS", 20)
    for module in (prepare, partitions):
        monkeypatch.setattr(module, "CHUNK", 8)
    monkeypatch.setattr(partitions, "PART_ROWS", 16)
    opened = open_workspace(path)
    names = [f"obj-{number:03d}" for number in range(12)]
    with LabelsDB(opened.labels) as db:
        for object_id in names:
            answer(db, object_id, truth(object_id))
        work(opened, "doubles", until_ranked=True)
        here = [(item.object_id, item.score) for item in db.next_items("doubles", 40)]
        assert len(here) == 28
        assert "a simpler model all the others; by" in latest(db).state
        answer(db, names[0], truth(names[0]))  # so that it is ranked anew
        with LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster:
            work(opened, "doubles", until_ranked=True, dask=cluster.scheduler_address)
        assert "a simpler model all the others on 2 Dask workers; by" in latest(db).state
        assert [(item.object_id, item.score) for item in db.next_items("doubles", 40)] == here


@pytest.mark.parametrize("address", [NOWHERE, "smoke://signal"])
def test_an_address_without_a_scheduler_is_told(workspace, address, capsys):
    path, _ = workspace
    assert main([*TASK, "--class", "single", "--workspace", path]) == 0
    for given in (
        ["worker", "doubles", "--once", "--workspace", path],
        command(workspace, "--budget", "5"),
    ):
        capsys.readouterr()
        assert main([*given, "--dask", address]) == 2
        said = capsys.readouterr().err
        assert f"There is no Dask scheduler at '{address}'" in said
        assert said.rstrip().endswith("or leave --dask out.")


def test_the_app_asks_for_the_scheduler_before_it_makes_anything(tmp_path):
    root = tmp_path / "ws"
    for more, said in (
        (["--dask", NOWHERE], r"There is no Dask scheduler at 'tcp://127\.0\.0\.1:9'"),
        (["--dask", "local", "--no-workers"], r"starts none; give it to `python -m core\.run"),
    ):
        with pytest.raises(BadInput, match=said):
            app._serve(app._parser().parse_args(["--workspace", str(root), *more]))
    assert not root.exists()


def test_the_app_hands_the_address_to_its_workers(tmp_path, monkeypatch):
    started = []

    class Process:
        stdin = None

        def __init__(self, command, **_):
            started.append(command)

        def poll(self):
            return None

    monkeypatch.setattr(processes.subprocess, "Popen", Process)
    workspace = open_workspace(tmp_path / "ws")
    processes.Children(workspace, NOWHERE).ensure_worker("a")
    processes.Children(workspace).ensure_worker("a")
    first, second = started
    assert first[first.index("worker") :][:4] == ["worker", "a", "--dask", NOWHERE]
    assert "--dask" not in second
