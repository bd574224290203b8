"""Going to an object: by id, by sky position, at random, back to skipped ones, by a link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.survey import SurveyWriter
from core.survey.batch import Batch, CatalogueValue
from core.vocabulary import Action, Role
from core.workspace import open_workspace
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem, TaskSpec
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    open_task,
    press,
    sign_in,
    write_runs,
)

ODD = "α/β <b>&"
IDS = (ODD, "100% of=it? #1", "+ a", *(f"obj_{number:02d}" for number in range(20)))
SIDE_PX = 32


def declination(number: int) -> float:
    """Of object `number`, in degrees: neighbours lie an arcminute apart."""
    return 15.0 + number / 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A survey with positions and odd ids."""
    workspace = open_workspace(tmp_path_factory.mktemp("going") / "ws")
    images = np.random.default_rng(5).integers(0, 90, (len(IDS), 3, SIDE_PX, SIDE_PX))
    with SurveyWriter(
        workspace,
        "blobs",
        bands=("R", "G", "B"),
        cutout_size_px=SIDE_PX,
        dtype="uint8",
        origin="made for a test",
        licence="none",
        pixel_scale_arcsec=0.4,
    ) as writer:
        columns: list[dict[str, CatalogueValue]] = [
            {"ra": 185.7, "dec": declination(number)} for number in range(len(IDS))
        ]
        writer.append(Batch(object_ids=list(IDS), images=images.astype(np.uint8), columns=columns))
        write_runs(writer.commit())
    running = Server(workspace, "--no-workers")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def task(server: Server) -> str:
    """A new task whose queue runs from the last object to the first."""
    with LabelsDB(server.workspace.labels) as db:
        name = f"task-{len(db.tasks())}"
        db.create_task(TaskSpec(name, "blobs", "How many nuclei?", CLASSES, CLASSES[0]))
        queue = [
            QueueItem(object_id, rank, "anomaly", 0.5, 1.0)
            for rank, object_id in enumerate(reversed(IDS))
        ]
        model = ModelRecord(
            task=name, n_labels=0, label_seq=0, sampler="anomaly", survey_version=1, seed=0
        )
        db.replace_queue(name, queue, model)
    return name


def ask(page: Page, text: str) -> Locator:
    """Open the dialog and type; its list."""
    page.keyboard.press("j")
    dialog = page.get_by_role("dialog", name="Go to an object")
    field = dialog.get_by_role("combobox")
    expect(field).to_be_focused()
    field.fill(text)
    return dialog.get_by_role("option")


def shows(page: Page, object_id: str) -> None:
    expect(page.locator(".square img")).to_have_attribute("data-object-id", object_id)


@pytest.mark.parametrize("object_id", IDS[:4])
def test_to_an_object_by_its_id(page: Page, server: Server, task: str, object_id: str) -> None:
    open_task(page, server, task)
    options = ask(page, object_id)
    expect(options).to_have_count(1)
    expect(options).to_contain_text(f"{object_id}no answer")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0)
    shows(page, object_id)
    press(page, "1")
    all_saved(page)
    assert server.labels(task) == {object_id: CLASSES[0]}


def test_enter_before_the_answer_goes_to_the_one_that_was_named(
    page: Page, server: Server, task: str
) -> None:
    open_task(page, server, task)
    ask(page, "obj_05")
    page.keyboard.press("Enter")
    shows(page, "obj_05")


def test_by_the_beginning_of_an_id_with_the_arrow_keys(
    page: Page, server: Server, task: str
) -> None:
    first = open_task(page, server, task)
    press(page, "2")
    all_saved(page)
    options = ask(page, first[:-1])
    expect(options).to_have_count(10)
    expect(options.filter(has_text=first).locator(".tag")).to_have_text(CLASSES[1])
    expect(options.first).to_have_attribute("aria-selected", "true")
    names = options.locator(".object").all_inner_texts()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    expect(options.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    shows(page, names[-2])


@pytest.mark.parametrize(
    "text", ["185.7 15.05", "185.7, 15.05", "12:22:48 +15:03:00", "12h22m48s +15d03m00s"]
)
def test_by_a_place_on_the_sky(page: Page, server: Server, task: str, text: str) -> None:
    open_task(page, server, task)
    options = ask(page, text)
    expect(options.first).to_contain_text("obj_000.0″ away")
    expect(options.nth(1)).to_contain_text("1.0′ away")
    options.first.click()
    shows(page, "obj_00")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere", "has no object whose id begins with 'nowhere'"),
        ("185.7 95", "A declination is -90 to 90 degrees"),
        ("12.0 -80", "Nothing lies at that position"),
        ("<b>no</b>", "has no object whose id begins with '<b>no</b>'"),
    ],
)
def test_what_is_not_found_is_said(
    page: Page, server: Server, task: str, text: str, said: str
) -> None:
    before = open_task(page, server, task)
    ask(page, text)
    expect(page.locator(".jumpsaid")).to_contain_text(said)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    shows(page, before)


