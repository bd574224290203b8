"""People: names that stay one person's, links that can be revoked, a log that stays."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import AlreadyExists, BadInput, InUse, NotFound
from core.vocabulary import Role
from labels_db import LabelsDB, people


@pytest.fixture
def crowd(path: Path) -> Iterator[LabelsDB]:
    """A database with the owner vera and the annotator Ann Lee."""
    with LabelsDB(path) as database:
        database.ensure_owner("vera")
        database.add_person("Ann Lee", Role.ANNOTATOR, "vera", "ann@example.org")
        yield database


def in_a(**span: float) -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(**span)).isoformat()


def test_people_come_back_as_they_were_added(crowd):
    vera, ann = crowd.people()
    assert (vera.name, vera.role, vera.created_by) == ("vera", Role.OWNER, "the server")
    assert (ann.name, ann.role, ann.email) == ("Ann Lee", Role.ANNOTATOR, "ann@example.org")
    assert (ann.created_by, ann.disabled_at, ann.last_seen_at) == ("vera", None, None)
    assert crowd.person("ANN LEE") == ann


@pytest.mark.parametrize(
    "name", ["Ann Lee", "ann lee", " ANN LEE ", "Ann  Lee", "Ａnn Lee", "VERA"]
)
def test_a_name_is_given_once(crowd, name):
    with pytest.raises(AlreadyExists, match="already"):
        crowd.add_person(name, Role.ANNOTATOR, "vera")
    assert len(crowd.people()) == 2


def test_a_disabled_persons_name_is_not_free(crowd):
    crowd.disable_person("Ann Lee", "vera")
    with pytest.raises(AlreadyExists):
        crowd.add_person("ann lee", Role.ANNOTATOR, "vera")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 65, "a\u200bb", "\ud800", 7])
def test_names_that_cannot_be(crowd, name):
    with pytest.raises(BadInput, match="name"):
        crowd.add_person(name, Role.ANNOTATOR, "vera")


@pytest.mark.parametrize("email", ["", "x", "a@b@c", "a b@c", "a@", "x" * 250 + "@b.org"])
def test_emails_that_cannot_be(crowd, email):
    with pytest.raises(BadInput, match="e-mail"):
        crowd.add_person("Bo", Role.ANNOTATOR, "vera", email)


def test_a_role_that_cannot_be(crowd):
    with pytest.raises(BadInput, match="owner, annotator, viewer"):
        crowd.add_person("Bo", "admin", "vera")


def test_an_unknown_person_names_those_there_are(crowd):
    for name in ("Bo", "", "\ud800", "' OR 1=1 --"):
        with pytest.raises(NotFound, match="there are vera, Ann Lee"):
            crowd.person(name)


def test_an_email_is_one_persons(crowd):
    with pytest.raises(AlreadyExists, match="somebody else's"):
        crowd.add_person("Bo", Role.ANNOTATOR, "vera", "ANN@example.org")
    crowd.add_person("Bo", Role.ANNOTATOR, "vera")
    with pytest.raises(AlreadyExists):
        crowd.set_email("Bo", "ann@EXAMPLE.org", "vera")
    crowd.set_email("Bo", "bo@example.org", "vera")
    crowd.set_email("Ann Lee", None, "vera")
    assert crowd.person_by_email("Bo@Example.org").name == "Bo"
    assert crowd.person_by_email("ann@example.org") is None


def test_an_email_that_only_looks_alike_is_nobodys(crowd):
    """The Kelvin sign's small letter is k."""
    crowd.add_person("Kay", Role.ANNOTATOR, "vera", "kay@example.org")
    for email in ("\u212aay@example.org", "ｋay@example.org", "kay@example.org\n", ""):
        assert crowd.person_by_email(email) is None
    assert crowd.person_by_email("KAY@example.org").name == "Kay"


