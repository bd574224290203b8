"""The bar of the marking tool: its place, its words, and the numbers of the nuclei."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, all_saved, open_task
from tests.browser.paired import (
    NUCLEI,
    click_pixel,
    pairs_server,
    pairs_task,
    settle,
    suggested,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from pairs_server(tmp_path_factory.mktemp("marking"))


@pytest.fixture
def task(server: Server) -> str:
    return pairs_task(server)


def test_marks_that_are_added_are_numbered_on(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    answers = page.locator(".answers").bounding_box()
    for _ in range(2):
        page.keyboard.press("m")
        for place in NUCLEI:
            click_pixel(page, *place)
        settle(page)
        assert page.locator(".answers").bounding_box() == answers, "nothing may move under a hand"
        numbers = page.locator(".mark .word").all_text_contents()
        notes = page.locator(".marknotes").inner_text()
        pair = page.locator(".markpair").inner_text()
        page.keyboard.press("Enter")
        all_saved(page)
    assert numbers == ["1", "2", "3", "4"]
    assert notes.startswith("Saving adds to the 2 marks you saved before.")
    assert pair.startswith("Nuclei 3 and 4: ")
    expect(page.locator(".markpair")).to_contain_text("Nuclei 3 and 4: ")
    assert page.locator(".answers").bounding_box() == answers


def test_nuclei_are_suggested_by_a_button_of_the_bar(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    page.keyboard.press("m")
    bar = page.get_by_role("group", name="Marking")
    expect(bar.get_by_role("button", name="A Suggest")).to_be_visible()
    bar.get_by_role("button", name="Suggest").click()
    suggested(page)
    bar.get_by_role("button", name="Accept").click()
    expect(page.locator(".notice")).to_contain_text("2 marks saved")


def test_on_a_phone_the_bar_lies_under_the_answers(page: Page, server: Server, task: str) -> None:
    page.set_viewport_size({"width": 420, "height": 850})
    open_task(page, server, task)
    before = page.locator(".answers").bounding_box()
    page.keyboard.press("m")
    bar = page.get_by_role("group", name="Marking").bounding_box()
    assert page.locator(".answers").bounding_box() == before
    assert before
    assert bar
    assert bar["y"] >= before["y"] + before["height"]
