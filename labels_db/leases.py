"""Leases: an object handed to one annotator for a while, so that two do not do the same work.

What an annotator wants to see before the queue (`labels_db.ahead`) comes first.

A lease runs out after the task's `lease_seconds` without a sign of life. It goes with the answer,
or is given back. With several answers wanted an object goes to as many different annotators.
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.vocabulary import GOLD_SAMPLER, MAX_ID_LENGTH
from labels_db import clock
from labels_db.checks import checked_text, checked_whole
from labels_db.faults import database_errors
from labels_db.hands import TaskRow, has_room
from labels_db.records import Handout, HandoutState, LeasedItem
from labels_db.tasks import Tasks

REMEMBERED_S = 30 * 24 * 3600
"""How long a lease that ran out is remembered, so that an answer under it is known as late."""

MAX_HANDOUT = 200
SECOND_LOOKS = 2000
"""Of the objects that want more answers, how many of the newest are looked through for one
annotator: it bounds the time of a hand-out, whatever the size of the task."""
LAST_LOOKS = 100_000
"""How many of the oldest are looked through where there is nothing else to hand out; this
happens outside the write lock."""

# What every object that is handed out must pass: this annotator has not answered or skipped it,
# holds no lease on it, and fewer others have it in hand or answered it than answers are wanted.
_UNSEEN = (
    " NOT EXISTS (SELECT 1 FROM answers AS a WHERE a.task_id = :task"
    "  AND a.object_id = {id} AND a.annotator = :who)"
)
_FREE = f"{_UNSEEN} AND coalesce(s.how <> 'adjudicated', 1)"
_HELD = "expires_at > :now AND expires_at <= :latest"
IN_HAND = (
    "(SELECT count(*) FROM leases AS l WHERE l.task_id = :task AND l.object_id = {id}"
    f" AND {_HELD} AND l.annotator <> :who AND NOT EXISTS (SELECT 1 FROM answers AS a"
    "  WHERE a.task_id = l.task_id AND a.object_id = l.object_id AND a.annotator = l.annotator"
    "  AND a.action <> 'skip'))"
)
_QUEUED = (
    "SELECT q.object_id, q.sampler, q.score, q.probability, q.model_version,"
    f" coalesce(s.n_answers, 0) AS n_answers, {IN_HAND.format(id='q.object_id')} AS in_hand"
    " FROM queue AS q LEFT JOIN object_states AS s"
    "  ON s.task_id = q.task_id AND s.object_id = q.object_id"
    f" WHERE q.task_id = :task AND {_FREE.format(id='q.object_id')} ORDER BY q.rank"
)
# What the annotator wants to see first and has not answered, in that order. However many have
# answered a gold object, this annotator is asked as well.
_AHEAD = (
    "SELECT w.object_id, iif(s.is_gold, :gold, w.sampler), iif(s.is_gold, NULL, w.score), NULL,"
    " NULL, iif(s.is_gold, 0, coalesce(s.n_answers, 0)),"
    f" iif(s.is_gold, 0, {IN_HAND.format(id='w.object_id')})"
    " FROM ahead AS w INDEXED BY idx_ahead_open LEFT JOIN object_states AS s"
    "  ON s.task_id = w.task_id AND s.object_id = w.object_id"
    " WHERE w.task_id = :task AND w.annotator = :who AND w.is_open = 1 ORDER BY w.place"
)
_PLACES_AHEAD = (
    "SELECT w.object_id, w.place FROM json_each(:own) AS o CROSS JOIN ahead AS w"
    " INDEXED BY idx_ahead_object ON w.task_id = :task AND w.object_id = o.value"
    "  AND w.annotator = :who"
)
_BEGUN_FROM = (
    "SELECT s.object_id, e.sampler, e.score, e.probability, e.model_version, s.n_answers,"
    f" {IN_HAND.format(id='s.object_id')} AS in_hand"
    " FROM (SELECT * FROM object_states INDEXED BY idx_object_states_open"
    "  WHERE task_id = :task AND is_open = 1 ORDER BY last_seq {end} LIMIT {most}) AS s"
    # Left to itself, SQLite walks all events of the task to the first one of the object.
    " LEFT JOIN events AS e ON e.seq = (SELECT min(f.seq) FROM events AS f"
    "  INDEXED BY idx_events_task_id_object_id_action WHERE f.task_id = :task"
    "  AND f.object_id = s.object_id AND f.sampler IS NOT NULL)"
    f" WHERE {_FREE.format(id='s.object_id')} ORDER BY s.last_seq {{end}}"
)
_BEGUN = _BEGUN_FROM.format(end="DESC", most=":second_looks")
_BEGUN_LONG_AGO = _BEGUN_FROM.format(end="ASC", most=":last_looks")
_SEEN = "SELECT 1 FROM answers WHERE task_id = :task AND object_id = :object AND annotator = :who"
_GOLD = (
    "SELECT s.object_id FROM object_states AS s INDEXED BY idx_object_states_gold"
    " WHERE s.task_id = :task AND s.is_gold = 1 AND NOT EXISTS (SELECT 1 FROM answers AS a"
    "  WHERE a.task_id = :task AND a.object_id = s.object_id AND a.annotator = :who)"
    " AND NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.task_id = :task"
    "  AND l.object_id = s.object_id AND l.annotator = :who AND l.expires_at > :now)"
    " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.seq = s.label_seq AND e.annotator = :who)"
    " ORDER BY random() LIMIT 1"
)
_OWN = (
    "SELECT lease, object_id, sampler, score, probability, model_version FROM leases"
    f" WHERE task_id = :task AND annotator = :who AND {_HELD}"
    " AND NOT EXISTS (SELECT 1 FROM answers AS a WHERE a.task_id = :task"
    "  AND a.object_id = leases.object_id AND a.annotator = :who) ORDER BY place"
)


@dataclass(frozen=True)
class _Terms:
    """A task's settings that a hand-out follows."""

    task_id: int
    wanted: int
    seconds: float
    gold_rate: float

    @property
    def gold_odds(self) -> float:
        """Gold objects for each other one, so that their share of all is `gold_rate`."""
        return self.gold_rate / (1 - self.gold_rate)

    def given(self, who: str) -> dict[str, Any]:
        """The parameters of this file's queries, for one annotator and now."""
        now = clock.now()
        return {
            "task": self.task_id,
            "who": who,
            "now": now,
            "latest": now + self.seconds + clock.SLACK_S,
            "second_looks": SECOND_LOOKS,
            "last_looks": LAST_LOOKS,
            "gold": GOLD_SAMPLER,
        }


