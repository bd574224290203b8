"""What the tests of marking share: a survey of pairs of nuclei, and how marks are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from core.survey import Batch, SurveyWriter
from core.survey.batch import CatalogueValue
from core.vocabulary import Action
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB, ModelRecord, QueueItem, TaskSpec
from tests.browser.conftest import Server

SIDE = 64
SCALE = 0.4
NUCLEI = ((28.0, 30.0), (35.0, 34.0))
SEPARATION_PX = float(np.hypot(7, 4))
CD = (-0.9e-4, 0.44e-4, 0.43e-4, 0.91e-4)
CLASSES = ("two nuclei", "<b>one</b>", "artefact")


def make_survey(workspace: Workspace) -> None:
    """Twelve pairs of nuclei of 3 : 1; the last one is empty sky."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    light = sum(
        flux * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 2.5)
        for (px, py), flux in zip(NUCLEI, (300.0, 100.0), strict=True)
    )
    ids = [f"pair_{number:02d}" for number in range(12)]
    images = rng.normal(0, 1, (len(ids), 3, SIDE, SIDE)).astype(np.float32)
    images[:-1] += light
    names = ["wcs_crval1", "wcs_crval2", "wcs_crpix1", "wcs_crpix2"]
    names += ["wcs_cd1_1", "wcs_cd1_2", "wcs_cd2_1", "wcs_cd2_2"]
    row: dict[str, CatalogueValue] = dict(
        zip(names, (185.7, 15.8, 32.5, 32.5, *CD), strict=True), z=0.1
    )
    with SurveyWriter(
        workspace,
        "pairs",
        bands=("g", "r", "i"),
        cutout_size_px=SIDE,
        dtype="float32",
        origin="made for a test",
        licence="none",
        pixel_scale_arcsec=SCALE,
    ) as writer:
        writer.append(Batch(ids, images, [row] * len(ids)))
        writer.commit()


def pairs_server(folder: Path) -> Iterator[Server]:
    """A server, without workers, of a workspace with the survey "pairs"."""
    workspace = open_workspace(folder / "ws")
    make_survey(workspace)
    running = Server(workspace, "--no-workers")
    running.start()
    yield running
    running.stop()


def pairs_task(server: Server) -> str:
    """A new task of the survey, pair_00 first."""
    with LabelsDB(server.workspace.labels) as db:
        name = f"marks-{len(db.tasks())}"
        db.create_task(TaskSpec(name, "pairs", "How many nuclei?", CLASSES, CLASSES[0]))
        items = [QueueItem(f"pair_{n:02d}", n, "anomaly", 0.5, 1.0) for n in range(12)]
        db.replace_queue(
            name,
            items,
            ModelRecord(
                task=name, n_labels=0, label_seq=0, sampler="anomaly", survey_version=1, seed=0
            ),
        )
    return name


def click_pixel(page: Page, x: float, y: float, **more) -> None:
    """Click the picture at a position in its own pixels."""
    place = page.evaluate("([x, y]) => window.skysiftLabeller.stage.placeOf({x, y})", [x, y])
    page.locator(".frame").click(position=place, **more)


def fresh(page: Page) -> list[dict]:
    """The marks that are not saved yet."""
    return page.evaluate("window.skysiftLabeller.marking.marks")


def settle(page: Page) -> None:
    """Wait until nothing is being measured."""
    page.wait_for_function("window.skysiftLabeller.marking.measuring === null")


def suggested(page: Page) -> None:
    """Wait for two suggested nuclei; the first one of a server imports photutils."""
    expect(page.locator(".mark.suggested.nucleus")).to_have_count(2, timeout=30_000)


def marks_of(server: Server, task: str) -> list[list[dict]]:
    found = [event for event in server.events(task) if event.action == Action.MARK]
    return [event.payload["marks"] for event in found if event.payload]


def assert_at(mark: dict, place: tuple[float, float], within: float = 0.2) -> None:
    assert np.hypot(mark["x_px"] - place[0], mark["y_px"] - place[1]) < within
