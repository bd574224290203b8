"""The discovery page and the strategy: what is drawn of a search, to whom, and who changes it."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import run_discovery
from core.discovery import control_order, validation
from core.errors import NotReady
from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent, Strategy
from pages._server.identity import Refusal, Why, install_resolver
from pages._server.services import Services
from pages._shared.discovery_finds import random_words
from pages._shared.discovery_model import how_checked
from pages._shared.discovery_numbers import _Kept, checked, searched
from pages._shared.discovery_words import changes
from pages._shared.kept import kept_of
from tests.pages.conftest import IDS, embed, rank
from tests.pages.kit import labels_of, one, open_page, press, text_of

YES, NO = "dual", "<b>no</b>"
Says = Callable[..., None]


@pytest.fixture
def says(db: LabelsDB) -> Says:
    """Record an answer to the n-th object."""

    def record(n: int, class_name: str, sampler: str | None = "anomaly", **more: object) -> None:
        event = NewEvent(
            str(uuid.uuid4()), "dual", IDS[n], 1, "cat", Action.LABEL, class_name, sampler=sampler
        )
        db.record(NewEvent(**(vars(event) | more)))

    return record


def charts(script: AppTest) -> list[str]:
    """The figures of the page, by the name of their file without the task's."""
    names = (str(one.proto.config) for one in script.get("plotly_chart"))
    return [name.split('"filename": "')[1].split("-dual")[0] for name in names]


def test_before_the_first_answer(services: Services) -> None:
    script = open_page("discovery")
    assert "No answers yet" in text_of(script)
    assert not script.get("plotly_chart")
    script = open_page("discovery", {"part": "model"})
    assert "two or more finds" in text_of(script) or "embed" in text_of(script)


def test_finds_are_drawn_beside_chance_once_controls_are_answered(
    services: Services, says: Says, db: LabelsDB
) -> None:
    says(0, NO)
    says(1, NO, "diverse")
    script = open_page("discovery")
    assert charts(script) == ["finds", "samplers"]
    assert "No dual was found yet; known examples" in text_of(script)
    assert "none was answered yet; 5%" in text_of(script)
    assert [one.value for one in script.metric] == ["2", "0", "\N{EN DASH}", "\N{EN DASH}"]
    for n in range(2, 9):
        says(n, YES if n < 5 else NO, "control" if n == 8 else "most_likely/kernel")
    script = open_page("discovery")
    assert [one.value for one in script.metric] == ["9", "3", "3.0", "3.0"]
    assert "3 finds among the first 9" in text_of(script)
    table = script.dataframe[0].value
    assert table["Sampler"].tolist() == ["most_likely/kernel", "anomaly", "control", "diverse"]
    assert table["Finds"].tolist() == [3, 0, 0, 0]
    assert table["Shows"].str.contains("kernel machine").tolist() == [True, False, False, False]
    assert table["Shows"].str.contains(r"^the|^those").all()
    says(0, YES)
    assert [one.value for one in open_page("discovery").metric][1] == "4"


def test_what_is_not_known_of_chance_is_told_apart(services: Services, says: Says) -> None:
    assert "shows no controls" in random_words(None, 0, 0.0)
    assert "none was answered yet; 0.4% of" in random_words(None, 0, 0.004)
    waits = "1 control was answered, but an object that stands before"
    assert waits in random_words(None, 1, 0.05)
    order = control_order(services.db().task("dual").seed, len(IDS))
    says(order[1], NO, "control")
    assert waits in text_of(open_page("discovery"))


def test_labels_of_objects_that_are_gone_are_counted(services: Services, says: Says) -> None:
    embed(services.survey("tiny"))
    for n in range(9):
        says(n, YES if n % 2 else NO)
    says(0, YES, object_id="long gone")
    gone = "1 label is of an object that this survey no longer has"
    assert gone in text_of(open_page("discovery"))
    words = text_of(open_page("discovery", {"part": "model"}))
    assert gone in words
    assert "older" not in words


def test_a_change_of_the_strategy_is_named_by_what_changed() -> None:
    chosen = [
        Strategy(control_share=0.004, from_seq=10),
        Strategy(control_share=0.004, learner="logistic", from_seq=12),
        Strategy(sampler="margin", learner="logistic", control_share=0.004, from_seq=15),
        Strategy(learner="logistic", control_share=0.2, retrain_every=1, from_seq=16),
        Strategy(from_seq=30),
        Strategy(learner="kernel", from_seq=40),
        Strategy(from_seq=41),
    ]
    assert changes(chosen, np.array([5, 11, 13, 25, 29])) == {
        1: "0.4% controls",
        2: "learner logistic",
        3: "20% controls, ranked after every 1 answer",
        5: "learner default, 5% controls, ranked after every 5 answers",
    }


