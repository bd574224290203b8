from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import array_slabs, hdf5, make_reader
from core.survey.readers.hdf5 import Hdf5Reader
from core.survey.readers.kept import let_go
from tests.survey.readers.damage import cut_short, damaged, nonsense
from tests.survey.readers.reading import read_all
from tests.survey.readers.trying import calls_of, pixels_of, survives

RNG = np.random.default_rng(6)
COLOURS = RNG.integers(0, 256, (40, 10, 10, 3), dtype=np.uint8)
PLANES = RNG.normal(size=(40, 3, 12, 12)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set.h5"


def test_galaxy10(path):
    with h5py.File(path, "w") as file:
        file["images"] = COLOURS
        file["ans"] = np.arange(40, dtype=np.uint8) % 10
        file["ra"] = RNG.random(40) * 360
        file["dec"] = RNG.random(40)
        file["ra"].attrs["unit"] = "deg"
        file["pxscale"] = np.full(40, 0.262)
    reader = make_reader(path, ImportOptions())
    assert reader.name == "hdf5"
    assert reader.settings["axes"] == "NYXC"
    assert reader.layout.bands == ("R", "G", "B")
    assert reader.layout.pixel_scale_arcsec == 0.262
    assert reader.layout.columns["ra"].unit == "deg"
    found = read_all(reader)
    np.testing.assert_array_equal(pixels_of(found), np.moveaxis(COLOURS, -1, 1))
    assert found.columns[13]["ans"] == 3
    assert sorted(found.columns[0]) == ["ans", "dec", "pxscale", "ra"]


def test_legacy_survey_layout(path):
    ids = 2**62 + np.arange(40)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=PLANES, chunks=(7, 1, 6, 6), compression="gzip")
        file["inds"] = np.arange(40)
        file["objid"] = ids
        file["flux"] = RNG.random((40, 3))
        file["psf"] = RNG.random((40, 99))
    reader = make_reader(path, ImportOptions())
    assert reader.layout.bands == ("g", "r", "z")
    assert reader.layout.pixel_scale_arcsec == 0.262
    found = read_all(reader)
    assert found.ids == [str(one) for one in ids]
    np.testing.assert_array_equal(pixels_of(found), PLANES)
    assert sorted(found.columns[0]) == ["flux_1", "flux_2", "flux_3", "inds"]
    assert "psf (40 x 99 float64)" in reader.notes[-1]


def test_any_path_compound_and_text(path):
    table = np.zeros(40, dtype=[("mag", "f4"), ("n", "i8"), ("kind", "S4"), ("v", "f4", 3)])
    table["mag"] = RNG.random(40)
    table["kind"] = b"ab"
    with h5py.File(path, "w") as file:
        file["deep/er/pixels"] = COLOURS[..., 0]
        file["deep/more"] = PLANES
        file["about/table"] = table
        file["about/iauname"] = [f"J{number}é" for number in range(40)]
    reader = make_reader(path, ImportOptions(more={"images": "/deep/er/pixels"}))
    found = read_all(reader)
    assert found.ids[7] == "J7é"
    assert found.columns[0] == {"mag": float(table["mag"][0]), "n": 0, "kind": "ab"}
    np.testing.assert_array_equal(pixels_of(found)[:, 0], COLOURS[..., 0])
    only = make_reader(path, ImportOptions(more={"columns": "about/iauname"}))
    assert only.settings["columns"] == []
    assert only.settings["images"] == "deep/more"
    for more, words in (
        ({"images": "nowhere"}, "There is no array 'nowhere'"),
        ({"images": "about/table"}, "should be images"),
        ({"columns": "nowhere"}, "'nowhere' is none"),
        ({"axes": "XYZ"}, "`axes` is one of"),
        ({"axis": "x"}, "no setting 'axis'"),
    ):
        with pytest.raises(BadInput, match=words):
            make_reader(path, ImportOptions(more=more))


def test_nothing_leads_out_of_the_file(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = COLOURS
    (tmp_path / "secret").write_bytes(bytes(40 * 100))
    layout = h5py.VirtualLayout(shape=(40, 10, 10), dtype="u1")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "images", (40, 10, 10, 3))[..., 0]
    with h5py.File(path, "w") as file:
        file["mine"] = COLOURS[:5]
        file["outside"] = h5py.ExternalLink("other.h5", "/images")
        file["soft"] = h5py.SoftLink("/outside")
        file["group/loop"] = file["/"]
        file.create_virtual_dataset("virtual", layout)
        raw = [(str(tmp_path / "secret"), 0, 4000)]
        file.create_dataset("raw", (40, 10, 10), "u1", external=raw)
    reader = make_reader(path, ImportOptions())
    assert reader.settings["images"] == "mine"
    assert reader.n_entries == 5
    for name in ("outside (a link)", "soft (a link)", "virtual (its values", "raw (its values"):
        assert name in reader.notes[0]
    with pytest.raises(BadInput, match="There is no array 'outside'"):
        make_reader(path, ImportOptions(more={"images": "outside"}))