def test_a_name_that_answered_already_is_refused_unless_it_is_theirs(
    db: LabelsDB, path: Path, make: Callable
) -> None:
    db.record(make("a", "star", annotator="Bo"))
    with LabelsDB(path) as crowd:
        with pytest.raises(AlreadyExists, match="answers by 'bo' already"):
            crowd.add_person("bo", Role.ANNOTATOR, "vera")
        assert crowd.add_person("Bo", Role.ANNOTATOR, "vera", adopt=True).name == "Bo"


def test_the_owner_is_stored_once_and_keeps_the_spelling(crowd):
    assert crowd.ensure_owner("Vera").name == "vera"
    assert [one.name for one in crowd.people()] == ["vera", "Ann Lee"]


def test_the_owner_cannot_answer_as_somebody_else(crowd):
    with pytest.raises(InUse, match="SKYSIFT_ANNOTATOR"):
        crowd.ensure_owner("ann lee")
    crowd.add_person("Bo", Role.OWNER, "vera")
    assert crowd.ensure_owner("Bo").name == "Bo"
    crowd.disable_person("Bo", "vera")
    with pytest.raises(InUse, match="disabled"):
        crowd.ensure_owner("Bo")


def test_the_last_owner_stays_one(crowd):
    with pytest.raises(BadInput, match="last owner"):
        crowd.set_role("vera", Role.ANNOTATOR, "vera")
    with pytest.raises(BadInput, match="last owner"):
        crowd.disable_person("vera", "vera")
    crowd.set_role("Ann Lee", Role.OWNER, "vera")
    crowd.set_role("vera", Role.VIEWER, "Ann Lee")
    assert [one.role for one in crowd.people()] == [Role.VIEWER, Role.OWNER]
    crowd.enable_person("vera", "Ann Lee")  # is not disabled: nothing happens
    with pytest.raises(BadInput, match="last owner"):
        crowd.disable_person("Ann Lee", "vera")


def test_a_disabled_owner_does_not_count(crowd):
    crowd.set_role("Ann Lee", Role.OWNER, "vera")
    crowd.disable_person("Ann Lee", "vera")
    with pytest.raises(BadInput, match="last owner"):
        crowd.disable_person("vera", "vera")


def test_a_link_signs_in_until_it_is_revoked(crowd):
    secret = crowd.invite("ann lee", "vera")
    assert len(secret) >= 43  # 256 bits
    assert crowd.person_by_secret(secret).name == "Ann Lee"
    (invitation,) = crowd.invitations()
    assert (invitation.person, invitation.created_by) == ("Ann Lee", "vera")
    assert (invitation.expires_at, invitation.revoked_at, invitation.last_used_at) == (None,) * 3
    crowd.revoke_invitation(invitation.id, "vera")
    assert crowd.person_by_secret(secret) is None
    assert crowd.invitations("Ann Lee")[0].revoked_at is not None
    with pytest.raises(NotFound):
        crowd.revoke_invitation(99, "vera")


def test_the_secret_is_not_in_the_file(crowd, path):
    secret = crowd.invite("Ann Lee", "vera")
    stored = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"Ann Lee" in stored
    assert secret.encode() not in stored


def test_a_new_link_replaces_the_older(crowd):
    first, second = crowd.invite("Ann Lee", "vera"), crowd.invite("Ann Lee", "vera")
    assert crowd.person_by_secret(first) is None
    assert crowd.person_by_secret(second).name == "Ann Lee"
    newest, oldest = crowd.invitations("Ann Lee")
    assert newest.revoked_at is None
    assert oldest.revoked_at is not None


@pytest.mark.parametrize("wrong", ["", "x", "é", "\ud800", "' OR 1=1 --"])
def test_an_unknown_secret_is_nobodys(crowd, wrong):
    crowd.invite("Ann Lee", "vera")
    assert crowd.person_by_secret(wrong) is None


