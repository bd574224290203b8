"""What the tests of the grid share: a survey of many small pictures, and how a page is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from core.survey import import_folder
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB, ModelRecord, QueueItem, TaskSpec
from tests.browser.conftest import CLASSES, Server, open_task, write_runs
from tests.browser.modes import forget_preferences

N_MANY = 200
TARGET, COMMON, ARTEFACT = CLASSES


def grid_workspace(folder: Path) -> Workspace:
    """A workspace with the survey `blobs`, obj_000 ...: three pages of 8 x 8."""
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:24, :24] - 11.5
    for number in range(N_MANY):
        light = 200 * np.exp(-np.hypot(x, y * rng.uniform(1, 2)) / rng.uniform(2, 5))
        pixels = np.clip(light[..., None] * rng.uniform(0.5, 1, 3) + 15, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"obj_{number:03d}.png")
    made = open_workspace(folder / "ws")
    write_runs(import_folder(made, folder / "pictures", "blobs"))
    return made


def rank(db: LabelsDB, name: str, order: list[int]) -> None:
    db.replace_queue(
        name,
        [QueueItem(f"obj_{n:03d}", place, "anomaly", 0.5, 1.0) for place, n in enumerate(order)],
        ModelRecord(
            task=name, n_labels=0, label_seq=0, sampler="anomaly", survey_version=1, seed=0
        ),
    )


def grid_task(server: Server) -> str:
    """A new task over all of them, ranked by number, for somebody who has set nothing yet."""
    forget_preferences(server)
    with LabelsDB(server.workspace.labels) as db:
        name = f"grid-{len(db.tasks())}"
        db.create_task(TaskSpec(name, "blobs", "How many nuclei?", CLASSES, CLASSES[0]))
        rank(db, name, list(range(N_MANY)))
    return name


def open_grid(page: Page, server: Server, task: str, side: int = 3) -> list[str]:
    """Open the grid at a size; the ids of its first page."""
    open_task(page, server, task)
    page.keyboard.press("g")
    page.locator(".cell").first.wait_for()
    page.get_by_label("Size of the grid").select_option(str(side))
    return page_ids(page, side * side)


def page_ids(page: Page, n: int) -> list[str]:
    """The objects of a page all of whose pictures are on screen, in reading order."""
    page.wait_for_function(
        """n => { const { grid } = window.skysiftLabeller ?? {};
             return grid?.cells.length === n && performance.now() > grid.guardedUntil
               && grid.cells.every((cell) => cell.ready && cell.node.querySelector("img")); }""",
        arg=n,
        timeout=30_000,
    )
    return ids(page)


def ids(page: Page) -> list[str]:
    """The objects of the cells in reading order, of a page whose pictures are on screen."""
    cells: list[list[str | None]] = page.locator(".cell").evaluate_all(
        "all => all.map((one) => [one.title, one.querySelector('img')?.dataset.objectId ?? ''])"
    )
    # The picture in a cell is that of the cell's object.
    assert [shown for _, shown in cells] == [name for name, _ in cells]
    return [str(name) for name, _ in cells]


def ids_by_title(page: Page) -> list[str]:
    """The same, whether or not their pictures are on screen."""
    found: list[str] = page.locator(".cell").evaluate_all("all => all.map((one) => one.title)")
    return found


def words(page: Page) -> list[str]:
    return page.locator(".cellword").all_inner_texts()


def answers(server: Server, task: str) -> list[tuple[str, str, str | None]]:
    return [(one.object_id, str(one.action), one.class_name) for one in server.events(task)]
