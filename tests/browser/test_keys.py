"""The keymap, and the help sheet that changes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from labels_db import ClassDetail, LabelsDB
from pages.components.labeller import FOLDER
from tests.browser.conftest import (
    CLASSES,
    Chromium,
    Server,
    all_saved,
    on_screen,
    open_task,
    press,
)

ROW = ".keyrow"


@pytest.fixture(scope="module")
def blank(browsers: Chromium) -> Iterator[Page]:
    """A page with nothing on it but the keymap."""
    context = browsers.living().new_context()
    page = context.new_page()
    page.add_script_tag(content=(FOLDER / "keymap.js").read_text(encoding="utf-8"))
    yield page
    context.close()


@pytest.fixture
def task(server: Server, task: str) -> str:
    """A task, with the keys as they come: changes are the person's, not the task's."""
    with LabelsDB(server.workspace.labels) as db:
        db.set_preference("owner", "keys", None)
    return task


def kept(answer: Response) -> bool:
    """True for the answer that says that a preference is kept."""
    return answer.request.method == "POST" and answer.url.endswith("/api/preferences")


def meaning(page: Page, event: dict[str, Any], **given: Any) -> dict[str, Any] | None:
    """What a press means under `overrides`, `classes`, `tags` and `scopes`."""
    found: dict[str, Any] | None = page.evaluate(
        """([event, given]) => {
          const map = new Keymap();
          map.use(given.overrides ?? {}, given.classes ?? ["1", "2"], given.tags ?? 0);
          return map.meaning({ code: "", shiftKey: false, ...event }, given.scopes ?? []);
        }""",
        [event, given],
    )
    return found


def test_no_two_actions_share_a_key_as_it_comes(blank: Page) -> None:
    assert blank.evaluate("new Keymap().collisions()") == []
    names = blank.evaluate("ACTIONS.map((one) => one.name)")
    assert len(names) == len(set(names)) > 30
    assert blank.evaluate("ACTIONS.every((one) => one.text && one.help && one.group && one.key)")


def test_letters_kept_for_acts_are_the_servers_too(blank: Page) -> None:
    # A class can never have one of these: labels_db refuses it.
    meant = {key: meaning(blank, {"key": key}) for key in "surfnd"}
    assert meant == {
        "s": {"action": "skip"},
        "u": {"action": "undo"},
        "r": {"action": "redo"},
        "f": {"action": "flag"},
        "n": {"action": "note"},
        "d": {"action": "unsure"},
    }


@pytest.mark.parametrize(
    ("event", "given", "means"),
    [
        ({"key": "1", "code": "Digit1"}, {}, {"answer": 0}),
        ({"key": "1", "code": "Numpad1"}, {}, {"answer": 0}),
        # A French keyboard gives & without Shift, and 1 with it.
        ({"key": "&", "code": "Digit1"}, {}, {"answer": 0}),
        ({"key": "2", "code": "Digit2", "shiftKey": True}, {}, {"answer": 1}),
        ({"key": "2", "code": "Digit2", "shiftKey": True}, {"tags": 2}, {"tag": 1}),
        ({"key": "#", "code": "Digit3", "shiftKey": True}, {"tags": 2}, None),
        # Caps Lock, a heavy hand, a Greek and a Russian keyboard.
        ({"key": "S", "code": "KeyS"}, {}, {"action": "skip"}),
        ({"key": "S", "code": "KeyS", "shiftKey": True}, {}, {"action": "skip"}),
        ({"key": "σ", "code": "KeyS"}, {}, {"action": "skip"}),
        ({"key": "ы", "code": "KeyS"}, {}, {"action": "skip"}),
        ({"key": "q", "code": "KeyQ"}, {"classes": ["q", "0"]}, {"answer": 0}),
        ({"key": "0", "code": "Digit0"}, {"classes": ["q", "0"]}, {"answer": 1}),
        ({"key": "0", "code": "Digit0"}, {}, {"action": "zoomFit"}),
        ({"key": "=", "code": "Equal"}, {}, {"action": "zoomIn"}),
        ({"key": "9", "code": "Digit9"}, {}, None),
        ({"key": "Enter"}, {}, None),
        ({"key": "Enter"}, {"scopes": ["grid"]}, {"action": "confirmPage"}),
        ({"key": "Enter"}, {"scopes": ["marking"]}, {"action": "saveMarks"}),
        ({"key": " "}, {"scopes": ["blink"]}, {"action": "pauseBlink"}),
        ({"key": "ArrowLeft"}, {}, None),
        ({"key": "ArrowLeft"}, {"scopes": ["one", "zoomed"]}, {"action": "panLeft"}),
        ({"key": "Escape"}, {"scopes": ["marking"]}, None),
        ({"key": "Dead"}, {}, None),
        ({"key": "Shift", "shiftKey": True}, {}, None),
        ({"key": "s"}, {"overrides": {"skip": "Shift+s"}}, None),
        ({"key": "S", "shiftKey": True}, {"overrides": {"skip": "Shift+s"}}, {"action": "skip"}),
        ({"key": "s"}, {"overrides": {"flag": "s", "skip": "f"}}, {"action": "flag"}),
        ({"key": "s"}, {"overrides": {"skip": ""}}, None),
        # The Cyrillic letter itself may be chosen; it then goes before its place.
        ({"key": "ы", "code": "KeyS"}, {"overrides": {"undo": "ы"}}, {"action": "undo"}),
        # What was kept by hand or by an older version: passed over.
        ({"key": "s"}, {"overrides": {"skip": "F5", "nothing": "x"}}, {"action": "skip"}),
        (
            {"key": "Enter"},
            {"overrides": {"confirmPage": "q"}, "scopes": ["grid"]},
            {"action": "confirmPage"},
        ),
    ],
)
def test_what_a_press_means(
    blank: Page, event: dict[str, Any], given: dict[str, Any], means: dict[str, Any] | None
) -> None:
    assert meaning(blank, event, **given) == means


def test_a_class_takes_the_key_of_an_action(blank: Page) -> None:
    found = blank.evaluate("""() => {
      const map = new Keymap();
      map.use({ skip: "v" }, ["1", "q", "v"]);
      return [map.collisions(), map.keyOf("summary"), map.keyOf("skip"), map.keyOf("colour")];
    }""")
    assert found == [
        [
            {"key": "v", "names": ["skip"], "answer": 2},
            {"key": "q", "names": ["summary"], "answer": 1},
            {"key": "v", "names": ["colour"], "answer": 2},
        ],
        *("", "", ""),
    ]


def test_two_actions_on_one_key_are_told(blank: Page) -> None:
    found = blank.evaluate("""() => {
      const map = new Keymap();
      map.use({ skip: "x" }, ["1"]);
      return [map.collisions(), map.keyOf("skip"), map.keyOf("stretch"), map.shortcut("skip")];
    }""")
    assert found == [[{"key": "x", "names": ["skip", "stretch"]}], "X", "", "X"]


@pytest.mark.parametrize(
    ("name", "key", "problem"),
    [
        ("skip", "F5", "F5 belongs to the browser"),
        ("skip", "Tab", "Tab belongs to the browser"),
        ("skip", "Escape", "Escape belongs to the browser"),
        ("skip", "Shift+Tab", "Tab belongs to the browser"),
        ("skip", "7", "Digits are kept for the answers"),
        ("skip", "AudioVolumeUp", "AudioVolumeUp cannot be used"),
        ("skip", "w", "W is the key of “Revisit”"),
        ("skip", "Enter", "Enter is kept for “Confirm”"),
        ("skip", "é1", "é1 cannot be used"),
        ("skip", "q", "Q answers with a class"),
        ("confirmPage", "y", "cannot be changed"),
        ("teleport", "y", "No act is called teleport"),
    ],
)
def test_keys_that_are_refused(blank: Page, name: str, key: str, problem: str) -> None:
    found = blank.evaluate(
        """([name, key]) => {
          const map = new Keymap();
          map.use({ undo: "F2" }, ["1", "q"]);
          return map.withChange(name, key);
        }""",
        [name, key],
    )
    assert problem in found["problem"]
    assert found["overrides"] == {"undo": "F2"}


def test_swapping_gives_each_the_others_key(blank: Page) -> None:
    found = blank.evaluate("""() => {
      const map = new Keymap();
      map.use({}, ["1"]);
      const { rival, swapped } = map.withChange("skip", "f");
      map.use(swapped, ["1"]);
      const there = [rival, map.keyOf("skip"), map.keyOf("flag"), map.collisions()];
      const back = map.withChange("skip", "s").swapped;
      map.use(back, ["1"]);
      return [...there, map.keyOf("skip"), map.keyOf("flag"), map.overrides];
    }""")
    assert found == ["flag", "F", "S", [], "S", "F", {}]


# The sheet, on the real page


def row(page: Page, what: str) -> Locator:
    """The line of an action in the open sheet, by its name."""
    return page.locator(ROW).filter(has=page.get_by_text(what, exact=True))


def open_sheet(page: Page) -> Locator:
    page.keyboard.press("?")
    sheet = page.locator("dialog.keysheet[open]")
    sheet.wait_for()
    return sheet


def change(page: Page, what: str, key: str) -> None:
    page.get_by_role("button", name=f"Change: {what}", exact=True).click()
    page.keyboard.press(key)


def test_the_sheet_shows_every_key_and_the_classes(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    sheet = open_sheet(page)
    for index, name in enumerate(CLASSES, 1):
        expect(sheet.locator(f".keyclass.c{index}")).to_have_text(f"{index}{name}")
    expect(row(page, "Skip").locator("kbd")).to_have_text("S")
    expect(row(page, "Confirm").get_by_role("button")).to_have_count(0)
    page.keyboard.press("1")
    page.keyboard.press("s")
    page.keyboard.press("?")
    expect(sheet).to_have_count(0)
    assert server.events(task) == []


def test_a_key_is_changed_used_kept_and_reset(page: Page, server: Server, task: str) -> None:
    first = open_task(page, server, task)
    open_sheet(page)
    with page.expect_response(kept):
        change(page, "Skip", "F2")
    expect(row(page, "Skip").locator("kbd")).to_have_text("F2")
    page.keyboard.press("?")
    expect(page.locator('[data-act="skip"] kbd')).to_have_text("F2")
    page.keyboard.press("s")
    page.keyboard.press("F2")
    all_saved(page)
    assert [event.object_id for event in server.events(task)] == [first]

    page.reload()
    on_screen(page)
    expect(page.locator('[data-act="skip"] kbd')).to_have_text("F2")
    open_sheet(page)
    page.get_by_role("button", name="Reset all keys").click()
    expect(row(page, "Skip").locator("kbd")).to_have_text("S")
    page.keyboard.press("Escape")
    press(page, "s")
    all_saved(page)
    assert len(server.events(task)) == 2


def test_a_key_in_use_is_told_and_can_be_swapped(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    open_sheet(page)
    change(page, "Skip", "f")
    skip = row(page, "Skip")
    expect(skip.locator(".keysaid")).to_contain_text("F is the key of “Flag”")
    expect(skip.locator("kbd")).to_have_text("…")
    page.get_by_role("button", name="Swap: Skip").press("Enter")
    expect(skip.locator("kbd")).to_have_text("F")
    expect(row(page, "Flag").locator("kbd")).to_have_text("S")
    page.get_by_role("button", name="Reset: Skip").click()
    expect(skip.locator(".keysaid")).to_contain_text("S is the key of “Flag”")
    page.keyboard.press("Escape")
    expect(skip.locator("kbd")).to_have_text("F")


def test_closed_and_opened_again_at_once_it_still_has_the_keys(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    for _ in range(5):
        open_sheet(page)
        page.keyboard.press("Escape")
    open_sheet(page)
    change(page, "Skip", "f")
    expect(row(page, "Skip").locator(".keysaid")).to_contain_text("F is the key of “Flag”")


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("1", "Digits are kept"),
        ("Control+k", "Ctrl, Alt or Meta"),
        ("F5", "F5 belongs to the browser"),
        ("Enter", "Enter is kept for “Confirm”"),
    ],
)
def test_a_key_refused_is_told(
    page: Page, server: Server, task: str, key: str, problem: str
) -> None:
    open_task(page, server, task)
    open_sheet(page)
    change(page, "Undo", key)
    expect(row(page, "Undo").locator(".keysaid")).to_contain_text(problem)
    page.keyboard.press("Escape")
    expect(row(page, "Undo").locator("kbd")).to_have_text("U")
    expect(page.locator("dialog.keysheet[open]")).to_have_count(1)


def test_an_action_whose_key_a_class_has(page: Page, server: Server, task: str) -> None:
    with LabelsDB(server.workspace.labels) as db:
        db.add_class(task, ClassDetail("<i>quasar</i>", key="q", colour="#00ff88"), "owner")
    first = open_task(page, server, task)
    expect(page.locator('[data-act="summary"] kbd')).to_be_hidden()
    sheet = open_sheet(page)
    expect(sheet.locator(".keynone")).to_have_text(
        "Without a key: Summary. Give it another by “Change”."
    )
    expect(row(page, "Summary").locator(".keysaid")).to_have_text(
        "No key: Q answers with “<i>quasar</i>” here."
    )
    change(page, "Undo", "q")
    expect(row(page, "Undo").locator(".keysaid")).to_contain_text("Q answers with a class")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    press(page, "q")
    all_saved(page)
    assert server.labels(task) == {first: "<i>quasar</i>"}


def test_a_key_taken_away(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    open_sheet(page)
    page.get_by_role("button", name="Change: Flag", exact=True).click()
    page.get_by_role("button", name="No key: Flag").click()
    expect(row(page, "Flag").locator("kbd")).to_have_text("–")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.locator('[data-act="flag"] kbd')).to_be_hidden()
    page.locator('[data-act="flag"]').click()
    expect(page.locator(".chip.flag")).to_have_text("flagged")
    open_sheet(page)
    page.get_by_role("button", name="Reset: Flag").click()
    expect(row(page, "Flag").locator("kbd")).to_have_text("F")
    all_saved(page)
