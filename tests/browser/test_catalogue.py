"""A box is drawn in catalogue plots: exactly the objects in it are selected, and stay so."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Locator, Page, expect

from core.survey import Batch, SurveyWriter
from core.survey.batch import CatalogueValue
from core.workspace import Workspace
from labels_db import LabelsDB, TaskSpec
from pages._server.catalogue_spec import Plot, PlotKind
from tests.browser.conftest import Server

WAIT_MS = 60_000
PLOTS = (
    Plot(PlotKind.SCATTER, "column:flux", "column:mag", log_x=True),
    Plot(PlotKind.HISTOGRAM, "column:mag"),
)
WHERE = """(plot, [axis, value]) => {
  const it = plot._fullLayout[axis];
  const box = plot.querySelector('.nsewdrag').getBoundingClientRect();
  return it.d2p(value) + (axis == 'xaxis' ? box.x : box.y);
}"""
"""The pixel of a value on an axis."""


@pytest.fixture(scope="module")
def mags(workspace: Workspace) -> dict[str, tuple[float, float]]:
    """The survey `plotted` by id: fluxes a quarter of a decade apart, magnitudes half of one."""
    flux, mag = (
        one.ravel() for one in np.meshgrid(10 ** np.arange(-1, 3, 0.25), np.arange(16, 24, 0.5))
    )
    order = np.random.default_rng(2).permutation(len(flux))
    flux, mag = flux[order], mag[order]
    names = [f"p-{place:03d}" for place in range(len(flux))]
    columns: list[dict[str, CatalogueValue]] = [
        {"flux": a, "mag": b} for a, b in zip(flux.tolist(), mag.tolist(), strict=True)
    ]
    with SurveyWriter(
        workspace,
        "plotted",
        bands=(),
        cutout_size_px=0,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        writer.append(Batch(object_ids=names, images=None, columns=columns))
        writer.commit()
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("plotted", "plotted", "What?", ("star", "galaxy"), "star"))
    return {name: (a, b) for name, a, b in zip(names, flux.tolist(), mag.tolist(), strict=True)}


def draw_box(page: Page, plot: Locator, x: tuple[float, float], y: tuple[float, float]) -> None:
    expect(plot.locator(".nsewdrag")).to_be_visible(timeout=WAIT_MS)
    plot.scroll_into_view_if_needed()
    corners = [
        (plot.evaluate(WHERE, ["xaxis", a]), plot.evaluate(WHERE, ["yaxis", b]))
        for a, b in zip(x, y, strict=True)
    ]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=4)
    page.mouse.up()


def selected(page: Page, server: Server, n: int) -> set[str]:
    """The ids of the selection in the address, once the page says that it has `n`."""
    expect(page.get_by_test_id("stMarkdown").get_by_text(f"{n} objects selected")).to_be_visible(
        timeout=WAIT_MS
    )
    found = re.search("selection=([0-9a-f]{16})", page.url)
    assert found
    path = server.workspace.root / "selections" / f"{found[1]}.parquet"
    return set(pq.read_table(path).column("object_id").to_pylist())


def test_boxes_select_exactly_what_is_in_them_and_the_selection_stays(
    page: Page, server: Server, mags: dict[str, tuple[float, float]]
) -> None:
    plots = quote(json.dumps([plot.as_json() for plot in PLOTS]))
    page.goto(f"{server.origin}/catalogue?task=plotted&plots={plots}")
    drawn = page.locator(".js-plotly-plot")
    expect(drawn).to_have_count(2, timeout=WAIT_MS)
    draw_box(page, drawn.first, (0.74, 13.4), (17.25, 20.25))
    inside = {name for name, (a, b) in mags.items() if 0.74 <= a <= 13.4 and 17.25 <= b <= 20.25}
    assert len(inside) == 30
    assert selected(page, server, len(inside)) == inside

    # In the other plot, of these alone.
    page.get_by_text("Keep within", exact=True).click()
    expect(drawn.nth(1).get_by_text("selected (30)")).to_be_visible(timeout=WAIT_MS)
    draw_box(page, drawn.nth(1), (18.2, 22.9), (14, 5))
    both = {name for name in inside if 18.2 <= mags[name][1] <= 22.9}
    assert len(both) == 20
    assert selected(page, server, len(both)) == both

    page.get_by_role("link", name="Tasks").click()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("link", name="Catalogue").click()
    assert selected(page, server, len(both)) == both
    expect(page.locator(".js-plotly-plot")).to_have_count(2, timeout=WAIT_MS)
