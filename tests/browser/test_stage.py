"""The stage: zoom and pan, what lies under the cursor, scale bar, compass, crosshair."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from playwright.sync_api import Page

from core.measure.distances import kpc_per_arcsec
from tests.browser.conftest import Server, eventually, on_screen, sign_in
from tests.browser.pictured import (
    BANDS,
    DEC,
    RA,
    SCALE_ARCSEC,
    SIDE,
    Z,
    drawn,
    five_bands,
    look,
    make_workspace,
    new_task,
    settled,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(make_workspace(tmp_path_factory.mktemp("staged")), "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def five(page, server):
    look(page, server, new_task(server, "five", 4))
    return page


def box_of(page):
    return page.locator(".square").bounding_box()


def zoom(page):
    return page.evaluate("window.skysiftLabeller.stage.zoom")


def pixel_at(page, x, y):
    """Picture pixel under a point of the window, as the stage says."""
    at = page.evaluate(
        "([x, y]) => window.skysiftLabeller.stage.toPixel({ clientX: x, clientY: y })", [x, y]
    )
    return at["x"], at["y"]


def told(page, what):
    """Wait for what the page's events tell; they come during calls of Playwright only."""
    eventually(lambda: page.evaluate("1") and what())


def row(page, name):
    return page.locator(".readout > div", has=page.locator(f"dt:text-is('{name}')")).locator("dd")


def point_at(page, x, y):
    """Move the pointer to the centre of pixel x, y of the fitted picture."""
    box = box_of(page)
    pixel = box["width"] / SIDE
    page.mouse.move(box["x"] + (x + 0.5) * pixel, box["y"] + (y + 0.5) * pixel)


def test_values_under_the_cursor_are_those_of_the_pixels(five):
    page = five
    pixels = five_bands(0)
    for x, y in [(0, 0), (63, 0), (5, 40), (31, 33), (63, 63)]:
        point_at(page, x, y)
        row(page, "g").filter(has_text=re.compile(r"\d")).wait_for()
        assert row(page, "x, y").inner_text() == f"{x:.1f}, {y:.1f}"
        for band, name in enumerate(BANDS):
            shown = float(row(page, name).inner_text())
            assert shown == pytest.approx(float(pixels[band, y, x]), rel=1e-5), (name, x, y)
    page.mouse.move(2, 2)
    assert page.locator(".readout").is_hidden()


def test_the_position_on_the_sky_is_astropys(five):
    page = five
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [RA, DEC]
    wcs.wcs.crpix = [(SIDE + 1) / 2] * 2
    # The first line of the array is on top and north is up.
    wcs.wcs.cd = np.diag([-SCALE_ARCSEC / 3600] * 2)
    for x, y in [(0, 0), (63, 20), (31, 60)]:
        point_at(page, x, y)
        row(page, "RA").filter(has_text=re.compile(r"\d")).wait_for()
        text = f"{row(page, 'RA').inner_text()} {row(page, 'Dec').inner_text()}"
        shown = SkyCoord(text, unit=("hourangle", "deg"))
        true = SkyCoord(*wcs.pixel_to_world_values(x, y), unit="deg")
        assert shown.separation(true).arcsec < 0.1
    assert "assumed" in row(page, "sky").inner_text()


