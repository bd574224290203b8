from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from core.errors import BadInput
from core.survey.batch import Reject
from core.survey.options import ImportOptions
from core.survey.positions import Position, open_positions
from core.survey.readers import READERS, make_reader
from core.survey.tables import base as tables_base
from tests.survey.readers.damage import cut_short, damaged
from tests.survey.readers.reading import read_all

PLAIN = ImportOptions()


def table_reader(path: Path, options: ImportOptions = PLAIN):
    return READERS["table"](path, options)


def written(tmp_path: Path, text: str, name: str = "mine.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_become_objects(tmp_path):
    path = written(tmp_path, "objid,ra,dec,z,group\n1,10,20,0.5,g\n2,11,,nan,g\nx,9\n3,12,95,1,\n")
    reader = make_reader(path, ImportOptions(group_column="group", origin="me"))
    assert reader.name == "table"
    found = read_all(reader)
    assert found.ids == ["1", "2", "3"]
    assert found.groups == ["g", "g", "3"]
    assert found.columns == [
        {"ra": 10.0, "dec": 20.0, "z": 0.5, "group": "g"},
        {"ra": None, "dec": None, "z": None, "group": "g"},
        {"ra": None, "dec": None, "z": 1.0, "group": None},
    ]
    assert found.rejects == {("mine.csv", "line 4"): "has 2 cells where the header has 5"}
    assert found.tally == {"Objects whose position is missing or cannot be used": 2}
    assert reader.layout.bands == ()
    assert reader.layout.origin == "me"
    assert reader.layout.columns["ra"].unit == "deg"
    assert reader.settings["id_column"] == "objid"


def test_positions_that_are_not_degrees(tmp_path):
    path = written(tmp_path, "name,RA,Dec,ra\nA,12:30:00,-01:30:00,1\nB,bad,0,2\n")
    reader = table_reader(path, ImportOptions(ra_column="RA", dec_column="Dec"))
    found = read_all(reader)
    assert found.columns[0] == {
        "ra": 187.5,
        "dec": -1.5,
        "RA": "12:30:00",
        "Dec": "-01:30:00",
        "ra_": 1,
    }
    assert found.columns[1]["ra"] is found.columns[1]["dec"] is None
    assert list(found.columns[0])[:2] == ["ra", "dec"]
    assert any("hours, minutes, seconds" in note for note in reader.notes)
    assert any("'ra' to 'ra_'" in note for note in reader.notes)
    assert reader.layout.columns["ra"].description == "Right ascension, ICRS, from RA Dec"


def test_the_id_is_unique_or_made(tmp_path):
    path = written(tmp_path, "id,object_id,v\n1,a,5\n1,b,6\n", "my table.v2.csv")
    assert read_all(table_reader(path)).ids == ["a", "b"]
    path = written(tmp_path, "id,v\n1,5\n1,6\n", "my table.v2.csv")
    reader = table_reader(path)
    found = read_all(reader)
    assert found.ids == ["my table-000001", "my table-000002"]
    assert found.columns[0] == {"id": 1, "v": 5}
    assert any("of 2 rows 1 repeat one that came before" in note for note in reader.notes)
    assert any("my table-000001" in note for note in reader.notes)
    assert read_all(table_reader(path, ImportOptions(id_column="id"))).ids == ["1", "1"]
    found = read_all(
        table_reader(written(tmp_path, "a,v\nx,5\n,6\n"), ImportOptions(id_column="a"))
    )
    assert found.ids == ["x"]
    assert found.rejects == {("mine.csv", "row 2"): "has no id (column 'a')"}


def ids_and_notes(tmp_path, name: str, columns: dict) -> tuple[list[str], str]:
    """Ids of the table reader, and its notes joined, from a file that astropy writes."""
    path = tmp_path / name
    more = {"format": "votable"} if name.endswith(".xml") else {}
    if name.endswith(".parquet"):
        pq.write_table(pa.table(columns), path)
    else:
        Table(columns).write(path, overwrite=True, **more)
    reader = table_reader(path)
    return read_all(reader).ids, " ".join(reader.notes)


@pytest.mark.parametrize("name", ["t.csv", "t.fits", "t.xml", "t.parquet"])
def test_a_few_bad_ids_do_not_cost_all(tmp_path, name):
    ids = [f"n{number}" for number in range(40)]
    ids[7], ids[20], ids[30] = ids[6], ids[6], ""
    found, notes = ids_and_notes(tmp_path, name, {"id": ids, "v": list(range(40))})
    assert found == [one for one in ids if one]
    assert (
        "'id' holds the object ids: of 40 rows 1 have none and 2 repeat one that came before, and"
        " such rows are rejected (--id-column names another column)" in notes
    )
    # Too many, unless the column is called object_id.
    ids[:6] = [""] * 6
    found, notes = ids_and_notes(tmp_path, name, {"name": ids, "v": list(range(40))})
    assert found[0] == "t-000001"
    assert "'name' was not taken for the object ids: of 40 rows 7 have none and 2 repeat" in notes
    found, notes = ids_and_notes(tmp_path, name, {"Object_ID": ids, "v": list(range(40))})
    assert found == [one for one in ids if one]
    ids = [f"n{number // 2}" for number in range(40)]
    found, notes = ids_and_notes(tmp_path, name, {"objid": ids, "v": list(range(40))})
    assert found[0] == "t-000001"


def test_which_of_several_id_columns_is_taken(tmp_path):
    nearly = [*range(39), 0]
    whole, field = list(range(100, 140)), [1] * 40
    for columns, taken in (
        ({"id": nearly, "name": whole}, "0"),
        ({"targetid": whole, "id": nearly}, "100"),
        ({"name": whole, "objid": field}, "100"),
        ({"name": nearly, "designation": whole}, "100"),
        ({"name": nearly, "object": whole}, "0"),
    ):
        found, _notes = ids_and_notes(tmp_path, "t.csv", columns)
        assert (found[0], len(found)) == (taken, 40), columns


def test_positions_keep_their_ids(tmp_path):
    rows = [f"s{number},{150 + number},2" for number in range(20)]
    rows[3] = ",153,2"
    path = written(tmp_path, "\n".join(["id,ra,dec", *rows]))
    opened = open_positions(path, PLAIN)
    found = list(opened.rows(0, opened.n_entries))
    assert [one.object_id for one in found if isinstance(one, Position)][:4] == [
        *("s0", "s1", "s2", "s4")
    ]
    assert isinstance(found[3], Reject)
    assert any("of 20 rows 1 have none" in note for note in opened.notes)


def test_settings_are_named_for_command_and_page(tmp_path):
    lines = [f"{n},{-99 if n % 3 == 0 else 20 + n / 100}" for n in range(90)]
    notes = table_reader(written(tmp_path, "\n".join(["id,mag", *lines]))).notes
    assert any("name it as a missing code (--missing=-99)." in note for note in notes)
    np.savez(tmp_path / "wine.npz", X=np.ones((30, 2)), y=np.arange(30) % 2)
    notes = make_reader(tmp_path / "wine.npz", PLAIN).notes
    said = "(to keep it: --set keep=y, or keep=y among the reader's settings)"
    assert any(said in note for note in notes)


def test_reserved_names(tmp_path):
    path = written(tmp_path, "name,object_id,object_id_,group_id\nx,1,2,g\ny,1,2,g\n")
    reader = table_reader(path)
    found = read_all(reader)
    assert found.ids == ["x", "y"]
    assert found.groups == ["g", "g"]
    assert found.columns[0] == {"object_id__": 1, "object_id_": 2}


def test_declared_codes_are_counted(tmp_path):
    text = "name,mag,n\n" + "\n".join(
        f"o{k},{-999 if k % 2 else 20.5},{-10 if k < 3 else k}" for k in range(10)
    )
    reader = table_reader(written(tmp_path, text), ImportOptions(missing=(-10, -999)))
    found = read_all(reader)
    said = "Cells of column {!r} that stood for 'not measured' and are missing"
    assert found.tally == {said.format("mag"): 5, said.format("n"): 3}
    assert found.columns[1] == {"mag": None, "n": None}
    assert reader.layout.columns["mag"].missing == (-10, -999)


def test_the_answer_stays_outside(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    np.savez(tmp_path / "wine.npz", X=x, y=np.arange(30) % 2)
    reader = make_reader(tmp_path / "wine.npz", PLAIN)
    found = read_all(reader)
    assert found.ids[0] == "wine-000001"
    assert found.columns[3] == {"x_01": float(x[3, 0]), "x_02": float(x[3, 1])}
    assert any("the answer must not lie in the survey: y" in note for note in reader.notes)
    kept = read_all(table_reader(tmp_path / "wine.npz", ImportOptions(more={"keep": "y"})))
    assert [row["y"] for row in kept.columns[:3]] == [0, 1, 0]
    for more, words in (({"keep": "q"}, "'q' to keep"), ({"kep": "y"}, "no setting 'kep'")):
        with pytest.raises(BadInput, match=words):
            table_reader(tmp_path / "wine.npz", ImportOptions(more=more))


def test_nan_and_types_of_a_fits_table(tmp_path):
    table = Table(
        {
            "TARGETID": np.array([2**53 + 1, 5]),
            "F": np.array([1.5, np.nan], "f4"),
            "OK": [True, False],
        }
    )
    table.write(tmp_path / "t.fits")
    found = read_all(make_reader(tmp_path / "t.fits", PLAIN))
    assert found.ids == [str(2**53 + 1), "5"]
    assert found.columns[0] == {"F": 1.5, "OK": True}
    assert str(found.columns[1]["F"]) == "nan"


def test_units_of_work(tmp_path):
    n = 5000
    pq.write_table(pa.table({"id": np.arange(n), "v": np.arange(n) * 2}), tmp_path / "t.parquet")
    reader = make_reader(tmp_path / "t.parquet", PLAIN)
    assert [unit.n_entries for unit in reader.units()] == [2048, 2048, 904]
    found = read_all(reader)
    assert found.ids == [str(k) for k in range(n)]
    assert [row["v"] for row in found.columns] == list(range(0, 2 * n, 2))


def test_a_changed_file_loses_no_entry(tmp_path):
    path = written(tmp_path, "id,v\na,1\nb,2\n")
    reader = table_reader(path)
    path.write_text("id,v\na,1\nb,2\nc,3\n")
    found = read_all(reader)
    assert set(found.rejects.values()) == {"changed while it was being read"}
    assert found.n_rejects == 2


def test_a_damaged_page_is_told_row_by_row(tmp_path):
    path = tmp_path / "t.parquet"
    n = 4000
    table = pa.table({"id": np.arange(n), "v": np.random.default_rng(0).normal(size=n)})
    pq.write_table(table, path, row_group_size=2000, write_page_checksum=True, compression=None)
    reader = make_reader(path, ImportOptions(id_column="id"))
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 0xFF
    stat = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # bits rot without a new date
    tables_base._kept.holders.clear()  # as in another process
    found = read_all(reader)
    assert len(found.ids) + found.n_rejects == n
    assert 0 < found.n_rejects <= 2048
    assert all("cannot be decoded" in reason for reason in found.rejects.values())


def test_how_sure_it_is(tmp_path):
    rng = np.random.default_rng(0)
    sure = READERS["table"].recognises
    fits.PrimaryHDU(np.zeros((9, 9))).writeto(tmp_path / "image.fits")
    Table({"a": [1]}).write(tmp_path / "table.fits")
    np.savez(tmp_path / "cube.npz", images=np.zeros((5, 8, 8)), y=np.arange(5))
    np.savez(tmp_path / "matrix.npz", X=rng.normal(size=(5, 3)))
    savemat(tmp_path / "m.mat", {"X": rng.normal(size=(5, 3))})
    Table({"a": [1]}).write(tmp_path / "t.ecsv")
    Table({"a": [1]}).write(tmp_path / "t.xml", format="votable")
    written(tmp_path, "a,b\n1,2\n")
    written(tmp_path, "Dear all,\nno table, this\nis.\n", "letter.txt")
    (tmp_path / "shards").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "shards" / "0.parquet")
    zero = {"image.fits", "cube.npz", "letter.txt"}
    for path in tmp_path.iterdir():
        assert (sure(path) == 0) == (path.name in zero), path.name
    assert sure(tmp_path / "nothing") == sure(Path("/dev/null")) == 0


TEXT = "id,ra,dec,v\n" + "\n".join(f'"n {k}",{k},{k / 2},{k * 7}' for k in range(40)) + "\n"


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(content=st.one_of(damaged(TEXT.encode()), cut_short(TEXT.encode())))
def test_damaged_text_keeps_the_law(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    try:
        reader = table_reader(path)
    except BadInput:
        return
    read_all(reader)  # holds the reader to its promises


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(data=st.data())
def test_damaged_parquet_keeps_the_law(tmp_path, data):
    path = tmp_path / "t.parquet"
    table = pa.table({"id": [f"n{k}" for k in range(50)], "v": np.arange(50) / 7})
    pq.write_table(table, path, write_page_checksum=True)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    try:
        reader = table_reader(path)
    except BadInput:
        return
    read_all(reader)
