"""Frames kept on disk, unpacked, within a budget of space."""

from __future__ import annotations

import bz2
import hashlib
import json
import os
import stat
import threading
from collections.abc import Collection as Container
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from core.survey.readers.unreadable import Unreadable
from core.survey.sky.cache import partial_of, writing
from core.survey.sky.client import Client, FileSink, Unavailable
from core.survey.sky.kinds import Kind

_CHUNK = 1024 * 1024
_MAX_UNPACKED = 1024 * 1024 * 1024
_TRIES = 2
_SMALLEST_NAME = 16


class FrameStore:
    """Whole frames in a folder, each with its size and SHA-256 beside it.

    Parameters
    ----------
    folder
        Where they lie.
    budget_bytes
        Space that they may take; the frames in use stay in any case.
    """

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self.folder, self.budget_bytes = folder, budget_bytes
        self._checked: set[tuple[Path, int, int]] = set()
        self._lock = threading.Lock()

    def get(self, client: Client, url: str, kind: Kind) -> Path:
        """The frame at an address, as a FITS file; downloaded if it is not there.

        Raises as `Client.get` does, and `Unavailable` for a frame that cannot be unpacked.
        """
        path = self._path(url)
        if self._is_whole(path):
            with writing(self.folder):
                os.utime(path)  # the oldest go first
            return path
        for attempt in range(_TRIES):
            sink = FileSink(partial_of(path))
            try:
                client.get_into(url, kind, sink)
                self._finish(sink, path)
                return path
            except _BadPacking as error:
                if attempt == _TRIES - 1:
                    raise Unavailable(str(error)) from None
            finally:
                sink.path.unlink(missing_ok=True)
        raise AssertionError

    def drop(self, path: Path) -> None:
        """Forget a frame that turned out to be of no use."""
        path.unlink(missing_ok=True)
        _beside(path).unlink(missing_ok=True)

    def trim(self, keep: Container[Path] = ()) -> None:
        """Remove the frames that were longest not used until the rest fit the budget."""
        frames = sorted(self._frames(), reverse=True)
        room = self.budget_bytes
        for _when, size, path in frames:
            room -= size
            if room < 0 and path not in keep:
                self.drop(path)
                room += size

    def _frames(self) -> Iterator[tuple[int, int, Path]]:
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.name.endswith((".json", ".partial")):
                continue
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield found.st_mtime_ns, found.st_size, path

    def _path(self, url: str) -> Path:
        key = hashlib.sha256(url.encode()).hexdigest()[:_SMALLEST_NAME]
        name = urlsplit(url).path.rsplit("/", 1)[-1].removesuffix(".bz2")
        return self.folder / f"{key}-{name}"

    def _is_whole(self, path: Path) -> bool:
        """Whether the file is what was written; its bytes are looked at once a process."""
        try:
            found = path.stat()
            stamp = (path, found.st_size, found.st_ino)
            if stamp in self._checked:
                return True
            told = json.loads(_beside(path).read_text())
            if told["bytes"] != found.st_size:
                return False
            with open(path, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != told["sha256"]:
                    return False
        except (OSError, ValueError, KeyError, TypeError):
            return False
        with self._lock:
            self._checked.add(stamp)
        return True

    def _finish(self, sink: FileSink, path: Path) -> None:
        digest = sink.sha256
        unpacked = sink.path
        try:
            if _starts_packed(sink.path):
                unpacked = sink.path.with_suffix(".unpacked.partial")
                digest = _unpack(sink.path, unpacked)
            with writing(self.folder):
                size = unpacked.stat().st_size
                told = partial_of(_beside(path))
                told.write_text(json.dumps({"bytes": size, "sha256": digest.hexdigest()}))
                os.replace(told, _beside(path))
                os.replace(unpacked, path)
        finally:
            unpacked.unlink(missing_ok=True)


class _BadPacking(Unreadable):
    pass


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _starts_packed(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(3) == b"BZh"


def _unpack(packed: Path, to: Path) -> hashlib._Hash:
    digest, n_bytes = hashlib.sha256(), 0
    with writing(to.parent):
        to.write_bytes(b"")
    with bz2.open(packed) as file:
        while True:
            try:
                chunk = file.read(_CHUNK)
            except (OSError, EOFError):
                raise _BadPacking("cannot be unpacked (bzip2 that is cut short)") from None
            if not chunk:
                return digest
            n_bytes += len(chunk)
            if n_bytes > _MAX_UNPACKED:
                raise Unavailable(f"unpacks to more than {_MAX_UNPACKED // 2**20:,} MB")
            digest.update(chunk)
            with writing(to.parent), open(to, "ab") as out:
                out.write(chunk)