def test_the_model_is_held_against_the_answers(
    services: Services, says: Says, db: LabelsDB
) -> None:
    embed(services.survey("tiny"))
    version = rank(services.workspace, IDS)
    for n in range(9):
        says(n, YES if n % 2 else NO, "most_likely", score=n / 10, model_version=version)
    script = open_page("discovery", {"part": "model"})
    assert charts(script) == ["calibration", "learning", "precision", "confusion"]
    words = text_of(script)
    assert "held against 9 answers" in words
    assert "It promised 3.6 finds and 4 came" in words
    # A tenth more answers, five at least, are waited for.
    db.record_undo("dual", "cat", str(uuid.uuid4()))
    assert checked(db.task("dual"))[1] == 1
    words = text_of(open_page("discovery", {"part": "model"}))
    assert "1 event came since; the next check takes them in" in words
    assert checked(db.task("dual"), afresh=True)[1] == 0
    assert len(checked(db.task("dual"))[0].object_ids) == 8


def test_one_class_only_is_told(services: Services, says: Says) -> None:
    embed(services.survey("tiny"))
    for n in range(4):
        says(n, YES)
    for part in ("model", "surprises"):
        script = open_page("discovery", {"part": part})
        assert ("Check anew" in labels_of(script)) == (part == "surprises")
        words = text_of(script)
        assert "two or more finds and two or more others, but there are 4 and 0" in words
        assert ("the first one is trained when a target was found" in words) == (part == "model")


def test_what_a_check_leaves_out_is_counted(services: Services) -> None:
    told = np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan]])
    held = validation.Validation(
        "logistic", np.array([0, 1, 1]), (0,), told, np.array([3]), np.array([1.0])
    )
    checked_now = run_discovery.Checked(3, ("a", "b", "c"), (YES, NO), held, n_older=1, n_gone=2)
    words = how_checked(services.db().task("dual"), checked_now, 0)
    assert "held against 3 answers" in words
    assert "1 older answer is left out" in words
    assert "2 labels are of objects that this survey no longer has" in words
    assert "1 answer stands alone in a class" in words


