"""Many objects labelled at once by one person, and taken back at once.

The answers are events like any other, one an object. Their `source` names the group they came
in: so they are told from answers given one at a time, an undo on the label page leaves them
alone, and the whole group can be undone. Written some hundred at a time, so that nobody waits
long for the write lock; what was cut short can be taken up again under the same group.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.errors import BadInput
from core.vocabulary import MAX_ID_LENGTH, Action, Settled, checked_object_id
from labels_db.checks import checked_event, checked_text, checked_uuid
from labels_db.events import Events
from labels_db.hands import TaskRow
from labels_db.leases import IN_HAND, Leases
from labels_db.records import NewEvent
from labels_db.rows import STORED, as_event
from labels_db.schema import utc_now

MAX_BULK = 10_000
BATCH = 250
"""Objects written under one lock: some tens of milliseconds."""
LOOKED_BACK = 4 * MAX_BULK
"""Of a person's events, how many of the newest are looked through for groups."""

BULK_SOURCE = "bulk "
"""How the source of an answer in bulk begins."""

_LOOK = (
    "SELECT b.value, a.action, a.class_name, s.class_name, s.how, coalesce(s.is_gold, 0),"
    f" coalesce(s.n_answers, 0), {IN_HAND.format(id='b.value')}, coalesce(a.seq, 0),"
    " coalesce(s.last_seq, 0)"
    " FROM json_each(:ids) AS b LEFT JOIN answers AS a ON a.task_id = :task"
    "  AND a.object_id = b.value AND a.annotator = :who"
    " LEFT JOIN object_states AS s ON s.task_id = :task AND s.object_id = b.value"
)
_STANDS = "NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)"
_OF_PERSON = "events AS e INDEXED BY idx_events_task_id_annotator WHERE e.task_id = ?"
_LAST = (
    "SELECT source, class_name, count(*), max(recorded_at) FROM (SELECT e.seq, e.event_id,"
    f" e.action, e.source, e.class_name, e.recorded_at FROM {_OF_PERSON}"
    " AND e.annotator = ? ORDER BY e.seq DESC LIMIT ?) AS e"
    f" WHERE source LIKE '{BULK_SOURCE}%' AND action = 'label' AND {_STANDS}"
    " GROUP BY source ORDER BY max(seq) DESC LIMIT 1"
)
_GROUP = (
    f"SELECT {STORED} FROM {_OF_PERSON} AND e.annotator = ? AND e.source = ?"
    f" AND e.action = 'label' AND {_STANDS} ORDER BY e.seq"
)

Progress = Callable[[int, int], None]
"""Told (done, of how many) after each batch."""


class Fate(StrEnum):
    """What becomes of an object when a person labels it in bulk."""

    NEW = "new"
    """Nobody's answer stands in the way: it is labelled."""
    OWN = "own"
    """The person answered otherwise: labelled if asked for."""
    OTHERS = "others"
    """Others answered otherwise, on a task of one answer an object: labelled if asked for."""
    SAME = "same"
    """It has that class already."""
    FULL = "full"
    """Others gave all answers that are wanted: left out."""
    IN_HAND = "in_hand"
    """Somebody else is looking at it: left out."""
    SETTLED = "settled"
    """It was adjudicated: left out."""


@dataclass(frozen=True)
class BulkPlan:
    """How many objects meet which fate, as it was after the task's event `seq`."""

    counts: Mapping[Fate, int]
    seq: int = 0

    def of(self, *fates: Fate) -> int:
        """Number of objects with one of these fates."""
        return sum(self.counts.get(fate, 0) for fate in fates)

    @property
    def n_changes(self) -> int:
        """Objects with another answer, which are labelled only if asked for."""
        return self.of(Fate.OWN, Fate.OTHERS)

    @property
    def n_left_out(self) -> int:
        """Objects that are not labelled either way."""
        return self.of(Fate.FULL, Fate.IN_HAND, Fate.SETTLED)


