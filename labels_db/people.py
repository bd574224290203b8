"""People: who may sign in, as what, and how (an invitation link, or a checked e-mail address).

A person's name is what label events carry as their annotator. So a name is never given twice,
never changed and never freed: a person is disabled, not deleted. Every act on people is
appended to a log that nothing deletes.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
import sqlite3
import unicodedata
from dataclasses import dataclass

from core.errors import AlreadyExists, BadInput, InUse, NotFound
from core.vocabulary import Role
from labels_db.checks import checked_text, checked_time
from labels_db.connection import Connection
from labels_db.people_tables import create_people_tables
from labels_db.schema import utc_now

__all__ = ["Act", "Invitation", "People", "Person", "create_people_tables"]

MAX_NAME_LENGTH = 64
MAX_EMAIL_LENGTH = 254
SECRET_BYTES = 32

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_PERSON = (
    "SELECT p.id, p.name, p.role, p.email, p.created_at, p.created_by, p.disabled_at,"
    " p.last_seen_at FROM people AS p"
)
_INVITATION = (
    "SELECT i.id, p.name, i.created_at, i.created_by, i.expires_at, i.revoked_at, i.last_used_at"
    " FROM invitations AS i JOIN people AS p ON p.id = i.person_id"
)
_VALID = (
    "p.disabled_at IS NULL AND i.revoked_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > ?)"
)


@dataclass(frozen=True)
class Person:
    """Somebody who may sign in, unless `disabled_at` is set.

    `email` signs in through OpenID Connect; `last_seen_at` is exact to about an hour.
    """

    id: int
    name: str
    role: Role
    email: str | None
    created_at: str
    created_by: str
    disabled_at: str | None
    last_seen_at: str | None


@dataclass(frozen=True)
class Invitation:
    """A personal link, without its secret; `last_used_at` is exact to about an hour."""

    id: int
    person: str
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


@dataclass(frozen=True)
class Act:
    """One line of the log: `by` did `act` to `person`; `detail` is a few words or ""."""

    seq: int
    at: str
    by: str
    act: str
    person: str
    detail: str


class People(Connection):
    """The part of `LabelsDB` that holds people. `by` is the name of whoever acts.

    Whether they may is for the caller to say.
    """

    def people(self) -> list[Person]:
        """Return everybody, the disabled too, in the order in which they came."""
        return [_as_person(row) for row in self._rows(f"{_PERSON} ORDER BY p.id")]

    def person(self, name: str) -> Person:
        """Return one person; capitals do not count. `NotFound` lists those there are."""
        rows = self._rows(f"{_PERSON} WHERE p.name_key = ?", (name_key(name),))
        if not rows:
            names = [one.name for one in self.people()]
            there = f"there are {', '.join(names[:20])}" if names else "there is nobody yet"
            raise NotFound(
                f"There is no person {str(name)[:80]!r}; {there}. Name one of them or invite them."
            )
        return _as_person(rows[0])

    def add_person(
        self, name: str, role: Role, by: str, email: str | None = None, *, adopt: bool = False
    ) -> Person:
        """Store a new person, who cannot sign in before `invite` or without an email.

        Parameters
        ----------
        adopt
            Let them have a name under which label events exist already: those become theirs.

        Raises
        ------
        AlreadyExists
            The name or the email is somebody's, or label events carry the name.
        BadInput
            The name, the role or the email cannot be used.
        """
        name, role, by = _checked_name(name), _checked_role(role), _checked_by(by)
        email = None if email is None else _checked_email(email)
        with self._write() as conn:
            self._insert(conn, name, role, by, email, adopt=adopt)
        return self.person(name)

    def ensure_owner(self, name: str) -> Person:
        """Return the owner of that name, storing one if there is nobody of the name.

        Called at each start, so that nobody can be given the name under which the holder of
        the start token answers.

        Raises
        ------
        InUse
            The name belongs to somebody who is no owner, or is disabled.
        """
        name = _checked_name(name)
        with self._write() as conn:
            row = conn.execute(f"{_PERSON} WHERE p.name_key = ?", (name_key(name),)).fetchone()
            if row is None:
                self._insert(conn, name, Role.OWNER, "the server", None, adopt=True)
        person = self.person(name)
        if person.role is not Role.OWNER or person.disabled_at is not None:
            standing = "disabled" if person.disabled_at is not None else f"the {person.role}"
            raise InUse(
                f"The name {name!r} belongs to somebody who was invited ({standing}"
                f" {person.name}), so the owner cannot answer under it; set SKYSIFT_ANNOTATOR"
                " to a name of your own."
            )
        return person

    def set_role(self, name: str, role: Role, by: str) -> None:
        """Give a person another role; `BadInput` for the last owner."""
        role, by = _checked_role(role), _checked_by(by)
        with self._write() as conn:
            person = self.person(name)
            if person.role is role:
                return
            if role is not Role.OWNER:
                self._keep_an_owner(person)
            conn.execute("UPDATE people SET role = ? WHERE id = ?", (role, person.id))
            _log(conn, by, "set role", person.name, f"{person.role} to {role}")

    def set_email(self, name: str, email: str | None, by: str) -> None:
        """Give a person another email, or none; `AlreadyExists` if it is somebody else's."""
        email, by = None if email is None else _checked_email(email), _checked_by(by)
        with self._write() as conn:
            person = self.person(name)
            if person.email == email:
                return
            if email is not None:
                self._refuse_taken_email(conn, email, person.id)
            conn.execute(
                "UPDATE people SET email = ?, email_key = ? WHERE id = ?",
                (email, None if email is None else _email_key(email), person.id),
            )
            _log(conn, by, "set email", person.name, email or "none")

    def disable_person(self, name: str, by: str) -> None:
        """Take a person's access away, at once; `BadInput` for the last owner."""
        by = _checked_by(by)
        with self._write() as conn:
            person = self.person(name)
            if person.disabled_at is not None:
                return
            self._keep_an_owner(person)
            conn.execute("UPDATE people SET disabled_at = ? WHERE id = ?", (utc_now(), person.id))
            _log(conn, by, "disable", person.name)

    def enable_person(self, name: str, by: str) -> None:
        """Give it back; links that were not revoked work again."""
        by = _checked_by(by)
        with self._write() as conn:
            person = self.person(name)
            if person.disabled_at is None:
                return
            conn.execute("UPDATE people SET disabled_at = NULL WHERE id = ?", (person.id,))
            _log(conn, by, "enable", person.name)

    def invite(self, name: str, by: str, expires_at: str | None = None) -> str:
        """Make the person's link and return its secret, which is kept nowhere.

        A person has one link: those made before are revoked. `expires_at` is an ISO 8601 time
        in UTC, later than now.
        """
        by = _checked_by(by)
        expires_at = _checked_expiry(expires_at)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now = utc_now()
        with self._write() as conn:
            person = self.person(name)
            if person.disabled_at is not None:
                raise BadInput(
                    f"{person.name} is disabled and cannot be invited; enable the person first."
                )
            conn.execute(
                "UPDATE invitations SET revoked_at = ? WHERE person_id = ? AND revoked_at IS NULL",
                (now, person.id),
            )
            conn.execute(
                "INSERT INTO invitations (person_id, secret_sha256, created_at, created_by,"
                " expires_at) VALUES (?, ?, ?, ?, ?)",
                (person.id, _digest(secret), now, by, expires_at),
            )
            _log(conn, by, "invite", person.name, f"until {expires_at}" if expires_at else "")
        return secret

    def invitations(self, name: str | None = None) -> list[Invitation]:
        """Return all links, or those of one person, newest first."""
        if name is None:
            rows = self._rows(f"{_INVITATION} ORDER BY i.id DESC")
        else:
            person = self.person(name)
            rows = self._rows(f"{_INVITATION} WHERE p.id = ? ORDER BY i.id DESC", (person.id,))
        return [Invitation(*row) for row in rows]

    def revoke_invitation(self, invitation_id: int, by: str) -> None:
        """Make a link useless, at once; revoking twice does nothing."""
        by = _checked_by(by)
        with self._write() as conn:
            row = conn.execute(f"{_INVITATION} WHERE i.id = ?", (invitation_id,)).fetchone()
            if row is None:
                raise NotFound(
                    f"There is no invitation {str(invitation_id)[:40]!r}; list them and name one."
                )
            found = Invitation(*row)
            if found.revoked_at is not None:
                return
            conn.execute(
                "UPDATE invitations SET revoked_at = ? WHERE id = ?", (utc_now(), found.id)
            )
            _log(conn, by, "revoke invitation", found.person, f"made {found.created_at}")

    def person_by_secret(self, secret: str) -> Person | None:
        """Return whom a link's secret stands for; None if revoked, expired, disabled, unknown.

        The secret is looked up by its hash: how long that takes says nothing about it.
        """
        rows = self._rows(
            f"{_PERSON} JOIN invitations AS i ON i.person_id = p.id"
            f" WHERE i.secret_sha256 = ? AND {_VALID}",
            (_digest(secret), utc_now()),
        )
        return _as_person(rows[0]) if rows else None

    def person_by_email(self, email: str) -> Person | None:
        """Return whom an email stands for; None if it is nobody's or they are disabled."""
        rows = self._rows(
            f"{_PERSON} WHERE p.email_key = ? AND p.disabled_at IS NULL", (_email_key(email),)
        )
        return _as_person(rows[0]) if rows else None

    def note_sign_in(self, person_id: int, secret: str | None = None) -> None:
        """Remember that the person was here just now, and which link they came by."""
        now = utc_now()
        with self._write() as conn:
            conn.execute("UPDATE people SET last_seen_at = ? WHERE id = ?", (now, person_id))
            if secret is not None:
                conn.execute(
                    "UPDATE invitations SET last_used_at = ? WHERE secret_sha256 = ?",
                    (now, _digest(secret)),
                )

    def people_log(self, limit: int = 1000) -> list[Act]:
        """Return the last acts on people, newest first."""
        sql = "SELECT seq, at, by, act, person, detail FROM people_log ORDER BY seq DESC LIMIT ?"
        return [Act(*row) for row in self._rows(sql, (limit,))]

    def _insert(
        self,
        conn: sqlite3.Connection,
        name: str,
        role: Role,
        by: str,
        email: str | None,
        *,
        adopt: bool,
    ) -> None:
        key = name_key(name)
        if conn.execute("SELECT 1 FROM people WHERE name_key = ?", (key,)).fetchone():
            raise AlreadyExists(
                f"There is a person {name!r} already, or was one; choose another name, since"
                " the labels must tell the two apart."
            )
        if email is not None:
            self._refuse_taken_email(conn, email, None)
        if not adopt:
            sql = "SELECT DISTINCT annotator FROM events"
            if any(name_key(taken) == key for (taken,) in conn.execute(sql).fetchall()):
                raise AlreadyExists(
                    f"There are answers by {name!r} already; choose another name, or say that"
                    " those answers are this person's."
                )
        conn.execute(
            "INSERT INTO people (name, name_key, role, email, email_key, created_at, created_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (name, key, role, email, None if email is None else _email_key(email), utc_now(), by),
        )
        detail = f"as {role}" + (f", {email}" if email else "")
        _log(conn, by, "add", name, detail)

    def _refuse_taken_email(
        self, conn: sqlite3.Connection, email: str, but_for: int | None
    ) -> None:
        row = conn.execute(
            "SELECT id FROM people WHERE email_key = ?", (_email_key(email),)
        ).fetchone()
        if row is not None and row[0] != but_for:
            raise AlreadyExists(f"The e-mail address {email} is somebody else's; give another.")

    def _keep_an_owner(self, person: Person) -> None:
        if person.role is not Role.OWNER or person.disabled_at is not None:
            return
        sql = "SELECT count(*) FROM people WHERE role = ? AND disabled_at IS NULL AND id <> ?"
        if self._value(sql, (Role.OWNER, person.id)) == 0:
            raise BadInput(f"{person.name} is the last owner; make somebody else an owner first.")


