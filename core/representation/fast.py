"""Faster ways to run a trained network, each held against plain float32 before it is used.

What is compared is what the embedding is for: of how many of an object's nearest neighbours the
fast way finds the same ones. Where too few are the same, float32 is used and it is said.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.metrics import neighbour_overlap
from core.representation.device import best_device, bf16_is_native
from core.representation.memory import out_of_memory
from core.representation.methods.method import Method

LEAST_OVERLAP = 0.99
"""Mean share of the ten nearest neighbours that must be the same."""

ALIKE = 0.5
"""Where less than this share of the neighbours is no chance between equals, nothing is shown by
finding the same ones."""

SAMPLE = 256
"""Objects on which the drift is measured; fewer where a survey has fewer."""

COMPILE_FROM = 1_000_000
"""Pictures from which on compiling, some 15 s, is less than what it saves."""

EXACT, FOLDED = "float32", "folded float32"
"""Plain; batch normalisation folded into the convolutions."""

BF16, MIXED, COMPILED = "folded bf16", "folded bf16, last third float32", "compiled bf16"
"""Folded and in bf16; but for the last layers, whose rounding nothing averages out any more;
all in bf16 and compiled."""

_FEWEST = 12


@dataclass(frozen=True)
class Forward:
    """One way to run a network: (B, channels, y, x) on the device -> (B, D) float32 there.

    Attributes
    ----------
    name
        "float32" is the plain one.
    overlap
        Mean share of the ten nearest neighbours that are those of float32; 1 for itself.
    tried
        The overlap of each way that was measured.
    alike
        Whether none was measured since the codes of most objects are the same.
    """

    name: str
    run: Callable[[Tensor], Tensor]
    dtype: torch.dtype = torch.float32
    overlap: float = 1.0
    tried: dict[str, float] = field(default_factory=dict)
    alike: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            given = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
            return self.run(given).float()

    def as_dict(self) -> dict[str, Any]:
        """For the record of a run."""
        return {"name": self.name, "overlap": self.overlap, "tried": dict(self.tried)}

    @property
    def sentence(self) -> str:
        """What a person should know; empty where nothing was measured."""
        if self.alike:
            return (
                f"the network runs in {self.name}: most objects have the same codes, so that no"
                " faster way could be checked"
            )
        if not self.tried:
            return ""
        told = ", ".join(f"{name} {share:.3f}" for name, share in self.tried.items())
        why = "" if self.name != EXACT else f": no faster way keeps {LEAST_OVERLAP:.0%} of them"
        return f"the network runs in {self.name} (same neighbours as float32: {told}){why}"


def exact_forward(method: Method) -> Forward:
    """Plain float32."""
    plain = _Codes(copy.deepcopy(method).float()).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Forward(EXACT, plain)


def fast_forward(
    method: Method,
    sample: Tensor,
    values: Callable[[Forward], NDArray[Any]] | None = None,
    *,
    pictures: int = 0,
) -> Forward:
    """The fastest way to run `method` here that keeps the neighbours of `sample`.

    Parameters
    ----------
    method
        In evaluation mode, on the device that it is to run on.
    sample
        What the network is shown of some objects: (n, channels, y, x) or (n, images, channels, y,
        x), 256 objects or so.
    values
        A way to run the network -> (n, D), the embedding of the same objects by it. Without it,
        their plain codes are compared.
    pictures
        How many will go through the network; where they are very many it is compiled.
    """
    exact = exact_forward(method)
    if len(sample) < _FEWEST:
        return exact
    of = values or (lambda forward: _codes_of(forward, sample))
    truth = of(exact)
    known = np.isfinite(truth).all(axis=1)
    if known.sum() < _FEWEST:
        return exact
    if neighbour_overlap(truth[known], truth[known]) < ALIKE:
        return replace(exact, alike=True)
    tried: dict[str, float] = {}
    for name in _fastest_first(pictures):
        forward = make_forward(method, name)
        if forward is None:
            continue
        try:
            found = of(forward)
        except RuntimeError as error:  # torch's word for whatever a network cannot do in bf16
            if out_of_memory(error):
                raise
            continue
        tried[name] = _kept(truth[known], found[known])
        if tried[name] >= LEAST_OVERLAP:
            return replace(forward, overlap=tried[name], tried=tried)
    return replace(exact, tried=tried)


def forward_named(method: Method, name: str, overlap: float = 1.0) -> Forward:
    """The way of that name, for a network that was loaded with it; plain float32 where this
    machine cannot run it so (bf16 without support, no compiler)."""
    if name == COMPILED:  # its bf16 is that of the folded one, in fused steps
        name = COMPILED if _can_compile() else BF16
    if name == EXACT or (name in (BF16, MIXED, COMPILED) and not bf16_is_native()):
        return exact_forward(method)
    forward = make_forward(method, name)
    return exact_forward(method) if forward is None else replace(forward, overlap=overlap)


def _kept(truth: NDArray[Any], found: NDArray[Any]) -> float:
    """Share of the nearest neighbours in (n, D) that (n, E) has too, of those that can be shared:
    which of many copies of an object are its nearest is chance."""
    if not np.isfinite(found).all():  # what overflows has no neighbours
        return 0.0
    return min(1.0, neighbour_overlap(truth, found) / neighbour_overlap(truth, truth))


class _Codes(nn.Module):
    """A method as a module whose forward is its `codes`."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, x: Tensor) -> Tensor:
        return self.method.codes(x)


