"""The folders whose data may be imported, and what lies in them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput
from pages._server.services import services

__all__ = [
    "Entry",
    "Listing",
    "checked_source",
    "checked_value",
    "data_roots",
    "install",
    "listing",
]

LISTED = 60
LOOKED_AT = 5_000
"""Entries of a folder that are looked at for the list: one of ten million must not hold it up."""

INCOMING = "incoming"
"""Folder of the workspace in which pasted positions are kept."""

_MADE = frozenset({"cache"})
"""Settings that name a folder which is made where it is missing."""

_installed: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Entry:
    """What lies in a folder: its name, path, and whether it is one itself."""

    name: str
    path: str
    is_folder: bool
    size_bytes: int = 0


@dataclass(frozen=True)
class Listing:
    """A folder ("" for the list of roots), the one above it, and what it holds.

    `n_more` entries are not in `entries`; at least so many where `is_cut`.
    """

    folder: str
    above: str | None
    entries: tuple[Entry, ...]
    n_more: int = 0
    is_cut: bool = False


def install(roots: Iterable[str | os.PathLike[str]]) -> None:
    """Allow these folders; without any the home folder and the workspace are. Done by app.py.

    Raises
    ------
    BadInput
        One of them is no folder.
    """
    global _installed
    checked = []
    for root in roots:
        path = Path(os.path.realpath(Path(root).expanduser()))
        if not path.is_dir():
            raise BadInput(f"--data-root is a folder with data, but {root} is none; name another.")
        checked.append(path)
    _installed = tuple(dict.fromkeys(checked))


def data_roots() -> tuple[Path, ...]:
    """The folders below which data may lie, resolved."""
    if _installed:
        return _installed
    found = (Path.home(), services().workspace.root)
    return tuple(dict.fromkeys(Path(os.path.realpath(path)) for path in found))


def checked_source(text: str) -> Path:
    """The resolved path of data that may be imported.

    Raises
    ------
    BadInput
        It is outside of the roots, by itself or through a symbolic link, or not there.
    """
    path = _whole(text)
    _require_allowed(path, text)
    try:
        there = path.exists()
    except OSError:
        there = False
    if not there:
        raise BadInput(f"There is no file or folder {path}; check the path.")
    return path


def checked_value(key: str, value: str) -> str:
    """A setting of a reader, after a look whether it is a path that may not be read.

    "/images/r" may well be the name of something inside of an HDF5 file: only what is there on
    the server counts, and the folder that a reader would make.
    """
    text = value.strip()
    if text.lower().startswith("file:"):
        raise BadInput(f"A path is given without file:, but came {text[:80]!r}; leave it out.")
    if text.startswith(("/", "~", ".")) or ".." in Path(text).parts:
        path = _resolved(text)
        if key in _MADE or os.path.lexists(path):
            _require_allowed(path, text)
    return value


def listing(text: str) -> Listing:
    """What lies at a path that is being typed: a folder's content, or what begins like it."""
    roots = data_roots()
    if not text.strip():
        if len(roots) > 1:
            return Listing("", None, tuple(Entry(str(one), str(one), True) for one in roots))
        text = str(roots[0])
    path = _whole(text)
    _require_allowed(path, text)
    beginning = ""
    if not path.is_dir():
        path, beginning = path.parent, "" if path.exists() else path.name.lower()
    _require_allowed(path, text)
    above = str(path.parent) if _is_allowed(path.parent) else "" if len(roots) > 1 else None
    try:
        with os.scandir(path) as found:
            looked_at = list(itertools.islice(found, LOOKED_AT + 1))
    except OSError as error:
        raise BadInput(
            f"The folder {path} cannot be looked into ({error.strerror or error}); choose another."
        ) from None
    is_cut = len(looked_at) > LOOKED_AT
    entries = [
        _entry(one)
        for one in looked_at[:LOOKED_AT]
        if not one.name.startswith(".") and one.name.lower().startswith(beginning)
    ]
    entries.sort(key=lambda one: (not one.is_folder, one.name.casefold()))
    more = max(0, len(entries) - LISTED)
    return Listing(str(path), above, tuple(entries[:LISTED]), more, is_cut)


def _whole(text: str) -> Path:
    if text.strip() and not text.strip().startswith(("/", "~")):
        raise BadInput(
            f"A path begins with / or ~, but is {text.strip()[:200]!r}; give all of it."
        )
    return _resolved(text)


def _resolved(text: str) -> Path:
    try:
        return Path(os.path.realpath(Path(text.strip()).expanduser().absolute()))
    except (ValueError, OSError, RuntimeError):  # a NUL character, a user that is not there
        raise BadInput(f"{text[:200]!r} cannot be a path; check it.") from None


def _is_allowed(path: Path) -> bool:
    incoming = Path(os.path.realpath(services().workspace.root / INCOMING))
    return any(path == root or root in path.parents for root in (*data_roots(), incoming))


def _require_allowed(path: Path, text: str) -> None:
    if not _is_allowed(path):
        roots = ", ".join(map(str, data_roots()))
        raise BadInput(
            f"Data are read from {roots} and what lies below, but {text.strip()[:200]} is"
            f" elsewhere{'' if str(path) == text.strip() else f' (it leads to {path})'}; move the"
            " data, or have the server started with --data-root for their folder."
        )


def _entry(one: os.DirEntry[str]) -> Entry:
    try:
        if one.is_dir():
            return Entry(one.name, one.path, True)
        return Entry(one.name, one.path, False, one.stat().st_size)
    except OSError:  # a link to nowhere, or gone meanwhile
        return Entry(one.name, one.path, False)
