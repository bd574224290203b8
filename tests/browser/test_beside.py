"""What stands beside the picture: catalogue, probabilities, why, notes, history, neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from labels_db import LabelsDB, ModelRecord, QueueItem
from tests.browser.catalogued import (
    EVIL,
    FAST,
    LONG,
    answer_with,
    catalogued_server,
    position,
)
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
)

SHOWN_AT_FIRST = 24
N_COLUMNS = 35


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with catalogued_server(tmp_path_factory.mktemp("beside")) as running:
        yield running


@pytest.fixture
def afresh(page: Page, server: Server, task: str) -> Iterator[None]:
    """Leave no preference to the tests that follow."""
    yield
    kept(page)  # what is saved later would come back
    for name in ("panels", "columns:blobs"):
        page.evaluate(
            """(name) => fetch(skysiftLabeller.base + "/api/preferences", { method: "POST",
                 headers: { "content-type": "application/json" },
                 body: JSON.stringify({ name, value: null }) }).then((r) => r.status)""",
            name,
        )


def columns(page: Page) -> dict[str, Locator]:
    """The catalogue's values by the name beside them."""
    names = page.locator(".columns dt").all_inner_texts()
    return dict(zip(names, page.locator(".columns dd").all(), strict=True))


def names_shown(page: Page) -> list[str]:
    return page.locator(".columns dt").all_inner_texts()


def chooser(page: Page) -> Locator:
    page.get_by_role("button", name="Choose columns").click()
    dialog = page.get_by_role("dialog", name="Columns beside the picture")
    expect(dialog).to_be_visible()
    return dialog


def kept(page: Page) -> None:
    """Wait until the preferences are on the server."""
    page.wait_for_timeout(450)
    page.wait_for_function("() => !skysiftLabeller.kept.unsaved.size")
    page.wait_for_timeout(150)


def until(page: Page, what: Callable[[], bool]) -> None:
    """Wait for what the browser tells this test, which it hears only while it waits for it."""
    for _ in range(150):
        if what():
            return
        page.wait_for_timeout(100)
    pytest.fail("it did not happen in time")


def history(page: Page) -> Locator:
    """The history's panel, unfolded."""
    fold = page.locator("details", has=page.get_by_role("heading", name="History"))
    if fold.get_attribute("open") is None:
        fold.locator("summary").click()
    return fold


