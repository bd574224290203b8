"""A survey with a catalogue and positions, for tests of what stands beside the picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, Route

from core.survey import SurveyWriter
from core.survey.batch import Batch, CatalogueValue
from core.workspace import open_workspace
from tests.browser.conftest import N_OBJECTS, Server, write_runs

FAST = """() => { for (let n = 0; n < 5; n++) document.body.dispatchEvent(
  new KeyboardEvent("keydown", { key: "s", code: "KeyS", bubbles: true, composed: true })); }"""
"""Five skips faster than any hand, however busy the machine is."""
SIDE_PX = 48
SCALE_ARCSEC = 0.4
NOWHERE = "obj_03"
"""The object without a position."""
LONG = "a galaxy with a long story, told in many words; " * 12
EVIL = "<img src=x onerror=alert(1)>"


def position(number: int) -> tuple[float, float]:
    """Right ascension and declination of object `number`, in degrees."""
    return 150.0 + 0.123456 * number, -2.0 - 0.5 * number


def _columns(number: int) -> dict[str, CatalogueValue]:
    ra, dec = position(number)
    nowhere = f"obj_{number:02d}" == NOWHERE
    return {
        "ra": math.nan if nowhere else ra,
        "dec": math.nan if nowhere else dec,
        "mag_r": 17.123456 + number,
        "objid": 1237668296598749280 + number,
        "plate": 2017 + number,
        "is_star": number % 2 == 0,
        "flux_ratio": math.nan,
        "remark": LONG,
        "page": "https://example.org/a?b=1&c=<d>",
        "script": "javascript:alert(1)",
        EVIL: "hostile name",
        **{f"extra_{place:02d}": float(100 * number + place) for place in range(24)},
    }


def answer_with(page: Page, path: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let the server's JSON under `path` pass through `change`."""

    def handle(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        change(body)
        route.fulfill(response=response, body=json.dumps(body))

    page.route(f"**/api/{path}?*", handle)


@contextmanager
def catalogued_server(folder: Path) -> Iterator[Server]:
    """A server, without workers, of a workspace whose survey "blobs" has columns and positions."""
    workspace = open_workspace(folder / "ws")
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] - (SIDE_PX - 1) / 2
    light = 180 * np.exp(-np.hypot(x, y) / 5)
    images = rng.normal(14, 4, (N_OBJECTS, 3, SIDE_PX, SIDE_PX)) + light
    with SurveyWriter(
        workspace,
        "blobs",
        bands=("R", "G", "B"),
        cutout_size_px=SIDE_PX,
        dtype="uint8",
        origin="made for a test",
        licence="none",
        pixel_scale_arcsec=SCALE_ARCSEC,
    ) as writer:
        numbers = range(N_OBJECTS)
        writer.append(
            Batch(
                object_ids=[f"obj_{number:02d}" for number in numbers],
                images=np.clip(images, 0, 255).astype(np.uint8),
                columns=[_columns(number) for number in numbers],
            )
        )
        write_runs(writer.commit())
    server = Server(workspace, "--no-workers")
    server.start()
    try:
        yield server
    finally:
        server.stop()
