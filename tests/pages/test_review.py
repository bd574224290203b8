"""The review page settles what annotators differ on, and shows each person what is theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.vocabulary import Action, Role, Settled
from labels_db import ClassDetail, LabelsDB, NewEvent, ObjectState, TaskSpec
from pages._server.identity import Identity
from pages._shared import review_numbers, review_settle
from pages._shared.review_disputes import in_order
from pages._shared.review_gold import wilson
from pages._shared.review_history import history_rows, why_shown
from pages._shared.review_numbers import reckoned, work_log
from pages._shared.review_sight import Part, sight
from pages._shared.review_work import per_annotator

OWNER = Identity("owner", "ann", Role.OWNER)
BEN = Identity("person:1", "ben", Role.ANNOTATOR)
VISITOR = Identity("person:2", "visitor", Role.VIEWER)
DUAL, SINGLE = "dual", "<b>single</b>"


@dataclass
class Crew:
    """A task of three answers an object, and who looks at its review page."""

    db: LabelsDB
    become: Callable[[Identity], None]
    task: str = "crew"
    n_events: int = 0

    def says(self, annotator: str, object_id: str, class_name: str | None, **more: Any) -> str:
        """Record an answer; None is unsure. The event's id."""
        self.n_events += 1
        event_id = str(UUID(int=self.n_events))
        action = Action.UNSURE if class_name is None else Action.LABEL
        event = NewEvent(event_id, self.task, object_id, 1, annotator, action, class_name)
        self.db.record(NewEvent(**{**vars(event), **more}))
        return event_id

    def adjudications(self) -> list[tuple[str, str | None, str]]:
        return [
            (event.object_id, event.class_name, event.annotator)
            for event in self.db.events(self.task)
            if event.action is Action.ADJUDICATE
        ]

    def open(self, part: Part, **query: str) -> AppTest:
        script = AppTest.from_function(draw_review, default_timeout=20)
        for name, value in {"task": self.task, "part": part.lower(), **query}.items():
            script.query_params[name] = value
        script.run()
        assert not script.exception
        return script


def draw_review() -> None:
    """Runs in AppTest's own script."""
    from pages import review
    from pages._shared.tasks import choose_task

    choose_task()
    review.draw()


@pytest.fixture
def crew(services, monkeypatch) -> Crew:
    def become(identity: Identity) -> None:
        monkeypatch.setattr("pages._shared.who.resolver", lambda: lambda _cookies: identity)

    become(OWNER)
    monkeypatch.setattr(review_settle, "MIN_LOOK_S", 0.0)  # tests press at once
    services.db().create_task(
        TaskSpec(
            *("crew", "tiny", "Two nuclei?", (DUAL, SINGLE, "artefact"), DUAL),
            answers_per_object=3,
            tags=("tidal",),
        )
    )
    return Crew(services.db(), become)


def labels_of(script: AppTest) -> list[str]:
    return [button.label.replace("\\", "") for button in script.button]


def press(script: AppTest, label: str) -> None:
    """Press the button with that label."""
    next(one for one in script.button if one.label.replace("\\", "") == label).click().run()
    assert not script.exception


def html_of(script: AppTest) -> str:
    return "".join(element.proto.body for element in script.get("html"))


def words_of(script: AppTest) -> str:
    """All that is written on the page, tables too."""
    parts = [html_of(script)]
    for kind in ("caption", "markdown", "info", "warning", "error"):
        parts += [one.value for one in getattr(script, kind)]
    parts += [frame.value.to_csv() for frame in script.dataframe]
    return "\n".join(parts).replace("\\", "")


def disagree(crew: Crew, *objects: str) -> None:
    for name in objects:
        crew.says("ben", name, DUAL)
        crew.says("cleo", name, SINGLE, confidence=0.25, payload={"tags": ["tidal"]})


