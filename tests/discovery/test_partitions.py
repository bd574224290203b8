"""A large survey's first pass on the workers of a Dask cluster, beside that of one machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster

from core.config import LoopConfig
from core.discovery import Engine, imitation, partitions, prepare, shortlist, wide
from core.discovery.outside import Outside
from core.errors import BadInput, NotReady

N, D = 6_000, 14
KINDS = ("rare", "common", "dust")
CONFIG = LoopConfig(learner="kernel", control_share=0.1, queue_length=60)


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch):
    """Six thousand rows are a large survey here, of three parts."""
    monkeypatch.setattr(wide, "FULL_ROWS", 1_000)
    for name, value in (("FULL_ROWS", 1_000), ("LISTED", 400), ("MOST_LISTED", 1_500)):
        monkeypatch.setattr(shortlist, name, value)
    for name in ("FITTED_TO", "CHECKED"):
        monkeypatch.setattr(shortlist, name, 600)
    monkeypatch.setattr(imitation, "_CHUNK", 256)
    monkeypatch.setattr(prepare, "CHUNK", 1_024)
    monkeypatch.setattr(partitions, "CHUNK", 1_024)
    monkeypatch.setattr(partitions, "PART_ROWS", 2_048)
    monkeypatch.setattr(partitions, "ANSWER_S", 30)


@pytest.fixture
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as opened:
        yield opened


@pytest.fixture
def client(cluster):
    with Client(cluster, set_as_default=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """(path of a float16 embedding with gaps, mask, labels)."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, D))
    kind = np.ones(N, int)
    kind[:50], kind[50:400] = 0, 2
    values[:50, [5, 9, 13]] += 2.5
    values[50:400, 11] -= 3
    values[700, 2] = np.nan
    mask = rng.random(N) > 0.01
    path = tmp_path_factory.mktemp("embedding") / "embedding.npy"
    np.save(path, values.astype(np.float16))
    rows = np.concatenate(
        [rng.choice(np.flatnonzero(kind == k), 12 + 20 * (k == 1)) for k in range(3)]
    )
    return path, mask, {int(row): KINDS[kind[row]] for row in rows}


def engine(stored, **changes):
    values = np.load(stored[0], mmap_mode="r")
    return Engine(values, stored[1], KINDS, "rare", replace(CONFIG, **changes))


def pictures():
    """Seventy of objects that were known before."""
    values = np.random.default_rng(1).normal(size=(70, D)) + 2
    return Outside(values, ("rare",) * 30 + ("common",) * 40)


def assert_same(there: Any, here: Any, workers: str) -> None:
    assert there.picks == here.picks
    assert np.array_equal(there.scores, here.scores)
    assert np.array_equal(there.class_probabilities, here.class_probabilities)
    others = "a simpler model all the others"
    assert others in here.state
    assert there.state == here.state.replace(others, f"{others} on {workers}")


@pytest.fixture
def columns(monkeypatch):
    """The own columns that the workers were asked for, a list a pass, filled as they are."""
    found: list[list[int]] = []
    plain = partitions.Partitions.regressed

    def regressed(self, simple):
        found.append(simple.columns.tolist())
        return plain(self, simple)

    monkeypatch.setattr(partitions.Partitions, "regressed", regressed)
    return found


@pytest.mark.parametrize("learner", ["kernel", "broad"])
def test_the_queue_of_two_workers_is_that_of_one_machine(client, stored, learner, columns):
    one = engine(stored, learner=learner)
    parted = one.with_partitions(client)
    here, there = one.rerank(stored[2]), parted.rerank(stored[2])
    assert there.told is not None
    assert there.told.n_workers == 2
    assert_same(there, here, "2 Dask workers")
    if learner == "broad":  # a column's place among them is not that in the file
        assert 0 < len(columns[0]) < D
        assert columns[0] != list(range(len(columns[0])))
    else:
        assert columns == [[]]

    # What follows from the engine keeps them; known pictures stand below the survey's rows.
    known = pictures()
    here = one.with_outside(known).with_task(KINDS, "rare", ("dust",)).rerank(stored[2])
    there = parted.with_outside(known).with_task(KINDS, "rare", ("dust",)).rerank(stored[2])
    assert_same(there, here, "2 Dask workers")


def test_a_worker_s_rows_are_those_of_the_machine_that_asks(stored):
    values = np.load(stored[0], mmap_mode="r")
    rows = prepare.Standardised(values, stored[1])
    expected = prepare.whiten(np.asarray(rows), rows.unseen)
    there = partitions.Stored(str(stored[0]), (N, D), "<f2")
    step = prepare.chunks(N)[0].stop
    for start in range(0, N, 2_048):
        part = slice(start, min(start + 2_048, N))
        found = partitions.whitened_part(there, part, step, stored[1][part], rows.whitening)
        assert found.white.dtype == np.float32
        assert np.allclose(found.white, expected[part], atol=1e-4)


