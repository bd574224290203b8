from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pyarrow as pa
import pytest
from astropy import units
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.batch import Reject
from core.survey.options import ImportOptions
from core.survey.positions import Position, open_positions, position_name, read_positions
from core.survey.positions.columns import parse_positions
from tests.survey.readers.damage import nonsense

PLAIN = ImportOptions()


def opened(tmp_path, text: str, options: ImportOptions = PLAIN, name: str = "p.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return pickle.loads(pickle.dumps(open_positions(path, options)))


def all_of(source) -> list:
    found = list(source.rows(0, source.n_entries))
    assert len(found) == source.n_entries
    halves = [*source.rows(0, source.n_entries // 2), *source.rows(source.n_entries // 2, 10**9)]
    assert halves == found
    return found


def places(found: list) -> list[tuple[str, float, float]]:
    assert all(isinstance(one, Position) for one in found), found
    return [(one.object_id, round(one.ra, 6), round(one.dec, 6)) for one in found]


@given(ra=st.floats(0, 359.999), dec=st.floats(-89.999, 89.999), style=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_sexagesimal_as_astropy_writes_it(ra, dec, style):
    place = SkyCoord(ra, dec, unit="deg")
    how = ("hmsdms", ":", " ", "d")[style]
    if style == 0:
        left, right = place.to_string("hmsdms", precision=9).split()
    elif style == 3:
        left = Angle(ra, "deg").to_string(unit="deg", precision=9)
        right = Angle(dec, "deg").to_string(unit="deg", precision=9)
    else:
        left = place.ra.to_string(unit="hourangle", sep=how, precision=9)
        right = place.dec.to_string(unit="deg", sep=how, precision=9)
    found = parse_positions([left], [right])
    assert not found.problems
    assert math.isclose((found.ra[0] - ra + 180) % 360, 180, abs_tol=1e-9)
    assert math.isclose(found.dec[0], dec, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        ("12:30:00", "-00:30:00", (187.5, -0.5)),
        ("12h30m", "−1°30′", (187.5, -1.5)),
        ("187d30m0s", "+01d30m00.0s", (187.5, 1.5)),
        ("12.5h", "1.5d", (187.5, 1.5)),
        ("187.5", "1.5e0", (187.5, 1.5)),
        ("-10", "90", (350.0, 90.0)),
        ("360", "0", (0.0, 0.0)),
        ("-1e-18", "0", (0.0, 0.0)),
    ],
)
def test_notations(ra, dec, expected):
    found = parse_positions([ra], [dec])
    assert (found.ra[0], found.dec[0]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("ra", "dec", "words"),
    [
        ("25:00:00", "0", "24 hours or more"),
        ("12:61:00", "0", "60 minutes"),
        ("1", "12h00m00s", "is in hours"),
        ("400", "0", "right ascension 400 lies outside"),
        ("-181", "0", "right ascension -181 lies outside"),
        ("1", "91", "declination 91 lies outside"),
        ("abc", "0", "'abc' is not an angle"),
        ("1", "", "declination is missing"),
        (None, "1", "right ascension is missing"),
        ("nan", "1", "cannot be used"),
        ("1.2.3", "1", "not an angle"),
        ("1e999", "1", "not an angle"),
    ],
)
def test_what_is_no_position(ra, dec, words):
    found = parse_positions([ra], [dec])
    assert words in found.problems[0]
    assert math.isnan(found.ra[0])
    assert math.isnan(found.dec[0])


def test_numbers_hours_and_radians():
    ra, dec = pa.array([10.0, -5.0, None, float("nan")]), pa.array([1.0, 2.0, 3.0, 4.0])
    found = parse_positions(ra, dec)
    assert found.ra[:2].tolist() == [10.0, 355.0]
    assert found.n_wrapped == 1
    assert set(found.problems) == {2, 3}
    assert parse_positions(ra, dec, "hourangle").ra[0] == 150.0
    assert parse_positions(pa.array([math.pi]), pa.array([0.5]), "rad", "rad").ra[
        0
    ] == pytest.approx(180)


# -- tables -----------------------------------------------------------------------------------


def test_table_with_header(tmp_path):
    text = "Name,RA,Dec,mag,object_id\nA,10,20,1.5,x\nB,400,20,2,y\nC,11,,3,z\nD,1\n"
    source = opened(tmp_path, text, ImportOptions(id_column="Name"))
    found = all_of(source)
    assert found[0] == Position("A", 10.0, 20.0, {"mag": 1.5, "object_id_": "x"})
    assert list(source.columns) == ["mag", "object_id_"]
    assert found[1] == Reject(
        "p.txt", "its right ascension 400 lies outside of 0 to 360 degrees", "row 2"
    )
    assert found[2] == Reject("p.txt", "its declination is missing", "row 3")
    assert found[3] == Reject("p.txt", "has 2 cells where the header has 5", "line 5")


@pytest.mark.parametrize("header", ["RA (h),DEC (deg)", "ra_h,dec", "RA[hours],Dec", "RA_hr,DEC"])
def test_hours_by_the_name(tmp_path, header):
    source = opened(tmp_path, f"name,{header}\nA,10.5,20\n")
    assert places(all_of(source)) == [("A", 157.5, 20.0)]
    assert "multiplied by 15" in " ".join(source.notes)


def test_hours_by_the_unit_and_degrees_without(tmp_path):
    values = np.linspace(0.1, 23.9, 200)
    table = Table({"RA": values, "DEC": values - 10})
    path = tmp_path / "t.fits"
    table.write(path)
    source = open_positions(path, PLAIN)
    assert places(all_of(source)[:1])[0][1] == 0.1
    assert any("if these are hours" in note for note in source.notes)
    table["RA"].unit = units.hourangle
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table.write(tmp_path / "t.ecsv", format="ascii.ecsv")
    source = open_positions(tmp_path / "t.ecsv", PLAIN)
    assert places(all_of(source)[:1])[0][1] == 1.5


def test_columns_of_the_cds(tmp_path):
    text = "Name,RAh,RAm,RAs,DE-,DEd,DEm,DEs\nA,12,30,0.0,-,0,30,0\nB,1,2,,+,3,4,5\n"
    found = all_of(opened(tmp_path, text))
    assert places(found[:1]) == [("A", 187.5, -0.5)]
    assert "missing" in found[1].reason


def test_named_columns(tmp_path):
    text = "id,a,b\nx,12:30:00,+01:30:00\n"
    source = opened(tmp_path, text, ImportOptions(ra_column="a", dec_column="b"))
    assert all_of(source) == [Position("x", 187.5, 1.5, {"a": "12:30:00", "b": "+01:30:00"})]
    for options, words in (
        (ImportOptions(ra_column="a"), "name both"),
        (ImportOptions(ra_column="a", dec_column="c"), "no column 'c'"),
        (PLAIN, "should hold positions"),
    ):
        with pytest.raises(BadInput, match=words):
            opened(tmp_path, text, options)


# -- lists ------------------------------------------------------------------------------------

LISTS = {
    "degrees": "10.5 20.5\n11.5 -20.5\n",
    "commas": "10.5, 20.5\n11.5,-20.5\n",
    "tabs and comments": "# mine\n10.5\t20.5\n\n11.5\t-20.5\n",
    "sexagesimal": "00:42:00 +20:30:00\n00:46:00 -20:30:00\n",
    "sexagesimal with blanks": "00 42 00 +20 30 00\n00 46 00 -20 30 00\n",
    "letters": "0h42m0s +20d30m0s\n0h46m00s -20d30m0s\n",
    "with a magnitude": "10.5 20.5 17\n11.5 -20.5 18\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_without_names(tmp_path, kind):
    source = opened(tmp_path, LISTS[kind])
    assert places(all_of(source)) == [
        ("J004200.00+203000.0", 10.5, 20.5),
        ("J004600.00-203000.0", 11.5, -20.5),
    ]
    assert any("named by their position" in note for note in source.notes)
    assert read_positions(LISTS[kind], PLAIN) == all_of(source)


NAMED = {
    "first": "M31 10.5 20.5\nNGC-1 11.5 -20.5\n",
    "names with blanks": "M 31 10.5 20.5 3.4\nNGC 1 11.5 -20.5 8\n",
    "commas": "M 31, 10.5, 20.5\nNGC 1, 11.5, -20.5\n",
    "numbers": "1237645 10.5 20.5\n1237646 11.5 -20.5\n",
    "small numbers": "1 10.5 20.5\n2 11.5 -20.5\n",
    "last": "10.5 20.5 M 31\n11.5 -20.5 NGC 1\n",
    "sexagesimal": "M31 00:42:00 20:30:00\nNGC1 00:46:00 -20:30:00\n",
    "sexagesimal with blanks": "M31 00 42 00 20 30 00\nNGC1 00 46 00 -20 30 00\n",
}


@pytest.mark.parametrize("kind", NAMED)
def test_lists_with_names(tmp_path, kind):
    found = places(all_of(opened(tmp_path, NAMED[kind])))
    assert [one[1:] for one in found] == [(10.5, 20.5), (11.5, -20.5)]
    assert not found[0][0].startswith("J00")


def test_bad_lines_are_told(tmp_path):
    lines = [f"{n / 10} {n / 20}" for n in range(1300)]
    lines[700], lines[1200] = "10.0", "10.0 abc"
    source = opened(tmp_path, "\n".join(lines))
    found = all_of(source)
    assert len(found) == 1300
    assert [one.member for one in found if isinstance(one, Reject)] == ["line 701", "line 1201"]
    assert found[1299].ra == 129.9
    assert list(source.rows(1299, 1300)) == [found[1299]]


def test_lines_that_differ_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"all lines alike, but 2 of 3 differ, such as 'foo bar'"):
        opened(tmp_path, "10 20\nfoo bar\nM31 10.5 20.5\n")


def test_a_header_is_no_position(tmp_path):
    text = "# id ra dec mag\nM31 10.5 20.5 3.4\nM33 11.5 30.5 5.7\n"
    assert all_of(opened(tmp_path, text))[1] == Position("M33", 11.5, 30.5, {"mag": 5.7})


def test_a_list_that_changes_or_goes(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("1 2\n3 4\n")
    source = open_positions(path, PLAIN)
    path.write_text("1 2\n3 4\n5 6\n")
    for reason in ("changed while it was being read", "is not there any more"):
        assert list(source.rows(0, 2)) == [
            Reject("p.txt", reason, f"entry {number}") for number in (1, 2)
        ]
        path.unlink(missing_ok=True)


def test_names_after_positions():
    assert position_name(12.3 * 15, -0.5) == "J121800.00-003000.0"
    assert position_name(359.9999999, 89.9999999) == "J235959.99+895959.9"


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    content=st.one_of(nonsense(most=300), nonsense(b"1 2\n", 300), nonsense(b"ra,dec\n1,2\n", 300))
)
def test_nonsense_is_no_crash(tmp_path, content):
    path = tmp_path / "p.txt"
    path.write_bytes(content)
    try:
        source = open_positions(path, PLAIN)
    except BadInput:
        return
    assert len(list(source.rows(0, source.n_entries))) == source.n_entries
