"""Watching for a loss that runs away."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Any

REMEMBERED, FEWEST = 64, 8
"""Steps whose median a loss is held against, at most and at least."""

LONG = 25
"""Steps after which being far above the median is long."""

FAR, LAX = 20.0, 0.5
"""Times the usual scatter: the median deviation, or a twentieth of the median if that is more;
half of the median until all are remembered, since the first losses still find their level."""

FIRST, RUNAWAY, SHORT = 3, 100.0, 4
"""The first losses, of a network that hardly learnt: so many times their size for so many steps
is no level that a loss could find."""


class LossWatch:
    """Says when a loss diverges: it is no number, long far above what it was, or for a few steps
    beyond anything that it began with. A loss above a limit is not remembered.

    Attributes
    ----------
    runaway
        Steps in a row, the latest among them, that were beyond anything the loss began with.
    """

    def __init__(
        self,
        recent: Sequence[float] = (),
        above: int = 0,
        first: Sequence[float] = (),
        runaway: int = 0,
    ) -> None:
        self.recent = deque(recent, REMEMBERED)
        self.above = above
        self.first = list(first)
        self.runaway = runaway

    def diverges(self, loss: float, gradient: float = 0.0) -> bool:
        """Take the loss of a step and the length of its gradient."""
        if not (math.isfinite(loss) and math.isfinite(gradient)):
            return True
        gone = bool(self.first) and loss > RUNAWAY * max(median(map(abs, self.first)), 1e-6)
        self.runaway = self.runaway + 1 if gone else 0
        if gone or (len(self.recent) >= FEWEST and loss > self._limit()):
            self.above += 1
            return self.runaway >= SHORT or self.above >= LONG
        self.above = 0
        self.recent.append(loss)
        if len(self.first) < FIRST:
            self.first.append(loss)
        return False

    def _limit(self) -> float:
        middle = median(self.recent)
        scatter = median(abs(one - middle) for one in self.recent)
        share = 0.05 if len(self.recent) == REMEMBERED else LAX
        return middle + FAR * max(scatter, share * abs(middle), 1e-6)

    def as_dict(self) -> dict[str, Any]:
        return {
            "recent": list(self.recent),
            "above": self.above,
            "first": self.first,
            "runaway": self.runaway,
        }
