"""What follows from a task's events, kept in step one object at a time.

Everything here runs inside the transaction of the event itself. `many_hands.REBUILD_STATES` says
the same in SQL over all objects; `wrong_states` holds one against the other.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from core.vocabulary import Action, Settled
from labels_db import many_hands

UNEASY = 0.25
"""Least disagreement of an object somebody was unsure of, or that a late answer waits for."""

_NEWEST = (
    "SELECT action, class_name, seq FROM events AS e"
    " WHERE task_id = ? AND object_id = ? AND annotator = ? AND late = 0"
    " AND action IN ('label', 'unsure', 'skip')"
    " AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)"
    " ORDER BY action <> 'skip' DESC, seq DESC LIMIT 1"
)
_PUT_ANSWER = (
    "INSERT INTO answers (task_id, object_id, annotator, action, class_name, seq)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (task_id, object_id, annotator) DO UPDATE SET"
    " action = excluded.action, class_name = excluded.class_name, seq = excluded.seq"
)
# A skip says nothing against a label that the same annotator gave before.
_PUT_SKIP = f"{_PUT_ANSWER} WHERE answers.action = 'skip'"
_UNSETTLED = (
    "SELECT action, class_name, seq, late, payload FROM events AS e INDEXED BY"
    " idx_events_unsettled WHERE task_id = ? AND object_id = ?"
    " AND (action = 'adjudicate' OR late = 1)"
    " AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id) ORDER BY seq"
)
_PUT_STATE = (
    "INSERT INTO object_states (task_id, object_id, class_name, how, label_seq, n_answers,"
    " n_unsure, n_classes, n_late, is_open, is_gold, is_counted, disagreement, last_seq)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (task_id, object_id) DO UPDATE SET class_name = excluded.class_name,"
    " how = excluded.how, label_seq = excluded.label_seq, n_answers = excluded.n_answers,"
    " n_unsure = excluded.n_unsure, n_classes = excluded.n_classes, n_late = excluded.n_late,"
    " is_open = excluded.is_open, is_gold = excluded.is_gold, is_counted = excluded.is_counted,"
    " disagreement = excluded.disagreement, last_seq = excluded.last_seq"
)

_OPEN_AHEAD = (
    "UPDATE ahead SET is_open = NOT EXISTS (SELECT 1 FROM answers AS a"
    "  WHERE a.task_id = ahead.task_id AND a.object_id = ahead.object_id"
    "  AND a.annotator = ahead.annotator)"
    " AND NOT EXISTS (SELECT 1 FROM object_states AS s WHERE s.task_id = ahead.task_id"
    "  AND s.object_id = ahead.object_id AND CASE WHEN s.is_gold = 1"
    "   THEN EXISTS (SELECT 1 FROM events AS e WHERE e.seq = s.label_seq"
    "    AND e.annotator = ahead.annotator) ELSE s.is_open = 0 END)"
    " WHERE task_id = :task"
)
"""What is ahead of the queue for somebody and still wants their answer. A gold object wants one of
everybody but its maker: passed over like one that is settled, it would be known by that."""


@dataclass(frozen=True)
class Happened:
    """An event that was just appended, as far as it matters here."""

    object_id: str
    annotator: str
    action: Action
    class_name: str | None
    seq: int
    late: bool


def follow(
    conn: sqlite3.Connection, task_id: int, wanted: int, event: Happened, undone: Action | None
) -> None:
    """Carry an event into the answers, the state of its object and the counts.

    `wanted` is the task's answers per object; `undone` the action that an undo takes back.
    """
    action = undone or event.action
    if action in (Action.LABEL, Action.UNSURE, Action.SKIP):
        if undone is not None:
            _find_answer(conn, task_id, event.object_id, event.annotator)
        elif not event.late:
            put = _PUT_SKIP if action is Action.SKIP else _PUT_ANSWER
            conn.execute(
                put,
                (
                    *(task_id, event.object_id, event.annotator),
                    *(action, event.class_name, event.seq),
                ),
            )
    elif action is not Action.ADJUDICATE:
        return
    settle(conn, task_id, event.object_id, wanted)


def _find_answer(conn: sqlite3.Connection, task_id: int, object_id: str, annotator: str) -> None:
    place = (task_id, object_id, annotator)
    found = conn.execute(_NEWEST, place).fetchone()
    if found is None:
        conn.execute(
            "DELETE FROM answers WHERE task_id = ? AND object_id = ? AND annotator = ?", place
        )
    else:
        conn.execute(_PUT_ANSWER, (*place, *found))


def settle(conn: sqlite3.Connection, task_id: int, object_id: str, wanted: int) -> None:
    """Bring the state of one object, and the counts, in step with its answers."""
    place = (task_id, object_id)
    before = conn.execute(
        "SELECT class_name, is_counted FROM object_states WHERE task_id = ? AND object_id = ?",
        place,
    ).fetchone() or (None, 0)
    answers = conn.execute(
        "SELECT action, class_name, seq FROM answers WHERE task_id = ? AND object_id = ?", place
    ).fetchall()
    unsettled = conn.execute(_UNSETTLED, place).fetchall()
    state = _state(answers, unsettled, wanted)
    if state is not None:
        conn.execute(_PUT_STATE, (*place, *state))
        after = (state[0], state[9])
    else:
        conn.execute("DELETE FROM object_states WHERE task_id = ? AND object_id = ?", place)
        after = (None, 0)
    if before[0] != after[0]:
        for class_name, change in ((before[0], -1), (after[0], 1)):
            if class_name is not None:
                conn.execute(
                    "UPDATE class_counts SET n_objects = n_objects + ?"
                    " WHERE task_id = ? AND class_name = ?",
                    (change, task_id, class_name),
                )
    if before[1] != after[1]:
        conn.execute(
            "UPDATE answer_counts SET n_objects = n_objects + ? WHERE task_id = ?",
            (after[1] - before[1], task_id),
        )
    conn.execute(f"{_OPEN_AHEAD} AND object_id = :object", {"task": task_id, "object": object_id})


def settle_ahead(conn: sqlite3.Connection, task_id: int, annotator: str | None = None) -> None:
    """Find anew what wants an answer of all that is ahead of the queue, or of what is ahead for
    one annotator."""
    one = "" if annotator is None else " AND annotator = :who"
    conn.execute(_OPEN_AHEAD + one, {"task": task_id, "who": annotator})


def _state(
    answers: list[tuple[str, str | None, int]],
    unsettled: list[tuple[str, str | None, int, int, str | None]],
    wanted: int,
) -> (
    tuple[str | None, str | None, int | None, int, int, int, int, int, int, int, float, int] | None
):
    """The columns of `object_states` after the object's name; None if nothing was said."""
    votes: dict[str, list[int]] = {}
    n_answers = n_unsure = last_seq = 0
    for action, name, seq in answers:
        last_seq = max(last_seq, seq)
        n_answers += action != Action.SKIP
        n_unsure += action == Action.UNSURE
        if name is not None:
            votes.setdefault(name, []).append(seq)
    judged = None
    n_late = 0
    for row in unsettled:
        action, _, seq, is_late, _ = row
        if action == Action.ADJUDICATE:
            judged, n_late = row, 0
        elif is_late and action in (Action.LABEL, Action.UNSURE):
            n_late += 1
        else:
            continue  # a late skip says nothing
        last_seq = max(last_seq, seq)
    if not answers and judged is None and not n_late:
        return None
    most = max(map(len, votes.values()), default=0)
    class_name, label_seq, how = None, None, None
    if judged is not None:
        class_name, label_seq, how = judged[1], judged[2], Settled.ADJUDICATED
    elif wanted == 1 and votes:
        label_seq, class_name = max((max(seqs), name) for name, seqs in votes.items())
        how = Settled.LATEST
    elif len(leaders := [name for name, seqs in votes.items() if len(seqs) == most]) == 1:
        class_name, how = leaders[0], Settled.PLURALITY
        label_seq = max(votes[class_name])
    is_gold = judged is not None and bool(json.loads(judged[4] or "{}").get("gold"))
    if judged is not None or n_answers == 0:
        disagreement = UNEASY if n_late else 0.0
    else:
        uneasy = UNEASY if n_unsure or n_late else 0.0
        disagreement = max(1.0 - 1.0 * max(most, n_unsure) / n_answers, uneasy)
    return (
        *(class_name, how, label_seq, n_answers, n_unsure, len(votes), n_late),
        int(judged is None and n_answers < wanted),
        int(is_gold),
        int(bool(answers) or judged is not None),
        *(disagreement, last_seq),
    )


