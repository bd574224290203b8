"""Selections: the objects that were meant, in any version; tables, files and lists of ids."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from core.errors import BadInput, Damaged, Forbidden, NotFound
from core.survey import Batch, Survey, SurveyWriter
from core.survey.filtering import Condition, Kind, Operator
from core.survey.layout import ColumnInfo
from core.vocabulary import Action, Role
from core.workspace import Workspace
from labels_db import LabelsDB, NewEvent, Task
from pages._server import map_selecting, tables
from pages._server.identity import Identity
from pages._server.map_data import Placed
from pages._server.selections import KEPT_DAYS
from pages._server.services import Services
from pages._server.tables import ANSWER, SCORE, SurveyTable
from tests.pages.conftest import IDS, rank

ANN = Identity("owner", "ann", Role.OWNER)
CAT = Identity("person:2", "cat", Role.ANNOTATOR)
LASSO = {"kind": "lasso"}


@pytest.fixture
def survey(services: Services) -> Survey:
    return services.survey("tiny")


@pytest.fixture
def task(db: LabelsDB) -> Task:
    return db.task("dual")


def label(db: LabelsDB, object_id: str, name: str = "dual", who: str = "ann") -> None:
    number = db.n_events("dual") + 1
    db.record(
        NewEvent(
            event_id=f"00000000-0000-4000-8000-{number:012d}",
            task="dual",
            object_id=object_id,
            survey_version=1,
            annotator=who,
            action=Action.LABEL,
            class_name=name,
        )
    )


def next_version(workspace: Workspace, base: Survey, ids: list[str]) -> None:
    """Version 2 of the survey: a folder of its own order, made by hand since imports only add."""
    with SurveyWriter(
        workspace,
        "turned",
        bands=("R",),
        cutout_size_px=8,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        images = np.zeros((len(ids), 1, 8, 8), np.uint8)
        writer.append(Batch(object_ids=ids, images=images, columns=[{} for _ in ids]))
        writer.commit()
    folder = workspace.survey("turned") / "versions" / "1"
    text = (folder / "survey.toml").read_text()
    text = text.replace('"turned"', '"tiny"').replace("\nversion = 1", "\nversion = 2")
    (folder / "survey.toml").write_text(text)
    os.rename(folder, workspace.survey("tiny") / "versions" / "2")


def test_it_holds_the_objects_that_were_given_in_order(services: Services, survey: Survey) -> None:
    origin = {"kind": "lasso", "n": 3}
    made = services.selections.add(survey, np.array([5, 2, 8, 2]), origin, "ann")
    assert (made.n_objects, made.survey, made.survey_version) == (3, "tiny", 1)
    assert (made.origin, made.made_by, made.name) == (origin, "ann", None)
    assert services.selections.get(made.id) == made
    rows = services.selections.rows(made.id, survey)
    assert rows.tolist() == [2, 5, 8]
    assert rows.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 1
    path = services.workspace.root / "selections" / f"{made.id}.parquet"
    assert pq.read_table(path)["object_id"].to_pylist() == [IDS[2], IDS[5], IDS[8]]


def test_another_version_has_its_own_rows_for_the_same_objects(
    services: Services, survey: Survey, workspace: Workspace
) -> None:
    made = services.selections.add(survey, np.array([0, 3, 8]), LASSO, "ann")
    next_version(workspace, survey, [IDS[8], "new", IDS[7], IDS[0]])
    newer = services.survey("tiny")
    assert newer.version == 2
    rows = services.selections.rows(made.id, newer)
    assert [str(newer.object_ids[row]) for row in rows] == [IDS[8], IDS[0]]
    assert services.selections.rows(made.id, survey).tolist() == [0, 3, 8]


def test_none_and_all(services: Services, survey: Survey) -> None:
    none = services.selections.add(survey, np.empty(0), LASSO, "ann")
    everything = services.selections.add(survey, np.arange(len(IDS)), LASSO, "ann")
    assert services.selections.rows(none.id, survey).tolist() == []
    assert services.selections.rows(everything.id, survey).tolist() == list(range(len(IDS)))


def test_bad_input_leaves_nothing_behind(services: Services, survey: Survey) -> None:
    add = services.selections.add
    for rows in ([9], [-1], [[1, 2]], [0.5]):
        with pytest.raises(BadInput):
            add(survey, np.array(rows), LASSO, "ann")
    for origin in ({}, {"kind": 3}, {"kind": "lasso", "x": float("nan")}, {"kind": "x" * 600_000}):
        with pytest.raises(BadInput, match="How a selection was made"):
            add(survey, np.array([1]), origin, "ann")
    add(survey, np.array([1]), LASSO, "ann", name="mine")
    with pytest.raises(BadInput, match="already"):
        add(survey, np.array([1]), LASSO, "ann", name=" mine ")
    assert len(list((services.workspace.root / "selections").iterdir())) == 1
    with pytest.raises(NotFound, match="no selection"):
        services.selections.get("0123456789abcdef")
    with pytest.raises(NotFound, match="no selection"):
        services.selections.rows("../../labels\x00", survey)


def test_a_file_that_is_gone_or_broken_is_told(services: Services, survey: Survey) -> None:
    made = services.selections.add(survey, np.array([1]), LASSO, "ann")
    path = services.workspace.root / "selections" / f"{made.id}.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(Damaged, match="cannot be read"):
        services.selections.rows(made.id, survey)
    path.unlink()
    with pytest.raises(NotFound, match="are gone"):
        services.selections.rows(made.id, survey)
    assert services.selections.delete(made.id)
    assert not services.selections.delete(made.id)


def test_of_another_survey(services: Services, survey: Survey, workspace: Workspace) -> None:
    made = services.selections.add(survey, np.array([1]), LASSO, "ann")
    with SurveyWriter(
        workspace,
        "other",
        bands=("R",),
        cutout_size_px=8,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        images = np.zeros((1, 1, 8, 8), np.uint8)
        writer.append(Batch(object_ids=["g1"], images=images, columns=[{}]))
        other = writer.commit()
    with pytest.raises(BadInput, match="of the survey tiny, not of other"):
        services.selections.rows(made.id, other)


def test_two_are_combined(services: Services, survey: Survey) -> None:
    selections = services.selections
    one = selections.add(survey, np.array([1, 2, 3]), LASSO, "ann", name="one")
    two = selections.add(survey, np.array([3, 4]), LASSO | {"tells": ["dual"]}, "ann")
    for how, rows in (("and", [3]), ("or", [1, 2, 3, 4]), ("not", [1, 2])):
        made = selections.combine(how, one.id, two.id, survey, "ann")
        assert selections.rows(made.id, survey).tolist() == rows
        assert made.origin["of"] == [
            {"id": one.id, "name": "one"},
            {"id": two.id, "name": None},
        ]
        assert made.origin["tells"] == ["dual"]
    with pytest.raises(BadInput, match="and, or or not"):
        selections.combine("xor", one.id, two.id, survey, "ann")


def test_what_tells_of_a_blind_task_is_kept_from_others(
    services: Services, survey: Survey, db: LabelsDB
) -> None:
    selections = services.selections
    told = selections.add(survey, np.array([1]), LASSO | {"tells": ["dual"]}, "ann", name="finds")
    plain = selections.add(survey, np.array([1]), LASSO, "ann", name="plain")
    assert selections.shown(told.id, CAT) == told
    db.change_task("dual", "ann", blind=True)
    with pytest.raises(Forbidden, match="blind task"):
        selections.shown(told.id, CAT)
    assert [one.id for one in selections.saved("tiny", CAT)] == [plain.id]
    assert len(selections.saved("tiny", ANN)) == 2
    own = selections.add(survey, np.array([2]), LASSO | {"tells": ["dual"]}, "cat", name="own")
    assert selections.shown(own.id, CAT) == own


def test_what_is_known_from_elsewhere_is_kept_from_blind_tasks_too(
    services: Services,
    survey: Survey,
    task: Task,
    db: LabelsDB,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "known_columns", lambda _survey: frozenset({"hole"}))
    there = Condition("hole", Operator.MISSING)
    told = SurveyTable(services, task, survey, ANN).tells([there])
    assert told == {"knows": True}
    selections = services.selections
    made = selections.add(survey, np.array([1, 2]), LASSO | told, "ann")
    plain = selections.add(survey, np.array([2]), LASSO, "ann")
    both = selections.combine("and", made.id, plain.id, survey, "ann")
    assert selections.may_see(made, CAT)
    assert selections.may_see(both, CAT)
    db.change_task("dual", "ann", blind=True)
    assert not selections.may_see(made, CAT)
    assert not selections.may_see(both, CAT)
    assert selections.may_see(plain, CAT)
    assert selections.may_see(made, ANN)


def test_a_lasso_without_what_is_known_tells_it_too(
    services: Services, survey: Survey, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_selecting, "known_columns", lambda _survey: frozenset({"hole"}))
    painted = SimpleNamespace(hidden=lambda _names: np.array([False, True, False]))
    monkeypatch.setattr(map_selecting, "paint", lambda *_given, **_more: painted)
    places = np.array([[0, 0], [0.5, 0.5], [0.2, -0.2]], np.float32)
    view = cast(Any, SimpleNamespace(taught_by=()))
    placed = Placed("m", view, np.array([2, 5, 7]), places)
    square = map_selecting.polygon_of(None, [-1, -1, 1, 1])
    origins = {}
    for by in ("column:hole", "column:flux"):
        hiding = map_selecting.Filter(by, hidden=("yes",))
        made = map_selecting.select(services, task, survey, ANN, placed, square, hiding)
        assert made is not None
        assert services.selections.rows(made.id, survey).tolist() == [2, 7]
        origins[by] = made.origin.get("knows")
    assert origins == {"column:hole": True, "column:flux": None}


def test_of_those_without_a_name_a_person_keeps_the_newest(
    services: Services, survey: Survey, db: LabelsDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages._server.selections.MAX_UNNAMED", 2)
    selections = services.selections
    made = []
    for row, by in enumerate(("ann", "ann", "cat", "ann", "ann")):
        one = selections.add(survey, np.array([row]), LASSO, by, name="kept" if not row else None)
        # A second apart: those of one millisecond have no order.
        when = f"2026-01-01T00:00:{row:02d}.000+00:00"
        db.tables.execute("UPDATE selections SET made_at = ? WHERE id = ?", [when, one.id])
        made.append(one.id)
    last = selections.add(survey, np.array([8]), LASSO, "ann").id
    there = {path.stem for path in (services.workspace.root / "selections").iterdir()}
    assert there == {made[0], made[2], made[4], last} == db.selection_ids()
    # Named between the looking and the deleting it stays, with its objects.
    selections.rename(last, "late")
    assert not db.delete_selection(last, only_unnamed=True)
    assert selections.rows(last, survey).tolist() == [8]


def test_numbers_of_a_cell_are_those_that_were_stored(
    services: Services, survey: Survey, task: Task
) -> None:
    table = SurveyTable(services, task, survey, ANN)
    short = pd.Series(np.array([0.1, 1234567.9, np.nan] + [0] * 6, np.float32))
    table.__dict__["_catalogue"] = table._catalogue.assign(flux=short)
    values = [cell["flux"] for cell in table.cells(np.arange(3), ["flux"])]
    assert values == [0.1, 1234567.9, None]


def test_what_nobody_named_is_cleaned_after_a_month(
    services: Services, survey: Survey, db: LabelsDB
) -> None:
    selections = services.selections
    kept, gone, fresh = (
        selections.add(survey, np.array([row]), LASSO, "ann", name="kept" if row == 0 else None)
        for row in range(3)
    )
    long_ago = (datetime.now(UTC) - timedelta(days=KEPT_DAYS, hours=1)).isoformat(
        timespec="milliseconds"
    )
    for one in (kept, gone):
        db.tables.execute("UPDATE selections SET made_at = ? WHERE id = ?", [long_ago, one.id])
    folder = services.workspace.root / "selections"
    hour, month = 3600, KEPT_DAYS * 86_400
    ages = {"old": month + hour, "new": month - hour, "cut": hour + 60, "at work": hour - 60}
    strays = {}
    for what, age in ages.items():
        path = folder / f"{what}.parquet{'' if what in ('old', 'new') else '.partial'}"
        path.write_bytes(b"")
        os.utime(path, (time.time() - age,) * 2)
        strays[what] = path.name
    assert selections.clean() == 1
    assert {one.name for one in folder.iterdir()} == {
        f"{kept.id}.parquet",
        f"{fresh.id}.parquet",
        strays["new"],
        strays["at work"],
    }
    with pytest.raises(NotFound):
        selections.get(gone.id)
    assert selections.clean() == 0


# The table


def test_the_table_filters_and_sorts(
    services: Services, survey: Survey, task: Task, db: LabelsDB, workspace: Workspace
) -> None:
    label(db, "g1")
    label(db, "g4", "<b>no</b>")
    rank(workspace, ["g0"])  # scores fall from 0.9 with the row
    table = SurveyTable(services, task, survey, ANN)
    assert [(one.name, one.kind) for one in table.columns] == [
        (ANSWER, Kind.TEXT),
        (SCORE, Kind.NUMBER),
        ("object_id", Kind.TEXT),
        ("group_id", Kind.TEXT),
        ("flux", Kind.NUMBER),
        ("hole", Kind.NUMBER),
    ]
    above = Condition("flux", Operator.AT_LEAST, 3)
    assert table.rows([above]).tolist() == [3, 4, 5, 6, 7, 8]
    assert table.rows([above, Condition(ANSWER, Operator.THERE)]).tolist() == [4]
    assert table.rows([Condition(ANSWER, Operator.IS, "dual")]).tolist() == [1]
    assert table.rows([above], sort="flux", descending=True).tolist() == [8, 7, 6, 5, 4, 3]
    assert table.rows([above], np.array([1, 4, 6]), SCORE).tolist() == [6, 4]
    assert table.rows([Condition("hole", Operator.THERE)]).tolist() == []
    assert table.rows(sort=ANSWER).tolist()[:2] == [4, 1]  # "<" comes before "d"
    assert table.cells(np.array([1, 0]), [ANSWER, "flux", "hole"]) == [
        {ANSWER: "dual", "flux": 1.0, "hole": None},
        {ANSWER: None, "flux": 0.0, "hole": None},
    ]
    assert table.choices("object_id") == sorted(IDS)
    assert table.choices(ANSWER) == ["dual", "<b>no</b>"]
    assert table.tells([above]) == {}
    assert table.tells([Condition(SCORE, Operator.ABOVE, 0.5)]) == {"tells": ["dual"]}
    with pytest.raises(NotFound, match="no column 'mag'"):
        table.rows([Condition("mag", Operator.BELOW, 3)])
    label(db, "g5")
    table = SurveyTable(services, task, survey, ANN)
    assert table.rows([Condition(ANSWER, Operator.IS, "dual")]).tolist() == [1, 5]


def test_on_a_blind_task_the_table_has_ones_own_answers_alone(
    services: Services, survey: Survey, db: LabelsDB, workspace: Workspace
) -> None:
    label(db, "g1")
    label(db, "g2", who="cat")
    rank(workspace, ["g0"])
    db.change_task("dual", "ann", blind=True)
    table = SurveyTable(services, db.task("dual"), survey, CAT)
    assert SCORE not in [one.name for one in table.columns]
    assert table.rows([Condition(ANSWER, Operator.THERE)]).tolist() == [2]
    with pytest.raises(NotFound):
        table.values(SCORE)
    owner = SurveyTable(services, db.task("dual"), survey, ANN)
    assert owner.rows([Condition(ANSWER, Operator.THERE)]).tolist() == [1, 2]


def test_units_and_a_text_column_of_many_values(
    services: Services, workspace: Workspace, task: Task
) -> None:
    names = [f"s{row:04d}" for row in range(400)]
    with SurveyWriter(
        workspace,
        "wide",
        bands=(),
        cutout_size_px=0,
        dtype="uint8",
        origin="made for a test",
        licence="none",
        columns={"mag": ColumnInfo("mag", "brightness")},
    ) as writer:
        columns: list[dict[str, Any]] = [
            {"mag": row / 10, "name": f"n{row}", "kind": ("a", "b")[row % 2]} for row in range(400)
        ]
        writer.append(Batch(object_ids=names, images=None, columns=columns))
        wide = writer.commit()
    table = SurveyTable(services, task, wide, ANN)
    assert (table.column("mag").unit, table.column("mag").description) == ("mag", "brightness")
    assert table.choices("name") == []
    assert table.choices("kind") == ["a", "b"]
