from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import shutil
import warnings

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import validate
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import AlreadyExists, BadInput, StorageFull
from core.exchange import (
    EVENT_SCHEMA,
    LABEL_SCHEMA,
    SUFFIXES,
    Format,
    csv_with_provenance_zip,
    read_labels,
    rows_to_batches,
    sidecar_of,
    write_table,
)

FORMATS = list(Format)


def batches(rows, schema, size=7):
    for start in range(0, len(rows), size):
        yield pa.RecordBatch.from_pylist(rows[start : start + size], schema)


def write(folder, form, rows, schema, metadata):
    path = folder / f"table{SUFFIXES[form]}"
    assert write_table(path, form, schema, batches(rows, schema), metadata) == len(rows)
    assert {one.name for one in folder.iterdir()} <= {path.name, path.name + ".json"}
    return path


def as_read(row):
    payload = row["payload"]
    return {**row, "payload": None if payload is None else json.loads(payload)}


@pytest.mark.parametrize("form", FORMATS)
def test_events_come_back_as_they_were(form, tmp_path, events, metadata):
    path = write(tmp_path, form, events, EVENT_SCHEMA, metadata)
    file = read_labels(path)
    assert file.format == form
    assert file.metadata == metadata
    rows = list(file)
    assert [row.values for row in rows] == [as_read(row) for row in events]
    assert {row.kind for row in rows} == {"event"}
    assert not file.remarks
    assert not file.left_out


@pytest.mark.parametrize("form", FORMATS)
def test_current_labels_come_back_as_they_were(form, tmp_path, labels, metadata):
    path = write(tmp_path, form, labels, LABEL_SCHEMA, metadata)
    rows = list(read_labels(path, form))
    assert [{k: row.values[k] for k in LABEL_SCHEMA.names} for row in rows] == labels
    assert rows[1].kind == "label"
    assert rows[1].values["class_name"] == "dual AGN"
    assert rows[1].values["action"] == "label"


@pytest.mark.parametrize("form", FORMATS)
def test_a_renamed_file_is_known_by_its_content(form, tmp_path, labels, metadata):
    path = write(tmp_path, form, labels, LABEL_SCHEMA, metadata)
    other = tmp_path / "download.bin"
    path.rename(other)
    file = read_labels(other)
    assert file.format == form
    assert len(list(file)) == len(labels)


TEXTS = st.lists(
    st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("form", FORMATS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(notes=TEXTS, about=st.text(max_size=200).filter(lambda t: t.isprintable()))
def test_any_text_comes_back(form, tmp_path, labels, notes, about):
    rows = [{**labels[0], "notes": note} for note in notes]
    path = tmp_path / "any"
    write_table(
        path, form, LABEL_SCHEMA, batches(rows, LABEL_SCHEMA), {about: about}, overwrite=True
    )
    file = read_labels(path)
    assert file.metadata == {about: about}
    assert [row.values["notes"] for row in file] == notes


@pytest.mark.parametrize("form", [f for f in FORMATS if f != Format.CSV])
def test_nul_and_what_is_not_finite(form, tmp_path, labels):
    rows = [
        {**labels[0], "notes": "a\x00b\x00", "score": float("nan"), "probability": -float("inf")}
    ]
    path = tmp_path / "table"
    write_table(path, form, LABEL_SCHEMA, batches(rows, LABEL_SCHEMA), {})
    (row,) = read_labels(path)
    assert row.values["notes"] == "a\x00b\x00"
    assert row.values["score"] is None
    assert row.values["probability"] is None


def test_rows_of_a_cursor_become_batches():
    schema = pa.schema(
        {
            "a": pa.string(),
            "n": pa.int64(),
            "x": pa.float64(),
            "t": pa.bool_(),
            "l": pa.list_(pa.string()),
        }
    )
    pages: list[list[tuple]] = [
        [("é", 1, None, 1, '["u"]'), (None, None, 2.5, 0, None)],
        [],
        [("", 3, 1, None, ["v"])],
    ]
    made = list(rows_to_batches(pages, schema))
    assert [one.num_rows for one in made] == [2, 1]
    assert pa.Table.from_batches(made).to_pylist() == [
        {"a": "é", "n": 1, "x": None, "t": True, "l": ["u"]},
        {"a": None, "n": None, "x": 2.5, "t": False, "l": None},
        {"a": "", "n": 3, "x": 1.0, "t": None, "l": ["v"]},
    ]


# Files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_is_overwritten_only_when_told(form, tmp_path, labels):
    path = write(tmp_path, form, labels, LABEL_SCHEMA, {"n": 1})
    with pytest.raises(AlreadyExists, match="overwritten"):
        write_table(path, form, LABEL_SCHEMA, [], {})
    assert read_labels(path).metadata == {"n": 1}
    write_table(path, form, LABEL_SCHEMA, batches(labels[:1], LABEL_SCHEMA), {}, overwrite=True)
    assert len(list(read_labels(path))) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_leaves_what_was_there(form, tmp_path, labels):
    path = write(tmp_path, form, labels, LABEL_SCHEMA, {"n": 1})
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}

    def filling():
        yield from batches(labels, LABEL_SCHEMA)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageFull, match="make room"):
        write_table(path, form, LABEL_SCHEMA, filling(), {}, overwrite=True)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"csv, parquet, votable, fits, jsonl, but 'xls'"):
        write_table(tmp_path / "x", "xls", LABEL_SCHEMA, [], {})


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_without_rows_says_so(form, tmp_path, metadata):
    path = tmp_path / "none"
    assert write_table(path, form, LABEL_SCHEMA, [], metadata) == 0
    with pytest.raises(BadInput, match="no rows"):
        list(read_labels(path))


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_cut_short_is_refused(form, tmp_path, events, metadata):
    path = write(tmp_path, form, events, EVENT_SCHEMA, metadata)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(BadInput) as caught:
        list(read_labels(path))
    assert path.name in str(caught.value)


