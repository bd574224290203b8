"""What people set for themselves: how pictures are drawn, their keys, their columns."""

from __future__ import annotations

import json
import re
from typing import Any

from core.errors import BadInput
from core.vocabulary import MAX_ID_LENGTH
from labels_db.checks import checked_text
from labels_db.connection import Connection
from labels_db.schema import utc_now

MAX_PREFERENCES = 100
"""Of one user."""
MAX_PREFERENCE_BYTES = 16 * 1024

_NAME = re.compile(r"[a-z]{1,32}(:[A-Za-z0-9][A-Za-z0-9_.-]{0,63})?")


class Preferences(Connection):
    """The part of `LabelsDB` that keeps what each user set.

    `user` is the account ("owner", "person:7") and no annotator's name.
    """

    def preferences(self, user: str) -> dict[str, Any]:
        """Return all that the user set, as JSON values by name."""
        who = checked_text(user, "user", MAX_ID_LENGTH)
        rows = self._rows(
            "SELECT name, value FROM preferences WHERE user = ? ORDER BY name", (who,)
        )
        return {name: json.loads(value) for name, value in rows}

    def set_preference(self, user: str, name: str, value: Any) -> None:
        """Keep one value in the place of what was there; None removes it.

        Raises
        ------
        BadInput
            The name is no word (with a survey after a colon where it is about one), the value
            is not JSON or too long, or the user has `MAX_PREFERENCES` others.
        """
        who = checked_text(user, "user", MAX_ID_LENGTH)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadInput(
                "A preference is named by a word in small letters, with ':' and a survey after it"
                f" where it is about one, but is {str(name)[:80]!r}; correct the name."
            )
        text = None if value is None else _as_text(value)
        with self._write() as conn:
            if text is None:
                conn.execute("DELETE FROM preferences WHERE user = ? AND name = ?", (who, name))
                return
            sql = "SELECT count(*) FROM preferences WHERE user = ? AND name <> ?"
            if conn.execute(sql, (who, name)).fetchone()[0] >= MAX_PREFERENCES:
                raise BadInput(
                    f"Of each user {MAX_PREFERENCES} preferences are kept, and {name!r} would be"
                    " one more; set others back first (those of surveys no longer used)."
                )
            conn.execute(
                "INSERT INTO preferences (user, name, value, changed_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (user, name) DO UPDATE SET value = excluded.value,"
                " changed_at = excluded.changed_at",
                (who, name, text, utc_now()),
            )


def _as_text(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        n_bytes = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            "A preference is JSON of finite numbers, valid text, lists and objects, but"
            f" {str(error)[:120]}; correct it."
        ) from None
    if n_bytes > MAX_PREFERENCE_BYTES:
        raise BadInput(
            f"A preference has up to {MAX_PREFERENCE_BYTES:,} bytes of JSON, but this one has"
            f" {n_bytes:,}; shorten it."
        )
    return text
