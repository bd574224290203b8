"""Which device and number format the network runs in here."""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path

import torch


@cache
def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def bf16_is_native() -> bool:
    """Whether the processor multiplies bf16 itself; emulated bf16 is slower than float32."""
    if best_device().type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def autocast(enabled: bool | None = None) -> contextlib.AbstractContextManager[object]:
    """bf16 arithmetic where it is native (or as told), float32 elsewhere."""
    use = bf16_is_native() if enabled is None else enabled
    return torch.autocast(best_device().type, dtype=torch.bfloat16, enabled=use)


def full_precision(x: torch.Tensor) -> contextlib.AbstractContextManager[object]:
    """float32 arithmetic on the device of `x` whatever `autocast` says outside: for losses, whose
    sums and differences bf16 would round away."""
    return torch.autocast(x.device.type, enabled=False)
