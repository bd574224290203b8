"""Migration 2: several people on one task.

Events gain what they know of leases, confidence and marks. What follows from them is kept in
small tables beside them, so that no look-up grows with the number of events:

- `answers`: what each annotator says of each object now;
- `object_states`: the current label of each object, and whether more answers are wanted;
- `class_counts`, `answer_counts`: how many objects have which label.

`labels_db.standing` keeps them in step, one object at a time, inside the transaction of each
event. `rebuild` derives them anew from the events alone, in SQL: it fills them in the migration,
after an import and when a task's number of answers changes, and `check(thorough=True)` holds
the tables against it.
"""

from __future__ import annotations

import json
import sqlite3

import sqlite_utils

from labels_db.people_tables import create_people_tables

_EVENT_COLUMNS = (
    ("confidence", "REAL"),
    ("payload", "TEXT"),
    ("lease", "TEXT"),
    ("late", "INTEGER NOT NULL DEFAULT 0"),
    ("prediction_visible", "INTEGER"),
    ("redoes", "TEXT REFERENCES events(event_id)"),
    ("source", "TEXT"),
)
_TASK_COLUMNS = (
    ("version", "INTEGER NOT NULL DEFAULT 1"),
    ("answers_per_object", "INTEGER NOT NULL DEFAULT 1"),
    ("blind", "INTEGER NOT NULL DEFAULT 0"),
    ("tree", "TEXT"),
    ("gold_rate", "REAL NOT NULL DEFAULT 0"),
    ("lease_seconds", "INTEGER NOT NULL DEFAULT 600"),
)
_CLASS_COLUMNS = (
    ("key", "TEXT NOT NULL DEFAULT ''"),
    ("colour", "TEXT NOT NULL DEFAULT ''"),
    ("guideline", "TEXT NOT NULL DEFAULT ''"),
    ("examples", "TEXT NOT NULL DEFAULT '[]'"),
    ("retired", "INTEGER NOT NULL DEFAULT 0"),
)
_TABLES = """
CREATE TABLE task_tags (
    task_id INTEGER NOT NULL REFERENCES tasks(id),
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    retired INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id, name)
) STRICT;
CREATE TABLE task_versions (
    task_id INTEGER NOT NULL REFERENCES tasks(id),
    version INTEGER NOT NULL,
    from_seq INTEGER NOT NULL,
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (task_id, version)
) STRICT;
CREATE TABLE answers (
    task_id INTEGER NOT NULL,
    object_id TEXT NOT NULL,
    annotator TEXT NOT NULL,
    action TEXT NOT NULL,
    class_name TEXT,
    seq INTEGER NOT NULL,
    PRIMARY KEY (task_id, object_id, annotator)
) WITHOUT ROWID, STRICT;
CREATE TABLE object_states (
    task_id INTEGER NOT NULL,
    object_id TEXT NOT NULL,
    class_name TEXT,
    how TEXT,
    label_seq INTEGER,
    n_answers INTEGER NOT NULL,
    n_unsure INTEGER NOT NULL,
    n_classes INTEGER NOT NULL,
    n_late INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    is_gold INTEGER NOT NULL,
    is_counted INTEGER NOT NULL,
    disagreement REAL NOT NULL,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (task_id, object_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX idx_object_states_open ON object_states (task_id, last_seq) WHERE is_open = 1;
CREATE INDEX idx_object_states_disputed ON object_states (task_id, disagreement DESC, last_seq)
    WHERE disagreement > 0;
CREATE INDEX idx_object_states_gold ON object_states (task_id) WHERE is_gold = 1;
CREATE TABLE leases (
    lease TEXT NOT NULL PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES tasks(id),
    object_id TEXT NOT NULL,
    annotator TEXT NOT NULL,
    place INTEGER NOT NULL,
    leased_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    sampler TEXT NOT NULL,
    score REAL,
    probability REAL,
    model_version INTEGER
) STRICT;
CREATE UNIQUE INDEX idx_leases_object ON leases (task_id, object_id, annotator);
CREATE INDEX idx_leases_annotator ON leases (task_id, annotator);
CREATE INDEX idx_leases_expiry ON leases (expires_at);
CREATE INDEX idx_events_remarks ON events (task_id, object_id)
    WHERE action IN ('flag', 'note', 'mark');
CREATE INDEX idx_events_unsettled ON events (task_id, object_id)
    WHERE action = 'adjudicate' OR late = 1;
CREATE UNIQUE INDEX idx_events_redoes ON events (redoes) WHERE redoes IS NOT NULL;
"""