def test_what_is_settled_leaves_the_queue_and_an_undo_brings_it_back(crew):
    disagree(crew, "g1", "g2")
    crew.says("ben", "g3", DUAL)
    script = crew.open(Part.DISAGREEMENTS)
    said = html_of(script)
    assert "<h2>g1</h2>" in said
    assert "25% sure, tidal" in said
    assert "&lt;b&gt;single&lt;/b&gt;" in said
    assert SINGLE not in said
    press(script, SINGLE)
    assert crew.adjudications() == [("g1", SINGLE, "ann")]
    label = crew.db.current_label("crew", "g1")
    assert label is not None
    assert (label.class_name, label.how) == (SINGLE, Settled.ADJUDICATED)
    assert "<h2>g2</h2>" in html_of(script)
    press(script, "Cannot be told")
    assert "Nothing waits to be settled" in script.info[0].value
    state = crew.db.object_state("crew", "g2")
    assert state is not None
    assert (state.class_name, state.how) == (None, Settled.ADJUDICATED)
    press(script, "Undo the last")
    assert "<h2>g2</h2>" in html_of(script)
    assert [one.object_id for one in crew.db.disputes("crew")] == ["g2"]
    press(script, "Undo the last")
    assert "<h2>g1</h2>" in html_of(script)
    assert crew.db.n_disputes("crew") == 2
    assert "Undo the last" not in labels_of(script)


def test_a_press_for_an_object_that_changed_meanwhile_settles_nothing(crew):
    disagree(crew, "g1")
    script = crew.open(Part.DISAGREEMENTS)
    crew.says("dao", "g1", DUAL)
    press(script, SINGLE)
    assert "Not taken: g1" in words_of(script)
    assert crew.adjudications() == []
    press(script, SINGLE)  # drawn anew, with what dao said
    assert crew.adjudications() == [("g1", SINGLE, "ann")]


def test_a_press_before_anybody_can_have_looked_settles_nothing(crew, monkeypatch):
    disagree(crew, "g1")
    script = crew.open(Part.DISAGREEMENTS)
    monkeypatch.setattr(review_settle, "MIN_LOOK_S", 3600.0)
    press(script, DUAL)
    assert "Not taken: g1 had just appeared" in words_of(script)
    assert crew.adjudications() == []
    press(crew.open(Part.HISTORY, object="g1"), DUAL)  # a click, not a key in a row of them
    assert crew.adjudications() == [("g1", DUAL, "ann")]


def test_later_shows_the_next_and_comes_round_again(crew):
    disagree(crew, "g1", "g2", "g3")
    script = crew.open(Part.DISAGREEMENTS)
    seen = []
    for _ in range(4):
        seen.append(html_of(script).split("<h2>")[1].split("</h2>")[0])
        press(script, "Later")
    assert seen == ["g1", "g2", "g3", "g1"]
    assert crew.adjudications() == []


def test_late_answers_and_notes_are_shown_as_such(crew):
    crew.says("eve", "g4", DUAL, lease="given back")
    crew.says("ben", "g4", None, action=Action.NOTE, note="two <i>cores</i>")
    said = html_of(crew.open(Part.DISAGREEMENTS))
    assert "late, not counted" in said
    assert "two &lt;i&gt;cores&lt;/i&gt;" in said


@pytest.mark.parametrize("identity", [BEN, VISITOR])
def test_only_the_owner_has_buttons_that_settle(crew, identity):
    disagree(crew, "g1")
    crew.become(identity)
    assert not {DUAL, SINGLE, "Cannot be told"} & set(labels_of(crew.open(Part.DISAGREEMENTS)))
    assert "Settle it" not in words_of(crew.open(Part.HISTORY, object="g1"))
    assert "Make it gold" not in labels_of(crew.open(Part.GOLD))


def test_the_role_is_asked_again_when_a_button_is_pressed(crew):
    disagree(crew, "g1")
    script = crew.open(Part.DISAGREEMENTS)
    crew.become(BEN)
    press(script, DUAL)
    assert "Nothing was saved" in script.error[0].value
    assert crew.adjudications() == []


def test_keys_that_streamlit_keeps_for_itself_leave_a_button_without_one(services, crew):
    crew.task = "keyed"
    details = (ClassDetail("curved", key="c"), ClassDetail("dusty", key="b"))
    services.db().create_task(
        TaskSpec(
            *("keyed", "tiny", "Which?", ("curved", "dusty"), "dusty"),
            details=details,
            answers_per_object=2,
        )
    )
    crew.says("ben", "g1", "curved")
    crew.says("cleo", "g1", "dusty")
    script = crew.open(Part.DISAGREEMENTS)
    shortcuts = {button.label: button.proto.shortcut for button in script.button}
    assert (shortcuts["curved"], shortcuts["dusty"]) == ("", "b")


