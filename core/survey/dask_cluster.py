"""Work given to the workers of a Dask cluster, in order, with a sentence for what may go wrong."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from core.errors import BadInput, NotReady

AHEAD = 2
"""Jobs in hand a worker: one at work, one waiting."""

ANSWER_S = 8
"""Seconds within which a scheduler must answer."""

Job = TypeVar("Job")


@contextmanager
def dask_client(scheduler: Any, instead: str) -> Iterator[Any]:
    """A client of the scheduler at an address ("tcp://host:8786"), or of a `LocalCluster`.

    Parameters
    ----------
    instead
        What may be done where there is none, as an error's sentence ends.

    Raises
    ------
    BadInput
        The scheduler cannot be reached.
    NotReady
        It went away while the body was at work.
    """
    import distributed
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    try:
        client = distributed.Client(scheduler, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError, TypeError, MemoryError) as error:
        # Memory: another kind of server answers, and its words are taken for lengths.
        raise _no_scheduler(scheduler, instead, error) from None
    try:
        yield client
    except (FutureCancelledError, CommClosedError, TimeoutError) as error:
        raise NotReady(
            f"The Dask scheduler at {scheduler} went away ({type(error).__name__}); when it is"
            " back, the same command goes on where it was."
        ) from None
    finally:
        with suppress(Exception):  # a scheduler that is gone cannot be said goodbye to
            client.close(timeout=2)


def check_scheduler(scheduler: str, instead: str) -> None:
    """Refuse an address at which no scheduler answers, sooner than Dask itself does.

    Raises
    ------
    BadInput
        The scheduler cannot be reached, or it is no address.
    """
    from distributed.comm.addressing import parse_address, parse_host_port

    try:
        scheme, where = parse_address(scheduler)
        if scheme in ("tcp", "tls"):
            # Dask itself asks again and again until its time is up, and takes as long to give up.
            socket.create_connection(parse_host_port(where), timeout=ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise _no_scheduler(scheduler, instead, error) from None
    with dask_client(scheduler, instead):
        pass


def submitted(
    client: Any, scheduler: Any, jobs: Iterable[Job], submit: Callable[[Job], Any]
) -> Iterator[tuple[Job, Any]]:
    """Each job with its future, in the order of the jobs, a bounded number in hand.

    Raises
    ------
    NotReady
        The scheduler has no workers.
    """
    threads = sum(client.nthreads().values())
    if not threads:
        raise NotReady(
            f"The Dask scheduler at {scheduler} has no workers yet; start some with `dask"
            f" worker {scheduler}` and run the same command again."
        )
    waiting: deque[tuple[Job, Any]] = deque()
    for job in jobs:
        if len(waiting) >= AHEAD * threads:
            yield waiting.popleft()
        waiting.append((job, submit(job)))
    yield from waiting


def _no_scheduler(scheduler: Any, instead: str, error: Exception) -> BadInput:
    why = getattr(error, "strerror", None) or str(error)
    return BadInput(
        f"There is no Dask scheduler at {scheduler!r} ({str(why)[:120]}); start one with"
        f" `dask scheduler`, {instead}."
    )
