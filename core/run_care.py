"""Care of the label database: what `backup`, `backups`, `restore` and `check` do.

Each returns the sentences that the command line prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core.errors import Damaged, NotFound, SkysiftError
from core.workspace import Workspace
from labels_db import LabelsDB, network_filesystem
from labels_db.backup import backup, inspect
from labels_db.restore import restore
from labels_db.retention import (
    BY_HAND,
    BackupFile,
    backup_into_folder,
    backups_folder,
    list_backups,
)


def run_backup(workspace: Workspace, target: Path | None = None) -> str:
    """Back the label database up into `target`, or under a new name in the workspace."""
    warn_of_network(workspace)
    _refuse_absent(workspace)
    if target is None:
        target = backup_into_folder(workspace.labels, BY_HAND)
    else:
        target = target.expanduser().absolute()
        backup(workspace.labels, target)
    found = inspect(target)
    return (
        f"{_counted(found.n_events, 'event')} of {workspace.labels} {_are(found.n_events)} backed"
        f" up in {target} ({_size(target.stat().st_size)}), which was checked and is sound."
    )


def run_backups(workspace: Workspace) -> str:
    """List the backups in the workspace, newest first, each with whether it is sound."""
    folder = backups_folder(workspace.labels)
    files = list_backups(folder)
    if not files:
        return (
            f"There is no backup in {folder} yet; `python -m core.run backup --workspace"
            f" {workspace.root}` makes one."
        )
    sound = sum(file.contents is not None for file in files)
    head = f"{_counted(len(files), 'backup')} in {folder}, newest first; {sound} sound."
    return "\n".join([head, *_table(files)])


def run_restore(workspace: Workspace, backup_file: Path) -> str:
    """Bring a backup back: a path, or the name of one in the workspace's folder."""
    named = backup_file.expanduser()
    in_folder = backups_folder(workspace.labels) / named
    chosen = named if named.exists() or not in_folder.exists() else in_folder
    done = restore(chosen, workspace.labels)
    sentence = (
        f"{workspace.labels} is what it was in {chosen}: {_counted(done.n_events, 'event')},"
        " checked thoroughly."
    )
    if done.kept is not None:
        sentence += f" What it was until now is kept in {done.kept}."
    if done.set_aside is not None:
        sentence += f" The damaged database was moved to {done.set_aside}."
    return sentence


def run_check(workspace: Workspace, *, thorough: bool = False) -> str:
    """Check the label database and list its backups.

    Raises
    ------
    Damaged, NotFound
        With the newest sound backup and the command that brings it back.
    """
    warn_of_network(workspace)
    try:
        _refuse_absent(workspace)
        found = inspect(workspace.labels)  # first: LabelsDB would fill an empty file
        if thorough:
            with LabelsDB(workspace.labels) as database:
                database.check(thorough=True)
            found = inspect(workspace.labels)  # opening may have brought it up to date
    except (Damaged, NotFound) as error:
        raise type(error)(f"{error} {_way_out(workspace)}") from error
    how = "thoroughly" if thorough else "quickly (--thorough also holds counts against events)"
    sentence = (
        f"{workspace.labels} is sound, checked {how}: {_counted(found.n_events, 'event')},"
        f" version {found.version}, {_size(workspace.labels.stat().st_size)}."
    )
    return f"{sentence}\n{run_backups(workspace)}"


def warn_of_network(workspace: Workspace) -> None:
    """Say on standard error if the database lies where SQLite's log is not safe."""
    kind = network_filesystem(workspace.labels)
    if kind:
        print(
            f"skysift: {workspace.root} lies on a network file system ({kind}), where labels can"
            " be lost; keep the workspace on a local disk. Backups may lie there.",
            file=sys.stderr,
        )


def _refuse_absent(workspace: Workspace) -> None:
    if not workspace.labels.exists():
        raise NotFound(f"There is no label database at {workspace.labels}.")


def _way_out(workspace: Workspace) -> str:
    folder = backups_folder(workspace.labels)
    try:
        whole = [file for file in list_backups(folder) if file.contents is not None]
    except (OSError, SkysiftError):
        whole = []
    if not whole:
        return f"There is no sound backup in {folder}."
    newest = whole[0]
    assert newest.contents is not None
    return (
        f"The newest sound backup is of {_time(newest.time)} with"
        f" {_counted(newest.contents.n_events, 'event')}; bring it back with"
        f" `python -m core.run restore {newest.path.name} --workspace {workspace.root}`."
    )


def _table(files: list[BackupFile]) -> list[str]:
    rows = [
        (
            _time(file.time),
            _size(file.size_bytes),
            "?" if file.contents is None else f"{file.contents.n_events:,}",
            "damaged" if file.contents is None else "sound",
            file.path.name,
        )
        for file in files
    ]
    rows.insert(0, ("made (UTC)", "size", "events", "state", "file"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}"
        f"  {row[3]:<{widths[3]}}  {row[4]}"
        for row in rows
    ]


def _time(stamp: str) -> str:
    """20260131T235900Z -> 2026-01-31 23:59:00."""
    day, clock = stamp[:8], stamp[9:15]
    return f"{day[:4]}-{day[4:6]}-{day[6:]} {clock[:2]}:{clock[2:4]}:{clock[4:]}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:,.1f} kB"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
