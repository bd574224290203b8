"""The Look-alikes page as a person uses it: upload, pick, select, search on, reload."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from core.representation import choose_embedding, embed
from core.survey import Survey
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB
from tests.browser.conftest import Server

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def server(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With an embedding whose encoder is there, so that it can be shown other pictures."""
    root = tmp_path_factory.mktemp("similar") / "ws"
    shutil.copytree(workspace.root, root, ignore=shutil.ignore_patterns("labels*"))
    made = open_workspace(root)
    survey = Survey.open(made, "blobs")
    choose_embedding(survey, embed(survey, "pca", options={"components": 12}).run_id)
    running = Server(made, "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def patience(page: Page) -> None:
    """On a busy machine the first page of a server takes its time."""
    page.set_default_timeout(PATIENCE_MS)


def cells(page: Page) -> Locator:
    return page.locator(".sheet li")


def cell(page: Page, object_id: str) -> Locator:
    return page.locator(f'.sheet li[data-id="{object_id}"]')


def first_is(page: Page, object_id: str) -> None:
    expect(cells(page).first).to_have_attribute("data-id", object_id, timeout=PATIENCE_MS)


def in_address(page: Page, name: str) -> str:
    """What the address says, once it does."""
    page.wait_for_function(f"location.search.includes('{name}=')", timeout=PATIENCE_MS)
    return str(page.evaluate(f"new URLSearchParams(location.search).get('{name}')"))


def nearest(server: Server, row: int) -> list[int]:
    """Rows by cosine distance, by a plain sort."""
    survey = Survey.open(server.workspace, "blobs")
    from core.representation import load_embedding

    values = load_embedding(survey).rows().astype(np.float64)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    order = np.argsort(1 - unit @ unit[row], kind="stable")
    return [int(one) for one in order if one != row]


def test_an_uploaded_picture_puts_its_twin_first(page: Page, server: Server, task: str) -> None:
    survey = Survey.open(server.workspace, "blobs")
    row = survey.row("obj_17")
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(survey.image(row), 0, -1)).save(file, "JPEG", quality=85)
    page.goto(f"{server.origin}/similar?task={task}")
    page.get_by_role("button", name="Upload a picture").click(timeout=PATIENCE_MS)
    page.locator("input[type=file]").set_input_files(
        {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}
    )
    page.get_by_role("button", name="Look for it").click()
    first_is(page, "obj_17")
    expect(cells(page).first).to_contain_text("same picture")
    expect(page.locator(".sheet .twin")).to_have_count(1)
    page.reload()  # the link has the picture
    first_is(page, "obj_17")


def test_picks_become_the_selection_and_a_find_searches_on(
    page: Page, server: Server, task: str
) -> None:
    survey = Survey.open(server.workspace, "blobs")
    page.goto(f"{server.origin}/similar?task={task}&object=obj_06")
    order = [str(survey.object_ids[row]) for row in nearest(server, survey.row("obj_06"))]
    first_is(page, order[0])
    shown = [one.get_attribute("data-id") for one in cells(page).all()]
    assert shown == order[:48]
    for place in (1, 4):
        cell(page, order[place]).locator("img").click()
    page.get_by_role("button", name="Select the 2 picked").click(timeout=PATIENCE_MS)
    selection = in_address(page, "selection")
    with LabelsDB(server.workspace.labels) as db:
        assert db.selection(selection).n_objects == 2
    from pages._server.selections import Selections

    with LabelsDB(server.workspace.labels) as db:
        rows = Selections(server.workspace, lambda: db).rows(selection, survey)
    assert {str(survey.object_ids[row]) for row in rows} == {order[1], order[4]}
    expect(page.get_by_text("Selection without a name")).to_be_visible(timeout=PATIENCE_MS)
    # Not like the nearest one: it is an example now, and no find any more.
    cell(page, order[0]).get_by_title("Not like this one").click()
    expect(cell(page, order[0])).to_have_count(0, timeout=PATIENCE_MS)
    # It is another search: what was picked in the one before is picked nowhere any more.
    expect(page.get_by_role("button", name="Select the picked")).to_be_disabled(
        timeout=PATIENCE_MS
    )
    expect(page.locator(".sheet input:checked")).to_have_count(0)
    examples = json.loads(in_address(page, "examples"))
    assert examples == [{"o": "obj_06"}, {"o": order[0], "w": -1}]
    cell(page, order[7]).get_by_title("Look-alikes of this one").click()
    first_is(page, str(survey.object_ids[nearest(server, survey.row(order[7]))[0]]))
    assert in_address(page, "object") == order[7]


def test_a_part_is_drawn_on_the_picture(page: Page, server: Server, task: str) -> None:
    page.goto(f"{server.origin}/similar?task={task}&object=obj_06")
    page.get_by_role("button", name="Part of a picture").click()
    canvas = page.locator("[data-testid=stPopoverBody] .nsewdrag").first
    expect(canvas).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("[data-testid=stPopoverBody] image")).to_have_count(1)
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.625, steps=8)
    page.mouse.up()
    side = Survey.open(server.workspace, "blobs").manifest.cutout_size_px
    part = [side // 4, side // 4, 3 * side // 4, round(side * 0.625)]
    for name, edge in zip(("x from", "y from (top)", "x to", "y to"), part, strict=True):
        expect(page.get_by_label(name, exact=True).first).to_have_value(
            str(edge), timeout=PATIENCE_MS
        )
    page.get_by_role("button", name="Look for this part").click()
    assert json.loads(in_address(page, "examples")) == [{"o": "obj_06", "at": part}]
