from __future__ import annotations

import datetime
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import make_reader, parquet_images
from core.survey.readers.kept import let_go
from core.survey.readers.parquet_images import ParquetImagesReader
from tests.survey.readers.damage import cut_short, damaged, nonsense
from tests.survey.readers.reading import read_all
from tests.survey.readers.trying import calls_of, pixels_of, survives

HUB_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def pixels(seed: int, side: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels(seed)).save(stream, "png")
    return stream.getvalue()


def hub_table(start: int, stop: int) -> pa.Table:
    """As the hub has data sets: images, classes by number, and what else there is."""
    rows = range(start, stop)
    table = pa.table(
        {
            "image": pa.array(
                [{"bytes": picture(n), "path": f"g{n:03d}.png"} for n in rows], HUB_IMAGE
            ),
            "label": pa.array([n % 3 for n in rows], pa.int64()),
            "z": [n / 7 for n in rows],
            "caption": [f"é {n}" if n % 2 else None for n in rows],
            "night": [datetime.date(2020, 1, 1 + n % 28) for n in rows],
            "spectrum": [[1.0, 2.0]] * len(rows),
        }
    )
    features = {"label": {"_type": "ClassLabel", "names": ["spiral", "smooth", "star"]}}
    about = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
    return table.replace_schema_metadata({"huggingface": json.dumps(about)})


def read(path, **more):
    return read_all(make_reader(path, ImportOptions(**more)))


def test_round_trip(tmp_path):
    pq.write_table(hub_table(0, 100), tmp_path / "set.parquet", row_group_size=30)
    reader = make_reader(tmp_path / "set.parquet", ImportOptions())
    assert reader.name == "parquet-images"
    assert reader.layout.columns["label"].kind == "categorical"
    assert "spectrum (list" in reader.notes[0]
    assert [unit.n_entries for unit in reader.units()] == [30, 30, 30, 10]
    found = read_all(reader)
    assert found.ids == [f"g{n:03d}" for n in range(100)]
    for n in (0, 31, 99):
        np.testing.assert_array_equal(found.images[n], np.moveaxis(pixels(n), -1, 0))
    assert found.columns[4]["label"] == "smooth"
    assert found.columns[4]["z"] == 4 / 7
    assert found.columns[4]["caption"] is None
    assert found.columns[5]["caption"] == "é 5"
    assert found.columns[5]["night"] == "2020-01-06"


def test_shards_and_splits(tmp_path):
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    pq.write_table(hub_table(0, 20), folder / "train-00000-of-00002.parquet")
    pq.write_table(hub_table(20, 40), folder / "train-00001-of-00002.parquet")
    pq.write_table(hub_table(40, 50), folder / "test-00000-of-00001.parquet")
    (folder / "readme.md").write_text("hello")
    for source in (folder, folder.parent):
        reader = make_reader(source, ImportOptions())
        assert reader.name == "parquet-images"
        found = read_all(reader)
        assert found.ids == [f"g{n:03d}" for n in (*range(40, 50), *range(40))]
        assert found.columns[9]["split"] == "test"
        assert found.columns[10]["split"] == "train"
    assert len(read(folder, more={"split": "test"}).ids) == 10
    with pytest.raises(BadInput, match="The splits are test, train"):
        make_reader(folder, ImportOptions(more={"split": "valid"}))


def test_damaged_shards_are_one_reject_each(tmp_path):
    for number in range(3):
        pq.write_table(hub_table(number * 10, number * 10 + 10), tmp_path / f"{number}.parquet")
    content = (tmp_path / "1.parquet").read_bytes()
    (tmp_path / "1.parquet").write_bytes(content[:1000])
    (tmp_path / "3.parquet").write_bytes(b"no Parquet")
    pq.write_table(pa.table({"other": [1, 2]}), tmp_path / "4.parquet")
    found = read(tmp_path)
    assert found.ids == [f"g{n:03d}" for n in (*range(10), *range(20, 30))]
    assert found.rejects[("1.parquet", "")] == "is cut short"
    assert "is no Parquet" in found.rejects[("3.parquet", "")]
    assert found.rejects[("4.parquet", "row 1")] == "has no column image"


def test_a_damaged_page_loses_its_own_rows(tmp_path):
    path = tmp_path / "set.parquet"
    options = {"row_group_size": 10, "compression": "snappy", "use_dictionary": False}
    pq.write_table(hub_table(0, 30), path, **options)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    place = column.data_page_offset + 2
    content[place : place + 40] = b"\xff" * 40
    path.write_bytes(content)
    found = read(path)
    assert found.ids == [f"g{n:03d}" for n in (*range(10), *range(20, 30))]
    assert {member for _, member in found.rejects} == {f"row {n}" for n in range(10, 20)}


def test_bad_images_are_rejects(tmp_path):
    values = [picture(0), b"no picture", b"", None, picture(1)[:200], picture(2)]
    table = pa.table({"id": ["a", "b", "c", "d", "e", "f"], "img": pa.array(values, pa.binary())})
    pq.write_table(table, tmp_path / "set.parquet")
    found = read(tmp_path / "set.parquet")
    assert found.ids == ["a", "f"]
    reasons = {member: reason for (_, member), reason in found.rejects.items()}
    assert reasons.keys() == {"row 1", "row 2", "row 3", "row 4"}
    assert reasons["row 2"] == "has an empty image"
    assert reasons["row 3"] == "has no image"

    only_paths = pa.array([{"bytes": None, "path": "/etc/passwd"}] * 3, HUB_IMAGE)
    pq.write_table(pa.table({"image": only_paths}), tmp_path / "paths.parquet")
    with pytest.raises(BadInput, match="only the path of an image"):
        make_reader(tmp_path / "paths.parquet", ImportOptions())


