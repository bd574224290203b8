"""What a click and a finger leave behind on the picture: the focus, and nothing read out."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Server, sign_in
from tests.browser.pictured import look, make_workspace, new_task


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(make_workspace(tmp_path_factory.mktemp("touched")), "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def five(page, server):
    look(page, server, new_task(server, "five", 4))
    return page


def test_what_is_clicked_keeps_the_focus_without_a_frame(five):
    page = five
    focused = (
        "() => { let one = document.activeElement;"
        " while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;"
        " return [one.className.split(' ')[0], getComputedStyle(one).outlineStyle]; }"
    )
    for place, name in ((".square", "frame"), (".object", "skysift")):
        page.locator(place).click()
        page.keyboard.press("h")
        assert page.evaluate(focused) == [name, "none"]
    page.keyboard.press("Tab")
    name, style = page.evaluate(focused)
    assert name not in ("frame", "skysift")
    assert style != "none"


def test_a_finger_that_is_gone_reads_nothing(server, chromium):
    context = chromium.new_context(viewport={"width": 420, "height": 850}, has_touch=True)
    page = context.new_page()
    sign_in(page, server)
    look(page, server, new_task(server, "five", 4))
    box = page.locator(".square").bounding_box()
    touch = context.new_cdp_session(page)
    point = {"x": box["x"] + 50, "y": box["y"] + 50}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    page.locator(".readout").wait_for()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.locator(".readout").wait_for(state="hidden")
    context.close()
