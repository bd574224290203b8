"""The embedding job: streamed, resumable, float16 on disk, chosen, and out of memory."""

import json
import multiprocessing
import os
import signal
import socket
import time

import numpy as np
import pytest

from core.errors import BadInput, Cancelled, Damaged, InUse, NotFound, NotReady
from core.representation import (
    choose_embedding,
    chosen_embedding,
    embed,
    finished_embeddings,
    load_embedding,
)
from core.representation.embedding import working as working_module
from core.representation.embedding.reading import read_ahead
from core.representation.embedding.working import fits_float16
from core.representation.encoder import ENCODERS, register_encoder
from core.survey import Batch, RunFolder, Survey, SurveyWriter, finished_runs
from core.vocabulary import JobKind
from core.workspace import open_workspace

COUNT = 50


class Means:
    """Means of the bands, with an offset that only `fit` knows; counts what it was given."""

    name: str
    notes = ("it was fitted",)

    def __init__(self) -> None:
        self.offset = 0.0

    def fit(self, survey, progress):
        self.offset = time.time()  # another fit gives something else
        progress(1.0, "fitted")

    def encode(self, images):
        return (images.astype(np.float64).mean((2, 3)) + self.offset % 1).astype(np.float32)

    def save(self, folder):
        (folder / "offset.json").write_text(json.dumps(self.offset))
        return {"kind": "means"}

    @classmethod
    def load(cls, folder, settings):
        assert settings["kind"] == "means"
        made = cls()
        made.offset = json.loads((folder / "offset.json").read_text())
        return made


@pytest.fixture
def means(monkeypatch):
    """`Means` registered for one test."""
    kept = dict(ENCODERS)
    cls = register_encoder("means")(type("Registered", (Means,), {}))
    yield cls
    ENCODERS.clear()
    ENCODERS.update(kept)


def made(folder, count=COUNT, name="dots") -> Survey:
    """Pictures of 8 px; every seventh object has none."""
    rng = np.random.default_rng(3)
    images: list[np.ndarray | None] = list(rng.normal(0, 1, (count, 3, 8, 8)).astype(np.float32))
    for row in range(0, count, 7):
        images[row] = None
    writer = SurveyWriter(
        open_workspace(folder / "ws"),
        name,
        bands=("g", "r", "i"),
        cutout_size_px=8,
        dtype="float32",
        origin="test",
        licence="none",
    )
    with writer:
        writer.append(Batch([f"D{n}" for n in range(count)], images, [{} for _ in range(count)]))
        return writer.commit()


@pytest.fixture
def survey(tmp_path) -> Survey:
    return made(tmp_path)


def left(survey) -> list[str]:
    """What lies in the folder of checkpoints."""
    return [path.name for path in (survey.folder / "checkpoints").glob("*")]


def test_values_are_those_of_the_encoder_to_half_precision(survey, means):
    embedding = embed(survey, "means", batch_size=7)
    seen = np.arange(COUNT) % 7 != 0
    assert embedding.values.dtype == np.float16
    assert isinstance(embedding.values, np.memmap)
    assert embedding.mask.tolist() == seen.tolist()
    record = finished_runs(survey, JobKind.EMBED)[0]
    encoder = means.load(record.path, record.record["result"])
    expected = encoder.encode(survey.images(np.flatnonzero(seen)))
    found = embedding.rows(np.flatnonzero(seen))
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, rel=6e-4, abs=1e-6)
    assert np.isnan(embedding.values[~seen]).all()
    assert embedding.rows(slice(0, 3)).shape == (3, 3)
    whole = embed(survey, "means", precision="float32")
    assert whole.values.dtype == np.float32
    assert left(survey) == []