def test_objects_and_references_are_left_out(path):
    with h5py.File(path, "w") as file:
        file["images"] = COLOURS
        file.create_dataset("refs", (40,), dtype=h5py.ref_dtype)
        file.create_dataset("ragged", (40,), dtype=h5py.vlen_dtype(np.int32))
        file["empty"] = h5py.Empty("f4")
    found = make_reader(path, ImportOptions())
    assert found.settings["columns"] == []
    assert all(name in found.notes[0] for name in ("refs", "ragged", "empty"))


def test_a_filter_that_is_not_there(path):
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4, 10, 10))
        plist.set_filter(32_004, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((40, 10, 10))
        h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, plist)
    with pytest.raises(BadInput, match=r"number 32004\), which is not installed"):
        make_reader(path, ImportOptions())


def test_shapes_that_lie(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (10**12, 10, 10), "u1", chunks=(1, 10, 10))
        file["images"][:3] = 7
    with pytest.raises(BadInput, match="1,000,000,000,000 rows by its header"):
        make_reader(path, ImportOptions())
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (2, 50_000, 50_000), "u1", chunks=(1, 50_000, 50_000))
    with pytest.raises(BadInput, match="chunks of more than 512 MB"):
        make_reader(path, ImportOptions())


def test_a_damaged_chunk_loses_its_own_rows(path):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("images", data=COLOURS, chunks=(4, 10, 10, 3), fletcher32=True)
        place = data.id.get_chunk_info(3).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 5] ^= 0xFF
    path.write_bytes(content)
    found = read_all(make_reader(path, ImportOptions()))
    assert len(found.ids) == 36
    assert [member for _, member in found.rejects] == [f"row {n}" for n in range(12, 16)]
    assert all("cannot be read" in reason for reason in found.rejects.values())


def test_units_end_with_chunks(path, monkeypatch):
    images = RNG.integers(0, 256, (600, 8, 8), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=(90, 8, 8))
    reader = make_reader(path, ImportOptions())
    assert [unit.what[0] for unit in reader.units()] == [0, 270, 540]

    # Chunks of more rows than a unit may have are unpacked once, and kept.
    monkeypatch.setattr(array_slabs, "LARGEST_UNIT_BYTES", 1000)
    monkeypatch.setattr("core.survey.readers.arrays.LARGEST_UNIT_BYTES", 1000)
    reader = make_reader(path, ImportOptions())
    assert "span 90 objects" in reader.notes[-1]
    calls = calls_of(monkeypatch, hdf5._File, "rows")
    let_go()
    found = read_all(reader)
    assert [start for _, _, start, _ in calls] == list(range(0, 600, 90))
    np.testing.assert_array_equal(pixels_of(found)[:, 0], images)


def test_cut_short_and_no_hdf5(path, tmp_path):
    with h5py.File(path, "w") as file:
        file["images"] = COLOURS
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match="is cut short"):
        make_reader(path, ImportOptions())
    with pytest.raises(BadInput, match="is a folder"):
        Hdf5Reader(tmp_path, ImportOptions())
    with pytest.raises(BadInput, match="No such file"):
        Hdf5Reader(tmp_path / "nowhere.h5", ImportOptions())


def test_another_side_and_scale(path):
    with h5py.File(path, "w") as file:
        file["images"] = PLANES
        file["pxscale"] = np.where(np.arange(40) < 30, 0.2, 0.4)
    found = read_all(make_reader(path, ImportOptions(size_px=10)))
    assert found.tally == {"Images cropped": 30, "Images resampled": 10}
    np.testing.assert_array_equal(found.images[0], PLANES[0, :, 1:11, 1:11])
    rejected = read_all(make_reader(path, ImportOptions(mixed="reject")))
    assert len(rejected.ids) == 30
    assert rejected.n_rejects == 10


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "set.h5"
    with h5py.File(path, "w") as file:
        options = {"chunks": (4, 10, 10, 3), "compression": "gzip", "shuffle": True}
        file.create_dataset("images", data=COLOURS[:20], fletcher32=True, **options)
        file["name"] = [f"galaxy{number}" for number in range(20)]
        file["g/t"] = np.zeros(20, dtype=[("a", "f4"), ("c", "S5")])
    return path.read_bytes()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None
)
@given(data=st.data())
def test_damaged_bytes(tmp_path, good, data):
    path = tmp_path / "set.h5"
    path.write_bytes(data.draw(damaged(good) | cut_short(good) | nonsense(good[:8])))
    assert 0 <= Hdf5Reader.recognises(path) <= 100
    survives(lambda: Hdf5Reader(path, ImportOptions()))


def test_how_sure(path):
    with h5py.File(path, "w") as file:
        file["X"] = np.zeros((40, 7))
    assert Hdf5Reader.recognises(path) == 20
    with h5py.File(path, "a") as file:
        file["images"] = COLOURS
    assert Hdf5Reader.recognises(path) == 70
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert Hdf5Reader.recognises(path) == 50
    path.write_bytes(b"no HDF5")
    assert Hdf5Reader.recognises(path) == 0
