"""Known examples by id, place on the sky and catalogue, and the job that labels them."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from core.errors import BadInput, NotReady
from core.run import main
from core.run_examples import add_examples, find_examples
from core.survey import Batch, Survey, SurveyWriter
from core.survey.batch import CatalogueValue
from core.vocabulary import Action
from core.workspace import open_workspace
from labels_db import LabelsDB, NewEvent, TaskSpec
from tests.run.test_command_line import refused

PLACES = [(10.0, 20.0), (10.0, 20.0002), (200.0, 1.0), (None, None)]


def write_survey(root, places=PLACES):
    """A survey "sky" of four objects, the last without a position, and a task of it."""
    workspace = open_workspace(root)
    images = np.zeros((4, 1, 16, 16), dtype=np.uint8)
    columns: list[dict[str, CatalogueValue]] = [{"ra": ra, "dec": dec} for ra, dec in places]
    with SurveyWriter(
        workspace, "sky", bands=("r",), cutout_size_px=16, dtype="uint8", origin="", licence=""
    ) as writer:
        writer.append(Batch([f"o{n}" for n in range(4)], images, columns))
        writer.commit()
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("hunt", "sky", "What is it?", ("lens", "other"), "lens"))
    return workspace


def test_ids_places_and_catalogues_name_rows(tmp_path):
    survey = Survey.open(write_survey(tmp_path / "ws"), "sky")
    known = tmp_path / "known.csv"
    known.write_text("name,ra,dec\nLens 7,200.0,1.0001\nfar,15,0\nbad,,5\n")
    found = find_examples(
        survey,
        ids=["o3", "o9"],
        # 0.72 arcsec lie between the first two: the nearer one is meant.
        positions=["10.0 20.00015", "13h20m00s +01d00m00s", "99 45", "somewhere"],
        catalogues=[f"Known={known}"],
    )
    assert dict(found.rows) == {
        3: "o3",
        1: "10.0 20.00015",
        2: "13h20m00s +01d00m00s",  # named before the catalogue names it
    }
    assert found.unresolved[:3] == (
        "'o9' is no object of the survey",
        "no object lies within 2 arcsec of '99 45'",
        "'somewhere' is no position such as '150.116 2.205'",
    )
    assert any("1 of the 3 rows of Known" in one for one in found.unresolved)
    only = find_examples(survey, catalogues=[f"Known={known}"])
    assert dict(only.rows) == {2: "Lens 7 (Known)"}
    none = find_examples(survey, catalogues=[f"Known={known}"], radius_arcsec=0.01)
    assert not none
    assert none.unresolved[0].startswith("no entry of Known lies within 0.01 arcsec")


def test_a_survey_without_positions_takes_ids_alone(tmp_path):
    survey = Survey.open(write_survey(tmp_path / "ws", [(None, None)] * 4), "sky")
    assert dict(find_examples(survey, ids=["o1"]).rows) == {1: "o1"}
    with pytest.raises(NotReady, match="have no positions on the sky; name examples by"):
        find_examples(survey, positions=["10 20"])


def test_the_job_labels_examples_once(tmp_path, capsys):
    workspace = write_survey(tmp_path / "ws")
    argv = ["examples", "hunt", "--workspace", str(tmp_path / "ws"), "--by", "ada"]
    assert main([*argv, "--id", "o2", "--position", "10 20", "--id", "o9"]) == 0
    out = capsys.readouterr().out
    assert "2 known examples are in the survey." in out
    assert "1 could not be resolved: 'o9' is no object of the survey." in out
    assert "2 of them are new labels of the task hunt." in out
    assert main([*argv, "--id", "o2"]) == 0
    assert "0 of them are new labels" in capsys.readouterr().out
    assert main([*argv, "--id", "o1", "--class", "other"]) == 0
    with LabelsDB(workspace.labels) as db:
        assert db.current_classes("hunt") == {"o0": "lens", "o1": "other", "o2": "lens"}
    assert "named by --id, --position, --catalogue or --pictures" in refused(capsys, *argv)
    assert "No example could be resolved: 'o9'" in refused(capsys, *argv, "--id", "o9")
    assert "star" in refused(capsys, *argv, "--id", "o1", "--class", "star")
    assert "radius" in refused(capsys, *argv, "--position", "1 2", "--radius", "-1")
    with pytest.raises(BadInput, match="none of these"):
        find_examples(Survey.open(workspace, "sky"), catalogues=["/nowhere.csv"])


def test_an_example_is_new_again_once_it_stands_no_more(tmp_path):
    workspace = write_survey(tmp_path / "ws")
    survey = Survey.open(workspace, "sky")
    one = find_examples(survey, ids=["o2"])
    with LabelsDB(workspace.labels) as db:

        def given(class_name, by="ada"):
            n_new = add_examples(db, survey, "hunt", one, class_name, by)
            return n_new, db.current_classes("hunt").get("o2")

        assert given("lens") == (1, "lens")
        db.record(
            NewEvent(
                event_id=str(uuid.uuid4()),
                task="hunt",
                object_id="o2",
                survey_version=1,
                annotator="ada",
                action=Action.UNDO,
                undoes=db.history("hunt", "o2")[-1].event_id,
            )
        )
        assert db.current_classes("hunt") == {}
        assert given("lens") == (1, "lens")
        assert given("other") == (1, "other")
        assert given("lens") == (1, "lens")
        assert given("other", "bob") == (1, "other")
        assert given("lens") == (1, "lens")
        assert given("lens") == (0, "lens")
