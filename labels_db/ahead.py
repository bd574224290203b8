"""What somebody wants to see before the queue goes on: a selection, or more like one object.

Each annotator has their own of each task. `Leases.lease_next` hands it out first; no answer,
target or queue is touched by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import BadInput
from core.vocabulary import MAX_ID_LENGTH
from labels_db.checks import checked_item, checked_text
from labels_db.leases import Leases
from labels_db.records import QueueItem
from labels_db.schema import utc_now
from labels_db.standing import settle_ahead

MAX_AHEAD = 10_000
MAX_REASON_LENGTH = 500


@dataclass(frozen=True)
class Ahead:
    """What is ahead of the queue for one annotator.

    `reason` says why, for the page, in the words of `made_by`; `n_left` counts the objects that
    this annotator has not answered or skipped and that still want an answer, those in the hands of
    others too; `sampler` is that of the next.
    """

    reason: str
    n_left: int
    made_at: str
    made_by: str
    sampler: str


class AheadOfQueue(Leases):
    """The part of `LabelsDB` that holds what comes before the queue."""

    def put_ahead(
        self,
        task: str,
        annotator: str,
        items: Sequence[QueueItem],
        reason: str,
        *,
        by: str | None = None,
    ) -> int:
        """Let the annotator see `items` first, by rank, in the place of what was ahead before.

        Returns how many there are. Of an item the sampler and score are kept: they say why its
        object was shown. What is answered already, or settled, is passed over at the hand-out;
        gold objects are not, and are handed out as such.

        Parameters
        ----------
        by
            Who wants it so, if not the annotator.

        Raises
        ------
        BadInput
            More than `MAX_AHEAD` objects, one of them twice, or a text that cannot be stored.
        NotFound
            There is no such task.
        """
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        why = checked_text(reason, "The reason", MAX_REASON_LENGTH)
        made_by = who if by is None else checked_text(by, "by", MAX_ID_LENGTH)
        if len(items) > MAX_AHEAD:
            raise BadInput(
                f"Up to {MAX_AHEAD:,} objects may be put ahead of the queue, but {len(items):,}"
                " were given; take fewer of them."
            )
        checked = sorted((checked_item(item) for item in items), key=lambda item: item.rank)
        seen: set[str] = set()
        for item in checked:
            if item.object_id in seen:
                raise BadInput(
                    "Each object may be ahead of the queue once, but"
                    f" {item.object_id[:80]!r} came twice; leave one out."
                )
            seen.add(item.object_id)
        with self._write() as conn:
            task_id = self._task_id(task)
            for table in ("ahead", "ahead_reasons"):
                conn.execute(
                    f"DELETE FROM {table} WHERE task_id = ? AND annotator = ?", (task_id, who)
                )
            if checked:
                conn.executemany(
                    "INSERT INTO ahead (task_id, annotator, place, object_id, sampler, score)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (task_id, who, place, item.object_id, item.sampler, item.score)
                        for place, item in enumerate(checked)
                    ],
                )
                conn.execute(
                    "INSERT INTO ahead_reasons (task_id, annotator, reason, made_by, made_at)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (task_id, who, why, made_by, utc_now()),
                )
                settle_ahead(conn, task_id, who)
        return len(checked)

    def ahead(self, task: str, annotator: str) -> Ahead | None:
        """Return what is ahead of the queue for the annotator; None if nothing is left of it."""
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        mine = "task_id = :task AND annotator = :who"
        rows = self._rows(
            "SELECT reason,"
            f" (SELECT count(*) FROM ahead WHERE {mine} AND is_open = 1), made_at, made_by,"
            f" (SELECT sampler FROM ahead WHERE {mine} AND is_open = 1 ORDER BY place LIMIT 1)"
            f" FROM ahead_reasons WHERE {mine}",
            {"task": self._task_id(task), "who": who},
        )
        return Ahead(*rows[0]) if rows and rows[0][1] else None

    def not_to_ask(self, task: str, annotator: str) -> list[str]:
        """Return the objects about which nothing is asked of the annotator any more: answered or
        skipped by them, or settled (but for gold objects that others made)."""
        return [
            one
            for (one,) in self._rows(
                "SELECT object_id FROM answers WHERE task_id = :task AND annotator = :who"
                " UNION SELECT object_id FROM object_states AS s WHERE task_id = :task"
                "  AND is_open = 0 AND (is_gold = 0 OR EXISTS (SELECT 1 FROM events AS e"
                "   WHERE e.seq = s.label_seq AND e.annotator = :who))",
                {
                    "task": self._task_id(task),
                    "who": checked_text(annotator, "annotator", MAX_ID_LENGTH),
                },
            )
        ]

    def clear_ahead(self, task: str, annotator: str) -> None:
        """Let the queue go on for the annotator; what they have in hand stays with them."""
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        with self._write() as conn:
            task_id = self._task_id(task)
            for table in ("ahead", "ahead_reasons"):
                conn.execute(
                    f"DELETE FROM {table} WHERE task_id = ? AND annotator = ?", (task_id, who)
                )
