"""What is ahead of the queue: handed out first, to that person alone, never twice."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from core.errors import BadInput, NotFound
from core.vocabulary import Action, Settled
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem, ahead

Make = Callable[..., NewEvent]


@pytest.fixture
def ranked(db: LabelsDB, model: Callable[..., ModelRecord]) -> LabelsDB:
    """The task `duals` with the queue q0 to q7."""
    queue = [QueueItem(f"q{rank}", rank, "margin", 0.5, 0.5) for rank in range(8)]
    db.replace_queue("duals", queue, model())
    return db


def put(db: LabelsDB, names: Sequence[str], who: str = "ann") -> int:
    items = [QueueItem(name, rank, "like_this", 1.0 - rank / 8) for rank, name in enumerate(names)]
    return db.put_ahead("duals", who, items, "More like g1")


def take(db: LabelsDB, n: int, who: str = "ann", **more: Any) -> list[str]:
    return [item.object_id for item in db.lease_next("duals", who, n, **more).items]


def left(db: LabelsDB, who: str = "ann") -> int | None:
    found = db.ahead("duals", who)
    return None if found is None else found.n_left


def answer(db: LabelsDB, make: Make, name: str, who: str = "ann") -> None:
    held = {one.object_id: one.lease for one in db.lease_next("duals", who, 20).items}
    db.record(make(name, "dual", annotator=who, lease=held[name]))


def test_it_comes_first_by_rank_and_then_the_queue(ranked: LabelsDB) -> None:
    items = [QueueItem(name, rank, "like_this", rank / 4) for name, rank in (("b", 2), ("a", 1))]
    assert ranked.put_ahead("duals", "ann", items, "More like g1") == 2
    found = ranked.lease_next("duals", "ann", 4).items
    assert [one.object_id for one in found] == ["a", "b", "q0", "q1"]
    assert [(one.sampler, one.score) for one in found[:2]] == [
        ("like_this", 0.25),
        ("like_this", 0.5),
    ]
    state = ranked.ahead("duals", "ann")
    assert state is not None
    assert (state.reason, state.n_left) == ("More like g1", 2)


def test_nobody_else_gets_it(ranked: LabelsDB) -> None:
    put(ranked, "ab")
    assert take(ranked, 2, "bob") == ["q0", "q1"]
    assert ranked.ahead("duals", "bob") is None


def test_it_comes_before_what_is_in_hand_already(ranked: LabelsDB) -> None:
    assert take(ranked, 3) == ["q0", "q1", "q2"]
    put(ranked, ["x", "q1", "y"])
    assert take(ranked, 5) == ["q1", "x", "y", "q0", "q2"]
    # What the page has already is not sent again, and the rest keeps its place.
    assert take(ranked, 3, exclude=["q1", "x"]) == ["y", "q0", "q2"]
    assert take(ranked, 1) == ["x"]


def test_what_was_given_back_comes_again_with_its_new_reason(ranked: LabelsDB) -> None:
    held = ranked.lease_next("duals", "ann", 3).items
    put(ranked, ["q2", "x"])
    found = ranked.lease_next("duals", "ann", 3, give_back=[one.lease for one in held]).items
    assert [(one.object_id, one.sampler) for one in found] == [
        ("q2", "like_this"),
        ("x", "like_this"),
        ("q0", "margin"),
    ]


def test_what_was_answered_or_is_in_other_hands_is_passed_over(
    ranked: LabelsDB, make: Make
) -> None:
    ranked.record(make("a", "dual"))
    ranked.record(make("c", "star", annotator="bob"))  # all the answers that are wanted
    ranked.record(make("d", "dual", annotator="eve", action=Action.ADJUDICATE))
    assert take(ranked, 1, "bob") == ["q0"]
    ranked.record(make("b"))  # skipped
    put(ranked, ["a", "b", "c", "d", "q0", "e"])
    assert left(ranked) == 2  # q0, which may come back, and e
    assert take(ranked, 3) == ["e", "q1", "q2"]


def test_answers_count_down_to_the_queue(ranked: LabelsDB, make: Make) -> None:
    put(ranked, "ab")
    answer(ranked, make, "a")
    assert left(ranked) == 1
    answer(ranked, make, "b")
    assert left(ranked) is None
    assert take(ranked, 1) == ["q0"]


def test_one_that_was_undone_comes_again(ranked: LabelsDB, make: Make) -> None:
    put(ranked, "ab")
    answer(ranked, make, "a")
    ranked.record_undo("duals", "ann", "00000000-0000-4000-8000-000000000001")
    assert left(ranked) == 2
    assert take(ranked, 2) == ["a", "b"]


def test_new_ones_take_the_place_and_clearing_ends_it(ranked: LabelsDB) -> None:
    put(ranked, "abc")
    put(ranked, "de")
    put(ranked, "fg", "bob")
    assert take(ranked, 3) == ["d", "e", "q0"]
    ranked.clear_ahead("duals", "ann")
    assert left(ranked) is None
    assert left(ranked, "bob") == 2
    # In hand already: they stay so until they are given back.
    assert take(ranked, 3) == ["d", "e", "q0"]
    assert put(ranked, []) == 0
    assert ranked.ahead("duals", "ann") is None


def test_what_is_done_leaves_nothing_behind(ranked: LabelsDB, make: Make) -> None:
    put(ranked, "a")
    answer(ranked, make, "a")
    take(ranked, 1)
    for table in ("ahead", "ahead_reasons"):
        assert ranked.tables[table].count == 0


def test_bad_input_changes_nothing(ranked: LabelsDB, monkeypatch: pytest.MonkeyPatch) -> None:
    put(ranked, "ab")
    monkeypatch.setattr(ahead, "MAX_AHEAD", 3)
    with pytest.raises(BadInput, match="Up to 3"):
        put(ranked, "abcd")
    with pytest.raises(BadInput, match="came twice"):
        put(ranked, "aa")
    with pytest.raises(BadInput, match="reason"):
        ranked.put_ahead("duals", "ann", [], "")
    with pytest.raises(NotFound):
        ranked.put_ahead("none", "ann", [], "why")
    assert left(ranked) == 2


@pytest.fixture
def secret(ranked: LabelsDB) -> LabelsDB:
    """With gold objects g1 to g40, and as many of them shown as others."""
    ranked.change_task("duals", "owner", gold_rate=0.5)
    for number in range(40):
        ranked.add_gold("duals", f"g{number}", "dual", "owner", 1)
    return ranked


def test_no_gold_object_comes_between_what_is_counted(secret: LabelsDB) -> None:
    names = [f"x{number}" for number in range(30)]
    put(secret, names)
    items = secret.lease_next("duals", "ann", 30, chance=random.Random(0)).items
    assert [one.object_id for one in items] == names
    more = secret.lease_next("duals", "ann", 60, chance=random.Random(0)).items[30:]
    assert "gold" in {one.sampler for one in more}


def test_a_gold_object_that_is_ahead_is_like_any_other(secret: LabelsDB, make: Make) -> None:
    secret.record(make("g2", "dual", annotator="bob"))  # all the answers an ordinary one wants
    put(secret, ["g1", "x", "g2"])
    assert left(secret) == 3
    items = secret.lease_next("duals", "ann", 3).items
    assert [(one.object_id, one.sampler, one.score) for one in items] == [
        ("g1", "gold", None),
        ("x", "like_this", 0.875),
        ("g2", "gold", None),
    ]
    assert not secret.record(make("g1", "star", annotator="ann", lease=items[0].lease)).late
    assert left(secret) == 2
    assert [
        (one.annotator, one.n_answered, one.n_right) for one in secret.gold_results("duals")
    ] == [("ann", 1, 0)]
    put(secret, ["g1"], "owner")  # who made it is not asked
    assert left(secret, "owner") is None


def test_what_the_survey_lacks_is_not_handed_out(ranked: LabelsDB, make: Make) -> None:
    ranked.change_task("duals", "owner", answers_per_object=2)
    ranked.record(make("begun", "dual", annotator="bob"))
    held = take(ranked, 2)
    assert "begun" in held
    put(ranked, ["old", "a", "q3"])

    def is_there(name: str) -> bool:
        return name not in {"old", "begun", "q0"}

    assert take(ranked, 4, is_there=is_there) == ["a", "q3", "q1", "q2"]
    assert left(ranked) == 2
    assert ranked.n_leased("duals") == {"ann": 4}
    assert take(ranked, 1, "bob", is_there=is_there) == ["q1"]
    put(ranked, ["old"])
    assert take(ranked, 1, is_there=is_there) == ["a"]  # still in hand
    assert left(ranked) is None


def test_the_count_is_right_whatever_happens(ranked: LabelsDB, make: Make) -> None:
    """Against the definition: not answered, not skipped, and more answers wanted, or gold."""
    chance, people = random.Random(5), ("ann", "bob", "cay")
    names = [f"x{number}" for number in range(12)]
    for who in people:
        put(ranked, names, who)

    def expected(who: str) -> int:
        task, gold = ranked.task("duals"), ranked.gold("duals")
        n_left = 0
        for name in names:
            state = ranked.object_state("duals", name)
            done = next(ranked.answers("duals", annotator=who, object_id=name), None)
            skipped = name in ranked.skipped("duals", who)
            full = state is not None and (
                state.how is Settled.ADJUDICATED or state.n_answers >= task.answers_per_object
            )
            n_left += done is None and not skipped and (name in gold or not full)
        return n_left

    for step in range(120):
        who, name = chance.choice(people), chance.choice(names)
        match chance.randrange(8):
            case 0:
                with contextlib.suppress(NotFound, BadInput):
                    ranked.record_undo("duals", who, str(uuid.UUID(int=step + 1, version=4)))
            case 1:
                ranked.record(make(name))
            case 2:
                ranked.record(make(name, "star", annotator="owner", action=Action.ADJUDICATE))
            case 3:
                ranked.add_gold("duals", name, "dual", "owner", 1)
            case 4:
                ranked.change_task("duals", "owner", answers_per_object=chance.choice((1, 2, 3)))
            case _:
                ranked.record(make(name, "dual", annotator=who))
        assert [left(ranked, one) or 0 for one in people] == [expected(one) for one in people]


def test_it_says_whose_idea_it_was(ranked: LabelsDB) -> None:
    ranked.put_ahead("duals", "ann", [QueueItem("x", 0, "selection")], "Arcs", by="owner")
    found = ranked.ahead("duals", "ann")
    assert found is not None
    assert (found.reason, found.made_by, found.sampler) == ("Arcs", "owner", "selection")
    put(ranked, "a")
    found = ranked.ahead("duals", "ann")
    assert found is not None
    assert (found.made_by, found.sampler) == ("ann", "like_this")
