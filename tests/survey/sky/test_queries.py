from __future__ import annotations

import math
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import AlreadyExists, BadInput, Cancelled, NotReady
from core.survey.sky import queries
from core.survey.sky.csv_tables import append_csv, write_table
from core.survey.sky.pace import Manners
from core.survey.sky.queries import SDSS_MAX_ROWS, TAP_SERVICES, run_query

QUICK = Manners(concurrent=1, per_second=100, timeout_s=2, retries=1)
LONG_ID = 1237648720693755918
TOO_LONG_ID = 11391848012341231616  # beyond int64, as the spectra of BOSS have


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(queries, "_POLL_S", (0.02, 0.05))


def ask(archive, out, query="SELECT 1", service="sdss", **more):
    address = archive.url + ("/sql" if service == "sdss" else "/tap")
    more = {"base_url": address, "manners": QUICK, "cache": out.parent / "cache", **more}
    return run_query(service, query, out, **more)


def test_sql_becomes_parquet_with_whole_ids(archive, tmp_path):
    archive.rows = (
        "objid,specobjid,ra,u,flag,name,padded,nothing\n"
        f"{LONG_ID},{TOO_LONG_ID},10.25,17,True,a b,0012,\n"
        f'{LONG_ID + 1},1,11,null,False,"x, y",12,\n'
    )
    out = tmp_path / "new" / "photo.parquet"
    result = ask(archive, out, "SELECT objid -- the id\n FROM PhotoObj")
    assert archive.jobs["sql"] == "SELECT objid FROM PhotoObj"
    table = pq.read_table(out)
    assert table.schema.field("objid").type == pa.int64()
    assert table.column("objid").to_pylist() == [LONG_ID, LONG_ID + 1]
    assert table.column("specobjid").to_pylist() == [str(TOO_LONG_ID), "1"]
    assert table.column("ra").to_pylist() == [10.25, 11.0]
    assert table.column("u").to_pylist() == [17, None]
    assert table.column("name").to_pylist() == ["a b", "x, y"]
    assert table.column("padded").to_pylist() == ["0012", "12"]
    assert table.column("nothing").to_pylist() == [None, None]
    assert (result.n_rows, result.notes) == (2, [])
    assert "2 rows in 8 columns" in result.sentence()
    assert [one.name for one in out.parent.iterdir()] == ["photo.parquet"]


def test_csv_stays_as_it_came(archive, tmp_path):
    out = tmp_path / "photo.csv"
    ask(archive, out)
    assert out.read_text() == archive.rows
    with pytest.raises(AlreadyExists):
        ask(archive, out)
    archive.rows = "ra\n1\n"
    ask(archive, out, overwrite=True)
    assert out.read_text() == "ra\n1\n"


def test_a_split_query_joins_its_ranges(archive, tmp_path):
    out = tmp_path / "photo.csv"
    query = "SELECT * FROM g WHERE ra >= {from} AND ra < {to}"
    told = []
    result = ask(
        archive, out, query, split="0:10:3", progress=lambda part, words: told.append(part)
    )
    assert result.n_rows == 3
    assert out.read_text().count("ra,dec") == 1
    asked = [parse_qs(urlsplit(one).query)["cmd"][0] for one in archive.asked]
    ends = [(one.split()[7], one.split()[11]) for one in asked]
    assert ends[0][0] == "0.0"
    assert ends[2][1] == "10.0"
    # No gap and no overlap: an end is the next beginning, to the last digit.
    assert ends[0][1] == ends[1][0]
    assert ends[1][1] == ends[2][0]
    assert float(ends[0][1]) == pytest.approx(10 / 3)
    assert told[:3] == [0, 1 / 3, 2 / 3]


def test_the_row_limit_of_the_service_is_told(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "SDSS_MAX_ROWS", 1)
    result = ask(archive, tmp_path / "a.csv")
    assert "some are missing: split the query" in result.notes[0]
    assert SDSS_MAX_ROWS == 500_000


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("<html>no</html>", "else than a table"),
        ('{"ErrorMessage": "Incorrect syntax"}', "Incorrect syntax"),
        ("ra,dec\n1,2\n3", "cut short: row 2"),
        ("ra,dec\n", "brought no rows"),
        ("No objects have been found\n", "brought no rows"),
        ("ra,ra\n1,2\n", "'ra' twice"),
    ],
)
def test_answers_that_are_no_table(archive, tmp_path, rows, words):
    archive.rows = rows
    if rows.startswith(("<", "{")):
        archive.always["/sql"] = "html" if rows[0] == "<" else ""
    with pytest.raises(BadInput, match=words):
        ask(archive, tmp_path / "a.parquet")
    assert not list(tmp_path.glob("*.p*"))


