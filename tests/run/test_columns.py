"""The jobs that add columns, from the command line's functions to the exports that carry them."""

from __future__ import annotations

import argparse
import csv
import json
from uuid import uuid4

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.errors import BadInput, NotReady, SkysiftError
from core.run_columns import (
    add_crossmatch_arguments,
    add_duplicates_arguments,
    crossmatch_command,
    duplicates_command,
    run_crossmatch,
    service_settings,
)
from core.run_labels import export_table, import_labels
from core.survey import Batch, Survey, SurveyWriter
from core.survey.added_columns import added_columns, column_runs, full_catalogue
from core.survey.batch import CatalogueValue
from core.survey.matching.known import ServiceSettings
from core.vocabulary import Action
from core.workspace import open_workspace
from labels_db import LabelsDB, NewEvent, TaskSpec
from tests.survey.known_server import serving


@pytest.fixture
def workspace(tmp_path):
    """A survey "sky" of four objects, the last without a position, and a task of it."""
    workspace = open_workspace(tmp_path / "ws")
    places = [(10.0, 20.0), (10.0, 20.0001), (200.0, 1.0), (None, None)]
    images = np.random.default_rng(0).integers(0, 255, (4, 1, 16, 16), dtype=np.uint8)
    images[2] = images[0]
    columns: list[dict[str, CatalogueValue]] = [{"ra": ra, "dec": dec} for ra, dec in places]
    with SurveyWriter(
        workspace, "sky", bands=("r",), cutout_size_px=16, dtype="uint8", origin="", licence=""
    ) as writer:
        writer.append(Batch([f"o{n}" for n in range(4)], images, columns))
        writer.commit()
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("hunt", "sky", "What is it?", ("lens", "other"), "lens"))
    return workspace


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "known.csv"
    path.write_text("name,ra,dec,type\nQ 1,10.0,20.00001,QSO\nbad,,5,G\n")
    return path


def parsed(add, *argv, workspace):
    parser = argparse.ArgumentParser()
    parser.add_argument("--workspace", default=str(workspace.root))
    add(parser)
    return parser.parse_args(list(argv))


def test_crossmatch_from_the_command_line(workspace, known, capsys):
    arguments = parsed(
        add_crossmatch_arguments, "sky", "--with", f"Quasars={known}", workspace=workspace
    )
    text = crossmatch_command(arguments)
    assert text.splitlines()[0] == "Known in Quasars: 2 of 3 objects."
    assert "Objects without a position, which cannot be looked up: 1." in text
    assert "1 of the 2 rows of Quasars" in text
    assert text.splitlines()[-1] == "Known objects of sky: 2."
    survey = Survey.open(workspace, "sky")
    assert full_catalogue(survey)["known_as"].tolist()[:2] == ["Q 1 (Quasars)"] * 2
    with LabelsDB(workspace.labels) as db:
        run = db.runs()[0]
    assert (run.kind, run.subject, run.state) == ("crossmatch", "sky", "done")
    assert run.result is not None
    assert (run.result["known"], run.result["by_catalogue"]) == (2, {"Quasars": 2})
    (written,) = column_runs(survey)
    assert written.run_id == run.run_id
    assert written.record["catalogues"][0]["sha256"]
    assert written.record["config"]["radius_arcsec"] == 2.0


def test_duplicates_from_the_command_line(workspace):
    arguments = parsed(
        add_duplicates_arguments, "sky", "--radius", "1", "--pictures", workspace=workspace
    )
    text = duplicates_command(arguments)
    assert text.splitlines()[0] == "Duplicates of an earlier object: 2 of 4; groups: 1."
    added = added_columns(Survey.open(workspace, "sky"))
    assert added["duplicate_why"].tolist()[1:3] == ["0.36 arcsec away", "same pixels"]
    with LabelsDB(workspace.labels) as db:
        assert db.runs()[0].kind == "duplicates"
    nothing = parsed(add_duplicates_arguments, "sky", workspace=workspace)
    with pytest.raises(BadInput, match="say which"):
        duplicates_command(nothing)


