"""Marking nuclei on the picture: clicks, keys, suggestions, what is measured and what is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import numpy as np
import pytest
from astropy.wcs import WCS
from playwright.sync_api import Page, Route, expect

from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent
from tests.browser.conftest import (
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
)
from tests.browser.paired import (
    CD,
    CLASSES,
    NUCLEI,
    SEPARATION_PX,
    SIDE,
    assert_at,
    click_pixel,
    fresh,
    marks_of,
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


def test_two_clicks_snap_and_are_measured_at_once(page: Page, server: Server, task: str) -> None:
    name = open_task(page, server, task)
    page.keyboard.press("m")
    bar = page.get_by_role("group", name="Marking")
    expect(bar).to_be_visible()
    expect(page.locator('[data-act="mark"]')).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".marking")).to_contain_text("Class keys rest while you mark")
    click_pixel(page, NUCLEI[0][0] + 1, NUCLEI[0][1] - 0.7)
    expect(page.locator(".mark.fresh.nucleus")).to_have_count(1)
    click_pixel(page, NUCLEI[1][0] - 0.8, NUCLEI[1][1] + 1)
    settle(page)
    told = page.locator(".markpair")
    expect(told).to_contain_text("PA")
    said = told.inner_text()
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [185.7, 15.8], [32.5, 32.5]
    wcs.wcs.cd = np.reshape(CD, (2, 2))
    one, other = wcs.pixel_to_world(*NUCLEI[0]), wcs.pixel_to_world(*NUCLEI[1])
    arcsec, kpc, pixels, angle, ratio = (
        float(found)
        for found in re.findall(
            r"([\d.]+)″ · ([\d.]+) kpc · ([\d.]+) px · PA ([\d.]+)° \(bright to faint\)"
            r" · flux ([\d.]+) : 1",
            said,
        )[0]
    )
    assert arcsec == pytest.approx(one.separation(other).arcsec, abs=0.03)
    assert kpc == pytest.approx(1.904 * arcsec, rel=0.01)
    assert pixels == pytest.approx(SEPARATION_PX, abs=0.1)
    assert angle == pytest.approx(one.position_angle(other).deg, abs=1)
    assert ratio == pytest.approx(3, rel=0.05)
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("2 marks saved")
    all_saved(page)
    (marks,) = marks_of(server, task)
    for mark, place in zip(marks, NUCLEI, strict=True):
        assert mark["kind"] == "nucleus"
        assert mark["snapped"] is True
        assert mark["flux_sigma"] > 0
        assert "flux" not in mark
        assert_at(mark, place)
        there = wcs.pixel_to_world(mark["x_px"], mark["y_px"])
        assert mark["ra_deg"] == pytest.approx(there.ra.deg, abs=1e-7)
        assert mark["dec_deg"] == pytest.approx(there.dec.deg, abs=1e-7)
    assert "separation_arcsec" not in marks[0]
    assert marks[1]["separation_arcsec"] == pytest.approx(arcsec, abs=0.01)
    assert marks[1]["position_angle_deg"] == pytest.approx(angle, abs=0.1)
    assert marks[1]["position_angle_direction"] == "bright to faint"
    assert marks[1]["flux_ratio"] == pytest.approx(3, rel=0.05)
    # Drawn as its own from now on, the tool is put away, and keys answer again.
    expect(page.locator(".mark.own.nucleus")).to_have_count(2)
    expect(bar).to_be_hidden()
    assert press(page, "1") == name
    all_saved(page)
    assert [event.action for event in server.events(task)] == [Action.MARK, Action.LABEL]
    expect(page.locator(".mark")).to_have_count(0)


def test_class_keys_rest_while_marking(page: Page, server: Server, task: str) -> None:
    name = open_task(page, server, task)
    with LabelsDB(server.workspace.labels) as db:
        db.change_class(task, CLASSES[2], "owner", key="x")
    page.get_by_role("button", name="artefact, key X").wait_for(timeout=10_000)
    page.keyboard.press("m")
    for key, kind in (("2", "Arc"), ("3", "Companion"), ("4", "Artefact"), ("1", "Nucleus")):
        page.keyboard.press(key)
        button = page.locator(".markbar").get_by_role("button", name=kind)
        expect(button).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("x")
    expect(page.locator(".notice")).to_contain_text("Class keys rest")
    assert on_screen(page) == name
    assert server.events(task) == []
    page.keyboard.press("Escape")
    assert press(page, "x") == name
    eventually(lambda: server.labels(task) == {name: CLASSES[2]})


def test_unsaved_marks_go_before_the_answer(page: Page, server: Server, task: str) -> None:
    name = open_task(page, server, task)
    page.keyboard.press("m")
    click_pixel(page, *NUCLEI[0])
    page.keyboard.press("Escape")
    expect(page.locator(".notice")).to_contain_text("1 mark not saved yet")
    expect(page.locator(".mark.fresh")).to_have_count(1)
    settle(page)
    press(page, "1")
    all_saved(page)
    said = [(event.action, event.object_id) for event in server.events(task)]
    assert said == [(Action.MARK, name), (Action.LABEL, name)]
    ((mark,),) = marks_of(server, task)
    assert_at(mark, NUCLEI[0])


def test_an_answer_does_not_wait_for_the_measurement(
    page: Page, server: Server, task: str
) -> None:
    name = open_task(page, server, task)
    held: list[Route] = []
    page.route("**/api/measure?*", lambda route: held.append(route))
    page.keyboard.press("m")
    click_pixel(page, 20, 41)
    eventually(lambda: len(held) == 1)
    page.get_by_role("button", name="two nuclei, key 1").click()
    all_saved(page)
    assert on_screen(page) != name
    held[0].continue_()
    said = [(event.action, event.object_id) for event in server.events(task)]
    assert said == [(Action.MARK, name), (Action.LABEL, name)]
    ((mark,),) = marks_of(server, task)
    assert_at(mark, (20, 41), 0.3)
    assert mark["snapped"] is False
    page.unroute("**/api/measure?*")
    expect(page.locator(".mark")).to_have_count(0)


def test_a_measurement_that_fails_is_told_and_the_marks_are_kept(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    page.route("**/api/measure?*", lambda route: route.abort())
    page.keyboard.press("m")
    click_pixel(page, 20, 41)
    expect(page.locator(".marknotes")).to_contain_text("Not measured")
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("1 mark saved")
    ((mark,),) = marks_of(server, task)
    assert_at(mark, (20, 41), 0.3)
    page.unroute("**/api/measure?*")


def test_everything_by_keyboard(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.keyboard.press("m")
    page.keyboard.press("Space")
    expect(page.locator(".markplace")).to_contain_text("Cross at 32, 32")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".markplace")).to_contain_text("Cross at 29, 30")
    expect(page.locator(".mark.cross")).to_have_count(1)
    page.keyboard.press("Space")
    page.keyboard.press("3")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    expect(page.locator(".mark.fresh.companion")).to_have_count(2)
    page.keyboard.press("Backspace")
    expect(page.locator(".mark.fresh")).to_have_count(2)
    settle(page)
    page.keyboard.press("Enter")
    all_saved(page)
    ((nucleus, companion),) = marks_of(server, task)
    assert_at(nucleus, NUCLEI[0])
    assert (companion["kind"], companion["x_px"], companion["y_px"]) == ("companion", 34, 30)


def test_an_arc_is_a_line_and_a_second_one_is_another(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    page.keyboard.press("m")
    page.keyboard.press("2")
    for place in ((10, 10), (14, 8), (18, 10)):
        click_pixel(page, *place)
    page.keyboard.press("2")
    for place in ((10, 50), (16, 52)):
        click_pixel(page, *place)
    expect(page.locator(".mark.fresh.arc polyline.over")).to_have_count(2)
    page.keyboard.press("4")
    click_pixel(page, 50, 50)
    page.keyboard.press("Enter")
    all_saved(page)
    (marks,) = marks_of(server, task)
    assert [(mark["kind"], mark.get("arc"), mark.get("vertex")) for mark in marks] == [
        *[("arc", 1, vertex) for vertex in (1, 2, 3)],
        *[("arc", 2, vertex) for vertex in (1, 2)],
        ("artefact", None, None),
    ]
    assert_at(marks[2], (18, 10))


def test_snapping_may_be_left_off(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.keyboard.press("m")
    click_pixel(page, 29.4, 31.2, modifiers=["Shift"])
    settle(page)
    page.locator(".markbar").get_by_role("button", name="Snap to peak").click()
    click_pixel(page, 36.3, 35.2)
    settle(page)
    one, other = fresh(page)
    assert (one["snapped"], other["snapped"]) == (False, False)
    assert np.hypot(one["x"] - 29.4, one["y"] - 31.2) < 0.1
    assert np.hypot(other["x"] - 36.3, other["y"] - 35.2) < 0.1


def test_a_mark_is_dragged_and_a_zoomed_picture_panned(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    page.keyboard.press("m")
    page.keyboard.press("3")
    click_pixel(page, 20, 20)

    def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
        box = page.locator(".frame").bounding_box()
        assert box
        places = page.evaluate(
            "(all) => all.map(([x, y]) => window.skysiftLabeller.stage.placeOf({x, y}))",
            [start, end],
        )
        page.mouse.move(box["x"] + places[0]["x"], box["y"] + places[0]["y"])
        page.mouse.down()
        page.mouse.move(box["x"] + places[1]["x"], box["y"] + places[1]["y"], steps=4)
        page.mouse.up()

    drag((20, 20), (25, 28))
    (mark,) = fresh(page)
    assert np.hypot(mark["x"] - 25, mark["y"] - 28) < 0.3
    drag((40, 40), (30, 40))
    assert len(fresh(page)) == 1
    page.keyboard.press("+")
    page.keyboard.press("+")
    middle = page.evaluate("window.skysiftLabeller.stage.middle.x")
    drag((40, 30), (30, 30))
    assert page.evaluate("window.skysiftLabeller.stage.middle.x") == pytest.approx(
        middle + 10 / SIDE, abs=0.01
    )
    assert len(fresh(page)) == 1
    click_pixel(page, 30, 30)
    assert np.hypot(fresh(page)[1]["x"] - 30, fresh(page)[1]["y"] - 30) < 0.2


def test_suggested_nuclei_are_accepted_by_one_key(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.keyboard.press("a")
    suggested(page)
    expect(page.locator(".markpair")).to_contain_text("Suggested:")
    page.keyboard.press("Escape")
    expect(page.locator(".mark")).to_have_count(0)
    assert server.events(task) == []
    page.keyboard.press("a")
    suggested(page)
    page.keyboard.press("a")
    expect(page.locator(".notice")).to_contain_text("2 marks saved")
    expect(page.locator(".mark.own.nucleus")).to_have_count(2)
    (marks,) = marks_of(server, task)
    for mark, place in zip(marks, NUCLEI, strict=True):
        assert_at(mark, place)
    assert marks[1]["separation_px"] == pytest.approx(SEPARATION_PX, abs=0.1)
    # An answer without accepting drops them.
    press(page, "1")
    page.keyboard.press("a")
    suggested(page)
    press(page, "1")
    expect(page.locator(".mark")).to_have_count(0)
    all_saved(page)
    assert len(marks_of(server, task)) == 1


def test_where_nothing_is_nothing_is_suggested(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task, object="pair_11")
    assert on_screen(page) == "pair_11"
    page.keyboard.press("a")
    expect(page.locator(".notice")).to_contain_text("No peak near the centre", timeout=30_000)
    expect(page.locator(".mark")).to_have_count(0)
    page.keyboard.press("m")
    click_pixel(page, 20, 20)
    settle(page)
    expect(page.locator(".marknotes")).to_contain_text("No peak stands out")
    for place in ((44, 20), (20, 44)):
        click_pixel(page, *place)
    settle(page)
    notes = page.locator(".marknotes")
    expect(notes).to_contain_text("1, 2, 3 not snapped. No peak stands out")
    assert notes.inner_text().count("No peak") == 1
    expect(page.locator(".mark .missed")).to_have_text(["not snapped"] * 3)
    expect(page.locator(".markpair")).to_contain_text("Nuclei 1 and 2: ")


def test_marks_of_before_are_drawn_own_and_others(page: Page, server: Server, task: str) -> None:
    marks = [
        {"kind": "nucleus", "x_px": 20.0, "y_px": 20.0},
        {"kind": "<img>", "x_px": 9, "y_px": 9},
    ]
    with LabelsDB(server.workspace.labels) as db:
        event = NewEvent(
            event_id=str(uuid4()),
            task=task,
            object_id="pair_03",
            survey_version=1,
            annotator="bob",
            action=Action.MARK,
            payload={"marks": marks},
        )
        db.record(event)
    open_task(page, server, task, object="pair_03")
    expect(page.locator(".mark.others")).to_have_count(2)
    assert page.locator(".mark img").count() == 0
    page.keyboard.press("a")
    suggested(page)
    page.keyboard.press("a")
    all_saved(page)
    open_task(page, server, task, object="pair_03")
    expect(page.locator(".mark.others")).to_have_count(2)
    expect(page.locator(".mark.own")).to_have_count(2)
    expect(page.locator(".markpair")).to_contain_text("PA")


def test_marks_survive_another_object_being_opened(page: Page, server: Server, task: str) -> None:
    name = open_task(page, server, task)
    page.keyboard.press("m")
    click_pixel(page, *NUCLEI[0])
    settle(page)
    page.evaluate("window.skysiftLabeller.open('pair_07')")
    page.locator('.square img[data-object-id="pair_07"]').wait_for()
    eventually(lambda: len(marks_of(server, task)) == 1)
    (event,) = server.events(task)
    assert event.object_id == name
    expect(page.locator(".mark")).to_have_count(0)
    assert press(page, "1") == "pair_07"  # the tool was put away with its object
    eventually(lambda: server.labels(task) == {"pair_07": CLASSES[0]})
