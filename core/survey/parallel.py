"""Work on many units at once, in order: in this process, in others, or over a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import lru_cache
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

from core.errors import SkysiftError
from core.survey.batch import Batch, Reject
from core.survey.dask_cluster import AHEAD, dask_client, submitted
from core.survey.readers import Reader, Unit

CRASHED = "crashed the program that reads it"


def available_cores() -> int:
    """Processor cores that this process may use."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


def read_unit(reader: bytes, unit: Unit) -> list[Batch]:
    """The batches of one unit; what the reader cannot cope with becomes rejects.

    `reader` is the pickled reader, kept open between units.
    """
    return read_safely(_unpickled(reader), unit)


def read_safely(reader: Reader, unit: Unit) -> list[Batch]:
    """The batches of one unit, whatever its bytes do to the reader.

    Raises
    ------
    SkysiftError
        What the reader says of the whole source.
    """
    try:
        batches = list(reader.read(unit))
        n = sum(batch.n_entries for batch in batches)
        if n != unit.n_entries:
            raise _Uneven(f"{n} objects and rejects came of {unit.n_entries} entries")
    except SkysiftError:
        raise
    except Exception as error:
        if isinstance(unit.what, list) and len(unit.what) == unit.n_entries > 1:
            return [
                batch
                for one in unit.what
                for batch in read_safely(reader, Unit(unit.index, 1, [one]))
            ]
        return [rejected(unit, f"cannot be read ({type(error).__name__}: {str(error)[:160]})")]
    return batches


class _Uneven(Exception):
    """A reader lost an entry or made one up."""


def rejected(unit: Unit, reason: str) -> Batch:
    """Every entry of a unit as a reject."""
    names = unit.what if isinstance(unit.what, list) else []
    told = [str(name)[:200] for name in names] if len(names) == unit.n_entries else []
    told = told or [f"entry {n + 1} of unit {unit.index + 1}" for n in range(unit.n_entries)]
    return Batch([], None, [], rejects=[Reject(name, reason) for name in told])


@lru_cache(maxsize=2)
def _unpickled(reader: bytes) -> Reader:
    opened: Reader = pickle.loads(reader)
    return opened


def in_order(
    reader: Reader, units: Iterable[Unit], *, workers: int, scheduler: str | None = None
) -> Iterator[tuple[Unit, list[Batch]]]:
    """Each unit with its batches, in the order of the units, a bounded number ahead.

    Parameters
    ----------
    reader
        Made in this process.
    workers
        Processes; 0 reads here.
    scheduler
        Address of a Dask scheduler ("tcp://host:8786"), whose workers see the same paths and
        have the same Skysift; instead of processes.

    Raises
    ------
    BadInput
        The scheduler cannot be reached.
    """
    if scheduler is not None and not reader.polite:
        yield from _over_dask(reader, units, scheduler)
    elif workers == 0 or reader.polite or type(reader).__module__ == "__main__":
        for unit in units:
            yield unit, read_safely(reader, unit)
    else:
        yield from _over_processes(reader, units, workers)


def _over_processes(
    reader: Reader, units: Iterable[Unit], workers: int
) -> Iterator[tuple[Unit, list[Batch]]]:
    packed = pickle.dumps(reader)
    waiting: deque[tuple[Unit, Future[list[Batch]]]] = deque()
    remaining = iter(units)
    pool = _pool(workers)
    try:
        while True:
            while len(waiting) < AHEAD * workers:
                unit = next(remaining, None)
                if unit is None:
                    break
                waiting.append((unit, _submit(pool, packed, unit)))
            if not waiting:
                return
            unit, future = waiting.popleft()
            try:
                found = future.result()
            except BrokenProcessPool:
                # A decoder took its process along. Which unit did it shows by reading those in
                # hand one after the other, each in a process of its own.
                pool.shutdown(wait=False, cancel_futures=True)
                suspects = [unit, *(other for other, _future in waiting)]
                waiting.clear()
                for suspect in suspects:
                    yield suspect, _read_alone(packed, suspect)
                pool = _pool(workers)
            else:
                yield unit, found
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, packed: bytes, unit: Unit) -> Future[list[Batch]]:
    with _nameless_main():  # processes are started as work comes
        try:
            return pool.submit(read_unit, packed, unit)
        except BrokenProcessPool as error:  # found out between two results
            failed: Future[list[Batch]] = Future()
            failed.set_exception(error)
            return failed


def _pool(workers: int) -> ProcessPoolExecutor:
    """Processes that read."""
    # Forked processes would take over locks that threads of this one hold.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.survey.parallel"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Keep new processes from running the main program once more, as they otherwise do: it may be
    a script without a guard, a notebook or a page."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _end_with_parent() -> None:
    """In a process that reads: end when the one that writes is gone, by kill -9 say.

    Nothing else would end it: it waits for work on a pipe of which its fellows hold the other end.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read_alone(packed: bytes, unit: Unit) -> list[Batch]:
    with _pool(1) as pool, suppress(BrokenProcessPool):
        return _submit(pool, packed, unit).result()
    if isinstance(unit.what, list) and len(unit.what) == unit.n_entries > 1:
        return [
            batch for one in unit.what for batch in _read_alone(packed, Unit(unit.index, 1, [one]))
        ]
    return [rejected(unit, CRASHED)]


def _over_dask(
    reader: Reader, units: Iterable[Unit], scheduler: str
) -> Iterator[tuple[Unit, list[Batch]]]:
    packed = pickle.dumps(reader)

    with dask_client(scheduler, "or leave --scheduler out") as client:
        futures = submitted(
            client,
            scheduler,
            units,
            lambda unit: client.submit(read_unit, packed, unit, pure=False),
        )
        for unit, future in futures:
            yield unit, _result_of(client, future, packed, unit)


def _result_of(client: Any, future: Any, packed: bytes, unit: Unit) -> list[Batch]:
    """What came of a unit; one that ends its workers is taken apart into its entries."""
    from distributed.scheduler import KilledWorker

    try:
        found: list[Batch] = future.result()
    except KilledWorker:
        if isinstance(unit.what, list) and len(unit.what) == unit.n_entries > 1:
            parts = [Unit(unit.index, 1, [one]) for one in unit.what]
            futures = [client.submit(read_unit, packed, part, pure=False) for part in parts]
            return [
                batch
                for part, one in zip(parts, futures, strict=True)
                for batch in _result_of(client, one, packed, part)
            ]
        return [rejected(unit, CRASHED)]
    return found
