"""A trained network on disk: network.safetensors and network.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from core.errors import BadInput, Damaged
from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import METHODS, Method
from core.representation.weightfiles import write_tensors

WEIGHTS, DESCRIPTION = "network.safetensors", "network.json"
_OLD = ("vicreg.safetensors", "vicreg.json")
"""Names up to version 0.4, which had VICReg alone."""


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

    Raises
    ------
    Damaged
        The files are not there, are no safetensors, or do not fit together.
    BadInput
        They are of another method than `name`.
    """
    try:
        described = _described(folder)
        if described["method"] not in METHODS:
            raise ValueError(f"the method {described['method']!r} is not known")
        cls = METHODS[described["method"]]
        if name is not None and cls.name != name:
            raise BadInput(
                f"{folder} holds weights of {cls.name}, but {name} was asked for; name a folder"
                f" or run of {name}, or embed with the encoder {cls.name}."
            )
        method = cls(InputSpec.from_dict(described["spec"]), described["settings"])
        origin = dict(described["origin"])
        old = (folder / _OLD[0]).exists() and not (folder / WEIGHTS).exists()
        state = load_file(folder / (_OLD[0] if old else WEIGHTS))
        if old:
            state = {f"backbone.{key}": tensor for key, tensor in state.items()}
        missing, unexpected = method.load_state_dict(state, strict=False)
        missing = [key for key in missing if not key.startswith(method.training_only or ("\0",))]
        if missing or unexpected:
            raise ValueError(f"{len(missing)} tensors missing, {len(unexpected)} unknown")
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        why = " ".join(str(error).split())[:120]
        raise Damaged(
            f"{folder} should hold {WEIGHTS} and {DESCRIPTION} of one network, but they cannot be"
            f" read ({type(error).__name__}: {why}); make them again with"
            " `python -m core.run pretrain` or restore the files."
        ) from None
    return method.eval(), origin


def _described(folder: Path) -> dict[str, Any]:
    if not (folder / DESCRIPTION).exists() and (folder / _OLD[1]).exists():
        old = json.loads((folder / _OLD[1]).read_text())
        network = {key: old["network"][key] for key in ("widths", "blocks")}
        spec = InputSpec().as_dict()
        return {"method": "vicreg", "spec": spec, "settings": network, "origin": old["origin"]}
    described: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text())
    return described
