"""A workspace with a small survey and a task, and the app's routes over it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from starlette.applications import Starlette
from streamlit.components.v2 import manifest_scanner

from core.representation import DEFAULT_ENCODER
from core.survey import Batch, RunFolder, Survey, SurveyWriter
from core.vocabulary import JobKind, Role
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB, ModelRecord, QueueItem, TaskSpec
from pages._server.identity import Identity, IdentityMiddleware, install_resolver
from pages._server.routes import make_routes
from pages._server.services import Services, install
from tests.pages.asgi import Browser

TOKEN = "a-token-of-the-tests"
ROLES = {"ann": Role.OWNER, "cat": Role.ANNOTATOR, "vic": Role.VIEWER}
Job = tuple[JobKind, str, list[str]]
IDS = [f"g{i}" for i in range(8)] + ["α/β <b>&"]


def make_survey(workspace: Workspace, seed: int = 0) -> Survey:
    images = np.random.default_rng(seed).integers(0, 255, (len(IDS), 3, 8, 8), dtype=np.uint8)
    with SurveyWriter(
        workspace,
        "tiny",
        bands=("R", "G", "B"),
        cutout_size_px=8,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        writer.append(
            Batch(
                object_ids=list(IDS),
                images=images,
                columns=[{"flux": float(i), "hole": float("nan")} for i in range(len(IDS))],
            )
        )
        return writer.commit()


def embed(survey: Survey, name: str = DEFAULT_ENCODER, seed: int = 1) -> None:
    """Write a finished embedding run."""
    with RunFolder(
        survey, JobKind.EMBED, {"encoder": name, "survey_version": survey.version}
    ) as run:
        values = np.random.default_rng(seed).normal(size=(len(survey), 4)).astype(np.float32)
        np.save(run.path / "embedding.npy", values)
        np.save(run.path / "mask.npy", np.ones(len(survey), bool))


def rank(workspace: Workspace, ids: list[str], *, learner: str | None = "averaged") -> int:
    """Do what the worker does: put `ids` into the queue in that order, with their scores."""
    scores = np.linspace(0.9, 0.1, len(IDS), dtype=np.float32)
    folder = workspace.task_scores("dual")
    folder.mkdir(parents=True, exist_ok=True)
    with LabelsDB(workspace.labels) as db:
        name = f"seq{db.last_seq('dual')}-{len(db.models('dual'))}.npy"
        np.save(folder / name, scores)
        return db.replace_queue(
            "dual",
            [
                QueueItem(one, place, "control" if place == 1 else "most_likely", 0.5, 1.0)
                for place, one in enumerate(ids)
            ],
            ModelRecord(
                task="dual",
                n_labels=4,
                label_seq=db.last_seq("dual"),
                sampler="most_likely",
                learner=learner,
                survey_version=1,
                seed=0,
                scores_file=name,
                task_version=db.task("dual").version,
            ),
        )


@pytest.fixture(scope="session", autouse=True)
def installed_components_are_looked_for_once() -> Iterator[None]:
    """AppTest reads the metadata of every installed package at each run of a script, to find
    components: five sixths of the time that a page takes."""
    with pytest.MonkeyPatch.context() as patch:
        scan = manifest_scanner.scan_component_manifests
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(scan))
        yield


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace that each test gets a copy of: making it takes twenty times as long."""
    made = open_workspace(tmp_path_factory.mktemp("made") / "ws")
    make_survey(made)
    with LabelsDB(made.labels) as database:
        database.create_task(
            TaskSpec("dual", "tiny", "Two nuclei?", ("dual", "<b>no</b>"), "dual")
        )
    return made.root


@pytest.fixture
def workspace(made_once: Path, tmp_path: Path) -> Workspace:
    """With the survey `tiny` and the task `dual` on it."""
    return open_workspace(shutil.copytree(made_once, tmp_path / "ws"))


@pytest.fixture
def db(workspace: Workspace) -> Iterator[LabelsDB]:
    """The workspace's label database."""
    with LabelsDB(workspace.labels) as database:
        yield database


@pytest.fixture
def services(workspace: Workspace) -> Iterator[Services]:
    """Services that start no process."""
    made = Services(workspace, Identity("owner", "ann", Role.OWNER), start_processes=False)
    install(made)
    install_resolver(lambda _: made.owner)
    yield made
    install_resolver(None)
    install(None)
    made.close()


@pytest.fixture
def sign_in(services: Services) -> Iterator[Callable[[str], None]]:
    """Say who looks at the pages from now on; the owner, ann, until then."""

    def as_person(name: str) -> None:
        install_resolver(lambda _: Identity(name, name, ROLES[name]))

    as_person("ann")
    yield as_person
    install_resolver(None)


@pytest.fixture
def jobs(services: Services, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that are started instead of being run."""
    started: list[Job] = []

    def start_job(kind: JobKind, subject: str, arguments: Sequence[str]) -> bool:
        started.append((kind, subject, list(arguments)))
        return True

    monkeypatch.setattr(services.children, "start_job", start_job)
    return started


@pytest.fixture
def tiny(services: Services) -> Survey:
    """The small survey."""
    return services.survey("tiny")


@pytest.fixture
def browser(services: Services) -> Browser:
    """A browser that is signed in."""
    app = IdentityMiddleware(
        Starlette(routes=make_routes(services)), token=TOKEN, identity=services.owner, port=8501
    )
    signed_in = Browser(app)
    signed_in.get(f"/?token={TOKEN}")
    return signed_in


def _signed_in_as(services: Services, role: Role, name: str) -> Browser:
    app = IdentityMiddleware(
        Starlette(routes=make_routes(services)),
        token=TOKEN,
        identity=Identity(name, name, role),
        port=8501,
    )
    signed_in = Browser(app)
    signed_in.get(f"/?token={TOKEN}")
    return signed_in


@pytest.fixture
def annotator(services: Services) -> Browser:
    """Somebody who may label and look."""
    return _signed_in_as(services, Role.ANNOTATOR, "cat")


@pytest.fixture
def viewer(services: Services) -> Browser:
    """Somebody who may look."""
    return _signed_in_as(services, Role.VIEWER, "vic")
