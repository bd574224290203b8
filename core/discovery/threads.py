"""Both cores for one pass over a survey, one for work on a few hundred answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits

MOST_THREADS = 8


def one_blas_thread() -> threadpool_limits:
    """A context in which linear algebra starts no threads of its own.

    On a few hundred rows they cost more than they give, and beside other work they wait for one
    another: a logistic fit took twenty times as long, whitening in pieces ninety times.
    """
    return threadpool_limits(1)


def available_cores() -> int:
    """Processor cores that this process may use; all of them where no system call tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(call: Callable[[slice], None], parts: Sequence[slice]) -> None:
    """`call(part)` for every part, on the cores that this process may use.

    numpy and scikit-learn let other threads work meanwhile; each call writes its own part of an
    array, so that the order in which they end leaves no trace.
    """
    n = min(MOST_THREADS, len(parts), available_cores())
    if n < 2:
        for part in parts:
            call(part)
        return
    with one_blas_thread(), ThreadPoolExecutor(n) as threads:
        for _ in threads.map(call, parts):
            pass
