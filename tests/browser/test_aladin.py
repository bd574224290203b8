"""Aladin Lite and the links out: nothing leaves the machine until a person asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from astropy.wcs import WCS
from playwright.sync_api import (
    BrowserContext,
    Frame,
    Locator,
    Page,
    Route,
    expect,
)

from tests.browser.catalogued import (
    FAST,
    NOWHERE,
    SCALE_ARCSEC,
    SIDE_PX,
    catalogued_server,
    position,
)
from tests.browser.conftest import (
    CLASSES,
    FLAGS,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
)

# Sandboxed frames in the page's process: in one of its own they may ask for something before
# Playwright can answer for the network.
CHROMIUM_FLAGS = [*FLAGS, "--disable-site-isolation-trials"]
ALADIN = "https://aladin.cds.unistra.fr/**"
FAKE = """
window.aladinCalls = [];
window.A = { init: Promise.resolve(), aladin(element, options) {
  const { width } = element.getBoundingClientRect();
  window.aladinCalls.push(["aladin", options, element.isConnected && width > 100]);
  return {
    gotoRaDec: (ra, dec) => window.aladinCalls.push(["goto", ra, dec]),
    setFoV: (fov) => window.aladinCalls.push(["fov", fov]),
    setImageSurvey: (id) => window.aladinCalls.push(["survey", id]),
  };
} };
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with catalogued_server(tmp_path_factory.mktemp("aladin")) as running:
        yield running


@pytest.fixture
def outside(context: BrowserContext) -> list[str]:
    """Addresses on other machines that the browser was asked for."""
    asked: list[str] = []

    def note(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") and parts.hostname != "127.0.0.1":
            asked.append(address)

    context.on("request", lambda request: note(request.url))
    return asked


@pytest.fixture
def afresh(page: Page, server: Server, task: str) -> Iterator[None]:
    """Leave no preference to the tests that follow."""
    yield
    page.evaluate(
        """() => fetch(skysiftLabeller.base + "/api/preferences", { method: "POST",
             headers: { "content-type": "application/json" },
             body: JSON.stringify({ name: "panels", value: null }) }).then((r) => r.status)"""
    )


def number_of(object_id: str) -> int:
    return int(object_id.removeprefix("obj_"))


def panel(page: Page) -> Locator:
    return page.locator("details.aladin")


def switch(page: Page) -> Locator:
    return page.get_by_role("switch", name="Show it")


def frames(page: Page) -> list[Frame]:
    """The frame that Aladin Lite runs in, if there is one."""
    page.wait_for_timeout(20)  # frames and routes are told of only while Playwright is asked
    return [frame for frame in page.frames if frame.url == "about:srcdoc"]


def calls(page: Page, kind: str) -> list[list[Any]]:
    made: list[list[Any]] = []
    for frame in frames(page):
        made += frame.evaluate("() => window.aladinCalls ?? []")
    return [one[1:] for one in made if one[0] == kind]


def serve(script: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=script, content_type="text/javascript")


def test_while_it_is_off_nothing_leaves_the_machine(
    page: Page, server: Server, task: str, outside: list[str]
) -> None:
    open_task(page, server, task)
    expect(switch(page)).not_to_be_checked()
    expect(panel(page)).to_contain_text("learns the positions")
    for _ in range(3):
        press(page, "2")
    all_saved(page)
    page.wait_for_timeout(600)
    assert outside == []


@pytest.mark.usefixtures("afresh")
def test_switched_on_it_follows_the_object_in_the_chosen_survey(
    page: Page, server: Server, task: str, context: BrowserContext, outside: list[str]
) -> None:
    context.route(ALADIN, serve(FAKE))
    shown = open_task(page, server, task, object="obj_07")
    with page.expect_request(ALADIN) as asked:
        switch(page).check()
    assert "referer" not in asked.value.all_headers()
    ra, dec = position(number_of(shown))
    eventually(lambda: calls(page, "goto") == [[ra, dec]])
    ((options, has_place),) = calls(page, "aladin")
    assert has_place
    assert options["survey"] == "CDS/P/DSS2/color"
    assert options["fov"] == pytest.approx(2 * SIDE_PX * SCALE_ARCSEC / 3600)
    assert options["log"] is False

    press(page, "2")
    eventually(lambda: on_screen(page) != shown)
    ra, dec = position(number_of(on_screen(page)))
    eventually(lambda: len(calls(page, "goto")) == 2)
    assert calls(page, "goto")[-1] == pytest.approx([ra, dec])

    page.get_by_role("button", name="DESI Legacy DR10").click()
    eventually(lambda: calls(page, "survey") == [["CDS/P/DESI-Legacy-Surveys/DR10/color"]])
    press(page, "2")  # the choice did not keep the keys
    all_saved(page)
    assert len(server.events(task)) == 2
    assert {urlsplit(one).path for one in outside} == {"/AladinLite/api/v3/3.8.2/aladin.js"}

    switch(page).uncheck()
    n = len(calls(page, "goto"))
    press(page, "2")
    page.wait_for_timeout(600)
    assert len(calls(page, "goto")) == n
    expect(page.locator(".aladin-sky")).to_be_hidden()


@pytest.mark.usefixtures("afresh")
def test_what_runs_there_has_nothing_of_this_page(
    page: Page, server: Server, task: str, context: BrowserContext
) -> None:
    """It is a program of another site: no cookie, no page, no storage, no request to here."""
    context.route(ALADIN, serve(FAKE))
    open_task(page, server, task, object="obj_07")
    switch(page).check()
    eventually(lambda: len(calls(page, "goto")) == 1)
    (frame,) = frames(page)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "stolen" in one.url else None)
    reached = frame.evaluate(
        """async (origin) => {
             const tries = {
               cookie: () => document.cookie,
               page: () => parent.document.title,
               storage: () => indexedDB.open("skysift").result,
               database: () => sessionStorage.length,
               request: () => fetch(origin + "/api/stolen", { credentials: "include" }),
               blind: () => fetch(origin + "/api/stolen", { mode: "no-cors", method: "POST" }),
             };
             const reached = [];
             for (const [name, attempt] of Object.entries(tries)) {
               try { await attempt(); reached.push(name); } catch { /* as it should be */ }
             }
             return [self.origin, reached];
           }""",
        server.origin,
    )
    assert reached == ["null", []]
    assert asked == []
    # Nor does what it says make the page do anything.
    frame.evaluate("""() => { for (const data of [null, 7, { kind: "open", why: "obj_01" },
        { kind: "came" }, { kind: {} }]) parent.postMessage(data, "*"); }""")
    page.evaluate("() => window.postMessage({ kind: 'failed', why: 'not of the frame' }, '*')")
    page.wait_for_timeout(300)
    assert on_screen(page) == "obj_07"
    expect(panel(page)).not_to_contain_text("not here")
    frame.evaluate(
        """() => parent.postMessage({ kind: "failed", why: "<img src=x> fell" }, "*")"""
    )
    expect(panel(page)).to_contain_text("Aladin Lite is not here. <img src=x> fell")
    assert frames(page) == []


