"""Leases: who gets what, what becomes of late answers, two tabs, strange clients."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.errors import BadInput, NotFound
from core.vocabulary import Action
from labels_db import HandoutState, LabelsDB, LeasedItem, ModelRecord, NewEvent, QueueItem, clock

Make = Callable[..., NewEvent]
STRANGE = "'; DROP TABLE leases; -- \"<b>é🌌"


MARK = {"kind": "nucleus", "x_px": 1, "y_px": 2.5}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that goes when it is told to."""
    told = Clock()
    monkeypatch.setattr(clock, "now", told)
    return told


@pytest.fixture
def ranked(db: LabelsDB, time: Clock, model: Callable[..., ModelRecord]) -> LabelsDB:
    """The task `duals` with leases of 100 s and the queue a, b, c, d."""
    db.change_task("duals", "owner", lease_seconds=100)
    queue = [QueueItem(name, rank, "margin", rank / 8, 0.5) for rank, name in enumerate("abcd")]
    db.replace_queue("duals", queue, model())
    return db


def names(items: tuple[LeasedItem, ...]) -> list[str]:
    return [item.object_id for item in items]


def take(db: LabelsDB, who: str, n: int = 1, **more: Any) -> list[str]:
    return names(db.lease_next("duals", who, n, **more).items)


def one(db: LabelsDB, who: str) -> LeasedItem:
    return db.lease_next("duals", who, 1).items[0]


def answer(make: Make, item: LeasedItem, name: str | None = "dual", who: str = "ann") -> NewEvent:
    return make(item.object_id, name, lease=item.lease, annotator=who)


def test_objects_go_out_by_rank_and_to_one_annotator_each(ranked: LabelsDB) -> None:
    assert take(ranked, "ann", 2) == ["a", "b"]
    assert take(ranked, "bob", 3) == ["c", "d"]
    assert take(ranked, "ann", 2) == ["a", "b"], "what is in hand already comes first"
    assert take(ranked, "ann", 1) == ["a"]
    assert ranked.n_leased("duals") == {"ann": 2, "bob": 2}
    nothing = ranked.lease_next("duals", "cay", 1)
    assert (nothing.items, nothing.state) == ((), HandoutState.LEASED)
    assert nothing.retry_s == 100


def test_an_item_says_why_it_was_chosen_and_the_event_keeps_it(
    ranked: LabelsDB, make: Make
) -> None:
    take(ranked, "bob", 2)
    item = one(ranked, "ann")
    why = (item.sampler, item.score, item.probability, item.model_version)
    assert (item.object_id, *why, item.seconds_left) == ("c", "margin", 0.25, 0.5, 1, 100)
    claimed = answer(make, item)
    ranked.record(replace(claimed, sampler="mine", score=9.0, model_version=7))
    (event,) = ranked.history("duals", "c")
    assert (event.sampler, event.score, event.probability, event.model_version) == why
    assert (event.lease, event.late) == (item.lease, False)


def test_the_reason_is_that_of_the_hand_out_though_the_queue_was_replaced(
    ranked: LabelsDB, make: Make, model: Callable[..., ModelRecord]
) -> None:
    item = one(ranked, "ann")
    ranked.replace_queue("duals", [QueueItem("a", 0, "random", 0.9, 0.1)], model())
    assert one(ranked, "ann") == item
    ranked.record(answer(make, item))
    (event,) = ranked.history("duals", "a")
    assert (event.sampler, event.model_version) == ("margin", 1)
    ranked.record_undo("duals", "ann", make("x").event_id)
    assert one(ranked, "ann") == item


def test_no_queue_and_nothing_left(db: LabelsDB, make: Make, model: Any, time: Clock) -> None:
    assert db.lease_next("duals", "ann", 1).state is HandoutState.NO_QUEUE
    db.replace_queue("duals", [QueueItem("a", 0, "m")], model())
    db.record(answer(make, one(db, "ann")))
    for who in ("ann", "bob"):
        assert db.lease_next("duals", who, 1).state is HandoutState.NOTHING_LEFT
    with pytest.raises(NotFound):
        db.lease_next("lenses", "ann", 1)
    for n in (0, -1, 1.5, True, None):
        with pytest.raises(BadInput):
            db.lease_next("duals", "ann", n)  # type: ignore[arg-type]


