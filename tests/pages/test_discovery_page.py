"""The discovery page and the strategy: what is drawn of a search, to whom, and who changes it."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent
from pages._server.services import Services
from pages._shared.discovery_finds import random_words
from pages._shared.discovery_numbers import checked, searched
from tests.pages.conftest import IDS, embed, rank
from tests.pages.kit import one, open_page, press, text_of

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
    assert "No dual was found yet" in text_of(script)
    assert "none was answered yet; 5%" in text_of(script)
    assert [one.value for one in script.metric] == ["2", "0", "\N{EN DASH}", "\N{EN DASH}"]
    for n in range(2, 9):
        says(n, YES if n < 5 else NO, "control" if n == 8 else "most_likely")
    script = open_page("discovery")
    assert [one.value for one in script.metric] == ["9", "3", "3.0", "3.0"]
    assert "3 finds among the first 9" in text_of(script)
    table = script.dataframe[0].value
    assert table["Sampler"].tolist() == ["most_likely", "anomaly", "control", "diverse"]
    assert table["Finds"].tolist() == [3, 0, 0, 0]
    says(0, YES)
    assert [one.value for one in open_page("discovery").metric][1] == "4"
    db.set_strategy("dual", "ann", control_share=0.0)
    assert "shows no controls" in random_words(None, 0.0)


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
    assert "1 event came since" in text_of(open_page("discovery", {"part": "model"}))
    assert checked(db.task("dual"), afresh=True)[1] == 0
    assert len(checked(db.task("dual"))[0].object_ids) == 8


def test_one_class_only_is_told(services: Services, says: Says) -> None:
    embed(services.survey("tiny"))
    for n in range(4):
        says(n, YES)
    for part in ("model", "surprises"):
        words = text_of(open_page("discovery", {"part": part}))
        assert "two or more finds and two or more others, but there are 4 and 0" in words


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


def test_the_owner_changes_the_strategy(services: Services, db: LabelsDB) -> None:
    script = open_page("tasks")
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
    db.set_strategy("dual", "ann", sampler="margin")
    sign_in("cat")
    script = open_page("tasks")
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
