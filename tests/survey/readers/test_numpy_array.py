from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import Unit, make_reader
from core.survey.readers.forward_stream import ForwardStream
from core.survey.readers.kept import let_go
from core.survey.readers.numpy_array import NumpyReader
from tests.survey.readers.damage import cut_short, damaged, nonsense
from tests.survey.readers.reading import read_all
from tests.survey.readers.trying import calls_of, pixels_of, survives

RNG = np.random.default_rng(5)
COLOURS = RNG.integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
PLANES = RNG.normal(size=(30, 4, 10, 10)).astype(np.float32)
PLANES[3, 1, 2, 3] = np.nan


def read(path: Path, **more):
    return read_all(make_reader(path, ImportOptions(**more)))


@pytest.mark.parametrize("packed", [False, True])
def test_npz_round_trip(tmp_path, packed):
    ids = np.array([f"g{number:02d}" for number in range(30)])
    z = RNG.random(30)
    save = np.savez_compressed if packed else np.savez
    save(
        tmp_path / "set.npz",
        images=PLANES,
        objid=ids,
        z=z,
        mag=RNG.random((30, 2)),
        labels=np.arange(30) % 2,
        class_names=np.array(["star", "galaxy"]),
        other=np.zeros(7),
    )
    reader = make_reader(tmp_path / "set.npz", ImportOptions(bands=("band2", "band1")))
    assert reader.name == "numpy"
    assert reader.layout.bands == ("band2", "band1")
    assert reader.layout.columns["labels"].kind == "categorical"
    assert "other (7 float64)" in reader.notes[0]
    assert "class_names" not in reader.notes[0]
    found = read_all(reader)
    assert found.ids == list(ids)
    np.testing.assert_array_equal(pixels_of(found), PLANES[:, [1, 0]])
    assert [row["z"] for row in found.columns] == list(z)
    assert found.columns[1]["labels"] == "galaxy"
    assert sorted(found.columns[0]) == ["labels", "mag_1", "mag_2", "z"]
    assert not found.rejects


def test_colour_npy_and_names_by_row(tmp_path):
    np.save(tmp_path / "set.npy", COLOURS)
    reader = make_reader(tmp_path / "set.npy", ImportOptions())
    assert reader.layout.bands == ("R", "G", "B")
    assert reader.layout.dtype == "uint8"
    assert "counted from 0" in reader.notes[0]
    found = read_all(reader)
    assert found.ids[:2] == ["set-000000", "set-000001"]
    np.testing.assert_array_equal(pixels_of(found), np.moveaxis(COLOURS, -1, 1))


@pytest.mark.parametrize("kind", ["npy", "npz", "packed"])
def test_columns_first_on_disk(tmp_path, kind):
    turned = np.asfortranarray(PLANES)
    path = tmp_path / ("set.npy" if kind == "npy" else "set.npz")
    if kind == "npy":
        np.save(path, turned)
    else:
        (np.savez if kind == "npz" else np.savez_compressed)(path, x=turned)
    np.testing.assert_array_equal(pixels_of(read(path)), PLANES)


@pytest.mark.parametrize(
    ("dtype", "exact"),
    [("i2", True), (">u2", True), ("f2", True), (">f4", True), ("i4", False), ("f8", False)],
)
def test_numbers_become_float32(tmp_path, dtype, exact):
    values = (RNG.random((5, 9, 9)) * 60_000).astype(dtype)
    if values.dtype.kind == "i" and values.dtype.itemsize == 4:
        values += 2**24 + 1
    np.save(tmp_path / "set.npy", values)
    found = read(tmp_path / "set.npy")
    np.testing.assert_array_equal(pixels_of(found)[:, 0], values.astype(np.float32))
    assert bool(found.tally) != exact


def test_missing_codes_groups_and_positions(tmp_path):
    np.savez(
        tmp_path / "set.npz",
        images=COLOURS[:3],
        ALPHA=np.array([10.0, 20.0, 30.0]),
        DELTA=np.array([-1.0, 0.0, 1.0]),
        mag=np.array([-999.0, 20.0, np.nan]),
        galaxy=np.array([7, 7, 8]),
        object_id=np.array([5, 5, 6]),
    )
    found = read(
        tmp_path / "set.npz",
        missing=(-999,),
        group_column="galaxy",
        ra_column="ALPHA",
        dec_column="DELTA",
    )
    assert found.groups == ["7", "7", "8"]
    assert found.ids[0] == "set-000000"  # object_id has a value twice: no ids
    assert found.columns[0] == {"ra": 10.0, "dec": -1.0, "mag": None, "object_id_": 5}
    assert np.isnan(found.columns[2]["mag"])
    assert found.tally == {"Values of mag taken for not measured": 1}
    assert read(tmp_path / "set.npz", id_column="galaxy").ids == ["7", "7", "8"]
    with pytest.raises(BadInput, match="'nowhere' is none of them"):
        read(tmp_path / "set.npz", id_column="nowhere")


