"""The Oddest page as a person uses it: look, take the first ones, reload."""

from __future__ import annotations

import re

import numpy as np
from playwright.sync_api import Page, expect

from core.run_detect import run_detect
from core.survey import Survey
from labels_db import LabelsDB
from pages._server.selections import Selections
from tests.browser.conftest import Server

PATIENCE_MS = 60_000


def test_the_first_of_a_ranking_are_taken(page: Page, shared_server: Server, task: str) -> None:
    page.set_default_timeout(PATIENCE_MS)
    detectors = ["mahalanobis", "reconstruction"]
    ranking, _ = run_detect(shared_server.workspace, "blobs", detectors, quiet=True)
    survey = Survey.open(shared_server.workspace, "blobs")
    order = np.argsort(-ranking.scores(), kind="stable")
    ids = [str(survey.object_ids[row]) for row in order]

    page.goto(
        f"{shared_server.origin}/oddest?task={task}&ranking=mahalanobis@{ranking.embedding_run}"
    )
    grid = page.locator(".thumbs.odd .id")
    expect(grid).to_have_text(ids[:48], timeout=PATIENCE_MS)
    expect(page.locator(".thumbs.odd a").first).to_contain_text(re.compile(r"odd to \d of 2"))
    picture = page.locator(".thumbs.odd img").first
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 256

    first = page.get_by_label("First", exact=True)
    first.fill("5")
    first.press("Enter")
    page.get_by_role("button", name="Select the first 5", exact=True).click()
    page.wait_for_function("location.search.includes('selection=')", timeout=PATIENCE_MS)
    selection = str(page.evaluate("new URLSearchParams(location.search).get('selection')"))
    with LabelsDB(shared_server.workspace.labels) as db:
        rows = Selections(shared_server.workspace, lambda: db).rows(selection, survey)
    assert {str(survey.object_ids[row]) for row in rows} == set(ids[:5])

    page.reload()  # the link has the ranking and the selection
    expect(page.get_by_text("The 5 objects that are oddest by Mahalanobis")).to_be_visible(
        timeout=PATIENCE_MS
    )
    expect(grid).to_have_text(ids[:48])
