from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from core.errors import BadInput
from core.survey import tables_base
from core.survey.tables import UnreadableRows, open_table
from tests.survey.readers.damage import damaged, nonsense

BIG = 2**53 + 1  # the first whole number that no float64 is


def rows_of(source) -> list[dict]:
    """All rows, read as workers would: the source pickled, in slices."""
    other = pickle.loads(pickle.dumps(source))
    found: list[dict] = []
    for start in range(0, other.n_rows, 7):
        piece = other.rows(start, start + 7)
        assert piece.column_names == list(source.columns) == list(source.types)
        found += piece.to_pylist()
    assert len(found) == source.n_rows
    assert other.rows(0, other.n_rows).to_pylist() == found  # back to the beginning
    return found


def written(tmp_path: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def columns_of(rows: list[dict]) -> dict[str, list]:
    return {name: [row[name] for row in rows] for name in rows[0]}


# -- text -------------------------------------------------------------------------------------


def test_csv_keeps_types_and_long_ids(tmp_path):
    text = (
        "id,mag,n,ok,text,code,huge\n"
        f'{BIG},1.5,-3,true,"a, ""b""\nc",007,12345678901234567890\n'
        f"{BIG + 2},nan,+4,FALSE, d ,010,1\n"
        f"{BIG + 4},1.5e-3,,True,,1,2\n"
    )
    source = open_table(written(tmp_path, text))
    assert columns_of(rows_of(source)) == {
        "id": [BIG, BIG + 2, BIG + 4],
        "mag": [1.5, None, 1.5e-3],
        "n": [-3, 4, None],
        "ok": [True, False, True],
        "text": ['a, "b"\nc', "d", None],
        "code": ["007", "010", "1"],
        "huge": ["12345678901234567890", "1", "2"],
    }
    assert source.settings["separator"] == "comma"
    assert source.notes == []


@pytest.mark.parametrize(
    ("separator", "word"), list(zip(",;\t|", ["comma", "semicolon", "tab", "bar"], strict=True))
)
def test_separators(tmp_path, separator, word):
    text = "\n".join(separator.join(line) for line in (("a b", "c"), ("1", "x y"), ("2", "z")))
    source = open_table(written(tmp_path, text))
    assert rows_of(source) == [{"a b": 1, "c": "x y"}, {"a b": 2, "c": "z"}]
    assert source.settings["separator"] == word


def test_blanks_comments_and_a_commented_header(tmp_path):
    text = "# made by hand\n#  name  ra   dec\nM31  10.68   41.27\n\n# rest\nM33 23.46\t30.66\n"
    source = open_table(written(tmp_path, text))
    assert rows_of(source) == [
        {"name": "M31", "ra": 10.68, "dec": 41.27},
        {"name": "M33", "ra": 23.46, "dec": 30.66},
    ]


def test_without_header(tmp_path):
    source = open_table(written(tmp_path, "1,2.5\n3,4.5\n"))
    assert rows_of(source) == [{"column_1": 1, "column_2": 2.5}, {"column_1": 3, "column_2": 4.5}]
    assert "no header" in source.notes[0]


def test_what_pandas_and_r_write(tmp_path):
    source = open_table(written(tmp_path, ",0,1\n0,5,6\n1,7,8\n"))
    assert rows_of(source)[1] == {"column_1": 1, "0": 7, "1": 8}
    source = open_table(written(tmp_path, "a b\nx 5 6\ny 7 8\n"))
    assert rows_of(source)[1] == {"row": "y", "a": 7, "b": 8}


def test_ragged_lines_are_told_and_lose_nothing_else(tmp_path):
    text = "a,b\n1,2\n3\n4,5,6\n\n7,8,\n9,10\n"
    source = open_table(written(tmp_path, text))
    assert rows_of(source) == [{"a": 1, "b": 2}, {"a": 7, "b": 8}, {"a": 9, "b": 10}]
    assert source.bad(0, 9) == [
        ("line 3", "has 1 cells where the header has 2"),
        ("line 4", "has 3 cells where the header has 2"),
    ]
    assert source.bad(1, 2) == source.bad(0, 2)[1:]


def test_an_open_quotation_mark_swallows_one_line_only(tmp_path):
    lines = [f'{number},"n {number}",5" tel' for number in range(300)]
    lines[10] = '10,"n 10,x'
    lines[299] = '299,"n 299,x'
    source = open_table(written(tmp_path, "a,b,c\n" + "\n".join(lines)))
    found = rows_of(source)
    assert [row["a"] for row in found] == [n for n in range(300) if n not in (10, 299)]
    assert found[0] == {"a": 0, "b": "n 0", "c": '5" tel'}
    assert source.bad(0, 9) == [
        ("line 12", "opens a quotation mark that is never closed"),
        ("line 301", "opens a quotation mark that is never closed"),
    ]


def test_text_among_numbers_is_told(tmp_path):
    lines = [f"{number},{number}" for number in range(9000)]  # beyond one piece
    lines[8500] = "8500,abc"
    source = open_table(written(tmp_path, "a,b\n" + "\n".join(lines)))
    assert source.types == {"a": pa.int64(), "b": pa.string()}
    assert source.rows(8499, 8501).to_pylist() == [
        {"a": 8499, "b": "8499"},
        {"a": 8500, "b": "abc"},
    ]
    assert source.notes == [
        "Column 'b' holds text (such as 'abc') beside numbers and was kept as text."
    ]


def test_names_and_encodings(tmp_path):
    text = b"\xef\xbb\xbfname,name,,flux [\xb5Jy]\nK\xf6ln,1,2,3\nBonn,4,5,6\n"
    source = open_table(written(tmp_path, text))
    assert list(source.columns) == ["name", "name_2", "column_3", "flux [µJy]"]
    assert rows_of(source)[0]["name"] == "Köln"
    assert any("Latin-1: 1" in note for note in source.notes)
    assert any("'name_2'" in note for note in source.notes)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_text_and_where_it_breaks_off(tmp_path, pack):
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 10**9, 20_000)
    text = "a,b\n" + "\n".join(f"{number},{number % 7}" for number in numbers) + "\n"
    packed = pack(text.encode())
    source = open_table(written(tmp_path, packed))
    assert source.rows(15_000, 15_003).column("a").to_pylist() == numbers[15_000:15_003].tolist()
    assert source.rows(3, 5).column("a").to_pylist() == numbers[3:5].tolist()
    if pack is bz2.compress:  # its blocks hold all of this
        return
    cut = open_table(written(tmp_path, packed[: len(packed) // 2], "cut.csv"))
    assert 1000 < cut.n_rows < 20_000
    assert cut.n_bad == 1
    assert "cut short" in cut.bad(0, 1)[0][1]
    last = cut.rows(cut.n_rows - 2, cut.n_rows).column("a").to_pylist()
    assert last == numbers[cut.n_rows - 2 : cut.n_rows].tolist()


def test_categories(tmp_path):
    text = "kind,name\n" + "\n".join(f"{'QSO' if n % 3 else 'STAR'},n{n}" for n in range(100))
    source = open_table(written(tmp_path, text))
    assert [info.kind for info in source.columns.values()] == ["categorical", ""]


def test_a_changed_file_is_noticed(tmp_path):
    path = written(tmp_path, "a,b\n1,2\n3,4\n")
    source = open_table(path)
    path.write_text("a,b\n1,2\n3,4\n5,6\n")
    with pytest.raises(UnreadableRows, match="changed while"):
        source.rows(0, 2)
    path.unlink()
    with pytest.raises(UnreadableRows, match="not there any more"):
        source.rows(0, 2)


NO_TABLES = {
    "empty": (b"", "is empty"),
    "header alone": (b"a,b\n", "header alone"),
    "prose": (b"Dear, all\nthis is not a table\nbut a letter, with, commas\nbye\n", "separator"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
    "binary": (b"\x01\x00\x02" * 50, "no table of a kind known"),
    "excel": (b"PK\x03\x04" + b"xl/workbook.xml" * 9, "Excel"),
    "macintosh": (b"a,b\r1,2\r", "line feeds"),
    "wide": (",".join(f"c{n}" for n in range(5000)).encode() + b"\n", "4096 columns"),
    "parquet": (b"PAR1" + b"x" * 90, "Parquet file"),
    "fits": (b"SIMPLE  =" + b"x" * 3000, "FITS"),
    "votable": (b"<?xml version='1.0'?><VOTABLE><RESOURCE>", "VOTable"),
    "numpy": (b"\x93NUMPY\x01\x00\xff\xff", "no array"),
    "matlab": (b"MATLAB 5.0 MAT-file".ljust(126) + b"IM" + b"\x0e\0\0\0\xff\xff", "MAT file"),
    "ecsv": (b"# %ECSV 1.0\n# ---\n# {[\na b\n1 2\n", "like ECSV"),
}


@pytest.mark.parametrize("kind", NO_TABLES)
def test_what_is_no_table(tmp_path, kind):
    content, words = NO_TABLES[kind]
    with pytest.raises(BadInput, match=words) as error:
        open_table(written(tmp_path, content))
    assert str(error.value).count(". ") == 0


def test_paths_that_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    for name, words in (
        ("pipe", "plain file"),
        ("loop", "symbolic"),
        ("no", "no file"),
        ("folder", "Parquet"),
    ):
        with pytest.raises(BadInput, match=words):
            open_table(tmp_path / name)


# -- missing values ---------------------------------------------------------------------------


def test_declared_codes_become_missing(tmp_path):
    text = "dec,mag,n,name\n" + "\n".join(
        f"{-10 if n < 3 else n / 10},{20 + n / 100 if n % 4 else -9.99999},"
        f"{-999 if n % 5 else n},-999"
        for n in range(100)
    )
    source = open_table(written(tmp_path, text), missing=(-10, -999))
    table, counts = source.counted_rows(0, 100)
    assert counts == {"mag": 25, "n": 80, "name": 100}
    assert table.column("dec").null_count == 0  # a declination of -10 is one
    assert table.column("mag").to_pylist()[:2] == [None, 20.01]
    assert table.column("n").to_pylist()[:6] == [0, None, None, None, None, 5]
    assert source.columns["mag"].missing == (-9.99999, -999)
    assert source.columns["dec"].missing == (-999,)
    assert "Column 'mag' writes -9.99999 for -10 ('not measured')." in source.notes


def test_likely_codes_are_told_and_left_alone(tmp_path):
    rng = np.random.default_rng(3)
    table = pa.table(
        {
            name: np.where(rng.random(500) < 0.1, -999.0, rng.normal(20, 1, 500))
            for name in ("g", "r")
        }
        | {"wide": np.where(rng.random(500) < 0.1, -99.0, rng.normal(0, 80, 500))}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    source = open_table(tmp_path / "t.parquet")
    assert source.settings["missing_suggested"] == [-999]
    assert "-999 in g, r may stand for" in source.notes[-1]
    assert source.rows(0, 500).equals(table)


# -- Parquet ----------------------------------------------------------------------------------


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
    from core.survey import tables_parquet

    pq.write_table(pa.table({"v": np.zeros(100_000)}), tmp_path / "t.parquet")
    assert open_table(tmp_path / "t.parquet").n_rows == 100_000
    monkeypatch.setattr(tables_parquet, "_MOST_ROWS", 10)
    with pytest.raises(BadInput, match="promises 100000 rows"):
        open_table(tmp_path / "t.parquet")


def test_large_row_groups_are_read_in_pieces(tmp_path, monkeypatch):
    from core.survey import tables_parquet

    monkeypatch.setattr(tables_parquet, "_GROUP_BYTES", 1000)
    monkeypatch.setattr(tables_parquet, "_PIECE", 64)
    pq.write_table(pa.table({"v": np.arange(1000)}), tmp_path / "t.parquet")
    source = open_table(tmp_path / "t.parquet")
    for start in (500, 510, 700, 10):
        assert source.rows(start, start + 150).column("v").to_pylist() == list(
            range(start, start + 150)
        )


# -- FITS -------------------------------------------------------------------------------------


def fits_table(path: Path, n: int = 50) -> Table:
    rng = np.random.default_rng(5)
    table = Table(
        {
            "ID": np.arange(n) + BIG,
            "U": (np.arange(n) * 3).astype(np.uint64),
            "SHORT": np.arange(n).astype(np.uint16),
            "FLUX": Column(rng.normal(size=n).astype(np.float32), unit="mJy", description="peak"),
            "NAME": [f"n {i}" if i % 3 else "" for i in range(n)],
            "GOOD": np.arange(n) % 2 == 0,
            "MAG": rng.normal(size=(n, 5)),
            "SPEC": rng.normal(size=(n, 20)),
            "COUNT": MaskedColumn(np.arange(n), mask=np.arange(n) % 4 == 0),
        }
    )
    table["FLUX"][3] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table.write(path, overwrite=True)
    return table


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


# -- VOTable, ECSV, CDS, IPAC -----------------------------------------------------------------


def astronomers_table() -> Table:
    return Table(
        {
            "id": np.array([BIG, BIG + 2, 3]),
            "flux": MaskedColumn(
                [1.5, 2.5, 3.5], mask=[False, True, False], unit="mJy", description="peak flux"
            ),
            "name": ["a b", "c", "d"],
        }
    )


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


# -- NPZ, NPY, MAT ----------------------------------------------------------------------------

X = np.random.default_rng(7).normal(size=(40, 3)).astype(np.float32)


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
    from core.survey import tables_mat

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


# -- damage -----------------------------------------------------------------------------------


def good_files(tmp_path: Path) -> dict[str, bytes]:
    fits_table(tmp_path / "t.fits", 20)
    pq.write_table(pa.table({"a": np.arange(40), "s": ["x"] * 40}), tmp_path / "t.parquet")
    np.savez_compressed(tmp_path / "t.npz", X=X, y=np.arange(40))
    np.save(tmp_path / "t.npy", X)
    savemat(tmp_path / "t.mat", {"X": X.astype(float)}, do_compression=True)
    astronomers_table().write(tmp_path / "t.xml", format="votable", overwrite=True)
    astronomers_table().write(tmp_path / "t.ecsv", format="ascii.ecsv", overwrite=True)
    (tmp_path / "t.csv").write_text('a,b,"c d"\n' + '1,2.5,"x, y"\n,nan,"z"\n' * 10)
    names = ("fits", "parquet", "npz", "npy", "mat", "xml", "ecsv", "csv")
    found = {name: (tmp_path / f"t.{name}").read_bytes() for name in names}
    return found | {"csv.gz": gzip.compress(found["csv"])}


FORMATS = ("fits", "parquet", "npz", "npy", "mat", "xml", "ecsv", "csv", "csv.gz")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return good_files(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("form", FORMATS)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(data=st.data())
def test_damage_is_told_in_a_sentence(tmp_path, good, form, data):
    path = tmp_path / "t.any"
    path.write_bytes(data.draw(damaged(good[form])))
    message = ""
    try:
        source = open_table(path)
        for start in range(0, source.n_rows, 16):
            try:
                assert source.rows(start, start + 16).num_rows > 0
            except UnreadableRows as error:
                message = str(error) or "x" * 400
        assert len(source.bad(0, 50)) == min(50, source.n_bad)
    except BadInput as error:
        message = str(error).replace(str(path), "")
    assert len(message) < 400
    assert str(tmp_path) not in message


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(content=st.one_of(nonsense(), nonsense(b"a,b\n1,2\n"), nonsense(b"\x1f\x8b\x08")))
def test_nonsense_is_no_crash(tmp_path, content):
    path = written(tmp_path, content)
    try:
        source = open_table(path)
    except BadInput:
        return
    assert source.rows(0, source.n_rows).num_rows == source.n_rows


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
            min_size=3,
            max_size=3,
        ),
        min_size=2,
        max_size=30,
    )
)
def test_what_the_csv_module_writes_comes_back(tmp_path, rows):
    import csv

    path = tmp_path / "t.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["first", "second", "third"])
        writer.writerows([["x" + row[0], *row[1:]] for row in rows])
    source = open_table(path)
    assert source.n_bad == 0
    assert source.n_rows == len(rows)
    found = source.rows(0, len(rows)).column("first").to_pylist()
    assert found == [("x" + row[0]).strip() for row in rows]


def test_zip_that_is_no_npz(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '|O', }")
        archive.writestr("b.npy", b"nothing")
    with pytest.raises(BadInput, match="no array"):
        open_table(tmp_path / "t.npz")