def test_with_many_classes_those_that_were_named_have_buttons(services, crew):
    names = tuple(f"end {number}" for number in range(20))
    ends = [{"text": name, "class": name} for name in names]
    first = [*ends[:8], {"text": "More", "next": "second"}]
    second = [*ends[8:16], {"text": "More", "next": "third"}]
    asked = zip(("first", "second", "third"), (first, second, ends[16:]), strict=True)
    questions = [{"id": name, "text": "Which?", "answers": some} for name, some in asked]
    crew.task = "branched"
    services.db().create_task(
        TaskSpec(
            *("branched", "tiny", "Which?", names, names[0]),
            tree={"start": "first", "questions": questions},
            answers_per_object=2,
        )
    )
    crew.says("ben", "g1", "end 3", payload={"path": [["first", "end 3"]]})
    way = [["first", "More"], ["second", "end 11"]]
    crew.says("cleo", "g1", "end 11", payload={"path": way})
    script = crew.open(Part.DISAGREEMENTS)
    assert [one for one in labels_of(script) if one.startswith("end")] == ["end 3", "end 11"]
    others = next(one for one in script.selectbox if one.label == "Another class")
    others.set_value("end 7").run()
    press(script, "Settle as end 7")
    assert crew.adjudications() == [("g1", "end 7", "ann")]
    paths = crew.open(Part.HISTORY, object="g1").dataframe[0].value["Path"].tolist()
    assert paths == ["end 3", "More > end 11", ""]


def test_a_blind_annotator_sees_nothing_of_the_others(services, crew):
    disagree(crew, "g1", "g2")
    services.db().change_task("crew", "ann", blind=True)
    services.db().add_gold("crew", "g2", SINGLE, "ann", 1)
    crew.become(BEN)
    task = services.db().task("crew")
    assert sight(task, BEN).parts == (Part.HISTORY, Part.WORK)
    for part, query in (
        *((one, {}) for one in Part),
        (Part.HISTORY, {"object": "g1"}),
        (Part.HISTORY, {"object": "g2"}),
    ):
        written = words_of(crew.open(part, **query))
        assert "This task is blind" in written
        for secret in ("cleo", "ann", "single", "tidal", "settled by"):
            assert secret not in written.lower().replace("annotator", "")
    rows = crew.open(Part.HISTORY, object="g1").dataframe[0].value
    assert rows["Who"].tolist() == ["ben"]


def test_a_viewer_of_a_blind_task_sees_the_agreement_alone(services, crew):
    disagree(crew, "g1")
    services.db().change_task("crew", "ann", blind=True)
    crew.become(VISITOR)
    for part in Part:
        script = crew.open(part, object="g1")
        assert [metric.label for metric in script.metric][:1] == ["Percent agreement"]
        assert "g1" not in words_of(script)


def test_agreement_says_what_it_lacks_and_then_its_numbers(crew):
    crew.says("ben", "g0", DUAL)
    assert "Agreement needs objects answered by two people" in words_of(crew.open(Part.AGREEMENT))
    for name, theirs in (("g0", DUAL), ("g1", SINGLE), ("g2", DUAL), ("g3", SINGLE)):
        crew.says("cleo", name, theirs)
    for name, theirs in (("g1", DUAL), ("g2", DUAL), ("g3", SINGLE)):
        crew.says("ben", name, theirs)
    crew.says("dao", "g3", None)
    script = crew.open(Part.AGREEMENT)
    assert {one.label: one.value for one in script.metric} == {
        "Percent agreement": "75%",
        "Fleiss' kappa": "0.47",  # (3/4 - (25 + 9)/64) / (1 - 34/64)
        "Krippendorff's alpha": "0.53",  # 1 - 7 * 2 / (64 - 34)
    }
    assert "1 answer “unsure”" in script.caption[0].value
    assert "8 answers to 4 objects; 4 objects have two answers or more" in script.caption[0].value
    table = script.dataframe[0].value.set_index("Annotator")
    assert table.loc["ben", "Answers"] == 4


def test_agreement_is_reckoned_anew_when_it_must_be(services, crew, monkeypatch):
    disagree(crew, "g1", "g2")
    task = services.db().task("crew")
    first, behind = reckoned(task)
    assert behind == 0
    assert reckoned(task)[0] is first
    monkeypatch.setattr(review_numbers, "LAG", 0.5)
    crew.says("dao", "g1", DUAL)
    again, behind = reckoned(task)
    assert (again is first, behind) == (True, 1)
    fresh, behind = reckoned(task, afresh=True)
    assert (fresh.summary.n_answers, behind) == (5, 0)
    monkeypatch.setattr(review_numbers, "LAG", 0.0)
    crew.says("dao", "g2", DUAL)
    assert reckoned(task)[0].summary.n_answers == 6


