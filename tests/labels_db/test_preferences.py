"""What users set for themselves: kept apart, bounded, checked."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import BadInput
from core.vocabulary import Role
from labels_db import LabelsDB
from labels_db.preferences import MAX_PREFERENCE_BYTES, MAX_PREFERENCES
from labels_db.retention import _fingerprint


def test_each_user_has_their_own(db: LabelsDB) -> None:
    assert db.preferences("owner") == {}
    db.set_preference("owner", "look:hubble", {"stretch": "log", "percent": 99.5})
    db.set_preference("person:7", "look:hubble", "<b>Ω</b>")
    db.set_preference("owner", "rest", False)
    db.set_preference("owner", "rest", [1, None])
    assert db.preferences("owner") == {
        "look:hubble": {"stretch": "log", "percent": 99.5},
        "rest": [1, None],
    }
    db.set_preference("owner", "look:hubble", None)
    db.set_preference("owner", "never", None)
    assert db.preferences("owner") == {"rest": [1, None]}
    assert db.preferences("person:7") == {"look:hubble": "<b>Ω</b>"}


@pytest.mark.parametrize(
    "name", ["", "Keys", "look:", "look:../x", "look:a b", "a:b:c", "x" * 40, 5, None, "keys\n"]
)
def test_a_name_that_is_none_is_refused(db: LabelsDB, name: Any) -> None:
    with pytest.raises(BadInput, match="named by a word"):
        db.set_preference("owner", name, 1)
    assert db.preferences("owner") == {}


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}, {1, 2}, "\ud800", b"x"])
def test_what_is_not_json_is_refused(db: LabelsDB, value: Any) -> None:
    with pytest.raises(BadInput, match="A preference is JSON"):
        db.set_preference("owner", "keys", value)


def test_bounds(db: LabelsDB) -> None:
    fits = "x" * (MAX_PREFERENCE_BYTES - 2)
    db.set_preference("owner", "keys", fits)
    with pytest.raises(BadInput, match="up to 16,384 bytes"):
        db.set_preference("owner", "keys", fits + "x")
    with pytest.raises(BadInput, match="up to 16,384 bytes"):
        db.set_preference("owner", "keys", "Ω" * (MAX_PREFERENCE_BYTES // 2))
    assert db.preferences("owner") == {"keys": fits}
    for number in range(MAX_PREFERENCES - 1):
        db.set_preference("owner", f"look:s{number}", number)
    with pytest.raises(BadInput, match="one more"):
        db.set_preference("owner", "grid", 1)
    db.set_preference("owner", "keys", "changed all the same")
    db.set_preference("owner", "look:s0", None)
    db.set_preference("owner", "grid", 1)
    assert len(db.preferences("owner")) == MAX_PREFERENCES
    with pytest.raises(BadInput):
        db.set_preference("", "keys", 1)


def test_a_preference_is_no_reason_for_a_backup(db: LabelsDB) -> None:
    before = _fingerprint(db.path)
    db.set_preference("owner", "mode", "grid")
    assert _fingerprint(db.path) == before
    db.add_person("Bob", Role.ANNOTATOR, "owner")
    assert _fingerprint(db.path) != before
