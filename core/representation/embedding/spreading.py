"""Blocks of rows encoded by the workers of a Dask cluster."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, NotReady
from core.representation.embedding.encoding import Encoded, encoded
from core.representation.encoder import ENCODERS, reads, seen_rows
from core.survey import Survey
from core.workspace import Workspace

LOCAL = "local"
"""A cluster of this machine's cores, one process each."""

BATCHES = 8
"""Batches in a block: what a worker is given at a time."""

AHEAD = 2
"""Blocks in hand a worker: one at work, one waiting."""


ANSWER_S = 8
"""Seconds within which a scheduler must answer."""


class Job(NamedTuple):
    """What a worker has to know: it opens the survey and the saved encoder by their paths."""

    workspace: str
    survey: str
    version: int
    encoder: str
    folder: str
    settings: str
    batch_size: int


def spread(
    job: Job, survey: Survey, start: int, scheduler: str, batch_size: int
) -> Iterator[Encoded]:
    """The rows from `start` on, in order, encoded by the workers at `scheduler`.

    Parameters
    ----------
    scheduler
        Address ("tcp://host:8786") of a scheduler whose workers see the same paths and have the
        same Skysift; or "local".

    Raises
    ------
    BadInput
        The scheduler cannot be reached.
    NotReady
        It has no workers, it went away, or a block ended its workers.
    """
    from distributed.scheduler import KilledWorker

    step = BATCHES * batch_size
    blocks = iter(
        (first, min(first + step, len(survey))) for first in range(start, len(survey), step)
    )
    waiting: deque[Any] = deque()
    with _client(scheduler) as client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise NotReady(
                f"The Dask scheduler at {scheduler} has no workers yet; start some with `dask"
                f" worker {scheduler}` and run the same command again."
            )
        while True:
            while len(waiting) < AHEAD * threads:
                block = next(blocks, None)
                if block is None:
                    break
                waiting.append(client.submit(encode_block, job, *block, pure=False))
            if not waiting:
                return
            try:
                found: list[Encoded] = waiting.popleft().result()
            except KilledWorker:
                raise NotReady(
                    "A block of rows ended the Dask workers that encoded it, for want of memory"
                    " most likely; give them more, or a smaller --batch-size."
                ) from None
            yield from found


def encode_block(job: Job, start: int, stop: int) -> list[Encoded]:
    """On a worker: the rows of one block."""
    model, survey, mask = _opened(job)
    return list(encoded(model, survey, mask, start, stop, job.batch_size))


@lru_cache(maxsize=1)
def _opened(job: Job) -> tuple[Any, Survey, NDArray[np.bool_]]:
    import json

    import core.representation  # noqa: F401 (registers the encoders)

    survey = Survey.open(Workspace(Path(job.workspace)), job.survey, job.version)
    model = ENCODERS[job.encoder].load(Path(job.folder), json.loads(job.settings))
    return model, survey, seen_rows(survey, reads(model))


def check_scheduler(scheduler: str) -> None:
    """Refuse an address at which no scheduler answers, before any other work.

    Raises
    ------
    BadInput
        The scheduler cannot be reached, or it is no address.
    """
    if not scheduler.strip():
        raise BadInput(
            "--dask is a scheduler's address (tcp://host:8786) or local, but is empty; name one,"
            " or leave --dask out."
        )
    if scheduler == LOCAL:
        return
    from distributed.comm.addressing import parse_address, parse_host_port

    try:
        scheme, where = parse_address(scheduler)
        if scheme in ("tcp", "tls"):
            # Dask itself asks again and again until its time is up, and takes as long to give up.
            socket.create_connection(parse_host_port(where), timeout=ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise _no_scheduler(scheduler, error) from None
    with _client(scheduler):
        pass


def _no_scheduler(scheduler: str, error: Exception) -> BadInput:
    why = getattr(error, "strerror", None) or str(error)
    return BadInput(
        f"There is no Dask scheduler at {scheduler!r} ({str(why)[:120]}); start one with"
        " `dask scheduler`, name `local` for this machine's cores, or leave --dask out."
    )


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    import distributed
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    if scheduler == LOCAL:
        cluster = distributed.LocalCluster(
            threads_per_worker=1, dashboard_address=None, set_as_default=False
        )
    else:
        cluster = None
    try:
        client = distributed.Client(cluster or scheduler, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError, TypeError, MemoryError) as error:
        # Memory: another kind of server answers, and its words are taken for lengths.
        raise _no_scheduler(scheduler, error) from None
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
        if cluster is not None:
            cluster.close(timeout=5)
