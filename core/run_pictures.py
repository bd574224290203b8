"""Known pictures: examples of a class that no survey holds, kept with the task they are for.

Each is one file in WORKSPACE/examples/TASK: the picture's own bytes, so that a newer version of
the survey or another embedding sees it anew, and who gave it when as what.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
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

RECORDS = "pictures"
"""Folder beside a task's score files: which known pictures a ranking was taught."""

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
        What it was called, what it shows, who said so, and the time in UTC; "" where its file
        cannot be read.
    damage
        A sentence where that is so, else "".
    """

    sha256: str
    file_name: str = ""
    class_name: str = ""
    by: str = ""
    when: str = ""
    damage: str = ""

    @property
    def short(self) -> str:
        """The first digits of its hash."""
        return self.sha256[:_SHOWN]


@dataclass(frozen=True)
class TaughtPictures:
    """The known pictures of a task, for an engine.

    Attributes
    ----------
    outside
        As the encoder of an embedding sees them; None if there is none to be taught.
    words
        Sentences, each after a space, about which they are and those that could not be taken; ""
        where there is nothing to say.
    record
        (sha256, class) of each that is taught, in the order of `outside`.
    """

    outside: Outside | None = None
    words: str = ""
    record: tuple[tuple[str, str], ...] = ()


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
    """The known pictures of a task, in the order in which they came, without their contents.

    One whose file cannot be read is among them, with a sentence of its `damage`.
    """
    folder = _folder(workspace, task)
    found = []
    for name in _files(folder):
        try:
            found.append(_read(folder / name))
        except Damaged as error:
            found.append(KnownPicture(Path(name).stem, damage=str(error)))
    return sorted(found, key=lambda one: (one.when, one.sha256))


def picture_content(workspace: Workspace, task: str, sha256: str) -> bytes:
    """The bytes of a known picture's file, as it was given.

    Raises
    ------
    NotFound
        The task has none of that hash.
    Damaged
        Its file cannot be read.
    """
    return _content(_path(workspace, task, sha256))


def remove_picture(workspace: Workspace, task: str, sha256: str) -> None:
    """Forget a known picture.

    Raises
    ------
    NotFound
        The task has none of that hash.
    """
    path = _path(workspace, task, sha256)
    with storage_errors(path):
        path.unlink(missing_ok=True)


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
) -> TaughtPictures:
    """The known pictures as the encoder of an embedding sees them, for an engine.

    Which they are is kept for good in a list in the task's folder of scores, named in `words`: a
    ranking tells by it what it was taught. No picture, whatever is in it, ends the caller.
    """
    from core.discovery.outside import Outside
    from core.survey.outside_picture import outside_picture

    folder = _folder(workspace, task.name)
    images, record, lost = [], [], []
    for name in _files(folder):
        try:
            one = _read(folder / name)
            if one.class_name not in task.every_class:
                raise BadInput(f"the task has no class {one.class_name!r}")
            content = _content(folder / name)
            images.append(outside_picture(survey, content, one.file_name))
            record.append((one.sha256, one.class_name))
        except Exception as error:  # a reader's too: the search goes on without this picture
            lost.append(_why(error))
    try:
        values = _encoded(survey, run_id, images, lost) if images else []
    except SkysiftError as error:  # about the encoder, not about a picture
        return TaughtPictures(None, _lost_words(len(images) + len(lost), str(error)))
    taken = [(one, said) for one, said in zip(values, record, strict=True) if one is not None]
    words = _lost_words(len(lost), *lost[:1])
    if not taken:
        return TaughtPictures(None, words)
    record = [said for _, said in taken]
    outside = Outside(np.stack([one for one, _ in taken]), tuple(name for _, name in record))
    kept = _keep_record(workspace.task_scores(task.name), record)
    return TaughtPictures(outside, f" They are listed in {kept}.{words}", tuple(record))


def _encoded(
    survey: Survey, run_id: str, images: list[np.ndarray], lost: list[str]
) -> list[np.ndarray | None]:
    """(D,) of each picture; None for one that could not be encoded, why being added to `lost`."""
    from core.representation.outside import encode_pictures

    try:
        values = list(encode_pictures(survey, run_id, images))
    except SkysiftError:
        raise
    except Exception as error:  # whatever an encoder's package raises about one of them
        if len(images) == 1:
            lost.append(_why(error))
            return [None]
        return [one for image in images for one in _encoded(survey, run_id, [image], lost)]
    found: list[np.ndarray | None] = [one if np.isfinite(one).all() else None for one in values]
    lost += ["the encoder sees nothing in it"] * sum(one is None for one in found)
    return found


def _why(error: Exception) -> str:
    """What to say of a picture that failed."""
    if isinstance(error, SkysiftError):
        return str(error)
    return f"it cannot be read or encoded ({type(error).__name__}: {str(error)[:120]})"


def _keep_record(folder: Path, record: Sequence[tuple[str, str]]) -> str:
    """Write which pictures are taught as what, once; the file's name in the folder of scores."""
    text = json.dumps(
        [{"sha256": sha256, "class_name": name} for sha256, name in record], indent=1
    )
    name = f"{RECORDS}/{hashlib.sha256(text.encode()).hexdigest()[:_SHOWN]}.json"
    path = folder / name
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    return name


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


def _path(workspace: Workspace, task: str, sha256: str) -> Path:
    """Of a picture that is there."""
    folder = _folder(workspace, task)
    name = f"{sha256}{_SUFFIX}"
    if name not in _files(folder):
        raise NotFound(
            f"The task {task} has no known picture {sha256[:_SHOWN]}; it may have been removed"
            " already: look at the list again."
        )
    return folder / name


def _read(path: Path) -> KnownPicture:
    """What is said of a picture; its content stays where it is."""
    with _opened(path) as found:
        about = json.loads(str(found["about"]))
        words = {name: str(about[name]) for name in ("file_name", "class_name", "by", "when")}
    return KnownPicture(path.stem, **words)


def _content(path: Path) -> bytes:
    with _opened(path) as found:
        content: bytes = found["content"].tobytes()
    return content


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of a picture's file; `Damaged` for one that cannot be read."""
    try:
        # numpy would leave a file open that it opened itself and that is damaged.
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as found:
            yield found
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise Damaged(
            f"The known picture {path} cannot be read ({str(error)[:120]}); take it away and give"
            " the picture again."
        ) from None


__all__ = [
    "MAX_BYTES",
    "MAX_PICTURES",
    "RECORDS",
    "KnownPicture",
    "TaughtPictures",
    "add_picture",
    "known_pictures",
    "picture_content",
    "pictures_stamp",
    "remove_picture",
    "taught_pictures",
]
