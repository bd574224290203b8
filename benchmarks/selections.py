"""What a selection and the table cost, by the size of the survey: 10,000 and 1,000,000 rows.

The survey is a catalogue of six columns. "first" is the first time since the survey was opened,
"again" the median of later ones, as every next page and condition is, with the processor's time
beside it (other work on the machine lengthens the first two); bare pandas does the same thing.
Labelling in bulk is timed on a new label database.

python -m benchmarks.selections
"""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import arguments, report
from core.exchange import Format
from core.survey import Batch, Survey, SurveyWriter
from core.survey.filtering import Condition, Operator
from core.vocabulary import Role
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB, TaskSpec
from pages._server.identity import Identity
from pages._server.selection_export import export_selection
from pages._server.services import Services
from pages._server.tables import SurveyTable

OWNER = Identity("owner", "ann", Role.OWNER)
TASK = TaskSpec("duals", "sky", "Two nuclei?", ("dual", "star", "other"), "dual")
N_LABELLED = 10_000
PART = 50_000


def make(workspace: Workspace, n_rows: int) -> Survey:
    """A catalogue whose ids are in no order."""
    rng = np.random.default_rng(0)
    places = rng.permutation(n_rows)
    mags, colours = rng.normal(21, 1.5, n_rows), rng.normal(0.6, 0.3, n_rows)
    kinds = np.array(["star", "galaxy", "quasar", "artefact"])[rng.integers(0, 4, n_rows)]
    with SurveyWriter(
        workspace,
        "sky",
        bands=(),
        cutout_size_px=0,
        dtype="uint8",
        origin="benchmarks/selections.py",
        licence="none needed",
    ) as writer:
        for start in range(0, n_rows, PART):
            part = range(start, min(start + PART, n_rows))
            columns: list[dict[str, Any]] = [
                {
                    "mag": float(mags[row]),
                    "colour": float(colours[row]),
                    "kind": str(kinds[row]),
                    "plate": f"plate-{places[row] // 10:06d}",
                }
                for row in part
            ]
            names = [f"SDSS-{places[row]:07d}" for row in part]
            writer.append(Batch(object_ids=names, images=None, columns=columns))
        return writer.commit()


def milliseconds(call: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    call()
    return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)


def once(call: Callable[[], object]) -> tuple[float, float, float]:
    clock, processor = milliseconds(call)
    return clock, clock, processor


def twice(call: Callable[[], object], repeats: int = 7) -> tuple[float, float, float]:
    """Milliseconds of the first call, the median of later ones, and of their processor time."""
    first, _ = milliseconds(call)
    clock, processor = zip(*(milliseconds(call) for _ in range(repeats)), strict=True)
    return first, statistics.median(clock), statistics.median(processor)


def measured(n_rows: int) -> list[list[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Path(folder) / "ws")
        with LabelsDB(workspace.labels) as db:
            db.create_task(TASK)
        survey = make(workspace, n_rows)
        services = Services(workspace, OWNER, start_processes=False)
        return _lines(services, services.survey(survey.name), n_rows, Path(folder))


def _lines(services: Services, survey: Survey, n_rows: int, folder: Path) -> list[list[Any]]:
    db = services.db()
    table = SurveyTable(services, db.task(TASK.name), survey, OWNER)
    catalogue = survey.catalogue
    faint = Condition("mag", Operator.ABOVE, 22.5)
    lines: list[list[Any]] = []

    def add(what: str, times: tuple[float, float, float], bare: float | None = None) -> None:
        lines.append([n_rows, what, *times, "" if bare is None else bare])

    def page(conditions: list[Condition], sort: str | None) -> Callable[[], object]:
        def draw() -> object:
            rows = table.rows(conditions, sort=sort, descending=True)
            return table.cells(rows[:100], ["mag", "colour", "kind", "plate"])

        return draw

    bare = twice(lambda: catalogue[catalogue["mag"] > 22.5].iloc[:100])[1]
    add("page of 100, filter on a number", twice(page([faint], None)), bare)
    bare = twice(lambda: catalogue.sort_values("mag", ascending=False).iloc[:100], 3)[1]
    add("page of 100, sorted by a number", twice(page([], "mag")), bare)
    bare = twice(lambda: catalogue.sort_values("plate", ascending=False).iloc[:100], 1)[1]
    add("page of 100, sorted by text", twice(page([], "plate")), bare)
    text = Condition("plate", Operator.CONTAINS, "77")
    bare = twice(lambda: catalogue["plate"].str.contains("77", regex=False))[1]
    add("page of 100, two conditions, sorted", twice(page([faint, text], "mag")), bare)

    rows = np.random.default_rng(1).choice(n_rows, n_rows // 10, replace=False)
    everything = np.arange(n_rows)
    selections = services.selections
    for what, chosen in (("a tenth", rows), ("all", everything)):
        made = selections.add(survey, chosen, {"kind": "lasso"}, "ann")
        times = twice(partial(selections.add, survey, chosen, {"kind": "lasso"}, "ann"), 3)
        add(f"selection of {what} made", times)
        add(f"selection of {what} read", twice(partial(selections.rows, made.id, survey)))
    one = selections.add(survey, rows, {"kind": "lasso"}, "ann")
    other = selections.add(survey, everything[: n_rows // 2], {"kind": "lasso"}, "ann")
    selections.rows(other.id, survey)
    add(
        "two combined",
        twice(lambda: selections.combine("and", one.id, other.id, survey, "ann"), 3),
    )
    path = folder / "file"
    for format in (Format.PARQUET, Format.CSV):
        add(
            f"a tenth exported as {format}",
            once(partial(export_selection, table, one, rows, format, path)),
        )
        path.unlink()

    ids = [str(name) for name in survey.object_ids[:N_LABELLED]]
    group = str(uuid.UUID(int=1))
    plan = twice(lambda: db.bulk_plan(TASK.name, "ann", ids, "dual"), 3)
    add(f"what {len(ids):,} labels would change", plan)
    given: dict[str, Any] = {"group": group, "survey_version": 1}
    add(
        f"{len(ids):,} labelled",
        once(lambda: db.bulk_label(TASK.name, "ann", ids, "dual", **given)),
    )
    last = db.last_bulk(TASK.name, "ann")
    assert last is not None
    add(f"{len(ids):,} undone", once(lambda: db.bulk_undo(TASK.name, "ann", last.source)))
    return lines


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    options = parser.parse_args()
    lines = [line for n_rows in options.rows for line in measured(n_rows)]
    report(
        "selections",
        ["rows", "what", "first, ms", "again, ms", "its processor, ms", "bare pandas, ms"],
        lines,
        {"rows": options.rows, "labelled": N_LABELLED},
    )


if __name__ == "__main__":
    main()
