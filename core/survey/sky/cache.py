"""Answers kept on disk, so that nothing is asked for twice."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput, StorageFull

_FIRST_LINE = b"skysift download 1\n"
_MAX_HEAD = 64 * 1024


@dataclass(frozen=True)
class Kept:
    """An answer from the cache: its bytes, or why there are none."""

    body: bytes
    reason: str = ""


class Cache:
    """One file an answer, named by the SHA-256 of its URL.

    A file holds a line of what it is, a line of JSON (url, bytes, sha256, reason) and the body.
    It gets its name when it is whole; one that is not what its JSON says is as good as absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, url: str) -> Kept | None:
        try:
            with open(self._path(url), "rb") as file:
                if file.read(len(_FIRST_LINE)) != _FIRST_LINE:
                    return None
                head = json.loads(file.readline(_MAX_HEAD))
                body = file.read()  # no longer than what was once in memory
                if len(body) != head["bytes"] or head["url"] != url:
                    return None
                if hashlib.sha256(body).hexdigest() != head["sha256"]:
                    return None
                return Kept(body, str(head["reason"]))
        except (OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError):
            return None

    def put(self, url: str, body: bytes, reason: str = "") -> None:
        """Keep an answer, or (with a `reason`) that there is none."""
        head = {
            "url": url,
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "reason": reason,
        }
        path = self._path(url)
        with writing(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = partial_of(path)
            try:
                with open(partial, "wb") as file:
                    file.write(_FIRST_LINE + json.dumps(head).encode() + b"\n")
                    file.write(body)
                os.replace(partial, path)
            finally:
                partial.unlink(missing_ok=True)

    def forget(self, url: str) -> None:
        with writing(self.folder):
            self._path(url).unlink(missing_ok=True)

    def _path(self, url: str) -> Path:
        key = hashlib.sha256(url.encode()).hexdigest()
        return self.folder / key[:2] / key[2:4] / f"{key}.answer"


def partial_of(path: Path) -> Path:
    """Where a file is written before it gets its name; no two writers share it."""
    return path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what a disk refuses into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                f"The disk of the downloads ({folder}) is full; free some space, or name"
                " another folder with the setting cache, and run the same command again."
            ) from None
        raise BadInput(
            f"Downloads cannot be kept in {folder} ({error.strerror or error}); name a folder"
            " that may be written with the setting cache."
        ) from None


def default_cache() -> Path:
    """~/.cache/skysift/downloads, or where XDG_CACHE_HOME puts it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "skysift" / "downloads"
