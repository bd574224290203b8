"""Arrays into safetensors files, with the operating system's own errors when the disk is full."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import numpy as of_numpy
from safetensors import torch as of_torch


def write_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write numpy arrays.

    safetensors writes the memory as it lies, so that an array in Fortran order would come back
    scrambled; and its own writer raises an error that is no OSError when the disk is full.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    path.write_bytes(of_numpy.save(whole))


def write_tensors(
    tensors: Mapping[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None
) -> None:
    """Write torch tensors, with text beside them."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.write_bytes(of_torch.save(whole, metadata))
