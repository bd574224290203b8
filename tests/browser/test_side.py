"""The column beside the picture: why an object is shown, the guideline, and that it stays put."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from labels_db import LabelsDB
from tests.browser.catalogued import EVIL, answer_with, catalogued_server
from tests.browser.conftest import Server, all_saved, open_task, press

SHOWN_AT_FIRST = 24


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with catalogued_server(tmp_path_factory.mktemp("side")) as running:
        yield running


def test_why_an_object_is_shown_is_true_of_what_was_called_up(
    page: Page, server: Server, task: str
) -> None:
    words: dict[str, str] = {}
    answer_with(page, "task", lambda body: body.update(samplers=words))
    first = open_task(page, server, task)
    why = page.locator(".why")
    expect(page.locator(".catalogue, .columns dt").first).to_be_visible()
    expect(why).not_to_contain_text("anomaly.")  # the sampler's words have not come yet
    words["anomaly"] = "Showing the oddest first."
    expect(why).to_contain_text("Showing the oddest first.")
    press(page, "1")
    all_saved(page)
    for name, said in (
        ("obj_05" if first != "obj_05" else "obj_06", "You called it up"),
        (first, "When it was shown to you before: showing the oddest first."),
    ):
        page.evaluate("name => skysiftLabeller.open(name)", name)
        expect(why).to_contain_text(said)
    page.keyboard.press("u")
    expect(why).to_contain_text("Showing the oddest first.")


def test_a_guideline_is_plain_markdown_without_html(page: Page, server: Server, task: str) -> None:
    text = (
        f"# How to\n\nLook at the **centre** {EVIL}\nand on.\n\n- two peaks\n- `a*b*c`\n\n3. three"
    )
    with LabelsDB(server.workspace.labels) as db:
        db.change_task(task, "owner", guideline=text)
    open_task(page, server, task)
    guideline = page.locator(".guidelines > .guideline")
    expect(guideline.locator("> p")).to_have_text(
        ["How to", f"Look at the centre {EVIL}\nand on."]
    )
    expect(guideline.locator("b")).to_have_text("centre")
    expect(guideline.locator("ul > li")).to_have_text(["two peaks", "a*b*c"])
    expect(guideline.locator("ol[start='3'] > li")).to_have_text("three")
    assert page.locator(".side img[src='x']").count() == 0


def test_nothing_in_view_jumps_from_object_to_object(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    places = []
    for _ in range(3):
        expect(page.locator(".columns dt")).to_have_count(SHOWN_AT_FIRST)
        page.wait_for_timeout(400)
        heads = [
            page.locator("details", has_text=one).first for one in ("Catalogue", "Why this object")
        ]
        places.append([one.bounding_box()["y"] for one in (*heads, page.locator(".answers"))])  # type: ignore[index]
        press(page, "2")
    assert places[0] == places[1] == places[2]
