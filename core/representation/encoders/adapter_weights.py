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
import threading
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

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
_UNFIT = {"SafetensorError", "EOFError", "KeyError", "TypeError", "Mismatch"}
_UNFIT_WORDS = ("Consistency check failed", "size mismatch", "state_dict", "zip archive")

_LOADING = threading.RLock()
"""What `loading` changes is the process's: one thread at a time."""

_FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_OPERATORS: list[Any] = []
"""Kept, or torch forgets them."""


@contextlib.contextmanager
def loading(weights: str, beside: tuple[str, ...] = ()) -> Iterator[None]:
    """Have torch read files by its restricted reader, whatever a package asks for; refuse weights
    that leave a part of a network as chance made it, or of which a part has no place in it; tell
    in words what goes wrong. A second thread waits.

    weights: the words that the sentence begins with. beside: expressions for how names begin that
    a file may have without the network; those of timm's layers for classes are known.

    Raises
    ------
    NotFound, NotReady, Damaged
        There is no such model; it cannot be fetched now; its file is not what it should be.
    """
    with _LOADING:
        before = os.environ.get(_FORCED)
        os.environ[_FORCED] = "1"
        try:
            with _fitting_only(beside):
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
def _fitting_only(beside: tuple[str, ...]) -> Iterator[None]:
    """Refuse weights without some of a network's parameters and averages (of batch normalisation),
    and those of a larger network: timm only logs that. Other threads load as ever."""
    original, owner = nn.Module.load_state_dict, threading.get_ident()

    def load_state_dict(self: nn.Module, *given: Any, **options: Any) -> Any:
        found = original(self, *given, **options)
        if threading.get_ident() != owner:
            return found
        own = {
            name: one
            for name, one in self.state_dict(keep_vars=True).items()
            if isinstance(one, nn.Parameter)
            or (isinstance(one, Tensor) and one.is_floating_point())
        }
        absent = [name for name in found.missing_keys if name in own]
        filled = {id(one) for name, one in own.items() if name not in absent}
        # A parameter of two names is in a file once.
        check_filled([name for name in absent if id(own[name]) not in filled])
        spare = re.compile("|".join(("(?!)", *beside, *_classifiers(self))))
        _check_used([name for name in found.unexpected_keys if not spare.match(name)])
        return found

    nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]


def _classifiers(network: nn.Module) -> tuple[str, ...]:
    """How the names begin of what timm leaves out of a network without classes: "head" for its
    classifier head.linear, whose normalisation is in there too."""
    named = (getattr(network, "pretrained_cfg", None) or {}).get("classifier") or ()
    names = (named,) if isinstance(named, str) else tuple(named)
    return tuple(re.escape(f"{name.partition('.')[0]}.") for name in names)


class Mismatch(Exception):
    """A file of weights and a network do not have the same parameters."""


def check_filled(missing: Collection[str]) -> None:
    """See that no parameter's name is missing.

    Raises
    ------
    Mismatch
        Some are; `loading` makes a sentence of it.
    """
    if missing:
        raise Mismatch(f"no {_counted(missing)}")


def _check_used(unexpected: Collection[str]) -> None:
    if unexpected:
        raise Mismatch(f"no place for {_counted(unexpected)}")


def _counted(names: Collection[str]) -> str:
    return min(names) + (f" and {len(names) - 1:,} more" if len(names) > 1 else "")


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