def test_a_worker_that_is_lost_is_replaced_and_without_any_this_machine_goes_on(
    cluster, client, stored
):
    one = engine(stored)
    parted = one.with_partitions(client)
    here = one.rerank(stored[2])
    parted.rerank(stored[2])
    first, second = list(cluster.workers.values())
    cluster.sync(first.close)
    assert_same(parted.rerank(stored[2]), here, "1 Dask worker")

    cluster.sync(second.close)
    alone = parted.rerank(stored[2])
    assert alone.picks == here.picks
    lost = " The Dask workers are lost (none is left), and this machine does without them; start"
    assert alone.state.startswith(here.state + lost)
    assert parted.rerank(stored[2]).state == alone.state


def test_a_file_out_of_reach_is_told_and_asked_for_again(client, stored, monkeypatch):
    one = engine(stored, learner="broad")
    here = one.rerank(stored[2])

    def gone(_):
        raise partitions.Unread("Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(partitions, "can_open", lambda _: "")
        patched.setattr(partitions, "opened", gone)  # before the workers have their rows
        parted = one.with_partitions(client)
        alone = parted.rerank(stored[2])
    told = " The Dask workers could not read the embedding (Stale file handle), and this machine"
    assert alone.picks == here.picks
    assert alone.state.startswith(here.state + told)
    assert_same(parted.rerank(stored[2]), here, "2 Dask workers")

    monkeypatch.setattr(partitions, "opened", gone)
    assert parted.rerank(stored[2]).state == alone.state
    # A simple model that sees no own column asks for no file.
    seeing_none = one.with_config(CONFIG).rerank(stored[2])
    assert_same(parted.with_config(CONFIG).rerank(stored[2]), seeing_none, "2 Dask workers")


def test_a_scheduler_that_does_not_answer_in_time_is_told(client, stored, monkeypatch):
    one = engine(stored)
    parted = one.with_partitions(client)
    monkeypatch.setattr(partitions, "ANSWER_S", 0)
    ranking = parted.rerank(stored[2])
    assert "are lost (no answer for 0 s), and this machine does" in ranking.state
    assert ranking.picks == one.rerank(stored[2]).picks


def test_that_workers_have_nothing_to_do_is_told(client, stored, monkeypatch):
    parted = engine(stored).with_partitions(client)
    assert "Dask" not in parted.rerank({}).state  # nothing is taught yet
    middle = parted.with_config(replace(CONFIG, sampler="margin")).rerank(stored[2])
    assert "nothing to do: with this sampler or learner every object has" in middle.state
    monkeypatch.setattr(shortlist, "FULL_ROWS", N)
    small = engine(stored).with_partitions(client).rerank(stored[2])
    assert "nothing to do: up to 6,000 objects the learner scores them all" in small.state
    # With known pictures the rows are more than the survey's, which two passes go over.
    known = engine(stored).with_outside(pictures()).with_partitions(client).rerank(stored[2])
    assert known.told is not None
    assert "nothing to do: up to 6,000 objects are not shared out." in known.state


def test_an_embedding_that_workers_cannot_open_is_refused(client, stored, tmp_path):
    values = np.load(stored[0])
    in_memory = Engine(values, stored[1], KINDS, "rare", CONFIG)
    with pytest.raises(BadInput, match=r"this one is in memory alone; embed the survey, or leave"):
        in_memory.with_partitions(client)

    path = tmp_path / "embedding.npy"
    np.save(path, values)
    moved = Engine(np.load(path, mmap_mode="r"), stored[1], KINDS, "rare", CONFIG)
    path.unlink()
    with pytest.raises(BadInput, match=r"cannot open the embedding at .* \(No such file"):
        moved.with_partitions(client)
    np.save(path, values[1:])
    with pytest.raises(BadInput, match=r"\(5999, 14\) <f2 where \(6000, 14\) <f2 is asked"):
        moved.with_partitions(client)


def test_a_scheduler_without_workers_is_refused(cluster, client, stored):
    for worker in list(cluster.workers.values()):
        cluster.sync(worker.close)
    with pytest.raises(NotReady, match=r"has no workers yet; start some with `dask worker inproc"):
        engine(stored).with_partitions(client)


def test_a_client_without_the_program_is_told(stored, monkeypatch):
    class Elsewhere:
        class scheduler:
            address = "tcp://far:1"

        def nthreads(self):
            return {"tcp://far:2": 1}

        def run(self, *_, **__):
            raise ModuleNotFoundError("No module named 'core'")

    with pytest.raises(BadInput, match=r"at tcp://far:1 cannot open .*No module named 'core'\)"):
        engine(stored).with_partitions(Elsewhere())