def asked_for(page: Page, path: str) -> list[str]:
    """The addresses under `path` that the page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if f"/api/{path}?" in one.url else None)
    return asked


def test_catalogue_values_are_readable_and_none_is_markup(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task, object="obj_05")
    expect(page.locator(".columns dt")).to_have_count(SHOWN_AT_FIRST)
    shown = columns(page)
    ra, dec = position(5)
    told = {
        name: shown[name].inner_text()
        for name in ("ra", "dec", "mag_r", "objid", "plate", "is_star", "flux_ratio", "script")
    }
    assert told == {
        "ra": f"{ra:.6f}",
        "dec": f"{dec:.6f}",
        "mag_r": "22.123",
        "objid": "1237668296598749285",  # not rounded, as a browser's numbers are
        "plate": "2,022",
        "is_star": "no",
        "flux_ratio": "–",
        "script": "javascript:alert(1)",
    }
    assert shown["mag_r"].get_attribute("title") == "22.123456"
    assert shown["remark"].get_attribute("title") == LONG
    box = shown["remark"].bounding_box()
    assert box is not None
    assert box["height"] < 80  # a few lines of it
    link = page.locator(".columns a")
    expect(link).to_have_count(1)
    assert link.get_attribute("href") == "https://example.org/a?b=1&c=%3Cd%3E"
    assert set((link.get_attribute("rel") or "").split()) == {"noopener", "noreferrer"}
    assert EVIL in shown
    assert page.locator(".side img[src='x']").count() == 0


@pytest.mark.usefixtures("afresh")
def test_columns_are_chosen_and_ordered_and_stay_so(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task, object="obj_05")
    expect(page.locator(".columns dt")).to_have_count(SHOWN_AT_FIRST)
    dialog = chooser(page)
    dialog.get_by_role("button", name="None", exact=True).click()
    expect(page.locator("details", has_text="No column is chosen.").last).to_be_attached()
    search = dialog.get_by_label("Search columns")
    for name in ("extra_23", "mag_r", "plate"):
        search.fill(name)
        dialog.get_by_role("checkbox", name=name).check()
    search.fill("nothing of the kind")
    expect(dialog).to_contain_text("No column has")
    search.fill("")
    assert names_shown(page) == ["extra_23", "mag_r", "plate"]
    # One that did not come with the object.
    eventually(lambda: columns(page)["extra_23"].inner_text() == "523")

    up = dialog.get_by_role("button", name="Move up: plate")
    up.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # the focus went along
    assert names_shown(page) == ["plate", "extra_23", "mag_r"]
    expect(up).to_be_disabled()
    dialog.get_by_role("button", name="Move down: extra_23").click()
    assert names_shown(page) == ["plate", "mag_r", "extra_23"]
    dialog.locator("li[data-column=extra_23]").drag_to(dialog.locator("li[data-column=plate]"))
    assert names_shown(page) == ["extra_23", "plate", "mag_r"]

    page.keyboard.press("s")  # in front of the page no key answers
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    kept(page)
    page.reload()
    on_screen(page)
    eventually(lambda: names_shown(page) == ["extra_23", "plate", "mag_r"])
    assert server.events(task) == []

    dialog = chooser(page)
    dialog.get_by_role("button", name="All", exact=True).click()
    assert len(names_shown(page)) == N_COLUMNS
    dialog.get_by_role("button", name="Default").click()
    assert len(names_shown(page)) == SHOWN_AT_FIRST


@pytest.mark.usefixtures("afresh")
def test_chosen_columns_are_there_for_the_next_objects_without_asking_again(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    dialog = chooser(page)
    dialog.get_by_role("button", name="None", exact=True).click()
    dialog.get_by_label("Search columns").fill("extra_22")
    dialog.get_by_role("checkbox", name="extra_22").check()
    page.keyboard.press("Escape")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/api/columns" in one.url else None)
    page.wait_for_timeout(400)
    for _ in range(4):
        press(page, "2")
        number = int(on_screen(page).removeprefix("obj_"))
        eventually(
            lambda number=number: (
                [one.inner_text() for one in columns(page).values()]  # type: ignore[misc]
                == [f"{100 * number + 22:,}"]
            )
        )
    assert len(asked) <= 1


@pytest.mark.usefixtures("afresh")
def test_columns_that_do_not_come_are_told_of(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task, object="obj_05")
    page.route(
        "**/api/columns?*", lambda route: route.fulfill(status=500, body='{"error": "Disk gone."}')
    )
    chooser(page).get_by_role("button", name="All", exact=True).click()
    page.keyboard.press("Escape")
    expect(page.locator(".side")).to_contain_text("Not all columns came. Disk gone.")
    press(page, "2")
    all_saved(page)


def test_class_probabilities_are_bars(page: Page, server: Server, task: str) -> None:
    chances = {CLASSES[0]: 0.071, CLASSES[1]: 0.9, "retired": 0.029}
    answer_with(page, "object", lambda body: body.update(probabilities=chances, model_version=1))
    open_task(page, server, task, object="obj_05")
    rows = page.locator(".chances li")
    expect(rows).to_have_text(
        [f"{CLASSES[0]}0.071", f"{CLASSES[1]}0.900", "retired0.029"], use_inner_text=False
    )
    widths = [row.locator("i").evaluate("(bar) => bar.style.width") for row in rows.all()]
    assert widths == ["7.1%", "90%", "2.9%"]
    colours = page.locator(".chances i, .answer").evaluate_all(
        "(list) => list.map((one) => getComputedStyle(one).getPropertyValue('--c'))"
    )
    assert (
        colours[:2] == colours[-3:-1]
    )  # as on the buttons (in the page's order these come first)


def test_without_probabilities_it_says_why(page: Page, server: Server, task: str) -> None:
    def none(body: dict[str, Any]) -> None:
        body.update(probabilities=None, probabilities_state="Too many objects to keep them.")

    answer_with(page, "object", none)
    open_task(page, server, task, object="obj_05")
    expect(page.locator(".chances")).to_have_text("Too many objects to keep them.")


def test_a_blind_task_shows_no_probabilities_until_answered(
    page: Page, server: Server, task: str
) -> None:
    with LabelsDB(server.workspace.labels) as db:
        db.change_task(task, "owner", blind=True)
    open_task(page, server, task)
    expect(page.locator(".chances")).to_contain_text("once you have answered")
    expect(page.locator(".chances li, .why .score")).to_have_count(0)


def test_which_model_ranked_it_and_which_is_the_newest(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    expect(page.locator(".model")).to_contain_text("Model 1")
    expect(page.locator(".why")).not_to_contain_text("model")
    with LabelsDB(server.workspace.labels) as db:
        order = [QueueItem(f"obj_{n:02d}", n, "anomaly", 0.5, 1.0) for n in range(60)]
        again = ModelRecord(
            task=task,
            n_labels=0,
            label_seq=0,
            sampler="anomaly",
            survey_version=1,
            seed=0,
            state="It has learnt from nothing yet.",
        )
        db.replace_queue(task, order, again)
    expect(page.locator(".why")).to_contain_text(
        "Ranked by model 1; newer ones rank what follows."
    )
    expect(page.locator(".why")).to_contain_text("It has learnt from nothing yet.")


@pytest.mark.usefixtures("afresh")
def test_history_and_notes_are_told_in_full(page: Page, server: Server, task: str) -> None:
    shown = open_task(page, server, task, object="obj_09")
    past = page.locator("details", has=page.get_by_role("heading", name="History"))
    expect(past).not_to_have_attribute("open", "")
    asked = asked_for(page, "history")
    page.wait_for_timeout(400)
    assert asked == []
    note = f"{EVIL} {'a note that is long ' * 20}".strip()
    page.keyboard.press("n")
    page.get_by_label("Note", exact=True).fill(note)
    page.keyboard.press("Enter")
    notes = page.locator(".notes li")
    expect(notes.locator("p").first).to_have_text(note)  # at once
    expect(notes).to_contain_text("you,", timeout=10_000)  # once it is saved
    expect(notes).to_have_count(1)
    expect(past.locator(".count")).to_have_text("1")
    press(page, "1")
    all_saved(page)
    open_task(page, server, task, object=shown)
    expect(past.locator(".count")).to_have_text("2")  # the note is told with who and when
    past.locator("summary").click()
    lines = page.locator(".past li")
    expect(lines.nth(0)).to_contain_text(f"you answered {CLASSES[0]}")
    expect(lines.nth(1)).to_contain_text(note)
    assert page.locator(".side img[src='x']").count() == 0


@pytest.mark.usefixtures("afresh")
def test_an_answer_that_was_taken_back_says_so_and_marks_are_named(
    page: Page, server: Server, task: str
) -> None:
    first = {"kind": "nucleus", "x_px": 20.0, "y_px": 24.0}
    apart: dict[str, Any] = {
        "separation_arcsec": 3.2,
        "position_angle_deg": 359.6,
        "flux_ratio": 2.125,
    }
    apart["position_angle_direction"] = "bright to faint"
    pair = [first, {**first, "x_px": 28.0, **apart}, {"kind": "arc", "x_px": 1.0, "y_px": 1.0}]
    event = {"at": "2024-03-05T12:30:00+00:00", "annotator": "Ann", "own": False, "note": None}
    plain: dict[str, Any] = {"class_name": None, "marks": [], "undone": False, "late": False}
    events = [
        {**event, **plain, "action": "label", "class_name": CLASSES[1], "undone": True},
        {**event, **plain, "action": "mark", "marks": pair},
        {**event, **plain, "action": "label", "class_name": CLASSES[0], "late": True},
    ]
    page.route(
        "**/api/history?*",
        lambda route: route.fulfill(json={"events": events, "state": ""}),
    )
    open_task(page, server, task, object="obj_11")
    history(page)
    lines = page.locator(".past li")
    expect(lines.nth(0)).to_contain_text(f"Ann answered {CLASSES[0]} (came late, not counted)")
    expect(lines.nth(1)).to_contain_text(
        "Ann marked: 2 nuclei, 3.2″ apart, PA 0° (bright to faint), flux ratio 2.125; 1 arc"
    )
    expect(lines.nth(2)).to_contain_text(f"Ann answered {CLASSES[1]} (taken back)")
    expect(lines.nth(2)).to_contain_text("2024")


@pytest.mark.usefixtures("afresh")
def test_a_history_that_comes_late_is_not_shown_beside_another_object(
    page: Page, server: Server, task: str
) -> None:
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**/api/history?*object_id=obj_05*", hold)
    open_task(page, server, task, object="obj_05")
    past = history(page)
    until(page, lambda: len(waiting) == 1)
    page.keyboard.press("s")
    eventually(lambda: on_screen(page) != "obj_05")
    expect(past.locator(".count")).to_have_text("0")
    event = {"at": "2024-03-05T12:30:00+00:00", "annotator": "Ann", "action": "note"}
    waiting[0].fulfill(json={"events": [{**event, "note": "of another"}], "state": ""})
    page.wait_for_timeout(300)
    expect(past.locator(".count")).to_have_text("0")
    expect(page.locator(".notes li")).to_have_count(0)


@pytest.mark.usefixtures("afresh")
def test_without_its_history_the_page_goes_on(page: Page, server: Server, task: str) -> None:
    page.route(
        "**/api/history?*",
        lambda route: route.fulfill(status=500, json={"error": "The log has the details."}),
    )
    open_task(page, server, task)
    expect(history(page)).to_contain_text("The history did not come. The log has the details.")
    press(page, "1")
    all_saved(page)
    assert len(server.events(task)) == 1


def test_the_nearest_are_asked_for_once_a_person_stays(
    page: Page, server: Server, task: str
) -> None:
    asked = asked_for(page, "neighbours")
    open_task(page, server, task)
    expect(page.locator(".strip .near")).to_have_count(10)
    page.evaluate(FAST)
    all_saved(page)
    until(page, lambda: len(asked) == 2)
    assert f"object_id={on_screen(page)}" in asked[-1]


@pytest.mark.usefixtures("afresh")
def test_nothing_is_asked_for_that_nobody_looks_at(page: Page, server: Server, task: str) -> None:
    near, past = asked_for(page, "neighbours"), asked_for(page, "history")
    open_task(page, server, task)
    strip = page.locator("details.neighbours")
    expect(page.locator(".strip .near")).to_have_count(10)
    strip.locator("summary").click()
    for _ in range(3):
        press(page, "2")
        page.wait_for_timeout(300)
    all_saved(page)
    assert (len(near), past) == (1, [])
    expect(page.locator(".strip .near")).to_have_count(0)
    expect(strip).to_be_visible()
    strip.locator("summary").click()
    expect(page.locator(".strip .near")).to_have_count(10)
    expect(history(page)).to_contain_text("Nothing was recorded of this object yet.")
    for asked in (near[1:], past):
        assert len(asked) == 1
        assert f"object_id={on_screen(page)}" in asked[0]
    strip.locator("summary").click()
    strip.locator("summary").click()
    page.wait_for_timeout(300)
    assert len(near) == 2  # they are there already


@pytest.mark.usefixtures("afresh")
def test_panels_fold_by_key_and_stay_folded(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    fold = page.locator("details", has=page.get_by_role("heading", name="Catalogue"))
    expect(page.locator(".columns")).to_be_visible()
    fold.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".columns")).to_be_hidden()
    assert server.events(task) == []
    kept(page)
    page.reload()
    on_screen(page)
    expect(page.locator(".columns")).to_be_hidden()
    expect(page.locator(".why")).to_be_visible()


def test_a_list_that_did_not_change_keeps_the_focus(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task, object="obj_05")
    link = page.get_by_role("link", name="NED")
    link.focus()
    page.wait_for_timeout(3000)  # the page looks at the server meanwhile
    expect(link).to_be_focused()


def test_on_a_phone_it_comes_under_the_picture(page: Page, server: Server, task: str) -> None:
    page.set_viewport_size({"width": 420, "height": 900})
    open_task(page, server, task)
    side, answers = page.locator(".side").bounding_box(), page.locator(".answers").bounding_box()
    assert side is not None
    assert answers is not None
    assert side["y"] >= answers["y"] + answers["height"]
    assert side["x"] >= 0
    assert side["x"] + side["width"] <= 420