def test_what_the_file_is_said_to_be_must_be_true(tmp_path, labels):
    path = write(tmp_path, Format.JSONL, labels, LABEL_SCHEMA, {})
    with pytest.raises(BadInput, match="said to be csv, but is jsonl"):
        read_labels(path, "csv")


# CSV and its sidecar -----------------------------------------------------------------------


def test_csv_without_its_sidecar(tmp_path, labels, metadata):
    path = write(tmp_path, Format.CSV, labels, LABEL_SCHEMA, metadata)
    sidecar_of(path).unlink()
    file = read_labels(path)
    assert file.metadata == {}
    notes = {row["notes"]: read.values["notes"] for row, read in zip(labels, file, strict=True)}
    assert notes[""] is None
    assert notes["'=an apostrophe of its own"] == "=an apostrophe of its own"
    assert notes["=cmd|' /C calc'!A0"] == "=cmd|' /C calc'!A0"


def test_a_csv_changed_since_says_so_and_is_read_plainly(tmp_path, labels, metadata):
    path = write(tmp_path, Format.CSV, labels, LABEL_SCHEMA, metadata)
    head, *lines = path.read_bytes().split(b"\n", 1)
    path.write_bytes(head + b"\n" + lines[0].replace(b"obj-0", b"obj-zero", 1))
    file = read_labels(path)
    assert file.metadata == metadata
    assert file.remarks == ["The CSV was changed since Skysift wrote it."]
    assert next(iter(file)).values["object_id"] == "obj-zero"


def test_no_cell_of_the_csv_starts_a_formula(tmp_path, events):
    path = write(tmp_path, Format.CSV, events, EVENT_SCHEMA, {})
    with open(path, newline="") as handle:
        for row in csv.reader(handle):
            for cell in row:
                if cell.strip()[:1] in ("=", "+", "-", "@"):
                    float(cell)  # only numbers may


def test_zip_of_csv_and_provenance(tmp_path, events, metadata):
    path = tmp_path / "down.zip"
    n = csv_with_provenance_zip(
        path, EVENT_SCHEMA, batches(events, EVENT_SCHEMA), metadata, name="hunt"
    )
    assert n == len(events)
    assert [one.name for one in tmp_path.iterdir()] == ["down.zip"]
    file = read_labels(path)
    assert file.metadata == metadata
    assert [row.values for row in file] == [as_read(row) for row in events]


@pytest.mark.parametrize("form", [Format.CSV, Format.JSONL, Format.VOTABLE])
def test_gzip_is_read(form, tmp_path, events, metadata):
    path = write(tmp_path, form, events, EVENT_SCHEMA, metadata)
    packed = tmp_path / (path.name + ".gz")
    with open(path, "rb") as plain, gzip.open(packed, "wb") as handle:
        shutil.copyfileobj(plain, handle)
    file = read_labels(packed)
    assert file.metadata == metadata
    assert [row.values for row in file] == [as_read(row) for row in events]
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(BadInput, match="cut short"):
        list(read_labels(packed))


