"""What a first start puts off until the first object is there, and how it makes the demo."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import app
from core.errors import NotReady
from core.vocabulary import JobKind
from pages._server.payloads import task_payload
from pages._server.services import Services
from tests.pages.conftest import IDS, embed, rank


class Children:
    """Children that note what they are asked for."""

    def __init__(self) -> None:
        self.started: list[tuple[Any, ...]] = []
        self.workers: list[str] = []
        self.running = True
        self.error: str | None = None

    def start_job(self, kind, subject, arguments, *, within=None) -> bool:
        self.started.append((kind, subject, arguments, within))
        return True

    def ensure_worker(self, task):
        self.workers.append(task)
        return SimpleNamespace(state="running", message="")

    def tasks_at_work(self) -> list[str]:
        return self.workers

    def job_running(self, _kind, _subject) -> bool:
        return self.running

    def job_error(self, _kind, _subject, _arguments=None) -> str | None:
        return self.error

    def forget_job(self, _kind, _subject) -> None:
        self.error = None

    def embedding(self) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.fixture
def children(services: Services, monkeypatch: pytest.MonkeyPatch) -> Children:
    made = Children()
    monkeypatch.setattr(services, "children", made)
    monkeypatch.setattr(services, "start_processes", True)
    monkeypatch.setattr("pages._server.services.RECHECK_SECONDS", -1.0)
    return made


def test_the_worker_loads_while_the_survey_is_embedded(services, children):
    said = task_payload(services, "dual", services.owner)
    assert said["worker"]["state"] == "preparing"
    assert children.workers == ["dual"]


def test_no_worker_is_started_after_the_embedding_failed(services, children):
    children.running, children.error = False, "The disk is full."
    said = task_payload(services, "dual", services.owner)
    assert said["worker"]["message"] == "The disk is full."
    assert children.workers == []


def test_the_map_waits_for_the_first_ranking(services, children, workspace):
    survey = services.survey("tiny")
    embed(survey)
    children.running = False
    children.workers = ["dual"]
    first = services.prepare(survey)
    assert (first.embedded, first.mapped) == (True, False)
    assert first.sentence == "The map is made after the first ranking."
    assert children.started == []
    rank(workspace, IDS)
    services.prepare(survey)
    assert children.started == [(JobKind.MAP, "tiny", ["tiny"], None)]


def test_the_map_does_not_wait_where_nobody_labels(services, children):
    survey = services.survey("tiny")
    embed(survey)
    children.running = False
    services.prepare(survey)
    assert children.started == [(JobKind.MAP, "tiny", ["tiny"], None)]


def test_a_map_that_somebody_asked_for_and_that_failed_does_not_stop_the_one_lacking(
    services, children, monkeypatch
):
    survey = services.survey("tiny")
    embed(survey)
    children.running = False
    ended = {"with": ["tiny", "--projection=tsne"]}

    def job_error(_kind, _subject, arguments=None):
        return "It is torn." if arguments in (None, ended["with"]) else None

    monkeypatch.setattr(children, "job_error", job_error)
    assert services.prepare(survey).error is None
    assert len(children.started) == 1
    ended["with"] = ["tiny"]
    assert services.prepare(survey).error == "It is torn."
    assert len(children.started) == 1


def demo_server(children: Children, *, processes: bool, tasks_after: int) -> Any:
    """Services of an empty workspace, whose demo has its task after so many looks."""
    looks = []

    def tasks():
        looks.append(1)
        return [SimpleNamespace(survey="hubble")] if len(looks) > tasks_after else []

    return SimpleNamespace(
        workspace=SimpleNamespace(surveys=SimpleNamespace(is_dir=lambda: False)),
        children=children,
        start_processes=processes,
        db=lambda: SimpleNamespace(tasks=tasks),
    )


@pytest.mark.parametrize("processes", [True, False])
def test_the_demo_is_made_and_embedded_by_one_job(processes):
    children = Children()
    app._make_demo(demo_server(children, processes=processes, tasks_after=2), "hubble")
    expected: tuple[Any, ...] = (JobKind.EMBED, "hubble", ["hubble", "--embed"], JobKind.DEMO)
    if not processes:
        expected = (JobKind.DEMO, "hubble", ["hubble"], None)
    assert children.started == [expected]


def test_a_demo_that_cannot_be_made_ends_the_start_with_its_sentence():
    children = Children()
    children.running, children.error = False, "There is no demo of that name."
    server = demo_server(children, processes=True, tasks_after=10**9)
    with pytest.raises(NotReady, match="no demo of that name"):
        app._make_demo(server, "andromeda")
