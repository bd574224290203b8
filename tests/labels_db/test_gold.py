"""Gold objects: slipped in, answered, held against their known class."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import BadInput
from core.vocabulary import Action
from labels_db import GoldResult, LabelsDB, ModelRecord, NewEvent, QueueItem, clock

Make = Callable[..., NewEvent]


@pytest.fixture
def golden(db: LabelsDB, model: Callable[..., ModelRecord]) -> LabelsDB:
    db.change_task("duals", "owner", gold_rate=0.5, lease_seconds=100)
    db.replace_queue("duals", [QueueItem(f"o{n:03}", n, "m") for n in range(100)], model())
    for number in range(40):
        db.add_gold("duals", f"g{number}", "star" if number % 2 else "dual", "owner", 1)
    return db


def test_about_their_share_is_slipped_in(golden: LabelsDB) -> None:
    handout = golden.lease_next("duals", "ann", 60, chance=random.Random(3))
    gold = [item for item in handout.items if item.sampler == "gold"]
    assert 20 <= len(gold) <= 30
    assert {item.object_id for item in gold} <= golden.gold("duals").keys()
    assert len({item.object_id for item in handout.items}) == 60
    rest = [item.object_id for item in handout.items if item.sampler != "gold"]
    assert rest == [f"o{n:03}" for n in range(len(rest))]
    golden.change_task("duals", "owner", gold_rate=0.0)
    none = golden.lease_next("duals", "bob", 30, chance=random.Random(3)).items
    assert not [item for item in none if item.sampler == "gold"]


def test_who_made_a_gold_object_is_not_asked_it(golden: LabelsDB) -> None:
    items = golden.lease_next("duals", "owner", 60, chance=random.Random(3)).items
    assert not [item for item in items if item.sampler == "gold"]


def test_answers_are_held_against_the_known_class(golden: LabelsDB, make: Make) -> None:
    handout = golden.lease_next("duals", "ann", 60, chance=random.Random(3))
    gold = [item for item in handout.items if item.sampler == "gold"]
    known = golden.gold("duals")
    for number, item in enumerate(gold):
        unsure = number == 0
        event = make(item.object_id, None if unsure else "dual", lease=item.lease)
        if unsure:
            event = make(item.object_id, action=Action.UNSURE, lease=item.lease)
        golden.record(event)
    n_right = sum(known[item.object_id] == "dual" for item in gold[1:])
    assert 0 < n_right < len(gold)
    assert golden.gold_results("duals") == [GoldResult("ann", len(gold), n_right)]
    assert golden.gold("duals") == known, "an answer does not change what is known"
    again = golden.lease_next("duals", "ann", 200, chance=random.Random(4)).items
    assert not {item.object_id for item in again} & {item.object_id for item in gold}
    golden.check(thorough=True)


def test_a_gold_object_that_was_not_answered_in_time_comes_again(
    golden: LabelsDB, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 40):
        golden.remove_gold("duals", f"g{number}", "owner")
    now = [1000.0]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    for _ in range(2):
        items = golden.lease_next("duals", "ann", 20, chance=random.Random(3)).items
        assert [item.object_id for item in items if item.sampler == "gold"] == ["g0"]
        (gold,) = [item for item in items if item.object_id == "g0"]
        now[0] += 101
        assert golden.renew_leases("duals", "ann", [gold.lease]) == [gold.lease]
        now[0] += 101
    ack = golden.record(make("g0", "dual", lease=gold.lease), renew_lease=True)
    assert not ack.late, "nobody else can have taken it"


def test_a_gold_object_becomes_an_ordinary_one(golden: LabelsDB) -> None:
    golden.remove_gold("duals", "g1", "bob")
    assert "g1" not in golden.gold("duals")
    assert golden.current_classes("duals")["g1"] == "star"
    for wrong in ("g1", "o001", "nowhere", "\ud800"):
        with pytest.raises(BadInput, match="is no gold object"):
            golden.remove_gold("duals", wrong, "bob")


def test_an_undone_gold_is_none(db: LabelsDB, make: Make) -> None:
    event = make("a", "dual", action=Action.ADJUDICATE, payload={"gold": True})
    db.record(event)
    db.record(make("a", "star", annotator="bob"))
    assert db.current_classes("duals") == {"a": "dual"}
    db.record(make("a", action=Action.UNDO, undoes=event.event_id))
    assert db.gold("duals") == {}
    assert db.current_classes("duals") == {"a": "star"}
    db.check(thorough=True)


@pytest.mark.parametrize("rate", [-0.1, 0.6, float("nan"), True, "half", None])
def test_a_share_that_makes_no_sense(db: LabelsDB, rate: Any) -> None:
    with pytest.raises(BadInput, match="gold_rate is a share"):
        db.change_task("duals", "owner", gold_rate=rate)
