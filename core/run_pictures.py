"""Known pictures: examples of a class that no survey holds, kept with the task they are for.

Each is one file in WORKSPACE/examples/TASK: the picture's own bytes, so that a newer version of
the survey or another embedding sees it anew, and who gave it when as what.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput, Damaged, NotFound, SkysiftError
from core.vocabulary import checked_name
from core.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    from core.discovery.outside import Outside
    from core.survey import Survey
    from labels_db import Task

MAX_PICTURES = 100
"""Of a task: they are encoded together whenever one comes or goes."""

MAX_BYTES = 16 * 2**20
"""Of a file: that of one object has far less."""

MAX_NAME = 200

_SUFFIX = ".npz"
_SHOWN = 12
"""Digits of the hash by which a picture is named to people."""


@dataclass(frozen=True)
class KnownPicture:
    """One of them.

    Attributes
    ----------
    sha256
        Of the file's bytes; tells pictures apart.
    file_name, class_name, by, when
        What it was called, what it shows, who said so, and the time in UTC.
    content
        The file's bytes.
    """

    sha256: str
    file_name: str
    class_name: str
    by: str
    when: str
    content: bytes

    @property
    def short(self) -> str:
        """The first digits of its hash."""
        return self.sha256[:_SHOWN]


def add_picture(
    workspace: Workspace,
    survey: Survey,
    task: Task,
    content: bytes,
    file_name: str,
    class_name: str | None,
    by: str,
) -> KnownPicture:
    """Keep a picture as an example of a class of the task (its target, unless said otherwise).

    The same file given again replaces what was said of it. The worker of the task takes it in
    within a few seconds.

    Raises
    ------
    BadInput
        It is no picture such as the survey's, too large, one too many, or of no class of the task.
    """
    from core.survey.outside_picture import outside_picture

    shown = Path(file_name).name[:MAX_NAME] or "picture"
    wanted = class_of_examples(task, class_name)
    if wanted not in task.classes:
        raise BadInput(
            f"The classes of the task {task.name} are {', '.join(task.classes)}, but the picture"
            f" {shown} is to be {wanted!r}; choose one of them."
        )
    if len(content) > MAX_BYTES:
        raise BadInput(
            f"A known picture has up to {MAX_BYTES // 2**20} MB, but {shown} has"
            f" {len(content) / 2**20:,.1f} MB; cut the object out of it first."
        )
    outside_picture(survey, content, shown)
    found = KnownPicture(
        sha256=hashlib.sha256(content).hexdigest(),
        file_name=shown,
        class_name=wanted,
        by=by,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        content=content,
    )
    folder = _folder(workspace, task.name)
    path = folder / f"{found.sha256}{_SUFFIX}"
    there = _files(folder)
    if path.name not in there and len(there) >= MAX_PICTURES:
        raise BadInput(
            f"A task has up to {MAX_PICTURES} known pictures, and {task.name} has"
            f" {len(there)}; remove one of them first."
        )
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        about = {"file_name": shown, "class_name": wanted, "by": by, "when": found.when}
        with open(partial, "wb") as handle:
            np.savez(
                handle, content=np.frombuffer(content, np.uint8), about=np.array(json.dumps(about))
            )
        partial.replace(path)
    return found


def known_pictures(workspace: Workspace, task: str) -> list[KnownPicture]:
    """The known pictures of a task, in the order in which they came.

    Raises
    ------
    Damaged
        A file of theirs cannot be read.
    """
    folder = _folder(workspace, task)
    found = [_read(folder / name) for name in _files(folder)]
    return sorted(found, key=lambda one: (one.when, one.sha256))


def remove_picture(workspace: Workspace, task: str, sha256: str) -> None:
    """Forget a known picture.

    Raises
    ------
    NotFound
        The task has none of that hash.
    """
    folder = _folder(workspace, task)
    name = f"{sha256}{_SUFFIX}"
    if name not in _files(folder):
        raise NotFound(
            f"The task {task} has no known picture {sha256[:_SHOWN]}; it may have been removed"
            " already: look at the list again."
        )
    with storage_errors(folder):
        (folder / name).unlink(missing_ok=True)


def pictures_stamp(workspace: Workspace, task: str) -> tuple[tuple[str, int], ...] | None:
    """Differs whenever a known picture of the task came, went or changed; None where there never
    was one."""
    folder = _folder(workspace, task)
    try:
        with os.scandir(folder) as entries:
            return tuple(
                sorted(
                    (one.name, one.stat().st_mtime_ns)
                    for one in entries
                    if one.name.endswith(_SUFFIX)
                )
            )
    except FileNotFoundError:
        return None


def class_of_examples(task: Task, class_name: str | None) -> str:
    """`class_name`, or the target of the task; `BadInput` where none is named of several."""
    if class_name is None and task.also_targets:
        raise BadInput(
            f"The task {task.name} looks for {', '.join(task.targets)}, and examples are of one"
            " class; name it."
        )
    return class_name or task.target


def taught_pictures(
    workspace: Workspace, survey: Survey, task: Task, run_id: str
) -> tuple[Outside | None, str]:
    """The known pictures as the encoder of an embedding sees them, for an engine; and a sentence,
    after a space, about those that could not be taken, "" for none."""
    from core.discovery.outside import Outside
    from core.representation.outside import encode_pictures
    from core.survey.outside_picture import outside_picture

    folder = _folder(workspace, task.name)
    images, classes, lost = [], [], []
    for name in _files(folder):
        try:
            one = _read(folder / name)
            if one.class_name not in task.every_class:
                raise BadInput(f"the task has no class {one.class_name!r}")
            images.append(outside_picture(survey, one.content, one.file_name))
            classes.append(one.class_name)
        except SkysiftError as error:
            lost.append(str(error))
    if images:
        try:
            values = encode_pictures(survey, run_id, images)
        except SkysiftError as error:
            return None, _lost_words(len(images) + len(lost), str(error))
        seen = np.asarray(np.isfinite(values).all(axis=1))
        lost += ["the encoder sees nothing in it"] * int((~seen).sum())
        classes = [name for name, is_seen in zip(classes, seen, strict=True) if is_seen]
        if classes:
            return Outside(values[seen], tuple(classes)), _lost_words(len(lost), *lost[:1])
    return None, _lost_words(len(lost), *lost[:1])


def _lost_words(n: int, reason: str = "") -> str:
    if not n:
        return ""
    what = "known picture teaches" if n == 1 else "known pictures teach"
    return f" {n:,} {what} nothing: {reason.rstrip('.')}."


def _folder(workspace: Workspace, task: str) -> Path:
    return workspace.root / "examples" / checked_name(task, "task")


def _files(folder: Path) -> list[str]:
    """Names of the whole files in it, sorted."""
    if not folder.is_dir():
        return []
    return sorted(one.name for one in folder.iterdir() if one.suffix == _SUFFIX)


def _read(path: Path) -> KnownPicture:
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as found:
            content, about = found["content"].tobytes(), json.loads(str(found["about"]))
        words = {name: str(about[name]) for name in ("file_name", "class_name", "by", "when")}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise Damaged(
            f"The known picture {path} cannot be read ({str(error)[:120]}); remove the file and"
            " give the picture again."
        ) from None
    return KnownPicture(sha256=path.stem, content=content, **words)


__all__ = [
    "MAX_BYTES",
    "MAX_PICTURES",
    "KnownPicture",
    "add_picture",
    "known_pictures",
    "pictures_stamp",
    "remove_picture",
    "taught_pictures",
]