def wrong_states(conn: sqlite3.Connection, task_id: int) -> int:
    """How many rows differ from what the events say; 0 unless the file was tampered with."""
    given = {"task": task_id}
    columns = "task_id, object_id, annotator, action, class_name, seq"
    kept = f"SELECT {columns} FROM answers WHERE task_id = :task"
    states = "SELECT * FROM object_states WHERE task_id = :task"
    counted = (
        "SELECT count(*) FROM class_counts AS c WHERE task_id = :task AND n_objects <> ("
        " SELECT count(*) FROM object_states AS s WHERE s.task_id = c.task_id"
        " AND s.class_name = c.class_name)"
    )
    answered = (
        "SELECT count(*) FROM answer_counts WHERE task_id = :task AND n_objects <> ("
        " SELECT count(*) FROM object_states WHERE task_id = :task AND is_counted = 1)"
    )
    wrong = 0
    for have, derived in (
        (kept, many_hands.REBUILD_ANSWERS),
        (states, many_hands.REBUILD_STATES),
    ):
        for left, right in ((have, derived), (derived, have)):
            sql = f"SELECT count(*) FROM (SELECT * FROM ({left}) EXCEPT SELECT * FROM ({right}))"
            wrong += conn.execute(sql, given).fetchone()[0]
    for sql in (counted, answered):
        wrong += conn.execute(sql, given).fetchone()[0]
    return wrong