def test_keys_typed_into_the_field_answer_nothing(page: Page, server: Server, task: str) -> None:
    before = open_task(page, server, task)
    ask(page, "")
    page.keyboard.type("1 2 3 s u j ?")
    page.locator("dialog.jump h2").click()
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    shows(page, before)
    assert server.events(task) == []
    ask(page, "obj_05")
    page.keyboard.press("Escape")
    page.keyboard.press("1")  # at once: it is an answer again
    all_saved(page)
    assert server.labels(task) == {before: CLASSES[0]}


def test_at_random_only_what_nobody_answered(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    with LabelsDB(server.workspace.labels) as db:
        for object_id in IDS[2:]:
            db.record(
                NewEvent(
                    event_id=str(uuid4()),
                    task=task,
                    object_id=object_id,
                    action=Action.LABEL,
                    annotator="somebody",
                    class_name=CLASSES[1],
                    survey_version=1,
                )
            )
    left = set(IDS[:2])
    for _ in range(2):
        page.keyboard.press("t")
        expect(page.locator(".notice")).to_contain_text("At random: ")
        found = page.locator(".notice").inner_text().removeprefix("At random: ")
        assert found in left
        shows(page, found)
        press(page, "1")
        left.discard(found)
        all_saved(page)
    page.keyboard.press("t")
    expect(page.locator(".notice")).to_contain_text("Every object with a picture has an answer")


def test_back_to_what_was_skipped_one_by_one(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    notice = page.locator(".notice")
    page.keyboard.press("w")
    expect(notice).to_contain_text("You have skipped nothing")
    skipped = [press(page, "s") for _ in range(3)]
    all_saved(page)
    page.keyboard.press("w")
    expect(notice).to_have_text(f"You skipped {skipped[2]}; 2 more to go back to")
    shows(page, skipped[2])
    press(page, "2")
    all_saved(page)
    page.keyboard.press("w")
    expect(notice).to_have_text(f"You skipped {skipped[1]}; 1 more to go back to")
    shows(page, skipped[1])
    page.keyboard.press("w")
    expect(notice).to_have_text(f"You skipped {skipped[0]}; it is the last")
    shows(page, skipped[0])
    page.keyboard.press("w")
    expect(notice).to_contain_text("2 objects are still skipped")
    page.keyboard.press("w")
    expect(notice).to_have_text(f"You skipped {skipped[1]}; 1 more to go back to")
    assert server.labels(task) == {skipped[2]: CLASSES[1]}


@pytest.mark.parametrize("object_id", IDS[:3])
def test_a_link_opens_the_same_object_for_a_colleague(
    page: Page, server: Server, task: str, chromium: Browser, object_id: str
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_task(page, server, task)
    ask(page, object_id)
    page.keyboard.press("Enter")
    shows(page, object_id)
    page.keyboard.press("y")
    expect(page.locator(".notice")).to_have_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    query = parse_qs(urlsplit(link).query, strict_parsing=True)
    assert query == {"task": [task], "object": [object_id]}

    with LabelsDB(server.workspace.labels) as db:
        name = f"Ann {len(db.people())}"
        db.add_person(name, Role.ANNOTATOR, "owner")
        secret = db.invite(name, "owner")
    context = chromium.new_context()
    colleague = context.new_page()
    sign_in(colleague, server, secret)
    colleague.goto(link)
    shows(colleague, object_id)
    press(colleague, "2")
    all_saved(colleague)
    assert server.labels(task) == {object_id: CLASSES[1]}
    context.close()


def test_while_the_server_is_away_it_says_so(page: Page, server: Server, task: str) -> None:
    before = open_task(page, server, task)
    page.route("**/api/find?**", lambda route: route.abort())
    ask(page, "obj_05")
    expect(page.locator(".jumpsaid")).to_have_text("The server is not answering.")
    page.keyboard.press("Escape")
    for key in "tw":
        page.keyboard.press(key)
        expect(page.locator(".notice")).to_have_text("The server is not answering.")
    shows(page, before)


def test_only_the_last_text_is_listed(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.evaluate("""() => {
      const real = window.fetch;
      let first = true; // its answer comes last
      window.fetch = async (url, ...more) => {
        const answer = await real(url, ...more);
        if (first && String(url).includes("/api/find")) {
          first = false;
          window.askedFirst = true;
          await new Promise((resolve) => setTimeout(resolve, 900));
          window.cameLast = true;
        }
        return answer;
      };
    }""")
    options = ask(page, "obj_0")
    page.wait_for_function("window.askedFirst")
    page.locator(".jumpfield").fill("obj_17")
    expect(options).to_have_count(1)
    page.wait_for_function("window.cameLast")
    expect(options).to_have_text(re.compile("obj_17"))
