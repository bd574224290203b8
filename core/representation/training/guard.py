"""What can go wrong in a step: a loss that runs away, memory that is not enough."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

import torch

REMEMBERED, LONG = 64, 25
"""Steps whose median a loss is held against, and steps after which being far above it is long."""

FAR = 20.0
"""Times the usual scatter (the median deviation, or a twentieth of the median if that is more)."""


class LossWatch:
    """Says when a loss diverges: it is no number, or long far above what it was."""

    def __init__(self, recent: list[float] | None = None, above: int = 0) -> None:
        self.recent = deque(recent or [], REMEMBERED)
        self.above = above

    def diverges(self, loss: float, gradient: float = 0.0) -> bool:
        """Take the loss of a step and the length of its gradient."""
        if not (math.isfinite(loss) and math.isfinite(gradient)):
            return True
        if len(self.recent) == REMEMBERED and loss > self._limit():
            self.above += 1
            return self.above >= LONG
        self.above = 0
        self.recent.append(loss)
        return False

    def _limit(self) -> float:
        middle = median(self.recent)
        scatter = median(abs(one - middle) for one in self.recent)
        return middle + FAR * max(scatter, 0.05 * abs(middle), 1e-6)

    def as_dict(self) -> dict[str, object]:
        return {"recent": list(self.recent), "above": self.above}


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is not enough."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = ("out of memory", "DefaultCPUAllocator", "not enough memory", "allocate memory")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
