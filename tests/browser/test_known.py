"""Beside the picture stands what the object is already known as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from core.survey import Survey
from core.survey.added_columns import write_columns
from core.vocabulary import JobKind
from tests.browser.catalogued import EVIL, catalogued_server
from tests.browser.conftest import N_OBJECTS, Server, open_task


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("known")
    with catalogued_server(folder) as running:
        names = [f"{EVIL} (SIMBAD)" if row == 5 else None for row in range(N_OBJECTS)]
        survey = Survey.open(running.workspace, "blobs")
        columns = {"known_as": pa.array(names, pa.string())}
        write_columns(survey, "one", JobKind.CROSSMATCH, columns)
        yield running


def test_what_is_known_is_a_sentence_above_the_columns(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task, object="obj_05")
    known = page.locator(".side .known")
    expect(known).to_have_text(f"Already known as {EVIL} (SIMBAD).")
    assert page.locator(".side img[src='x']").count() == 0  # text, not markup
    above, list_ = known.bounding_box(), page.locator("dl.columns").bounding_box()
    assert above is not None
    assert list_ is not None
    assert above["y"] + above["height"] <= list_["y"]
    open_task(page, server, task, object="obj_06")
    expect(page.locator("dl.columns dt").first).to_be_visible()
    expect(known).to_be_hidden()