def _as_person(row: tuple) -> Person:
    person_id, name, role, email, created_at, created_by, disabled_at, last_seen_at = row
    return Person(
        person_id, name, Role(role), email, created_at, created_by, disabled_at, last_seen_at
    )


def _log(conn: sqlite3.Connection, by: str, act: str, person: str, detail: str = "") -> None:
    conn.execute(
        "INSERT INTO people_log (at, by, act, person, detail) VALUES (?, ?, ?, ?, ?)",
        (utc_now(), by, act, person, detail),
    )


def _digest(secret: str) -> str:
    # A plain hash is enough: nobody guesses 256 random bits.
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def name_key(text: str) -> str:
    """The form of a name that is compared; "", which is nobody's, if it cannot be a name."""
    if not isinstance(text, str) or not text.isprintable():
        return ""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def _email_key(text: str) -> str:
    """The form of an email that is compared.

    Beyond ASCII nothing is folded: a Kelvin sign lowers to k, and whoever owns the address
    with the one must not sign in as the owner of the other.
    """
    if not isinstance(text, str) or not text.isprintable():
        return ""
    return text.lower() if text.isascii() else text


def _checked_name(name: str) -> str:
    return checked_text(
        name.strip() if isinstance(name, str) else name, "A person's name", MAX_NAME_LENGTH
    )


def _checked_by(by: str) -> str:
    return checked_text(by, "The name of who acts", MAX_NAME_LENGTH)


def _checked_role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise BadInput(
            f"A role is one of {', '.join(Role)}, but is {str(role)[:80]!r}; choose one of them."
        ) from None


def _checked_email(email: str) -> str:
    email = checked_text(
        email.strip() if isinstance(email, str) else email, "An e-mail address", MAX_EMAIL_LENGTH
    )
    if not _EMAIL.fullmatch(email):
        raise BadInput(
            f"An e-mail address looks like name@example.org, but is {email[:80]!r}; correct it."
        )
    return email


def _checked_expiry(moment: str | None) -> str | None:
    """Return the time in the form of `utc_now`, so that the two compare as text."""
    if moment is None:
        return None
    checked = checked_time(moment, "expires_at")
    assert checked is not None
    end = datetime.datetime.fromisoformat(checked).astimezone(datetime.UTC)
    text = end.isoformat(timespec="milliseconds")
    if text <= utc_now():
        raise BadInput(f"expires_at must be in the future, but is {moment!r}; give a later time.")
    return text
