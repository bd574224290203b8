"""One batch over several processes: values gathered with their gradient."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def processes() -> int:
    """How many processes train together; 1 where none but this one does."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def gathered(x: Tensor) -> Tensor:
    """(B, ...) of each process -> (all B, ...) in order of the processes, on each.

    The gradient of what every process makes of the whole is summed over the processes and goes
    back to where the part came from.
    """
    if processes() == 1:
        return x
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(x.contiguous()), dim=0)
