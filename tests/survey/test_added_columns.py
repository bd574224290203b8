"""Columns that come after the import: whole or not there, the newest wins, they follow the ids."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import AlreadyExists, BadInput, Damaged, StorageFull
from core.survey import Batch, SurveyWriter
from core.survey.added_columns import (
    added_columns,
    added_info,
    added_table,
    column_runs,
    columns_stamp,
    full_catalogue,
    names_added_by,
    write_columns,
)
from core.survey.layout import ColumnInfo


@pytest.fixture
def survey(write_survey):
    return write_survey(n=6)


def ids(*rows):
    return [f"obj-{row}" for row in rows]


def test_without_runs_the_catalogue_stays_what_it_is(survey):
    assert full_catalogue(survey) is survey.catalogue
    assert added_columns(survey).shape == (6, 0)
    assert column_runs(survey) == []
    assert added_table(survey).num_columns == 0


def test_every_kind_of_value_comes_back_by_object_id(survey):
    write_columns(
        survey,
        "one",
        "crossmatch",
        {
            "words": pa.array(["é", None, "c"]),
            "whole": pa.array([2**62 + 1, None, -3], pa.int64()),
            "real": pa.array([0.1, float("nan"), None], pa.float64()),
            "truth": pa.array([True, None, False], pa.bool_()),
        },
        object_ids=[*ids(4, 0), "of-another-version"],
    )
    added = added_columns(survey)
    assert len(added) == 6
    assert list(added["words"].isna()) == [True, True, True, True, False, True]
    assert added["words"][4] == "é"
    assert added["whole"][4] == 2**62 + 1
    assert added["whole"].dtype == pd.Int64Dtype()
    assert added["real"][4] == 0.1
    assert added["truth"].dtype == pd.BooleanDtype()
    assert bool(added["truth"][4]) is True
    assert list(full_catalogue(survey).columns) == [*survey.catalogue.columns, *added.columns]
    assert list(full_catalogue(survey)["object_id"]) == ids(*range(6))


def test_whole_numbers_without_gaps_stay_plain(survey):
    write_columns(survey, "one", "x", {"n": pa.array(range(6), pa.int64())})
    assert added_columns(survey)["n"].dtype == np.int64
    assert list(added_columns(survey)["n"]) == list(range(6))


def test_the_newest_run_counts_column_by_column(survey):
    write_columns(survey, "z-older", "a", {k: pa.array([k] * 6) for k in ("both", "old")})
    write_columns(survey, "a-newer", "b", {k: pa.array([k + "!"] * 6) for k in ("both", "new")})
    added = added_columns(survey)
    assert {name: added[name][0] for name in added} == {
        "both": "both!",
        "new": "new!",
        "old": "old",
    }
    assert [run.run_id for run in column_runs(survey)] == ["a-newer", "z-older"]
    assert names_added_by(survey, "b") == {"both", "new"}
    assert names_added_by(survey, "a") == {"old"}


def test_an_added_column_never_hides_one_of_the_catalogue(survey):
    write_columns(survey, "one", "x", {"ra": pa.array([9.0] * 6), "ra_added": pa.array([8.0] * 6)})
    full = full_catalogue(survey)
    assert list(full["ra"]) == list(survey.catalogue["ra"])
    assert (full["ra_added"][0], full["ra_added_"][0]) == (8.0, 9.0)
    assert names_added_by(survey, "x") == {"ra_added", "ra_added_"}
    assert len(set(full.columns)) == full.shape[1]


def test_columns_follow_into_an_appended_version(workspace, survey):
    write_columns(survey, "one", "x", {"n": pa.array(range(6), pa.int64())})
    # As an appended version would be: other rows in another order.
    with SurveyWriter(
        workspace,
        "longer",
        bands=("g", "r", "i"),
        cutout_size_px=12,
        dtype="float32",
        origin="",
        licence="",
    ) as writer:
        writer.append(Batch(ids(7, 3, 0), np.ones((3, 3, 12, 12), np.float32), [{}] * 3))
        other = writer.commit()
    (survey.folder / "columns").rename(other.folder / "columns")
    assert added_columns(other)["n"].to_list() == [pd.NA, 3, 0]


def test_an_open_survey_sees_new_columns_and_reads_no_file_twice(survey, monkeypatch):
    reads = []
    plain = pq.read_table

    def read(path, **more):
        reads.append(str(path))
        return plain(path, **more)

    monkeypatch.setattr("core.survey.added_columns.pq.read_table", read)
    stamp = columns_stamp(survey)
    write_columns(survey, "one", "x", {"a": pa.array([1.0] * 6)})
    assert columns_stamp(survey) != stamp
    for _ in range(3):
        assert list(added_columns(survey)) == ["a"]
        assert "a" in full_catalogue(survey)
    assert len([one for one in reads if one.endswith("one.parquet")]) == 1
    write_columns(survey, "two", "x", {"b": pa.array([1.0] * 6)})
    assert set(added_columns(survey)) == {"a", "b"}
    (survey.folder / "columns" / "one.parquet").unlink()
    assert list(full_catalogue(survey).columns)[-1] == "b"
    assert "a" not in full_catalogue(survey)


def test_the_record_says_where_columns_come_from(survey):
    path = write_columns(
        survey,
        "one",
        "crossmatch",
        {"sep": pa.array([1.0] * 6), "plain": pa.array(["x"] * 6)},
        info={"sep": ColumnInfo("arcsec", "how far")},
        config={"radius_arcsec": 2.0},
        provenance={"catalogues": [{"label": "L", "sha256": "0"}]},
    )
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["survey"] == {
        "name": "mine",
        "version": 1,
        "content_hash": survey.manifest.content_hash,
    }
    assert record["config"] == {"radius_arcsec": 2.0}
    assert record["catalogues"][0]["label"] == "L"
    assert record["versions"]["numpy"] == np.__version__
    assert added_info(survey) == {"sep": ColumnInfo("arcsec", "how far"), "plain": ColumnInfo()}
    table = added_table(survey, ["plain"])
    assert table.column_names == ["sep", "plain_added"]
    assert table.schema.field("sep").metadata == {b"description": b"how far [arcsec]"}


def test_a_taken_run_id_and_bad_names_are_refused(survey):
    column = {"a": pa.array([1.0] * 6)}
    write_columns(survey, "one", "x", column)
    before = (survey.folder / "columns" / "one.parquet").read_bytes()
    with pytest.raises(AlreadyExists, match="'one'"):
        write_columns(survey, "one", "x", column)
    assert (survey.folder / "columns" / "one.parquet").read_bytes() == before
    for name in ("object_id", "group_id", "", "x" * 129, "a\nb"):
        with pytest.raises(BadInput, match="1 to 128 printable"):
            write_columns(survey, "two", "x", {name: pa.array([1.0] * 6)})
    with pytest.raises(BadInput, match="run name"):
        write_columns(survey, "../two", "x", column)
    with pytest.raises(TypeError, match="int32"):
        write_columns(survey, "two", "x", {"a": pa.array([1] * 6, pa.int32())})
    assert sorted(os.listdir(survey.folder / "columns")) == ["one.json", "one.parquet"]


@pytest.mark.parametrize("at", ["write_batch", "rename"])
def test_a_full_disk_leaves_nothing_half_written(survey, monkeypatch, at):
    def full(*_args, **_more):
        raise OSError(28, "No space left on device", "x")

    where = "pq.ParquetWriter.write_batch" if at == "write_batch" else "os.rename"
    monkeypatch.setattr(f"core.survey.added_columns.{where}", full)
    with pytest.raises(StorageFull):
        write_columns(survey, "one", "x", {"a": pa.array([1.0] * 6)})
    assert os.listdir(survey.folder / "columns") == []
    assert added_columns(survey).shape == (6, 0)


def test_what_a_killed_process_left_is_no_column_and_goes(survey):
    folder = survey.folder / "columns"
    folder.mkdir()
    old, young = folder / "old.parquet.partial", folder / "young.json.partial"
    for path in (old, young):
        path.write_bytes(b"half")
    (folder / "orphan.json").write_text("{}")  # killed between the two renames
    os.utime(old, (time.time() - 7200,) * 2)
    assert added_columns(survey).shape == (6, 0)
    write_columns(survey, "one", "x", {"a": pa.array([1.0] * 6)})
    assert not old.exists()
    assert young.exists()
    assert list(added_columns(survey)) == ["a"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b""),
        lambda path: path.with_suffix(".json").unlink(),
        lambda path: path.with_suffix(".json").write_text("{}"),
        lambda path: path.with_suffix(".json").write_text("[1"),
        lambda path: pq.write_table(pa.table({"object_id": ["a"]}), path),
        lambda path: pq.write_table(pa.table({"object_id": ["a", "a"], "a": [1.0, 2.0]}), path),
    ],
)
def test_damage_is_one_sentence(survey, damage):
    path = write_columns(survey, "one", "x", {"a": pa.array([1.0] * 6)})
    damage(path)
    with pytest.raises(Damaged, match="one") as told:
        full_catalogue(survey)
    assert "run the job again" in str(told.value)
