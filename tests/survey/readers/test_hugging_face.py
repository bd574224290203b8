from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import make_reader
from core.survey.readers.hugging_face import HuggingFaceReader
from tests.survey.readers.damage import cut_short, damaged
from tests.survey.readers.reading import read_all
from tests.survey.readers.test_parquet_images import hub_table, pixels
from tests.survey.readers.trying import pixels_of, survives

SPIRALS = {
    "image": {"_type": "Image"},
    "label": {"names": ["spiral", "smooth", "star"], "_type": "ClassLabel"},
}


def save_to_disk(folder: Path, *shards: pa.Table, features=SPIRALS) -> Path:
    """What `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{n:05d}-of-{len(shards):05d}.arrow" for n in range(len(shards))]
    for name, table in zip(names, shards, strict=True):
        with pa.ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(table, max_chunksize=8)
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": name} for name in names], "_split": None})
    )
    return folder


def read(path, **more):
    return read_all(make_reader(path, ImportOptions(**more)))


def test_round_trip(tmp_path):
    folder = save_to_disk(tmp_path / "set", hub_table(0, 20), hub_table(20, 30))
    reader = make_reader(folder, ImportOptions())
    assert reader.name == "hugging-face"
    assert reader.layout.columns["label"].kind == "categorical"
    found = read_all(reader)
    assert found.ids == [f"g{n:03d}" for n in range(30)]
    for n in (0, 19, 29):
        np.testing.assert_array_equal(found.images[n], np.moveaxis(pixels(n), -1, 0))
    assert found.columns[1]["label"] == "smooth"
    assert "split" not in found.columns[1]
    assert not found.rejects


def test_splits(tmp_path):
    folder = tmp_path / "set"
    save_to_disk(folder / "train", hub_table(0, 10))
    save_to_disk(folder / "test", hub_table(10, 15))
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    found = read(folder)
    assert found.ids == [f"g{n:03d}" for n in range(15)]
    assert [row["split"] for row in found.columns] == ["train"] * 10 + ["test"] * 5
    reader = make_reader(folder, ImportOptions(more={"split": "test"}))
    assert "left out: train" in reader.notes[0]
    assert len(read_all(reader).ids) == 5
    with pytest.raises(BadInput, match="The splits are train, test"):
        make_reader(folder, ImportOptions(more={"split": "dev"}))


def test_arrays_of_the_library(tmp_path):
    """Array2D and Array3D are extension types over lists of lists."""

    class Array(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.list_(pa.list_(pa.float32())), "datasets.Array2DExtensionType")

        def __arrow_ext_serialize__(self):
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage_type, serialized):
            return cls()

    images = np.random.default_rng(3).random((6, 10, 10)).astype(np.float32)
    kind = Array()
    column = pa.ExtensionArray.from_storage(kind, pa.array(images.tolist(), kind.storage_type))
    table = pa.table({"pixels": column, "id": list("abcdef")})
    folder = save_to_disk(tmp_path / "unknown", table, features={})
    found = read(folder)
    pa.register_extension_type(kind)
    try:
        registered = read(folder)
    finally:
        pa.unregister_extension_type("datasets.Array2DExtensionType")
    for result in (found, registered):
        assert result.ids == list("abcdef")
        np.testing.assert_array_equal(pixels_of(result)[:, 0], images)


def test_cut_short(tmp_path):
    folder = save_to_disk(tmp_path / "set", hub_table(0, 24), hub_table(24, 30))
    file = folder / "data-00000-of-00002.arrow"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    found = read(folder)
    assert found.ids == [f"g{n:03d}" for n in (*range(8), *range(24, 30))]
    (((source, member), reason),) = found.rejects.items()
    assert (source, member) == (file.name, "")
    assert "after 8 rows" in reason
    # Cut where a batch ends, so that only the end mark is missing.
    file.write_bytes(content[:-8])
    found = read(folder)
    assert len(found.ids) == 30
    assert list(found.rejects.values()) == ["is cut short after 24 rows"]


def test_files_that_are_not_there_or_lie_elsewhere(tmp_path):
    folder = save_to_disk(tmp_path / "set", hub_table(0, 8), hub_table(8, 16))
    (folder / "data-00001-of-00002.arrow").unlink()
    found = read(folder)
    assert len(found.ids) == 8
    assert "No such file" in found.rejects[("data-00001-of-00002.arrow", "")]
    state = {"_data_files": [{"filename": "../../secret.arrow"}]}
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(BadInput, match="do not lie in its folder"):
        make_reader(folder, ImportOptions())
    for text in ("{", "[1]", '{"_data_files": 3}'):
        (folder / "state.json").write_text(text)
        with pytest.raises(BadInput):
            make_reader(folder, ImportOptions())
    splits = tmp_path / "splits"
    splits.mkdir()
    (splits / "dataset_dict.json").write_text('{"splits": ["../set", 3]}')
    with pytest.raises(BadInput, match="names no split"):
        make_reader(splits, ImportOptions())


def test_a_shard_that_is_replaced(tmp_path):
    folder = save_to_disk(tmp_path / "set", hub_table(0, 8))
    reader = make_reader(folder, ImportOptions())
    file = folder / "data-00000-of-00001.arrow"
    file.write_bytes(file.read_bytes() + b"more")
    assert set(read_all(reader).rejects.values()) == {"changed while it was being read"}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.data())
def test_damaged_files(tmp_path_factory, data):
    folder = save_to_disk(tmp_path_factory.mktemp("x") / "set", hub_table(0, 12))
    names = sorted(path.name for path in folder.iterdir())
    file = folder / data.draw(st.sampled_from([names[0], *names]))
    content = file.read_bytes()
    file.write_bytes(data.draw(damaged(content) | cut_short(content)))
    assert 0 <= HuggingFaceReader.recognises(folder) <= 100
    survives(lambda: HuggingFaceReader(folder, ImportOptions()))