def test_a_cancelled_run_goes_on_where_it_was_and_gives_the_same(survey, means):
    def until(_fraction, message):
        if "embedded 20" in message:
            raise Cancelled("The embed of dots was stopped on request.")

    with pytest.raises(Cancelled):
        embed(survey, "means", batch_size=10, progress=until)
    assert len(left(survey)) == 1
    assert list((survey.folder / "runs").glob("*")) == []
    told = []
    second = embed(survey, "means", batch_size=10, progress=lambda _f, m: told.append(m))
    assert told[0] == "going on after 20 of 50 objects"
    assert not any("fitted" in message for message in told)
    run = finished_runs(survey, JobKind.EMBED)[0]
    unbroken = means.load(run.path, run.record["result"])  # the first fit's offset
    rows = np.flatnonzero(second.mask)
    assert second.rows(rows) == pytest.approx(
        unbroken.encode(survey.images(rows)), rel=6e-4, abs=1e-6
    )
    assert {path.name for path in run.path.iterdir()} == {
        "config.json",
        "embedding.npy",
        "mask.npy",
        "offset.json",
    }
    assert left(survey) == []


def test_other_settings_do_not_go_on_from_it(survey, means):
    def stop(_fraction, message):
        if "embedded 20" in message:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        embed(survey, "means", batch_size=10, progress=stop)
    told = []
    embed(survey, "means", batch_size=5, progress=lambda _f, m: told.append(m))
    assert told[0] == "fitted"
    assert len(left(survey)) == 1


def _slow_embed(folder):
    """In another process: embed, so slowly that it can be killed."""
    working_module.EVERY_S = 0.1
    register_encoder("means")(type("Registered", (Means,), {}))
    survey = Survey.open(open_workspace(folder / "ws"), "dots")

    def wait(_fraction, message):
        if message.startswith("embedded"):
            time.sleep(0.4)

    embed(survey, "means", batch_size=5, progress=wait)


def test_a_killed_run_goes_on(survey, means, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_slow_embed, args=(tmp_path,))
    process.start()
    end = time.monotonic() + 60
    done = 0
    while done < 10:
        assert time.monotonic() < end
        time.sleep(0.05)
        for path in (survey.folder / "checkpoints").glob("*.partial/journal.json"):
            done = json.loads(path.read_text())["done"]
    if done < 40:
        with pytest.raises(InUse, match="already making the means embedding of dots"):
            embed(survey, "means", batch_size=5)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    told = []
    embedding = embed(survey, "means", batch_size=5, progress=lambda _f, m: told.append(m))
    assert told[0].startswith("going on after")
    run = finished_runs(survey, JobKind.EMBED)[0]
    encoder = means.load(run.path, run.record["result"])
    rows = np.flatnonzero(embedding.mask)
    expected = encoder.encode(survey.images(rows))
    assert embedding.rows(rows) == pytest.approx(expected, rel=6e-4, abs=1e-6)


def test_batches_are_halved_when_memory_runs_out(survey, means):
    given = []

    def greedy(self, images):
        given.append(len(images))
        if len(images) > 3:
            raise MemoryError if len(images) > 6 else RuntimeError("can't allocate memory: 9 GB")
        return Means.encode(self, images)

    means.encode = greedy
    embedding = embed(survey, "means", batch_size=16)
    assert np.isfinite(embedding.values[embedding.mask]).all()
    assert given[0] > 6
    assert max(given[-8:]) <= 4
    (record,) = finished_embeddings(survey)
    assert "memory ran out: batches of 2 objects" in record.notes
    means.encode = lambda self, images: (_ for _ in ()).throw(MemoryError)
    with pytest.raises(NotReady, match="one object at a time"):
        embed(survey, "means")