def test_exclude_leaves_out_and_give_back_ends(ranked: LabelsDB) -> None:
    first = one(ranked, "ann")
    assert take(ranked, "ann", 2, exclude=["a", "c"]) == ["b", "d"]
    assert take(ranked, "bob", 3) == ["c"], "the excluded one is still in ann's hands"
    assert take(ranked, "ann", 1, give_back=[first.lease], exclude=["a"]) == ["b"]
    assert take(ranked, "cay", 3) == ["a"]


def test_an_answer_on_its_way_when_its_lease_is_given_back_keeps_its_reason(
    ranked: LabelsDB, make: Make
) -> None:
    first, second = ranked.lease_next("duals", "ann", 2).items
    ranked.lease_next("duals", "ann", 1, exclude=["a"], give_back=[second.lease])
    ack = ranked.record(answer(make, second), renew_lease=True)
    kept = ranked.event(ack.event_id)
    assert kept is not None
    assert not kept.late
    assert (kept.sampler, kept.score, kept.model_version) == ("margin", 1 / 8, 1)
    # Given back, it may go to others all the same.
    ranked.release_leases("duals", "ann", [first.lease])
    assert take(ranked, "bob") == ["a"]


def test_what_is_given_back_is_not_handed_out_as_held_by_the_real_clock(
    ranked: LabelsDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(float(second) for second in range(1000, 2000))
    monkeypatch.setattr(clock, "now", lambda: next(now))
    first = one(ranked, "ann")
    again = ranked.lease_next("duals", "ann", 1, give_back=[first.lease]).items[0]
    assert again.lease != first.lease


def test_a_lease_that_ran_out_goes_to_somebody_else(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    item = one(ranked, "ann")
    time.now += 99.9
    assert take(ranked, "bob") == ["b"]
    time.now += 0.2
    assert take(ranked, "cay") == ["a"]
    ack = ranked.record(answer(make, item))
    assert (ack.late, ack.counts["dual"], ack.n_answers) == (True, 0, 0)


def test_a_late_answer_is_kept_and_counts_once_adjudicated(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    item = one(ranked, "ann")
    time.now += 101
    other = one(ranked, "bob")
    late = answer(make, item, "star")
    assert ranked.record(late).late
    assert ranked.record(late).late
    assert ranked.record(late).duplicate
    ranked.record(answer(make, other, "dual", "bob"))
    assert ranked.current_classes("duals") == {"a": "dual"}
    (kept,) = ranked.late_answers("duals", "a")
    assert (kept.event_id, kept.late, kept.class_name) == (late.event_id, True, "star")
    assert [state.object_id for state in ranked.disputes("duals")] == ["a"]
    assert [one.annotator for one in ranked.answers("duals")] == ["bob"]
    ranked.record(make("a", "star", action=Action.ADJUDICATE, annotator="cay"))
    assert ranked.disputes("duals") == []
    assert ranked.current_classes("duals") == {"a": "star"}
    assert [event.late for event in ranked.history("duals", "a")] == [True, False, False]
    ranked.check(thorough=True)


def test_a_late_answer_alone_leaves_the_object_open(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    item = one(ranked, "ann")
    time.now += 101
    ranked.record(answer(make, item))
    state = ranked.object_state("duals", "a")
    assert state is not None
    assert (state.class_name, state.n_late, state.n_answers, state.is_open) == (None, 1, 0, True)
    assert ranked.unlabelled("duals") == {"a"}
    assert one(ranked, "bob").object_id == "a"


def test_undo_and_redo_do_not_launder_a_late_answer(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    item = one(ranked, "ann")
    time.now += 101
    ranked.record(answer(make, item))
    ack, undone = ranked.record_undo("duals", "ann", make("x").event_id)
    assert undone.late
    assert ranked.object_state("duals", "a") is None
    ack, again = ranked.record_redo("duals", "ann", make("x").event_id)
    assert ack.late
    assert again.late
    assert ack.n_answers == 0
    assert len(ranked.late_answers("duals", "a")) == 1
    ranked.check(thorough=True)


def test_with_renewal_an_answer_is_late_only_if_the_object_is_gone(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    kept, taken = ranked.lease_next("duals", "ann", 2).items
    time.now += 101
    assert not ranked.record(answer(make, kept), renew_lease=True).late
    assert one(ranked, "bob").object_id == "b"
    assert ranked.record(answer(make, taken), renew_lease=True).late


def test_an_answer_without_its_lease_is_late_unless_there_is_room(
    ranked: LabelsDB, make: Make
) -> None:
    item = one(ranked, "ann")
    assert ranked.release_leases("duals", "ann", [item.lease, item.lease, "none"]) == 1
    assert ranked.record(answer(make, item)).late
    unknown = replace(item, lease="no such lease", object_id="b")
    assert ranked.record(answer(make, unknown)).late
    assert not ranked.record(answer(make, replace(unknown, object_id="c")), renew_lease=True).late
    assert ranked.current_classes("duals") == {"c": "dual"}
    flag = make("d", action=Action.FLAG, lease="no such lease")
    assert not ranked.record(flag).late, "only an answer can be late"


def test_a_change_of_mind_under_the_same_lease_is_not_late(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    item = one(ranked, "ann")
    ranked.record(answer(make, item, "dual"))
    time.now += 1000
    ack = ranked.record(answer(make, item, "star"))
    assert (ack.late, ack.counts["star"]) == (False, 1)
    events = ranked.history("duals", "a")
    assert [event.sampler for event in events] == ["margin", "margin"]


def test_a_foreign_lease_is_refused(ranked: LabelsDB, make: Make) -> None:
    item = one(ranked, "ann")
    with pytest.raises(BadInput, match="given to somebody else"):
        ranked.record(answer(make, item, who="bob"))
    with pytest.raises(BadInput, match="for another object"):
        ranked.record(replace(answer(make, item), object_id="b"))
    assert ranked.last_seq("duals") == 0
    assert ranked.renew_leases("duals", "bob", [item.lease]) == []
    assert ranked.release_leases("duals", "bob", [item.lease]) == 0
    assert ranked.lease_next("duals", "bob", 1, give_back=[item.lease]).items[0].object_id == "b"
    assert one(ranked, "ann").lease == item.lease


def test_renewing_holds_a_lease_as_long_as_nobody_took_the_object(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    first, second = ranked.lease_next("duals", "ann", 2).items
    leases = [first.lease, second.lease]
    for _ in range(3):
        time.now += 60
        assert ranked.renew_leases("duals", "ann", [*leases, "none", leases[0]]) == leases
    time.now += 101
    assert ranked.n_leased("duals") == {}
    assert take(ranked, "bob") == ["a"]
    assert ranked.renew_leases("duals", "ann", leases) == [second.lease]
    ranked.record(make("b", "dual", annotator="cay"))
    assert ranked.renew_leases("duals", "ann", leases) == [second.lease], "it still runs"
    time.now += 101
    assert ranked.renew_leases("duals", "ann", leases) == [first.lease], "bob's ran out too"


def test_two_tabs_of_one_annotator_hold_one_lease_an_object(ranked: LabelsDB, make: Make) -> None:
    tab = one(ranked, "ann")
    assert one(ranked, "ann") == tab
    (other,) = ranked.lease_next("duals", "ann", 1, exclude=["a"]).items
    assert other.object_id == "b"
    ranked.record(answer(make, tab, "dual"))
    assert not ranked.record(answer(make, tab, "star")).late, "the second tab had it on screen"
    assert ranked.current_classes("duals") == {"a": "star"}
    assert take(ranked, "ann", 3) == ["b", "c", "d"]


def test_an_answer_without_a_lease_ends_the_own_lease(ranked: LabelsDB, make: Make) -> None:
    take(ranked, "ann", 2)
    ranked.record(make("a", "dual"))
    assert ranked.n_leased("duals") == {"ann": 1}
    assert take(ranked, "ann", 2) == ["b", "c"]


def test_several_answers_go_to_as_many_annotators(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    ranked.change_task("duals", "owner", answers_per_object=2)
    ann, bob = one(ranked, "ann"), one(ranked, "bob")
    assert ann.object_id == bob.object_id == "a"
    assert ann.lease != bob.lease
    assert take(ranked, "cay", 2) == ["b", "c"]
    ranked.record(answer(make, ann))
    assert ranked.object_state("duals", "a").is_open  # type: ignore[union-attr]
    assert take(ranked, "dan", 1) == ["b"], "bob has the other one of a in hand"
    time.now += 101
    assert take(ranked, "dan", 2) == ["a", "b"], "bob's ran out; what is begun comes first"
    ranked.record(answer(make, bob, "star", "bob"))
    assert ranked.object_state("duals", "a").n_late == 1  # type: ignore[union-attr]


def test_a_skipped_object_goes_to_others_only(ranked: LabelsDB, make: Make) -> None:
    ranked.record(answer(make, one(ranked, "ann"), None))
    assert take(ranked, "ann", 4) == ["b", "c", "d"]
    assert take(ranked, "bob", 4) == ["a"]


def test_an_undone_answer_brings_the_object_back(ranked: LabelsDB, make: Make) -> None:
    ranked.record(answer(make, one(ranked, "ann")))
    assert take(ranked, "ann") == ["b"]
    ranked.record_undo("duals", "ann", make("x").event_id)
    assert take(ranked, "bob") == ["c"], "it is in the hands of who undid"
    assert take(ranked, "ann") == ["a"]
    ranked.record_redo("duals", "ann", make("x").event_id)
    assert ranked.current_classes("duals") == {"a": "dual"}


@pytest.mark.parametrize("again", ["redo", "label", "skip first"])
def test_no_object_counts_for_two_where_one_was_asked(
    ranked: LabelsDB, make: Make, time: Clock, again: str
) -> None:
    """Ann takes her answer back, it runs out, Bob answers; then Ann answers after all."""
    item = one(ranked, "ann")
    if again == "skip first":
        ranked.record(answer(make, item, None))
    else:
        ranked.record(answer(make, item))
        ranked.record_undo("duals", "ann", make("x").event_id)
    time.now += 10_000
    taken = one(ranked, "bob")
    assert taken.object_id == item.object_id
    ranked.record(answer(make, taken, "star", "bob"))
    if again == "redo":
        ack, _ = ranked.record_redo("duals", "ann", make("x").event_id)
    else:
        ack = ranked.record(answer(make, item), renew_lease=True)
    assert ack.late
    state = ranked.object_state("duals", item.object_id)
    assert state is not None
    assert (state.n_answers, state.class_name, state.n_late) == (1, "star", 1)


def test_a_clock_set_back_does_not_hold_objects_for_ever(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    item = one(ranked, "ann")
    time.now -= 24 * 3600
    assert one(ranked, "bob").object_id == item.object_id
    assert ranked.record(answer(make, item), renew_lease=True).late


def test_redo_goes_as_far_as_undo_and_ends_with_a_new_answer(ranked: LabelsDB, make: Make) -> None:
    sent = [make(name, "dual", payload={"marks": [MARK]}, confidence=0.5) for name in "abc"]
    for event in sent:
        ranked.record(event)
    for _ in range(2):
        ranked.record_undo("duals", "ann", make("x").event_id)
    own_id = make("x").event_id
    ack, redone = ranked.record_redo("duals", "ann", own_id)
    assert (redone.object_id, redone.event_id, redone.confidence) == ("b", own_id, 0.5)
    assert redone.payload == {"marks": [MARK]}
    again, same = ranked.record_redo("duals", "ann", own_id)
    assert (again, same) == (replace(ack, duplicate=True), redone)
    with pytest.raises(BadInput, match="another event"):
        ranked.record_redo("duals", "bob", own_id)
    with pytest.raises(BadInput, match="another event"):
        ranked.record_undo("duals", "ann", own_id)
    ranked.record(make("b", "star"))
    with pytest.raises(NotFound, match="nothing to redo"):
        ranked.record_redo("duals", "ann", make("x").event_id)
    assert ranked.current_classes("duals") == {"a": "dual", "b": "star"}


def test_a_redo_that_a_client_claims_is_held_against_the_events(
    ranked: LabelsDB, make: Make
) -> None:
    label, flag = make("a", "dual"), make("a", action=Action.FLAG)
    undo = make("a", action=Action.UNDO, undoes=label.event_id)
    for event in (label, flag, undo):
        ranked.record(event)
    for wrong in (
        make("a", "dual", redoes=make("x").event_id),
        make("a", "dual", redoes=label.event_id),
        make("b", "dual", redoes=undo.event_id),
        make("a", "dual", redoes=undo.event_id, annotator="bob"),
        make("a", action=Action.FLAG, redoes=undo.event_id),
    ):
        with pytest.raises(BadInput, match="redoes names an undo"):
            ranked.record(wrong)
    again = make("a", "dual", redoes=undo.event_id)
    ranked.record(again)
    assert ranked.record(again).duplicate
    with pytest.raises(BadInput, match="redone before"):
        ranked.record(make("a", "star", redoes=undo.event_id))
    with pytest.raises(NotFound):
        ranked.record_redo("duals", "ann", make("x").event_id)


def test_an_event_sent_again_is_one_though_the_server_had_filled_it_in(
    ranked: LabelsDB, make: Make, time: Clock
) -> None:
    item = one(ranked, "ann")
    sent = replace(answer(make, item), prediction_visible=True)
    ack = ranked.record(sent, renew_lease=True)
    time.now += 1000
    # The lost answer is asked for after the survey and the task had changed.
    later = replace(sent, survey_version=2, prediction_visible=False)
    for again in (sent, later):
        for renew in (True, False):
            assert ranked.record(again, renew_lease=renew) == replace(ack, duplicate=True)
    with pytest.raises(BadInput, match="another event"):
        ranked.record(replace(sent, confidence=0.1))
    assert len(list(ranked.events("duals"))) == 1


def test_strange_names_are_just_data(db: LabelsDB, make: Make, model: Any, time: Clock) -> None:
    db.replace_queue("duals", [QueueItem(STRANGE, 0, STRANGE)], model())
    (item,) = db.lease_next("duals", STRANGE, 5, exclude=["\ud800", "' OR 1=1"]).items
    assert (item.object_id, item.sampler) == (STRANGE, STRANGE)
    assert db.n_leased("duals") == {STRANGE: 1}
    db.record(answer(make, item, who=STRANGE))
    assert db.release_leases("duals", STRANGE, ["\ud800", STRANGE, item.lease]) == 0
    assert len(list(db.answers("duals", annotator=STRANGE))) == 1
    assert db.current_classes("duals") == {STRANGE: "dual"}


@pytest.mark.parametrize("who", ["", "\ud800", "x" * 10_000, None, "a\nb"], ids=ascii)
def test_an_annotator_who_cannot_be_is_refused(ranked: LabelsDB, make: Make, who: str) -> None:
    own_id = make("x").event_id
    for act in (
        lambda: ranked.lease_next("duals", who, 1),
        lambda: ranked.renew_leases("duals", who, ["x"]),
        lambda: ranked.release_leases("duals", who, ["x"]),
        lambda: ranked.record_undo("duals", who, own_id),
        lambda: ranked.record_redo("duals", who, own_id),
        lambda: ranked.record(make("a", "dual", annotator=who)),
    ):
        with pytest.raises(BadInput, match="annotator must be") as caught:
            act()
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "change",
    [
        {"lease": "x" * 10_000},
        {"lease": ""},
        {"lease": "a\nb"},
        {"object_id": "x" * 10_000},
        {"note": "x" * 1_000_000},
        {"source": "x" * 10_000},
        {"redoes": "x" * 10_000},
        {"confidence": 1.1},
        {"confidence": "sure"},
        {"prediction_visible": "yes"},
        {"payload": {"marks": "x" * 1_000_000}},
        {"payload": {"marks": []}},
        {"payload": {"marks": [[1, 2]]}},
        {"payload": {"marks": [{"kind": "nucleus"}]}},
        {"payload": {"marks": [{"kind": "nucleus", "x_px": 1}]}},
        {"payload": {"marks": [{"kind": "nucleus", "x_px": "1", "y_px": 2}]}},
        {"payload": {"marks": [{"kind": "", "wavelength_angstrom": 2796.4}]}},
        {"payload": {"marks": [float("nan")]}},
        {"payload": {"marks": object()}},
        {"payload": {"tags": "t"}},
        {"payload": {"tags": [1]}},
        {"payload": {"tags": ["unknown"]}},
        {"payload": {"x": "\ud800"}},
        {"payload": ["tags"]},
        {"payload": {"gold": "yes"}},
        {"action": Action.MARK, "class_name": None},
        {"action": Action.UNSURE},
    ],
    ids=lambda change: ascii(change)[:40],
)
def test_what_cannot_be_used_is_refused(
    ranked: LabelsDB, make: Make, change: dict[str, Any]
) -> None:
    with pytest.raises(BadInput) as caught:
        ranked.record(replace(make("a", "dual"), **change))
    assert len(str(caught.value)) < 500
    assert ranked.last_seq("duals") == 0


def test_more_than_is_allowed_is_not_handed_out(db: LabelsDB, model: Any, time: Clock) -> None:
    db.replace_queue("duals", [QueueItem(f"o{n}", n, "m") for n in range(300)], model())
    assert len(take(db, "ann", 10_000)) == 200


def test_of_many_begun_objects_none_is_forgotten(
    ranked: LabelsDB, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the newest are looked through at first; an older one must come in the end."""
    monkeypatch.setattr("labels_db.leases.SECOND_LOOKS", 2)
    ranked.change_task("duals", "owner", answers_per_object=2)
    ranked.record(make("old", "dual", annotator="bob"))
    for name in "abcd":
        ranked.record(make(name, "dual"))
    assert take(ranked, "ann", 5, chance=random.Random(1)) == ["old"]


def test_no_hand_out_walks_through_the_events(ranked: LabelsDB, make: Make) -> None:
    """SQLite tells how it carries out each statement: none reads all events of a task."""
    ranked.change_task("duals", "owner", answers_per_object=2, gold_rate=0.5)
    ranked.add_gold("duals", "g", "dual", "owner", 1)
    statements: list[str] = []
    ranked.tables.conn.set_trace_callback(statements.append)
    items = ranked.lease_next("duals", "ann", 3).items
    for item in items:
        ranked.record(answer(make, item), renew_lease=True)
        ranked.record(answer(make, item), renew_lease=True)
    ranked.record(make("a", "dual", annotator="cay", lease="gone"), renew_lease=True)
    ranked.lease_next("duals", "bob", 3)
    ranked.lease_next("duals", "ann", 1, exclude="abcd")
    ranked.renew_leases("duals", "ann", [item.lease for item in items])
    ranked.record_undo("duals", "ann", make("x").event_id)
    ranked.record_redo("duals", "ann", make("x").event_id)
    list(ranked.answers("duals", object_id="a"))
    ranked.late_answers("duals", "a")
    ranked.disputes("duals")
    ranked.gold_results("duals")
    ranked.is_flagged("duals", "a")
    ranked.object_state("duals", "a")
    ranked.tables.conn.set_trace_callback(None)
    asked = {sql for sql in statements if sql.split()[0] in ("SELECT", "UPDATE", "DELETE")}
    assert len(asked) > 30
    for sql in asked:
        plan = [row[3] for row in ranked.tables.execute(f"EXPLAIN QUERY PLAN {sql}")]
        for line in plan:
            assert not line.startswith(("SCAN events", "SCAN e ", "SCAN a ", "SCAN l ")), (
                sql,
                plan,
            )
            walks = line.endswith("(task_id=?)") and "INDEX idx_events" in line
            assert not walks, (sql, plan)
            assert not line.endswith("answers USING PRIMARY KEY (task_id=?)"), (sql, plan)
            assert not line.startswith("SEARCH a USING PRIMARY KEY (task_id=?)"), (sql, plan)


def test_who_showed_what_is_told_anew_or_since_a_number(ranked: LabelsDB, make: Make) -> None:
    assert ranked.shown_by("duals") == {}
    ranked.record(answer(make, one(ranked, "ann")))
    before = ranked.last_seq("duals")
    ranked.record(answer(make, one(ranked, "ann"), "star"))
    ranked.record(make("d", "star"))  # opened by hand: no sampler stands behind it
    assert ranked.shown_by("duals") == {"a": "margin", "b": "margin"}
    assert ranked.shown_by("duals", before) == {"b": "margin"}
    assert list(ranked.current_classes("duals")) == ["a", "b", "d"]
    ranked.record(make("a", "star"))
    assert list(ranked.current_classes("duals")) == ["b", "d", "a"]
