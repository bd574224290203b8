"""The owner gives a task known examples: ids that are typed, and a picture from elsewhere."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from core.run_pictures import known_pictures, picture_content
from tests.browser.conftest import CLASSES, eventually


def a_picture() -> bytes:
    y, x = np.mgrid[:60, :60] - 29.5
    light = 180 * np.exp(-np.hypot(x, y) / 6)[..., None] + np.full(3, 14.0)
    handle = io.BytesIO()
    Image.fromarray(np.clip(light, 0, 255).astype(np.uint8)).save(handle, format="JPEG")
    return handle.getvalue()


def test_ids_and_pictures_become_known_examples(page, server, task):
    page.goto(f"{server.origin}/tasks?task={task}")
    page.get_by_role("tab", name="Known examples").click(timeout=60_000)
    page.get_by_label("Ids or positions, one a line").fill("obj_06\nobj_12\nnobody")
    page.get_by_role("button", name="Look them up").click()
    page.get_by_text("'nobody' is no object of the survey").wait_for(timeout=30_000)
    page.get_by_role("button", name=f"Label 2 objects as {CLASSES[0]}").click()
    eventually(lambda: server.labels(task) == dict.fromkeys(("obj_06", "obj_12"), CLASSES[0]))
    page.get_by_text("2 objects of the survey are known examples").wait_for()

    box = page.locator("input[type=file][multiple]")
    box.set_input_files({"name": "twin.jpg", "mimeType": "image/jpeg", "buffer": a_picture()})
    page.get_by_text("As the survey would hold them:").wait_for(timeout=30_000)
    page.get_by_role("button", name=f"Keep 1 picture as {CLASSES[0]}").click()
    page.get_by_text("1 picture is a known example:").wait_for(timeout=30_000)
    (kept,) = known_pictures(server.workspace, task)
    assert (kept.file_name, kept.class_name) == ("twin.jpg", CLASSES[0])
    assert picture_content(server.workspace, task, kept.sha256) == a_picture()