def test_another_error_of_the_encoder_is_not_taken_for_memory(survey, means):
    means.encode = lambda self, images: (_ for _ in ()).throw(RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        embed(survey, "means")
    assert left(survey) == []


def test_what_float16_cannot_hold_is_float32_or_clipped_and_told(survey, means):
    means.encode = lambda self, images: images.mean((2, 3)) * 1e6
    embedding = embed(survey, "means")
    assert embedding.values.dtype == np.float32
    means.encode = lambda self, images: images.mean((2, 3)) + 10_000
    assert embed(survey, "means").values.dtype == np.float32
    calls = []

    def later(self, images):
        calls.append(1)
        return images.mean((2, 3)) * (1 if len(calls) <= 2 else 1e7)  # two are the sample

    means.encode = later
    embedding = embed(survey, "means", batch_size=25)
    assert embedding.values.dtype == np.float16
    assert np.abs(embedding.rows(embedding.mask.nonzero()[0])).max() == 65504
    assert any("were clipped to 65,504" in note for note in finished_embeddings(survey)[0].notes)


@pytest.mark.parametrize("batch_size", [10, 1000])
def test_the_precision_is_that_of_the_whole_survey_not_of_its_beginning(
    survey, means, batch_size, monkeypatch
):
    """The last third has a spread that float16 cannot tell beside its mean."""
    first = survey.images(np.array([1]))[0].mean()
    late = {float(one.mean()) for one in survey.images(np.arange(36, COUNT)) if one.any()}

    def drifting(self, images):
        offset = [5000.0 if float(one.mean()) in late else 0.0 for one in images]
        return np.stack([images.mean((1, 2, 3)) * 10, images.std((1, 2, 3)) * 1e5 + offset], 1)

    assert float(first) not in late
    means.encode = drifting
    embedding = embed(survey, "means", batch_size=batch_size)
    assert embedding.values.dtype == np.float32
    rows = np.flatnonzero(embedding.mask)
    assert (embedding.values[rows] == drifting(None, survey.images(rows))).all()


def test_fits_float16_is_about_the_spread_not_the_size():
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    assert fits_float16(x)
    assert fits_float16(np.full((5, 2), 3.0, np.float32))
    assert not fits_float16(x + 5000)
    assert fits_float16(np.concatenate([x, np.full((200, 1), 0.1, np.float32)], axis=1))
    assert not fits_float16(x * 1e-9)
    assert fits_float16(np.array([[np.nan, 1.0]], np.float32))


def test_a_row_that_is_not_finite_is_masked_whole(survey, means):
    def broken(self, images):
        out = images.mean((2, 3))
        out[0, 1] = np.inf
        return out

    means.encode = broken
    embedding = embed(survey, "means", batch_size=COUNT)
    first = int(np.flatnonzero(np.arange(COUNT) % 7)[0])
    assert not embedding.mask[first]
    assert np.isnan(embedding.values[first]).all()
    assert embedding.mask.sum() == (np.arange(COUNT) % 7 != 0).sum() - 1


def test_the_chosen_embedding_is_the_one_in_use(survey, means, monkeypatch):
    monkeypatch.setattr("core.representation.encoder.DEFAULT_ENCODER", "pca")
    with pytest.raises(NotReady, match="no pca embedding yet"):
        load_embedding(survey)
    pca = embed(survey, "pca")
    other = embed(survey, "means", options=None)
    assert load_embedding(survey).run_id == pca.run_id
    assert chosen_embedding(survey) is None
    choose_embedding(survey, other.run_id)
    assert load_embedding(survey).run_id == other.run_id == chosen_embedding(survey)
    assert load_embedding(survey).encoder == "means"
    assert load_embedding(survey, "pca").run_id == pca.run_id
    assert load_embedding(survey, run_id=pca.run_id).run_id == pca.run_id
    records = finished_embeddings(survey)
    assert [(r.encoder, r.chosen, r.in_use) for r in records] == [
        ("means", True, True),
        ("pca", False, False),
    ]
    assert records[0].dimensions == 3
    assert records[0].precision == "float16"
    assert records[0].masked == 8
    assert "it was fitted" in records[0].notes
    with pytest.raises(NotFound, match="no finished embedding"):
        choose_embedding(survey, "embed-nothing")
    with pytest.raises(NotFound, match="no finished embedding"):
        load_embedding(survey, run_id="embed-nothing")
    choose_embedding(survey, None)
    assert load_embedding(survey).run_id == pca.run_id
    (survey.folder / "chosen.json").write_text("{")
    with pytest.raises(Damaged, match="choose one again"):
        load_embedding(survey)


def test_a_choice_of_another_version_does_not_count(survey, means, monkeypatch):
    monkeypatch.setattr("core.representation.encoder.DEFAULT_ENCODER", "pca")
    embed(survey, "pca")
    other = embed(survey, "means")
    choose_embedding(survey, other.run_id)
    path = survey.folder / "chosen.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "content_hash": "of another version"}))
    assert chosen_embedding(survey) is None
    assert load_embedding(survey).encoder == "pca"
    path.write_text(json.dumps({**said, "run_id": "deleted"}))
    assert load_embedding(survey).encoder == "pca"


def test_embeddings_of_older_versions_of_the_program_still_load(survey, monkeypatch):
    monkeypatch.setattr("core.representation.encoder.DEFAULT_ENCODER", "pca")
    values = np.random.default_rng(0).normal(size=(COUNT, 4)).astype(np.float32)
    mask = np.arange(COUNT) > 2
    with RunFolder(survey, JobKind.EMBED, {"encoder": "pca"}) as run:
        np.save(run.path / "embedding.npy", values)
        np.save(run.path / "mask.npy", mask)
        run.result["dimensions"] = 4
    embedding = load_embedding(survey)
    assert embedding.values.dtype == np.float32
    assert np.array_equal(embedding.values, values)
    (record,) = finished_embeddings(survey)
    assert (record.precision, record.masked, record.dimensions) == ("float32", 3, 4)
    assert record.in_use


def test_a_scheduler_that_is_not_there_is_told_before_anything_else(survey, means, monkeypatch):
    def fit(*_):
        raise AssertionError("fitted before the scheduler was asked")

    monkeypatch.setattr(means, "fit", fit)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for address, said in (
        ("", "but is empty"),
        (" ", "but is empty"),
        (f"tcp://127.0.0.1:{port}", "There is no Dask scheduler at"),
        ("smoke://signal", "There is no Dask scheduler at"),
    ):
        with pytest.raises(BadInput, match=said):
            embed(survey, "means", dask=address)
    assert not (survey.folder / "checkpoints").exists()


def test_settings_that_are_not_allowed(survey):
    with pytest.raises(BadInput, match="float16 or float32"):
        embed(survey, "pca", precision="int8")
    with pytest.raises(BadInput, match="1 to 65,536 objects"):
        embed(survey, "pca", batch_size=0)


def test_consumers_compute_with_half_precision_as_with_single(survey):
    """What ranks, maps and finds neighbours gives the same from the float16 array."""
    from core.discovery import Engine
    from core.mapping import NeighbourIndex, pca_map

    rng = np.random.default_rng(1)
    half = (rng.normal(size=(400, 6)) * [300, 1, 1, 1, 1, 1]).astype(np.float16)
    single = half.astype(np.float32)
    mask = np.ones(400, bool)
    labels = {row: "a" if row % 3 else "b" for row in range(30)}
    ranked = [Engine(x, mask, ["a", "b"], "a").rerank(labels) for x in (half, single)]
    assert np.array_equal(ranked[0].scores, ranked[1].scores)
    assert [p.row for p in ranked[0].picks] == [p.row for p in ranked[1].picks]
    assert np.isfinite(ranked[0].scores).all()
    found = [NeighbourIndex(x, mask).query(np.arange(20), 5) for x in (half, single)]
    assert np.array_equal(found[0][0], found[1][0])
    assert found[0][1].dtype == np.float32
    assert np.array_equal(pca_map(half, mask), pca_map(single, mask))


def test_reading_ahead_keeps_the_order_and_hands_on_errors():
    threads = []

    def read(item):
        threads.append(item)
        if item == 5:
            raise OSError("gone")
        return item * item

    got = []

    def take():
        for item, value in read_ahead(read, range(9)):
            got.append((item, value))
            assert len(threads) <= item + 2  # no more than that is in memory

    with pytest.raises(OSError, match="gone"):
        take()
    assert got == [(n, n * n) for n in range(5)]