def test_missing_codes_in_single_precision(tmp_path):
    mag = np.array([-999.9, 20.0, -10.0], np.float32)
    np.savez(tmp_path / "set.npz", images=COLOURS[:3], mag=mag)
    found = read(tmp_path / "set.npz", missing=(-999.9, -10.0))
    assert [columns["mag"] for columns in found.columns] == [None, 20.0, None]


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "trap.npy", trap, allow_pickle=True)
    with pytest.raises(BadInput, match="pickles"):
        NumpyReader(tmp_path / "trap.npy", ImportOptions())
    np.savez(tmp_path / "trap.npz", allow_pickle=True, images=COLOURS, trap=trap)
    reader = make_reader(tmp_path / "trap.npz", ImportOptions())
    assert "pickles" in reader.notes[0]
    assert len(read_all(reader).ids) == 30
    assert not (tmp_path / "sprung").exists()


def test_headers_that_lie(tmp_path):
    with open(tmp_path / "huge.npy", "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 64, 64)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(64 * 64 * 3 + 10))
    found = read(tmp_path / "huge.npy")
    assert len(found.ids) == 3
    assert list(found.rejects.values()) == ["is cut short: rows 3 to 999,999,999,999 are missing"]

    with zipfile.ZipFile(tmp_path / "huge.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images.npy", (tmp_path / "huge.npy").read_bytes())
    with pytest.raises(BadInput, match="lies about its shape"):
        NumpyReader(tmp_path / "huge.npz", ImportOptions())


def test_tables_are_not_images(tmp_path):
    np.savez(tmp_path / "odds.npz", X=np.zeros((40, 20), np.float32), y=np.zeros(40))
    assert NumpyReader.recognises(tmp_path / "odds.npz") == 0
    with pytest.raises(BadInput, match=r"X \(40 x 20 float32\)"):
        NumpyReader(tmp_path / "odds.npz", ImportOptions())
    np.save(tmp_path / "one.npy", np.zeros((640, 480, 3), np.uint8))
    with pytest.raises(BadInput, match="each side at least 8"):
        NumpyReader(tmp_path / "one.npy", ImportOptions())


def test_a_packed_member_is_unpacked_once(tmp_path, monkeypatch):
    begun = calls_of(monkeypatch, ForwardStream, "_rewind")
    images = RNG.integers(0, 256, (2000, 16, 16), dtype=np.uint8)
    np.savez_compressed(tmp_path / "set.npz", images=images)
    reader = make_reader(tmp_path / "set.npz", ImportOptions())
    let_go()
    begun.clear()
    assert len(list(reader.units())) == 8
    np.testing.assert_array_equal(pixels_of(read_all(reader))[:, 0], images)
    assert len(begun) == 1


def test_a_file_that_is_replaced(tmp_path):
    path = tmp_path / "set.npy"
    np.save(path, COLOURS)
    reader = make_reader(path, ImportOptions())
    np.save(path, COLOURS[:20])
    assert set(read_all(reader).rejects.values()) == {"changed while it was being read"}
    path.unlink()
    assert "cannot be read any more" in next(iter(read_all(reader).rejects.values()))


def test_a_unit_can_be_taken_apart(tmp_path):
    np.save(tmp_path / "set.npy", COLOURS)
    reader = make_reader(tmp_path / "set.npy", ImportOptions())
    (batch,) = reader.read(Unit(0, 3, [4, 9, 10]))
    assert batch.object_ids == ["set-000004", "set-000009", "set-000010"]


def test_text_that_is_none(tmp_path):
    names = np.array(["ab", "cd", "ef"], dtype=">U2")
    names.view(">u4")[2] = 0x7FFFFFFF
    np.savez(tmp_path / "set.npz", images=COLOURS[:3], name=names)
    assert read(tmp_path / "set.npz").ids == ["ab", "\ufffdd", "ef"]


def make_npz(packed: bool) -> bytes:
    stream = io.BytesIO()
    save = np.savez_compressed if packed else np.savez
    save(stream, images=COLOURS, name=np.array([f"n{n}" for n in range(30)]), z=np.zeros(30))
    return stream.getvalue()


def make_npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, COLOURS)
    return stream.getvalue()


GOOD = [make_npz(False), make_npz(True), make_npy()]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    st.sampled_from(GOOD).flatmap(lambda good: st.one_of(damaged(good), cut_short(good)))
    | nonsense(b"\x93NUMPY\1\0")
    | nonsense(b"PK\3\4")
)
def test_damaged_bytes(tmp_path, content):
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    assert 0 <= NumpyReader.recognises(path) <= 100
    survives(lambda: NumpyReader(path, ImportOptions()))
