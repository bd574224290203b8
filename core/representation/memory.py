"""Telling that memory ran out from any other error."""

from __future__ import annotations

import torch

_WORDS = ("out of memory", "not enough memory", "allocate memory", "defaultcpuallocator")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of the processor or the device.

    torch on a processor raises a plain RuntimeError.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _WORDS)