@pytest.mark.usefixtures("afresh")
def test_after_a_drag_in_it_the_keys_answer_again(
    page: Page, server: Server, task: str, context: BrowserContext
) -> None:
    context.route(ALADIN, serve(FAKE))
    open_task(page, server, task, object="obj_07")
    switch(page).check()
    eventually(lambda: len(calls(page, "goto")) == 1)
    sky = page.locator(".aladin-sky iframe")
    sky.scroll_into_view_if_needed()
    sky.click()
    eventually(lambda: not page.evaluate("() => skysiftLabeller.shadow.activeElement"))
    press(page, "1")
    eventually(lambda: server.labels(task) == {"obj_07": CLASSES[0]})


@pytest.mark.usefixtures("afresh")
def test_the_switch_and_the_survey_stay_for_the_next_visit(
    page: Page, server: Server, task: str, context: BrowserContext
) -> None:
    context.route(ALADIN, serve(FAKE))
    open_task(page, server, task, object="obj_07")
    switch(page).check()
    page.get_by_role("button", name="SDSS9").click()
    page.wait_for_timeout(800)  # kept a moment after the last change
    page.reload()
    on_screen(page)
    expect(switch(page)).to_be_checked()
    eventually(
        lambda: [one[0]["survey"] for one in calls(page, "aladin")] == ["CDS/P/SDSS9/color"]
    )


@pytest.mark.usefixtures("afresh")
def test_fast_sorting_asks_for_the_sky_of_the_last_object_only(
    page: Page, server: Server, task: str, context: BrowserContext
) -> None:
    context.route(ALADIN, serve(FAKE))
    open_task(page, server, task)
    switch(page).check()
    eventually(lambda: len(calls(page, "goto")) == 1)
    page.evaluate(FAST)
    all_saved(page)
    page.wait_for_timeout(500)
    last = position(number_of(on_screen(page)))
    assert calls(page, "goto")[-1] == pytest.approx(list(last))
    assert len(calls(page, "goto")) == 2