_ANSWERS = """
SELECT task_id, object_id, annotator, action, class_name, seq FROM (
    SELECT e.task_id, e.object_id, e.annotator, e.action, e.class_name, e.seq,
        row_number() OVER (
            PARTITION BY e.object_id, e.annotator ORDER BY e.action <> 'skip' DESC, e.seq DESC
        ) AS newest
    FROM events AS e
    WHERE e.task_id = :task {only} AND e.late = 0 AND e.action IN ('label', 'unsure', 'skip')
        AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)
) WHERE newest = 1
"""
"""What each annotator says: the newest label or unsure that stands, else the newest skip."""

_STATES = """
WITH votes AS (
    SELECT object_id, class_name, count(*) AS n, max(seq) AS seq FROM answers
    WHERE task_id = :task {only} AND action = 'label' GROUP BY object_id, class_name
),
ranked AS (
    SELECT object_id, class_name, n, seq,
        rank() OVER (PARTITION BY object_id ORDER BY n DESC) AS place,
        rank() OVER (PARTITION BY object_id ORDER BY seq DESC) AS newness
    FROM votes
),
unsettled AS (
    SELECT object_id, action, class_name, seq, payload,
        late = 1 AND action IN ('label', 'unsure') AS is_late,
        max(CASE WHEN action = 'adjudicate' THEN seq ELSE 0 END)
            OVER (PARTITION BY object_id) AS judged
    FROM events AS e
    WHERE task_id = :task {only} AND (action = 'adjudicate' OR late = 1)
        AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)
),
-- Gathered by one GROUP BY and not by joins, which SQLite may carry out without an index.
facts (
    object_id, n_answers, n_unsure, n_classes, has_answers, n_leading, n_leaders, leading_class,
    leading_seq, newest_class, newest_seq, judged, judged_class, is_gold, n_late, last_seq
) AS (
    SELECT object_id, sum(action <> 'skip'), sum(action = 'unsure'), count(DISTINCT class_name),
        1, 0, 0, NULL, NULL, NULL, NULL, 0, NULL, 0, 0, max(seq)
    FROM answers WHERE task_id = :task {only} GROUP BY object_id
    UNION ALL
    SELECT object_id, 0, 0, 0, 0, max(n), sum(place = 1),
        max(CASE WHEN place = 1 THEN class_name END), max(CASE WHEN place = 1 THEN seq END),
        max(CASE WHEN newness = 1 THEN class_name END), max(seq), 0, NULL, 0, 0, 0
    FROM ranked GROUP BY object_id
    UNION ALL
    SELECT object_id, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, max(judged),
        max(CASE WHEN seq = judged THEN class_name END),
        max(CASE WHEN seq = judged THEN coalesce(json_extract(payload, '$.gold'), 0) ELSE 0 END),
        sum(is_late AND seq > judged), max(CASE WHEN is_late THEN seq ELSE judged END)
    FROM unsettled GROUP BY object_id
),
gathered AS (
    SELECT object_id, max(n_answers) AS n_answers, max(n_unsure) AS n_unsure,
        max(n_classes) AS n_classes, max(has_answers) AS has_answers,
        max(n_leading) AS n_leading, max(n_leaders) AS n_leaders,
        max(leading_class) AS leading_class, max(leading_seq) AS leading_seq,
        max(newest_class) AS newest_class, max(newest_seq) AS newest_seq,
        max(judged) AS judged, max(judged_class) AS judged_class, max(is_gold) AS is_gold,
        max(n_late) AS n_late, max(last_seq) AS last_seq,
        (SELECT answers_per_object FROM tasks WHERE id = :task) AS wanted
    FROM facts GROUP BY object_id
),
said AS (
    SELECT *,
        CASE WHEN wanted = 1 THEN newest_class WHEN n_leaders = 1 THEN leading_class END
            AS said_class,
        CASE WHEN wanted = 1 THEN newest_seq WHEN n_leaders = 1 THEN leading_seq END AS said_seq
    FROM gathered WHERE has_answers OR judged OR n_late
)
SELECT :task, object_id,
    CASE WHEN judged THEN judged_class ELSE said_class END,
    CASE WHEN judged THEN 'adjudicated' WHEN said_class IS NULL THEN NULL
        WHEN wanted = 1 THEN 'latest' ELSE 'plurality' END,
    CASE WHEN judged THEN judged ELSE said_seq END,
    n_answers, n_unsure, n_classes, n_late,
    NOT judged AND n_answers < wanted, is_gold, has_answers OR judged <> 0,
    CASE
        WHEN judged OR n_answers = 0 THEN CASE WHEN n_late > 0 THEN 0.25 ELSE 0.0 END
        ELSE max(
            1.0 - 1.0 * max(n_leading, n_unsure) / n_answers,
            CASE WHEN n_unsure > 0 OR n_late > 0 THEN 0.25 ELSE 0.0 END
        )
    END,
    last_seq
FROM said
"""
"""The state of each object that anybody touched, from `answers` and what was adjudicated."""

