"""Where things lie in a workspace folder; who may hold it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import os
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import BadInput, Damaged, InUse, StorageFull, TooNew
from core.vocabulary import checked_name

WORKSPACE_FORMAT = 1
"""Raised when an older Skysift could no longer read what this one writes."""


@dataclass(frozen=True)
class Workspace:
    """Paths of one workspace; see ARCHITECTURE.md for the whole tree."""

    root: Path

    @property
    def marker(self) -> Path:
        return self.root / "workspace.toml"

    @property
    def labels(self) -> Path:
        """The label database; on a local disk only (WAL is unsafe on NFS)."""
        return self.root / "labels.sqlite"

    @property
    def surveys(self) -> Path:
        return self.root / "surveys"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def survey(self, name: str) -> Path:
        return self.surveys / checked_name(name, "survey")

    def truth(self, name: str) -> Path:
        """Truth for the oracle; outside the survey so that nothing else finds it by chance."""
        return self.root / "truth" / f"{checked_name(name, 'survey')}.csv"

    def task_scores(self, task: str) -> Path:
        """Folder of a task's full score arrays (the last few re-ranks)."""
        return self.root / "scores" / checked_name(task, "task")


def open_workspace(root: str | os.PathLike[str], *, create: bool = True) -> Workspace:
    """Open (and, unless told otherwise, make) the workspace at `root`.

    Raises
    ------
    TooNew
        It was written by a newer Skysift.
    BadInput
        The path is a file, cannot be written, or is a folder with other things in it.
    """
    with storage_errors(Path(root)):
        return _opened(Path(root).expanduser().resolve(), create)


def owner_name() -> str:
    """The name under which the owner answers: SKYSIFT_ANNOTATOR, or else the user's own.

    Raises
    ------
    BadInput
        It cannot be used as a name.
    """
    name = os.environ.get("SKYSIFT_ANNOTATOR", "").strip()
    if not name:
        try:
            name = getpass.getuser()
        except (OSError, KeyError):
            name = "owner"
    if not name.isprintable() or len(name) > 64:
        raise BadInput(
            f"SKYSIFT_ANNOTATOR has 1 to 64 printable characters, but is {name[:80]!r}; choose"
            " another name."
        )
    return name


def _opened(path: Path, create: bool) -> Workspace:
    workspace = Workspace(path)
    if path.exists() and not path.is_dir():
        raise BadInput(f"A workspace is a folder, but {path} is a file; name another path.")
    if workspace.marker.exists():
        _check_format(workspace.marker)
        return workspace
    if not create:
        raise BadInput(
            f"There is no Skysift workspace at {path}; make one with"
            f" `python -m core.run demo hubble --workspace {path}`."
        )
    if path.is_dir() and any(path.iterdir()):
        raise BadInput(
            f"A new workspace needs an empty or absent folder, but {path} holds other files;"
            " name another path."
        )
    path.mkdir(parents=True, exist_ok=True)
    partial = workspace.marker.with_suffix(".partial")
    partial.write_text(f"format = {WORKSPACE_FORMAT}\n")
    partial.replace(workspace.marker)
    return workspace


def _check_format(marker: Path) -> None:
    try:
        written = int(tomllib.loads(marker.read_text())["format"])
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError, UnicodeDecodeError):
        raise Damaged(
            f"{marker} should hold a line `format = {WORKSPACE_FORMAT}`, but cannot be read;"
            " restore it from a backup."
        ) from None
    if written > WORKSPACE_FORMAT:
        raise TooNew(
            f"The workspace {marker.parent} was written by a newer Skysift (format {written},"
            f" this one reads up to {WORKSPACE_FORMAT}); update Skysift. Nothing was changed."
        )


_TOO_LONG = (errno.EFBIG, errno.EOVERFLOW)

_UNFIT = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY),
    *(errno.ENAMETOOLONG, errno.ELOOP),
)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's storage errors into sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                f"The disk that holds {path} is full ({_free(path)} free); make room and try"
                " again. What was there before is untouched."
            ) from None
        if error.errno in _TOO_LONG:
            raise StorageFull(
                f"{error.filename or path} became longer than a file may be here (by a limit set"
                " for this user, or by the file system: 4 GB on FAT32); raise the limit or use"
                " another disk, and try again. What was there before is untouched."
            ) from None
        if error.errno in _UNFIT:
            raise BadInput(
                f"{error.filename or path} cannot be used here ({os.strerror(error.errno)});"
                " name another path."
            ) from None
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise BadInput(
                f"{error.filename or path} may not be read or written by this user; change its"
                " permissions or name another path."
            ) from None
        raise


def _free(path: Path) -> str:
    while not path.exists():
        path = path.parent
    return f"{shutil.disk_usage(path).free / 1e6:.1f} MB"


@contextlib.contextmanager
def hold_workspace(workspace: Workspace, what: str) -> Iterator[None]:
    """Hold the workspace for one server; a second one is refused with `InUse`.

    The lock is the operating system's (flock), so it goes with the process, even by kill -9.
    """
    path = workspace.root / "server.lock"
    handle: IO[str]
    with storage_errors(path):
        handle = open(path, "a+")  # noqa: SIM115 (held for the server's life)
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            raise InUse(
                f"The workspace {workspace.root} is already open in {holder}; use that one, stop"
                " it, or name another workspace."
            ) from None
        with contextlib.suppress(OSError):  # a full disk: who holds it is a nicety
            handle.truncate(0)
            handle.write(what)
            handle.flush()
        yield
