from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import make_reader
from core.survey.readers.zarr_array import ZarrReader
from tests.survey.readers.damage import damaged
from tests.survey.readers.reading import read_all
from tests.survey.readers.trying import pixels_of, survives

RNG = np.random.default_rng(7)
PLANES = RNG.normal(size=(30, 5, 9, 9)).astype(np.float32)


def make(path, zarr_format=3, **more):
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    options = {"chunks": (4, 5, 9, 9), **more}
    group.create_array("cut/images", shape=PLANES.shape, dtype="f4", **options)[:] = PLANES
    group.create_array("ra", shape=(30,), chunks=(30,), dtype="f8")[:] = np.arange(30.0)
    names = group.create_array("name", shape=(30,), chunks=(30,), dtype=str)
    names[:] = np.array([f"é{number}" for number in range(30)])
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_round_trip(tmp_path, zarr_format):
    reader = make_reader(make(tmp_path / "set.zarr", zarr_format), ImportOptions())
    assert reader.name == "zarr"
    assert reader.settings["images"] == "cut/images"
    found = read_all(reader)
    assert found.ids[3] == "é3"
    assert found.columns[3] == {"ra": 3.0}
    np.testing.assert_array_equal(pixels_of(found), PLANES)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_other_byte_order(tmp_path, zarr_format):
    big = {"serializer": zarr.codecs.BytesCodec(endian="big")} if zarr_format == 3 else {}
    array = zarr.create_array(
        str(tmp_path / "set.zarr"),
        shape=PLANES.shape,
        chunks=(4, 5, 9, 9),
        dtype="f4" if big else ">f4",
        zarr_format=zarr_format,
        **big,
    )
    array[:] = PLANES
    found = read_all(make_reader(tmp_path / "set.zarr", ImportOptions()))
    np.testing.assert_array_equal(pixels_of(found), PLANES)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_array_with_shards(tmp_path, zarr_format):
    path = tmp_path / "set.zarr"
    shards = {"shards": (8, 9, 9)} if zarr_format == 3 else {}
    array = zarr.create_array(
        str(path),
        shape=(30, 9, 9),
        chunks=(2, 9, 9),
        dtype="u1",
        zarr_format=zarr_format,
        **shards,
    )
    images = RNG.integers(0, 256, (30, 9, 9), dtype=np.uint8)
    array[:] = images
    found = read_all(make_reader(path, ImportOptions()))
    assert found.ids[29] == "set-000029"
    np.testing.assert_array_equal(pixels_of(found)[:, 0], images)


def test_a_damaged_chunk_loses_its_own_rows(tmp_path):
    make(tmp_path / "set.zarr")
    (tmp_path / "set.zarr/cut/images/c/2/0/0/0").write_bytes(b"nonsense")
    found = read_all(make_reader(tmp_path / "set.zarr", ImportOptions()))
    assert [member for _, member in found.rejects] == [f"row {n}" for n in range(8, 12)]
    assert len(found.ids) == 26


def test_codecs_that_could_run_code(tmp_path):
    path = make(tmp_path / "set.zarr", zarr_format=2)
    about = json.loads((path / "name/.zarray").read_text())
    about["filters"] = [{"id": "pickle", "protocol": 5}]
    (path / "name/.zarray").write_text(json.dumps(about))
    reader = make_reader(path, ImportOptions())
    assert "name, which is packed by 'pickle'" in reader.notes[0]
    assert read_all(reader).ids[0] == "set-000000"


def test_links_and_lies(tmp_path):
    path = make(tmp_path / "set.zarr")
    make(tmp_path / "other.zarr")
    (path / "linked").symlink_to(tmp_path / "other.zarr")
    (path / "loop").symlink_to(path)
    about = json.loads((path / "cut/images/zarr.json").read_text())
    reader = make_reader(path, ImportOptions())
    assert "linked, which is a linked folder" in reader.notes[0]
    assert reader.settings["images"] == "cut/images"

    about["shape"][0] = 10**12
    (path / "cut/images/zarr.json").write_text(json.dumps(about))
    with pytest.raises(BadInput, match="hardly a chunk"):
        make_reader(path, ImportOptions())
    about["shape"] = [2, 1, 20_000, 20_000]
    about["chunk_grid"]["configuration"]["chunk_shape"] = [1, 1, 20_000, 20_000]
    (path / "cut/images/zarr.json").write_text(json.dumps(about))
    with pytest.raises(BadInput, match="chunks of more than 512 MB"):
        make_reader(path, ImportOptions())
    shutil.rmtree(path)
    with pytest.raises(BadInput, match="holds none of"):
        ZarrReader(path, ImportOptions())


def test_a_group_without_arrays(tmp_path):
    zarr.open_group(str(tmp_path / "set.zarr"), mode="w")
    with pytest.raises(BadInput, match="no array that can be read"):
        make_reader(tmp_path / "set.zarr", ImportOptions())


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@given(data=st.data())
def test_damaged_files(tmp_path, data):
    path = make(tmp_path / "set.zarr", data.draw(st.sampled_from([2, 3])))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = data.draw(st.sampled_from(files))
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    assert 0 <= ZarrReader.recognises(path) <= 100
    survives(lambda: ZarrReader(path, ImportOptions()))
