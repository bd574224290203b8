"""Starts further processes on this machine that train with this one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

import torch

from core.errors import BadInput
from core.representation.device import best_device
from core.representation.training.team import launched

WAIT_SECONDS = 20.0
"""For the others to end by themselves when this process is done."""


@contextlib.contextmanager
def with_others(count: int, command: Sequence[str]) -> Iterator[None]:
    """Run the body as the first of `count` processes; the others run `command`.

    Within the body the environment is that which `accelerate launch` and `torchrun` make: who
    joins by it (`Team.join`) meets the others. Each process gets its part of the cores, or a GPU
    of its own.

    Parameters
    ----------
    command
        Arguments of this Python.
    """
    if count == 1:
        yield
        return
    if launched() > 1:
        raise BadInput(
            f"A launcher started {launched()} processes already, and --processes {count} would"
            " start more of each; leave it out."
        )
    cores = os.cpu_count() or 1
    most = torch.cuda.device_count() if best_device().type == "cuda" else cores
    if not 1 <= count <= most:
        each = "GPUs" if best_device().type == "cuda" else "processor cores"
        raise BadInput(f"--processes is 1 to {most} (the {each} here), but is {count}; change it.")
    threads = max(1, cores // count)
    shared = {
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": str(threads),
    }
    before, threads_before = dict(os.environ), torch.get_num_threads()
    others = [
        subprocess.Popen(
            [sys.executable, *command],
            env={**before, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for rank in range(1, count)
    ]
    os.environ.update(shared, RANK="0", LOCAL_RANK="0")
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        for name in (*shared, "RANK", "LOCAL_RANK"):
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)
        for other in others:
            try:
                other.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                other.kill()
                other.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
