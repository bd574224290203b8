"""Weights that other projects' packages load: no pickle is run, the whole network is filled, and
what fails is one sentence.

Checked against timm 1.0.31, torchvision 0.28.0 and huggingface_hub 2.4.0.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import nn

from core.errors import Damaged, NotFound, NotReady, SkysiftError

# Errors by their names: the packages that define them are optional.
_OFFLINE = {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "ConnectError"}
_NO_SUCH = {
    "FileNotFoundError",
    "EntryNotFoundError",
    "RepositoryNotFoundError",
    "HFValidationError",
}
_NO_SUCH_WORDS = ("Unknown model", "No pretrained weights exist", "Invalid pretrained tag")
_UNFIT = {"SafetensorError", "EOFError", "KeyError", "TypeError", "Incomplete"}
_UNFIT_WORDS = ("Consistency check failed", "size mismatch", "state_dict", "zip archive")

_FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_OPERATORS: list[Any] = []
"""Kept, or torch forgets them."""


@contextlib.contextmanager
def loading(weights: str) -> Iterator[None]:
    """Have torch read files by its restricted reader, whatever a package asks for; refuse weights
    that leave a part of a network as chance made it; tell in words what goes wrong.

    weights: the words that the sentence begins with.

    Raises
    ------
    NotFound, NotReady, Damaged
        There is no such model; it cannot be fetched now; its file is not what it should be.
    """
    before = os.environ.get(_FORCED)
    os.environ[_FORCED] = "1"
    try:
        with _filled_only():
            yield
    except SkysiftError:
        raise
    except Exception as error:  # hubs, files and packages raise errors of their own kinds
        raise _told(weights, error) from None
    finally:
        if before is None:
            del os.environ[_FORCED]
        else:
            os.environ[_FORCED] = before


def _told(weights: str, error: Exception) -> SkysiftError:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text, said = in_short(error), str(error)
    if "UnpicklingError" in kinds or "weights_only" in said:
        asked = re.search(r"(?:GLOBAL|globals:) (\S+\w)", said)
        return Damaged(
            f"{weights} come with a pickle that asks for more than numbers"
            f" ({asked.group(1) if asked else text}); nothing of it was run: choose weights that"
            " are safetensors."
        )
    if kinds & _OFFLINE:
        return NotReady(
            f"{weights} are not on this machine and cannot be fetched now; connect it to the"
            " internet and run the same command again."
        )
    if kinds & _NO_SUCH or any(words in said for words in _NO_SUCH_WORDS):
        return NotFound(f"{weights} are not to be found ({text}); correct the model's name.")
    if kinds & _UNFIT or any(words in said for words in _UNFIT_WORDS):
        return Damaged(
            f"{weights} are cut short or of another network ({text}); choose another model, or"
            " delete the file and run the same command again."
        )
    return NotReady(
        f"{weights} cannot be had ({text}); check the model's name and the connection, and run"
        " the same command again."
    )


@contextlib.contextmanager
def _filled_only() -> Iterator[None]:
    """Refuse weights without some of a network's parameters: timm only logs that."""
    original = nn.Module.load_state_dict

    def load_state_dict(self: nn.Module, *given: Any, **options: Any) -> Any:
        found = original(self, *given, **options)
        own = dict(self.named_parameters(remove_duplicate=False))
        absent = [name for name in found.missing_keys if name in own]
        filled = {id(one) for name, one in own.items() if name not in absent}
        # A parameter of two names is in a file once.
        check_filled([name for name in absent if id(own[name]) not in filled])
        return found

    nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]


class Incomplete(Exception):
    """A file of weights does not have all of a network's parameters."""


def check_filled(missing: Collection[str]) -> None:
    """See that no parameter's name is missing.

    Raises
    ------
    Incomplete
        Some are; `loading` makes a sentence of it.
    """
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise Incomplete(f"no {min(missing)}{more}")


def import_torchvision() -> None:
    """Import torchvision, also where its compiled part is made for another build of torch, as the
    usual one is beside a torch without CUDA. Its Python then asks for no more than that two of
    its operators are declared; no network here calls them. Nothing where it is not installed."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError as error:
        if _OPERATORS or "operator torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        declared = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            declared.define(
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        _OPERATORS.append(declared)
        importlib.import_module("torchvision")


def in_short(error: Exception) -> str:
    """What an error says, on one line, without addresses and colours of a terminal."""
    text = re.sub(r"\x1b\[\d*m|\(Request ID[^)]*\)|( for url: )?https?://\S+", "", str(error))
    lines = [one for one in (line.strip(" .:") for line in text.splitlines()) if one]
    first, *rest = lines or [""]
    said = (f"{first}: {rest[0]}" if rest and len(first) < 25 else first)[:140]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


__all__ = ["check_filled", "import_torchvision", "in_short", "loading"]
