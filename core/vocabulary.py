"""The words of Skysift, one meaning each, and the checks on names that people choose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from core.errors import BadInput


class Action(StrEnum):
    """What a label event records that an annotator did."""

    LABEL = "label"
    SKIP = "skip"
    UNSURE = "unsure"
    FLAG = "flag"
    NOTE = "note"
    MARK = "mark"
    UNDO = "undo"
    ADJUDICATE = "adjudicate"


class Role(StrEnum):
    """What a person may do: everything; label and look; look."""

    OWNER = "owner"
    ANNOTATOR = "annotator"
    VIEWER = "viewer"


class Settled(StrEnum):
    """How an object came to its current label."""

    LATEST = "latest"
    """The newest label by anyone; for tasks that ask for one answer an object."""
    PLURALITY = "plurality"
    """The class that more annotators gave than any other."""
    ADJUDICATED = "adjudicated"
    """Somebody settled it on the Review page."""


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ORPHANED = "orphaned"


class JobKind(StrEnum):
    """The jobs of `python -m core.run`."""

    DEMO = "demo"
    IMPORT = "import"
    CROSSMATCH = "crossmatch"
    DUPLICATES = "duplicates"
    QUERY = "query"
    MEASURE = "measure"
    PRETRAIN = "pretrain"
    EMBED = "embed"
    QUALITY = "quality"
    COMPRESS = "compress"
    MAP = "map"
    NEIGHBOURS = "neighbours"
    """Cells for look-alikes in a large embedding, and its near-duplicates."""
    WORKER = "worker"
    SIMULATE = "simulate"
    REFINE = "refine"
    """Labels taught to the network behind an embedding."""
    GROUP = "group"
    DETECT = "detect"
    """The survey ranked by how odd each object is."""


class ScoreKind(StrEnum):
    """What the score of a ranking means."""

    TARGET_PROBABILITY = "P(target)"
    ANOMALY = "anomaly score"


CONTROL_SAMPLER = "control"
"""Recorded as the sampler of every object drawn from the task's fixed random permutation."""

GOLD_SAMPLER = "gold"
"""Recorded as the sampler of objects with a known answer that were slipped in."""

SELECTION_SAMPLER = "selection"
"""Recorded as the sampler of objects that somebody put ahead of the queue from a selection."""

DEFAULT = "default"
"""Names the encoder or sampler that the app itself uses."""

MAX_CLASSES = 9
"""Classes sit on the keys 1 to 9."""

MAX_LEAVES = 60
"""Classes of a decision tree, which are reached by questions and need no key."""

MAX_ANSWERS_PER_OBJECT = 99

MAX_ID_LENGTH = 512
MAX_NOTE_LENGTH = 4096

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def checked_name(name: str, what: str) -> str:
    """Return `name` if it can be the name of a survey, task or run, else raise `BadInput`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith(".partial"):
        raise BadInput(
            f"The {what} name may have up to 64 letters, digits, '_', '-' and '.', starting with "
            f"a letter or digit, but is {str(name)[:80]!r}; choose another name."
        )
    return name


def checked_object_id(object_id: str) -> str:
    """Return `object_id` if it is 1 to 512 printable characters, else raise `BadInput`."""
    if not isinstance(object_id, str) or not 0 < len(object_id) <= MAX_ID_LENGTH:
        raise BadInput(
            f"An object_id is 1 to {MAX_ID_LENGTH} characters, but "
            f"{str(object_id)[:40]!r} has {len(str(object_id))}; shorten it in the data."
        )
    if not object_id.isprintable():
        raise BadInput(
            f"An object_id holds printable characters only, but {object_id[:40]!r} has others; "
            "rename it in the data."
        )
    return object_id


def checked_classes(
    classes: Sequence[str], target: str, most: int = MAX_CLASSES
) -> tuple[str, ...]:
    """Return the classes of a task, stripped, after checking them and the target among them."""
    names = tuple(str(name).strip() for name in classes)
    if not 2 <= len(names) <= most:
        raise BadInput(
            f"A task needs 2 to {most} classes, but got {len(names)}"
            f" ({', '.join(names) or 'none'}); a search for one thing has the thing and 'other'."
        )
    for name in names:
        if not 0 < len(name) <= 64 or not name.isprintable():
            raise BadInput(
                f"A class name is 1 to 64 printable characters, but got {name[:80]!r};"
                " choose another."
            )
    if len({name.casefold() for name in names}) < len(names):
        raise BadInput(
            f"Each class of a task must differ, but got {', '.join(names)}; rename one of them."
        )
    if target.strip() not in names:
        raise BadInput(
            f"The target must be one of the classes ({', '.join(names)}), but is {target!r};"
            " choose one of them."
        )
    return names


def checked_also_targets(
    classes: Sequence[str], target: str, also: Sequence[str]
) -> tuple[str, ...]:
    """Return the classes that are looked for beside the target, stripped, after checking them.

    classes, target : of the task, as `checked_classes` leaves them
    """
    names = tuple(str(name).strip() for name in also)
    wanted = (target.strip(), *names)
    strange = [name for name in names if name not in classes]
    if strange:
        raise BadInput(
            f"What is looked for is among the classes ({', '.join(classes)}), but"
            f" {strange[0][:80]!r} is not; choose one of them."
        )
    if len(set(wanted)) < len(wanted):
        raise BadInput(
            f"Each target is named once, but got {', '.join(wanted)}; leave out what is double."
        )
    if len(wanted) == len(classes):
        raise BadInput(
            f"One class at least is not looked for, but all {len(wanted)} are targets"
            f" ({', '.join(wanted)}); leave one out or add a class for everything else."
        )
    return names
