"""Jobs given to a Dask cluster: their order, how many are in hand, and what may go wrong."""

from __future__ import annotations

import socket
from functools import partial

import pytest

from core.errors import BadInput, NotReady
from core.representation.embedding import spreading
from core.survey.dask_cluster import AHEAD, check_scheduler, dask_client, submitted

INSTEAD = "or do without"


class Workers:
    """Stands for a client whose workers have so many threads."""

    def __init__(self, *threads: int) -> None:
        self.threads = threads

    def nthreads(self) -> dict[str, int]:
        return {f"tcp://{number}": threads for number, threads in enumerate(self.threads)}


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 40])
def test_jobs_come_back_in_order_a_bounded_number_in_hand(count):
    given: list[int] = []
    seen = []

    def submit(one):
        given.append(one)
        return -one

    for job, future in submitted(Workers(2, 1), "tcp://here:1", range(count), submit):
        seen.append(job)
        assert future == -job
        assert len(given) - len(seen) < 3 * AHEAD
        assert len(given) >= min(count, len(seen) + 3 * AHEAD - 1)
    assert seen == list(range(count))


def test_a_scheduler_without_workers_is_told():
    with pytest.raises(NotReady, match=r"at tcp://here:1 has no workers yet; start some with"):
        next(submitted(Workers(), "tcp://here:1", [1], id))


def test_where_no_scheduler_answers_it_is_told_with_what_else_to_do(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for address in (f"tcp://127.0.0.1:{port}", "smoke://signal"):
        with pytest.raises(BadInput, match=r"`dask scheduler`, or do without\.$"):
            check_scheduler(address, INSTEAD)
    with pytest.raises(BadInput, match=r"name `local` for this machine's cores, or leave --dask"):
        spreading.check_scheduler(f"tcp://127.0.0.1:{port}")


def test_a_scheduler_that_goes_away_is_told(monkeypatch):
    from distributed.comm import CommClosedError

    closed = []

    class Client:
        def __init__(self, scheduler, **_):
            assert scheduler == "tcp://here:1"

        def close(self, timeout):
            closed.append(timeout)
            raise OSError("gone")

    monkeypatch.setattr("distributed.Client", Client)
    with (
        pytest.raises(NotReady, match=r"tcp://here:1 went away \(CommClosedError\); when it is"),
        dask_client("tcp://here:1", INSTEAD),
    ):
        raise CommClosedError("x")
    assert closed == [2]


def test_this_machines_cores_are_a_cluster_as_well(monkeypatch):
    import distributed

    here = partial(distributed.LocalCluster, n_workers=1, processes=False)
    monkeypatch.setattr("distributed.LocalCluster", here)
    with spreading.dask_workers("local") as client:
        found = [
            future.result()
            for _, future in submitted(
                client, "local", [1, 2, 3], lambda n: client.submit(abs, -n)
            )
        ]
    assert found == [1, 2, 3]
    assert client.status == "closed"


def test_workers_of_this_machine_that_do_not_start_are_told(monkeypatch):
    def fails(**_):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", fails)
    with (
        pytest.raises(NotReady, match=r"did not start \(Nanny failed to start\.\); leave --dask"),
        spreading.dask_workers("local"),
    ):
        pass
