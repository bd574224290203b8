from __future__ import annotations

import gzip
import json
import warnings

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy.io import savemat

from core.errors import BadInput
from core.survey.tables import base as tables_base
from core.survey.tables import open_table
from tests.survey.tables_made import (
    BIG,
    X,
    astronomers_table,
    columns_of,
    fits_table,
    rows_of,
)


def test_parquet_types(tmp_path):
    table = pa.table(
        {
            "id": pa.array([2**63 + 5, 7, None], pa.uint64()),
            "small": pa.array([1, None, 3], pa.uint64()),
            "f": pa.array([1.5, float("nan"), None], pa.float32()),
            "kind": pa.array(["a", None, "a"]).dictionary_encode(),
            "day": pa.array([0, 1, None], pa.date32()),
            "mags": pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float64(), 2)),
            "bag": pa.array([[1], [], None]),
            "raw": pa.array([b"x", b"y", None]),
        },
    )
    fields = list(table.schema)
    fields[2] = fields[2].with_metadata({"unit": "mJy", "description": "flux"})
    pq.write_table(table.cast(pa.schema(fields)), tmp_path / "t.parquet")
    source = open_table(tmp_path / "t.parquet")
    found = columns_of(rows_of_nan(source))
    assert found == {
        "id": [str(2**63 + 5), "7", None],
        "small": [1, None, 3],
        "f": [1.5, "nan", None],
        "kind": ["a", None, "a"],
        "day": ["1970-01-01", "1970-01-02", None],
        "mags_1": [1.0, None, 3.0],
        "mags_2": [2.0, None, 4.0],
    }
    assert source.columns["f"].unit == "mJy"
    assert source.columns["f"].description == "flux"
    assert source.columns["kind"].kind == "categorical"
    assert any("left out: bag, raw" in note for note in source.notes)


def rows_of_nan(source) -> list[dict]:
    """Rows with NaN written as text, so that they compare equal."""
    return json.loads(
        json.dumps(source.rows(0, source.n_rows).to_pylist()).replace("NaN", '"nan"')
    )


def test_parquet_folder_and_row_groups(tmp_path):
    values = np.arange(5000)
    (tmp_path / "t" / "deep").mkdir(parents=True)
    (tmp_path / "t" / "readme.txt").write_text("x")
    pq.write_table(
        pa.table({"v": values[:3000]}), tmp_path / "t" / "a.parquet", row_group_size=700
    )
    pq.write_table(pa.table({"v": values[3000:]}), tmp_path / "t" / "deep" / "b.parquet")
    source = open_table(tmp_path / "t")
    assert [row["v"] for row in rows_of(source)] == values.tolist()
    assert "left out: 1" in source.notes[0]
    pq.write_table(pa.table({"w": values}), tmp_path / "t" / "c.parquet")
    with pytest.raises(BadInput, match="same columns"):
        open_table(tmp_path / "t")


def test_parquet_that_lies(tmp_path, monkeypatch):
    from core.survey.tables import parquet as tables_parquet

    pq.write_table(pa.table({"v": np.zeros(100_000)}), tmp_path / "t.parquet")
    assert open_table(tmp_path / "t.parquet").n_rows == 100_000
    monkeypatch.setattr(tables_parquet, "_MOST_ROWS", 10)
    with pytest.raises(BadInput, match="promises 100000 rows"):
        open_table(tmp_path / "t.parquet")


def test_large_row_groups_are_read_in_pieces(tmp_path, monkeypatch):
    from core.survey.tables import parquet as tables_parquet

    monkeypatch.setattr(tables_parquet, "_GROUP_BYTES", 1000)
    monkeypatch.setattr(tables_parquet, "_PIECE", 64)
    pq.write_table(pa.table({"v": np.arange(1000)}), tmp_path / "t.parquet")
    source = open_table(tmp_path / "t.parquet")
    for start in (500, 510, 700, 10):
        assert source.rows(start, start + 150).column("v").to_pylist() == list(
            range(start, start + 150)
        )


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
def test_fits_table_is_exact(tmp_path, ending):
    path = tmp_path / f"t{ending}"
    table = fits_table(path)
    source = open_table(path)
    found = source.rows(0, 50)
    assert found.column("ID").to_pylist() == table["ID"].tolist()
    assert found.column("U").to_pylist() == table["U"].tolist()
    assert found.column("SHORT").to_pylist() == table["SHORT"].tolist()
    np.testing.assert_array_equal(found.column("FLUX").to_numpy(), np.asarray(table["FLUX"]))
    assert found.column("NAME").to_pylist() == [name or None for name in table["NAME"]]
    assert found.column("GOOD").to_pylist() == table["GOOD"].tolist()
    np.testing.assert_array_equal(found.column("MAG_5").to_numpy(), table["MAG"][:, 4])
    assert found.column("COUNT").to_pylist() == [None if i % 4 == 0 else i for i in range(50)]
    assert source.columns["FLUX"].unit == "mJy"
    assert source.columns["FLUX"].description == "peak"
    assert "SPEC" in source.notes[0]
    assert source.rows(20, 23).equals(found.slice(20, 3))
    assert source.rows(1, 2, ["GOOD"]).to_pylist() == [{"GOOD": False}]


