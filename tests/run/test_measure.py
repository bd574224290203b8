"""The job that measures pictures, and the columns it leaves."""

from __future__ import annotations

import argparse
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from core.errors import Cancelled, InUse, NotReady, StorageFull
from core.measure.morphology import FLAGS, measure_artefacts, measure_morphology
from core.run import main
from core.run_measure import add_measure_arguments, run_measure
from core.survey import Batch, Survey, SurveyWriter
from core.survey.added_columns import added_columns, added_info, column_runs
from core.survey.measuring import measuring
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


@pytest.fixture
def whole(workspace, small_blocks):
    """The columns of a job that nobody stops, and no trace of it."""
    run_measure(workspace, "sky", quiet=True)
    survey = Survey.open(workspace, "sky")
    found = added_columns(survey)
    (run,) = column_runs(survey)
    run.path.unlink()
    run.path.with_suffix(".json").unlink()
    return found


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of three objects, each noted as done; columns put together four rows at a time."""
    for name, value in (("_MOST_AT_ONCE", 3), ("_ROWS_AT_ONCE", 4), ("EVERY_S", -1.0)):
        monkeypatch.setattr(f"core.survey.measuring.{name}", value)


def left(survey):
    return [one.name for one in (survey.folder / "checkpoints").glob("*")]


KILLED = """
import os, signal, sys
from core.run import main
from core.survey import measuring

measure, blocks = measuring.measure_artefacts, []

def killed(images):
    blocks.append(len(images))
    if len(blocks) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(images)

measuring.measure_artefacts = killed
measuring._MOST_AT_ONCE, measuring.EVERY_S = 3, -1.0
main(["measure", "sky", "--workspace", sys.argv[1]])
"""


def test_killed_by_kill_9_it_goes_on_to_the_same(workspace, whole, monkeypatch):
    survey = Survey.open(workspace, "sky")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(workspace.root)], capture_output=True, timeout=60
    )
    assert done.returncode == -9, done.stderr.decode()
    assert column_runs(survey) == []
    assert len(left(survey)) == 1
    measured = []

    def counted(images):
        measured.append(len(images))
        return measure_artefacts(images)

    monkeypatch.setattr("core.survey.measuring.measure_artefacts", counted)
    run_measure(workspace, "sky", quiet=True)
    assert measured == [3, 1]  # six were done
    pd.testing.assert_frame_equal(added_columns(Survey.open(workspace, "sky")), whole)
    assert left(survey) == []


def test_cancelled_it_keeps_what_is_measured_and_goes_on(workspace, whole, monkeypatch):
    survey = Survey.open(workspace, "sky")
    asked: list[int] = []

    def third_time(*_):
        asked.append(0)
        return len(asked) > 2

    with monkeypatch.context() as patch:
        patch.setattr(LabelsDB, "cancel_requested", third_time)
        patch.setattr("core.run_jobs.HEARTBEAT_S", 0.0)
        with pytest.raises(Cancelled, match=r"6 of 10 objects are measured, and the same command"):
            run_measure(workspace, "sky", quiet=True)
    assert column_runs(survey) == []
    with measuring(survey) as work:
        assert (work.done, work.total) == (6, 10)
        with pytest.raises(InUse, match="measurement of sky"):
            run_measure(workspace, "sky", quiet=True)
        told: list[tuple[float, str]] = []
        work.run(lambda *one: told.append(one))
        assert told[0] == (0.6, "going on after 6 of 10 objects")
        assert [at for at, _ in told] == [0.6, 0.6, 0.9, 1.0]
        rows = pd.concat([batch.to_pandas() for batch in work.batches()], ignore_index=True)
    assert rows.pop("object_id").tolist() == [f"o{n}" for n in range(11)]
    for name in whole.columns:
        assert rows[name].astype(object).fillna(-1).tolist() == (
            whole[name].astype(object).fillna(-1).tolist()
        )


def test_what_was_measured_is_kept_where_the_disk_is_full_at_the_end(
    workspace, whole, monkeypatch
):
    def full(*_args):
        raise OSError(28, "No space left on device", "x")

    survey = Survey.open(workspace, "sky")
    with monkeypatch.context() as patch:
        patch.setattr("core.survey.added_columns.pq.ParquetWriter.write_batch", full)
        with pytest.raises(StorageFull):
            run_measure(workspace, "sky", quiet=True)
    assert len(left(survey)) == 1
    monkeypatch.setattr("core.survey.measuring.measure_artefacts", None)  # nothing is left to do
    run_measure(workspace, "sky", quiet=True)
    pd.testing.assert_frame_equal(added_columns(Survey.open(workspace, "sky")), whole)


@pytest.mark.parametrize("damage", ["short", "journal", "gone"])
def test_what_is_damaged_is_measured_again(workspace, whole, small_blocks, damage):
    survey = Survey.open(workspace, "sky")

    def stop(at, _words):
        if at > 0.5:
            raise Cancelled("enough")

    with pytest.raises(Cancelled), measuring(survey) as work:
        work.run(stop)
    (folder,) = (survey.folder / "checkpoints").iterdir()
    if damage == "short":
        with open(folder / "numbers.f32", "r+b") as file:
            file.truncate(7)
    elif damage == "journal":
        (folder / "journal.json").write_text("[6")
    else:
        (folder / "flags.u8").unlink()
    run_measure(workspace, "sky", quiet=True)
    pd.testing.assert_frame_equal(added_columns(Survey.open(workspace, "sky")), whole)


def test_other_blocks_differ_by_rounding_alone(workspace, whole, monkeypatch):
    monkeypatch.setattr("core.survey.measuring._MOST_AT_ONCE", 512)
    run_measure(workspace, "sky", quiet=True)
    once = added_columns(Survey.open(workspace, "sky"))
    assert once["flag_empty"].equals(whole["flag_empty"])
    gini = whole["morph_gini"].to_numpy()
    assert once["morph_gini"].to_numpy() == pytest.approx(gini, rel=1e-4, nan_ok=True)


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
