"""Fixtures of the label database: a fresh file for each test."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.vocabulary import Action
from labels_db import LabelsDB, ModelRecord, NewEvent, TaskSpec

CREW = Path(__file__).with_name("crew.py")
ROOT = Path(__file__).parents[2]


SPEC = TaskSpec("duals", "hubble", "Is it two nuclei?", ("dual", "star", "other"), "dual")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.sqlite"


@pytest.fixture
def spec() -> TaskSpec:
    return SPEC


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database with the one task `duals`, made once and copied for each test."""
    path = tmp_path_factory.mktemp("template") / "labels.sqlite"
    with LabelsDB(path) as database:
        database.create_task(SPEC)
    return path


@pytest.fixture
def db(path: Path, template: Path) -> Iterator[LabelsDB]:
    """A database of its own with the one task `duals`."""
    shutil.copy(template, path)
    with LabelsDB(path) as database:
        yield database


@pytest.fixture
def make() -> Callable[..., NewEvent]:
    """Make events with seeded UUIDs: make(object_id, class_name, **changes)."""
    generator = random.Random(7)

    def event(object_id: str, class_name: str | None = None, **changes: Any) -> NewEvent:
        given: dict[str, Any] = {
            "event_id": str(uuid.UUID(int=generator.getrandbits(128), version=4)),
            "task": "duals",
            "object_id": object_id,
            "survey_version": 1,
            "annotator": "ann",
            "action": Action.LABEL if class_name else Action.SKIP,
            "class_name": class_name,
        }
        return NewEvent(**(given | changes))

    return event


@pytest.fixture
def model() -> Callable[..., ModelRecord]:
    def record(**changes: Any) -> ModelRecord:
        given: dict[str, Any] = {
            "task": "duals",
            "n_labels": 3,
            "label_seq": 4,
            "sampler": "margin",
            "survey_version": 1,
            "seed": 5,
        }
        return ModelRecord(**(given | changes))

    return record


@pytest.fixture
def crew(path: Path) -> Callable[..., str]:
    """Run other processes on the database; see crew.py for the parts they can play."""

    def run(part: str, *arguments: object, timeout_s: float = 120) -> str:
        command = [sys.executable, "-W", "error", str(CREW), part, str(path)]
        done = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@contextlib.contextmanager
def mounted_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of that size (of tmpfs, such as "1m") mounted at `folder`, which is made."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a test mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
