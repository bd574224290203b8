"""Random sequences of acts by several annotators against `plain.Plain` (hypothesis, stateful)."""

from __future__ import annotations

import random
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.errors import BadInput, NotFound
from core.vocabulary import GOLD_SAMPLER, Action
from labels_db import (
    Ack,
    HandoutState,
    LabelsDB,
    LeasedItem,
    ModelRecord,
    NewEvent,
    QueueItem,
    TaskSpec,
    clock,
)
from tests.labels_db.plain import LOOKS, Plain, Said

CLASSES = ("dual", "star", "other")
OBJECTS = ("a", "b", "c", "d'\"<é>", "e")
ANNOTATORS = ("ann", "bob", "cay")
TASK = "duals"
LEASE_S = 10

objects = st.sampled_from(OBJECTS)
annotators = st.sampled_from(ANNOTATORS)
classes = st.sampled_from(CLASSES)
looks = st.sampled_from(LOOKS)
pick = st.integers(0, 10**6)


class Fixed(random.Random):
    """Chance that always comes out the same."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


class Labelling(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.db = LabelsDB(Path(self.folder.name) / "labels.sqlite")
        # Durability has its own tests; here thousands of commits are made.
        self.db.tables.execute("PRAGMA synchronous = OFF")
        self.plain = Plain(1, LEASE_S, CLASSES)
        self.handed: list[tuple[str, LeasedItem]] = []
        self.ids = random.Random(0)
        self.followed: dict[str, str | None] = {}
        self.followed_version = self.followed_seq = 0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(clock, "now", lambda: self.plain.now)

    def teardown(self) -> None:
        self.patch.undo()
        self.db.check(thorough=True)
        self.db.close()
        self.folder.cleanup()

    @initialize(
        wanted=st.sampled_from([1, 2, 3]), blind=st.booleans(), order=st.permutations(OBJECTS)
    )
    def create(self, wanted: int, blind: bool, order: list[str]) -> None:
        spec = TaskSpec(
            *(TASK, "sky", "What?", CLASSES, "dual"),
            answers_per_object=wanted,
            blind=blind,
            gold_rate=0.5,
            lease_seconds=LEASE_S,
        )
        self.db.create_task(spec)
        self.plain.wanted = wanted
        self.rank_again(order, len(order))
        if blind:
            self.adjudicate("e", "dee", "dual", True)

    # Saying --------------------------------------------------------------------------------

    def event(self, object_id: str, annotator: str, action: Action, **more: Any) -> NewEvent:
        own_id = str(uuid.UUID(int=self.ids.getrandbits(128), version=4))
        return NewEvent(own_id, TASK, object_id, 1, annotator, action, **more)

    def look(self, object_id: str, who: str, action: Action, name: str, **more: Any) -> NewEvent:
        class_name = name if action is Action.LABEL else None
        return self.event(object_id, who, action, class_name=class_name, **more)

    def say(self, sent: NewEvent) -> None:
        ack = self.db.record(sent)
        self.agree(ack, self.plain.say(sent))

    def agree(self, ack: Ack, said: Said, *, duplicate: bool = False) -> None:
        assert (ack.event_id, ack.seq, ack.late) == (said.kept.event_id, said.seq, said.late)
        assert ack.duplicate is duplicate
        assert ack.counts == self.plain.counts()
        assert ack.n_answers == len(self.plain.answered())

    @rule(object_id=objects, who=annotators, action=looks, name=classes)
    def answer(self, object_id: str, who: str, action: Action, name: str) -> None:
        self.say(self.look(object_id, who, action, name))

    @rule(object_id=objects, who=annotators, action=st.sampled_from([*Action]))
    def remark(self, object_id: str, who: str, action: Action) -> None:
        if action is Action.FLAG:
            self.say(self.event(object_id, who, action))
        elif action is Action.NOTE:
            self.say(self.event(object_id, who, action, note="n"))
        elif action is Action.MARK:
            self.say(
                self.event(
                    object_id,
                    who,
                    action,
                    payload={"marks": [{"kind": "arc", "ra_deg": 1.0, "dec_deg": -2}]},
                )
            )

    @rule(
        object_id=objects,
        who=annotators,
        name=st.one_of(st.none(), classes),
        gold=st.booleans(),
    )
    def adjudicate(self, object_id: str, who: str, name: str | None, gold: bool) -> None:
        payload = {"gold": True} if gold and name else None
        self.say(self.event(object_id, who, Action.ADJUDICATE, class_name=name, payload=payload))

    @rule(number=pick, again=pick)
    def send_again(self, number: int, again: int) -> None:
        if self.plain.said:
            one = self.plain.said[number % len(self.plain.said)]
            self.agree(self.db.record(one.sent, renew_lease=bool(again % 2)), one, duplicate=True)

    # Undo and redo -------------------------------------------------------------------------

    @rule(number=pick, who=annotators)
    def undo_any(self, number: int, who: str) -> None:
        if not self.plain.said:
            return
        old = self.plain.said[number % len(self.plain.said)].kept
        undo = self.event(old.object_id, who, Action.UNDO, undoes=old.event_id)
        stands = any(one.kept is old for one in self.plain.standing())
        if stands and old.annotator == who:
            self.say(undo)
        else:
            with pytest.raises(BadInput):
                self.db.record(undo)

    @rule(who=annotators, n_undo=st.integers(1, 3), n_redo=st.integers(0, 3))
    def back_and_forth(self, who: str, n_undo: int, n_redo: int) -> None:
        for _ in range(n_undo):
            self.undo_latest(who)
        for _ in range(n_redo):
            self.redo(who)

    def undo_latest(self, who: str) -> None:
        latest = self.plain.latest(who)
        undo = self.event(latest.kept.object_id if latest else "none", who, Action.UNDO)
        if latest is None:
            with pytest.raises(NotFound):
                self.db.record_undo(TASK, who, undo.event_id)
            return
        for duplicate in (False, True):
            ack, undone = self.db.record_undo(TASK, who, undo.event_id)
            assert undone.event_id == latest.kept.event_id
            if not duplicate:
                said = self.plain.say(replace(undo, undoes=undone.event_id))
            self.agree(ack, said, duplicate=duplicate)

    def redo(self, who: str) -> None:
        stack = self.plain.undone(who)
        own_id = self.event("none", who, Action.UNDO).event_id
        if not stack:
            with pytest.raises(NotFound):
                self.db.record_redo(TASK, who, own_id)
            return
        undo = stack[-1].kept
        before = self.plain.find(undo.undoes)
        again = replace(before.kept, event_id=own_id, redoes=undo.event_id, lease=None)
        for duplicate in (False, True):
            ack, event = self.db.record_redo(TASK, who, own_id)
            if not duplicate:
                name = again.object_id
                counts = who in self.plain.answers(name) or self.plain.has_room(name, who)
                said = self.plain.say(again, late=before.late or not counts)
            assert (event.event_id, event.redoes) == (own_id, undo.event_id)
            self.agree(ack, said, duplicate=duplicate)

    # Leases --------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 5, LEASE_S, 3 * LEASE_S]))
    def time_passes(self, seconds: int) -> None:
        self.plain.now += seconds

    @rule(
        who=annotators,
        n=st.integers(1, 4),
        exclude=st.sets(objects, max_size=2),
        back=st.lists(pick, max_size=2),
        gold=st.booleans(),
    )
    def take(self, who: str, n: int, exclude: set[str], back: list[int], gold: bool) -> None:
        given_back = self.leases_of(back)
        chance = Fixed(0.0 if gold else 1.0)
        handout = self.db.lease_next(
            TASK, who, n, exclude=exclude, give_back=given_back, chance=chance
        )
        plain = self.plain
        plain.give_back(who, given_back)
        own = [one for one in plain.in_hand(who) if one.object_id not in exclude][:n]
        n_own = len(own)
        assert [item.lease for item in handout.items[:n_own]] == [one.lease for one in own]
        plain.renew(who, [one.lease for one in own])
        taken = exclude | {one.object_id for one in own}
        order, state = plain.candidates(who, taken)
        golden = plain.gold_for(who) - taken
        fresh = handout.items[n_own:]
        slipped = [
            item
            for item in fresh
            if item.sampler == GOLD_SAMPLER and item.score is None and item.object_id in golden
        ]
        plain_items = [item for item in fresh if item not in slipped]
        assert len({item.object_id for item in handout.items}) == len(handout.items) <= n
        assert gold or not slipped
        names = [item.object_id for item in plain_items]
        assert names == [*order][: len(names)]
        assert [(i.sampler, i.model_version) for i in plain_items] == [order[i] for i in names]
        assert len(handout.items) == n or names == [*order]
        for item in plain_items:
            others = plain.taken_by_others(item.object_id, who)
            assert others + 1 <= plain.wanted, "handed to more annotators than wanted"
        if not handout.items:
            if exclude and state is HandoutState.NO_QUEUE:
                state = HandoutState.NOTHING_LEFT
            assert handout.state is state
            if state is HandoutState.LEASED:
                ends = [one.expires - plain.now for one in plain.leases if one.annotator != who]
                assert handout.retry_s == min(end for end in ends if end > 0)
        else:
            assert handout.state is HandoutState.READY
            assert {item.seconds_left for item in handout.items} == {LEASE_S}
        for item in fresh:
            plain.take(item, who)
            self.handed.append((who, item))

    def leases_of(self, numbers: Sequence[int]) -> list[str]:
        """Some of all leases there ever were, whoever had them."""
        if not self.handed:
            return ["none"] * len(numbers)
        return [self.handed[number % len(self.handed)][1].lease for number in numbers]

    @rule(
        number=pick,
        who=annotators,
        own=st.integers(0, 9),
        action=looks,
        name=classes,
        renew=st.booleans(),
        wait=st.sampled_from([0, 0, LEASE_S]),
    )
    def answer_under_lease(
        self, number: int, who: str, own: int, action: Action, name: str, renew: bool, wait: int
    ) -> None:
        self.take(who, 2, set(), [], own == 1)
        if not self.handed:
            return
        owner, item = self.handed[number % len(self.handed)]
        # Now and then it is somebody else's.
        annotator = who if own == 0 else owner
        sent = self.look(item.object_id, annotator, action, name, lease=item.lease)
        self.plain.now += wait
        expected = self.plain.under_lease(sent, renew)
        if expected is None:
            with pytest.raises(BadInput, match="somebody else"):
                self.db.record(sent, renew_lease=renew)
            return
        ack = self.db.record(sent, renew_lease=renew)
        self.agree(ack, self.plain.say(sent, *expected))

    @rule(who=annotators, numbers=st.lists(pick, max_size=4))
    def renew(self, who: str, numbers: list[int]) -> None:
        leases = self.leases_of(numbers)
        assert self.db.renew_leases(TASK, who, leases) == self.plain.renew(who, leases)

    @rule(who=annotators, numbers=st.lists(pick, max_size=2))
    def release(self, who: str, numbers: list[int]) -> None:
        leases = self.leases_of(numbers)
        assert self.db.release_leases(TASK, who, leases) == self.plain.give_back(who, leases)

    # The task ------------------------------------------------------------------------------

    @rule(order=st.permutations(OBJECTS), n=st.integers(0, len(OBJECTS)))
    def rank_again(self, order: list[str], n: int) -> None:
        items = [QueueItem(name, rank, "m") for rank, name in enumerate(order[:n])]
        model = ModelRecord(
            task=TASK, n_labels=0, label_seq=0, sampler="m", survey_version=1, seed=0
        )
        self.plain.model_version = self.db.replace_queue(TASK, items, model)
        self.plain.queue = order[:n]

    @rule(wanted=st.sampled_from([1, 2, 3]))
    def want_other_numbers(self, wanted: int) -> None:
        self.db.change_task(TASK, "owner", answers_per_object=wanted)
        self.plain.wanted = wanted

    # ---------------------------------------------------------------------------------------

    @invariant()
    def same_as_the_model(self) -> None:
        if not self.db.tasks():
            return
        db, plain = self.db, self.plain
        labels = plain.labels()
        found = db.current_labels(TASK)
        assert {k: (v.class_name, v.how, v.event_id) for k, v in found.items()} == labels
        assert db.current_classes(TASK) == {name: one[0] for name, one in labels.items()}
        self.what_each_did(labels)
        assert db.flagged(TASK) == plain.having(Action.FLAG)
        assert db.counts(TASK) == plain.counts()
        assert db.n_answers(TASK) == len(plain.answered())
        assert [state.object_id for state in db.disputes(TASK)] == plain.disputes()
        assert db.n_disputes(TASK) == len(plain.disputes())
        assert db.gold(TASK) == {
            name: labels[name][0] for name in plain.objects() if plain.is_gold(name)
        }
        kept = [(one.kept.event_id, one.seq, one.late) for one in plain.said]
        assert [(e.event_id, e.seq, e.late) for e in db.events(TASK)] == kept
        answers = {
            (name, who, one.kept.action, one.kept.class_name, one.seq)
            for name in plain.objects()
            for who, one in plain.answers(name).items()
        }
        told = [*db.answers(TASK)]
        assert {(a.object_id, a.annotator, a.action, a.class_name, a.seq) for a in told} == answers
        assert len(told) == len(answers)
        answered = plain.answered()
        left = [name for name in plain.queue if name not in answered]
        assert [item.object_id for item in db.next_items(TASK, 9)] == left
        for name in OBJECTS:
            state = db.object_state(TASK, name)
            expected = plain.state(name)
            assert (state and vars(state)) == expected
            assert {e.event_id for e in db.late_answers(TASK, name)} == {
                one.kept.event_id
                for one in plain.about(name, Action.LABEL, Action.UNSURE)
                if one.late
            }
        self.same_when_followed()
        in_hand = {who: sum(who in plain.live(name) for name in OBJECTS) for who in ANNOTATORS}
        assert db.n_leased(TASK) == {who: n for who, n in in_hand.items() if n}

    def what_each_did(self, labels: dict[str, Any]) -> None:
        """The look-ups of one annotator, and those that are read once and then followed."""
        db, plain = self.db, self.plain
        assert db.has_gold(TASK)  # the task is made with a share of them
        for who in ANNOTATORS:
            views = {name: plain.views(name).get(who) for name in plain.objects()}
            said = {name: one for name, one in views.items() if one}
            skips = [n for n, one in said.items() if one.kept.action is Action.SKIP]
            assert db.skipped(TASK, who) == sorted(skips, key=lambda n: -said[n].seq)
            own = {n: one.kept.class_name for n, one in said.items() if one.kept.class_name}
            found = db.own_classes(TASK, who)
            assert {name: one for name, one in found.items() if one} == own
            for name in OBJECTS:
                ever = any(
                    (one.kept.object_id, one.kept.annotator) == (name, who)
                    and one.kept.action in (Action.LABEL, Action.UNSURE)
                    for one in plain.said
                )
                assert db.has_answered(TASK, who, name) is ever
        assert db.newest_classes(TASK, 9) == {name: one[0] for name, one in labels.items()}

    def same_when_followed(self) -> None:
        version, seq = self.db.task(TASK).version, self.db.last_seq(TASK)
        if version != self.followed_version:
            self.followed = dict(self.db.newest_classes(TASK, 9))
        else:
            self.followed |= self.db.classes_since(TASK, self.followed_seq)
        self.followed_version, self.followed_seq = version, seq
        known = {name: one for name, one in self.followed.items() if one}
        assert known == self.db.current_classes(TASK)


PROFILE = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class TestLabelling(Labelling.TestCase):  # type: ignore[misc,valid-type]
    settings = PROFILE


@pytest.mark.slow
class TestLabellingAtLength(Labelling.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(PROFILE, max_examples=300, stateful_step_count=80)
