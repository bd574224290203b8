"""Folders that get their final name only when they are whole.

Work goes on in NAME.partial, which holds a small file saying which process works there. The
rename to NAME is the commit: what has its final name is finished. A partial folder whose process
is gone (by process id and start time, since ids are used again) is cleaned up by the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

from core.errors import AlreadyExists, InUse

_HOLDER = "holder.json"

_GRACE_SECONDS = 5.0
"""A folder without a holder file that changed less than this ago is taken for a living one: its
process may be between two steps."""


def partial_path(final: Path) -> Path:
    """Where the work on `final` goes on."""
    return final.with_name(final.name + ".partial")


def claim_partial(final: Path, what: str, is_ours: Callable[[Path], bool] | None = None) -> Path:
    """Make the partial folder of `final` for this process and return it.

    `what` names the thing in error messages ("survey 'hubble'"). A partial folder left behind by
    a dead process is taken over as it is where `is_ours` says so, and else removed first.

    Raises
    ------
    AlreadyExists
        `final` is there.
    InUse
        A living process works on it.
    """
    if final.exists():
        raise AlreadyExists(_taken(final, what))
    partial = partial_path(final)
    # The holder file must be in the folder from its first moment, or a second process could
    # take a folder just made for one left behind: so it is made aside and renamed into place.
    aside = final.with_name(f".claim-{uuid.uuid4().hex}.partial")
    aside.mkdir(parents=True)
    try:
        (aside / _HOLDER).write_text(json.dumps(_myself()))
        _sweep(final.parent, aside)
        for _attempt in range(2):
            try:
                os.rename(aside, partial)
            except OSError:
                if not partial.is_dir():
                    raise
            else:
                if final.exists():  # finished by another since we looked; now nobody else can
                    shutil.rmtree(partial, ignore_errors=True)
                    raise AlreadyExists(_taken(final, what))
                return partial
            holder = _living_holder(partial)
            if holder is not None:
                raise InUse(
                    f"{holder} is already making the {what}; wait until it is done, or stop it"
                    " and try again."
                )
            if is_ours is not None and is_ours(partial) and _take_over(partial):
                return partial
            _discard(partial)
        raise InUse(f"Another process has just begun to make the {what}; wait until it is done.")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def finish_partial(partial: Path, final: Path) -> None:
    """Write everything through to the disk, then give the folder its final name."""
    for folder, _subfolders, files in os.walk(partial):
        for name in files:
            _sync(Path(folder) / name)
        _sync(Path(folder))
    (partial / _HOLDER).unlink(missing_ok=True)
    os.rename(partial, final)
    _sync(final.parent)


def release_partial(partial: Path) -> None:
    """Leave a partial folder for a later process to take over."""
    (partial / _HOLDER).write_text(json.dumps({"pid": 0, "pid_start_time": 0.0}))


def is_held(partial: Path) -> bool:
    """Whether a living process works in a partial folder."""
    return _living_holder(partial) is not None


def drop_abandoned(folder: Path) -> None:
    """Remove the partial folders in `folder` whose process is gone, as by kill -9.

    Only where nobody takes them over: work that a later process goes on with lies elsewhere. What
    another computer or container works at cannot be seen from here, and stays.
    """
    for left in folder.glob("*.partial"):
        if left.is_dir() and not is_held(left) and not _is_from_elsewhere(left):
            _discard(left)


def drop_partial(partial: Path, keep: Path) -> None:
    """Remove a partial folder, and the folders above it up to `keep` that are left empty."""
    shutil.rmtree(partial, ignore_errors=True)
    drop_empty(partial.parent, keep)


def drop_empty(folder: Path, keep: Path) -> None:
    """Remove `folder` and the folders above it, below `keep`, as far as they are empty."""
    while keep in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return  # something else lives there
        folder = folder.parent


def _taken(final: Path, what: str) -> str:
    return f"There is already a {what} at {final}; choose another name."


def _myself() -> dict[str, float | str]:
    started = psutil.Process().create_time()
    return {"pid": os.getpid(), "pid_start_time": started, "host": socket.gethostname()}


def _is_from_elsewhere(partial: Path) -> bool:
    try:
        host = json.loads((partial / _HOLDER).read_text()).get("host")
    except (OSError, ValueError, AttributeError):
        return False
    return host not in (None, socket.gethostname())


def _living_holder(partial: Path) -> str | None:
    """Who works in the folder, in words; None when nobody does any more."""
    try:
        text = (partial / _HOLDER).read_text()
    except OSError:
        try:
            age = time.time() - partial.stat().st_mtime
        except FileNotFoundError:
            return None
        return "Another process" if age < _GRACE_SECONDS else None
    try:
        holder = json.loads(text)
        pid, started = int(holder["pid"]), float(holder["pid_start_time"])
        # Start times of one process may differ by clock rounding between two readings.
        alive = abs(psutil.Process(pid).create_time() - started) < 1.0
    except (ValueError, KeyError, TypeError, psutil.NoSuchProcess):
        return None
    except psutil.AccessDenied:
        alive = True
    return f"Process {pid}" if alive else None


def _sweep(folder: Path, mine: Path) -> None:
    """Remove claims and discarded folders that a killed process left beside ours."""
    for left in folder.glob(".claim-*.partial"):
        if left != mine and _living_holder(left) is None:
            shutil.rmtree(left, ignore_errors=True)


def _take_over(partial: Path) -> bool:
    """Make a folder left behind this process's own; False if another one was quicker."""
    # Renamed first, so that of two who would take it only one finds it.
    aside = partial.with_name(f".claim-{uuid.uuid4().hex}.partial")
    try:
        os.rename(partial, aside)
    except FileNotFoundError:
        return False
    (aside / _HOLDER).write_text(json.dumps(_myself()))
    os.rename(aside, partial)
    return True


def _discard(partial: Path) -> None:
    # Renamed first: a folder half removed must not be mistaken for anything.
    aside = partial.with_name(f".claim-{uuid.uuid4().hex}.partial")
    with contextlib.suppress(FileNotFoundError):  # another process was quicker
        os.rename(partial, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