def test_a_query_that_is_not_understood(archive, tmp_path):
    archive.always["/sql"] = "json400"
    with pytest.raises(BadInput, match=r"brought no table.*no such survey"):
        ask(archive, tmp_path / "a.csv")
    assert len(archive.asked) == 1


def test_tap_runs_a_job_and_removes_it(archive, tmp_path):
    out = tmp_path / "bricks.parquet"
    result = ask(archive, out, "SELECT TOP 5 ra FROM ls", "tap", max_rows=1)
    assert pq.read_table(out).column("run").to_pylist() == [94]
    assert archive.jobs == {}
    assert any(path.endswith("/results/result") for path in archive.asked)
    assert "some are missing" in result.notes[0]


def test_tap_tells_what_is_wrong(archive, tmp_path):
    with pytest.raises(BadInput, match="cannot parse nonsense"):
        ask(archive, tmp_path / "a.csv", "nonsense", "tap")
    assert archive.jobs == {}


def test_tap_can_be_stopped(archive, tmp_path):
    def stop(part, words):
        if "query is" in words:
            raise Cancelled("stopped")

    archive.phase = "EXECUTING"
    with pytest.raises(Cancelled):
        ask(archive, tmp_path / "a.csv", "SELECT 1", "tap", progress=stop)
    assert archive.jobs == {}


def test_nobody_there(archive, tmp_path):
    address = archive.url
    archive.__exit__()
    with pytest.raises(NotReady, match="does not answer"):
        ask(archive, tmp_path / "a.csv", base_url=address, service="tap")
    with pytest.raises((NotReady, BadInput)):
        ask(archive, tmp_path / "a.csv", base_url=address)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"service": "nothing"}, "Queries go to one of"),
        ({"service": "tap", "base_url": None}, "or to tap with a base_url"),
        ({"query": "  "}, "empty"),
        ({"query": "{from} {to}"}, "say over which range"),
        ({"split": "0:1:2"}, "holds {from} and {to}"),
        ({"query": "{from} {to}", "split": "1:0:2"}, "START below STOP"),
        ({"query": "{from} {to}", "split": "0:1"}, "START:STOP:N"),
        ({"query": "{from} {to}", "split": "0:inf:3"}, "START:STOP:N"),
        ({"out": "a.fits"}, "writes .csv or .parquet"),
        ({"base_url": "ftp://x"}, "begins with https://"),
    ],
)
def test_settings_that_cannot_be(archive, tmp_path, more, words):
    out = tmp_path / more.pop("out", "a.csv")
    with pytest.raises(BadInput) as error:
        ask(archive, out, **more)
    assert words in str(error.value)
    assert not archive.asked


def test_every_service_has_a_documented_address():
    for address in (queries.SDSS_SQL, *TAP_SERVICES.values()):
        assert address.startswith("https://")


CELLS = st.one_of(
    st.integers(-(2**64), 2**64).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(["", "null", "007", "-1", "1e5", "x"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6),
)


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(CELLS, min_size=1, max_size=8))
def test_no_value_changes_by_being_written(tmp_path_factory, cells):
    """Whole numbers keep every digit, numbers their value, and the rest its letters."""
    folder = tmp_path_factory.mktemp("csv")
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    (folder / "piece").write_text("\n".join(["a,n", *(f"{cell},1" for cell in quoted)]))
    n, names = append_csv(folder / "piece", folder / "all", ())
    assert (n, names) == (len(cells), ("a", "n"))
    write_table(folder / "all", folder / "x.parquet")
    for cell, found in zip(
        cells, pq.read_table(folder / "x.parquet")["a"].to_pylist(), strict=True
    ):
        if found is None:
            assert cell in ("", "null", "NULL", "None")
        elif isinstance(found, int):
            assert found == int(cell)
        elif isinstance(found, float):
            assert found == float(cell) or math.isnan(found)
        else:
            assert found == cell