@pytest.mark.usefixtures("afresh")
def test_where_it_cannot_be_reached_it_says_so_and_tries_again_when_asked(
    page: Page, server: Server, task: str, context: BrowserContext
) -> None:
    context.route(ALADIN, lambda route: route.abort("internetdisconnected"))
    open_task(page, server, task, object="obj_07")
    switch(page).check()
    expect(panel(page)).to_contain_text("Aladin Lite is not here. It cannot be reached")
    press(page, "1")
    all_saved(page)
    assert len(server.events(task)) == 1

    context.unroute(ALADIN)
    context.route(ALADIN, serve("window.somethingElse = 1;"))
    again = panel(page).get_by_role("button", name="Try again")
    again.click()
    expect(panel(page)).to_contain_text("Something else came in its place")

    context.unroute(ALADIN)
    context.route(ALADIN, serve(FAKE.replace("Promise.resolve()", "Promise.reject('no WebGL 2')")))
    again.click()
    expect(panel(page)).to_contain_text("no WebGL 2")

    context.unroute(ALADIN)
    context.route(ALADIN, serve(FAKE))
    again.click()
    eventually(lambda: len(calls(page, "goto")) == 1)
    expect(panel(page)).not_to_contain_text("not here")


@pytest.mark.usefixtures("afresh")
def test_while_it_is_slow_the_page_goes_on(
    page: Page, server: Server, task: str, context: BrowserContext
) -> None:
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    context.route(ALADIN, hold)
    open_task(page, server, task)
    switch(page).check()
    expect(panel(page)).to_contain_text("Loading Aladin Lite")
    press(page, "1")
    press(page, "2")
    all_saved(page)
    assert len(server.events(task)) == 2
    switch(page).uncheck()
    serve(FAKE)(waiting[0])
    eventually(lambda: any(frame.evaluate("() => 'A' in window") for frame in frames(page)))
    page.wait_for_timeout(300)
    assert calls(page, "aladin") == []  # switched off meanwhile: it is not begun
    switch(page).check()
    eventually(lambda: len(calls(page, "goto")) == 1)
    assert len(waiting) == 1


@pytest.mark.usefixtures("afresh")
def test_an_object_without_a_position(
    page: Page, server: Server, task: str, context: BrowserContext
) -> None:
    context.route(ALADIN, serve(FAKE))
    open_task(page, server, task, object=NOWHERE)
    expect(page.locator(".links")).to_contain_text("gives no position")
    expect(page.locator(".links a")).to_have_count(0)
    switch(page).check()
    expect(panel(page)).to_contain_text("gives no position of this object")
    assert calls(page, "aladin") == []


def test_the_position_is_that_of_the_cutout_not_of_its_reference_pixel(
    page: Page, server: Server, task: str
) -> None:
    scale = SCALE_ARCSEC / 3600
    corner = {"ra_deg": 359.999, "dec_deg": 60.0, "x_px": 0.0, "y_px": 0.0}
    cd = [[-scale, 0.0], [0.0, -scale]]

    def handle(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        body["sky"] = {**corner, "cd": cd, "scale_arcsec": SCALE_ARCSEC, "assumed": False}
        route.fulfill(response=response, json=body)

    page.route("**/api/object?*", handle)
    open_task(page, server, task, object="obj_07")
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [corner["ra_deg"], corner["dec_deg"]]
    wcs.wcs.crpix = [1, 1]
    wcs.wcs.cd = cd
    ra, dec = wcs.all_pix2world((SIDE_PX - 1) / 2, (SIDE_PX - 1) / 2, 0)
    expect(page.locator(".links")).to_contain_text(f"At {ra:.5f}, {dec:.5f} degrees")


def test_links_open_apart_and_tell_nothing_of_this_page(
    page: Page, server: Server, task: str, context: BrowserContext, outside: list[str]
) -> None:
    context.route("https://simbad.cds.unistra.fr/**", lambda route: route.fulfill(body="SIMBAD"))
    shown = open_task(page, server, task, object="obj_07")
    links = page.locator(".links a")
    expect(links).to_have_count(7)
    for link in links.all():
        assert link.get_attribute("target") == "_blank"
        assert set((link.get_attribute("rel") or "").split()) >= {"noopener", "noreferrer"}
    with context.expect_page() as opened:
        page.get_by_role("link", name="SIMBAD").click()
    opened.value.wait_for_load_state()
    ra, dec = position(number_of(shown))
    assert f"Coord={ra:.6f}%20{dec:.6f}&" in opened.value.url
    assert opened.value.evaluate("[document.referrer, window.opener]") == ["", None]
    assert len(outside) == 1
