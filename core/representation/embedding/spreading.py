"""Blocks of rows encoded by the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, NotReady
from core.representation.embedding.encoding import Encoded, encoded
from core.representation.encoder import ENCODERS, reads, seen_rows
from core.survey import Survey, dask_cluster
from core.survey.dask_cluster import dask_client, submitted
from core.workspace import Workspace

LOCAL = "local"
"""A cluster of this machine's cores, one process each."""

BATCHES = 8
"""Batches in a block: what a worker is given at a time."""

_INSTEAD = "name `local` for this machine's cores, or leave --dask out"


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
    with dask_workers(scheduler) as client:
        futures = submitted(
            client,
            scheduler,
            blocks,
            lambda block: client.submit(encode_block, job, *block, pure=False),
        )
        for _block, future in futures:
            try:
                found: list[Encoded] = future.result()
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
    if scheduler != LOCAL:
        dask_cluster.check_scheduler(scheduler, _INSTEAD)


@contextmanager
def dask_workers(scheduler: str) -> Iterator[Any]:
    """A `distributed.Client` of the scheduler at an address, or of this machine's cores ("local").

    Raises
    ------
    BadInput
        The scheduler cannot be reached.
    NotReady
        It went away, or this machine's workers did not start.
    """
    if scheduler != LOCAL:
        with dask_client(scheduler, _INSTEAD) as client:
            yield client
        return
    import distributed

    try:
        cluster = distributed.LocalCluster(threads_per_worker=1, dashboard_address=None)
    except (RuntimeError, OSError, TimeoutError) as error:
        raise NotReady(
            f"The Dask workers of this machine did not start ({str(error)[:120]}); leave --dask"
            " out."
        ) from None
    try:
        with dask_client(cluster, _INSTEAD) as client:
            yield client
    finally:
        cluster.close(timeout=5)
