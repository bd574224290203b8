"""A lasso round a thousand of a hundred thousand points becomes their labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.workspace import open_workspace
from tests.browser.conftest import WEBGL_FLAGS, Server
from tests.browser.test_map import TASK, apart, lasso, make_task, selected

CHROMIUM_FLAGS = WEBGL_FLAGS
N, N_APART = 100_000, 1_000
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    return make_task(tmp_path_factory.mktemp("map") / "ws", N, N_APART)


@pytest.fixture(scope="module")
def server(places: tuple[Path, np.ndarray]) -> Iterator[Server]:
    running = Server(open_workspace(places[0]), "--no-workers")
    running.start()
    yield running
    running.stop()


def test_a_thousand_of_a_hundred_thousand_are_lassoed_and_labelled(
    page: Page, server: Server, places: tuple[Path, np.ndarray]
) -> None:
    inside = apart(places[1])
    assert len(inside) == N_APART
    page.goto(f"{server.origin}/map?task={TASK}")
    page.locator(".skymap[data-ready]").wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Lasso").click()
    selection = lasso(page, places[1])
    assert selected(server, selection) == inside

    page.get_by_label("Colour by").select_option("column:kind")
    expect(page.locator(".legend")).to_contain_text("even", timeout=WAIT_MS)
    page.locator(".plot").focus()
    page.keyboard.press("+")
    label = page.get_by_role("button", name="Label", exact=True)
    label.click(timeout=WAIT_MS)
    page.get_by_role("dialog").get_by_text("odd", exact=True).click(timeout=WAIT_MS)
    page.get_by_role("button", name="Label 1,000 objects as odd").click(timeout=WAIT_MS)
    expect(page.get_by_role("button", name="Undo odd")).to_be_visible(timeout=WAIT_MS)
    assert server.labels(TASK) == dict.fromkeys(inside, "odd")
