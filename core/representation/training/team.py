"""The processes that train together: which one this is, and what they tell each other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from core.errors import BadInput
from core.representation.device import best_device
from core.representation.training.gathering import processes

# Of torchrun and accelerate; MPICH and Intel MPI; Open MPI; MVAPICH.
_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


@dataclass(frozen=True)
class Team:
    """Process `rank` of `size`. The first is the main one, which alone writes and decides."""

    rank: int = 0
    size: int = 1

    @classmethod
    def present(cls) -> Team:
        """Those whom this process is joined with; itself alone where with none."""
        size = processes()
        return cls(distributed.get_rank() if size > 1 else 0, size)

    @classmethod
    def join(cls) -> Team:
        """Join the processes that a launcher started (`accelerate launch`, `torchrun`, `mpirun`,
        or this program itself by `--processes`); alone where none did.

        Accelerate reads from the environment who belongs to it, and gives each process its GPU.

        Raises
        ------
        BadInput
            They do not come together: with GPUs that is where `mpirun` started them.
        """
        if launched() > 1:
            from accelerate import PartialState  # type: ignore[import-untyped]

            PartialState(cpu=best_device().type == "cpu")
            if processes() != launched():
                raise BadInput(
                    f"A launcher started {launched()} processes, but they did not come together;"
                    " start them by --processes N or by `torchrun`."
                )
        return cls.present()

    def leave(self) -> None:
        """End the connection with the others."""
        if self.size > 1:
            from accelerate import PartialState

            distributed.destroy_process_group()
            PartialState._reset_state()  # what this process joins later is another team

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def share_of(self, count: int) -> slice:
        """This process's part of `count` things, which must divide evenly."""
        part = count // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def mean(self, values: Tensor) -> Tensor:
        """(K,) mean over the processes, on each."""
        if self.size > 1:
            values = values.clone()
            distributed.all_reduce(values)
            values /= self.size
        return values

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Give every process the mean of the gradients (see `gathering`), in one message."""
        if self.size == 1:
            return
        gradients = [one.grad for one in parameters if one.grad is not None]
        flat = self.mean(torch.cat([one.reshape(-1) for one in gradients]))
        for one, mean in zip(
            gradients, flat.split([one.numel() for one in gradients]), strict=True
        ):
            one.copy_(mean.view(one.shape))

    def told(self, value: Any = None) -> Any:
        """What the main process says (anything JSON can hold), on each."""
        if self.size == 1:
            return value
        device = best_device()
        said = json.dumps(value).encode() if self.is_main else b""
        length = torch.tensor([len(said)], device=device)
        distributed.broadcast(length, 0)
        text = torch.zeros(int(length), dtype=torch.uint8, device=device)
        if self.is_main:
            text.copy_(torch.frombuffer(bytearray(said), dtype=torch.uint8))
        distributed.broadcast(text, 0)
        return json.loads(bytes(text.cpu().numpy()))


def checked_batch(batch: int, count: int, team: Team) -> int:
    """Objects a step that the team can share evenly: `batch` or a few less, of `count` in all."""
    if batch < 4:
        raise BadInput(
            f"Pretraining needs at least 4 pictures, but the survey has {count}; import more or"
            " use the shipped weights (`embed` without pretraining)."
        )
    if team.size == 1:
        return batch
    if batch < 2 * team.size:
        raise BadInput(
            f"{team.size} processes need a batch of {2 * team.size} objects or more, but it has"
            f" {batch}; use fewer processes."
        )
    return batch // team.size * team.size


def connection_broke(error: BaseException) -> bool:
    """Whether an error says that another process of the team is lost."""
    words = ("gloo", "NCCL", "Connection closed by peer", "Connection reset", "Broken pipe")
    if type(error).__name__.startswith("Dist"):  # of torch.distributed, where it is built in
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def launched() -> int:
    """How many processes a launcher started for this work; 1 where none did."""
    return max(1, _in_environment(_SIZES))


def launched_rank() -> int:
    """Which of them this one is."""
    return _in_environment(_RANKS)


def check_launcher() -> None:
    """Refuse to be the only one of several processes that `accelerate launch` was asked for.

    Without GPUs it starts one, unless it is given --multi_gpu (which then means cores) or a list
    of hosts for MPI, and tells neither its user nor that one.

    Raises
    ------
    BadInput
        It was asked for several.
    """
    by_accelerate = "ACCELERATE_MIXED_PRECISION" in os.environ
    # It names a meeting place where there is somebody to meet.
    alone = not any(name in os.environ for name in _SIZES)
    if by_accelerate and "MASTER_PORT" in os.environ and alone:
        raise BadInput(
            "`accelerate launch` was asked for several processes and started this one alone, as it"
            " does without GPUs; leave it out and say --processes N, or give it --multi_gpu"
            " without --cpu, which starts them on cores as well."
        )


def _in_environment(names: Sequence[str]) -> int:
    return next((int(os.environ[name]) for name in names if os.environ.get(name)), 0)
