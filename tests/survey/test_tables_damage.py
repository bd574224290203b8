from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from core.errors import BadInput
from core.survey.tables import UnreadableRows, open_table
from tests.survey.readers.damage import damaged, nonsense
from tests.survey.tables_made import (
    X,
    astronomers_table,
    fits_table,
    written,
)


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