@dataclass(frozen=True)
class BulkDone:
    """How many answers were given, and how many objects were left out since they had been
    answered after the plan."""

    n_given: int
    n_since: int = 0


@dataclass(frozen=True)
class BulkGroup:
    """Labels given at once that stand: `n` of them."""

    source: str
    class_name: str
    n: int
    given_at: str


class Bulk(Events, Leases):
    """The part of `LabelsDB` that labels many objects at once."""

    def bulk_plan(
        self,
        task: str,
        annotator: str,
        object_ids: Sequence[str],
        class_name: str,
        *,
        own_only: bool = False,
    ) -> BulkPlan:
        """Say what `bulk_label` would do now. `own_only`: the answers of others are kept from
        this person, so that nothing of them may be overruled or told apart."""
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        given = self._terms(task).given(who)
        wanted = self._terms(task).wanted
        seq = self.last_seq(task)  # before the reading: what comes meanwhile counts as unseen
        counts: Counter[Fate] = Counter()
        for part in _parts(_checked_ids(object_ids)):
            rows = self._rows(_LOOK, given | {"ids": json.dumps(part)})
            counts.update(_fate(row, class_name, wanted, own_only) for row in rows)
        return BulkPlan(dict(counts), seq)

    def bulk_label(
        self,
        task: str,
        annotator: str,
        object_ids: Sequence[str],
        class_name: str,
        *,
        group: str,
        survey_version: int,
        change: bool = False,
        seen_seq: int | None = None,
        own_only: bool = False,
        selection: str = "",
        progress: Progress | None = None,
    ) -> BulkDone:
        """Label the objects as that person.

        Parameters
        ----------
        group
            A UUID: called again with it, what was given is not given again.
        change
            Label also what has another answer, of this person or (on a task of one answer an
            object, unless `own_only`) of others.
        seen_seq
            `BulkPlan.seq` of what the person saw: with `change`, an answer given after it is not
            overruled. None: every one may be.
        selection
            Id of the selection they came from, kept with the answers.
        progress
            Told after each batch; what it raises ends the labelling between two batches.

        Raises
        ------
        BadInput
            More than `MAX_BULK` objects, a class that is not offered, or one that several ways
            of the task's tree lead to.
        """
        ids = _checked_ids(object_ids)
        own_id = uuid.UUID(checked_uuid(group, "group"))
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        labelled = {Fate.NEW, Fate.OWN, Fate.OTHERS} if change else {Fate.NEW}
        source = f"{BULK_SOURCE}{own_id}" + (f" selection {selection}" if selection else "")
        n_given = n_since = n_done = 0
        for part in _parts(ids):
            with self._write() as conn:
                row = self._task_row(conn, task)
                terms = self._terms(task)
                given = terms.given(who) | {"ids": json.dumps(part)}
                payload = _payload(row, class_name)
                for found in conn.execute(_LOOK, given).fetchall():
                    fate = _fate(found, class_name, terms.wanted, own_only)
                    if fate not in labelled:
                        continue
                    if seen_seq is not None and _answered_at(found, fate) > seen_seq:
                        n_since += 1
                        continue
                    event = checked_event(
                        NewEvent(
                            event_id=str(uuid.uuid5(own_id, f"{class_name}\n{found[0]}")),
                            task=task,
                            object_id=found[0],
                            survey_version=survey_version,
                            annotator=who,
                            action=Action.LABEL,
                            class_name=class_name,
                            answered_at=utc_now(),
                            payload=payload,
                            source=source,
                        )
                    )
                    n_given += self._give(conn, event, row)
            n_done += len(part)
            if progress is not None:
                progress(n_done, len(ids))
        return BulkDone(n_given, n_since)

    def last_bulk(self, task: str, annotator: str) -> BulkGroup | None:
        """Return the newest group of that person of which anything stands."""
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        rows = self._rows(_LAST, (self._task_id(task), who, LOOKED_BACK))
        return BulkGroup(*rows[0]) if rows else None

    def bulk_undo(
        self, task: str, annotator: str, source: str, progress: Progress | None = None
    ) -> int:
        """Undo what stands of a group (`BulkGroup.source`); return how many answers that were.

        What the person answered anew since stands. Called again it undoes nothing more.
        """
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        rows = self._rows(_GROUP, (self._task_id(task), who, source))
        events = [as_event(task, row) for row in rows]
        n_done = 0
        for start in range(0, len(events), BATCH):
            with self._write() as conn:
                row = self._task_row(conn, task)
                for event in events[start : start + BATCH]:
                    undone = "SELECT 1 FROM events WHERE undoes = ?"
                    if conn.execute(undone, (event.event_id,)).fetchone():
                        continue  # somebody's other tab was quicker
                    undo = NewEvent(
                        event_id=str(uuid.uuid4()),
                        task=task,
                        object_id=event.object_id,
                        survey_version=event.survey_version,
                        annotator=who,
                        action=Action.UNDO,
                        undoes=event.event_id,
                        answered_at=utc_now(),
                        source=source,
                    )
                    self._append(conn, undo, row, undone=event)
                    n_done += 1
            if progress is not None:
                progress(min(start + BATCH, len(events)), len(events))
        return n_done

    def _give(self, conn: sqlite3.Connection, event: NewEvent, task: TaskRow) -> int:
        there = "SELECT 1 FROM events WHERE event_id = ?"
        if conn.execute(there, (event.event_id,)).fetchone():
            return 0
        self._check_content(conn, task, event)
        self._append(conn, event, task)
        return 1


