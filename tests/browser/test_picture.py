"""How a picture is drawn: every control, brightness and contrast by hand, kept settings."""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page

from core.display.colourmaps import colour_map
from tests.browser.conftest import Server, eventually, on_screen, press
from tests.browser.pictured import (
    dragged,
    drawn,
    from_server,
    look,
    make_workspace,
    new_task,
    settled,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(make_workspace(tmp_path_factory.mktemp("pictured")), "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def five(page, server):
    """The page at o0 of five float bands, with its default look."""
    look(page, server, new_task(server, "five", 4))
    return page


def control(page, name):
    return page.locator(f"[data-look='{name}']")


def choose(page, name, value):
    """Set a control of the panel as a person does."""
    one = control(page, name)
    if one.evaluate("node => node.tagName") == "SELECT":
        one.select_option(value)
    else:
        one.fill(value)
        one.press("Enter")


def asked(page):
    """The look in the address of the picture on the stage."""
    settled(page)
    address = page.evaluate(
        "() => window.skysiftLabeller.pictures.get('o0').url",
    )
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    own = ("survey", "version", "hash", "object_id", "size")
    return {name: value for name, value in query.items() if name not in own}


CONTROLS = [
    ({"colour": "lupton"}, [("q", "30", {"q": "30"}), ("soft", "2", {"soft": "2"})]),
    ({"colour": "lupton"}, [(n, "z", {n: "z"}) for n in ("green", "blue")]),
    ({"colour": "channels"}, [("red", "u", {"red": "u"})]),
    (
        {"colour": "channels"},
        [
            ("stretch", one, {"stretch": one})
            for one in ("linear", "log", "power", "sqrt", "squared", "sinh", "histogram")
        ],
    ),
    (
        {"colour": "band"},
        [
            ("band", "u", {"band": "u"}),
            ("limits", "minmax", {"limits": "minmax"}),
            ("limits", "zscale", {"limits": "zscale"}),
            ("limits", "percentile 90", {"limits": "percentile", "percent": "90"}),
            ("percent", "60", {"limits": "percentile", "percent": "60"}),
            ("map", "heat", {"map": "heat"}),
            ("contrast", "2", {"contrast": "2"}),
            ("bias", "0.3", {"bias": "0.3"}),
            ("smooth", "2", {"smooth": "2"}),
            ("residual", "unsharp", {"residual": "unsharp"}),
            ("residual", "symmetric", {"residual": "symmetric"}),
            ("residual", "sersic", {"residual": "sersic"}),
        ],
    ),
]


def _asks(page: Page, wanted: dict[str, str]) -> bool:
    """Whether the picture on screen was asked for with these settings."""
    return wanted.items() <= asked(page).items()


@pytest.mark.parametrize("case", range(len(CONTROLS)))
def test_each_control_changes_what_is_asked_and_the_pixels(five, case):
    first, steps = CONTROLS[case]
    page = five
    plain = drawn(page)
    page.keyboard.press("p")
    for name, value in first.items():
        choose(page, name, value)
    before = drawn(page)
    assert not np.array_equal(before, plain)
    for name, value, wanted in steps:
        choose(page, name, value)
        eventually(partial(_asks, page, wanted))
        after = drawn(page)
        assert not np.array_equal(after, before), (name, value)
        before = after
    page.get_by_role("button", name="Reset the picture's look").click()
    eventually(lambda: asked(page) == {})
    assert np.array_equal(drawn(page), plain)


def test_fixed_limits_wait_for_both_ends_and_say_so(five):
    page = five
    page.keyboard.press("p")
    choose(page, "colour", "band")
    choose(page, "limits", "fixed")
    choose(page, "low", "0")
    assert page.get_by_text("Fixed limits take effect once low and high are given").is_visible()
    assert "limits" not in asked(page)
    choose(page, "high", "-5")
    assert "limits" not in asked(page)
    choose(page, "high", "20")
    eventually(lambda: asked(page).get("limits") == "fixed")
    assert (asked(page)["low"], asked(page)["high"]) == ("0", "20")
    assert page.get_by_text("Fixed limits take effect").is_hidden()


@pytest.mark.parametrize(("name", "text"), [("contrast", "11"), ("bias", "-1"), ("smooth", "1e9")])
def test_a_number_out_of_range_is_refused_in_words(five, name, text):
    page = five
    page.keyboard.press("p")
    before = control(page, name).input_value()
    choose(page, name, text)
    page.locator(".notice", has_text="it stays as it was").wait_for()
    assert control(page, name).input_value() == before
    assert asked(page) == {}


def test_keys_go_through_what_there_is_and_say_what_it_is_now(five):
    page = five
    said = page.locator(".notice")
    for key, words in [
        ("x", "Stretch: linear, channels"),
        ("x", "Stretch: log"),
        ("l", "Limits: min max"),
        ("l", "Limits: 99.9 %"),
        ("v", "Band u"),
        ("k", "Colour map: heat"),
        ("i", "Inverted"),
        ("e", "Residual: unsharp mask"),
    ]:
        page.keyboard.press(key)
        said.filter(has_text=words).wait_for()
    line = page.locator(".look")
    assert line.inner_text().startswith("Band u · log · 99.9 % · heat · inverted · unsharp mask")
    wanted = {"colour": "band", "band": "u", "stretch": "log", "limits": "percentile"}
    wanted |= {"percent": "99.9", "map": "heat", "invert": "1", "residual": "unsharp"}
    eventually(lambda: asked(page) == wanted)
    page.keyboard.press("z")
    eventually(lambda: asked(page) == {})
    assert line.is_hidden()


def test_colours_by_key_end_where_they_began(five):
    page = five
    seen = []
    for _ in range(8):
        page.keyboard.press("v")
        look_now = page.evaluate("({ ...window.skysiftLabeller.look.value })")
        seen.append(look_now.get("band") or look_now.get("colour"))
    # The middle band is what one band is without saying which.
    assert seen == ["lupton", "channels", "u", "g", "r", "i", "z", None]


DRAGS = [
    {},
    {"colour": "lupton"},
    {"colour": "channels", "stretch": "log", "invert": 1},
    {"colour": "band", "band": "i", "limits": "zscale"},
    {"colour": "band", "invert": 1, "stretch": "linear", "limits": "minmax"},
    {"residual": "unsharp"},
    {"colour": "band", "map": "heat", "limits": "minmax"},
    {"colour": "band", "map": "viridis", "invert": 1},
]


@pytest.mark.parametrize("changes", DRAGS)
def test_what_is_drawn_under_the_hand_is_what_the_server_draws(five, changes):
    page = five
    page.evaluate("changes => window.skysiftLabeller.look.set(changes)", changes)
    settled(page)
    box = page.locator(".square").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x + 30, y - 40, steps=3)
    before = dragged(page)
    page.mouse.move(x - 0.12 * box["width"], y - 0.2 * box["height"], steps=3)
    under_the_hand = dragged(page)
    assert not np.array_equal(before, under_the_hand)
    page.mouse.up(button="right")
    settled(page)
    assert float(asked(page)["bias"]) == pytest.approx(0.5 - 0.12, abs=0.01)
    assert float(asked(page)["contrast"]) == pytest.approx(2**0.8, rel=0.02)
    from_the_server = from_server(page)
    assert from_the_server.std() > 1
    # One step of the scale, which a colour map makes several steps of a colour.
    step = 1
    if "map" in changes:
        step = np.abs(np.diff(colour_map(changes["map"]).astype(int), axis=0)).max()
    assert np.abs(under_the_hand - from_the_server).max() <= step
    assert np.mean(np.abs(under_the_hand - from_the_server) > 0) < 0.01


def test_dragging_back_to_where_it_was_leaves_the_picture(five):
    page = five
    box = page.locator(".square").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x + 40, y)
    dragged(page)
    page.mouse.move(x, y)
    page.mouse.up(button="right")
    settled(page)
    assert asked(page) == {}