def test_lines_are_those_of_the_file(tmp_path, events):
    for form in (Format.CSV, Format.JSONL, Format.VOTABLE):
        path = write(tmp_path, form, events, EVENT_SCHEMA, {})
        lines = path.read_bytes().decode().split("\n")
        for row in read_labels(path):
            assert row.line is not None
            assert row.values["event_id"] in lines[row.line - 1]
        for one in tmp_path.iterdir():
            one.unlink()


# Second readers ----------------------------------------------------------------------------


def test_pandas_reads_csv_parquet_and_jsonl(tmp_path, labels):
    names = [row["object_id"] for row in labels]
    frame = pd.read_csv(write(tmp_path, Format.CSV, labels, LABEL_SCHEMA, {}))
    assert frame.object_id.tolist() == names
    assert frame.flagged.tolist() == [row["flagged"] for row in labels]
    (tmp_path / "table.csv").unlink()
    (tmp_path / "table.csv.json").unlink()
    path = write(tmp_path, Format.PARQUET, labels, LABEL_SCHEMA, {"task": "hunt"})
    assert pd.read_parquet(path).tags[0].tolist() == ["tail"]
    assert json.loads(pq.read_schema(path).metadata[b"skysift"]) == {"task": "hunt"}
    path.unlink()
    frame = pd.read_json(write(tmp_path, Format.JSONL, labels, LABEL_SCHEMA, {}), lines=True)
    assert frame.object_id.tolist()[1:] == names


def test_astropy_reads_votable_and_finds_no_fault(tmp_path, events, metadata):
    path = write(tmp_path, Format.VOTABLE, events, EVENT_SCHEMA, metadata)
    report = io.StringIO()
    assert validate(str(path), output=report), report.getvalue()
    assert "no violations" in report.getvalue()
    table = Table.read(path, format="votable")
    assert list(table["object_id"]) == [row["object_id"] for row in events]
    assert list(table["seq"]) == [row["seq"] for row in events]
    assert [
        None if m else v for v, m in zip(table["score"], table["score"].mask, strict=True)
    ] == [row["score"] for row in events]
    assert table["model_version"].mask.tolist() == [r["model_version"] is None for r in events]
    assert table["prediction_visible"].mask.tolist() == [
        row["prediction_visible"] is None for row in events
    ]


def test_astropy_reads_fits_and_finds_no_fault(tmp_path, events, metadata):
    path = write(tmp_path, Format.FITS, events, EVENT_SCHEMA, metadata)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert json.loads(hdus["LABELS"].header["SKYSIFT"]) == metadata
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Column 'prediction_visible' contains NULL")
        table = Table.read(path, format="fits")
    assert table["seq"].tolist() == [row["seq"] for row in events]
    assert table["score"].tolist() == [row["score"] for row in events]
    assert table["late"].tolist() == [row["late"] for row in events]
    assert table["event_id"].astype(str).tolist() == [row["event_id"] for row in events]
    with fits.open(path) as hdus:  # the long texts lie in the heap and do not widen every row
        assert hdus["LABELS"].header["NAXIS1"] < 1000


def test_a_votable_saved_again_by_astropy_is_read(tmp_path, labels):
    path = write(tmp_path, Format.VOTABLE, labels[:6], LABEL_SCHEMA, {"task": "hunt"})
    other = tmp_path / "again.vot"
    Table.read(path, format="votable").write(other, format="votable")
    rows = list(read_labels(other))
    assert [row.values["label"] for row in rows] == [row["label"] for row in labels[:6]]
    assert [row.values["score"] for row in rows] == [0.25] * 6
    Table.read(path, format="votable").write(
        other, format="votable", tabledata_format="binary2", overwrite=True
    )
    with pytest.raises(BadInput, match="BINARY2, but only TABLEDATA"):
        list(read_labels(other))


def test_a_fits_table_saved_again_by_astropy_is_read(tmp_path, labels):
    path = write(tmp_path, Format.FITS, labels[:5], LABEL_SCHEMA, {"task": "hunt"})
    other = tmp_path / "again.fits"
    Table.read(path, format="fits").write(other)
    rows = list(read_labels(other))
    assert [row.values["object_id"] for row in rows] == [row["object_id"] for row in labels[:5]]
    assert [row.values["notes"] for row in rows][1] == labels[1]["notes"]
