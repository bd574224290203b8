"""The tables of people, their invitations and the log of what was done to them.

Apart from `labels_db.people`, which builds on the connection and so on the migrations.
"""

from __future__ import annotations

import sqlite_utils

__all__ = ["create_people_tables"]

# `name_key` and `email_key` are what is compared: SQLite's own NOCASE knows ASCII only.
_TABLES = """
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    email TEXT,
    email_key TEXT UNIQUE,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    disabled_at TEXT,
    last_seen_at TEXT
) STRICT;
CREATE TABLE invitations (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES people(id),
    secret_sha256 TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    last_used_at TEXT
) STRICT;
CREATE INDEX idx_invitations_person_id ON invitations (person_id);
CREATE TABLE people_log (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    act TEXT NOT NULL,
    person TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
"""
_FOREVER = {
    "people_log": ("UPDATE", "DELETE"),
    # Label events carry the name: it must mean the same person for good.
    "people": ("UPDATE OF id, name, name_key", "DELETE"),
    "invitations": ("DELETE",),
}


def create_people_tables(db: sqlite_utils.Database) -> None:
    """Create them; the caller holds the write transaction."""
    for statement in _TABLES.split(";"):
        if statement.strip():
            db.execute(statement)
    for table, acts in _FOREVER.items():
        for act in acts:
            db.execute(
                f"CREATE TRIGGER {table}_no_{act.split()[0].lower()} BEFORE {act} ON {table} BEGIN"
                f" SELECT RAISE(ABORT, '{table}: rows are kept for good'); END"
            )
    # INSERT OR REPLACE would delete a row without a word.
    db.execute(
        "CREATE TRIGGER people_log_no_replace BEFORE INSERT ON people_log WHEN EXISTS ("
        " SELECT 1 FROM people_log WHERE seq = NEW.seq) BEGIN"
        " SELECT RAISE(ABORT, 'people_log: rows are kept for good'); END"
    )
