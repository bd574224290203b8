"""What the tests of the map's addresses share: a map of the small survey, and asking for it."""

from __future__ import annotations

from urllib.parse import urlencode

import numpy as np

from core.survey import RunFolder
from core.vocabulary import JobKind
from tests.pages.conftest import embed

PLACES = np.array(
    [[0, 0], [10, 0], [10, 4], [0, 4], [5, 2], [np.nan, 1], [2, 1], [8, 3], [5, 3.5]], np.float32
)
"""g0 to g3 at the corners, g4 in the middle, g5 nowhere."""
SQUARE = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]


def make_map(services, tiny):
    """Give the survey an embedding and a map; the name of the map."""
    embed(tiny)
    config = {"projection": "umap", "embedding_run": services.embedding(tiny).run_id}
    with RunFolder(tiny, JobKind.MAP, config) as run:
        np.save(run.path / "map.npy", PLACES)
    return run.run_id


def address(path, run, **more):
    return f"/api/{path}?{urlencode({'task': 'dual', 'map': run, **more}, doseq=True)}"


def select(browser, run, status=200, **body):
    got = browser.post("/api/map_select", {"task": "dual", "map_run": run, **body})
    assert got.status == status, got.body
    return got.json()


def ids_of(services, tiny, selection):
    return [str(tiny.object_ids[row]) for row in services.selections.rows(selection, tiny)]