def test_contrast_drags_with_the_left_button_once_its_tool_is_on(five):
    page = five
    page.keyboard.press("p")
    tool = page.get_by_role("button", name="Drag contrast")
    tool.click()
    assert tool.get_attribute("aria-pressed") == "true"
    box = page.locator(".square").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y + 50, steps=3)
    page.mouse.up()
    eventually(lambda: {"contrast", "bias"} <= set(asked(page)))
    page.get_by_role("button", name="Reset contrast").click()
    eventually(lambda: asked(page) == {})


def test_no_menu_opens_over_the_picture(five):
    prevented = five.evaluate(
        "() => { const event = new MouseEvent('contextmenu', { bubbles: true, cancelable: true });"
        " window.skysiftLabeller.stage.img.dispatchEvent(event); return event.defaultPrevented; }"
    )
    assert prevented


def test_an_answer_in_the_middle_of_a_drag_shows_the_next_picture(five):
    page = five
    box = page.locator(".square").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x + 40, y, steps=2)
    dragged(page)
    page.keyboard.press("1")
    page.locator(".square img[data-object-id='o1']").wait_for()
    assert page.evaluate("window.skysiftLabeller.stage.canvas.hidden")
    page.mouse.move(x + 80, y, steps=2)
    page.mouse.up(button="right")
    settled(page)
    assert page.evaluate("window.skysiftLabeller.look.isEmpty")


