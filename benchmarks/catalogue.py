"""What catalogue plots cost the server, by the size of the survey: 10,000 and 1,000,000 rows.

A catalogue of seven columns and positions across 0h. "first" is the first time since the survey
was opened, "again" the median of later ones with the processor's time beside it (other work on the
machine lengthens the first two). A plot is all that a rerun does for it: what is drawn, the
figure, and its text as it goes to the browser, whose size stands beside. A tenth is selected.
Beside it stands what Plotly is told if each object is a point, without any of that.

python -m benchmarks.catalogue
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from benchmarks.common import arguments, report
from core.survey import Batch, Survey, SurveyWriter
from core.survey.batch import CatalogueValue
from core.survey.layout import ColumnInfo
from core.vocabulary import Role
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB, TaskSpec
from pages._server.catalogue import PlotSource
from pages._server.catalogue_brush import Shape
from pages._server.catalogue_select import brushed, held
from pages._server.catalogue_spec import Plot, PlotKind
from pages._server.catalogue_view import places_of, view_of
from pages._server.identity import Identity
from pages._server.services import Services
from pages._shared.catalogue_figures import figure_of

OWNER = Identity("owner", "ann", Role.OWNER)
TASK = TaskSpec("quasars", "sky", "A quasar?", ("quasar", "star", "galaxy"), "quasar")
PART = 50_000
PLOTS = {
    "scatter": Plot(PlotKind.SCATTER, "column:colour", "column:mag"),
    "scatter, both axes logarithmic": Plot(
        PlotKind.SCATTER, "column:flux", "column:size", log_x=True, log_y=True
    ),
    "scatter, coloured by a number": Plot(
        PlotKind.SCATTER, "column:colour", "column:mag", "column:z"
    ),
    "scatter, coloured by categories": Plot(
        PlotKind.SCATTER, "column:colour", "column:mag", "column:kind"
    ),
    "histogram": Plot(PlotKind.HISTOGRAM, "column:z"),
    "histogram, split by categories": Plot(PlotKind.HISTOGRAM, "column:mag", colour="column:kind"),
    "sky, plain": Plot(PlotKind.SKY),
    "sky, Mollweide": Plot(PlotKind.SKY, mollweide=True),
}


def make(workspace: Workspace, n_rows: int, name: str = "sky") -> Survey:
    """A catalogue of stars, galaxies and quasars on a strip across 0h."""
    rng = np.random.default_rng(0)
    kind = rng.choice(4, n_rows, p=(0.6, 0.3, 0.07, 0.03))
    mag = rng.normal(np.array([19, 21, 20, 18])[kind], 1.2)
    columns: dict[str, np.ndarray] = {
        "ra": (rng.normal(0, 12, n_rows) + rng.choice((0, 25), n_rows)) % 360,
        "dec": np.clip(rng.normal(3, 8, n_rows) * rng.choice((1, 0.3), n_rows), -89, 89),
        "mag": np.where(rng.random(n_rows) < 0.02, -99.0, mag),
        "colour": rng.normal(np.array([0.6, 1.1, 0.1, 0.0])[kind], 0.3),
        "flux": 10 ** (0.4 * (22.5 - mag)) - 0.3,
        "size": rng.lognormal(np.array([0, 0.8, 0.1, 0.5])[kind], 0.4),
        "z": np.where(kind == 0, np.nan, rng.gamma(np.array([1, 3, 5, 1])[kind], 0.3)),
        "visits": rng.poisson(9, n_rows),
        "kind": np.array(["star", "galaxy", "quasar", "artefact"])[kind],
    }
    info = {
        "mag": ColumnInfo("mag", "brightness in the band r"),
        "flux": ColumnInfo("erg / (s cm2)", "in the band r"),
        "size": ColumnInfo("arcsec", "half-light radius"),
    }
    with SurveyWriter(
        workspace,
        name,
        bands=(),
        cutout_size_px=0,
        dtype="uint8",
        origin="benchmarks/catalogue.py",
        licence="none needed",
        columns=info,
    ) as writer:
        for start in range(0, n_rows, PART):
            stop = min(start + PART, n_rows)
            parts = [values[start:stop].tolist() for values in columns.values()]
            lines: list[dict[str, CatalogueValue]] = [
                dict(zip(columns, line, strict=True)) for line in zip(*parts, strict=True)
            ]
            ids = [f"SKY-{row:07d}" for row in range(start, stop)]
            writer.append(Batch(object_ids=ids, images=None, columns=lines))
        return writer.commit()


def timed(call: Callable[[], object], repeats: int = 5) -> tuple[float, float, float]:
    """Seconds of the first call, the median of later ones, and of their processor time."""
    clock, processor = [], []
    for _ in range(repeats + 1):
        began, worked = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - worked)
    return clock[0], statistics.median(clock[1:]), statistics.median(processor[1:])


def measured(n_rows: int) -> list[list[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Path(folder) / "ws")
        make(workspace, n_rows)
        with LabelsDB(workspace.labels) as db:
            db.create_task(TASK)
        services = Services(workspace, OWNER, start_processes=False)
        lines = _lines(services, services.survey("sky"), n_rows)
        services.close()
        return lines


def _lines(services: Services, survey: Survey, n_rows: int) -> list[list[Any]]:
    task = services.db().task(TASK.name)
    rng = np.random.default_rng(1)
    selected = rng.random(n_rows) < 0.1
    lines: list[list[Any]] = []

    def source() -> PlotSource:
        return PlotSource(services, task, survey, OWNER)

    def plotted(plot: Plot) -> str:
        fresh = source()
        view = view_of(fresh, plot, None, selected)
        return str(figure_of(survey, plot, places_of(fresh, plot), view).to_json(validate=False))

    for what, plot in PLOTS.items():
        times = timed(partial(plotted, plot))
        lines.append([n_rows, what, *times, len(plotted(plot)) / 1e6])
    x, y = (source().axis(one).values for one in ("column:colour", "column:mag"))
    bare = go.Figure(go.Scattergl(x=x, y=y, mode="markers"))
    size = len(bare.to_json(validate=False)) / 1e6
    times = timed(lambda: bare.to_json(validate=False), 3)
    lines.append([n_rows, "bare Plotly: each object a point", *times, size])

    scatter, sky = PLOTS["scatter"], PLOTS["sky, plain"]
    turns = np.linspace(0, 2 * np.pi, 200)
    lasso = Shape(
        tuple(0.6 + 0.4 * np.cos(turns)), tuple(20 + 2 * np.sin(3 * turns) / 2), lasso=True
    )
    boxes = (
        ("box, which objects", scatter, Shape((0.3, 0.9), (18.0, 20.0))),
        ("lasso of 200 vertices, which objects", scatter, lasso),
        ("box across 0h, which objects", sky, Shape((-5.0, 10.0), (-2.0, 5.0))),
    )
    for what, plot, shape in boxes:
        lines.append([n_rows, what, *timed(partial(held, source(), plot, shape, ())), ""])
    shape = Shape((0.3, 0.9), (18.0, 20.0))
    times = timed(lambda: brushed(source(), scatter, shape, (), None))
    lines.append([n_rows, "box, kept as a selection", *times, ""])
    return lines


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    options = parser.parse_args()
    lines = [line for n_rows in options.rows for line in measured(n_rows)]
    report(
        "catalogue",
        ["rows", "what", "first, s", "again, s", "its processor, s", "to the browser, MB"],
        lines,
        {"rows": options.rows},
    )


if __name__ == "__main__":
    main()
