"""What a session has brought: the line, the summary with its plot, the rest reminder, settings."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from core.vocabulary import Role
from labels_db import LabelsDB
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
    sign_in,
)

LINE = ".sessionline span"
MINUTE_MS = 60_000


@pytest.fixture
def task(server: Server, task: str) -> str:
    """A task, with the habits as they come: they are the person's, not the task's."""
    with LabelsDB(server.workspace.labels) as db:
        db.set_preference("owner", "rest", None)
    return task


def later(page: Page, minutes: float) -> None:
    """Let the page's clock run on; timers that are due fire once.

    Not while pictures are on their way: they would be given up as too late.
    """
    page.wait_for_function(
        "![...window.skysiftLabeller.pictures.kept.values()].some((p) => p.state === 'loading')"
    )
    page.clock.fast_forward(int(minutes * MINUTE_MS))


def label(page: Page, *keys: str) -> list[str]:
    return [press(page, key) for key in keys]


def numbers(page: Page) -> list[str]:
    """Labels, finds, an hour, an hour now, in the open summary."""
    return page.locator(".sessionrates b").all_inner_texts()


def test_every_answer_is_counted_at_once(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    line = page.locator(LINE)
    expect(line).to_have_text("No labels yet in this session")
    label(page, "1")
    expect(line).to_have_text("This session: 1 label, 1 find")
    label(page, "2", "1", "d", "s")
    expect(line).to_have_text("This session: 3 labels, 2 finds")
    all_saved(page)
    for what in ("skip", "unsure", CLASSES[0]):
        page.keyboard.press("u")
        expect(page.locator(".notice")).to_have_text(f"Undone: {what}")
    expect(line).to_have_text("This session: 2 labels, 1 find")
    page.keyboard.press("r")
    expect(line).to_have_text("This session: 3 labels, 2 finds")


def test_it_counts_without_the_server(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.keyboard.press("q")
    page.route("**/api/events", lambda route: route.abort())
    page.route("**/api/session?**", lambda route: route.abort())
    label(page, "1", "2", "2")
    expect(page.locator(LINE)).to_have_text("This session: 3 labels, 1 find")
    page.unroute("**/api/events")
    all_saved(page)
    expect(page.locator(".summary [role=status]")).to_contain_text("Counted on this page only")
    expect(page.locator(LINE)).to_have_text("This session: 3 labels, 1 find")


def test_the_summary_is_the_servers_after_a_reload(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    label(page, "1", "2", "2", "3")
    all_saved(page)
    page.reload()
    on_screen(page)
    expect(page.locator(LINE)).to_have_text("This session: 4 labels, 1 find")
    page.keyboard.press("q")
    summary = page.get_by_role("region", name="Session summary")
    expect(summary.locator(".sessionrates b")).to_have_text(["4", "1", "–", "–"])
    expect(summary.get_by_role("img", name="4 labels and 1 find over 1 minute")).to_be_visible()
    for index, count in enumerate(("1", "2", "1")):
        bar = summary.locator(".sessionbars li").nth(index)
        expect(bar).to_have_text(f"{CLASSES[index]}{count}")
    page.keyboard.press("Escape")
    expect(summary).to_be_hidden()
    assert on_screen(page)


def test_the_summary_covers_no_answer_and_scrolls_no_page(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    page.keyboard.press("q")
    summary = page.get_by_role("region", name="Session summary")
    left = summary.bounding_box()
    assert left
    for within in page.locator(".answer, [data-act=panel]").all():
        box = within.bounding_box()
        assert box
        assert box["x"] + box["width"] <= left["x"]
    page.get_by_role("button", name="Close", exact=True).focus()
    page.keyboard.press("Escape")
    expect(page.locator(".sessionline")).to_be_focused()
    page.set_viewport_size({"width": 420, "height": 850})
    before = page.locator(".question").bounding_box()
    page.keyboard.press("q")
    expect(summary).to_be_in_viewport()
    assert page.locator(".question").bounding_box() == before


def test_the_plot_grows_with_every_label(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.keyboard.press("q")
    line = page.locator(".plotlabels")
    expect(line).to_have_attribute("points", re.compile(r"^[\d.]+,[\d.]+$"))
    for n in (1, 2, 3):
        label(page, "1")
        # Where it begins, and two corners of a step for each label.
        corners = rf"^([\d.]+,[\d.]+ ?){{{1 + 2 * n}}}$"
        expect(line).to_have_attribute("points", re.compile(corners))
    points = [
        [float(number) for number in one.split(",")]
        for one in (line.get_attribute("points") or "").split()
    ]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    finds = page.locator(".plotfinds").get_attribute("points") or ""
    assert len(finds.split()) == 7
    expect(page.locator(".sessionplot")).to_contain_text("minutes")


def test_labels_an_hour_overall_and_now(page: Page, server: Server, task: str) -> None:
    page.clock.install()
    open_task(page, server, task)
    label(page, "2")
    for _ in range(3):
        later(page, 1)
        label(page, "2")
    expect(page.locator(LINE)).to_have_text(
        re.compile(r"^This session: 4 labels, (7\d|80) an hour, 0 finds$")
    )
    # Acknowledged by a server whose clock went on as it does: what was counted here stays.
    all_saved(page)
    page.route("**/api/session?**", lambda route: route.abort())
    page.keyboard.press("q")
    later(page, 20)
    label(page, "2")
    page.clock.run_for(1000)
    labels, finds, overall, now = numbers(page)
    assert (labels, finds, now) == ("5", "0", "6")
    assert 12 <= int(overall) <= 14


def test_after_half_an_hour_a_new_session_begins(page: Page, server: Server, task: str) -> None:
    page.clock.install()
    open_task(page, server, task)
    label(page, "1", "1")
    page.clock.run_for(1000)
    expect(page.locator(LINE)).to_have_text("This session: 2 labels, 2 finds")
    later(page, 29)
    label(page, "2")
    page.clock.run_for(1000)
    expect(page.locator(LINE)).to_contain_text("This session: 3 labels")
    later(page, 31)
    label(page, "2")
    page.clock.run_for(1000)
    expect(page.locator(LINE)).to_have_text("This session: 1 label, 0 finds")


def test_start_anew(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    label(page, "1", "1")
    all_saved(page)
    page.keyboard.press("q")
    page.get_by_role("button", name="Start anew").click()
    expect(page.locator(LINE)).to_have_text("This session: 0 labels, 0 finds")
    page.keyboard.press("2")
    expect(page.locator(LINE)).to_have_text("This session: 1 label, 0 finds")
    all_saved(page)
    page.reload()
    on_screen(page)
    expect(page.locator(LINE)).to_have_text("This session: 1 label, 0 finds")
    assert len(server.labels(task)) == 3


def test_each_task_has_its_own(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    label(page, "1")
    all_saved(page)
    with LabelsDB(server.workspace.labels) as db:
        other = next(one.name for one in db.tasks() if one.name != task)
    open_task(page, server, other)
    expect(page.locator(LINE)).not_to_have_text("This session: 1 label, 1 find")
    open_task(page, server, task)
    expect(page.locator(LINE)).to_have_text("This session: 1 label, 1 find")


def test_a_viewer_has_nothing_to_count(context: BrowserContext, server: Server, task: str) -> None:
    with LabelsDB(server.workspace.labels) as db:
        name = f"Visitor {len(db.people())}"
        db.add_person(name, Role.VIEWER, "owner")
        secret = db.invite(name, "owner")
    page = context.new_page()
    sign_in(page, server, secret)
    open_task(page, server, task)
    expect(page.locator(".sessionline")).to_be_hidden()
    page.keyboard.press("q")
    expect(page.locator(".notice")).to_contain_text("nothing to count")
    expect(page.locator(".summary")).to_be_hidden()


# Rest


def labelled_for(page: Page, minutes: int) -> None:
    """Answer every four minutes, without a break."""
    for _ in range(0, minutes, 4):
        label(page, "2")
        later(page, 4)
    label(page, "2")
    page.clock.run_for(6000)


def test_the_reminder_to_rest_takes_neither_focus_nor_keys(
    page: Page, server: Server, task: str
) -> None:
    page.clock.install()
    open_task(page, server, task)
    rest = page.locator(".rest")
    labelled_for(page, 40)
    expect(rest.get_by_role("button")).to_have_count(0)
    before = page.locator(".frame").bounding_box()
    labelled_for(page, 8)
    expect(rest).to_contain_text(re.compile(r"^4\d minutes without a break"))
    assert page.locator(".frame").bounding_box() == before, "nothing may move under a hand"
    assert page.evaluate("document.activeElement === document.body")
    all_saved(page)
    n = len(server.events(task))
    label(page, "1")
    page.clock.run_for(1000)
    all_saved(page)
    assert len(server.events(task)) == n + 1

    rest.get_by_role("button", name="In 10 minutes").click()
    expect(rest.get_by_role("button")).to_have_count(0)
    labelled_for(page, 8)
    expect(rest.get_by_role("button")).to_have_count(0)
    labelled_for(page, 4)
    expect(rest).to_contain_text("minutes without a break")
    rest.get_by_role("button", name="Resting").click()
    labelled_for(page, 40)
    expect(rest.get_by_role("button")).to_have_count(0)


def test_a_break_of_five_minutes_is_one(page: Page, server: Server, task: str) -> None:
    page.clock.install()
    open_task(page, server, task)
    labelled_for(page, 40)
    later(page, 6)
    labelled_for(page, 40)
    expect(page.locator(".rest").get_by_role("button")).to_have_count(0)
    labelled_for(page, 8)
    expect(page.locator(".rest")).to_contain_text("minutes without a break")
    later(page, 6)
    expect(page.locator(".rest").get_by_role("button")).to_have_count(0)


def test_switched_off_it_stays_off_until_switched_on(
    page: Page, server: Server, task: str
) -> None:
    page.clock.install()
    open_task(page, server, task)
    labelled_for(page, 48)
    page.locator(".rest").get_by_role("button", name="Switch off").click()
    page.clock.run_for(1000)
    expect(page.locator(".notice")).to_contain_text("switch them on again in the settings (,)")
    page.keyboard.press(",")
    choice = page.get_by_role("dialog", name="Settings").get_by_label("Remind me to rest after")
    expect(choice).to_have_value("0")
    choice.select_option("15")
    page.clock.run_for(1000)
    expect(page.locator(".rest")).to_contain_text("minutes without a break")
    page.keyboard.press("Escape")
    with LabelsDB(server.workspace.labels) as db:
        eventually(lambda: db.preferences("owner")["rest"] == 15)


def test_keys_rest_while_the_settings_are_open(page: Page, server: Server, task: str) -> None:
    before = open_task(page, server, task)
    page.keyboard.press(",")
    dialog = page.get_by_role("dialog", name="Settings")
    dialog.wait_for()
    for key in ("1", "s", "?", "q"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Close", exact=True).focus()
    page.keyboard.press(",")
    expect(dialog).to_be_hidden()
    assert on_screen(page) == before
    assert server.events(task) == []