def test_levels_that_cannot_be_had_are_told_and_the_picture_stays(five):
    page = five
    sentence = "No levels today; try tomorrow."
    page.route("**/api/levels*", lambda route: route.fulfill(status=503, json={"error": sentence}))
    box = page.locator(".square").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 50, box["y"] + 51)
    page.mouse.move(box["x"] + 50, box["y"] + 56)
    page.locator(".notice", has_text=sentence).wait_for()
    page.mouse.up(button="right")
    assert on_screen(page) == "o0"


def test_a_look_stays_at_the_next_object_and_after_a_reload_but_not_in_another_survey(
    page, server
):
    task = new_task(server, "five", 4)
    look(page, server, task)
    page.keyboard.press("p")
    choose(page, "colour", "band")
    choose(page, "band", "z")
    choose(page, "stretch", "log")
    page.keyboard.press("o")
    settled(page)
    press(page, "1")
    page.locator(".square img[data-object-id='o1']").wait_for()
    assert drawn(page).shape == (64, 64, 3)
    assert np.array_equal(drawn(page), from_server(page))
    page.evaluate("window.skysiftLabeller.kept.save()")
    page.wait_for_timeout(300)
    page.goto(f"{server.origin}/?task={task}&object=o0")
    on_screen(page)
    assert asked(page) == {"colour": "band", "band": "z", "stretch": "log"}
    assert drawn(page).shape == (64, 64, 3)
    assert control(page, "band").input_value() == "z"
    other = new_task(server, "rgb", 3)
    page.goto(f"{server.origin}/?task={other}&object=o0")
    on_screen(page)
    assert asked(page) == {}
    page.evaluate("window.skysiftLabeller.look.toDefault()")


def test_another_task_has_the_look_of_its_survey_and_leaves_that_of_the_other(page, server):
    task, other = new_task(server, "five", 4), new_task(server, "rgb", 3)
    look(page, server, task)
    page.evaluate("window.skysiftLabeller.look.set({ colour: 'band', band: 'z' })")
    settled(page)
    for name, wanted in [(other, {}), (task, {"colour": "band", "band": "z"})]:
        page.evaluate(
            "task => { const { skysiftLabeller: page } = window;"
            " page.attach(page.root.parentNode, { api: '', task, object: 'o0' }); }",
            name,
        )
        page.wait_for_function(
            "task => { const { skysiftLabeller: page } = window;"
            " return page.task?.task === task && page.visible === 'o0'; }",
            arg=name,
        )
        assert asked(page) == wanted
    page.evaluate("window.skysiftLabeller.look.toDefault()")