def test_fits_unsigned_numbers_beyond_63_bits(tmp_path):
    values = np.array([1, 2**64 - 1, 2**63], np.uint64)
    fits.BinTableHDU(Table({"v": values})).writeto(tmp_path / "t.fits")
    source = open_table(tmp_path / "t.fits")
    assert source.rows(0, 3).column("v").to_pylist() == [str(value) for value in values]


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
def test_fits_that_is_cut_short_or_lies(tmp_path, ending):
    path = tmp_path / f"t{ending}"
    table = fits_table(tmp_path / "whole.fits", 200)
    whole = (tmp_path / "whole.fits").read_bytes()
    pack = gzip.compress if ending.endswith("gz") else bytes
    path.write_bytes(pack(whole[:30_000]))
    source = open_table(path)
    assert 20 < source.n_rows < 200
    assert (
        source.rows(0, source.n_rows).column("ID").to_pylist()
        == table["ID"].tolist()[: source.n_rows]
    )
    assert source.bad(0, 1)[0][1].startswith("is cut short: its header promises 200 rows")
    assert source.n_bad == 1
    lies = whole.replace(b"NAXIS2  =                  200", b"NAXIS2  =        2000000000000")
    path.write_bytes(pack(lies))
    assert open_table(path).n_rows < 300
    path.write_bytes(pack(whole.replace(b"NAXIS1  = ", b"NAXIS1  = 9")))
    with pytest.raises(BadInput):
        open_table(path)


def test_fits_extensions(tmp_path):
    path = tmp_path / "t.fits"
    one = fits.BinTableHDU(Table({"a": [1]}), name="ONE")
    two = fits.BinTableHDU(Table({"b": [2]}), name="TWO")
    fits.HDUList([fits.PrimaryHDU(np.zeros((4, 4))), one, two]).writeto(path)
    assert "2 TWO" in open_table(path).notes[0]
    assert rows_of(open_table(path)) == [{"a": 1}]
    assert rows_of(open_table(path, hdu=2)) == rows_of(open_table(path, hdu="two")) == [{"b": 2}]
    with pytest.raises(BadInput, match="no binary table '7'"):
        open_table(path, hdu="7")


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("votable", {}),
        ("votable", {"tabledata_format": "binary2"}),
        ("ascii.ecsv", {}),
        ("ascii.ecsv", {"delimiter": ","}),
    ],
)
def test_units_descriptions_and_masks(tmp_path, form, more):
    path = tmp_path / "t.xml"
    astronomers_table().write(path, format=form, **more)
    source = open_table(path)
    assert columns_of(rows_of(source)) == {
        "id": [BIG, BIG + 2, 3],
        "flux": [1.5, None, 3.5],
        "name": ["a b", "c", "d"],
    }
    assert source.columns["flux"].unit == "mJy"
    assert source.columns["flux"].description == "peak flux"
    tables_base._kept.holders.clear()  # as in another process
    assert source.rows(2, 3).column("name").to_pylist() == ["d"]


@pytest.mark.parametrize("form", ["ascii.ipac", "ascii.mrt"])
def test_tables_of_archives(tmp_path, form):
    path = tmp_path / "t.txt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        astronomers_table()["flux", "name"].write(path, format=form)
    source = open_table(path)
    assert columns_of(rows_of(source)) == {"flux": [1.5, None, 3.5], "name": ["a b", "c", "d"]}
    assert source.columns["flux"].unit == "mJy"