class _Choice:
    """Objects being chosen for one annotator.

    `chosen` are rows (object_id, sampler, score, probability, model_version); `blocked` objects
    that would have fitted, but are in the hands of others; `gone` those that are not there.
    """

    def __init__(
        self,
        terms: _Terms,
        given: dict[str, Any],
        wanted: int,
        chance: random.Random,
        is_there: Callable[[str], bool],
    ) -> None:
        self.terms, self.given, self.wanted, self.chance = terms, given, wanted, chance
        self.is_there = is_there
        self.gone: list[str] = []
        self.taken: set[str] = set()
        self.chosen: list[tuple[Any, ...]] = []
        self.blocked: list[str] = []

    def look(self, conn: sqlite3.Connection, sql: str, *, with_gold: bool = True) -> None:
        """Choose from what the query gives, until there are enough; `with_gold`: and slip gold
        objects in."""
        if len(self.chosen) >= self.wanted:
            return
        with contextlib.closing(conn.execute(sql, self.given)) as rows:
            for row in rows:
                if row[0] in self.taken:
                    continue
                if row[5] + row[6] >= self.terms.wanted:
                    if row[5] < self.terms.wanted and len(self.blocked) < MAX_HANDOUT:
                        self.blocked.append(row[0])
                    continue
                if not self.is_there(row[0]):
                    self.gone.append(row[0])
                    continue
                if with_gold and self.chance.random() < self.terms.gold_odds:
                    self._slip_in(conn)
                    if len(self.chosen) >= self.wanted:
                        return
                self.taken.add(row[0])
                self.chosen.append((row[0], row[1] or "", *row[2:5]))
                if len(self.chosen) >= self.wanted:
                    return

    def _slip_in(self, conn: sqlite3.Connection) -> None:
        found = conn.execute(_GOLD, self.given).fetchone()
        if found and found[0] not in self.taken and self.is_there(found[0]):
            self.taken.add(found[0])
            self.chosen.append((found[0], GOLD_SAMPLER, None, None, None))