def test_what_was_adjudicated_is_the_consensus(services, crew):
    crew.says("ben", "g1", DUAL)
    services.db().add_gold("crew", "g1", SINGLE, "ann", 1)
    crew.says("cleo", "g2", DUAL)
    found, _ = reckoned(services.db().task("crew"))
    assert found.consensus == {"g1": SINGLE}  # of g2 there is one answer only
    assert (found.accuracy["ben"].n, found.accuracy["ben"].n_right) == (1, 0)


def test_the_queue_goes_by_what_reliable_annotators_leave_open(services, crew):
    # ben and cleo agree on many objects; dao contradicts them, so dao is not believed.
    for number in range(8):
        name = f"g{number}"
        said = DUAL if number % 2 else SINGLE
        for who in ("ben", "cleo"):
            crew.says(who, name, said)
        crew.says("dao", name, DUAL if said == SINGLE else SINGLE)
    crew.says("ben", "α/β <b>&", DUAL)
    crew.says("cleo", "α/β <b>&", SINGLE)
    found, _ = reckoned(services.db().task("crew"))
    waiting = services.db().disputes("crew")
    nobody_knows = ObjectState("none", None, None, 2, 2, 0, 0, True, 0.25, 1)
    order = [one.object_id for one in in_order([*waiting, nobody_knows], found)]
    assert order[:2] == ["none", "α/β <b>&"]
    assert sorted(order[2:]) == [f"g{number}" for number in range(8)]


def test_a_history_has_every_event_and_why_it_was_shown(crew):
    first = crew.says("ben", "g5", DUAL, sampler="margin", score=0.5, probability=0.25)
    crew.says("ben", "g5", None, action=Action.UNDO, undoes=first)
    crew.says("eve", "g5", SINGLE, lease="given back")
    crew.says("cleo", "g5", None, action=Action.NOTE, note="dusty", prediction_visible=False)
    script = crew.open(Part.HISTORY, object="g5")
    assert "First shown to ben by the sampler margin, with the score 0.5" in words_of(script)
    rows = script.dataframe[0].value
    assert rows["What"].tolist() == ["label", "undo", "label", "note"]
    assert rows["Counts"].tolist() == ["undone by ben", "", "late, not counted", ""]
    assert rows["Note"].tolist() == ["", "", "", "dusty"]
    assert rows["Probability"].tolist()[0] == 0.25
    assert rows["Prediction shown"].tolist() == ["", "", "", "no"]
    assert "Came by" not in rows
    assert "has no object 'nowhere'" in words_of(crew.open(Part.HISTORY, object="nowhere"))


def test_an_object_can_be_settled_from_its_history(crew):
    script = crew.open(Part.HISTORY, object="α/β <b>&")
    press(script, "artefact")
    assert crew.adjudications() == [("α/β <b>&", "artefact", "ann")]
    assert "Label: artefact, settled by ann (0 answers)" in words_of(script)


def test_a_link_opens_the_history_of_its_object(crew):
    disagree(crew, "g1")
    script = crew.open(Part.GOLD, object="g1")
    assert script.text_input[0].value == "g1"
    script.text_input[0].set_value("g2").run()
    assert script.query_params["object"] == "g2"
    assert "Nothing was recorded of this object" in words_of(script)


def test_that_an_answer_is_known_is_told_to_the_owner_alone(services, crew):
    services.db().add_gold("crew", "g1", DUAL, "ann", 1)
    crew.says("ben", "g1", SINGLE, sampler="gold")
    events = services.db().history("crew", "g1")
    assert [row["What"] for row in history_rows(events, tells_gold=True)] == [
        *("adjudicate, as gold", "label")
    ]
    assert "slipped in" in why_shown(events, tells_gold=True)
    hidden = history_rows(events, tells_gold=False)
    assert [row["What"] for row in hidden] == ["adjudicate", "label"]
    assert not any(row.get("Sampler") for row in hidden)
    assert why_shown(events, tells_gold=False) == ""
    crew.become(Identity("person:3", "dao", Role.ANNOTATOR))
    nothing = words_of(crew.open(Part.HISTORY, object="g1"))
    assert "Nothing was recorded" in nothing
    crew.become(BEN)
    own = crew.open(Part.HISTORY, object="g1")
    assert "settled by ann" not in words_of(own)
    table = own.dataframe[0].value
    assert list(table["Class"]) == [SINGLE]
    assert not {"Sampler", "Score", "Probability", "Model"} & set(table.columns)


