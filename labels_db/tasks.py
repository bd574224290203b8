"""Tasks: one question asked of a survey, with its classes.

A task may change while people work on it. Each change is kept as a version with the last event
before it, so that what an old event meant can always be told.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.errors import AlreadyExists, BadInput, NotFound
from core.vocabulary import (
    MAX_ID_LENGTH,
    checked_also_targets,
    checked_classes,
)
from labels_db import clock, many_hands, standing
from labels_db.checks import checked_text
from labels_db.connection import Connection
from labels_db.records import ClassDetail, Task, TaskSpec, TaskVersion
from labels_db.schema import utc_now
from labels_db.task_checks import (
    checked_detail,
    checked_spec,
    checked_tags,
    document,
    most_classes,
    same_name,
)
from labels_db.trees import checked_tree, tree_classes

_COLUMNS = (
    "name, survey, question, target, guideline, seed, created_at, version, answers_per_object,"
    " blind, tree, gold_rate, lease_seconds, also_targets"
)
_SELECT = f"SELECT id, {_COLUMNS} FROM tasks"


class Tasks(Connection):
    """The part of `LabelsDB` that holds tasks."""

    def create_task(self, spec: TaskSpec, by: str = "owner") -> Task:
        """Store a new task.

        Raises
        ------
        AlreadyExists
            Its name is taken, by a task of whatever survey.
        BadInput
            A name, a class, a target, the tree or a setting cannot be used.
        """
        checked = checked_spec(spec)
        with self._write() as conn:
            taken = conn.execute("SELECT 1 FROM tasks WHERE name = ?", (checked.name,)).fetchone()
            if taken:
                raise AlreadyExists(
                    f"There is a task {checked.name!r} already; choose another name, or go on"
                    " with it."
                )
            row = _as_row(checked) | {"created_at": utc_now(), "version": 1}
            task_id = int(self._tables["tasks"].insert(row).last_pk)
            for position, detail in enumerate(checked.details):
                self._insert_class(task_id, detail, position)
            for position, tag in enumerate(checked.tags):
                self._insert_tag(task_id, tag, position)
            self._tables["answer_counts"].insert({"task_id": task_id, "n_objects": 0})
            self._keep_version(conn, task_id, 1, by)
        return self.task(checked.name)

    def change_task(self, name: str, by: str, **changes: Any) -> Task:
        """Change a task's question, target, also_targets, guideline, answers_per_object, blind,
        gold_rate or lease_seconds; classes, tags and the tree have methods of their own.

        What was answered keeps its meaning. Raises as `create_task` does.
        """
        allowed = (
            *("question", "target", "also_targets", "guideline", "answers_per_object"),
            *("blind", "gold_rate", "lease_seconds"),
        )
        for field in changes:
            if field not in allowed:
                raise BadInput(
                    f"Of a task {', '.join(allowed)} can be changed, but {field[:40]!r} was"
                    " given; make a new task for that."
                )

        def change(conn: sqlite3.Connection, task_id: int, task: Task) -> None:
            active = tuple(one for one in task.details if not one.retired)
            checked = checked_spec(replace(task, details=active, **changes))
            row = _as_row(checked)
            self._tables["tasks"].update(task_id, {field: row[field] for field in changes})
            if checked.lease_seconds < task.lease_seconds:
                conn.execute(
                    "UPDATE leases SET expires_at = min(expires_at, ?) WHERE task_id = ?",
                    (clock.now() + checked.lease_seconds, task_id),
                )
            if checked.answers_per_object != task.answers_per_object:
                many_hands.rebuild_states(conn, task_id)
                standing.settle_ahead(conn, task_id)

        return self._change(name, by, change)

    def add_class(self, name: str, detail: ClassDetail, by: str) -> Task:
        """Offer one class more from now on."""

        def change(_conn: sqlite3.Connection, task_id: int, task: Task) -> None:
            if any(same_name(one.name, detail.name) for one in task.details):
                raise AlreadyExists(
                    f"The task {name!r} has a class {detail.name[:80]!r} already, perhaps a"
                    " retired one; bring that back or choose another name."
                )
            active = [one for one in task.details if not one.retired]
            checked = checked_spec(
                replace(
                    task,
                    classes=(*task.classes, detail.name),
                    details=(*active, replace(detail, retired=False)),
                    tree=None,
                ),
                most=most_classes(task),
            )
            position = self._value(
                "SELECT max(position) + 1 FROM task_classes WHERE task_id = ?", (task_id,)
            )
            self._insert_class(task_id, checked.details[-1], position)

        return self._change(name, by, change)

    def change_class(self, name: str, class_name: str, by: str, **changes: Any) -> Task:
        """Change a class's key, colour, guideline or examples; its name stands for good."""
        for field in changes:
            if field not in ("key", "colour", "guideline", "examples"):
                raise BadInput(
                    "Of a class key, colour, guideline and examples can be changed, but"
                    f" {field[:40]!r} was given; retire the class and add another."
                )

        def change(_conn: sqlite3.Connection, task_id: int, task: Task) -> None:
            self._find_class(task, class_name)
            details = tuple(
                replace(one, **changes) if one.name == class_name else one for one in task.details
            )
            active = tuple(one for one in details if not one.retired)
            checked_spec(replace(task, details=active, tree=None), most=most_classes(task))
            changed = next(one for one in details if one.name == class_name)
            self._tables["task_classes"].update(
                (task_id, class_name), _class_row(checked_detail(changed))
            )

        return self._change(name, by, change)

    def retire_class(self, name: str, class_name: str, by: str) -> Task:
        """Offer the class no more; what was labelled so stays so. `BadInput` for a target, for an
        end of the tree, and if fewer than two classes, or targets alone, would be left."""

        def change(_conn: sqlite3.Connection, task_id: int, task: Task) -> None:
            self._find_class(task, class_name)
            if class_name in task.targets:
                which = "a" if task.also_targets else "the"
                raise BadInput(
                    f"{class_name!r} is {which} target of the task {name!r} and cannot be retired;"
                    " choose another target first."
                )
            left = tuple(one for one in task.classes if one != class_name)
            if task.tree is not None:
                checked_tree(task.tree, left)
            checked_classes(left, task.target, most=most_classes(task))
            checked_also_targets(left, task.target, task.also_targets)
            self._tables["task_classes"].update((task_id, class_name), {"retired": 1})

        return self._change(name, by, change)

    def restore_class(self, name: str, class_name: str, by: str) -> Task:
        """Offer a retired class again."""

        def change(_conn: sqlite3.Connection, task_id: int, task: Task) -> None:
            found = self._find_class(task, class_name)
            if found.retired:
                active = tuple(one for one in task.details if not one.retired)
                checked_spec(
                    replace(
                        task,
                        classes=(*task.classes, class_name),
                        details=(*active, replace(found, retired=False)),
                        tree=None,
                    ),
                    most=most_classes(task),
                )
            self._tables["task_classes"].update((task_id, class_name), {"retired": 0})

        return self._change(name, by, change)

    def change_tree(self, name: str, tree: Mapping[str, Any], by: str) -> Task:
        """Ask other questions from now on: classes that the tree newly ends at are added, those
        that it no longer reaches are retired. `BadInput` if that would retire a target."""
        ends = tree_classes(tree)

        def change(_conn: sqlite3.Connection, task_id: int, task: Task) -> None:
            if task.tree is None:
                raise BadInput(
                    f"The task {name!r} has no decision tree, and one cannot be given to it now;"
                    " make a new task for that."
                )
            known = {one.name: one for one in task.details}
            checked = checked_spec(
                replace(
                    task,
                    classes=ends,
                    details=tuple(replace(known[e], retired=False) for e in ends if e in known),
                    tree=tree,
                )
            )
            self._tables["tasks"].update(task_id, {"tree": json.dumps(checked.tree)})
            for position, detail in enumerate(checked.details):
                if detail.name in known:
                    place = {"position": position, "retired": 0}
                    self._tables["task_classes"].update((task_id, detail.name), place)
                else:
                    self._insert_class(task_id, detail, position)
            for one in task.details:
                if one.name not in ends:
                    self._tables["task_classes"].update((task_id, one.name), {"retired": 1})

        return self._change(name, by, change)

    def set_tags(self, name: str, tags: Sequence[str], by: str) -> Task:
        """Offer these tags, in this order, and no others; those given before stay given."""
        checked = checked_tags(tags)

        def change(conn: sqlite3.Connection, task_id: int, _task: Task) -> None:
            conn.execute("UPDATE task_tags SET retired = 1 WHERE task_id = ?", (task_id,))
            for position, tag in enumerate(checked):
                self._insert_tag(task_id, tag, position)

        return self._change(name, by, change)

    def task_versions(self, name: str) -> list[TaskVersion]:
        """Return every definition the task has had, oldest first."""
        rows = self._rows(
            "SELECT version, from_seq, changed_at, changed_by, document FROM task_versions"
            " WHERE task_id = ? ORDER BY version",
            (self._task_id(name),),
        )
        return [TaskVersion(*(*row[:-1], json.loads(row[-1]))) for row in rows]

    def targets_at(self, name: str, version: int) -> tuple[str, ...]:
        """Return the classes that this version of the task looked for; those of now where nobody
        kept which version it was."""
        document = next(
            (one.document for one in self.task_versions(name) if one.version == version), None
        )
        if document is None:
            return self.task(name).targets
        return (document["target"], *document.get("also_targets", ()))

    def tasks(self, survey: str | None = None) -> list[Task]:
        """Return all tasks, or those of one survey, oldest first."""
        if survey is None:
            rows = self._rows(f"{_SELECT} ORDER BY id")
        else:
            rows = self._rows(f"{_SELECT} WHERE survey = ? ORDER BY id", (survey,))
        return [self._as_task(row) for row in rows]

    def task(self, name: str) -> Task:
        """Return one task; `NotFound` lists those there are."""
        rows = self._rows(f"{_SELECT} WHERE id = ?", (self._task_id(name),))
        return self._as_task(rows[0])

    def _change(
        self, name: str, by: str, change: Callable[[sqlite3.Connection, int, Task], None]
    ) -> Task:
        checked_text(by, "Who changes a task", MAX_ID_LENGTH)
        with self._write() as conn:
            task = self.task(name)
            task_id = self._task_id(name)
            change(conn, task_id, task)
            version = task.version + 1
            conn.execute("UPDATE tasks SET version = ? WHERE id = ?", (version, task_id))
            self._keep_version(conn, task_id, version, by)
        return self.task(name)

    def _keep_version(self, conn: sqlite3.Connection, task_id: int, version: int, by: str) -> None:
        row = self._rows(f"{_SELECT} WHERE id = ?", (task_id,))[0]
        last = self._value("SELECT max(seq) FROM events") or 0
        conn.execute(
            "INSERT INTO task_versions VALUES (?, ?, ?, ?, ?, ?)",
            (task_id, version, last, utc_now(), by, json.dumps(document(self._as_task(row)))),
        )

    def _insert_class(self, task_id: int, detail: ClassDetail, position: int) -> None:
        place = {"task_id": task_id, "name": detail.name, "position": position}
        self._tables["task_classes"].insert(place | _class_row(detail))
        self._tables["class_counts"].insert(
            {"task_id": task_id, "class_name": detail.name, "n_objects": 0}
        )

    def _insert_tag(self, task_id: int, tag: str, position: int) -> None:
        self._tables["task_tags"].upsert(
            {"task_id": task_id, "name": tag, "position": position, "retired": 0},
            pk=("task_id", "name"),
        )

    @staticmethod
    def _find_class(task: Task, class_name: str) -> ClassDetail:
        for one in task.details:
            if one.name == class_name:
                return one
        names = ", ".join(one.name for one in task.details)
        raise NotFound(
            f"The task {task.name!r} has no class {str(class_name)[:80]!r}; it has {names}."
        )

    def _as_task(self, row: tuple[Any, ...]) -> Task:
        task_id, *values = row
        fields = dict(zip(_COLUMNS.split(", "), values, strict=True))
        fields["blind"] = bool(fields["blind"])
        fields["tree"] = None if fields["tree"] is None else json.loads(fields["tree"])
        fields["also_targets"] = tuple(json.loads(fields["also_targets"]))
        details = self._details(task_id)
        return Task(
            classes=tuple(one.name for one in details if not one.retired),
            details=details,
            tags=tuple(
                tag
                for (tag,) in self._rows(
                    "SELECT name FROM task_tags WHERE task_id = ? AND retired = 0"
                    " ORDER BY position",
                    (task_id,),
                )
            ),
            **fields,
        )

    def _details(self, task_id: int) -> tuple[ClassDetail, ...]:
        rows = self._rows(
            "SELECT name, key, colour, guideline, examples, retired FROM task_classes"
            " WHERE task_id = ? ORDER BY position",
            (task_id,),
        )
        return tuple(
            ClassDetail(name, key, colour, guideline, tuple(json.loads(examples)), bool(retired))
            for name, key, colour, guideline, examples, retired in rows
        )

    def _classes(self, task_id: int) -> tuple[str, ...]:
        """Names of all classes, retired ones too, in order."""
        sql = "SELECT name FROM task_classes WHERE task_id = ? ORDER BY position"
        return tuple(name for (name,) in self._rows(sql, (task_id,)))

    def _task_id(self, name: str) -> int:
        row = None
        if isinstance(name, str) and name.isprintable():
            row = self._rows("SELECT id FROM tasks WHERE name = ?", (name,))
        if not row:
            names = [found for (found,) in self._rows("SELECT name FROM tasks ORDER BY id")]
            there = f"there are {', '.join(names[:20])}" if names else "there is none yet"
            raise NotFound(
                f"There is no task {str(name)[:80]!r}; {there}. Name one of them or create it."
            )
        return int(row[0][0])


def _as_row(spec: TaskSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "survey": spec.survey,
        "question": spec.question,
        "target": spec.target,
        "also_targets": json.dumps(list(spec.also_targets)),
        "guideline": spec.guideline,
        "seed": spec.seed,
        "answers_per_object": spec.answers_per_object,
        "blind": int(spec.blind),
        "tree": None if spec.tree is None else json.dumps(spec.tree),
        "gold_rate": spec.gold_rate,
        "lease_seconds": spec.lease_seconds,
    }


def _class_row(detail: ClassDetail) -> dict[str, Any]:
    return {
        "key": detail.key,
        "colour": detail.colour,
        "guideline": detail.guideline,
        "examples": json.dumps(list(detail.examples)),
        "retired": int(detail.retired),
    }