def test_a_service_that_fails_leaves_nothing(workspace, known):
    with serving() as server:
        server.acts[:] = ["500"] * 9
        asking = ServiceSettings(simbad_url=server.url + "/tap/sync", tries=2, wait_s=0.01)
        with pytest.raises(NotReady, match="Nothing was written"):
            run_crossmatch(
                workspace, "sky", [str(known), "simbad"], 2.0, settings=asking, quiet=True
            )
        survey = Survey.open(workspace, "sky")
        assert column_runs(survey) == []
        assert not (survey.folder / "columns").exists()
        with LabelsDB(workspace.labels) as db:
            assert db.runs()[0].state == "failed"
        server.acts[:] = []
        result = run_crossmatch(
            workspace, "sky", [str(known), "simbad"], 2.0, settings=asking, quiet=True
        )
    assert result.n_known == 2
    assert added_columns(survey)["known_as"][0] == "Q 1 (known), M 1 & <co> (SIMBAD)"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["ghost", "--with", "lenscat"], "ghost"),
        (["sky", "--with", "nowhere.csv"], "nowhere.csv"),
        (["sky", "--with", "simbad", "--radius", "-1"], "radius"),
        (["sky", "--with", "simbad", "--simbad-url", "x"], "http"),
    ],
)
def test_bad_arguments_are_one_sentence(workspace, argv, words):
    with pytest.raises(SkysiftError, match=words):
        crossmatch_command(parsed(add_crossmatch_arguments, *argv, workspace=workspace))


def test_addresses_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("SKYSIFT_SIMBAD_URL", "http://mirror/tap")
    assert service_settings().simbad_url == "http://mirror/tap"
    assert service_settings("http://other/tap").simbad_url == "http://other/tap"
    assert service_settings().vizier_url == ServiceSettings().vizier_url


@pytest.mark.parametrize("format", ["csv", "parquet", "votable", "fits", "jsonl"])
def test_label_exports_carry_what_is_known(workspace, known, tmp_path, format):
    run_crossmatch(workspace, "sky", [str(known)], 2.0, quiet=True)
    survey = Survey.open(workspace, "sky")
    path = tmp_path / f"labels.{format}"
    with LabelsDB(workspace.labels) as db:
        for name in ("o3", "o0", "o2"):
            event = NewEvent(str(uuid4()), "hunt", name, 1, "ann", Action.LABEL, class_name="lens")
            db.record(event)
        assert export_table(db, "hunt", "labels", format, path, survey=survey) == 3
        # It is still a table of labels, which its own workspace knows already.
        done = import_labels(db, survey, "hunt", path, by="owner")
        assert (done.n_new, done.n_before) == (0, 3)
    if format == "parquet":
        rows = {row["object_id"]: row for row in pq.read_table(path).to_pylist()}
        values = [(one["known_as"], one["known_n"]) for _, one in sorted(rows.items())]
        assert values == [("Q 1 (known)", 1), (None, 0), (None, None)]
        about = pq.read_table(path).schema.field("known_sep_arcsec").metadata
        assert about[b"description"].endswith(b"[arcsec]")
    if format == "csv":
        with open(path, newline="", encoding="utf-8") as handle:
            lines = {row["object_id"]: row for row in csv.DictReader(handle)}
        assert [lines[name]["known_as"] for name in ("o0", "o2", "o3")] == ["Q 1 (known)", "", ""]
    if format == "jsonl":
        told = [json.loads(line) for line in path.read_text().splitlines()]
        assert any(one.get("known_as") == "Q 1 (known)" for one in told)


def test_without_added_columns_an_export_is_what_it_was(workspace, tmp_path):
    survey = Survey.open(workspace, "sky")
    with LabelsDB(workspace.labels) as db:
        export_table(db, "hunt", "labels", "parquet", tmp_path / "a.parquet", survey=survey)
        export_table(db, "hunt", "labels", "parquet", tmp_path / "b.parquet")
    names = [pq.read_schema(tmp_path / f"{one}.parquet").names for one in "ab"]
    assert names[0] == names[1]
