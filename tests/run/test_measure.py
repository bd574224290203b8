"""The job that measures pictures, and the columns it leaves."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from core.errors import Cancelled, NotReady
from core.measure.morphology import FLAGS, measure_morphology
from core.run import main
from core.run_measure import add_measure_arguments, measured_columns, run_measure
from core.survey import Batch, Survey, SurveyWriter
from core.survey.added_columns import added_columns, added_info, column_runs
from core.workspace import open_workspace
from labels_db import LabelsDB
from tests.measure.morphology.simulated import galaxies


@pytest.fixture
def images() -> np.ndarray:
    """Ten galaxies of two bands, one of them empty."""
    found = np.concatenate([galaxies(10, 32), galaxies(10, 32, seed=2)], axis=1)
    found[2] = 0
    return found


@pytest.fixture
def workspace(tmp_path, images):
    """Survey "sky" of these galaxies and one object more, which has no picture."""
    workspace = open_workspace(tmp_path / "ws")
    ids = [f"o{n}" for n in range(11)]
    with SurveyWriter(
        workspace,
        "sky",
        bands=("g", "r'"),
        cutout_size_px=32,
        dtype="float32",
        origin="",
        licence="",
    ) as writer:
        writer.append(Batch(ids, [*images, None], [{} for _ in ids]))
        writer.commit()
    return workspace


def test_the_command_adds_what_was_measured(workspace, images, capsys):
    assert main(["measure", "sky", "--workspace", str(workspace.root)]) == 0
    said = capsys.readouterr().out
    assert "Measured 10 of 11 objects of sky" in said
    assert "1 empty" in said
    survey = Survey.open(workspace, "sky")
    columns = added_columns(survey)
    expected = measure_morphology(images, bands=("g", "r'"))
    for name in ("concentration", "asymmetry_r", "colour_g_r", "separation"):
        assert columns[f"morph_{name}"].to_numpy()[:10] == pytest.approx(
            expected.of(name), rel=1e-3, abs=1e-3, nan_ok=True
        )
        assert np.isnan(columns[f"morph_{name}"].to_numpy()[10])
    assert columns["flag_empty"].tolist()[:4] == [False, False, True, False]
    assert columns["flag_empty"].isna().tolist() == [False] * 10 + [True]
    info = added_info(survey)
    assert info["morph_r50"].unit == "px"
    assert info["flag_trail"].description == FLAGS[-1].meaning
    assert set(info) == set(columns.columns)
    with LabelsDB(workspace.labels) as db:
        run = db.runs()[0]
    assert (run.kind, run.subject, run.state) == ("measure", "sky", "done")
    assert run.result is not None
    assert run.result["flags"]["empty"] == 1
    assert column_runs(survey)[0].record["counts"]["with_picture"] == 10


def test_a_cancelled_job_leaves_no_columns(workspace, monkeypatch):
    monkeypatch.setattr(LabelsDB, "cancel_requested", lambda *_: True)
    monkeypatch.setattr("core.run_jobs.HEARTBEAT_S", 0.0)
    with pytest.raises(Cancelled):
        run_measure(workspace, "sky", quiet=True)
    assert column_runs(Survey.open(workspace, "sky")) == []


def test_progress_is_told_block_by_block(workspace, monkeypatch):
    monkeypatch.setattr("core.run_measure._MOST_AT_ONCE", 4)
    told: list[float] = []
    whole, _info = measured_columns(Survey.open(workspace, "sky"), lambda at, _: told.append(at))
    assert told == [0, 0.4, 0.8, 1.0]
    monkeypatch.setattr("core.run_measure._MOST_AT_ONCE", 512)
    once, _info = measured_columns(Survey.open(workspace, "sky"), lambda *_: None)
    assert whole["flag_empty"].equals(once["flag_empty"])
    a, b = (one["morph_gini"].to_numpy(zero_copy_only=False) for one in (whole, once))
    assert a == pytest.approx(b, rel=1e-4, nan_ok=True)


def test_a_survey_without_pictures_is_told(tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    with SurveyWriter(
        workspace, "table", bands=(), cutout_size_px=0, dtype="uint8", origin="", licence=""
    ) as writer:
        writer.append(Batch(["a"], None, [{"x": 1.0}]))
        writer.commit()
    with pytest.raises(NotReady, match="import pictures"):
        run_measure(workspace, "table", quiet=True)


def test_the_command_knows_its_arguments():
    parser = argparse.ArgumentParser()
    add_measure_arguments(parser)
    assert parser.parse_args(["sky"]).survey == "sky"
