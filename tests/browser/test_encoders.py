"""The Encoders page in a browser: training a network, watching, stopping it, and using it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from core.representation import chosen_embedding, finished_embeddings
from core.survey import RunFolder, Survey, finished_runs, import_folder
from core.vocabulary import JobKind, Role
from core.workspace import open_workspace
from labels_db import LabelsDB
from tests.browser.conftest import Server, eventually, make_pictures, write_runs

LONG_MS = 90_000
"""A process of its own has to load torch, on a machine that is busy."""


CORNERS = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An embedded survey with the curves of a training; jobs run where the page starts them."""
    folder = tmp_path_factory.mktemp("encoders")
    make_pictures(folder / "pictures")
    made = open_workspace(folder / "ws")
    survey = import_folder(made, folder / "pictures", "blobs")
    write_runs(survey)
    write_network(survey)
    running = Server(made, "--no-workers", "--theme", "auto")
    running.start()
    yield running
    running.stop()


def held_out(survey: Survey) -> list[str]:
    """The objects of the map, one for each corner."""
    return [str(one) for one in survey.object_ids[: len(CORNERS)]]


def write_network(survey: Survey) -> None:
    """A finished training, as far as the page looks at it."""
    with RunFolder(survey, JobKind.PRETRAIN, {"method": "byol", "surveys": {}}) as run:
        records = [
            *({"step": n, "loss": 9.0 / n, "agreement": 1.0 / n, "seconds": n} for n in (1, 5, 9)),
            {"step": 5, "quality": {"neighbour_consistency": 0.4}, "map": CORNERS}
            | {"objects": {"blobs": held_out(survey)}},
            {"step": 9, "quality": {"neighbour_consistency": 0.5}, "map": CORNERS[::-1]},
        ]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (run.path / "metrics.jsonl").write_text(lines)
        run.result.update(ending="all steps done", best_step=9)


def survey_of(server: Server) -> Survey:
    return Survey.open(server.workspace, "blobs")


def open_view(page: Page, server: Server, view: str) -> None:
    page.goto(f"{server.origin}/encoders?view={view}")
    page.get_by_role("heading", name="Encoders", exact=True).wait_for(timeout=LONG_MS)


def ask_for(page: Page, steps: int) -> None:
    """Fill the form: so many steps of eight objects."""
    page.get_by_role("radio", name="Steps").first.click()
    count = page.get_by_role("spinbutton", name="Steps")
    count.fill(str(steps))
    count.press("Enter")
    batch = page.get_by_role("spinbutton", name="Batch size")
    if not batch.is_visible():
        page.get_by_text("More", exact=True).click()
    batch.fill("8")
    batch.press("Enter")
    train = page.get_by_role("button", name="Train", exact=True)
    expect(train).to_be_enabled()
    train.click()


def points(page: Page) -> list[float]:
    """Steps of the run that trains, the one by VICReg, in the figure that has most of them."""
    found: list[float] = page.locator(".js-plotly-plot").evaluate_all(
        "all => all.flatMap(one => one._fullData || [])"
        ".filter(one => one.name.startsWith('vicreg'))"
        ".map(one => Array.from(one.x)).sort((a, b) => b.length - a.length)[0] || []"
    )
    return found


