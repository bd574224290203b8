"""What the label database should say, worked out anew each time from the list of all that was
said: slow, short and written without looking at any table. The tests hold the database to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from core.vocabulary import Action, Settled
from labels_db import HandoutState, LeasedItem, NewEvent

LOOKS = (Action.LABEL, Action.UNSURE, Action.SKIP)


@dataclass(frozen=True)
class Said:
    """One event: as it was sent, as it is kept, its place in the order of commits."""

    sent: NewEvent
    kept: NewEvent
    seq: int
    late: bool = False


@dataclass
class Lease:
    lease: str
    object_id: str
    annotator: str
    expires: float
    sampler: str
    model_version: int | None


@dataclass
class Plain:
    wanted: int
    lease_s: float
    classes: tuple[str, ...]
    now: float = 1000.0
    said: list[Said] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    queue: list[str] = field(default_factory=list)
    model_version: int = 0

    # What stands ---------------------------------------------------------------------------

    def standing(self) -> list[Said]:
        undone = {one.kept.undoes for one in self.said}
        return [
            one
            for one in self.said
            if one.kept.event_id not in undone and one.kept.action is not Action.UNDO
        ]

    def about(self, object_id: str, *actions: Action) -> list[Said]:
        return [
            one
            for one in self.standing()
            if one.kept.object_id == object_id and one.kept.action in actions
        ]

    def objects(self) -> list[str]:
        return sorted({one.kept.object_id for one in self.said})

    def views(self, object_id: str) -> dict[str, Said]:
        """What each annotator says now; a skip only of those who say nothing else."""
        found: dict[str, Said] = {}
        in_time = [one for one in self.about(object_id, *LOOKS) if not one.late]
        for is_skip in (True, False):
            for one in in_time:
                if (one.kept.action is Action.SKIP) is is_skip:
                    found[one.kept.annotator] = one
        return found

    def answers(self, object_id: str) -> dict[str, Said]:
        return {
            who: one
            for who, one in self.views(object_id).items()
            if one.kept.action is not Action.SKIP
        }

    def judged(self, object_id: str) -> Said | None:
        judgements = self.about(object_id, Action.ADJUDICATE)
        return judgements[-1] if judgements else None

    def is_gold(self, object_id: str) -> bool:
        judged = self.judged(object_id)
        return judged is not None and bool((judged.kept.payload or {}).get("gold"))

    def waiting(self, object_id: str) -> list[Said]:
        """Late answers since the last adjudication."""
        judged = self.judged(object_id)
        return [
            one
            for one in self.about(object_id, Action.LABEL, Action.UNSURE)
            if one.late and (judged is None or one.seq > judged.seq)
        ]

    def label(self, object_id: str) -> tuple[Said, Settled] | None:
        """The event that gives the object its class, and how; the class may be None."""
        judged = self.judged(object_id)
        if judged is not None:
            return judged, Settled.ADJUDICATED
        labels = [
            one for one in self.answers(object_id).values() if one.kept.action is Action.LABEL
        ]
        labels.sort(key=lambda one: one.seq)
        if not labels:
            return None
        if self.wanted == 1:
            return labels[-1], Settled.LATEST
        votes = Counter(one.kept.class_name for one in labels).most_common()
        if len(votes) > 1 and votes[0][1] == votes[1][1]:
            return None
        won = [one for one in labels if one.kept.class_name == votes[0][0]]
        return won[-1], Settled.PLURALITY

    def state(self, object_id: str) -> dict[str, Any] | None:
        views, judged, waiting = (
            self.views(object_id),
            self.judged(object_id),
            self.waiting(object_id),
        )
        if not views and judged is None and not waiting:
            return None
        answers = list(self.answers(object_id).values())
        n_unsure = sum(one.kept.action is Action.UNSURE for one in answers)
        votes = Counter(one.kept.class_name for one in answers if one.kept.class_name)
        least = 0.25 if waiting or (n_unsure and judged is None) else 0.0
        split = 0.0
        if answers and judged is None:
            split = 1 - max([n_unsure, *votes.values()]) / len(answers)
        settled = self.label(object_id)
        told = [*views.values(), *waiting, *([judged] if judged else [])]
        return {
            "object_id": object_id,
            "class_name": settled[0].kept.class_name if settled else None,
            "how": settled[1] if settled else None,
            "n_answers": len(answers),
            "n_unsure": n_unsure,
            "n_classes": len(votes),
            "n_late": len(waiting),
            "is_open": judged is None and len(answers) < self.wanted,
            "disagreement": max(split, least),
            "last_seq": max(one.seq for one in told),
        }

    def labels(self) -> dict[str, tuple[str, Settled, str]]:
        """(class, how, event_id) of each object with a class."""
        found = {name: self.label(name) for name in self.objects()}
        return {
            name: (one[0].kept.class_name, one[1], one[0].kept.event_id)
            for name, one in found.items()
            if one is not None and one[0].kept.class_name is not None
        }

    def counts(self) -> dict[str, int]:
        given = [class_name for class_name, _, _ in self.labels().values()]
        return {name: given.count(name) for name in self.classes}

    def answered(self) -> set[str]:
        return {name for name in self.objects() if self.views(name) or self.judged(name)}

    def having(self, action: Action) -> set[str]:
        return {one.kept.object_id for one in self.standing() if one.kept.action is action}

    def disputes(self) -> list[str]:
        states = [state for name in self.objects() if (state := self.state(name))]
        worst = sorted(states, key=lambda one: (-one["disagreement"], one["last_seq"]))
        return [one["object_id"] for one in worst if one["disagreement"] > 0]

    # Undo and redo -------------------------------------------------------------------------

    def latest(self, annotator: str) -> Said | None:
        own = [
            one
            for one in self.standing()
            if one.kept.annotator == annotator and one.kept.action in LOOKS
        ]
        return own[-1] if own else None

    def find(self, event_id: str | None) -> Said:
        return next(one for one in self.said if one.kept.event_id == event_id)

    def undone(self, annotator: str) -> list[Said]:
        """The undos that can be redone, the last one on top: as in any editor."""
        stack: list[Said] = []
        for one in self.said:
            if one.kept.annotator != annotator:
                continue
            if one.kept.action is Action.UNDO:
                if self.find(one.kept.undoes).kept.action in LOOKS:
                    stack.append(one)
            elif one.kept.action in LOOKS:
                if one.kept.redoes is None:
                    stack.clear()
                else:
                    assert stack.pop().kept.event_id == one.kept.redoes
        return stack

    # Leases --------------------------------------------------------------------------------

    def live(self, object_id: str) -> set[str]:
        return {
            one.annotator
            for one in self.leases
            if one.object_id == object_id and one.expires > self.now
        }

    def taken_by_others(self, object_id: str, annotator: str) -> int:
        hands = self.live(object_id) - {annotator}
        return len((self.answers(object_id).keys() | hands) - {annotator})

    def has_room(self, object_id: str, annotator: str) -> bool:
        if self.judged(object_id) is not None:
            return self.is_gold(object_id)
        return self.taken_by_others(object_id, annotator) < self.wanted

    def under_lease(self, event: NewEvent, renew: bool) -> tuple[NewEvent, bool] | None:
        """The event as it will be kept and whether it is late; None if it will be refused."""
        held = [one for one in self.leases if one.lease == event.lease]
        if held:
            (one,) = held
            if (one.annotator, one.object_id) != (event.annotator, event.object_id):
                return None
            kept = replace(event, sampler=one.sampler, model_version=one.model_version)
            late = one.expires <= self.now
        else:
            before = [
                one.kept
                for one in self.said
                if one.kept.lease == event.lease
                and one.kept.annotator == event.annotator
                and one.kept.object_id == event.object_id
                and one.kept.action in LOOKS
            ]
            own = [
                one
                for one in self.leases
                if (one.object_id, one.annotator) == (event.object_id, event.annotator)
            ]
            kept = event
            if before:
                first = before[0]
                kept = replace(event, sampler=first.sampler, model_version=first.model_version)
            elif own:
                last = own[0]
                kept = replace(event, sampler=last.sampler, model_version=last.model_version)
            late = event.annotator not in self.answers(event.object_id)
        if late and renew:
            late = not self.has_room(event.object_id, event.annotator)
        return kept, late

    def say(self, sent: NewEvent, kept: NewEvent | None = None, late: bool = False) -> Said:
        kept = kept or sent
        late = late and kept.action in LOOKS
        one = Said(sent, kept, len(self.said) + 1, late)
        self.said.append(one)
        if kept.action in LOOKS:
            self.leases = [
                lease
                for lease in self.leases
                if (lease.object_id, lease.annotator) != (kept.object_id, kept.annotator)
            ]
        if kept.action is Action.UNDO:
            self.take_up_again(self.find(kept.undoes).kept)
        return one

    def take_up_again(self, undone: NewEvent) -> None:
        """Whoever undid an answer has its object in hand again, if there is room for it."""
        name, who = undone.object_id, undone.annotator
        if undone.action not in LOOKS or undone.lease is None or who in self.views(name):
            return
        if not self.has_room(name, who):
            return
        ends = self.now + self.lease_s
        own = [one for one in self.leases if (one.object_id, one.annotator) == (name, who)]
        for one in own:
            if one.expires <= self.now:
                self.leases[self.leases.index(one)] = replace(one, expires=ends)
        if not own:
            self.leases.insert(
                0,
                Lease(undone.lease, name, who, ends, undone.sampler or "", undone.model_version),
            )

    def in_hand(self, annotator: str) -> list[Lease]:
        """What the annotator holds and has not yet looked at."""
        return [
            one
            for one in self.leases
            if one.annotator == annotator
            and one.expires > self.now
            and annotator not in self.views(one.object_id)
        ]

    def give_back(self, annotator: str, leases: list[str]) -> int:
        """End them now: they are remembered as those are that ran out."""
        ended = [
            one
            for one in self.leases
            if one.lease in leases and one.annotator == annotator and one.expires > self.now
        ]
        self.leases = [
            replace(one, expires=self.now) if one in ended else one for one in self.leases
        ]
        return len(ended)

    def renew(self, annotator: str, leases: list[str]) -> list[str]:
        held = []
        for lease in dict.fromkeys(leases):
            for one in self.leases:
                if one.lease == lease and one.annotator == annotator:
                    unseen = annotator not in self.views(one.object_id)
                    if one.expires > self.now or (
                        unseen and self.has_room(one.object_id, annotator)
                    ):
                        held.append(one)
        for one in held:
            one.expires = self.now + self.lease_s
        return [one.lease for one in held]

    def gold_for(self, annotator: str) -> set[str]:
        return {
            name
            for name in self.objects()
            if self.is_gold(name)
            and annotator not in self.views(name)
            and annotator not in self.live(name)
            and self.judged(name).kept.annotator != annotator  # type: ignore[union-attr]
        }

    def candidates(
        self, annotator: str, exclude: set[str]
    ) -> tuple[dict[str, tuple[str, int | None]], HandoutState]:
        """The ordinary objects that come next, in order, each with the sampler and model that
        chose it; and the state if there are none."""
        states = [state for name in self.objects() if (state := self.state(name))]
        begun = sorted((one for one in states if one["is_open"]), key=lambda one: -one["last_seq"])
        order = {one["object_id"]: self.first_shown(one["object_id"]) for one in begun}
        for name in self.queue:
            order.setdefault(name, ("m", self.model_version))
        found = {}
        blocked = False
        for name, why in order.items():
            if name in exclude or annotator in self.views(name) or self.judged(name):
                continue
            if self.taken_by_others(name, annotator) < self.wanted:
                found[name] = why
            elif len(self.answers(name)) < self.wanted:
                blocked = True
        if blocked:
            return found, HandoutState.LEASED
        if not self.queue and not exclude:
            return found, HandoutState.NO_QUEUE
        return found, HandoutState.NOTHING_LEFT

    def first_shown(self, object_id: str) -> tuple[str, int | None]:
        for one in self.said:
            if one.kept.object_id == object_id and one.kept.sampler is not None:
                return one.kept.sampler, one.kept.model_version
        return "", None

    def take(self, item: LeasedItem, annotator: str) -> None:
        self.leases = [
            one
            for one in self.leases
            if (one.object_id, one.annotator) != (item.object_id, annotator)
        ]
        ends = self.now + self.lease_s
        made = Lease(item.lease, item.object_id, annotator, ends, item.sampler, item.model_version)
        self.leases.append(made)