class Leases(Tasks):
    """The part of `LabelsDB` that hands objects out."""

    def lease_next(
        self,
        task: str,
        annotator: str,
        n: int,
        *,
        exclude: Collection[str] = (),
        give_back: Iterable[str] = (),
        chance: random.Random | None = None,
        is_there: Callable[[str], bool] = lambda _: True,
    ) -> Handout:
        """Hand the annotator up to `n` objects: what is ahead for them (`put_ahead`), those in
        their hands already, objects that others have begun and that want more answers, then the
        queue by rank.

        In one transaction, so that no object goes to more annotators than it should.

        Parameters
        ----------
        exclude
            object_ids that are not wanted now; leases on them stay.
        give_back
            Leases of this annotator that end first.
        chance
            Decides where gold objects are slipped in (their share is the task's `gold_rate`);
            None draws from the system, which no annotator can foresee. Among what is ahead none
            is slipped in: it would not count as one of those.
        is_there
            Whether the survey has an object. One that a newer version lacks is not handed out; a
            lease on it ends, and it is ahead of the queue no more.
        """
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        wanted = min(checked_whole(n, "n", at_least=1), MAX_HANDOUT)
        out = set(exclude)
        with self._write() as conn:
            terms = self._terms(task)
            given = terms.given(who)
            self._give_back(conn, given, give_back)
            own = [
                LeasedItem(*(*row, terms.seconds))
                for row in conn.execute(_OWN, given)
                if row[1] not in out
            ]
            gone = [item.lease for item in own if not is_there(item.object_id)]
            self._give_back(conn, given, gone)
            own = [item for item in own if item.lease not in gone]
            choice = _Choice(terms, given, wanted, chance or random.SystemRandom(), is_there)
            choice.taken = {item.object_id for item in own} | out
            items, own = self._ahead_first(conn, given, own, choice)
            own = own[: choice.wanted - len(choice.chosen)]
            choice.wanted -= len(own)
            held = [item.lease for item in (*items, *own)]
            self._extend(conn, given, held, terms.seconds)
            n_ahead = len(choice.chosen)
            for sql in (_BEGUN, _QUEUED):
                choice.look(conn, sql)
            fresh = self._lease(conn, given, choice.chosen, terms.seconds)
            items += fresh[:n_ahead] + own + fresh[n_ahead:]
        if not items:
            items = self._from_long_ago(terms, given, choice)
        if items:
            return Handout(tuple(items), HandoutState.READY)
        return self._nothing(given, choice.blocked, bool(out))

    @staticmethod
    def _ahead_first(
        conn: sqlite3.Connection, given: dict[str, Any], own: list[LeasedItem], choice: _Choice
    ) -> tuple[list[LeasedItem], list[LeasedItem]]:
        """Choose what is ahead; return the leases in hand that are ahead, and the others."""
        mine = "task_id = :task AND annotator = :who"
        sql = f"SELECT 1 FROM ahead_reasons WHERE {mine}"
        if conn.execute(sql, given).fetchone() is None:
            return [], own
        ids = json.dumps([item.object_id for item in own])
        places = dict(conn.execute(_PLACES_AHEAD, given | {"own": ids}).fetchall())
        first = [item for item in own if item.object_id in places]
        first.sort(key=lambda item: places[item.object_id])
        first = first[: choice.wanted]
        choice.wanted -= len(first)
        # A gold object of the queue is not one of those ahead: their count would not move by it.
        choice.look(conn, _AHEAD, with_gold=False)
        conn.executemany(
            f"DELETE FROM ahead WHERE {mine} AND object_id = :gone",
            [given | {"gone": one} for one in choice.gone],
        )
        left = f"SELECT 1 FROM ahead WHERE {mine} AND is_open = 1 LIMIT 1"
        if conn.execute(left, given).fetchone() is None:
            for table in ("ahead", "ahead_reasons"):
                conn.execute(f"DELETE FROM {table} WHERE {mine}", given)
        return first, [item for item in own if item.object_id not in places]

    def _from_long_ago(
        self, terms: _Terms, given: dict[str, Any], choice: _Choice
    ) -> list[LeasedItem]:
        """The oldest objects that want more answers: looked for without holding up anybody."""
        with database_errors(self.path):
            choice.look(self._conn, _BEGUN_LONG_AGO)
        if not choice.chosen:
            return []
        with self._write() as conn:
            free = [one for one in choice.chosen if self._is_free(conn, given, terms, one[0])]
            return self._lease(conn, given, free, terms.seconds)

    def renew_leases(self, task: str, annotator: str, leases: Iterable[str]) -> list[str]:
        """Give the annotator's leases their full time again; return those that still hold.

        One that ran out is renewed too, unless its object went to somebody else or was
        answered meanwhile.
        """
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        with self._write() as conn:
            terms = self._terms(task)
            given = terms.given(who)
            held = []
            for lease in _distinct(leases):
                row = conn.execute(
                    "SELECT object_id, expires_at FROM leases WHERE lease = ? AND task_id = ?"
                    " AND annotator = ?",
                    (lease, terms.task_id, who),
                ).fetchone()
                is_held = row and given["now"] < row[1] <= given["latest"]
                if row and (is_held or self._is_free(conn, given, terms, row[0])):
                    held.append(lease)
            self._extend(conn, given, held, terms.seconds)
            return held

    def release_leases(self, task: str, annotator: str, leases: Iterable[str]) -> int:
        """End leases of this annotator, so that others may have their objects; return how many."""
        who = checked_text(annotator, "annotator", MAX_ID_LENGTH)
        with self._write() as conn:
            given = {"task": self._terms(task).task_id, "who": who}
            return self._give_back(conn, given, leases)

    def n_leased(self, task: str) -> dict[str, int]:
        """Return how many objects each annotator has in hand now."""
        return dict(
            self._rows(
                "SELECT annotator, count(*) FROM leases WHERE task_id = ? AND expires_at > ?"
                " GROUP BY annotator ORDER BY annotator",
                (self._task_id(task), clock.now()),
            )
        )

    def _terms(self, task: str) -> _Terms:
        sql = "SELECT id, answers_per_object, lease_seconds, gold_rate FROM tasks WHERE id = ?"
        return _Terms(*self._rows(sql, (self._task_id(task),))[0])

    @staticmethod
    def _give_back(conn: sqlite3.Connection, given: dict[str, Any], leases: Iterable[str]) -> int:
        """End leases now. They are remembered: an answer may be on its way under one of them."""
        # Of one hand-out everything happens at one time: what ends now is not held in it.
        now = given.get("now", clock.now())
        return sum(
            conn.execute(
                "UPDATE leases SET expires_at = ? WHERE lease = ? AND task_id = ?"
                " AND annotator = ? AND expires_at > ?",
                (now, lease, given["task"], given["who"], now),
            ).rowcount
            for lease in _distinct(leases)
        )

    @staticmethod
    def _extend(
        conn: sqlite3.Connection, given: dict[str, Any], leases: Sequence[str], seconds: float
    ) -> None:
        conn.executemany(
            "UPDATE leases SET expires_at = ? WHERE lease = ? AND annotator = ?",
            [(given["now"] + seconds, lease, given["who"]) for lease in leases],
        )

    @staticmethod
    def _is_free(
        conn: sqlite3.Connection, given: dict[str, Any], terms: _Terms, object_id: str
    ) -> bool:
        seen = conn.execute(_SEEN, given | {"object": object_id}).fetchone()
        task = TaskRow(terms.task_id, terms.wanted, None, terms.seconds)
        return seen is None and has_room(conn, task, object_id, given["who"])

    @staticmethod
    def _lease(
        conn: sqlite3.Connection,
        given: dict[str, Any],
        chosen: Sequence[tuple[Any, ...]],
        seconds: float,
    ) -> list[LeasedItem]:
        first = conn.execute(
            "SELECT coalesce(max(place), 0) + 1 FROM leases WHERE task_id = :task"
            " AND annotator = :who",
            given,
        ).fetchone()[0]
        ends = given["now"] + seconds
        items = [LeasedItem(*(str(uuid.uuid4()), *row, seconds)) for row in chosen]
        # OR REPLACE: a lease of the same annotator that ran out makes room for the new one.
        conn.executemany(
            "INSERT OR REPLACE INTO leases (lease, task_id, object_id, annotator, place,"
            " leased_at, expires_at, sampler, score, probability, model_version)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(item.lease, given["task"], item.object_id, given["who"], first + place),
                    *(given["now"], ends, item.sampler, item.score, item.probability),
                    item.model_version,
                )
                for place, item in enumerate(items)
            ],
        )
        return items

    def _nothing(self, given: dict[str, Any], blocked: list[str], excluding: bool) -> Handout:
        if blocked:
            until = self._value(
                "SELECT min(l.expires_at) FROM json_each(:blocked) AS b CROSS JOIN leases AS l"
                f" WHERE l.task_id = :task AND l.object_id = b.value AND {_HELD}"
                " AND l.annotator <> :who",
                given | {"blocked": json.dumps(blocked)},
            )
            wait = None if until is None else max(0.0, until - given["now"])
            return Handout((), HandoutState.LEASED, wait)
        sql = "SELECT 1 FROM queue WHERE task_id = :task LIMIT 1"
        if self._value(sql, given) is None and not excluding:
            return Handout((), HandoutState.NO_QUEUE)
        return Handout((), HandoutState.NOTHING_LEFT)


def forget_old_leases(conn: sqlite3.Connection) -> None:
    """Delete what ran out long ago; the caller holds the write transaction."""
    conn.execute("DELETE FROM leases WHERE expires_at < ?", (clock.now() - REMEMBERED_S,))


def _distinct(leases: Iterable[str]) -> list[str]:
    return [one for one in dict.fromkeys(leases) if isinstance(one, str) and one.isprintable()]