def pixels_asked_for(page: Page) -> list[str]:
    """The addresses of pixel values that the page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/api/pixels" in one.url else None)
    return asked


def test_nothing_is_fetched_for_the_readout_while_the_pointer_is_elsewhere(page, server):
    asked = pixels_asked_for(page)
    look(page, server, new_task(server, "five", 4))
    page.mouse.move(2, 2)
    page.keyboard.press("1")
    page.locator(".square img[data-object-id='o1']").wait_for()
    page.wait_for_timeout(600)
    assert asked == []
    point_at(page, 3, 3)
    told(page, lambda: len(asked) == 1)
    assert "object_id=o1" in asked[0]
    # The next object under a pointer that rests is read anew.
    page.keyboard.press("1")
    told(page, lambda: len(asked) == 2)
    assert "object_id=o2" in asked[1]
    row(page, "g").filter(has_text=re.compile(r"\d")).wait_for()
    shown = float(row(page, "g").inner_text())
    assert shown == pytest.approx(float(five_bands(2)[1, 3, 3]), rel=1e-5)


def test_pixels_that_cannot_be_had_are_told_in_the_readout(five):
    page = five
    page.route(
        "**/api/pixels*", lambda route: route.fulfill(status=500, json={"error": "Disk gone."})
    )
    point_at(page, 9, 9)
    row(page, "u").filter(has_text="Disk gone.").wait_for()


def test_a_large_picture_is_read_by_a_window(page, server):
    asked = pixels_asked_for(page)
    look(page, server, new_task(server, "big", 2))
    box = box_of(page)
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    row(page, "g").filter(has_text=re.compile(r"\d")).wait_for()
    assert "x1=2000" in asked[0]
    assert "x0=18" in asked[0]
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    told(page, lambda: len(asked) == 2)
    row(page, "g").filter(has_text=re.compile(r"\d")).wait_for()


def test_no_data_is_called_so(page, server):
    look(page, server, new_task(server, "blank", 3))
    box = box_of(page)
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    row(page, "g").filter(has_text="no data").wait_for()
    assert row(page, "RA").is_hidden()


def test_the_wheel_keeps_what_is_under_the_cursor(five):
    page = five
    box = box_of(page)
    x, y = round(box["x"] + 0.3 * box["width"]), round(box["y"] + 0.6 * box["height"])
    page.mouse.move(x, y)
    before = pixel_at(page, x, y)
    for _ in range(4):
        page.mouse.wheel(0, -120)
    eventually(lambda: zoom(page) > 3)
    assert pixel_at(page, x, y) == pytest.approx(before, abs=1e-6)
    for _ in range(30):
        page.mouse.wheel(0, -240)
    eventually(lambda: zoom(page) == 32)
    assert pixel_at(page, x, y) == pytest.approx(before, abs=1e-6)
    # What is drawn follows: the element under the cursor is where the transform put it.
    placed = page.locator(".square img").bounding_box()
    shown = (x - placed["x"]) / placed["width"] * SIDE - 0.5
    assert shown == pytest.approx(before[0], abs=1e-2)
    for _ in range(30):
        page.mouse.wheel(0, 240)
    eventually(lambda: zoom(page) == 1)


def test_the_overlay_lies_in_picture_pixels(five):
    page = five
    box = box_of(page)
    x, y = round(box["x"] + 0.3 * box["width"]), round(box["y"] + 0.6 * box["height"])
    for _ in range(3):
        placed = page.evaluate(
            "([x, y]) => { const { overlay } = window.skysiftLabeller.stage;"
            " const at = new DOMPoint(x, y).matrixTransform(overlay.getScreenCTM().inverse());"
            " return [at.x - 0.5, at.y - 0.5]; }",
            [x, y],
        )
        assert placed == pytest.approx(list(pixel_at(page, x, y)), abs=0.01)
        page.keyboard.press("+")
        page.keyboard.press("ArrowLeft")


def test_keys_zoom_pan_and_fit(five):
    page = five
    box = box_of(page)
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.press("ArrowRight")
    assert zoom(page) == 1
    for _ in range(4):
        page.keyboard.press("+")
    assert zoom(page) == pytest.approx(4)
    start = pixel_at(page, *middle)
    for key, direction in [("ArrowRight", (1, 0)), ("ArrowDown", (0, 1))]:
        before = pixel_at(page, *middle)
        page.keyboard.press(key)
        after = pixel_at(page, *middle)
        assert np.sign(np.round(np.subtract(after, before), 6)).tolist() == list(direction)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert pixel_at(page, *middle) == pytest.approx(start, abs=1e-6)
    page.keyboard.press("-")
    assert zoom(page) == pytest.approx(2 * math.sqrt(2))
    page.keyboard.press("0")
    assert zoom(page) == 1


def test_dragging_pans_a_zoomed_picture_and_a_double_click_fits(five):
    page = five
    box = box_of(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for _ in range(4):
        page.keyboard.press("+")
    grabbed = pixel_at(page, x, y)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y - 40, steps=4)
    page.mouse.up()
    assert pixel_at(page, x + 60, y - 40) == pytest.approx(grabbed, abs=1e-6)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 3000, y + 3000, steps=4)
    page.mouse.up()
    left = pixel_at(page, box["x"], box["y"])
    assert left == pytest.approx((-0.5, -0.5), abs=1e-6), "the void beside the picture is shown"
    page.mouse.dblclick(x, y)
    assert zoom(page) == 1


@pytest.mark.parametrize(
    ("choice", "kept"),
    [("recentre", (True, False)), ("lock", (True, True)), ("fit", (False, False))],
)
def test_what_becomes_of_the_view_at_the_next_object(five, choice, kept):
    page = five
    page.keyboard.press("p")
    page.get_by_label("Next object").select_option(choice)
    page.get_by_label("Next object").evaluate("node => node.blur()")
    for _ in range(4):
        page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    panned = page.evaluate("window.skysiftLabeller.stage.middle.x")
    assert panned > 0.5
    page.keyboard.press("1")
    page.locator(".square img[data-object-id='o1']").wait_for()
    assert (
        zoom(page) > 1,
        page.evaluate("window.skysiftLabeller.stage.middle.x") == panned,
    ) == kept


def test_two_fingers_zoom_and_one_pans(server, chromium):
    context = chromium.new_context(viewport={"width": 420, "height": 850}, has_touch=True)
    page = context.new_page()
    sign_in(page, server)
    look(page, server, new_task(server, "five", 4))
    page.locator(".frame").scroll_into_view_if_needed()
    box = box_of(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = context.new_cdp_session(page)

    def fingers(kind, *places):
        points = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = pixel_at(page, x, y)
    fingers("touchStart", (x - 20, y))
    fingers("touchStart", (x - 20, y), (x + 20, y))
    for spread in (30, 40, 60):
        fingers("touchMove", (x - spread, y), (x + spread, y))
    fingers("touchEnd")
    assert zoom(page) == pytest.approx(3, rel=0.05)
    assert pixel_at(page, x, y) == pytest.approx(before, abs=0.5)
    grabbed = pixel_at(page, x, y)
    fingers("touchStart", (x, y))
    fingers("touchMove", (x + 15, y + 10))
    fingers("touchMove", (x + 30, y + 20))
    fingers("touchEnd")
    assert pixel_at(page, x + 30, y + 20) == pytest.approx(grabbed, abs=0.7)
    context.close()


def test_a_tool_that_claims_the_pointer_has_it_first(five):
    page = five
    page.evaluate(
        "() => { window.told = []; const tell = (what) => (pixel) => { window.told.push("
        " [what, Math.round(pixel.x), Math.round(pixel.y)]); };"
        " window.skysiftLabeller.stage.claim({ down: tell('down'), move: tell('move'),"
        " up: tell('up') }); }"
    )
    page.keyboard.press("+")
    page.keyboard.press("0")
    point_at(page, 10, 20)
    page.mouse.down()
    point_at(page, 30, 25)
    page.mouse.up()
    heard = page.evaluate("window.told")
    assert ["down", 10, 20] in heard
    assert ["up", 30, 25] in heard
    assert ["move", 30, 25] in heard
    page.evaluate("window.skysiftLabeller.stage.release()")
    page.mouse.down()
    page.mouse.up()
    assert len(page.evaluate("window.told")) == len(heard)


def test_the_scale_bar_is_as_long_as_it_says(five):
    page = five
    for _ in range(3):
        text = page.locator(".furniture .scale text").text_content()
        read = re.fullmatch(r"([\d.]+)″ · ([\d.]+) kpc", text or "")
        assert read is not None, text
        arcsec, kpc = float(read[1]), float(read[2])
        box = page.locator(".furniture .scale .over").bounding_box()
        shown = page.locator(".square img").bounding_box()
        assert box["width"] == pytest.approx(arcsec / SCALE_ARCSEC * shown["width"] / SIDE, abs=3)
        a_second = kpc_per_arcsec(Z)
        assert a_second is not None
        assert kpc == pytest.approx(arcsec * a_second, rel=0.05)
        page.keyboard.press("+")
        page.keyboard.press("+")


def test_without_a_scale_the_bar_counts_pixels_and_there_is_no_compass(page, server):
    look(page, server, new_task(server, "rgb", 3))
    assert re.fullmatch(r"\d+ px", page.locator(".furniture .scale text").text_content())
    assert page.locator(".furniture .compass text").first.is_hidden()


@pytest.mark.parametrize(
    ("turn_deg", "mirrored"), [(0, False), (30, False), (200, False), (30, True), (90, True)]
)
def test_north_and_east_point_as_the_matrix_says(five, turn_deg, mirrored):
    page = five
    turn = np.radians(turn_deg)
    # East and north as seen on screen (x right, y down), and the matrix that has them so.
    north = np.array([np.sin(turn), -np.cos(turn)])
    east = np.array([-np.cos(turn), -np.sin(turn)]) * (-1 if mirrored else 1)
    cd = np.linalg.inv(np.stack([east, north], axis=1)) * SCALE_ARCSEC / 3600
    page.evaluate(
        "cd => { const { stage } = window.skysiftLabeller;"
        " stage.picture(stage.img, { ...stage.item, sky: { ...stage.item.sky, cd } }); }",
        cd.tolist(),
    )
    places = [
        (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for box in (page.locator(".compass text").nth(one).bounding_box() for one in range(2))
    ]
    wanted = north - east
    shown = np.subtract(places[0], places[1])
    assert shown / np.hypot(*shown) == pytest.approx(wanted / np.hypot(*wanted), abs=0.05)
    box = box_of(page)
    for x, y in places:
        assert box["x"] < x < box["x"] + box["width"]
        assert box["y"] < y < box["y"] + box["height"]


def test_the_crosshair_follows_the_cursor_and_stands_in_the_middle_without_one(five):
    page = five
    cross = page.locator(".furniture .crosshair .over")
    assert not cross.get_attribute("d")
    page.keyboard.press("h")
    page.mouse.move(2, 2)
    # A person without a mouse reads the middle of the view, and moves it by the arrow keys.
    row(page, "x, y").filter(has_text="31.5, 31.5").wait_for()
    for _ in range(4):
        page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    row(page, "g").filter(has_text=re.compile(r"\d")).wait_for()
    assert float(row(page, "x, y").inner_text().split(",")[0]) == pytest.approx(34.7, abs=0.1)
    page.keyboard.press("0")
    point_at(page, 10, 20)
    box = box_of(page)
    wide = page.locator(".frame").bounding_box()
    x = box["x"] - wide["x"] + 10.5 * box["width"] / SIDE
    placed = re.search(r"M([\d.]+) 0V", cross.get_attribute("d"))
    assert placed is not None
    assert float(placed[1]) == pytest.approx(x, abs=1)
    page.keyboard.press("h")
    assert not cross.get_attribute("d")


def test_real_pixels_are_asked_for_and_drawn_as_squares(five):
    page = five
    page.keyboard.press("o")
    settled(page)
    assert drawn(page).shape == (SIDE, SIDE, 3)
    style = page.locator(".square img").evaluate("node => getComputedStyle(node).imageRendering")
    assert style == "pixelated"
    page.keyboard.press("o")
    settled(page)
    assert drawn(page).shape[0] >= 512


def test_crosshair_and_pixels_stay_after_a_reload(five, server):
    page = five
    page.keyboard.press("h")
    page.keyboard.press("o")
    page.evaluate("window.skysiftLabeller.kept.save()")
    page.wait_for_timeout(300)
    page.reload()
    on_screen(page)
    assert page.locator(".furniture .crosshair .over").get_attribute("d")
    assert drawn(page).shape == (SIDE, SIDE, 3)


def test_nothing_moves_when_the_readout_comes(five):
    page = five
    page.mouse.move(2, 2)
    before = page.locator(".answers").bounding_box()
    point_at(page, 30, 30)
    row(page, "g").filter(has_text=re.compile(r"\d")).wait_for()
    assert page.locator(".answers").bounding_box() == before
