"""What the tests of the label page's modes share."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from core.vocabulary import Action
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem, TaskSpec
from tests.browser.conftest import CLASSES, Server, eventually, on_screen, press
from tests.browser.pictured import BANDS, SIDE, write

N_FIVE = 80


def five_band_picture(rng: np.random.Generator, double: bool) -> np.ndarray:
    """(5, 64, 64) float32: a galaxy on noise, redder to its middle; `double` has two nuclei."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    turn = rng.uniform(0, np.pi)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    disc = np.exp(-np.hypot(along, rng.uniform(1, 2.5) * across) / rng.uniform(5, 11))
    bulge = np.exp(-(x**2 + y**2) / 12)
    if double:
        bulge += np.exp(-((along - 8) ** 2 + across**2) / 9)
    tone = np.linspace(0, 1, len(BANDS))[:, None, None]
    noise = rng.normal(0, 0.8, (len(BANDS), SIDE, SIDE))
    return (45 * disc * (1.2 - 0.7 * tone) + 40 * bulge * (0.2 + tone) + noise).astype(np.float32)


def five_band_workspace(folder: Path) -> Workspace:
    """A workspace with the survey `five`: o0, o1, ..., every eighth a double."""
    workspace = open_workspace(folder / "ws")
    rng = np.random.default_rng(4)
    images = [five_band_picture(rng, number % 8 == 0) for number in range(N_FIVE)]
    write(workspace, "five", images, BANDS, {"ra": 150.1, "dec": 2.2, "z": 0.4}, 0.2)
    return workspace


def new_task(server: Server, survey: str = "five", n: int = N_FIVE) -> str:
    """A new task of a survey, o0 first, for somebody who has set nothing yet."""
    forget_preferences(server)
    with LabelsDB(server.workspace.labels) as db:
        name = f"task-{len(db.tasks())}"
        db.create_task(TaskSpec(name, survey, "How many nuclei?", CLASSES, CLASSES[0]))
        items = [QueueItem(f"o{number}", number, "anomaly", 0.5, 1.0) for number in range(n)]
        record = ModelRecord(
            task=name, n_labels=0, label_seq=0, sampler="anomaly", survey_version=1, seed=0
        )
        db.replace_queue(name, items, record)
    return name


def forget_preferences(server: Server) -> None:
    """As if nobody had set anything yet: preferences outlive a test, as they should."""
    with closing(sqlite3.connect(server.workspace.labels, timeout=10)) as conn, conn:
        conn.execute("DELETE FROM preferences")


def go_on(page: Page, key: str) -> str:
    """Press an answer's key and wait for another object; the one that was answered."""
    before = press(page, key)
    eventually(lambda: on_screen(page) != before)
    return before


def answer(server: Server, task: str, classes: Mapping[str, str]) -> None:
    """Record answers of a colleague: object_id -> class."""
    with LabelsDB(server.workspace.labels) as db:
        for object_id, word in classes.items():
            event = NewEvent(
                event_id=str(uuid.uuid4()),
                task=task,
                object_id=object_id,
                survey_version=1,
                annotator="colleague",
                action=Action.LABEL,
                class_name=word,
            )
            db.record(event)
