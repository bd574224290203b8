"""Tasks: one question asked of a survey, with its classes."""

from __future__ import annotations

from core.errors import AlreadyExists, NotFound
from core.vocabulary import checked_classes, checked_name
from labels_db.checks import checked_prose, checked_text, checked_whole
from labels_db.connection import Connection
from labels_db.records import Task, TaskSpec
from labels_db.schema import utc_now

MAX_QUESTION_LENGTH = 1000
MAX_GUIDELINE_LENGTH = 200_000

_SELECT = "SELECT id, name, survey, question, target, guideline, seed, created_at FROM tasks"


class Tasks(Connection):
    """The part of `LabelsDB` that holds tasks."""

    def create_task(self, spec: TaskSpec) -> Task:
        """Store a new task.

        Raises
        ------
        AlreadyExists
            Its name is taken, by a task of whatever survey.
        BadInput
            A name, a class or the target cannot be used.
        """
        name = checked_name(spec.name, "task")
        classes = checked_classes(spec.classes, spec.target)
        row = {
            "name": name,
            "survey": checked_name(spec.survey, "survey"),
            "question": checked_text(spec.question, "The question", MAX_QUESTION_LENGTH),
            "target": spec.target.strip(),
            "guideline": checked_prose(spec.guideline, "The guideline", MAX_GUIDELINE_LENGTH),
            "seed": checked_whole(spec.seed, "seed", at_least=0),
            "created_at": utc_now(),
        }
        with self._write() as conn:
            if conn.execute("SELECT 1 FROM tasks WHERE name = ?", (name,)).fetchone():
                raise AlreadyExists(
                    f"There is a task {name!r} already; choose another name, or go on with it."
                )
            task_id = self._tables["tasks"].insert(row).last_pk
            self._tables["task_classes"].insert_all(
                {"task_id": task_id, "name": class_name, "position": position}
                for position, class_name in enumerate(classes)
            )
            self._tables["class_counts"].insert_all(
                {"task_id": task_id, "class_name": class_name, "n_objects": 0}
                for class_name in classes
            )
            self._tables["answer_counts"].insert({"task_id": task_id, "n_objects": 0})
        return self.task(name)

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

    def _as_task(self, row: tuple) -> Task:
        task_id, name, survey, question, target, guideline, seed, created_at = row
        return Task(
            name=name,
            survey=survey,
            question=question,
            classes=self._classes(task_id),
            target=target,
            guideline=guideline,
            seed=seed,
            created_at=created_at,
        )

    def _classes(self, task_id: int) -> tuple[str, ...]:
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
