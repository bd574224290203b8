"""Starts further processes on this machine that train with this one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

import torch

from core.errors import BadInput
from core.representation.device import best_device
from core.representation.training.team import check_launcher, launched

WAIT_SECONDS = 20.0
"""For the others to end by themselves when this process is done."""


@dataclass(frozen=True)
class Others:
    """The further processes, and what each of them says on standard error."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    said: list[IO[bytes]] = field(default_factory=list)

    def last_words(self) -> str:
        """How one of them ended that ended badly; empty where none did."""
        for process, file in zip(self.processes, self.said, strict=True):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            if not process.returncode:
                continue
            if process.returncode < 0:
                return f"signal {-process.returncode} ended it"
            file.seek(0)
            lines = file.read().decode(errors="replace").split("\n")
            told = [one.removeprefix("skysift: ") for one in lines if one.startswith("skysift: ")]
            return told[-1].rstrip(".")[:400] if told else f"it ended with {process.returncode}"
        return ""


@contextlib.contextmanager
def with_others(count: int, command: Sequence[str]) -> Iterator[Others]:
    """Run the body as the first of `count` processes; the others run `command`.

    Within the body the environment is that which `accelerate launch` and `torchrun` make: who
    joins by it (`Team.join`) meets the others. Each process gets its part of the cores, or a GPU
    of its own. They take no part in what a terminal tells this one (Ctrl-C), and what they say is
    for `Others.last_words` alone: so everything is said once.

    Parameters
    ----------
    command
        Arguments of this Python.
    """
    if count == 1:
        check_launcher()
        yield Others()
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
    others = Others()
    for rank in range(1, count):
        others.said.append(tempfile.TemporaryFile())  # noqa: SIM115 (closed below)
        others.processes.append(
            subprocess.Popen(
                [sys.executable, *command],
                env={**before, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=others.said[-1],
                start_new_session=True,
            )
        )
    os.environ.update(shared, RANK="0", LOCAL_RANK="0")
    torch.set_num_threads(threads)
    try:
        yield others
    finally:
        torch.set_num_threads(threads_before)
        for name in (*shared, "RANK", "LOCAL_RANK"):
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)
        for other, said in zip(others.processes, others.said, strict=True):
            try:
                other.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                other.kill()
                other.wait()
            said.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
