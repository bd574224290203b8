"""Selections as files, and lists of ids that become selections."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.errors import BadInput
from core.exchange import Format
from core.survey import Survey
from labels_db import LabelsDB, Task
from pages._server import id_lists
from pages._server.id_lists import read_ids
from pages._server.selection_export import export_selection
from pages._server.services import Services
from pages._server.tables import SurveyTable
from tests.pages.conftest import IDS
from tests.pages.test_selections import ANN, LASSO, label


@pytest.fixture
def survey(services: Services) -> Survey:
    return services.survey("tiny")


@pytest.fixture
def task(db: LabelsDB) -> Task:
    return db.task("dual")


def test_a_file_of_a_selection_says_all_about_it(
    services: Services, survey: Survey, task: Task, db: LabelsDB, tmp_path: Path
) -> None:
    label(db, "g3")
    made = services.selections.add(survey, np.array([3, 8]), LASSO, "ann", name="two")
    table = SurveyTable(services, task, survey, ANN)
    path = tmp_path / "two.parquet"
    assert export_selection(table, made, np.array([8, 3]), Format.PARQUET, path) == 2
    read = pq.read_table(path)
    assert read.to_pylist() == [
        {"object_id": IDS[8], "label": None, "group_id": IDS[8], "flux": 8.0, "hole": None},
        {"object_id": "g3", "label": "dual", "group_id": "g3", "flux": 3.0, "hole": None},
    ]
    zipped = tmp_path / "two.zip"
    assert export_selection(table, made, np.array([3]), Format.CSV, zipped) == 1
    with zipfile.ZipFile(zipped) as archive:
        lines = archive.read("selection.csv").decode().splitlines()
        about = json.loads(archive.read("selection.csv.json"))
    assert next(csv.DictReader(lines)) == {
        "object_id": "g3",
        "label": "dual",
        "group_id": "g3",
        "flux": "3",
        "hole": "",
    }
    text = json.dumps(about)
    assert made.id in text
    assert survey.manifest.content_hash in text
    for number, format in enumerate((Format.VOTABLE, Format.FITS)):
        other = tmp_path / f"file{number}"
        assert export_selection(table, made, np.empty(0, np.int64), format, other) == 0


@pytest.fixture
def odd(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> Survey:
    ids = np.array(["a,b", 'c"d', "plain", "x", "y", "z", "1", "2", "3"], object)
    monkeypatch.setitem(survey.__dict__, "object_ids", ids)
    return survey


@pytest.mark.parametrize(
    ("text", "rows", "unknown"),
    [
        ("g3\n\n  g1 \r\ng3\nnone", [1, 3], ["none"]),
        ("mag,object_id\n1,g2\n2,g0\n3\n", [0, 2], []),
        ("id,mag\ng5,2\ng6,3", [5, 6], ["id"]),
        ("\ufeffobject_id\ng7", [7], []),
        (IDS[8], [8], []),
    ],
)
def test_lists_of_ids(survey: Survey, text: str, rows: list[int], unknown: list[str]) -> None:
    found = read_ids(text.encode(), "list.csv", survey)
    assert found.rows.tolist() == rows
    assert found.unknown == unknown
    assert found.n_given == len(rows) + len(unknown)


def test_ids_with_commas_are_ids(odd: Survey) -> None:
    assert read_ids(b"a,b\nplain", "", odd).rows.tolist() == [0, 2]
    assert read_ids(b'object_id\n"a,b"\n"c""d"', "", odd).rows.tolist() == [0, 1]


def test_what_is_no_list_is_refused(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"\n \n", b"object_id\n", b"\xff\xfe\x00", b"a\x00b"):
        with pytest.raises(BadInput):
            read_ids(content, "photo.jpg", survey)
    monkeypatch.setattr(id_lists, "SPARE_LINES", 1)
    assert read_ids(b"g1\n" * 19, "", survey).rows.tolist() == [1]
    with pytest.raises(BadInput, match="up to 19 lines, but this has 20"):
        read_ids(b"g1\n" * 20, "", survey)
