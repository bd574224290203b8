"""A thousand objects picked by a filter, labelled at once and taken back, as a person does it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from core.survey import Batch, SurveyWriter
from core.survey.batch import CatalogueValue
from core.workspace import Workspace
from labels_db import LabelsDB, TaskSpec
from tests.browser.conftest import Server

N_MANY = 3000
FAINT = 21.5
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def bright(workspace: Workspace) -> set[str]:
    """The survey `many`, in the order of no column; returns the ids of its 1,000 bright ones."""
    rng = np.random.default_rng(5)
    places = rng.permutation(N_MANY)
    names = [f"many-{place:04d}" for place in places]
    mags = np.where(places < 1000, FAINT - 0.01 - places / 500, FAINT + places / 500)
    with SurveyWriter(
        workspace,
        "many",
        bands=("r",),
        cutout_size_px=8,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        images = rng.integers(0, 255, (N_MANY, 1, 8, 8), dtype=np.uint8)
        columns: list[dict[str, CatalogueValue]] = [
            {"mag": float(mag), "flag": bool(mag > 23)} for mag in mags
        ]
        writer.append(Batch(object_ids=names, images=images, columns=columns))
        writer.commit()
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("many", "many", "What is it?", ("star", "galaxy"), "star"))
    return {name for name, mag in zip(names, mags, strict=True) if mag < FAINT}


def seen(what: Locator) -> None:
    expect(what).to_be_visible(timeout=WAIT_MS)


def test_a_filtered_thousand_is_labelled_by_id_survives_and_is_undone(
    page: Page, server: Server, bright: set[str]
) -> None:
    page.goto(f"{server.origin}/selections?task=many&part=table")
    page.get_by_role("button", name="Add a condition").click(timeout=30_000)
    page.get_by_role("combobox", name="Column").last.click()
    page.keyboard.type("mag")
    page.keyboard.press("Enter")
    value = page.get_by_role("textbox", name="Value")
    value.fill(str(FAINT))
    value.press("Enter")
    page.get_by_role("combobox", name="Comparison").click()
    page.get_by_role("option", name="<", exact=True).click()
    page.get_by_role("button", name="Add", exact=True).click()
    seen(page.get_by_role("button", name=f"mag < {FAINT}"))
    page.get_by_role("button", name="Select 1,000 objects").click()
    seen(page.get_by_text("1,000 objects."))
    expect(page).to_have_url(re.compile("selection=[0-9a-f]{16}"), timeout=WAIT_MS)
    shown = page.locator(".thumbs .id")
    expect(shown).to_have_count(60, timeout=WAIT_MS)
    assert set(shown.all_inner_texts()) <= bright
    link = page.url

    # Another page and back, then a reload: the same one is in use.
    page.get_by_role("link", name="Tasks").click()
    seen(page.get_by_role("heading", name="Tasks"))
    assert link.split("selection=")[1][:16] in page.url
    page.get_by_role("link", name="Selections").click()
    seen(page.get_by_text("1,000 objects."))
    page.reload()
    seen(page.get_by_text("1,000 objects."))

    page.get_by_role("button", name="Label", exact=True).click()
    page.get_by_role("dialog").get_by_text("galaxy", exact=True).click()
    page.get_by_role("button", name="Label 1,000 objects as galaxy").click()
    undo = page.get_by_role("button", name="Undo galaxy")
    seen(undo)
    assert server.labels("many") == dict.fromkeys(bright, "galaxy")
    expect(page.locator(".thumbs .about").first).to_have_text("galaxy", timeout=WAIT_MS)

    undo.click()
    expect(undo).to_be_hidden(timeout=WAIT_MS)
    assert server.labels("many") == {}
    assert len(server.events("many")) == 2000


def test_it_is_named_and_sent_by_link(page: Page, server: Server, bright: set[str]) -> None:
    page.goto(f'{server.origin}/selections?task=many&part=table&filter=[["mag",">",27.49]]')
    page.get_by_role("button", name=re.compile("Select [0-9]+ objects")).click(timeout=30_000)
    page.get_by_role("button", name="Name", exact=True).click()
    page.get_by_role("textbox", name="Name").fill("the faintest")
    page.get_by_role("button", name="Save").click()
    seen(page.get_by_role("heading", name="the faintest"))
    page.get_by_role("button", name="Link", exact=True).click()
    link = page.locator("code", has_text="selection=").inner_text()
    page.goto(link)
    seen(page.get_by_role("heading", name="the faintest"))
