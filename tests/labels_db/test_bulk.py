"""Labels in bulk: exactly the objects that were meant, and one undo for all of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.errors import BadInput, NotFound
from core.vocabulary import Action
from labels_db import Fate, LabelsDB, ModelRecord, NewEvent, QueueItem, bulk

Make = Callable[..., NewEvent]
GROUP = str(uuid.UUID(int=5))
IDS = [f"o{i:03d}" for i in range(40)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 7)


def label(db: LabelsDB, ids: list[str], name: str = "dual", who: str = "ann", **more: Any) -> int:
    given: dict[str, Any] = {"group": GROUP, "survey_version": 1, "selection": "5e1", **more}
    return db.bulk_label("duals", who, ids, name, **given).n_given


def own(db: LabelsDB, who: str = "ann") -> dict[str, str | None]:
    return {one.object_id: one.class_name for one in db.answers("duals", annotator=who)}


def test_exactly_those_objects_are_labelled_and_one_undo_takes_all_back(
    db: LabelsDB, make: Make
) -> None:
    db.record(make("o003", "star"))
    before = own(db)
    assert label(db, IDS[10:30]) == 20
    assert own(db) == before | dict.fromkeys(IDS[10:30], "dual")
    assert db.counts("duals") == {"dual": 20, "star": 1, "other": 0}
    last = db.last_bulk("duals", "ann")
    assert last is not None
    assert (last.n, last.class_name) == (20, "dual")
    assert "selection 5e1" in last.source
    assert db.bulk_undo("duals", "ann", last.source) == 20
    assert own(db) == before
    assert db.last_bulk("duals", "ann") is None
    assert db.bulk_undo("duals", "ann", last.source) == 0
    db.check(thorough=True)


def test_the_plan_says_what_becomes_of_each(
    db: LabelsDB, make: Make, model: Callable[..., ModelRecord]
) -> None:
    db.record(make("o000", "dual"))
    db.record(make("o001", "star"))
    db.record(make("o002", action=Action.UNSURE))
    db.record(make("o004", "star", annotator="bob"))
    db.record(make("o005", "dual", annotator="bob"))
    db.record(make("o006", "star", annotator="eve", action=Action.ADJUDICATE))
    queue = [QueueItem(name, rank, "margin") for rank, name in enumerate(("o007", "o008"))]
    db.replace_queue("duals", queue, model())
    assert [one.object_id for one in db.lease_next("duals", "bob", 1).items] == ["o007"]
    assert [one.object_id for one in db.lease_next("duals", "ann", 1).items] == ["o008"]
    db.record(make("o003"))  # a skip is no answer
    plan = db.bulk_plan("duals", "ann", IDS[:10], "dual")
    assert plan.counts == {
        Fate.SAME: 2,  # o000, o005
        Fate.OWN: 2,  # o001, o002
        Fate.OTHERS: 1,  # o004
        Fate.SETTLED: 1,  # o006
        Fate.IN_HAND: 1,  # o007
        Fate.NEW: 3,  # o003, o008, o009
    }
    assert (plan.n_changes, plan.n_left_out) == (3, 2)
    assert label(db, IDS[:10]) == 3
    assert own(db)["o001"] == "star"
    assert label(db, IDS[:10], group=str(uuid.uuid4()), change=True) == 3
    assert own(db)["o001"] == own(db)["o004"] == "dual"
    assert "o007" not in own(db)
    assert "o006" not in own(db)
    db.check(thorough=True)


def test_what_was_answered_after_the_plan_is_not_overruled(db: LabelsDB, make: Make) -> None:
    db.record(make("o000", "star"))
    db.record(make("o001", "star", annotator="bob"))
    plan = db.bulk_plan("duals", "ann", IDS[:5], "dual")
    assert plan.seq == db.last_seq("duals")
    db.record(make("o002", "star"))
    db.record(make("o003", "star", annotator="bob"))
    db.record(make("o004"))  # a skip stands in no way
    given: dict[str, Any] = {"group": GROUP, "survey_version": 1, "change": True}
    done = db.bulk_label("duals", "ann", IDS[:5], "dual", seen_seq=plan.seq, **given)
    assert (done.n_given, done.n_since) == (3, 2)
    assert db.current_classes("duals") == {
        "o000": "dual",
        "o001": "dual",
        "o002": "star",
        "o003": "star",
        "o004": "dual",
    }
    done = db.bulk_label("duals", "ann", IDS[:5], "dual", **given)
    assert (done.n_given, done.n_since) == (2, 0)


def test_an_undone_group_is_not_how_an_object_was_found(db: LabelsDB, make: Make) -> None:
    label(db, IDS[:2])
    last = db.last_bulk("duals", "ann")
    assert last is not None
    db.bulk_undo("duals", "ann", last.source)
    db.record(make("o000", "dual", sampler="margin"))
    db.record(make("o001", "star", action=Action.ADJUDICATE))
    found = {one.object_id: (one.sampler, one.imported) for one in db.searched("duals")}
    # Of o001 nothing but the undone label is left to tell it by.
    assert found == {"o000": ("margin", False), "o001": (None, True)}


def test_what_is_kept_from_a_person_is_never_overruled(db: LabelsDB, make: Make) -> None:
    db.record(make("o000", "star", annotator="bob"))
    db.record(make("o001", "dual", annotator="bob"))
    plan = db.bulk_plan("duals", "ann", IDS[:3], "dual", own_only=True)
    assert plan.counts == {Fate.FULL: 2, Fate.NEW: 1}  # not which of the two is a dual
    assert label(db, IDS[:3], change=True, own_only=True) == 1
    assert set(own(db)) == {"o002"}


def test_with_several_answers_wanted_each_is_one_more(db: LabelsDB, make: Make) -> None:
    db.change_task("duals", "owner", answers_per_object=2)
    db.record(make("o000", "star", annotator="bob"))
    db.record(make("o001", "star", annotator="bob"))
    db.record(make("o001", "star", annotator="eve"))
    plan = db.bulk_plan("duals", "ann", IDS[:3], "dual")
    assert plan.counts == {Fate.NEW: 2, Fate.FULL: 1}
    assert label(db, IDS[:3], change=True) == 2
    assert set(own(db)) == {"o000", "o002"}
    db.check(thorough=True)


def test_cut_short_it_goes_on_under_the_same_group(db: LabelsDB) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, of: int) -> None:
        assert of == 40
        if done >= 14:
            raise Stop

    with pytest.raises(Stop):
        label(db, IDS, progress=stop)
    assert len(own(db)) == 14
    told: list[int] = []
    assert label(db, IDS, progress=lambda done, _: told.append(done)) == 26
    assert told == [7, 14, 21, 28, 35, 40]
    last = db.last_bulk("duals", "ann")
    assert last is not None
    assert last.n == 40
    assert db.bulk_undo("duals", "ann", last.source) == 40
    # Undone, the group is over: the same request sent again by a slow browser does nothing.
    assert label(db, IDS) == 0
    assert own(db) == {}


def test_an_undo_leaves_what_was_answered_since(db: LabelsDB, make: Make) -> None:
    label(db, IDS[:3])
    db.record(make("o001", "star"))
    last = db.last_bulk("duals", "ann")
    assert last is not None
    db.bulk_undo("duals", "ann", last.source)
    assert own(db) == {"o001": "star"}
    db.check(thorough=True)


def test_an_undo_on_the_label_page_leaves_a_group_alone(db: LabelsDB, make: Make) -> None:
    db.record(make("o020", "star"))
    label(db, IDS[:3])
    _, undone = db.record_undo("duals", "ann", str(uuid.uuid4()))
    assert undone.object_id == "o020"
    last = db.last_bulk("duals", "ann")
    assert last is not None
    db.bulk_undo("duals", "ann", last.source)
    _, redone = db.record_redo("duals", "ann", str(uuid.uuid4()))
    assert redone.object_id == "o020"
    assert [one.object_id for one in db.session("duals", "ann", "2000")] == ["o020"]


def test_groups_are_undone_newest_first_and_only_ones_own(db: LabelsDB) -> None:
    label(db, IDS[:2])
    label(db, IDS[2:4], "star", group=str(uuid.uuid4()))
    label(db, IDS[4:6], who="bob")
    last = db.last_bulk("duals", "ann")
    assert last is not None
    assert last.class_name == "star"
    assert db.bulk_undo("duals", "bob", last.source) == 0
    assert db.bulk_undo("duals", "ann", last.source) == 2
    first = db.last_bulk("duals", "ann")
    assert first is not None
    assert first.class_name == "dual"
    assert set(own(db, "bob")) == set(IDS[4:6])


def test_a_lease_goes_with_the_answer(db: LabelsDB, model: Callable[..., ModelRecord]) -> None:
    queue = [QueueItem(name, rank, "margin") for rank, name in enumerate(IDS[:4])]
    db.replace_queue("duals", queue, model())
    db.lease_next("duals", "ann", 2)
    label(db, IDS[:3])
    assert db.n_leased("duals") == {}
    assert [one.object_id for one in db.lease_next("duals", "ann", 4).items] == ["o003"]


def test_on_a_task_of_questions_the_one_way_is_taken(db: LabelsDB, spec: Any, make: Make) -> None:
    tree = {
        "start": "smooth",
        "questions": [
            {
                "id": "smooth",
                "text": "Smooth?",
                "answers": [{"text": "yes", "class": "dual"}, {"text": "no", "next": "arms"}],
            },
            {
                "id": "arms",
                "text": "Arms?",
                "answers": [
                    {"text": "two", "class": "star"},
                    {"text": "more", "class": "star"},
                    {"text": "none", "class": "other"},
                ],
            },
        ],
    }
    db.create_task(replace(spec, name="tree", tree=tree))
    more: dict[str, Any] = {"group": GROUP, "survey_version": 1}
    assert db.bulk_label("tree", "ann", IDS[:2], "other", **more).n_given == 2
    ways = [event.payload for event in db.events("tree")]
    assert ways == [{"path": [["smooth", "no"], ["arms", "none"]]}] * 2
    with pytest.raises(BadInput, match="2 ways"):
        db.bulk_label("tree", "ann", IDS[2:4], "star", **more)


def test_bad_input_changes_nothing(db: LabelsDB, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_BULK", 30)
    with pytest.raises(BadInput, match="Up to 30"):
        label(db, IDS)
    with pytest.raises(BadInput, match="classes of the task"):
        label(db, IDS[:2], "nebula")
    with pytest.raises(BadInput, match="UUID"):
        label(db, IDS[:2], group="x")
    with pytest.raises(NotFound):
        db.bulk_label("none", "ann", IDS[:2], "dual", group=GROUP, survey_version=1)
    assert label(db, []) == 0
    assert label(db, ["o000", "o000"]) == 1
    assert db.n_events("duals") == 1