def test_votable_that_lies(tmp_path):
    path = tmp_path / "t.xml"
    astronomers_table().write(path, format="votable")
    text = path.read_text()
    path.write_text(text.replace("<TABLE>", '<TABLE nrows="3000000000000">'))
    with pytest.raises(BadInput, match="promises 3000000000000 rows"):
        open_table(path)
    path.write_text(text.replace('arraysize="3"', 'arraysize="300000000000"'))
    with pytest.raises(BadInput, match="elements a cell"):
        open_table(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz(tmp_path, save, order):
    path = tmp_path / "t.npz"
    y = np.arange(40) % 2
    names = np.array([f"n{n}" for n in range(40)])
    thing = np.array([{"a": 1}], dtype=object)
    save(
        path, X=np.asarray(X, order=order), y=y, name=names, cube=np.zeros((2, 3, 4)), thing=thing
    )
    source = open_table(path)
    found = source.rows(0, 40)
    assert found.column_names == ["x_01", "x_02", "x_03", "y", "name"]
    np.testing.assert_array_equal(found.column("x_02").to_numpy(), X[:, 1])
    assert found.column("name").to_pylist() == names.tolist()
    assert source.truth == ("y",)
    assert any("never unpickled" in note and "thing" in note for note in source.notes)
    assert any("cube" in note for note in source.notes)
    assert len(rows_of(source)) == 40


def test_npz_with_feature_names(tmp_path):
    np.savez(tmp_path / "t.npz", data=X, feature_names=["u", "g", "r"])
    assert list(open_table(tmp_path / "t.npz").columns) == ["u", "g", "r"]


def test_npy_matrix_structure_and_cut(tmp_path):
    path = tmp_path / "t.npy"
    np.save(path, X)
    assert rows_of(open_table(path))[5] == {f"x_0{n + 1}": float(X[5, n]) for n in range(3)}
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    source = open_table(path)
    assert (source.n_rows, source.n_bad) == (38, 1)
    assert "promises 40 rows, 38" in source.bad(0, 1)[0][1]
    np.save(
        path, np.array([(1, 2.5, b"a"), (2, 3.5, b"b")], [("id", "i8"), ("f", ">f8"), ("s", "S3")])
    )
    assert rows_of(open_table(path)) == [
        {"id": 1, "f": 2.5, "s": "a"},
        {"id": 2, "f": 3.5, "s": "b"},
    ]
    path.write_bytes(whole.replace(b"(40, 3)", b"(4" + b"0" * 12 + b", 3)"))
    assert open_table(path).n_rows < 50


def test_mat_5(tmp_path):
    path = tmp_path / "t.mat"
    more = {"s": {"a": 1}, "names": np.array(["abc"] * 2, dtype=object)}
    savemat(path, {"X": X.astype(float), "y": np.arange(40)[:, None], **more}, do_compression=True)
    source = open_table(path)
    assert list(source.columns) == ["x_01", "x_02", "x_03", "y"]
    assert source.truth == ("y",)
    np.testing.assert_array_equal(source.rows(0, 40).column("x_03").to_numpy(), X[:, 2])
    assert any("Structures" in note for note in source.notes)
    assert len(rows_of(source)) == 40


def test_mat_5_that_unpacks_to_too_much(tmp_path, monkeypatch):
    from core.survey.tables import mat as tables_mat

    monkeypatch.setattr(tables_mat, "MAX_WHOLE_BYTES", 1024 * 1024)
    savemat(tmp_path / "t.mat", {"X": np.zeros((1000, 1000))}, do_compression=True)
    assert (tmp_path / "t.mat").stat().st_size < 100_000
    with pytest.raises(BadInput, match="1 MB unpacked"):
        open_table(tmp_path / "t.mat")


def test_mat_73(tmp_path):
    path = tmp_path / "t.mat"
    (tmp_path / "secret.h5").touch()
    with h5py.File(path, "w", userblock_size=512) as file:
        file["X"] = X.T
        file["y"] = np.arange(40)[None, :]
        file["line"] = np.arange(40)[:, None]
        file.create_dataset("hollow", (10**12, 3), "f8", chunks=(10**6, 3))
        file["away"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, written by hand".ljust(124) + b"\0\2IM")
    source = open_table(path)
    found = source.rows(3, 6)
    np.testing.assert_array_equal(found.column("x_01").to_numpy(), X[3:6, 0])
    assert found.column("y").to_pylist() == found.column("line").to_pylist() == [3, 4, 5]
    assert "away, hollow" in source.notes[0]
    assert len(rows_of(source)) == 40
