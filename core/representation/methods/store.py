"""A trained network on disk: network.safetensors and network.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from core.errors import BadInput, Damaged
from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import METHODS, Method
from core.representation.weightfiles import write_tensors

WEIGHTS, DESCRIPTION = "network.safetensors", "network.json"
_OLD = ("vicreg.safetensors", "vicreg.json")
"""Names up to version 0.4, which had VICReg alone."""

_FLOATS, _WHOLE = ("F32", "F16", "BF16", "F64"), ("I64", "I32")
"""Types, in the words of safetensors, that a network's numbers may come in."""


def save_method(method: Method, folder: Path, origin: dict[str, Any]) -> None:
    """Write what embedding needs of a method, and where its weights come from."""
    state = {
        name: tensor
        for name, tensor in method.state_dict().items()
        if not name.startswith(method.training_only or ("\0",))
    }
    write_tensors(state, folder / WEIGHTS)
    described = {
        "method": method.name,
        "spec": method.spec.as_dict(),
        "settings": method.settings,
        "origin": origin,
    }
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=1) + "\n")


def load_method(folder: Path, name: str | None = None) -> tuple[Method, dict[str, Any]]:
    """The method in evaluation mode on the CPU, and where its weights come from.

    What the files say is held against each other before any memory is taken for the network.

    Raises
    ------
    Damaged
        The files are not there, are no safetensors, or do not fit together.
    BadInput
        They are of another method than `name`, or describe a network that is not allowed.
    """
    described, weights, prefix = _described(folder)
    method = described.get("method")
    if not isinstance(method, str) or method not in METHODS:
        raise _damaged(folder, f"in {DESCRIPTION} the method {method!r} is not known")
    cls = METHODS[method]
    if name is not None and cls.name != name:
        raise BadInput(
            f"{folder} holds weights of {cls.name}, but {name} was asked for; name a folder"
            f" or run of {name}, or embed with the encoder {cls.name}."
        )
    try:
        spec, settings = InputSpec.from_dict(described["spec"]), dict(described["settings"])
        origin = dict(described["origin"])
        with torch.device("meta"):
            outline = cls(spec, settings)
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError):
        raise _damaged(folder, f"{DESCRIPTION} does not describe a network of {method}") from None
    try:
        found = _tensors(weights)
        unfit = _misfit(outline, {prefix + key: one for key, one in found.items()})
        if unfit:
            raise _damaged(folder, unfit)
        state = {prefix + key: tensor for key, tensor in load_file(weights).items()}
    except FileNotFoundError:
        raise _damaged(folder, f"{weights.name} is not there") from None
    except (OSError, SafetensorError):
        raise _damaged(folder, f"{weights.name} is unreadable or no safetensors file") from None
    built = cls(spec, settings)
    built.load_state_dict(state, strict=False)
    return built.eval(), origin


def _described(folder: Path) -> tuple[dict[str, Any], Path, str]:
    """What is said of the network, the file of its weights, and what their names lack."""
    path, is_old = folder / DESCRIPTION, False
    if not path.exists() and (folder / _OLD[1]).exists():
        path, is_old = folder / _OLD[1], True
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _damaged(folder, f"{DESCRIPTION} is not there") from None
    except (OSError, ValueError, RecursionError):  # nested too deeply for the parser
        raise _damaged(folder, f"{path.name} is unreadable or no JSON") from None
    if not isinstance(described, dict):
        raise _damaged(folder, f"{path.name} does not describe a network")
    if is_old:
        try:
            network = {key: described["network"][key] for key in ("widths", "blocks")}
            origin = described["origin"]
        except (KeyError, TypeError):
            raise _damaged(folder, f"{path.name} does not describe a network") from None
        spec = InputSpec().as_dict()
        described = {"method": "vicreg", "spec": spec, "settings": network, "origin": origin}
    is_old = (folder / _OLD[0]).exists() and not (folder / WEIGHTS).exists()
    return described, folder / (_OLD[0] if is_old else WEIGHTS), "backbone." if is_old else ""


def _tensors(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and type of each tensor of a file, which is not read for it."""
    with safe_open(path, "pt") as handle:
        slices = {key: handle.get_slice(key) for key in handle.keys()}  # noqa: SIM118 (no mapping)
        return {key: (tuple(one.get_shape()), str(one.get_dtype())) for key, one in slices.items()}


def _misfit(outline: Method, found: dict[str, tuple[tuple[int, ...], str]]) -> str:
    """Why tensors of these shapes and types are not those of the network; empty if they are."""
    wanted = outline.state_dict()
    spare = outline.training_only or ("\0",)
    missing = [key for key in wanted if key not in found and not key.startswith(spare)]
    unknown = [key for key in found if key not in wanted]
    if missing or unknown:
        return f"{len(missing)} tensors are missing and {len(unknown)} unknown"
    for key, (shape, kind) in found.items():
        tensor = wanted[key]
        if shape != tuple(tensor.shape):
            return f"the tensor {key} has the shape {shape}, but needs {tuple(tensor.shape)}"
        allowed = _FLOATS if tensor.is_floating_point() else _WHOLE
        if kind not in allowed:
            return f"the tensor {key} is of {kind}, but may be of {', '.join(allowed)} only"
    return ""


def _damaged(folder: Path, why: str) -> Damaged:
    return Damaged(
        f"{folder} should hold {WEIGHTS} and {DESCRIPTION} of one network, but {why}; train the"
        " network again or restore the files."
    )
