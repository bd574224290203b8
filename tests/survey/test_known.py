"""Catalogues of the known: tables in every format, lenscat, and services that misbehave."""

from __future__ import annotations

import socket
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput, Cancelled, NotReady, SkysiftError
from core.progress import silent
from core.survey.matching.known import KnownColumns, KnownTable, ServiceSettings, open_known
from core.survey.matching.sphere import Positions
from tests.survey.known_server import HTML, serving

MINE = Positions(np.array([10.0, np.nan, 0.0, 120.0]), np.array([20.0, 0.0, 0.0, 5.0]))


def matched(catalogue, radius=1.0, positions=MINE, progress=silent):
    """Sorted (row, name, type, separation)."""
    return sorted(
        (int(row), name, kind, round(float(sep), 4))
        for found in catalogue.near(positions, radius, progress)
        for row, name, kind, sep in zip(
            found.rows, found.names, found.types, found.sep_arcsec, strict=True
        )
    )


# Tables

ROWS: dict[str, list[Any]] = {
    "name": ["quasar 1", "lens β", "lens β", "odd"],
    "ra": [10.0, 359.9999, 120.0, float("nan")],
    "dec": [20.0001, 0.0, 5.0, 1.0],
    "class": ["QSO", "lens", "", "?"],
}


def _written(path):
    import pandas as pd
    from astropy.table import Table

    if path.suffix == ".csv":
        pd.DataFrame(ROWS).to_csv(path, index=False)
    elif path.suffix == ".parquet":
        pd.DataFrame(ROWS).to_parquet(path)
    else:
        forms = {".fits": "fits", ".vot": "votable", ".ecsv": "ascii.ecsv"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table(ROWS)
            if path.suffix == ".fits":  # FITS tables hold ASCII alone
                table["name"] = [name.replace("β", "b") for name in ROWS["name"]]
            table.write(path, format=forms[path.suffix])
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet", "fits", "vot", "ecsv"])
def test_a_table_in_any_format(tmp_path, ending):
    known = open_known(str(_written(tmp_path / f"my list.{ending}")))
    beta = "b" if ending == "fits" else "β"
    assert known.label == "my list"
    assert matched(known) == [
        (0, "quasar 1", "QSO", 0.36),
        (2, f"lens {beta}", "lens", 0.36),
        (3, f"lens {beta}", None, 0.0),
    ]
    assert any("1 of the 4 rows" in note for note in known.notes)
    about = known.provenance()
    assert (about["rows"], about["rows_without_position"], len(about["sha256"])) == (4, 1, 64)


def test_columns_and_names_that_somebody_chose(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("code,alpha,delta,kind,name\n7,10.0,20.0,agn,nobody\n")
    columns = KnownColumns("code", "kind", "alpha", "delta")
    known = open_known(f"Our AGN (v2)={path}", columns)
    assert known.label == "Our AGN  v2"
    assert matched(known) == [(0, "7", "agn", 0.0)]
    with pytest.raises(BadInput, match="no column 'sort'"):
        open_known(str(path), KnownColumns("code", "sort", "alpha", "delta"))
    with pytest.raises(BadInput, match="alpha"):
        open_known(str(path))


def test_what_an_import_could_be_told_is_left_out(tmp_path):
    path = tmp_path / "list.csv"
    rows = [
        f"{number % 29},{number},2,{-99 if number % 3 else 20 + number}" for number in range(30)
    ]
    path.write_text("\n".join(["objid,ra,dec,mag", *rows]) + "\n")
    known = open_known(str(path))
    matched(known)
    assert not [note for note in known.notes if "--" in note]


def test_a_table_without_names_is_named_by_its_positions(tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("ra,dec\n10.0,20.0\n")
    assert matched(open_known(str(path)))[0][:3] == (0, "J004000.00+200000.0", None)


def test_what_is_no_catalogue_is_one_sentence(tmp_path):
    for said in ("", "nowhere.csv", "simbadd", "x=nowhere.csv", "vizier:", "vizier:a b;drop"):
        with pytest.raises(SkysiftError):
            open_known(said)
    junk = tmp_path / "junk.csv"
    junk.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(BadInput):
        open_known(str(junk))


def test_a_table_that_changes_while_it_is_read(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("name,ra,dec\na,10.0,20.0\n")
    known = open_known(str(path))

    def meddle(_fraction, _message):
        path.write_text("name,ra,dec\na,10.0,20.0\nb,10.0,20.0\n")

    with pytest.raises(SkysiftError, match="chang"):
        matched(known, progress=meddle)


def test_a_large_table_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("core.survey.matching.known._ROWS_AT_ONCE", 10)
    path = tmp_path / "x.csv"
    lines = [f"n{number},{10 + number * 0.0001},20.0\n" for number in range(95)]
    path.write_text("name,ra,dec\n" + "".join(lines))
    told: list[float] = []
    found = matched(open_known(str(path)), 3.0, progress=lambda f, _m: told.append(f))
    assert len(told) == 10
    assert [name for row, name, _, _ in found if row == 0] == [f"n{n}" for n in range(9)]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_table_never_crashes(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    ending = data.draw(st.sampled_from(["csv", "parquet", "fits", "vot"]))
    path = _written(folder / f"x.{ending}")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path.write_bytes(content)
    try:
        known = open_known(str(path))
        found = matched(known)
    except SkysiftError as error:
        outcome = str(error)
    else:
        outcome = "." if len(found) <= 4 * 3 else f"{len(found)} matches"
    assert outcome.endswith(".")


# lenscat


def _lenscat_at(folder, monkeypatch, text):
    package = folder / "site" / "lenscat"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('must not be imported')\n")
    (package / "data" / "catalog.csv").write_text(text)
    monkeypatch.setattr(sys, "path", [str(folder / "site"), *sys.path])


def test_lenscat_is_read_without_being_imported(tmp_path, monkeypatch):
    _lenscat_at(
        tmp_path,
        monkeypatch,
        "name,RA [deg],DEC [deg],zlens,type,grading,ref\n"
        "J0040+2000,10.0,20.0001,-,galaxy,confident,x\n"
        "J0040+2000,10.0,20.0002,measured,cluster,probable,y\n",
    )
    known = open_known("Lenscat")
    assert isinstance(known, KnownTable)
    assert matched(known) == [
        (0, "J0040+2000", "lens, cluster, probable", 0.72),
        (0, "J0040+2000", "lens, galaxy, confident", 0.36),
    ]
    assert "lenscat" not in sys.modules
    assert known.label == "lenscat"
    assert known.provenance()["version"] == "unknown"


def test_without_lenscat_the_pip_line_is_told(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NotReady, match="pip install --no-deps lenscat"):
        open_known("lenscat")


# Services


@pytest.fixture(scope="module")
def running():
    with serving() as server:
        yield server


@pytest.fixture
def server(running):
    running.acts[:] = []
    running.seen[:] = []
    return running


def asking(server, **more):
    # A busy machine answers late: only those that test slowness give it little time.
    plain = {"timeout_s": 20.0, "tries": 3, "wait_s": 0.01}
    return ServiceSettings(
        simbad_url=f"{server.url}/tap/sync", vizier_url=f"{server.url}/xmatch", **plain | more
    )


LATE = ("slow", "trickle")
SERVICES = ["simbad", "vizier:VII/294/catalog"]
FOUND = [
    (0, "M 1 & <co>", "QSO", 0.36),
    (0, "M 2", "G", 0.72),
    (2, "NGC 3", None, 0.18),
]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_asked_in_pieces(server, name):
    whole = open_known(name, settings=asking(server))
    assert matched(whole) == FOUND
    assert len(server.seen) == 1
    _, form, headers = server.seen[0]
    assert headers["User-Agent"].startswith("Skysift/")
    pieces = open_known(name, settings=asking(server, objects_at_once=1))
    assert matched(pieces) == FOUND
    assert len(server.seen) == 1 + 3  # one object has no position
    about = pieces.provenance()
    assert (about["matches"], about["questions"]) == (3, 3)
    assert about["source"] in (f"{server.url}/tap/sync", f"{server.url}/xmatch")
    if name == "simbad":
        assert whole.label == "SIMBAD"
        assert b"CONTAINS(POINT('ICRS', basic.ra, basic.dec)" in form["QUERY"]
    else:
        assert whole.label == "VizieR VII/294/catalog"
        assert form["cat2"] == b"vizier:VII/294/catalog"


def test_two_askings_have_one_hash(server):
    hashes = set()
    for _ in range(2):
        known = open_known("simbad", settings=asking(server))
        matched(known)
        hashes.add(known.provenance()["sha256"])
    assert len(hashes) == 1


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    "act",
    ["500", "429", "503", "html", "empty", "slow", "cut", "cut short", "trickle", "hang up"],
)
def test_a_stumbling_service_is_asked_again(server, name, act):
    server.acts[:] = [act]
    settings = asking(server, timeout_s=0.5) if act in LATE else asking(server)
    assert matched(open_known(name, settings=settings)) == FOUND
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("acts", "words"),
    [
        (["500"] * 3, "asked 3 times and did not serve.*500.*Down for maintenance"),
        (["slow"] * 3, "no answer within 0.5 s"),
        (["trickle"] * 3, "within 0.5 s"),
        (["cut"] * 3, "cut short"),
        (["cut short"] * 3, "cut short"),
        (["html"] * 3, "is not a VOTable: 'x Down for maintenance'"),
        (["empty"] * 3, "nothing at all"),
        (["404"], "refused the question: it answered 404"),
        (["error"], "refused the question: no table <mine>"),
        (["loop"], "redirects"),
        (["strangers"], "not asked about"),
        (["other columns"], "without the column"),
    ],
)
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_does_not_come_round_is_one_sentence(server, name, acts, words):
    server.acts[:] = list(acts)
    settings = asking(server, timeout_s=0.5) if acts[0] in LATE else asking(server)
    with pytest.raises(NotReady, match=words) as told:
        matched(open_known(name, settings=settings))
    assert "Nothing was written." in str(told.value)
    assert len(server.seen) == len(acts)
    assert "\n" not in str(told.value)


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    nobody = ServiceSettings(simbad_url=url, timeout_s=1.0, tries=2, wait_s=0.01)
    with pytest.raises(NotReady, match=r"asked 2 times.*cannot be reached"):
        matched(open_known("simbad", settings=nobody))


@pytest.mark.parametrize("name", SERVICES)
def test_an_answer_over_the_limit_is_asked_for_in_halves(server, name):
    server.acts[:] = ["limit 2"]
    assert matched(open_known(name, settings=asking(server))) == FOUND
    assert len(server.seen) == 3
    server.acts[:] = ["limit 1"] * 9
    with pytest.raises(NotReady, match="smaller radius"):
        matched(open_known(name, settings=asking(server)))


def test_waiting_can_be_stopped(server):
    server.acts[:] = ["503"]

    def stop(_fraction, message):
        if message.startswith("waiting"):
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        matched(open_known("simbad", settings=asking(server, wait_s=60.0)), progress=stop)


def test_settings_of_a_service_are_checked():
    for bad in ({"simbad_url": "ftp://x"}, {"vizier_url": "x"}, {"tries": 0}, {"timeout_s": 0}):
        with pytest.raises(BadInput):
            ServiceSettings(**bad)
    with pytest.raises(BadInput, match="180"):
        matched(open_known("vizier:II/246/out"), radius=181.0)


def test_a_chosen_column_of_vizier(server):
    known = open_known("vizier:I/1/a", KnownColumns("recno", "Bmag"), asking(server))
    assert {one[1:3] for one in matched(known)} == {("7", "3.5")}
    with pytest.raises(BadInput, match=r"no column 'x' \(there: recno, Source"):
        matched(open_known("vizier:I/1/a", KnownColumns("x"), asking(server)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_answer_never_crashes(data):
    from core.survey.matching.known_http import Asker, Overflow, _Again
    from tests.survey.known_server import _votable

    whole = _votable(
        [("skysift_row", "long", ""), ("main_id", "char", "")], [[0, "a"], [1, "b"]], "OK"
    )
    body = bytearray(data.draw(st.sampled_from([whole, whole, HTML])))
    for _ in range(data.draw(st.integers(0, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    asker = Asker("S", "http://x", ServiceSettings())
    try:
        table = asker._parsed(bytes(body))
    except (_Again, Overflow, NotReady):
        return
    assert len(table.array) <= 2
