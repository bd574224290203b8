"""Random numbers of one augmentation for a batch of objects, or for a process's part of one."""

from __future__ import annotations

from zlib import crc32

import torch
from torch import Tensor

_BANK = 1 << 18
"""Normal numbers drawn at once for noise, in which each object has a window of its own."""


class Chances:
    """What one augmentation draws for objects `first` to `first + count` of a batch.

    Every number is drawn for the whole batch and the part is taken from it, so that an object
    sees the same whichever process has it. Each augmentation has a stream of its own: leaving
    one out changes no draw of another.

    Parameters
    ----------
    seed
        Of the whole view.
    name
        Of the augmentation.
    batch
        Objects of all processes together.
    """

    def __init__(self, seed: int, name: str, count: int, first: int, batch: int) -> None:
        self.generator = torch.Generator().manual_seed(seed ^ crc32(name.encode()))
        self.count = count
        self._part = slice(first, first + count)
        self._batch = batch

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """(count, *shape) on the CPU, evenly in [low, high)."""
        drawn = torch.rand(self._batch, *shape, generator=self.generator)
        return drawn[self._part] * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """(count, *shape) on the CPU, standard normal."""
        return torch.randn(self._batch, *shape, generator=self.generator)[self._part]

    def integers(self, below: int, *shape: int) -> Tensor:
        """(count, *shape) on the CPU, 0 to `below` - 1."""
        return torch.randint(below, (self._batch, *shape), generator=self.generator)[self._part]

    def chosen(self, probability: float) -> Tensor:
        """(count,) bool on the CPU: which objects this happens to."""
        return self.uniform(0, 1) < probability

    def pixels(self, *shape: int, device: torch.device) -> Tensor:
        """(count, *shape) standard normal, white within an object.

        Windows of one bank of numbers: two objects may share numbers at other places, and in
        return all of a batch's noise takes a tenth of the time, on the device.
        """
        length = int(torch.Size(shape).numel())
        bank = torch.randn(max(_BANK, 4 * length), generator=self.generator)
        start = self.integers(len(bank) - length + 1)
        windows = bank.to(device).unfold(0, length, 1)[start.to(device)]
        return windows.reshape(self.count, *shape)
