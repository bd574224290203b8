"""The file that a reader was pointed at: is it one, and is it still the same."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from core.errors import BadInput
from core.survey.readers.unreadable import Unreadable

CHANGED = "changed while it was being read"

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds."""


def checked_file(path: Path, wanted: str) -> Stamp:
    """The stamp of a plain file that may be read.

    Raises
    ------
    BadInput
        It is missing, is no plain file, may not be read or is empty; `wanted` says what it
        should have been ("an HDF5 file").
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "no plain file"
            raise BadInput(f"{path} should be {wanted}, but is {what}; check the path.")
        with open(path, "rb") as file:
            if not file.read(1):
                raise BadInput(f"{path} should be {wanted}, but is empty; check the file.")
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror or error}); check the path and its"
            " permissions."
        ) from None
    return found.st_size, found.st_mtime_ns


def stamp_of(path: Path) -> Stamp:
    """Raises `Unreadable` where there is nothing to be read any more."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise Unreadable(f"cannot be read any more ({error.strerror or error})") from None
    return found.st_size, found.st_mtime_ns


def check_same(path: Path, stamp: Stamp) -> None:
    """Raises `Unreadable` if the file is not what it was when the import looked at it."""
    if stamp_of(path) != tuple(stamp):
        raise Unreadable(CHANGED)


def beginning(path: Path, n: int = 512) -> bytes:
    """The first bytes of a plain file; nothing where they cannot be had."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
            return b""
        with open(path, "rb") as file:
            return file.read(n)
    except (OSError, ValueError):
        return b""


def files_below(folder: Path, closed: list[str], most_depth: int = 32) -> Iterator[Path]:
    """Files in a folder and the folders below it, sorted; linked folders are not entered.

    Folders that may not be listed are added to `closed`.
    """

    def note(error: OSError) -> None:
        closed.append(Path(error.filename).relative_to(folder).as_posix())

    for place, subfolders, files in os.walk(folder, onerror=note):
        subfolders.sort()
        if len(Path(place).relative_to(folder).parts) >= most_depth:
            subfolders.clear()
        for name in sorted(files):
            yield Path(place) / name


def brief(error: BaseException) -> str:
    """The words of a library's error, in one short line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 160 else words[:159] + "…"