def test_gold_is_made_and_unmade_and_its_results_shown(services, crew):
    script = crew.open(Part.GOLD)
    script.text_input[0].set_value("nowhere")
    press(script, "Make it gold")
    assert "Nothing was saved" in script.error[0].value
    for name in ("g1", "g2"):
        script.text_input[0].set_value(name)
        press(script, "Make it gold")
    assert dict(services.db().gold("crew")) == {"g1": DUAL, "g2": DUAL}
    crew.says("ben", "g1", DUAL, sampler="gold")
    crew.says("ben", "g2", None, sampler="gold")
    script = crew.open(Part.GOLD)
    results = script.dataframe[0].value.iloc[0]
    assert (results["Annotator"], results["Answered"], results["Right"]) == ("ben", 2, 1)
    assert results["95% interval"] == "9 to 91%"
    # Settled anew from its history, a gold object stays one.
    press(crew.open(Part.HISTORY, object="g2"), SINGLE)
    assert dict(services.db().gold("crew")) == {"g1": DUAL, "g2": SINGLE}
    crew.become(BEN)
    written = words_of(crew.open(Part.GOLD))
    assert "one with gold objects" in written
    assert "9 to 91%" not in written


def test_wilson_is_the_formula_of_the_score_interval():
    n, n_right, z = 12, 9, 1.959963984540054
    p = n_right / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert wilson(n_right, n) == pytest.approx((centre - half, centre + half), abs=1e-9)


def test_work_leaves_out_times_that_cannot_be(services, crew):
    def at(second: float) -> str:
        stamp = pd.Timestamp("2027-01-31T08:00:00Z") + pd.Timedelta(seconds=second)
        return stamp.isoformat(timespec="milliseconds")

    # Imported answers are timed by the client's clock.
    for number, (shown, answered) in enumerate(
        [(0, 2), (10, 14), (20, 26), (40, 30), (0, 700), (1400, 1402), (1410, 1412)]
    ):
        times = {"shown_at": at(shown), "answered_at": at(answered), "source": "a file"}
        crew.says("ben", f"g{number}", None if number == 1 else DUAL, **times)
    crew.says("ben", "g7", None, action=Action.SKIP)
    crew.says("cleo", "g1", DUAL)
    task = services.db().task("crew")
    table = per_annotator(work_log(task)).set_index("Annotator")
    ben = table.loc["ben"]
    assert (ben["Answers"], ben["left out"]) == (7, 2)
    assert ben["Median, s"] == 2.0  # of 2, 4, 6, 2 and 2
    assert ben["Unsure"] == pytest.approx(100 / 7)
    assert ben["Skipped"] == pytest.approx(100 / 8)
    assert np.isnan(ben["An hour"])  # of six pauses two are too long: too few are left
    crew.says("ben", "g8", DUAL, answered_at=at(1432), source="a file")
    # Read on from there: 2, 14, 26, 30 | 700 | 1402, 1412, 1432 are 5 pauses in 58 seconds.
    table = per_annotator(work_log(task)).set_index("Annotator")
    assert table.loc["ben", "An hour"] == pytest.approx(5 / 58 * 3600)
    assert table.loc["cleo", "Answers"] == 1
    # What was labelled in bulk is answered, but says nothing of a pace.
    given = {"group": str(UUID(int=1)), "survey_version": 1}
    services.db().bulk_label(
        "crew", "cleo", [f"g{number}" for number in range(2, 9)], DUAL, **given
    )
    work = per_annotator(work_log(task)).set_index("Annotator")
    assert work.loc["ben", "An hour"] == pytest.approx(5 / 58 * 3600)
    cleo = work.loc["cleo"]
    assert cleo["Answers"] > 5
    assert np.isnan(cleo["An hour"])
    script = crew.open(Part.WORK)
    assert "(2 answers here)" in words_of(script)
    assert set(script.dataframe[0].value["Annotator"]) == {"ben", "cleo"}


@pytest.mark.parametrize("part", list(Part))
def test_a_task_without_answers_says_so_everywhere(crew, part):
    script = crew.open(part)
    assert script.info
    assert not script.error
