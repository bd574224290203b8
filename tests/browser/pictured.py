"""Surveys for the tests of the picture: five bands with astrometry, colours, and odd ones."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from core.representation import DEFAULT_ENCODER
from core.survey import Batch, RunFolder, Survey, SurveyWriter
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB, ModelRecord, QueueItem, TaskSpec
from tests.browser.conftest import Server, on_screen

BANDS = ("u", "g", "r", "i", "z")
SIDE = 64
SCALE_ARCSEC = 0.4
RA, DEC, Z = 185.7289, 15.8223, 0.1
CLASSES = ("two nuclei", "one")


def five_bands(number: int) -> np.ndarray:
    """(5, 64, 64) float32: two nuclei four pixels apart on noise, brighter to the red."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    light = 40 * np.exp(-np.hypot(x, 1.4 * y) / 7)
    for place in (-2.0, 2.0 + number):
        light += 25 * np.exp(-((x - place) ** 2 + y**2) / 3)
    colours = np.linspace(0.4, 1.6, len(BANDS))[:, None, None]
    noise = rng.normal(0, 0.8, (len(BANDS), SIDE, SIDE))
    return (light * colours + noise).astype(np.float32)


def write(
    workspace: Workspace,
    name: str,
    images: Sequence[np.ndarray],
    bands: Sequence[str],
    columns: dict[str, Any],
    pixel_scale_arcsec: float | None = None,
) -> Survey:
    """A survey of these images, o0, o1, ..., embedded at random."""
    with SurveyWriter(
        workspace,
        name,
        bands=bands,
        cutout_size_px=images[0].shape[-1],
        dtype=str(images[0].dtype),
        origin="made for a test",
        licence="none",
        pixel_scale_arcsec=pixel_scale_arcsec,
    ) as writer:
        ids = [f"o{number}" for number in range(len(images))]
        writer.append(Batch(object_ids=ids, images=list(images), columns=[columns] * len(ids)))
        survey = writer.commit()
    config = {"encoder": DEFAULT_ENCODER, "survey_version": survey.version}
    with RunFolder(survey, JobKind.EMBED, config) as run:
        values = np.random.default_rng(0).normal(size=(len(survey), 4)).astype(np.float32)
        np.save(run.path / "embedding.npy", values)
        np.save(run.path / "mask.npy", np.ones(len(survey), bool))
    return survey


def make_workspace(folder: Path) -> Workspace:
    """Surveys five, rgb, dot (1 px), blank (NaN, constant, negative) and big (2,000 px)."""
    workspace = open_workspace(folder / "ws")
    rng = np.random.default_rng(0)
    sky = {"ra": RA, "dec": DEC, "z": Z}
    write(workspace, "five", [five_bands(n) for n in range(4)], BANDS, sky, SCALE_ARCSEC)
    pictures = [rng.integers(0, 255, (3, 32, 32), dtype=np.uint8) for _ in range(3)]
    write(workspace, "rgb", pictures, ("R", "G", "B"), {})
    write(workspace, "dot", [np.full((1, 1, 1), n, np.float32) for n in range(2)], ("r",), {})
    hole = np.full((2, 16, 16), np.nan, np.float32)
    hole[:, 15, 12:] = 1  # with nothing at all it would have no picture
    flat = np.full((2, 16, 16), 3, np.float32)
    below = rng.normal(-50, 3, (2, 16, 16)).astype(np.float32)
    write(workspace, "blank", [hole, flat, below], ("g", "r"), {})
    big = [rng.normal(0, 1, (2, 2000, 2000)).astype(np.float32) for _ in range(2)]
    write(workspace, "big", big, ("g", "r"), {})
    return workspace


def new_task(server: Server, survey: str, n: int) -> str:
    """A new task of a survey, o0 first."""
    with LabelsDB(server.workspace.labels) as db:
        name = f"task-{len(db.tasks())}"
        db.create_task(TaskSpec(name, survey, "How many nuclei?", CLASSES, CLASSES[0]))
        items = [QueueItem(f"o{number}", number, "anomaly", 0.5, 1.0) for number in range(n)]
        record = ModelRecord(
            task=name, n_labels=0, label_seq=0, sampler="anomaly", survey_version=1, seed=0
        )
        db.replace_queue(name, items, record)
    return name


def look(page: Page, server: Server, task: str) -> None:
    """Open o0 of a task in a browser that keeps no look of an earlier test."""
    page.goto(f"{server.origin}/?task={task}&object=o0")
    assert on_screen(page) == "o0"
    page.evaluate(
        "async () => { const { skysiftLabeller: page } = window; page.act('resetLook');"
        " page.stage.set({ pixels: false, crosshair: false, next: 'recentre' });"
        " page.palette.open(false); page.stage.fit(); await page.kept.save(); }"
    )
    settled(page)


def settled(page: Page) -> None:
    """Wait until the picture on the stage is the one of the present look."""
    page.wait_for_function(
        "() => { const { skysiftLabeller: page } = window;"
        " const one = page.pictures.get(page.current.object_id);"
        " return one.state === 'ready' && page.stage.img === one.img"
        " && page.stage.canvas.hidden; }"
    )


def drawn(page: Page) -> np.ndarray:
    """Pixels (y, x, 3) of the picture on the stage, at the size that came."""
    settled(page)
    return _pixels(page, "window.skysiftLabeller.stage.img")


def dragged(page: Page) -> np.ndarray:
    """Pixels (y, x, 3) of the stage's canvas, once something is drawn on it."""
    page.wait_for_function("() => !window.skysiftLabeller.stage.canvas.hidden")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return _pixels(page, "window.skysiftLabeller.stage.canvas")


def _pixels(page: Page, what: str) -> np.ndarray:
    height, width, values = page.evaluate(
        "() => { const from = " + what + ";"
        " const canvas = document.createElement('canvas');"
        " canvas.width = from.naturalWidth ?? from.width;"
        " canvas.height = from.naturalHeight ?? from.height;"
        " const context = canvas.getContext('2d'); context.drawImage(from, 0, 0);"
        " const { data } = context.getImageData(0, 0, canvas.width, canvas.height);"
        " let text = ''; for (const one of data) text += String.fromCharCode(one);"
        " return [canvas.height, canvas.width, btoa(text)]; }"
    )
    flat = np.frombuffer(base64.b64decode(values), np.uint8)
    return flat.reshape(height, width, 4)[..., :3].astype(int)


def from_server(page: Page, size: int = 0) -> np.ndarray:
    """What the server draws of the object on the stage in the present look: (y, x, 3)."""
    address = page.evaluate(
        f"() => {{ const {{ skysiftLabeller: page }} = window;"
        f" return page.pictureAddress(page.current.object_id, {size}); }}"
    )
    answer = page.request.get(address)
    assert answer.ok, answer.text()
    return np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB")).astype(int)
