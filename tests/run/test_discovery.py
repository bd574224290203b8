"""How a search has gone, read off the labels of a task."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from core.discovery import LEARNERS, control_order, sampler_names
from core.discovery.schedule import PATIENCE
from core.errors import BadInput, NotFound, NotReady
from core.representation import Embedding
from core.run_discovery import (
    BY_HAND,
    check_model,
    cold_start_words,
    learner_words,
    search_so_far,
    set_strategy,
    strategy_words,
)
from core.survey import Survey
from core.vocabulary import Action
from labels_db import LabelsDB, ModelRecord, NewEvent, QueueItem, TaskSpec

N = 40


class Sky(SimpleNamespace):
    """As much of a survey as is asked of one."""

    version = 1
    can_be_shown = np.arange(N) != 39

    def __len__(self) -> int:
        return N

    def row(self, object_id: str) -> int:
        if not object_id.startswith("o"):
            raise NotFound(f"There is no object {object_id}.")
        return int(object_id[1:])


SKY = cast(Survey, Sky())
Says = Callable[..., str]


@pytest.fixture
def db(tmp_path):
    with LabelsDB(tmp_path / "labels.sqlite") as database:
        database.create_task(TaskSpec("t", "sky", "Is it?", ("yes", "no", "maybe"), "yes"))
        yield database


@pytest.fixture
def says(db) -> Says:
    """Record an answer, as shown by a sampler of a model."""

    def record(row: int | str, class_name: str, sampler: str | None = None, **more: Any) -> str:
        name = row if isinstance(row, str) else f"o{row}"
        event = NewEvent(
            str(uuid.uuid4()), "t", name, 1, "ann", Action.LABEL, class_name, sampler=sampler
        )
        db.record(NewEvent(**(vars(event) | more)))
        return event.event_id

    return record


def ranked(db: LabelsDB, sampler: str, learner: str | None) -> int:
    return db.replace_queue(
        "t",
        [QueueItem("o0", 0, sampler)],
        ModelRecord(
            task="t",
            n_labels=0,
            label_seq=0,
            sampler=sampler,
            learner=learner,
            survey_version=1,
            seed=0,
        ),
    )


def test_each_object_counts_once_where_it_was_first_labelled(db, says) -> None:
    says(3, "no", "anomaly")
    says(1, "yes", "anomaly")
    says(2, "no")
    says(3, "yes")  # corrected, opened by hand: it keeps its place and its sampler
    search = search_so_far(db, db.task("t"), SKY)
    assert search.object_ids == ("o3", "o1", "o2")
    assert search.found.tolist() == [True, True, False]
    assert [(one.sampler, one.n_shown, one.n_found) for one in search.tallies] == [
        ("anomaly", 2, 2),
        (BY_HAND, 1, 0),
    ]
    assert search.tallies[0].success == 1
    assert search.tallies[0].low == pytest.approx(0.025**0.5)
    assert search.seq == 4


def test_what_nobody_searched_for_is_left_out_and_counted(db, says) -> None:
    says(1, "yes", source="known examples")
    says(2, "yes", "gold")
    says(3, "no", "anomaly")
    undone = says(4, "yes", "anomaly")
    db.record_undo("t", "ann", str(uuid.uuid4()))
    search = search_so_far(db, db.task("t"), SKY)
    assert search.object_ids == ("o3",)
    assert (search.n_imported, search.n_gold) == (1, 1)
    assert undone not in search.object_ids
    assert search.rate is None
    assert search.calibration() is None


def test_only_probabilities_are_taken_for_probabilities(db, says) -> None:
    cold = ranked(db, "anomaly+diverse", None)
    trained = ranked(db, "most_likely", "averaged")
    mixed = ranked(db, "portfolio", "averaged")
    says(0, "no", "anomaly", score=0.7, model_version=cold)
    says(1, "no", "control", score=0.6, model_version=cold)  # an anomaly score
    says(2, "yes", "most_likely", score=0.8, model_version=trained)
    says(3, "no", "control", score=0.1, model_version=trained)
    says(4, "yes", "most_likely", score=0.5, model_version=mixed)  # the mixture's own score
    says(5, "yes", "uncertainty", score=0.4, model_version=trained)
    says(6, "yes", "most_likely", score=0.9)
    search = search_so_far(db, db.task("t"), SKY)
    assert search.told[2:4] == pytest.approx([0.8, 0.1])
    assert np.isfinite(search.told).nonzero()[0].tolist() == [2, 3]
    found = search.calibration()
    assert found is not None
    assert (found.n.tolist(), found.n_hits) == ([2], 1)
    assert found.brier == pytest.approx((0.2**2 + 0.1**2) / 2)


def test_the_rate_at_random_comes_from_the_fixed_order(db, says) -> None:
    order = [int(row) for row in control_order(0, N) if row != 39]  # 39 cannot be shown
    says(order[0], "no", "control")
    says(order[1], "yes", "anomaly")
    db.record(
        NewEvent(str(uuid.uuid4()), "t", f"o{order[2]}", 1, "ann", Action.SKIP, sampler="control")
    )
    says(order[3], "yes", "control")
    says(order[9], "yes", "anomaly")
    says("gone", "yes", "control")  # of another version of the survey
    search = search_so_far(db, db.task("t"), SKY)
    assert search.rate is not None
    assert (search.rate.n, search.rate.n_targets) == (3, 2)
    assert (search.n_controls, search.n_gone) == (2, 1)
    assert "gone" in search.object_ids


def test_controls_before_which_an_object_waits_tell_no_rate_but_are_counted(db, says) -> None:
    order = control_order(0, N)
    says(int(order[1]), "no", "control")
    search = search_so_far(db, db.task("t"), SKY)
    assert search.rate is None
    assert search.n_controls == 1


def test_the_fixed_order_is_drawn_once(db, says, monkeypatch) -> None:
    drawn: list[int] = []

    def order_of(seed: int, n: int) -> np.ndarray:
        drawn.append(seed)
        return control_order(seed, n)

    monkeypatch.setattr("core.run_discovery.control_order", order_of)
    db.create_task(TaskSpec("u", "sky", "Is it?", ("yes", "no"), "yes", seed=81))
    for n, row in enumerate(control_order(81, N)[:3].tolist(), 1):
        says(row, "no", "control", task="u")
        rate = search_so_far(db, db.task("u"), SKY).rate
        assert rate is not None
        assert rate.n == n
    assert drawn == [81]


def test_too_few_answers_are_told_before_the_embedding_is_read(db, says) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"it read the {name}")

    for row in range(3):
        says(row, "yes")
    with pytest.raises(NotReady, match="there are 3 and 0"):
        check_model(db, db.task("t"), SKY, cast(Embedding, Untouched()))


def test_a_model_is_held_against_the_newest_answers(db, says, monkeypatch) -> None:
    monkeypatch.setattr("core.run_discovery.MAX_VALIDATED", 30)
    for row in range(36):
        says(row, "yes" if row % 3 == 0 else "no")
    says("gone", "yes")
    values = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
    values[:36:3, 1] += 4
    embedding = cast(
        Embedding, SimpleNamespace(values=values, mask=np.ones(N, dtype=bool), run_id="r")
    )
    db.set_strategy("t", "ann", learner="logistic")
    found = check_model(db, db.task("t"), SKY, embedding)
    assert found.object_ids == tuple(f"o{row}" for row in range(6, 36))
    assert (found.n_older, found.n_gone) == (6, 1)
    assert found.validation.learner == "logistic"
    assert found.validation.precisions[-1] > 0.9
    assert found.classes == ("yes", "no", "maybe")
    assert found.seq == 37


def test_strategies_are_of_what_is_registered(db) -> None:
    assert tuple(strategy_words()) == sampler_names()
    assert tuple(learner_words()) == ("default", *LEARNERS)
    assert all(strategy_words().values())
    assert "Until a target is found, the default shows" in cold_start_words()
    assert f"after {PATIENCE} answers objects at random" in cold_start_words()
    assert set_strategy(db, "t", "ann", sampler="margin", learner="logistic").version == 1
    for change in ({"sampler": "of_tomorrow"}, {"learner": "of_tomorrow"}):
        with pytest.raises(BadInput, match="'of_tomorrow'; choose one"):
            set_strategy(db, "t", "ann", **change)
    assert db.strategy("t").version == 1
