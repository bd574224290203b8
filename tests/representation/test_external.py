"""The user's own vectors, from every kind of file, matched by object_id."""

import json

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from core.errors import BadInput, NotFound
from core.representation import ENCODERS, embed, finished_embeddings, make_encoder
from core.survey import Batch, Survey, SurveyWriter, finished_runs
from core.vocabulary import JobKind
from core.workspace import open_workspace

IDS = [f"{n:04d}" for n in range(12)]  # 0003 must not become 3


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Survey:
    writer = SurveyWriter(
        open_workspace(tmp_path_factory.mktemp("external") / "ws"),
        "sky",
        bands=("r",),
        cutout_size_px=4,
        dtype="float32",
        origin="test",
        licence="none",
    )
    with writer:
        pictures = np.zeros((12, 1, 4, 4), np.float32)
        writer.append(Batch(IDS, list(pictures), [{} for _ in IDS]))
        return writer.commit()


def vectors():
    """(ids, values) in another order than the survey's; 0005 and 0007 have no row, and one row is
    of no object."""
    ids = [one for one in reversed(IDS) if one not in ("0005", "0007")] + ["elsewhere"]
    return ids, np.random.default_rng(0).normal(size=(len(ids), 5)).astype(np.float32)


def write(kind, folder):
    """The options for a file of that kind with `vectors()`."""
    ids, values = vectors()
    if kind == "npy":
        np.save(folder / "v.npy", values)
        (folder / "ids.txt").write_text("\n".join(ids))
        return {"path": str(folder / "v.npy"), "ids": str(folder / "ids.txt")}
    if kind == "npy and ids in npy":
        np.save(folder / "v.npy", values)
        np.save(folder / "ids.npy", np.array(ids))
        return {"path": str(folder / "v.npy"), "ids": str(folder / "ids.npy")}
    if kind == "npz":
        np.savez(folder / "v.npz", object_id=np.array(ids), codes=values)
        return {"path": str(folder / "v.npz")}
    if kind == "parquet of lists":
        table = pa.table({"object_id": ids, "z": list(values)})
        pq.write_table(table, folder / "v.parquet")
        return {"path": str(folder / "v.parquet"), "array": "z"}
    frame = pd.DataFrame(values, columns=list("abcde")).assign(source=ids)
    if kind == "parquet of columns":
        frame.to_parquet(folder / "v.parquet")
        return {"path": str(folder / "v.parquet"), "id_column": "source"}
    if kind == "csv":
        frame.to_csv(folder / "v.csv", index=False)
        return {"path": str(folder / "v.csv"), "id_column": "source"}
    if kind == "hdf5":
        with h5py.File(folder / "v.h5", "w") as file:
            file["names/object_id"] = [one.encode() for one in ids]
            file["codes"] = values
        return {"path": str(folder / "v.h5"), "id_column": "names/object_id"}
    columns = [
        fits.Column("OBJECT_ID", "9A", array=np.array(ids)),
        fits.Column("codes", "5E", array=values),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(folder / "v.fits")
    return {"path": str(folder / "v.fits"), "id_column": "OBJECT_ID"}


@pytest.mark.parametrize(
    "kind",
    [
        "npy",
        "npy and ids in npy",
        "npz",
        "parquet of lists",
        "parquet of columns",
        "csv",
        "hdf5",
        "fits",
    ],
)
def test_each_object_gets_its_own_row(survey, tmp_path, kind):
    ids, values = vectors()
    embedding = embed(survey, "external", options=write(kind, tmp_path), precision="float32")
    by_id = dict(zip(ids, values, strict=True))
    for row, object_id in enumerate(survey.object_ids):
        assert embedding.mask[row] == (object_id in by_id)
        if object_id in by_id:
            assert embedding.values[row] == pytest.approx(by_id[object_id], rel=1e-5)
    record = finished_embeddings(survey)[0]
    assert record.masked == 2
    assert record.notes == ("2 objects have no row in the file", "1 rows are of no object here")
    assert record.weights.startswith("vectors of v.")


def test_columns_that_are_no_numbers_are_named(survey, tmp_path):
    frame = pd.DataFrame({"object_id": IDS, "a": 1.5, "kind": "spiral", "b": 2.0, "by": "me"})
    frame.to_csv(tmp_path / "v.csv", index=False)
    options = {"path": str(tmp_path / "v.csv")}
    assert embed(survey, "external", options=options).values.shape == (12, 2)
    same = "all objects have the same values, so that it tells none apart"
    assert finished_embeddings(survey)[0].notes == ("left out of the vectors: kind, by", same)
    # What was named is what was wanted.
    embed(survey, "external", options={**options, "array": "b"})
    assert finished_embeddings(survey)[0].notes == (same,)
    frame["b"] = np.arange(12.0)
    for number in range(12):
        frame[f"text{number}"] = "x"
    frame.to_csv(tmp_path / "v.csv", index=False)
    embed(survey, "external", options=options)
    (note,) = finished_embeddings(survey)[0].notes
    assert note.startswith("left out of the vectors: kind, by, text0,")
    assert note.endswith("text7 and 4 more")


def test_a_row_of_nan_is_masked(survey, tmp_path):
    values = np.ones((12, 2))
    values[4, 1] = np.nan
    np.savez(tmp_path / "v.npz", object_id=np.array(IDS), x=values)
    embedding = embed(survey, "external", options={"path": str(tmp_path / "v.npz")})
    assert np.flatnonzero(~embedding.mask).tolist() == [4]


def test_a_changed_file_is_not_taken_for_the_one_that_was_embedded(survey, tmp_path):
    options = write("csv", tmp_path)
    embed(survey, "external", options=options)
    run = finished_runs(survey, JobKind.EMBED)[0]
    settings = json.loads(json.dumps(run.record["result"]))
    assert ENCODERS["external"].load(run.path, settings).hash == settings["hash"]
    with open(options["path"], "a") as file:
        file.write("1,2,3,4,5,0005\n")
    with pytest.raises(BadInput, match="is not the file that was embedded"):
        ENCODERS["external"].load(run.path, settings)


def test_files_that_cannot_be_used_are_told(survey, tmp_path):
    def refused(match, error=BadInput, **options):
        with pytest.raises(error, match=match):
            embed(survey, "external", options=options)

    refused("needs the file of your vectors")
    refused("no file", NotFound, path=str(tmp_path / "none.npy"))
    refused("none of them", path=str(tmp_path / "none.txt"))
    np.save(tmp_path / "v.npy", np.ones((12, 2)))
    path = str(tmp_path / "v.npy")
    refused("says which object each row is", path=path)
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(IDS[:5]))
    refused("5 ids for the 12 rows", path=path, ids=str(ids))
    ids.write_text("\n".join([*IDS[:11], IDS[0]]))
    refused("1 ids that came before, such as '0000'", path=path, ids=str(ids))
    ids.write_text("\n".join(f"other{n}" for n in range(12)))
    refused("None of the 12 ids", path=path, ids=str(ids))
    np.save(path, np.array([{}], object), allow_pickle=True)
    refused("pickled objects are never loaded", path=path, ids=str(ids))
    np.savez(tmp_path / "v.npz", object_id=np.array(IDS), words=np.array(["a"] * 12))
    refused("no array or columns of numbers", path=str(tmp_path / "v.npz"))
    refused("correct array=", path=str(tmp_path / "v.npz"), array="codes")
    (tmp_path / "v.parquet").write_bytes(b"PAR1 and then nothing")
    refused("cannot be read as Parquet", path=str(tmp_path / "v.parquet"))
    with pytest.raises(BadInput, match="'row' was given"):
        make_encoder("external", survey, {"row": "1"})
