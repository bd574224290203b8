"""The strategy of each task: what its worker shows next, and what it learns with."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from core.config import LoopConfig
from core.errors import BadInput
from core.vocabulary import MAX_ID_LENGTH
from labels_db.checks import checked_text, checked_whole, finite_or_none
from labels_db.records import Strategy
from labels_db.schema import utc_now
from labels_db.tasks import Tasks

SETTABLE = ("sampler", "learner", "control_share", "retrain_every")
MAX_RETRAIN_EVERY = 10_000

_COLUMNS = ", ".join(field.name for field in fields(Strategy))
_SELECT = f"SELECT {_COLUMNS} FROM strategies WHERE task_id = ? ORDER BY version"


class Strategies(Tasks):
    """The part of `LabelsDB` that holds strategies. A change is a row more: none is forgotten."""

    def strategy(self, task: str) -> Strategy:
        """Return the strategy of the task; the defaults, as version 0, if nobody chose one."""
        rows = self._rows(f"{_SELECT} DESC LIMIT 1", (self._task_id(task),))
        return Strategy(*rows[0]) if rows else Strategy()

    def strategies(self, task: str) -> list[Strategy]:
        """Return every strategy that was chosen for the task, oldest first."""
        return [Strategy(*row) for row in self._rows(_SELECT, (self._task_id(task),))]

    def set_strategy(self, task: str, by: str, **changes: Any) -> Strategy:
        """Change `SETTABLE` of the strategy from now on; what stays the same is no change.

        Whether there is a sampler or a learner of that name is the caller's to know.

        Raises
        ------
        BadInput
            Another setting, a share outside 0 to 1 (1 excluded), a number of answers below 1.
        """
        checked_text(by, "Who changes a strategy", MAX_ID_LENGTH)
        for name in changes:
            if name not in SETTABLE:
                raise BadInput(
                    f"Of a strategy {', '.join(SETTABLE)} can be changed, but {name[:40]!r} was"
                    " given; leave it out."
                )
        with self._write() as conn:
            task_id = self._task_id(task)
            now = self.strategy(task)
            wanted = _checked(replace(now, **changes))
            if wanted == now:
                return now
            seq = "SELECT max(seq) FROM events INDEXED BY idx_events_task_id WHERE task_id = ?"
            chosen = replace(
                wanted,
                version=now.version + 1,
                from_seq=conn.execute(seq, (task_id,)).fetchone()[0] or 0,
                changed_at=utc_now(),
                changed_by=by,
            )
            values = [getattr(chosen, name) for name in _COLUMNS.split(", ")]
            conn.execute(
                f"INSERT INTO strategies (task_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (task_id, *values),
            )
        return chosen


def _checked(strategy: Strategy) -> Strategy:
    share = finite_or_none(strategy.control_share, "control_share")
    every = checked_whole(strategy.retrain_every, "retrain_every", at_least=1)
    if share is None or every > MAX_RETRAIN_EVERY:
        raise BadInput(
            "A strategy has a finite control_share and retrain_every of up to"
            f" {MAX_RETRAIN_EVERY:,}, but got {strategy.control_share} and {every}; correct it."
        )
    checked = replace(
        strategy,
        sampler=checked_text(strategy.sampler, "sampler", MAX_ID_LENGTH),
        learner=checked_text(strategy.learner, "learner", MAX_ID_LENGTH),
        control_share=share,
        retrain_every=every,
    )
    LoopConfig(
        sampler=checked.sampler,
        learner=checked.learner,
        control_share=checked.control_share,
        retrain_every=checked.retrain_every,
    )
    return checked