@pytest.mark.parametrize("order", ["YX", "YXC", "CYX"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_nested_lists(tmp_path, order, dtype):
    shape = {"YX": (9, 11), "YXC": (9, 11, 3), "CYX": (5, 9, 11)}[order]
    images = (np.random.default_rng(1).random((4, *shape)) * 200).astype(dtype)
    column = pa.array(images.tolist(), _nested(pa.from_numpy_dtype(dtype), len(shape)))
    table = pa.table({"pixels": column, "object_id": [7, 8, 9, 10]})
    pq.write_table(table, tmp_path / "set.parquet")
    found = read(tmp_path / "set.parquet", size_px=9)
    assert found.ids == ["7", "8", "9", "10"]
    planes = images[0][np.newaxis] if order == "YX" else images[0]
    planes = np.moveaxis(planes, -1, 0) if order == "YXC" else planes
    if dtype != "uint8":
        np.testing.assert_array_equal(pixels_of(found)[0], planes[:, :, 1:10].astype(np.float32))


def _nested(kind: pa.DataType, depth: int) -> pa.DataType:
    return pa.list_(_nested(kind, depth - 1)) if depth else kind


def test_ragged_lists(tmp_path):
    good = np.zeros((9, 9)).tolist()
    column = pa.array([good, [*good[:8], [1.0]], good[:3], None], _nested(pa.float64(), 2))
    pq.write_table(pa.table({"image": column}), tmp_path / "set.parquet")
    found = read(tmp_path / "set.parquet")
    assert found.ids == ["set-000000"]
    assert "several lengths" in found.rejects[("set.parquet", "row 1")]
    assert "is no image" in found.rejects[("set.parquet", "row 2")]


def test_columns_with_meanings(tmp_path):
    table = hub_table(0, 4).append_column("galaxy", pa.array([1, 1, 2, 2]))
    table = table.append_column("alpha", pa.array([1.0, -999.0, 3.0, 4.0]))
    table = table.append_column("group_id", pa.array(["x"] * 4))
    pq.write_table(table, tmp_path / "set.parquet")
    options = {"group_column": "galaxy", "ra_column": "alpha", "missing": (-999.0,)}
    found = read(tmp_path / "set.parquet", **options)
    assert found.groups == ["1", "1", "2", "2"]
    assert found.columns[0]["group_id_"] == "x"
    assert [row["ra"] for row in found.columns] == [1.0, None, 3.0, 4.0]
    assert found.tally["Values of ra taken for not measured"] == 1
    single = table.append_column("mag", pa.array([-999.9, 20.5, 21, 22], pa.float32()))
    pq.write_table(single, tmp_path / "single.parquet")
    magnitudes = [
        row["mag"] for row in read(tmp_path / "single.parquet", missing=(-999.9,)).columns
    ]
    assert magnitudes == [None, 20.5, 21, 22]
    with pytest.raises(BadInput, match="'nowhere' is none of them"):
        read(tmp_path / "set.parquet", id_column="nowhere")
    with pytest.raises(BadInput, match="`image` is a column that can hold images"):
        read(tmp_path / "set.parquet", more={"image": "z"})


def test_a_row_group_is_unpacked_once(tmp_path, monkeypatch):
    pq.write_table(hub_table(0, 600), tmp_path / "set.parquet", row_group_size=600)
    reader = make_reader(tmp_path / "set.parquet", ImportOptions())
    let_go()
    begun = calls_of(monkeypatch, parquet_images._Forwards, "_rewind")
    assert len(list(reader.units())) == 3
    assert read_all(reader).ids == [f"g{n:03d}" for n in range(600)]
    assert len(begun) == 1


def test_tables_without_images(tmp_path):
    pq.write_table(pa.table({"ra": [1.0], "raw": [b"abc"]}), tmp_path / "table.parquet")
    assert ParquetImagesReader.recognises(tmp_path / "table.parquet") == 0
    assert ParquetImagesReader.recognises(tmp_path) == 0
    pq.write_table(pa.table({"ra": [1.0]}), tmp_path / "plain.parquet")
    with pytest.raises(BadInput, match="has no column of images"):
        ParquetImagesReader(tmp_path / "plain.parquet", ImportOptions())


def test_columns_of_one_name(tmp_path):
    images = pa.array([picture(0)], pa.binary())
    twice = pa.Table.from_arrays([images, images, pa.array([1])], names=["image", "image", "id"])
    pq.write_table(twice, tmp_path / "set.parquet")
    with pytest.raises(BadInput, match="has several columns 'image'"):
        ParquetImagesReader(tmp_path / "set.parquet", ImportOptions())


@pytest.fixture(scope="module")
def good():
    stream = io.BytesIO()
    pq.write_table(hub_table(0, 12), stream, row_group_size=5)
    return stream.getvalue()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.data())
def test_damaged_bytes(tmp_path, good, data):
    ends = damaged(good[-2000:]).map(lambda end: good[:-2000] + end)
    content = data.draw(damaged(good) | ends | cut_short(good) | nonsense(b"PAR1"))
    path = tmp_path / "set.parquet"
    path.write_bytes(content)
    assert 0 <= ParquetImagesReader.recognises(path) <= 100
    survives(lambda: ParquetImagesReader(path, ImportOptions()))
