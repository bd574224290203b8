"""The head of each task's queue, replaced as a whole by each re-rank."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import replace

from core.errors import BadInput
from core.vocabulary import MAX_ID_LENGTH
from labels_db.checks import (
    checked_item,
    checked_prose,
    checked_text,
    checked_whole,
    finite_or_none,
)
from labels_db.faults import database_errors
from labels_db.leases import Leases, forget_old_leases
from labels_db.records import ModelRecord, QueueItem
from labels_db.schema import utc_now

MAX_STATE_LENGTH = 4000

_MODEL_COLUMNS = (
    "version, n_labels, label_seq, sampler, learner, encoder_run, survey_version, seed, state,"
    " seconds, scores_file, strategy, task_version, created_at"
)
_NEXT = (
    "SELECT q.object_id, q.rank, q.sampler, q.score, q.probability, q.model_version"
    " FROM queue AS q WHERE q.task_id = ? AND NOT EXISTS ("
    " SELECT 1 FROM object_states AS s WHERE s.task_id = q.task_id"
    " AND s.object_id = q.object_id AND s.is_counted = 1)"
    " ORDER BY q.rank"
)


class Queue(Leases):
    """The part of `LabelsDB` that holds queues and the models behind them."""

    def replace_queue(self, task: str, items: Sequence[QueueItem], model: ModelRecord) -> int:
        """Put `items` in the place of the task's queue, with the record of their model.

        Both happen in one transaction: a reader sees the old queue or the new one. What is
        leased stays with its annotator, with the reason for which it was handed out: leases
        have rows of their own. Returns the version given to the model. `BadInput` if an object
        or a rank comes twice, or the model is another task's.
        """
        checked = [checked_item(item) for item in items]
        _refuse_twice("object_id", [item.object_id for item in checked])
        _refuse_twice("rank", [item.rank for item in checked])
        if model.task != task:
            raise BadInput(
                f"The model of a queue belongs to its task {task!r}, but is of"
                f" {str(model.task)[:80]!r}; give the two the same task."
            )
        record = _checked_model(model)
        with self._write() as conn:
            task_id = self._task_id(task)
            newest = conn.execute("SELECT max(version) FROM models WHERE task_id = ?", (task_id,))
            version = (newest.fetchone()[0] or 0) + 1
            conn.execute(
                f"INSERT INTO models (task_id, {_MODEL_COLUMNS})"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    task_id,
                    version,
                    record.n_labels,
                    record.label_seq,
                    record.sampler,
                    record.learner,
                    record.encoder_run,
                    record.survey_version,
                    record.seed,
                    record.state,
                    record.seconds,
                    record.scores_file,
                    record.strategy,
                    record.task_version,
                    utc_now(),
                ),
            )
            forget_old_leases(conn)
            conn.execute("DELETE FROM queue WHERE task_id = ?", (task_id,))
            conn.executemany(
                "INSERT INTO queue (task_id, rank, object_id, sampler, score, probability,"
                " model_version) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        task_id,
                        item.rank,
                        item.object_id,
                        item.sampler,
                        item.score,
                        item.probability,
                        version,
                    )
                    for item in checked
                ),
            )
        return version

    def next_items(self, task: str, n: int, exclude: Collection[str] = ()) -> list[QueueItem]:
        """Return the first `n` items by rank that nobody answered and `exclude` does not name,
        to look at: `lease_next` hands them out. Fewer, or none, come when the queue runs out.
        Each carries its `model_version`.
        """
        left_out = set(exclude)
        items: list[QueueItem] = []
        task_id = self._task_id(task)
        with (
            database_errors(self.path),
            contextlib.closing(self._conn.execute(_NEXT, (task_id,))) as rows,
        ):
            while len(items) < n and (row := rows.fetchone()) is not None:
                if row[0] not in left_out:
                    items.append(QueueItem(*row))
        return items

    def latest_model(self, task: str) -> ModelRecord | None:
        """Return the model behind the present queue, or None before the first."""
        found = self._models(task, "ORDER BY version DESC LIMIT 1")
        return found[0] if found else None

    def models(self, task: str, last: int | None = None) -> list[ModelRecord]:
        """Return the models of the task, oldest first: all, or the `last` few."""
        if last is None:
            return self._models(task, "ORDER BY version")
        return self._models(task, f"ORDER BY version DESC LIMIT {int(last)}")[::-1]

    def _models(self, task: str, order: str) -> list[ModelRecord]:
        sql = f"SELECT {_MODEL_COLUMNS} FROM models WHERE task_id = ? {order}"
        names = _MODEL_COLUMNS.split(", ")
        rows = self._rows(sql, (self._task_id(task),))
        return [ModelRecord(task=task, **dict(zip(names, row, strict=True))) for row in rows]


def _refuse_twice(what: str, values: Sequence[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise BadInput(f"Each {what} may be in a queue once, but {value!r} came twice.")
        seen.add(value)


def _checked_model(model: ModelRecord) -> ModelRecord:
    def optional(value: str | None, what: str) -> str | None:
        return None if value is None else checked_text(value, what, MAX_ID_LENGTH)

    return replace(
        model,
        n_labels=checked_whole(model.n_labels, "n_labels", at_least=0),
        label_seq=checked_whole(model.label_seq, "label_seq", at_least=0),
        sampler=checked_text(model.sampler, "sampler", MAX_ID_LENGTH),
        learner=optional(model.learner, "learner"),
        encoder_run=optional(model.encoder_run, "encoder_run"),
        survey_version=checked_whole(model.survey_version, "survey_version", at_least=1),
        seed=checked_whole(model.seed, "seed", at_least=0),
        state=checked_prose(model.state, "state", MAX_STATE_LENGTH),
        seconds=finite_or_none(model.seconds, "seconds"),
        scores_file=optional(model.scores_file, "scores_file"),
        strategy=checked_whole(model.strategy, "strategy", at_least=0),
        task_version=checked_whole(model.task_version, "task_version", at_least=0),
    )
