"""Labels out of one workspace and into another, by the command line and its functions."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow.parquet as parquet
import pytest

from core.errors import BadInput
from core.exchange import EVENT_SCHEMA, LABEL_SCHEMA
from core.run import main
from core.run_labels import Table, agreement_lines, consensus, export_table, import_labels
from core.survey import Batch, Survey, SurveyWriter
from core.survey.batch import CatalogueValue
from core.vocabulary import Action, Role
from core.workspace import Workspace, open_workspace
from labels_db import EVENT_COLUMNS, LABEL_COLUMNS, LabelsDB, NewEvent, TaskSpec

IDS = [f"o{number}" for number in range(6)] + ['odd "<é>,\n'.strip()]
SPEC = TaskSpec("duals", "sky", "Two nuclei?", ("dual", "star", "other"), "dual")


def workspace_at(path: Path) -> Workspace:
    workspace = open_workspace(path)
    with SurveyWriter(
        workspace,
        "sky",
        bands=("R",),
        cutout_size_px=4,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        pixels = np.zeros((len(IDS), 1, 4, 4), dtype=np.uint8)
        columns: list[dict[str, CatalogueValue]] = [
            {"flux": float(number)} for number in range(len(IDS))
        ]
        writer.append(Batch(object_ids=list(IDS), images=pixels, columns=columns))
        writer.commit()
    with LabelsDB(workspace.labels) as db:
        db.create_task(SPEC)
    return workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_at(tmp_path / "ws")


def say(db: LabelsDB, who: str, object_id: str, action: Action, **more: object) -> str:
    event_id = str(uuid4())
    db.record(NewEvent(event_id, "duals", object_id, 1, who, action, **more))  # type: ignore[arg-type]
    return event_id


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    with LabelsDB(workspace.labels) as db:
        db.set_tags("duals", ["tail"], "owner")
        for name, one, other in zip(
            IDS, ("dual", "star", "star"), ("dual", "star", "other"), strict=False
        ):
            say(db, "ann", name, Action.LABEL, class_name=one, payload={"tags": ["tail"]})
            say(db, "bob", name, Action.LABEL, class_name=other, confidence=0.5)
        say(db, "ann", "o3", Action.LABEL, class_name="dual")
        db.record_undo("duals", "ann", str(uuid4()))
        db.record_redo("duals", "ann", str(uuid4()))
        say(db, "ann", IDS[-1], Action.NOTE, note="=cmd|x")
        say(db, "ann", "o4", Action.SKIP)
        db.add_gold("duals", "o5", "dual", "owner", 1)
    return workspace


def test_the_two_descriptions_of_a_table_agree() -> None:
    assert list(EVENT_COLUMNS) == EVENT_SCHEMA.names
    computed = {"consensus", "consensus_probability", "skysift_version"}
    assert [name for name in LABEL_SCHEMA.names if name not in computed] == list(LABEL_COLUMNS)


@pytest.mark.parametrize("format", ["csv", "parquet", "votable", "fits", "jsonl"])
def test_all_events_move_to_another_workspace(
    filled: Workspace, tmp_path: Path, format: str
) -> None:
    path = tmp_path / f"out.{format}"
    with LabelsDB(filled.labels) as db:
        assert export_table(db, "duals", "events", format, path) == db.n_events("duals")
    other = workspace_at(tmp_path / "other")
    survey = Survey.open(other, "sky")
    with LabelsDB(filled.labels) as old, LabelsDB(other.labels) as new:
        new.set_tags("duals", ["tail"], "owner")
        first = import_labels(new, survey, "duals", path, by="owner")
        assert (first.n_new, first.n_before) == (old.n_events("duals"), 0)
        again = import_labels(new, survey, "duals", path, by="owner")
        assert (again.n_new, again.n_before) == (0, first.n_rows)
        for one, other_one in zip(old.events("duals"), new.events("duals"), strict=True):
            moved = {"seq", "recorded_at", "source"}
            left, right = vars(one), vars(other_one)
            assert {k: v for k, v in left.items() if k not in moved} == {
                k: v for k, v in right.items() if k not in moved
            }
        assert old.current_classes("duals") == new.current_classes("duals")
        assert old.gold("duals") == new.gold("duals")
        assert old.counts("duals") == new.counts("duals")
        new.check(thorough=True)


def test_a_workspace_takes_its_own_labels_back_without_a_change(
    filled: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    survey = Survey.open(filled, "sky")
    with LabelsDB(filled.labels) as db:
        n = export_table(db, "duals", Table.LABELS, "parquet", path)
        done = import_labels(db, survey, "duals", path, by="owner")
    assert (n, done.n_new, done.n_before) == (5, 0, 5)


def test_labels_carry_consensus_and_provenance(filled: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    with LabelsDB(filled.labels) as db:
        export_table(db, "duals", "labels", "parquet", path)
        found = consensus(db, "duals")
    assert found is not None
    table = parquet.read_table(path)
    rows = {row["object_id"]: row for row in table.to_pylist()}
    assert rows["o0"]["annotators"] == ["ann", "bob"]
    assert (rows["o0"]["label"], rows["o0"]["consensus"]) == ("dual", "dual")
    assert rows["o5"]["how"] == "adjudicated"
    about = json.loads(table.schema.metadata[b"skysift"])
    assert about["task"]["question"] == SPEC.question
    assert about["software"]["skysift"] == rows["o0"]["skysift_version"]


def test_classes_of_a_file_under_other_names(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("object_id,label\no1,binary\no2,star\n")
    survey = Survey.open(workspace, "sky")
    with LabelsDB(workspace.labels) as db:
        with pytest.raises(BadInput, match=r"Line 2: .*'binary'"):
            import_labels(db, survey, "duals", path, by="owner")
        assert db.last_seq("duals") == 0
        rename = {"binary": "dual"}
        import_labels(db, survey, "duals", path, by="owner", rename=rename)
        assert db.current_classes("duals") == {"o1": "dual", "o2": "star"}
        (first, _) = db.events("duals")
        assert (first.annotator, first.source) == ("owner", "csv:theirs.csv")
        db.add_person("Ann Lee", Role.ANNOTATOR, "owner")
        path.write_text("object_id,label,annotator\no1,dual,ANN LEE\n")
        with pytest.raises(BadInput, match="spelled like 'Ann Lee'"):
            import_labels(db, survey, "duals", path, by="owner")


def test_an_object_that_the_survey_lacks(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("object_id,label\no1,dual\nnone,dual\n")
    with (
        LabelsDB(workspace.labels) as db,
        pytest.raises(BadInput, match=r"Line 3: the survey has no object 'none'"),
    ):
        import_labels(db, Survey.open(workspace, "sky"), "duals", path, by="owner")


def test_agreement_in_words(filled: Workspace, workspace: Workspace) -> None:
    with LabelsDB(filled.labels) as db:
        lines = agreement_lines(db, "duals")
    assert lines[0] == ("Answers: 7, annotators: 2, objects: 4, answered by two or more: 3.")
    assert any(line.startswith("ann and bob: Cohen's kappa") for line in lines)
    assert any(line.startswith("Krippendorff's alpha") for line in lines)


def test_the_command_line(
    filled: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--workspace", str(filled.root)]
    out = tmp_path / "events.jsonl"
    export = ["export", "duals", "--table", "events", "--format", "jsonl", "--out", str(out)]
    assert main([*export, *where]) == 0
    assert main([*export, *where]) == 2
    assert "already" in capsys.readouterr().err
    assert main(["import-labels", "duals", str(out), *where]) == 0
    assert "New events: 0 of" in capsys.readouterr().out
    assert main(["agreement", "duals", *where]) == 0
    assert main(["import-labels", "duals", str(tmp_path / "none.csv"), *where]) == 2
    assert main(["import-labels", "duals", str(out), "--rename", "x", *where]) == 2
    assert main(["export", "none", *where]) == 2
    for bad in (filled.labels, filled.root / "surveys" / "x.csv", tmp_path / "none" / "x.csv"):
        assert main(["export", "duals", "--overwrite", "--out", str(bad), *where]) == 2
    assert main(["export", "duals", *where]) == 0
    assert (filled.root / "exports" / "duals-labels.csv").is_file()
    assert "Traceback" not in capsys.readouterr().err


def test_people_by_the_command_line(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> int:
        return main(["person", *words, "--workspace", str(workspace.root)])

    assert run("list") == 0
    assert "Nobody was invited yet" in capsys.readouterr().out
    assert run("add", "Ann Lee", "--role", "viewer") == 0
    assert run("add", "ann LEE") == 2
    assert run("invite", "Ann Lee") == 0
    secret = capsys.readouterr().out.split("?token=")[1].split(" ")[0]
    with LabelsDB(workspace.labels) as db:
        found = db.person_by_secret(secret)
        assert found is not None
        assert found.name == "Ann Lee"
    assert run("role", "Ann Lee", "--role", "annotator") == 0
    assert run("disable", "Ann Lee") == 0
    assert run("list") == 0
    assert "Ann Lee  annotator  disabled" in capsys.readouterr().out
    assert run("enable", "Ann Lee") == 0
    assert run("invite") == 2
    assert run("invite", "nobody") == 2


def test_care_by_the_command_line(
    filled: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--workspace", str(filled.root)]
    copy = tmp_path / "copy.sqlite"
    assert main(["backup", "--to", str(copy), *where]) == 0
    with LabelsDB(filled.labels) as db:
        before = db.n_events("duals")
        say(db, "ann", "o1", Action.FLAG)
    assert main(["restore", str(copy), *where]) == 0
    with LabelsDB(filled.labels) as db:
        assert db.n_events("duals") == before
    assert main(["backups", *where]) == 0
    assert "before-restore" in capsys.readouterr().out
    assert main(["check", "--thorough", *where]) == 0
    assert main(["restore", str(tmp_path / "none"), *where]) == 2