REBUILD_ANSWERS = _ANSWERS.format(only="")
REBUILD_STATES = _STATES.format(only="")


def create(db: sqlite_utils.Database) -> None:
    """Apply the migration."""
    for table, columns in (
        ("events", _EVENT_COLUMNS),
        ("tasks", _TASK_COLUMNS),
        ("task_classes", _CLASS_COLUMNS),
    ):
        for name, kind in columns:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    for statement in _TABLES.split(";"):
        if statement.strip():
            db.execute(statement)
    create_people_tables(db)
    _replace_views(db)
    for (task_id,) in db.execute("SELECT id FROM tasks").fetchall():
        rebuild(db, task_id)
        _first_version(db, task_id)


def _replace_views(db: sqlite_utils.Database) -> None:
    for trigger in ("events_counts_before", "events_counts_after"):
        db.execute(f"DROP TRIGGER {trigger}")
    for view in ("current_labels", "standing_events"):
        db.execute(f"DROP VIEW {view}")
    db.create_view(
        "standing_events",
        "SELECT * FROM events AS e WHERE e.action <> 'undo'"
        " AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)",
    )
    db.create_view(
        "current_labels",
        "SELECT s.task_id, s.object_id, s.class_name, e.annotator, e.event_id, e.seq,"
        " e.survey_version, e.answered_at, e.recorded_at, s.how FROM object_states AS s"
        " JOIN events AS e ON e.seq = s.label_seq WHERE s.class_name IS NOT NULL",
    )


def rebuild(
    db: sqlite_utils.Database | sqlite3.Connection, task_id: int, among: str | None = None
) -> None:
    """Derive what follows from the task's events anew; the caller holds the transaction.

    `among` is a query for the object_ids that are concerned, if not all are.
    """
    _refill(db, "answers", _ANSWERS, task_id, among)
    rebuild_states(db, task_id, among)


def rebuild_states(
    db: sqlite_utils.Database | sqlite3.Connection, task_id: int, among: str | None = None
) -> None:
    """Settle every object anew from the answers as they are: after a change of their number."""
    _refill(db, "object_states", _STATES, task_id, among)
    given = {"task": task_id}
    db.execute(
        "UPDATE class_counts SET n_objects = (SELECT count(*) FROM object_states AS s WHERE"
        " s.task_id = class_counts.task_id AND s.class_name = class_counts.class_name)"
        " WHERE task_id = :task",
        given,
    )
    db.execute(
        "UPDATE answer_counts SET n_objects = (SELECT count(*) FROM object_states WHERE"
        " task_id = :task AND is_counted = 1) WHERE task_id = :task",
        given,
    )


def _refill(
    db: sqlite_utils.Database | sqlite3.Connection,
    table: str,
    select: str,
    task_id: int,
    among: str | None,
) -> None:
    only = "" if among is None else f"AND object_id IN ({among})"
    db.execute(f"DELETE FROM {table} WHERE task_id = :task {only}", {"task": task_id})
    db.execute(f"INSERT INTO {table} {select.format(only=only)}", {"task": task_id})


def _first_version(db: sqlite_utils.Database, task_id: int) -> None:
    name, question, target, guideline, created_at = db.execute(
        "SELECT name, question, target, guideline, created_at FROM tasks WHERE id = ?", (task_id,)
    ).fetchone()
    classes = db.execute(
        "SELECT name FROM task_classes WHERE task_id = ? ORDER BY position", (task_id,)
    ).fetchall()
    document = {
        "name": name,
        "question": question,
        "target": target,
        "guideline": guideline,
        "classes": [{"name": class_name} for (class_name,) in classes],
    }
    db.execute(
        "INSERT INTO task_versions VALUES (?, 1, 0, ?, 'owner', ?)",
        (task_id, created_at, json.dumps(document)),
    )