def test_what_too_few_answers_say_is_not_looked_for_at_each_glance(
    services: Services, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(services.survey("tiny"))
    task = services.db().task("dual")
    looks: list[int] = []
    monkeypatch.setattr(run_discovery, "require_both", counting(looks))
    for n in range(2):
        says(n, YES)
        for _ in range(2):
            with pytest.raises(NotReady, match="there are"):
                checked(task)
    assert looks == [1, 2]


def counting(looks: list[int]) -> Callable[[np.ndarray], None]:
    def require_both(is_target: np.ndarray) -> None:
        looks.append(len(is_target))
        validation.require_both(is_target)

    return require_both


def test_a_slow_learner_is_checked_when_somebody_asks(
    services: Services,
    says: Says,
    db: LabelsDB,
    sign_in: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(validation, "SLOW_LEARNERS", {"logistic"})
    embed(services.survey("tiny"))
    db.set_strategy("dual", "ann", learner="logistic")
    for n in range(9):
        says(n, YES if n % 2 else NO)
    script = open_page("discovery", {"part": "model"})
    assert "logistic against the answers takes up to a minute" in text_of(script)
    assert not charts(script)
    press(script, "Check anew")
    kept = kept_of(db.task("dual"), _Kept)
    assert kept.slowly is not None
    kept.slowly.join(30)
    script = open_page("discovery", {"part": "model"})
    assert charts(script) == ["learning", "precision", "confusion"]
    db.record_undo("dual", "cat", str(uuid.uuid4()))
    assert "1 event came since; Check anew takes" in text_of(script.run())
    # A failure in the other thread is everybody's to see, and viewers start nothing.
    monkeypatch.setattr(run_discovery, "validate", lambda *_: 1 / 0)
    checked(db.task("dual"), afresh=True)
    kept.slowly.join(30)
    with pytest.raises(ZeroDivisionError):
        checked(db.task("dual"))
    sign_in("vic")
    for part in ("model", "surprises"):
        monkeypatch.setattr(kept, "refused", None)
        assert "Check anew" not in labels_of(open_page("discovery", {"part": part}))


def test_surprises_lead_back_to_the_label_page(services: Services, says: Says) -> None:
    embed(services.survey("tiny"))
    for n in range(9):
        says(n, YES if n in (2, 5, 6) else NO)
    script = open_page("discovery", {"part": "surprises"})
    words = text_of(script)
    found = checked(services.db().task("dual"))[0]
    wrong = found.validation.surprising().tolist()
    assert wrong
    assert f"{len(wrong)} answer" in words
    for place in wrong:
        assert f"/?task=dual&amp;object={found.object_ids[place].split('/')[0][:2]}"[:26] in words
    assert "<b>" not in words.replace("&lt;b&gt;", "").split("the model:")[-1].split("<div")[0]


def test_what_was_read_is_kept_until_an_event_comes(services: Services, says: Says) -> None:
    says(0, NO)
    task = services.db().task("dual")
    first = searched(task)
    assert searched(task) is first
    says(1, NO)
    assert len(searched(task).found) == 2


def test_a_secret_task_tells_annotators_nothing(
    services: Services, says: Says, db: LabelsDB, sign_in: Callable[[str], None]
) -> None:
    says(0, YES)
    sign_in("cat")
    assert [one.value for one in open_page("discovery").metric][:2] == ["1", "1"]
    db.change_task("dual", "ann", blind=True)
    script = open_page("discovery")
    assert "shown to its owner only" in text_of(script)
    assert not script.metric
    assert not script.get("plotly_chart")
    sign_in("ann")
    assert open_page("discovery").metric


@pytest.mark.parametrize("part", ["finds", "model"])
def test_a_part_that_redraws_itself_asks_anew_who_looks(
    services: Services, says: Says, db: LabelsDB, sign_in: Callable[[str], None], part: str
) -> None:
    says(0, YES)
    db.change_task("dual", "ann", blind=True)
    panel = f"discovery_{part}:draw_{part}"

    def draw() -> AppTest:
        """What the page's timer runs: the part, without the page around it."""
        script = AppTest.from_function(_draw_part, default_timeout=30)
        script.session_state["part of the test"] = panel
        return script.run()

    assert "shown to its owner only" not in text_of(draw())
    sign_in("cat")
    script = draw()
    assert "shown to its owner only" in text_of(script)
    assert not script.metric
    assert not script.subheader
    install_resolver(lambda _: Refusal(Why.STALE))
    script = draw()
    assert script.exception  # `Forbidden`, which the shell makes a sentence of
    assert not script.metric


def _draw_part() -> None:
    """Runs in AppTest's own script."""
    import importlib

    import streamlit as st

    module, name = st.session_state["part of the test"].split(":")
    getattr(importlib.import_module(f"pages._shared.{module}"), name)("dual")


def test_the_owner_changes_the_strategy(services: Services, db: LabelsDB) -> None:
    script = open_page("tasks")
    assert one(script.selectbox, "Showing").help.startswith("Until a target is found, the default")
    one(script.selectbox, "Showing").set_value("margin")
    one(script.selectbox, "Learner").set_value("logistic")
    one(script.number_input, "Share of controls").set_value(0.2)
    one(script.number_input, "Answers between two rankings").set_value(12)
    script = press(script, "Save the strategy")
    now = db.strategy("dual")
    assert (now.sampler, now.learner, now.control_share) == ("margin", "logistic", 0.2)
    assert (now.retrain_every, now.version, now.changed_by) == (12, 1, "ann")
    press(script, "Save the strategy")
    assert db.strategy("dual").version == 1  # nothing was changed


def test_a_strategy_of_another_version_stays_until_it_is_changed(
    services: Services, db: LabelsDB
) -> None:
    db.set_strategy("dual", "ann", sampler="of_tomorrow", control_share=0.9)
    script = open_page("tasks")
    assert one(script.selectbox, "Showing").value == "of_tomorrow"
    assert one(script.number_input, "Share of controls").value == 0.9


def test_others_read_it(services: Services, db: LabelsDB, sign_in: Callable[[str], None]) -> None:
    db.set_strategy("dual", "ann", sampler="margin", control_share=0.004)
    sign_in("cat")
    script = open_page("tasks")
    assert " 0.4% of the objects are controls" in text_of(script)
    assert "Showing first those whose two likeliest classes are closest." in text_of(script)
    assert not [box for box in script.selectbox if box.label in ("Showing", "Learner")]


def test_the_switch_beside_the_label_page(
    services: Services,
    db: LabelsDB,
    sign_in: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        services,
        "_sampler_words",
        {"margin": "Showing the closest.", "most_likely": "Showing the likeliest."},
    )
    script = open_page("label")
    box = one(script.selectbox, "Showing")
    assert box.options == ["the default", "the closest", "the likeliest"]
    box.set_value("margin").run()
    assert not script.exception
    assert (db.strategy("dual").sampler, db.strategy("dual").version) == ("margin", 1)
    assert one(script.selectbox, "Showing").value == "margin"
    sign_in("cat")
    assert not [box for box in open_page("label").selectbox if box.label == "Showing"]
