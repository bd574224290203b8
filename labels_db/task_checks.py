"""What makes a task one that can be stored: classes, keys, colours, tags, tree, settings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from core.errors import BadInput
from core.vocabulary import (
    MAX_ANSWERS_PER_OBJECT,
    MAX_CLASSES,
    MAX_LEAVES,
    checked_also_targets,
    checked_classes,
    checked_name,
    checked_object_id,
)
from labels_db.checks import checked_prose, checked_text, checked_whole
from labels_db.records import ClassDetail, Task, TaskSpec
from labels_db.trees import checked_tree

MAX_QUESTION_LENGTH = 1000
MAX_GUIDELINE_LENGTH = 200_000
MAX_TAGS = 50
MAX_EXAMPLES = 24
MAX_GOLD_RATE = 0.5
LEASE_SECONDS = (5, 24 * 3600)
ACT_KEYS = frozenset("surfndmg")
"""Letters that have a meaning on the label page already; no class may sit on them."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def document(task: Task) -> dict[str, Any]:
    """The definition of a task as JSON: what a version keeps and an export carries."""
    return {
        "name": task.name,
        "survey": task.survey,
        "question": task.question,
        "target": task.target,
        "also_targets": list(task.also_targets),
        "guideline": task.guideline,
        "classes": [
            {
                "name": one.name,
                "key": one.key,
                "colour": one.colour,
                "guideline": one.guideline,
                "examples": list(one.examples),
                "retired": one.retired,
            }
            for one in task.details
        ],
        "tags": list(task.tags),
        "answers_per_object": task.answers_per_object,
        "blind": task.blind,
        "tree": task.tree,
        "gold_rate": task.gold_rate,
        "lease_seconds": task.lease_seconds,
        "version": task.version,
    }


def checked_spec(spec: TaskSpec, most: int | None = None) -> TaskSpec:
    """Return the task as it will be stored, with a detail for each class; or `BadInput`."""
    if most is None:
        most = MAX_LEAVES if spec.tree is not None else MAX_CLASSES
    classes = checked_classes(spec.classes, spec.target, most=most)
    given = {one.name.strip(): one for one in spec.details}
    unknown = [name for name in given if name not in classes]
    if unknown:
        raise BadInput(
            f"Details belong to a class of the task ({', '.join(classes)}), but"
            f" {unknown[0][:80]!r} is none; correct its name."
        )
    details = tuple(
        checked_detail(replace(given.get(name, ClassDetail(name)), name=name)) for name in classes
    )
    _refuse_same_keys(details)
    share = spec.gold_rate
    if isinstance(share, bool) or not isinstance(share, int | float) or math.isnan(share):
        share = -1.0
    if not 0 <= share <= MAX_GOLD_RATE:
        raise BadInput(
            f"gold_rate is a share from 0 to {MAX_GOLD_RATE}, but is"
            f" {str(spec.gold_rate)[:40]!r}; correct it."
        )
    return replace(
        spec,
        name=checked_name(spec.name, "task"),
        survey=checked_name(spec.survey, "survey"),
        question=checked_text(spec.question, "The question", MAX_QUESTION_LENGTH),
        classes=classes,
        target=spec.target.strip(),
        also_targets=checked_also_targets(classes, spec.target, spec.also_targets),
        guideline=checked_prose(spec.guideline, "The guideline", MAX_GUIDELINE_LENGTH),
        seed=checked_whole(spec.seed, "seed", at_least=0),
        details=details,
        tags=checked_tags(spec.tags),
        answers_per_object=_within(
            spec.answers_per_object, "answers_per_object", 1, MAX_ANSWERS_PER_OBJECT
        ),
        blind=bool(spec.blind),
        tree=None if spec.tree is None else checked_tree(spec.tree, classes),
        gold_rate=float(share),
        lease_seconds=_within(spec.lease_seconds, "lease_seconds", *LEASE_SECONDS),
    )


def _within(value: int, what: str, least: int, most: int) -> int:
    whole = checked_whole(value, what, at_least=least)
    if whole > most:
        raise BadInput(f"{what} may be {least} to {most}, but is {whole}; lower it.")
    return whole


def checked_detail(detail: ClassDetail) -> ClassDetail:
    key = str(detail.key).strip().lower()
    usable = len(key) == 1 and key.isascii() and key.isalnum() and key not in ACT_KEYS
    if key and not usable:
        raise BadInput(
            f"The key of {detail.name!r} must be a digit or a letter other than"
            f" {', '.join(sorted(ACT_KEYS)).upper()}, which the label page uses, but is"
            f" {str(detail.key)[:20]!r}; choose another."
        )
    colour = str(detail.colour).strip()
    if colour and not _COLOUR.fullmatch(colour):
        raise BadInput(
            f"The colour of {detail.name!r} must be like #6db3f2, but is {colour[:20]!r};"
            " correct it."
        )
    examples = tuple(checked_object_id(one) for one in detail.examples)
    if len(examples) > MAX_EXAMPLES:
        raise BadInput(
            f"A class shows up to {MAX_EXAMPLES} examples, but {detail.name!r} has"
            f" {len(examples)}; choose the best."
        )
    return replace(
        detail,
        key=key,
        colour=colour.lower(),
        guideline=checked_prose(detail.guideline, "The guideline", MAX_GUIDELINE_LENGTH),
        examples=tuple(dict.fromkeys(examples)),
    )


def class_keys(details: Iterable[ClassDetail]) -> dict[str, str]:
    """The key of each active class, in order: its own, or the digit of its place."""
    active = [one for one in details if not one.retired]
    taken = {one.key for one in active if one.key}
    keys = {}
    for place, one in enumerate(active, start=1):
        digits = (str(digit) for digit in (place, *range(1, MAX_CLASSES + 1)) if digit < 10)
        keys[one.name] = one.key or next((key for key in digits if key not in taken), "")
        taken.add(keys[one.name])
    return keys


def _refuse_same_keys(details: Sequence[ClassDetail]) -> None:
    owners: dict[str, str] = {}
    for one in details:
        if one.key and one.key in owners:
            raise BadInput(
                f"Each class has its own key, but {owners[one.key]!r} and {one.name!r} are both"
                f" on {one.key!r}; give one of them another."
            )
        owners[one.key] = one.name


def checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    names = tuple(checked_text(str(tag).strip(), "A tag", 64) for tag in tags)
    if len(names) > MAX_TAGS or len({name.casefold() for name in names}) < len(names):
        raise BadInput(
            f"A task has up to {MAX_TAGS} tags that all differ, but got"
            f" {', '.join(names)[:200]}; leave out what is double."
        )
    return names


def most_classes(task: Task) -> int:
    return MAX_LEAVES if task.tree is not None else MAX_CLASSES


def same_name(one: str, other: str) -> bool:
    return one.strip().casefold() == str(other).strip().casefold()
