"""The map in a real browser: what is under the pointer, lasso, colours, and no WebGL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.representation import DEFAULT_ENCODER
from core.survey import Batch, RunFolder, Survey, SurveyWriter
from core.vocabulary import Action, JobKind
from core.workspace import Workspace, open_workspace
from labels_db import ClassDetail, LabelsDB, NewEvent, TaskSpec
from tests.browser.conftest import WEBGL_FLAGS, Server, eventually
from tests.browser.test_axe import read

CHROMIUM_FLAGS = WEBGL_FLAGS
N, N_APART = 5_000, 300
"""Objects; so many of them lie in a disc of their own."""
TASK = "find-odd"


def make_survey(workspace: Workspace, n: int = N, n_apart: int = N_APART) -> np.ndarray:
    """Plain pictures whose colour tells the object; (n, 2) places on its map."""
    rng = np.random.default_rng(5)
    places = rng.uniform([-8, -5], [2, 5], (n, 2))
    angle, radius = rng.uniform(0, 2 * np.pi, n_apart), np.sqrt(rng.uniform(0, 1, n_apart))
    apart = rng.permutation(n)[:n_apart]
    places[apart] = np.column_stack([6 + radius * np.cos(angle), 2 + radius * np.sin(angle)])
    numbers = np.arange(n)
    pixels = np.stack([numbers % 250, numbers // 250 * 10 % 250, np.full(n, 128)], axis=1)
    images = np.repeat(pixels.astype(np.uint8)[:, :, None, None], 8, axis=2).repeat(8, axis=3)
    with SurveyWriter(
        workspace,
        "dots",
        bands=("R", "G", "B"),
        cutout_size_px=8,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        writer.append(
            Batch(
                object_ids=[f"dot {number}" for number in numbers],
                images=images,
                columns=[
                    {"kind": "odd" if one % 2 else "even", "flux": float(one)} for one in numbers
                ],
            )
        )
        survey = writer.commit()
    config = {"encoder": DEFAULT_ENCODER, "survey_version": survey.version}
    with RunFolder(survey, JobKind.EMBED, config) as run:
        np.save(run.path / "embedding.npy", places.astype(np.float32))
        np.save(run.path / "mask.npy", np.ones(n, bool))
    config = {"projection": "umap", "embedding_run": run.run_id}
    with RunFolder(survey, JobKind.MAP, config) as made:
        np.save(made.path / "map.npy", places.astype(np.float32))
    return places


def make_task(folder: Path, n: int = N, n_apart: int = N_APART) -> tuple[Path, np.ndarray]:
    """A workspace at `folder` with the survey and a task for it; the places of the map."""
    workspace = open_workspace(folder)
    made = make_survey(workspace, n, n_apart)
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec(TASK, "dots", "Odd?", ("odd", "even"), "odd"))
    return folder, made


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    return make_task(tmp_path_factory.mktemp("map") / "ws")


@pytest.fixture(scope="module")
def server(places: tuple[Path, np.ndarray]) -> Iterator[Server]:
    running = Server(open_workspace(places[0]), "--no-workers")
    running.start()
    yield running
    running.stop()


def apart(places: np.ndarray) -> set[str]:
    """The ids in the disc, by the places they were made at."""
    inside = np.hypot(places[:, 0] - 6, places[:, 1] - 2) <= 1.001
    return {f"dot {row}" for row in np.flatnonzero(inside)}


def open_map(page: Page, server: Server) -> None:
    page.goto(f"{server.origin}/map?task={TASK}")
    page.locator(".skymap[data-ready]").wait_for(timeout=60_000)


def pixel(page: Page, places: np.ndarray, place: tuple[float, float]) -> tuple[float, float]:
    """Where a place of the map, as it was made, lies on the page."""
    low, high = places.min(axis=0), places.max(axis=0)
    x, y = (np.array(place) - (low + high) / 2) / ((high - low).max() / 2)
    left, top = page.evaluate(
        "([x, y]) => window.skysiftMap.chart.lens.toScreen(x, y)", [float(x), float(y)]
    )
    box = page.locator(".over").bounding_box()
    assert box is not None
    return box["x"] + left, box["y"] + top


def lasso(page: Page, places: np.ndarray) -> str:
    """Draw around the disc; the id of the selection."""
    before = page.locator(".skymap").get_attribute("data-selected") or ""
    for step in range(25):
        turn = step / 24 * 2 * math.pi
        x, y = pixel(page, places, (6 + 1.2 * math.cos(turn), 2 + 1.2 * math.sin(turn)))
        page.mouse.move(x, y)
        if step == 0:
            page.mouse.down()
    page.mouse.up()
    page.locator(f".skymap[data-selected]:not([data-selected='{before}'])").wait_for()
    return page.locator(".skymap").get_attribute("data-selected") or ""


def selected(server: Server, selection: str) -> set[str]:
    from pages._server.selections import Selections

    workspace = server.workspace
    with LabelsDB(workspace.labels) as db:
        rows = Selections(workspace, lambda: db).rows(selection, Survey.open(workspace, "dots"))
    return {f"dot {row}" for row in rows.tolist()}


def test_a_lasso_selects_exactly_what_it_encloses_whatever_the_colours(
    page: Page, server: Server, places: tuple[Path, np.ndarray]
) -> None:
    made = places[1]
    open_map(page, server)
    page.get_by_role("button", name="Lasso").click()
    first = lasso(page, made)
    assert len(apart(made)) == N_APART
    assert selected(server, first) == apart(made)
    page.wait_for_url(f"**selection={first}*")

    # Another colouring and a closer look: the selection is of ids, and stays.
    page.get_by_label("Colour by").select_option("column:kind")
    expect(page.locator(".legend")).to_contain_text("even")
    page.locator(".plot").focus()
    page.keyboard.press("+")
    page.wait_for_timeout(700)  # the flight
    assert f"selection={first}" in page.url
    assert selected(server, first) == apart(made)
    page.keyboard.press("0")
    page.wait_for_timeout(700)

    # What the legend hides is not selected: a click hides, a double click shows one alone.
    page.locator(".legend button", has_text="even").click()
    expect(page.locator(".counts")).to_contain_text("2,500 of 5,000")
    second = lasso(page, made)
    odd = {one for one in apart(made) if int(one.split()[1]) % 2}
    assert selected(server, second) == odd
    page.locator(".legend button", has_text="even").dblclick()
    expect(page.locator(".counts")).to_contain_text("2,500 of 5,000")
    assert page.locator(".legend [aria-pressed=false]").inner_text().startswith("odd")
    page.locator(".legend button", has_text="even").click()
    expect(page.locator(".message")).to_contain_text("Every object is hidden")
    page.locator(".legend").get_by_role("button", name="Show all").click()

    page.goto(f"{server.origin}/map?task={TASK}&selection={first}")
    page.locator(".skymap[data-ready]").wait_for(timeout=60_000)
    expect(page.locator(".legend")).to_contain_text("even")  # how one likes it is kept
    page.wait_for_function("window.skysiftMap.over.selected.outline?.length > 3")
    assert f"selection={first}" in page.url


def test_a_filter_dims_the_others_and_the_lasso_takes_what_passes(
    page: Page, server: Server, places: tuple[Path, np.ndarray]
) -> None:
    made = places[1]
    page.goto(f'{server.origin}/map?task={TASK}&filter=[["flux","<",1000]]')
    page.locator(".skymap[data-ready]").wait_for(timeout=60_000)
    expect(page.locator(".counts")).to_contain_text("1,000 of 5,000 objects pass the filter")
    page.get_by_label("Only what passes").uncheck()  # how one likes it is kept
    lit = "[...Array(5000).keys()].filter((point) => window.skysiftMap.chart.isLit(point)).length"
    drawn = "window.skysiftMap.chart.cells.drawn"
    assert page.evaluate(f"[{lit}, {drawn}]") == [1_000, 5_000]
    # What passes lies on top: it is drawn after the others.
    last = "window.skysiftMap.chart.ordered.slice(-1000)"
    assert page.evaluate(
        f"{last}.every((one) => one[2] < window.skysiftMap.legend.colours.length)"
    )
    page.locator(".plot").focus()
    page.keyboard.press("0")
    page.wait_for_timeout(700)  # the flight
    page.get_by_role("button", name="Lasso").click()
    first = lasso(page, made)
    dark = {one for one in apart(made) if int(one.split()[1]) < 1_000}
    assert selected(server, first) == dark
    # The outline holds more than was selected: the objects are marked as well.
    page.wait_for_function(f"window.skysiftMap.over.selected.points.length === {len(dark)}")
    page.get_by_label("Only what passes").check()
    page.wait_for_function(f"{drawn} === 1000")

    # Another page and back: the filter is in the link as the selection is.
    page.get_by_role("link", name="Look-alikes").click()
    expect(page.get_by_text("Filter: flux < 1000")).to_be_visible(timeout=30_000)
    assert f"selection={first}" in page.url
    assert "filter=" in page.url
    page.get_by_role("link", name="Map", exact=True).click()
    expect(page.locator(".counts")).to_contain_text("1,000 of 5,000", timeout=30_000)
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".counts")).to_have_text("5,000 objects", timeout=30_000)
    assert "filter=" not in page.url


def test_the_object_under_the_pointer_is_shown_opened_and_found(
    page: Page, server: Server, places: tuple[Path, np.ndarray]
) -> None:
    made = places[1]
    open_map(page, server)
    page.locator(".plot").focus()
    page.keyboard.press("0")
    page.wait_for_timeout(700)
    row = int(np.flatnonzero(np.hypot(made[:, 0] - 6, made[:, 1] - 2) < 1)[7])

    x, y = pixel(page, made, (float(made[row, 0]), float(made[row, 1])))
    page.mouse.move(x - 150, y + 150)
    page.mouse.move(x, y)
    card = page.locator(".card")
    expect(card.locator("img")).to_have_attribute("data-object-id", f"dot {row}")
    expect(card).to_contain_text("flux")
    colour = page.evaluate(
        """async () => {
          const img = window.skysiftMap.hover.element.querySelector("img");
          await img.decode();
          const canvas = new OffscreenCanvas(1, 1);
          const pen = canvas.getContext("2d");
          pen.drawImage(img, 20, 20, 4, 4, 0, 0, 1, 1);
          return Array.from(pen.getImageData(0, 0, 1, 1).data).slice(0, 3);
        }"""
    )
    assert colour == pytest.approx([row % 250, row // 250 * 10, 128], abs=2)

    page.mouse.down()
    page.mouse.up()
    link = card.get_by_role("link", name="Label it")
    assert f"object=dot+{row}" in (link.get_attribute("href") or "")
    ours, n_read = read(page)
    assert (ours, n_read > 30) == ([], True)
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()

    search = page.get_by_role("combobox", name="Find an object")
    search.fill("dot 4321")
    search.press("Enter")
    expect(page.locator(".status")).to_contain_text("dot 4321 is in the middle")
    page.wait_for_timeout(700)
    x, y = pixel(page, made, (float(made[4321, 0]), float(made[4321, 1])))
    box = page.locator(".over").bounding_box()
    assert box is not None
    assert (x, y) == pytest.approx(
        (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), abs=2
    )
    search.fill("nothing so")
    search.press("Enter")
    expect(page.locator(".status")).to_contain_text("no object whose id begins")

    # The driver takes WebGL away: the map comes back by itself.
    page.evaluate(
        "() => window.skysiftMap.chart.drawn.get('regl')._gl"
        ".getExtension('WEBGL_lose_context').loseContext()"
    )
    eventually(lambda: bool(page.evaluate("window.skysiftMap.losses === 1")))
    page.wait_for_function("window.skysiftMap.chart.isOpen && window.skysiftMap.message.hidden")


def test_answers_and_classes_of_others_are_followed_and_contexts_given_back(
    page: Page, server: Server, places: tuple[Path, np.ndarray]
) -> None:
    page.add_init_script(
        "window.contexts = new Set();"
        " const real = HTMLCanvasElement.prototype.getContext;"
        " HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " const made = real.call(this, kind, ...rest);"
        " if (kind.startsWith('webgl') && made) window.contexts.add(made); return made; };"
    )
    task = f"follow-{uuid4().hex[:6]}"
    with LabelsDB(server.workspace.labels) as db:
        db.create_task(TaskSpec(task, "dots", "Odd?", ("odd", "even"), "odd"))
    page.goto(f"{server.origin}/map?task={task}")
    page.locator(".skymap[data-ready]").wait_for(timeout=60_000)
    page.get_by_label("Colour by").select_option("class")
    legend = page.locator(".legend")
    expect(legend).to_contain_text(f"{N:,}")
    page.wait_for_function("window.skysiftMap.following.seq !== null")
    poll = "window.skysiftMap.following.poll()"
    state = (
        "({codes: Array.from(window.skysiftMap.codes.slice(0, 4)), rings: window.skysiftMap.over"
        ".rings, fetched: performance.getEntriesByType('resource')"
        ".filter((one) => one.name.includes('map_colours')).length})"
    )
    before = page.evaluate(state)
    assert before["codes"] == [0] * 4

    with LabelsDB(server.workspace.labels) as db:
        for row, name in ((1, "odd"), (3, "even")):
            db.record(
                NewEvent(
                    str(uuid4()),
                    task,
                    f"dot {row}",
                    1,
                    "bob",
                    action=Action.LABEL,
                    class_name=name,
                )
            )
        page.evaluate(poll)
        expect(legend.locator("li", has_text="even")).to_contain_text("1")
        after = page.evaluate(state)
        assert after["codes"] == [0, 1, 0, 2]
        assert after["rings"] == {"points": [1, 3], "classes": [0, 1]}
        assert after["fetched"] == before["fetched"]  # told of alone

        db.add_class(task, ClassDetail("10"), "bob")
        db.add_class(task, ClassDetail("2"), "bob")
        page.evaluate(poll)
        page.wait_for_function("window.skysiftMap.classes.length === 4")
        expect(legend).to_contain_text("10")
        names = page.evaluate("window.skysiftMap.classes.map(([name]) => name)")
        assert names == ["odd", "even", "10", "2"]

    # No point of the map of before while another one is fetched.
    cells = page.evaluate(
        "() => { const map = window.skysiftMap; map._start();"
        " map.plot.dispatchEvent(new KeyboardEvent('keydown', { key: 'v' }));"
        " return map.chart.cells; }"
    )
    assert cells is None
    page.locator(".skymap[data-ready]").wait_for(timeout=60_000)
    assert page.locator(".skymap").get_attribute("data-selected") is None
    alive = "[...window.contexts].filter((one) => !one.isContextLost()).length"
    page.wait_for_function(f"{alive} === 1")
    assert page.evaluate("window.contexts.size") >= 2
    assert page.evaluate("window.skysiftMap.losses") == 0  # given back, not lost


def test_without_webgl_the_server_draws_and_the_lasso_is_the_same(
    page: Page, server: Server, places: tuple[Path, np.ndarray]
) -> None:
    page.add_init_script(
        "const real = HTMLCanvasElement.prototype.getContext;"
        " HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest); };"
    )
    page.goto(f"{server.origin}/map?task={TASK}")
    plot = page.locator(".js-plotly-plot .draglayer .nsewdrag").first
    plot.wait_for(timeout=60_000)
    expect(page.get_by_text("This browser has no WebGL").first).to_be_visible()
    page.wait_for_timeout(1500)  # Plotly draws twice, and forgets what was begun before
    box = plot.bounding_box()
    assert box is not None
    made = places[1]
    low, high = made.min(axis=0), made.max(axis=0)
    scale = min(box["width"], box["height"]) / 2.1
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for step in range(25):
        turn = step / 24 * 2 * math.pi
        place = np.array([6 + 1.2 * math.cos(turn), 2 + 1.2 * math.sin(turn)])
        x, y = (place - (low + high) / 2) / ((high - low).max() / 2)
        page.mouse.move(middle[0] + x * scale, middle[1] - y * scale)
        if step == 0:
            page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**selection=*", timeout=30_000)
    selection = page.url.split("selection=")[1].split("&")[0]
    assert selected(server, selection) == apart(made)