def _fate(row: tuple[Any, ...], class_name: str, wanted: int, own_only: bool) -> Fate:
    """Of a row of `_LOOK`."""
    own, own_class, now, how, is_gold, n_answers, in_hand = row[1:8]
    answered = own is not None and own != Action.SKIP
    if answered and own_class == class_name:
        return Fate.SAME
    if how == Settled.ADJUDICATED:
        # A gold object is answered by everybody, whatever was settled.
        if not is_gold:
            return Fate.SETTLED
        return Fate.OWN if answered else Fate.NEW
    others = n_answers - answered
    if answered:
        return Fate.OWN
    if others >= wanted:
        if wanted > 1 or own_only:
            return Fate.FULL
        return Fate.SAME if now == class_name else Fate.OTHERS
    return Fate.IN_HAND if others + in_hand >= wanted else Fate.NEW


def _answered_at(row: tuple[Any, ...], fate: Fate) -> int:
    """Number of the event behind the answer that stands in the way, of a row of `_LOOK`; 0: none
    does."""
    own_seq, last_seq = row[8:]
    return int({Fate.OWN: own_seq, Fate.OTHERS: last_seq}.get(fate, 0))


def _payload(task: TaskRow, class_name: str) -> dict[str, Any] | None:
    """The way to the class, on a task that asks questions."""
    if task.tree is None:
        return None
    ways = list(_ways(json.loads(task.tree), class_name))
    if len(ways) == 1:
        return {"path": ways[0]}
    raise BadInput(
        f"{len(ways)} ways of this task's questions lead to {class_name[:80]!r}, and a label in"
        " bulk can only go the one there is; label these objects one at a time."
    )


def _ways(tree: Mapping[str, Any], class_name: str) -> Iterator[list[list[str]]]:
    questions = {one["id"]: one for one in tree["questions"]}

    def below(name: str, before: list[list[str]]) -> Iterator[list[list[str]]]:
        for answer in questions[name]["answers"]:
            way = [*before, [name, answer["text"]]]
            if "next" in answer:
                yield from below(answer["next"], way)
            elif answer["class"] == class_name:
                yield way

    yield from below(tree["start"], [])


def _checked_ids(object_ids: Sequence[str]) -> list[str]:
    ids = [checked_object_id(one) for one in dict.fromkeys(object_ids)]
    if len(ids) > MAX_BULK:
        raise BadInput(
            f"Up to {MAX_BULK:,} objects may be labelled at once, but {len(ids):,} were given;"
            " take a smaller selection."
        )
    return ids


def _parts(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