def test_a_disabled_person_is_out_and_comes_back(crowd):
    secret = crowd.invite("Ann Lee", "vera")
    crowd.disable_person("Ann Lee", "vera")
    assert crowd.person_by_secret(secret) is None
    assert crowd.person_by_email("ann@example.org") is None
    with pytest.raises(BadInput, match="disabled"):
        crowd.invite("Ann Lee", "vera")
    crowd.enable_person("Ann Lee", "vera")
    assert crowd.person_by_secret(secret).name == "Ann Lee"
    assert crowd.person_by_email("ann@example.org").name == "Ann Lee"


def test_a_link_ends_at_its_time(crowd, monkeypatch):
    # Another zone's spelling of UTC, which as text sorts otherwise.
    secret = crowd.invite("Ann Lee", "vera", in_a(hours=1).replace("+00:00", "Z"))
    assert crowd.person_by_secret(secret).name == "Ann Lee"
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1, seconds=1)
    monkeypatch.setattr(people, "utc_now", lambda: later.isoformat(timespec="milliseconds"))
    assert crowd.person_by_secret(secret) is None


@pytest.mark.parametrize(
    "moment", ["tomorrow", "2001-01-01T00:00:00Z", "2999-01-01T00:00:00+02:00"]
)
def test_ends_that_cannot_be(crowd, moment):
    with pytest.raises(BadInput, match="expires_at"):
        crowd.invite("Ann Lee", "vera", moment)
    assert crowd.invitations() == []


def test_signing_in_is_noted(crowd):
    secret = crowd.invite("Ann Lee", "vera")
    crowd.note_sign_in(crowd.person("Ann Lee").id, secret)
    assert crowd.person("Ann Lee").last_seen_at
    assert crowd.invitations()[0].last_used_at


def test_every_act_is_logged(crowd):
    crowd.invite("Ann Lee", "vera", in_a(days=1))
    crowd.set_role("Ann Lee", Role.VIEWER, "vera")
    crowd.set_role("Ann Lee", Role.VIEWER, "vera")  # no change, no line
    crowd.set_email("Ann Lee", "lee@example.org", "vera")
    crowd.revoke_invitation(crowd.invitations()[0].id, "vera")
    crowd.disable_person("Ann Lee", "vera")
    crowd.enable_person("Ann Lee", "vera")
    acts = crowd.people_log()[::-1]
    assert [(one.by, one.act, one.person) for one in acts] == [
        ("the server", "add", "vera"),
        ("vera", "add", "Ann Lee"),
        ("vera", "invite", "Ann Lee"),
        ("vera", "set role", "Ann Lee"),
        ("vera", "set email", "Ann Lee"),
        ("vera", "revoke invitation", "Ann Lee"),
        ("vera", "disable", "Ann Lee"),
        ("vera", "enable", "Ann Lee"),
    ]
    assert [one.detail for one in acts][1:2] == ["as annotator, ann@example.org"]
    assert acts[3].detail == "annotator to viewer"
    assert all(one.at for one in acts)


def test_a_refused_act_leaves_no_line(crowd):
    before = crowd.people_log()
    with pytest.raises(BadInput):
        crowd.set_role("vera", Role.VIEWER, "vera")
    with pytest.raises(BadInput):
        crowd.set_role("Ann Lee", Role.VIEWER, "")
    assert crowd.people_log() == before
    assert crowd.person("Ann Lee").role is Role.ANNOTATOR


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM people_log",
        "UPDATE people_log SET by = 'x'",
        "INSERT OR REPLACE INTO people_log VALUES (1, '', 'x', '', '', '')",
        "DELETE FROM people WHERE name = 'Ann Lee'",
        "UPDATE people SET name = 'Bo' WHERE name = 'Ann Lee'",
        "DELETE FROM invitations",
    ],
)
def test_names_and_log_are_kept_by_the_file_itself(crowd, statement):
    crowd.invite("Ann Lee", "vera")
    with pytest.raises(sqlite3.IntegrityError, match="kept for good"):
        crowd.tables.conn.execute(statement)
    assert crowd.person("Ann Lee")
    assert len(crowd.people_log()) == 3
