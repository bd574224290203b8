from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.matching import joining_store
from core.survey.matching.joining import Joiner, normal_id, stem
from core.survey.matching.joining_store import RowStore
from core.survey.options import ImportOptions
from core.survey.tables import open_table

BY_ID = ImportOptions()


def joiner(tmp_path, table: dict | str, options: ImportOptions = BY_ID) -> Joiner:
    if isinstance(table, str):
        path = tmp_path / "cat.csv"
        path.write_text(table, encoding="utf-8")
    else:
        path = tmp_path / "cat.parquet"
        pq.write_table(pa.table(table), path)
    return Joiner.open(path, options)


def test_by_id(tmp_path):
    found = joiner(tmp_path, "id,z,kind\na,1.5,x\nb,,y\na,9,z\n,4,w\nc,3,v\n")
    assert list(found.columns) == ["z", "kind"]
    rows = found.match(["b", "nothing", " a", "b", ""])
    assert rows.tolist() == [1, -1, 0, 1, -1]
    assert found.take(rows).to_pylist() == [
        {"z": None, "kind": "y"},
        {"z": None, "kind": None},
        {"z": 1.5, "kind": "x"},
        {"z": None, "kind": "y"},
        {"z": None, "kind": None},
    ]
    assert found.report() == [
        "Catalogue cat.csv: 3 of 5 objects have a row (by id), 2 have none.",
        "Rows of the catalogue that belong to several objects: 1.",
        "Rows of the catalogue that no object has: 3.",
        "Rows of the catalogue without an id: 1.",
        "Rows of the catalogue whose id stands above them already: 1; the first row of an id was"
        " taken.",
    ]
    assert found.take(np.empty(0, np.int64)).num_rows == 0


def test_what_is_wrong_with_a_catalogue_is_told(tmp_path):
    text = "id,z\na,-999\nb\nc,3\nd,x,y\n"
    found = joiner(tmp_path, text, ImportOptions(missing=(-999,)))
    assert found.take(found.match(["a", "c"])).to_pylist() == [{"z": None}, {"z": 3}]
    assert found.report()[1:] == [
        "Entries of the catalogue that could not be read: 2 (the first, at line 3, has 1 cells"
        " where the header has 2).",
        "Cells of the catalogue's column 'z' that stood for 'not measured': 1.",
    ]


def test_numbers_and_text_are_one_id(tmp_path):
    found = joiner(tmp_path, {"objid": np.array([2**53 + 1, 7]), "z": [1.0, 2.0]})
    assert found.match([str(2**53 + 1), "7", "7.0", "07"]).tolist() == [0, 1, 1, -1]
    assert normal_id("u\u0308") == normal_id("ü")


def test_file_names(tmp_path):
    found = joiner(tmp_path, "file_name,z\nimg/a.fits.gz,1\nb.PNG,2\nc.1,3\n")
    assert found.match(["a", "b", "c", "c.1", "b.jpg", "sub/a.fits"]).tolist() == [
        0,
        1,
        -1,
        2,
        1,
        0,
    ]
    assert "Objects matched by file name without its ending: 4." in found.report()
    found = joiner(tmp_path, "id,z\na,1\nb.5,2\n")
    assert found.match(["a.jpg", "b.5.png", "b"]).tolist() == [0, 1, -1]
    assert stem("x/y.tar/z.fits.fz") == "z"
    assert stem(".png") == ".png"


def test_what_an_object_gets_does_not_hang_on_the_batch(tmp_path):
    text = "id,z\n" + "\n".join(f"o{n}.fits,{n}" for n in range(50))
    ids = [f"o{n}" if n % 2 else f"o{n}.fits" for n in range(60)]
    whole = joiner(tmp_path, text).match(ids)
    other = joiner(tmp_path, text)
    assert (
        np.concatenate([other.match(ids[n : n + 7]) for n in range(0, 60, 7)]).tolist()
        == whole.tolist()
    )


def test_names_that_collide(tmp_path):
    found = joiner(tmp_path, "id,z,object_id,mag\na,1,q,2\n")
    assert list(found.columns) == ["id", "z", "mag"]  # object_id names the rows
    assert found.rename({"mag", "z_cat", "z"}) == {"z": "z_cat_cat", "mag": "mag_cat"}
    assert list(found.columns) == ["id", "z_cat_cat", "mag_cat"]
    assert found.take(found.match(["q"])).to_pylist() == [
        {"id": "a", "z_cat_cat": 1, "mag_cat": 2}
    ]
    assert "'mag' as 'mag_cat'" in found.report()[-1]


def test_colliding_hashes_are_told_apart(tmp_path, monkeypatch):
    from core.survey.matching import joining

    monkeypatch.setattr(
        joining, "id_hashes", lambda texts: np.array([len(text) for text in texts], np.uint64)
    )
    found = joiner(tmp_path, "id,z\naa,1\nbb,2\ncc,3\nd,4\n")
    assert found.match(["cc", "bb", "xx", "d", "aa"]).tolist() == [2, 1, -1, 3, 0]


