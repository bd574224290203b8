from __future__ import annotations

import bz2
import gzip
import lzma
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadInput
from core.survey.tables import UnreadableRows, open_table
from tests.survey.tables_made import (
    BIG,
    columns_of,
    rows_of,
    written,
)


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
