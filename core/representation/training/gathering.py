"""One batch over several processes: values gathered with their gradient.

The convention, which every method may count on: each process takes its loss of its part of the
batch, terms over the batch of what `gathered` gives; the gradients are then averaged over the
processes. A term taken over the gathered batch is the same on each process and its gradient, which
`gathered` sums over the processes, comes out of the average as that of one process with the whole
batch; so does the gradient of a mean over a process's own part. Neither needs a factor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


def processes() -> int:
    """How many processes train together; 1 where none but this one does."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def gathered(x: Tensor) -> Tensor:
    """(B, ...) of each process -> (all B, ...) in order of the processes, on each.

    B must be the same on each. The gradient of what every process makes of the whole is summed
    over the processes and goes back to where the part came from.
    """
    if processes() == 1:
        return x
    out: Tensor = _Gather.apply(x)
    return out


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.length = len(x)
        own = x.contiguous()
        parts = [torch.empty_like(own) for _ in range(processes())]
        distributed.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].contiguous().clone()
        distributed.all_reduce(whole)
        start = distributed.get_rank() * ctx.length
        return whole[start : start + ctx.length]