def test_a_point_of_the_map_shows_its_object_which_moves_with_the_step(
    page: Page, server: Server
) -> None:
    # The first test, for a later one trains a network, whose maps would be shown instead.
    page.set_viewport_size({"width": 1280, "height": 3000})
    open_view(page, server, "quality")
    points = page.locator(".js-plotly-plot").last.locator("path.point")
    points.nth(3).wait_for(timeout=LONG_MS)
    # Of the weights kept: the first object is where the last one was before. Plotly listens on a
    # layer above its points, so that it is the place that is clicked.
    points.nth(0).scroll_into_view_if_needed()
    spot = points.nth(0).bounding_box()
    assert spot is not None
    page.mouse.click(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
    first, *_ = held_out(survey_of(server))
    page.locator(".seen .id").get_by_text(first, exact=True).wait_for(timeout=LONG_MS)
    expect(page.locator(".seen img")).to_have_js_property("complete", True)
    at = points.nth(0).bounding_box()
    assert at is not None
    page.get_by_role("slider", name="Step").press("ArrowLeft")

    def has_moved() -> bool:
        box = points.nth(0).bounding_box()
        return box is not None and at is not None and box["x"] < at["x"] - 50

    eventually(has_moved, 60)
    expect(page.locator(".seen .id")).to_have_text(first)


def test_a_training_is_watched_while_it_runs_and_stopped(page: Page, server: Server) -> None:
    open_view(page, server, "train")
    page.get_by_role("button", name="Train", exact=True).wait_for(timeout=LONG_MS)
    before = len(finished_runs(survey_of(server), JobKind.PRETRAIN))
    ask_for(page, 2_000)
    page.locator(".curve-legend").get_by_text("running").wait_for(timeout=LONG_MS)
    # The curves come by themselves, and grow.
    page.get_by_text("Variance", exact=True).wait_for(timeout=LONG_MS)
    eventually(lambda: len(points(page)) > 0, 60)
    noted = len(points(page))
    eventually(lambda: len(points(page)) > noted, 60)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("was stopped on request").wait_for(timeout=LONG_MS)
    # What it learnt is kept, and can be thrown away.
    page.get_by_role("button", name="Go on").wait_for()
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("button", name="Yes, discard it").click()
    expect(page.get_by_role("button", name="Go on")).to_have_count(0)
    assert len(finished_runs(survey_of(server), JobKind.PRETRAIN)) == before


def test_a_network_is_trained_embedded_with_and_chosen(page: Page, server: Server) -> None:
    open_view(page, server, "train")
    page.get_by_role("button", name="Train", exact=True).wait_for(timeout=LONG_MS)
    ask_for(page, 3)
    page.get_by_text("is trained. All steps done").wait_for(timeout=LONG_MS)
    assert finished_runs(survey_of(server), JobKind.PRETRAIN)[0].config["method"] == "vicreg"
    page.get_by_role("button", name="Embed with it alone").first.click()
    page.get_by_text("The survey is embedded by vicreg").wait_for(timeout=LONG_MS)
    assert "view=embeddings" in page.url
    page.get_by_role("button", name="Use it for labelling").click()
    page.get_by_text("It is in use for labelling").wait_for(timeout=30_000)
    survey = survey_of(server)
    made = next(one for one in finished_embeddings(survey) if one.encoder == "vicreg")
    assert made.in_use
    assert chosen_embedding(survey) == made.run_id
    assert page.get_by_text("is not embedded yet").count() == 0


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_fits_a_narrow_screen(page: Page, server: Server, scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    page.set_viewport_size({"width": 420, "height": 900})
    wide = "document.querySelector('[data-testid=stMain]').scrollWidth"
    for view, last in (("embeddings", "Make an embedding"), ("train", "Networks")):
        open_view(page, server, view)
        page.get_by_role("heading", name=last).wait_for(timeout=30_000)
        assert page.evaluate(wide) <= 420
    tabs = page.get_by_role("radio", name="Reconstructions").bounding_box()
    assert tabs is not None
    assert tabs["x"] + tabs["width"] <= 420


def test_a_viewer_reads_and_starts_nothing(context: BrowserContext, server: Server) -> None:
    with LabelsDB(server.workspace.labels) as db:
        name = f"Looker {len(db.people())}"
        db.add_person(name, Role.VIEWER, "owner")
        token = db.invite(name, "owner")
    theirs = context.new_page()
    theirs.goto(f"{server.origin}/?token={token}")
    for view in ("embeddings", "train"):
        open_view(theirs, server, view)
        main = theirs.locator("[data-testid=stMain]")
        main.locator("[data-testid=stDataFrame]").wait_for(timeout=LONG_MS)
        assert main.locator("[data-testid=stButton]").count() == 0
    theirs.get_by_text("Neighbour consistency", exact=True).wait_for()