def _fastest_first(pictures: int) -> list[str]:
    names = [BF16, MIXED, FOLDED] if bf16_is_native() else [FOLDED]
    if bf16_is_native() and pictures >= COMPILE_FROM and _can_compile():
        names.insert(0, COMPILED)
    return names


def _can_compile() -> bool:
    if best_device().type == "cuda":
        return True
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def make_forward(method: Method, name: str) -> Forward | None:
    """The way of that name; None where it cannot be made of this network."""
    plain = _Codes(copy.deepcopy(method).float()).eval()
    folded: nn.Module = plain
    try:
        folded = _folded(plain)
    except Exception:  # torch.fx cannot follow every network, and raises whatever stopped it
        if name in (FOLDED, MIXED):
            return None
    if name == FOLDED:
        return Forward(name, folded.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    if name == MIXED:
        return Forward(name, _mixed(folded), torch.bfloat16)
    small = folded.to(dtype=torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if name == BF16:
        return Forward(name, small, torch.bfloat16)
    return _compiled(small)


class _Tracer(fx.Tracer):
    """Takes batch normalisation of any kind for one step."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _BatchNorm) or super().is_leaf_module(m, module_qualified_name)


def _folded(network: nn.Module) -> nn.Module:
    """The network with each batch normalisation that follows a convolution put into its weights,
    in evaluation mode the same function."""
    graph = _Tracer().trace(network)
    folded = fx.GraphModule(network, graph)
    parts = dict(folded.named_modules())
    calls = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    for node in list(graph.nodes):
        if node.op != "call_module" or not isinstance(parts[str(node.target)], _BatchNorm):
            continue
        before = node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        name = str(before.target)
        convolution = parts[name]
        if type(convolution) is not nn.Conv2d or calls.count(name) > 1:
            continue
        norm = parts[str(node.target)]
        folded.set_submodule(name, fuse_conv_bn_eval(convolution, norm))
        node.replace_all_uses_with(before)
        graph.erase_node(node)
    folded.recompile()
    return folded


class _Float32(nn.Module):
    """A layer in float32, whatever comes."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x.float())
        return out


def _mixed(network: nn.Module) -> nn.Module:
    """The first two thirds of the layers in bf16, everything after them in float32."""
    kinds = (nn.Conv2d, nn.Linear)
    names = [name for name, part in network.named_modules() if type(part) in kinds]
    first = len(names) - len(names) // 3
    for place, name in enumerate(names):
        layer = network.get_submodule(name)
        if place < first:
            layer.to(torch.bfloat16)
        else:
            network.set_submodule(name, _Float32(layer))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _compiled(network: nn.Module) -> Forward | None:
    # Frozen, so that the weights are laid out once; the batch's size may change.
    compiled = torch.compile(network, dynamic=True, options={"freezing": True})
    return Forward(COMPILED, compiled, torch.bfloat16)


def _codes_of(forward: Forward, sample: Tensor) -> NDArray[Any]:
    flat = sample.flatten(0, -4)
    codes = torch.cat([forward(part) for part in flat.split(SAMPLE)]).cpu().numpy()
    out: NDArray[Any] = codes.reshape(len(sample), -1)
    return out


__all__ = [
    "EXACT",
    "LEAST_OVERLAP",
    "SAMPLE",
    "Forward",
    "exact_forward",
    "fast_forward",
    "forward_named",
    "make_forward",
]
