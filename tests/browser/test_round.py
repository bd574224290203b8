"""The whole round as a person goes it: look, label by key, undo, reload, map, export."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import (
    CLASSES,
    N_OBJECTS,
    WEBGL_FLAGS,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
)

CHROMIUM_FLAGS = WEBGL_FLAGS


@pytest.fixture
def server(own_server: Server) -> Server:
    return own_server


def test_twenty_labels_one_undone_reload_map_export(page, server, task):
    open_task(page, server, task)
    page.locator(".model", has_text="Model 2,").wait_for(timeout=40_000)  # the worker's first
    answered = []
    for number in range(20):
        if number == 12:
            # Retrained while we labelled, and the objects to come are from that model.
            page.locator(".model", has_text=re.compile("on 1[0-2] answers")).wait_for()
            page.wait_for_timeout(300)
        key = "1" if number % 4 == 0 else "2"
        answered.append((press(page, key), CLASSES[int(key) - 1]))
        page.wait_for_timeout(60)
    undone = answered.pop()
    page.keyboard.press("u")
    page.locator(".notice", has_text="Undone").wait_for()
    assert on_screen(page) == undone[0]
    all_saved(page)
    assert server.labels(task) == dict(answered)
    assert len({name for name, _ in answered}) == 19

    models = [event.model_version or 0 for event in server.events(task) if event.sampler]
    assert models[-1] > models[0]
    page.locator(".model", has_text="trained on 19 answers").wait_for(timeout=20_000)
    assert "5 finds" in page.locator(".totals").inner_text()

    page.reload()
    on_screen(page)
    assert f"19 of {N_OBJECTS} seen" in page.locator(".totals").inner_text()

    _map(page)
    _exports(page, dict(answered))


def _map(page: Page) -> None:
    page.get_by_role("link", name="Map").click()
    page.locator(".skymap[data-ready]").wait_for(timeout=60_000)
    page.get_by_text("UMAP of the embedding embed-").wait_for()
    page.get_by_role("button", name="Select view").click()
    page.locator(".skymap[data-selected]").wait_for()
    page.get_by_text(f"{N_OBJECTS} objects").first.wait_for(timeout=20_000)
    eventually(lambda: page.locator(".thumbs a").count() == N_OBJECTS)


def _exports(page: Page, answered: dict[str, str]) -> None:
    page.get_by_role("link", name="Candidates").click()
    labels = _downloaded(page, "Labels CSV (19)")
    assert {row["object_id"]: row["label"] for row in labels} == answered
    assert all(row["annotator"] and row["answered_at"] and row["sampler"] for row in labels)
    candidates = _downloaded(page, "Candidates CSV")
    scores = [float(row["score"]) for row in candidates]
    assert scores == sorted(scores, reverse=True)
    assert [row["rank"] for row in candidates] == [str(i + 1) for i in range(len(candidates))]
    assert not {row["label"] for row in candidates} - {"", CLASSES[0]}
    assert candidates[0]["score_kind"] == "P(target)"
    link = page.locator(".thumbs a").first
    name = link.locator(".id").inner_text()
    link.click()
    eventually(lambda: on_screen(page) == name)


def _downloaded(page: Page, button: str) -> list[dict[str, str]]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    path = Path(waiting.value.path())
    if zipfile.is_zipfile(path):  # a CSV with its provenance
        with zipfile.ZipFile(path) as archive:
            (name,) = [one for one in archive.namelist() if one.endswith(".csv")]
            text = archive.read(name).decode()
    else:
        text = path.read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))
