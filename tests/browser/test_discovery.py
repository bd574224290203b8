"""The discovery page follows an annotator live; the strategy is changed beside the label page."""

from __future__ import annotations

from uuid import uuid4

from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent
from tests.browser.conftest import CLASSES, Server, eventually, on_screen, open_task


def answers(server: Server, task: str, n: int, after: int = 0) -> None:
    """Somebody answers as the queue shows; every other object is the target."""
    with LabelsDB(server.workspace.labels) as db:
        for place, item in enumerate(db.next_items(task, n), after):
            db.record(
                NewEvent(
                    str(uuid4()),
                    task,
                    item.object_id,
                    1,
                    "Elsewhere Eva",
                    Action.LABEL,
                    CLASSES[place % 2],
                    sampler=item.sampler,
                    score=item.score,
                    model_version=item.model_version,
                )
            )


def metric(page: Page, name: str, value: str) -> None:
    """Wait until the page shows this number."""
    shown = page.get_by_test_id("stMetric").filter(has=page.get_by_text(name, exact=True))
    expect(shown.get_by_test_id("stMetricValue")).to_have_text(value, timeout=30_000)


def test_it_follows_an_annotator_without_a_reload(page, server, task):
    page.goto(f"{server.origin}/discovery?task={task}")
    page.get_by_text("No answers yet").wait_for(timeout=30_000)
    page.evaluate("window.sameDocument = true")
    answers(server, task, 4)
    metric(page, "Answers", "4")
    metric(page, "Finds", "2")
    page.locator(".js-plotly-plot").first.wait_for(timeout=20_000)
    answers(server, task, 3, after=4)
    metric(page, "Answers", "7")
    metric(page, "Finds", "4")
    assert page.evaluate("window.sameDocument") is True


def test_the_strategy_changes_beside_the_picture_and_keys_still_label(page, server, task):
    open_task(page, server, task)
    box = page.get_by_test_id("stSidebar").get_by_test_id("stSelectbox").filter(has_text="Showing")
    box.wait_for(timeout=30_000)
    option = page.get_by_role("option", name="objects at random", exact=True)
    for _ in range(20):  # the server loads the words in its first seconds
        box.get_by_role("combobox").click()
        page.keyboard.type("at random")  # of a long list only what is in sight is drawn
        try:
            option.wait_for(timeout=3_000)
            break
        except PlaywrightTimeout:
            page.keyboard.press("Escape")
    option.click()
    with LabelsDB(server.workspace.labels) as db:
        eventually(lambda: db.strategy(task).sampler == "random")
    # The keyboard goes back to the page by itself: no click beside the box is needed.
    page.wait_for_function("!document.activeElement?.closest('[data-testid=stSelectbox]')")
    shown = on_screen(page)
    page.keyboard.press("1")
    eventually(lambda: server.labels(task).get(shown) == CLASSES[0])