def test_a_kept_look_of_nonsense_is_passed_over(page, server):
    task = new_task(server, "five", 4)
    look(page, server, task)
    kept = {"colour": "band", "band": "<b>", "contrast": 99, "map": 3, "stretch": "toString"}
    page.evaluate("kept => window.skysiftLabeller.prefer('look:five', kept)", kept)
    page.evaluate("window.skysiftLabeller.kept.save()")
    page.wait_for_timeout(300)
    page.goto(f"{server.origin}/?task={task}&object=o0")
    on_screen(page)
    assert asked(page) == {"colour": "band"}
    page.evaluate("window.skysiftLabeller.look.toDefault()")


def test_colour_pictures_of_eight_bits_take_every_look(page, server):
    look(page, server, new_task(server, "rgb", 3))
    plain = drawn(page)
    for changes in [
        {"colour": "lupton"},
        {"colour": "channels", "stretch": "log"},
        {"invert": 1},
        {"colour": "band", "map": "cool"},
        {"residual": "symmetric"},
    ]:
        page.evaluate("window.skysiftLabeller.look.toDefault()")
        page.evaluate("changes => window.skysiftLabeller.look.set(changes)", changes)
        assert not np.array_equal(drawn(page), plain), changes


@pytest.mark.parametrize("survey", ["dot", "blank", "big"])
def test_odd_pictures_are_shown_in_every_look(page, server, survey):
    n = 3 if survey == "blank" else 2
    look(page, server, new_task(server, survey, n))
    for number in range(n):
        page.evaluate("id => window.skysiftLabeller.open(id)", f"o{number}")
        page.locator(f".square img[data-object-id='o{number}']").wait_for()
        for changes in [{}, {"colour": "band", "limits": "zscale"}, {"residual": "unsharp"}]:
            page.evaluate("window.skysiftLabeller.look.toDefault()")
            page.evaluate("changes => window.skysiftLabeller.look.set(changes)", changes)
            settled(page)
            assert page.locator(".square img").get_attribute("data-object-id") == f"o{number}"
            box = page.locator(".square").bounding_box()
            page.mouse.move(box["x"] + 9, box["y"] + 9)
            page.mouse.down(button="right")
            page.mouse.move(box["x"] + 60, box["y"] + 60, steps=3)
            dragged(page)
            page.mouse.up(button="right")
            settled(page)
    page.evaluate("window.skysiftLabeller.look.toDefault()")


def test_fields_keep_their_places_and_those_without_effect_are_at_rest(five):
    page = five
    page.keyboard.press("p")

    def places():
        return page.locator(".fields > *").evaluate_all(
            "all => all.map((one) => [one.offsetLeft, one.offsetTop])"
        )

    def at_rest():
        found = page.locator(".fields [data-look]:disabled")
        return set(found.evaluate_all("all => all.map((one) => one.dataset.look)"))

    first = places()
    bands = {"band", "red", "green", "blue"}
    assert at_rest() == bands | {"q", "soft", "percent", "low", "high"}
    assert page.get_by_text("have a stretch and limits of their own").is_visible()
    answers = page.locator(".answers").bounding_box()
    for colour, resting in (
        ("lupton", {"band", "percent", "low", "high"}),
        ("channels", {"band", "q", "soft", "percent", "low", "high"}),
        ("band", {"red", "green", "blue", "q", "soft", "percent", "low", "high"}),
    ):
        choose(page, "colour", colour)
        assert at_rest() == resting
        assert places() == first
        assert page.locator(".answers").bounding_box() == answers
    keys = page.locator(".switch kbd:visible").all_inner_texts()
    assert sorted(keys) == ["+", "-", "0", "H", "I", "O", "Z"]


def test_reset_on_the_picture_is_no_press_on_the_picture(five):
    page = five
    page.keyboard.press("m")
    page.keyboard.press("i")
    page.get_by_role("button", name="Reset the picture's look").click()
    eventually(lambda: asked(page) == {})
    assert page.locator(".mark.fresh").count() == 0