def sky(radius: float) -> ImportOptions:
    return ImportOptions(join="sky", radius_arcsec=radius)


@given(
    seed=st.integers(0, 10_000),
    centre=st.sampled_from([(0.0, 0.0), (359.9999, 45.0), (10.0, 89.9995), (200.0, -90.0)]),
    radius=st.sampled_from([0.5, 3.0, 30.0]),
)
@settings(max_examples=30, deadline=None)
def test_by_sky_as_astropy_matches(tmp_path_factory, seed, centre, radius):
    rng = np.random.default_rng(seed)

    def scattered(n):
        ra = (centre[0] + rng.normal(0, 10 / 3600, n)) % 360
        return ra, np.clip(centre[1] + rng.normal(0, 10 / 3600, n), -90, 90)

    ra, dec = scattered(40)
    there_ra, there_dec = scattered(60)
    folder = tmp_path_factory.mktemp("sky")
    found = joiner(folder, {"id": np.arange(60), "ra": there_ra, "dec": there_dec}, sky(radius))
    rows = found.match([""] * 40, ra, dec)
    objects, catalogue = SkyCoord(ra, dec, unit="deg"), SkyCoord(there_ra, there_dec, unit="deg")
    apart = objects[:, None].separation(catalogue[None, :]).to_value(units.arcsec)
    near = apart.min(axis=1)
    assert ((rows >= 0) == (near <= radius)).all()
    hit = rows >= 0
    np.testing.assert_allclose(apart[hit, rows[hit]], near[hit], atol=1e-7)
    np.testing.assert_allclose(found.separation_arcsec[hit], near[hit], atol=1e-7)
    n_second = int(((apart <= radius).sum(axis=1) > 1).sum())
    told = [line for line in found.report() if "second row" in line]
    assert told == (
        [f"Objects with a second row of the catalogue within the radius: {n_second}."]
        if n_second
        else []
    )


def test_by_sky_without_positions(tmp_path):
    text = "id,RA,DEC\na,00:40:00,+10:00:00\nb,oops,1\nc,0:40:00.1,+10:00:00\n"
    found = joiner(tmp_path, text, sky(1.0))
    found.rename({"id", "separation_arcsec"})
    rows = found.match(["o", "p", "q"], np.array([10.0, np.nan, 10.0]), np.array([10.0, 10, 50]))
    assert rows.tolist() == [0, -1, -1]
    whole = np.array([-1, 0, -1, -1, -1])  # older objects that were not asked for
    assert found.take(whole).to_pylist()[1] == {
        "id_cat": "a",
        "RA": "00:40:00",
        "DEC": "+10:00:00",
        "separation_arcsec_cat": 0.0,
    }
    assert found.take(whole).column("separation_arcsec_cat").null_count == 4
    with pytest.raises(ValueError, match="match gave"):
        found.take(np.array([2]))
    report = found.report()
    assert "Objects without a usable position: 1." in report
    assert "Rows of the catalogue without a usable position: 1." in report


def test_catalogues_that_cannot_be_joined(tmp_path):
    for text, options, words in (
        ("a,b\n1,2\n", BY_ID, "should have a column of ids"),
        ("a,b\n1,2\n", ImportOptions(id_column="c"), "no column 'c'"),
        ("id,b\n1,2\n", sky(1), "should have positions"),
        ("ra,dec\nx,2\n", sky(1), "No row of .* has a position"),
    ):
        with pytest.raises(BadInput, match=words):
            joiner(tmp_path, text, options)
    with pytest.raises(BadInput, match="no file"):
        Joiner.open(tmp_path / "nothing.csv", BY_ID)
    found = joiner(tmp_path, "id,b\n1,2\n", ImportOptions(id_column="mine"))  # of the objects
    found.match(["x"])
    assert "No object was matched by the catalogue's column 'id'" in " ".join(found.report())


@pytest.mark.parametrize("memory", [0, 10**9])
def test_rows_in_any_order(tmp_path, memory):
    n = 40_000
    table = pa.table(
        {"v": np.arange(n), "s": [f"s{k}" for k in range(n)], "m": [None, 1.5] * (n // 2)}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    store = RowStore(open_table(tmp_path / "t.parquet"), memory)
    rows = np.random.default_rng(0).integers(-1, n, 500)
    expected = table.take(pa.array(rows, mask=rows < 0))
    assert store.take(rows, ["s", "v", "m"]).equals(expected.select(["s", "v", "m"]))
    assert [start for start, _piece in store.pieces(["v"])] == [0, 16_384, 32_768]


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(joining_store, "MEMORY_BYTES", 0)
    monkeypatch.setattr(joining_store.tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    pq.write_table(pa.table({"id": np.arange(100)}), tmp_path / "t.parquet")
    found = RowStore(open_table(tmp_path / "t.parquet"), 0)
    assert not list((tmp_path / "temp").iterdir())
    assert found.take(np.array([42]), ["id"]).to_pylist() == [{"id": 42}]
