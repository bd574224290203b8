"""The tables of the label database, as numbered migrations.

A migration that was released is never edited; a change is a new one at the end of
`MIGRATIONS`, with a file in tests/labels_db/versions. Each runs in one transaction together
with its record, so that it is wholly there or wholly absent.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

import sqlite_utils

from labels_db import many_hands

APPLICATION_ID = 0x534B5946
"""Written into the file's header ("SKYF"): tells a label database from any other SQLite file."""


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    apply: Callable[[sqlite_utils.Database], None]


def utc_now() -> str:
    """Return the server's clock as it is stored: ISO 8601, UTC, milliseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def migrate_one(db: sqlite_utils.Database, migration: Migration) -> None:
    """Apply `migration` and record it; the caller holds the write transaction."""
    migration.apply(db)
    db["migrations"].insert(
        {"version": migration.version, "name": migration.name, "applied_at": utc_now()}
    )
    db.execute(f"PRAGMA user_version = {migration.version}")


def _first(db: sqlite_utils.Database) -> None:
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    _create_bookkeeping(db)
    _create_tasks(db)
    _create_events(db)
    _create_views(db)
    _create_event_triggers(db)
    _create_queue(db)
    _create_runs(db)


def _create_bookkeeping(db: sqlite_utils.Database) -> None:
    columns = {"version": int, "name": str, "applied_at": str}
    db["migrations"].create(columns, pk="version", not_null={"name", "applied_at"}, strict=True)


def _create_tasks(db: sqlite_utils.Database) -> None:
    db["tasks"].create(
        {
            "id": int,
            "name": str,
            "survey": str,
            "question": str,
            "target": str,
            "guideline": str,
            "seed": int,
            "created_at": str,
        },
        pk="id",
        not_null={"name", "survey", "question", "target", "guideline", "seed", "created_at"},
        strict=True,
    )
    db["tasks"].create_index(["name"], unique=True)
    # Classes are rows, so that one can be added or retired and keep its old events.
    db["task_classes"].create(
        {"task_id": int, "name": str, "position": int},
        pk=("task_id", "name"),
        foreign_keys=[("task_id", "tasks", "id")],
        not_null={"task_id", "name", "position"},
        strict=True,
    )


def _create_events(db: sqlite_utils.Database) -> None:
    # No CHECK on `action`: SQLite can change one only by rebuilding the whole table.
    db["events"].create(
        {
            "seq": int,
            "event_id": str,
            "task_id": int,
            "object_id": str,
            "survey_version": int,
            "annotator": str,
            "action": str,
            "class_name": str,
            "undoes": str,
            "note": str,
            "shown_at": str,
            "answered_at": str,
            "recorded_at": str,
            "sampler": str,
            "score": float,
            "probability": float,
            "model_version": int,
        },
        pk="seq",
        foreign_keys=[
            ("task_id", "tasks", "id"),
            (("task_id", "class_name"), "task_classes", ("task_id", "name")),
            ("undoes", "events", "event_id"),
        ],
        not_null={
            "event_id",
            "task_id",
            "object_id",
            "survey_version",
            "annotator",
            "action",
            "recorded_at",
        },
        strict=True,
    )
    events = db["events"]
    events.create_index(["event_id"], unique=True)
    # Every index ends in the row number, which is `seq`: so these are ordered by commit.
    events.create_index(["task_id", "object_id", "action"])
    events.create_index(["task_id", "annotator"])
    events.create_index(["task_id"])
    db.execute("CREATE UNIQUE INDEX idx_events_undoes ON events (undoes) WHERE undoes IS NOT NULL")


def _create_views(db: sqlite_utils.Database) -> None:
    db.create_view(
        "standing_events",
        "SELECT * FROM events AS e WHERE e.action <> 'undo'"
        " AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id)",
    )
    db.create_view(
        "current_labels",
        "SELECT * FROM standing_events AS s WHERE s.action = 'label' AND NOT EXISTS ("
        " SELECT 1 FROM standing_events AS l WHERE l.task_id = s.task_id"
        " AND l.object_id = s.object_id AND l.action = 'label' AND l.seq > s.seq)",
    )


def _create_event_triggers(db: sqlite_utils.Database) -> None:
    """Let nothing but an append happen to events, and keep the counts in step with them.

    Counts at a million events would take a second; so the change that an event makes to its
    own object is carried into two small tables, in the same transaction.
    """
    for act in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER events_no_{act.lower()} BEFORE {act} ON events BEGIN"
            " SELECT RAISE(ABORT, 'label events are append-only'); END"
        )
    # INSERT OR REPLACE would delete a row without a word (and without the trigger above,
    # unless the connection turned recursive triggers on).
    db.execute(
        "CREATE TRIGGER events_no_replace BEFORE INSERT ON events WHEN EXISTS ("
        " SELECT 1 FROM events WHERE event_id = NEW.event_id OR seq = NEW.seq) BEGIN"
        " SELECT RAISE(ABORT, 'label events are append-only'); END"
    )
    db["class_counts"].create(
        {"task_id": int, "class_name": str, "n_objects": int},
        pk=("task_id", "class_name"),
        foreign_keys=[(("task_id", "class_name"), "task_classes", ("task_id", "name"))],
        not_null={"task_id", "class_name", "n_objects"},
        strict=True,
    )
    db["answer_counts"].create(
        {"task_id": int, "n_objects": int},
        pk="task_id",
        foreign_keys=[("task_id", "tasks", "id")],
        not_null={"n_objects"},
        strict=True,
    )
    for moment, sign in (("BEFORE", "-"), ("AFTER", "+")):
        db.execute(
            f"CREATE TRIGGER events_counts_{moment.lower()} {moment} INSERT ON events"
            " WHEN NEW.action IN ('label', 'skip', 'undo') BEGIN"
            f" UPDATE class_counts SET n_objects = n_objects {sign} 1"
            " WHERE task_id = NEW.task_id AND class_name = ("
            "  SELECT s.class_name FROM standing_events AS s WHERE s.task_id = NEW.task_id"
            "  AND s.object_id = NEW.object_id AND s.action = 'label'"
            "  ORDER BY s.seq DESC LIMIT 1);"
            f" UPDATE answer_counts SET n_objects = n_objects {sign} 1"
            " WHERE task_id = NEW.task_id AND EXISTS ("
            "  SELECT 1 FROM standing_events AS s WHERE s.task_id = NEW.task_id"
            "  AND s.object_id = NEW.object_id AND s.action IN ('label', 'skip')); END"
        )


def _create_queue(db: sqlite_utils.Database) -> None:
    db["models"].create(
        {
            "task_id": int,
            "version": int,
            "n_labels": int,
            "label_seq": int,
            "sampler": str,
            "learner": str,
            "encoder_run": str,
            "survey_version": int,
            "seed": int,
            "state": str,
            "seconds": float,
            "scores_file": str,
            "created_at": str,
        },
        pk=("task_id", "version"),
        foreign_keys=[("task_id", "tasks", "id")],
        not_null={
            "n_labels",
            "label_seq",
            "sampler",
            "survey_version",
            "seed",
            "state",
            "created_at",
        },
        strict=True,
    )
    db["queue"].create(
        {
            "task_id": int,
            "rank": int,
            "object_id": str,
            "sampler": str,
            "score": float,
            "probability": float,
            "model_version": int,
        },
        pk=("task_id", "rank"),
        foreign_keys=[(("task_id", "model_version"), "models", ("task_id", "version"))],
        not_null={"task_id", "rank", "object_id", "sampler", "model_version"},
        strict=True,
    )
    db["queue"].create_index(["task_id", "object_id"], unique=True)


def _create_runs(db: sqlite_utils.Database) -> None:
    db["runs"].create(
        {
            "run_id": str,
            "kind": str,
            "subject": str,
            "state": str,
            "pid": int,
            "pid_started": float,
            "host": str,
            "started_at": str,
            "heartbeat_at": str,
            "finished_at": str,
            "fraction": float,
            "message": str,
            "eta_s": float,
            "cancel_requested": int,
            "error": str,
        },
        pk="run_id",
        not_null={
            "run_id",
            "kind",
            "subject",
            "state",
            "pid",
            "pid_started",
            "host",
            "started_at",
            "heartbeat_at",
            "message",
            "cancel_requested",
        },
        defaults={"message": "", "cancel_requested": 0},
        strict=True,
    )
    db["runs"].create_index(["started_at"])
    db.execute(
        "CREATE UNIQUE INDEX idx_runs_one_running ON runs (kind, subject) WHERE state = 'running'"
    )
    # Apart from the row that every heartbeat writes anew: a config may be large.
    db["run_documents"].create(
        {"run_id": str, "config": str, "result": str},
        pk="run_id",
        foreign_keys=[("run_id", "runs", "run_id")],
        not_null={"run_id", "config"},
        strict=True,
    )


def _create_preferences(db: sqlite_utils.Database) -> None:
    db.execute(
        "CREATE TABLE preferences (user TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
        " changed_at TEXT NOT NULL, PRIMARY KEY (user, name)) WITHOUT ROWID, STRICT"
    )
    # What somebody skipped is looked for by annotator, which the table is not ordered by.
    db.execute(
        "CREATE INDEX idx_answers_skipped ON answers (task_id, annotator, seq)"
        " WHERE action = 'skip'"
    )


def _create_strategies(db: sqlite_utils.Database) -> None:
    db.execute(
        "CREATE TABLE strategies (task_id INTEGER NOT NULL REFERENCES tasks (id),"
        " version INTEGER NOT NULL, sampler TEXT NOT NULL, learner TEXT NOT NULL,"
        " control_share REAL NOT NULL, retrain_every INTEGER NOT NULL, from_seq INTEGER NOT NULL,"
        " changed_at TEXT NOT NULL, changed_by TEXT NOT NULL, PRIMARY KEY (task_id, version))"
        " WITHOUT ROWID, STRICT"
    )
    # 0 is the strategy of every task that nobody chose one for, as all were before.
    db.execute("ALTER TABLE models ADD COLUMN strategy INTEGER NOT NULL DEFAULT 0")
    # 0 is no version of a task: of earlier models nobody kept which one they ranked for.
    db.execute("ALTER TABLE models ADD COLUMN task_version INTEGER NOT NULL DEFAULT 0")


def _create_selections(db: sqlite_utils.Database) -> None:
    # The objects of a selection are a file: it may hold a whole survey.
    db.execute(
        "CREATE TABLE selections (id TEXT NOT NULL PRIMARY KEY, name TEXT, survey TEXT NOT NULL,"
        " survey_version INTEGER NOT NULL, n_objects INTEGER NOT NULL, origin TEXT NOT NULL,"
        " made_by TEXT NOT NULL, made_at TEXT NOT NULL) WITHOUT ROWID, STRICT"
    )
    db.execute("CREATE INDEX idx_selections_survey ON selections (survey, made_at)")
    # What somebody wants to see before the queue goes on: a selection, or more like one object.
    db.execute(
        "CREATE TABLE ahead (task_id INTEGER NOT NULL REFERENCES tasks (id),"
        " annotator TEXT NOT NULL, place INTEGER NOT NULL, object_id TEXT NOT NULL,"
        " sampler TEXT NOT NULL, score REAL, is_open INTEGER NOT NULL DEFAULT 1,"
        " PRIMARY KEY (task_id, annotator, place)) WITHOUT ROWID, STRICT"
    )
    db.execute("CREATE UNIQUE INDEX idx_ahead_object ON ahead (task_id, object_id, annotator)")
    db.execute(
        "CREATE INDEX idx_ahead_open ON ahead (task_id, annotator, place) WHERE is_open = 1"
    )
    db.execute(
        "CREATE TABLE ahead_reasons (task_id INTEGER NOT NULL REFERENCES tasks (id),"
        " annotator TEXT NOT NULL, reason TEXT NOT NULL, made_by TEXT NOT NULL,"
        " made_at TEXT NOT NULL, PRIMARY KEY (task_id, annotator)) WITHOUT ROWID, STRICT"
    )
    # Other classes that are looked for as well as `target`, as a JSON list.
    db.execute("ALTER TABLE tasks ADD COLUMN also_targets TEXT NOT NULL DEFAULT '[]'")


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "tasks, events, queue and runs", _first),
    Migration(2, "people, answers, leases", many_hands.create),
    Migration(3, "preferences", _create_preferences),
    Migration(4, "strategies", _create_strategies),
    Migration(5, "selections, what comes ahead, several targets", _create_selections),
)
"""In order; the last one's version is the newest that this Skysift reads."""
