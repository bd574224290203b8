"""The selections page and its panel: what each person may see and do, and every empty state."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from core.errors import InUse, StorageFull
from core.exchange import Format
from core.vocabulary import SELECTION_SAMPLER
from labels_db import LabelsDB, QueueItem
from pages._server.services import Services
from pages._shared import selection_take
from tests.pages.conftest import IDS, ROLES, rank
from tests.pages.kit import labels_of, one, open_page, press, text_of
from tests.pages.test_selections import ANN, label, next_version

ACTS = {"Label", "To the queue", "Clear"}


def add(services: Services, rows: list[int], by: str = "ann", **more: object) -> str:
    origin = {"kind": "filter", "conditions": [["flux", "≥", 3]], **more}
    survey = services.survey("tiny")
    return services.selections.add(survey, np.array(rows, int), origin, by).id


def panel(services: Services, rows: list[int]) -> AppTest:
    return open_page("selections", {"selection": add(services, rows)})


def draw_dialog() -> None:
    """Runs in AppTest's own script, which knows no fragments: open at every run."""
    import importlib

    import numpy as np
    import streamlit as st

    from pages._server.services import services

    task = services().db().task("dual")
    survey = services().survey("tiny")
    module = importlib.import_module(f"pages._shared.{st.session_state['dialog']}")
    st.session_state.setdefault("selection group", "00000000-0000-4000-8000-0000000000ff")
    selection = services().selections.get(st.session_state["selection"])
    rows = np.array(st.session_state["rows"])
    module._dialog(task, survey, selection, rows)


def open_dialog(name: str, selection: str, rows: list[int]) -> AppTest:
    script = AppTest.from_function(draw_dialog, default_timeout=20)
    for key, value in {"dialog": name, "selection": selection, "rows": rows}.items():
        script.session_state[key] = value
    script.run()
    assert not script.exception
    return script


def test_without_a_selection_the_table_is_shown(services, sign_in):
    script = open_page("selections")
    text = text_of(script)
    assert "9 of 9 objects of tiny" in text
    assert text.count("<tr>") == 10
    assert "<b>&amp;" not in text
    assert "α/β &lt;b&gt;&amp;" in text  # ids are text, whatever they hold
    one(script.get("button_group"), "Part").set_value("Selection").run()
    assert "Nothing is selected" in text_of(script)
    one(script.get("button_group"), "Part").set_value("Saved").run()
    assert "has a name yet" in text_of(script)


def test_a_filter_of_the_link_becomes_a_selection(services, sign_in):
    query = {"part": "table", "filter": '[["flux","≥",3],["object_id","is not","g4"]]'}
    script = open_page("selections", query)
    assert "5 of 9 objects" in text_of(script)
    assert {"flux ≥ 3", "object_id is not g4"} <= {
        name.replace("\\", "") for name in labels_of(script)
    }
    one(script.number_input, "Page of 1")
    press(script, "Select 5 objects")
    assert "5 objects." in text_of(script)
    assert "Filter: flux ≥ 3 and object_id is not g4" in text_of(script)
    chosen = script.query_params["selection"]
    rows = services.selections.rows(chosen, services.survey("tiny"))
    assert rows.tolist() == [3, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "broken", ["{", "[[1,2]]", '[["mag","<",3]]', '[["flux","contains","a"]]', "[" * 3000]
)
def test_a_broken_filter_is_left_out_and_told(services, sign_in, broken):
    script = open_page("selections", {"part": "table", "filter": broken})
    assert len(script.warning) == 1
    assert "left out" in script.warning[0].value
    assert "9 of 9 objects" in text_of(script)


def test_a_condition_counts_once_and_a_long_filter_is_refused(services, sign_in):
    twice = '[["flux","≥",3],["flux","≥",3.0]]'
    script = open_page("selections", {"part": "table", "filter": twice})
    assert "6 of 9 objects" in text_of(script)
    one(script.selectbox, "Column").set_value("flux").run()
    one(script.text_input, "Value").set_value("3").run()
    press(script, "Add")
    assert "has this condition already" in script.error[0].value
    one(script.selectbox, "Column").set_value("object_id").run()
    one(script.selectbox, "Comparison").set_value("contains").run()
    one(script.text_input, "Text").set_value("g").run()
    press(script, "Add")
    press(script, "flux ≥ 3")
    assert [one for one in labels_of(script) if "flux" in one] == []
    assert "object\\_id contains g" in labels_of(script)
    # The address of a page that was left has no filter: it comes back with the table.
    del script.query_params["filter"]
    script.run()
    assert script.query_params["filter"] == '[["object_id","contains","g"]]'
    conditions = [["object_id", "is one of", ["é" * 500] * 10]]
    script = open_page("selections", {"part": "table", "filter": json.dumps(conditions)})
    assert "more than 4,000 characters" in script.warning[0].value


@pytest.mark.parametrize("value", ["1" + "0" * 400, '"\\ud800"'])
def test_values_that_no_column_holds_break_nothing(services, sign_in, value):
    query = {"part": "table", "filter": f'[["flux","is",{value}]]'}
    script = open_page("selections", query)
    assert "left out" in script.warning[0].value


def test_only_the_selected_is_never_the_whole_survey_in_silence(services, sign_in):
    made = add(services, [3, 4])
    script = open_page("selections", {"part": "table", "selection": made})
    one(script.checkbox, "Only the 2 objects selected").set_value(True).run()
    assert "2 of 9 objects" in text_of(script)
    press(script, "Select 2 objects")
    inside = services.selections.get(script.query_params["selection"])
    assert inside.origin["within"] == {"id": made, "name": None}
    one(script.get("button_group"), "Part").set_value("Table").run()
    one(script.checkbox, "Only the 2 objects selected").set_value(True).run()
    services.selections.delete(inside.id)
    script.run()
    assert "no selection" in script.warning[0].value
    assert "objects of tiny" not in text_of(script)
    one(script.checkbox, "Only what is selected").set_value(False).run()
    assert "9 of 9 objects" in text_of(script)


def test_what_goes_wrong_with_a_selection_is_a_sentence(services, sign_in, monkeypatch):
    def full(*_given, **_more):
        raise StorageFull("The disk is full; make room.")

    monkeypatch.setattr(type(services.selections), "add", full)
    script = open_page("selections", {"part": "table"})
    press(script, "Select 9 objects")
    assert "disk is full" in script.error[0].value


def test_a_file_follows_the_survey_of_the_time_it_is_made(
    services, sign_in, workspace, monkeypatch
):
    survey = services.survey("tiny")
    made = add(services, [0, 8])
    turned = [IDS[8], "new", IDS[7], IDS[0]]
    next_version(workspace, survey, turned)
    monkeypatch.setattr(selection_take, "resolver", lambda: lambda _: ANN)
    file = selection_take._file(
        "dual", made, "As in the survey", Format.PARQUET, "two.parquet", {}
    )
    table = pq.read_table(io.BytesIO(file))
    assert table["object_id"].to_pylist() == [IDS[8], IDS[0]]


def test_a_press_undoes_the_group_it_names_or_nothing(services, sign_in, db):
    made = add(services, [3, 4, 5])
    given: dict[str, Any] = {"survey_version": 1, "selection": made}
    db.bulk_label("dual", "ann", ["g3"], "dual", group=str(uuid.UUID(int=1)), **given)
    page = open_page("selections")  # without a selection it can be undone, too
    one(page.get("button_group"), "Part").set_value("Selection").run()
    undo = next(button for button in page.button if button.label.startswith("Undo"))
    db.bulk_label("dual", "ann", ["g4", "g5"], "dual", group=str(uuid.UUID(int=2)), **given)
    undo.click().run()
    assert set(db.current_classes("dual")) == {"g3", "g4", "g5"}
    press(page, next(name for name in labels_of(page) if name.startswith("Undo")))
    assert set(db.current_classes("dual")) == {"g3"}


def test_an_undo_that_is_cut_short_says_how_far_it_came(services, sign_in, db, monkeypatch):
    made = add(services, [3])
    given: dict[str, Any] = {"survey_version": 1, "group": str(uuid.UUID(int=1))}
    db.bulk_label("dual", "ann", ["g3"], "dual", **given)

    def cut(_db, _task, _who, _source, progress):
        progress(1, 2)
        raise InUse("The database is in use; try again.")

    monkeypatch.setattr(LabelsDB, "bulk_undo", cut)
    page = open_page("selections", {"selection": made})
    press(page, next(name for name in labels_of(page) if name.startswith("Undo")))
    assert "Undone so far: 1; press again" in page.error[0].value


def test_answers_given_after_the_plan_are_not_changed(services, sign_in, db):
    label(db, "g3", "<b>no</b>")
    script = open_dialog("selection_label", add(services, [3, 5]), [3, 5])
    one(script.get("button_group"), "As").set_value("dual").run()
    one(script.checkbox, "Change those 1 as well").set_value(True).run()
    label(db, "g5", "<b>no</b>", who="bob")
    press(script, "Label 2 objects as dual")
    assert db.current_classes("dual") == {"g3": "dual", "g5": "<b>no</b>"}


def test_conditions_are_added_and_a_filter_may_leave_nothing(services, sign_in):
    script = open_page("selections", {"part": "table"})
    one(script.selectbox, "Column").set_value("flux").run()
    one(script.text_input, "Value").set_value("many").run()
    press(script, "Add")
    assert "is a number" in script.error[0].value
    one(script.text_input, "Value").set_value("99").run()
    press(script, "Add")
    assert "0 of 9 objects" in text_of(script)
    assert "Nothing fulfils all of these" in text_of(script)
    assert one(script.button, "Select 0 objects").disabled
    press(script, "flux ≥ 99")  # its chip takes it out
    assert "9 of 9 objects" in text_of(script)


def test_the_panel_shows_the_objects_with_their_answers(services, sign_in, db):
    label(db, "g3")
    script = panel(services, [3, 8])
    text = text_of(script)
    assert "2 objects." in text
    assert "Made by ann" in text
    assert text.count("<img") == 2
    assert ">dual<" in text
    assert set(labels_of(script)) >= ACTS
    press(script, "Clear")
    assert "Nothing is selected" in text_of(script)
    assert "selection" not in script.query_params


@pytest.mark.parametrize(
    ("selection", "said"), [("feedfeedfeedfeed", "no selection"), ("'; --", "no selection")]
)
def test_one_that_is_not_there_can_be_forgotten(services, sign_in, selection, said):
    script = open_page("selections", {"selection": selection})
    assert said in script.warning[0].value
    press(script, "Forget this selection")
    assert "Nothing is selected" in text_of(script)


def test_an_empty_one_says_so(services, sign_in):
    script = panel(services, [])
    assert "It has no objects" in text_of(script)
    assert one(script.button, "Label").disabled


def test_labels_are_given_to_all_and_taken_back_at_once(services, sign_in, db):
    label(db, "g3", "<b>no</b>")
    label(db, "g4", "dual")
    made = add(services, [3, 4, 5, 6])
    script = open_dialog("selection_label", made, [3, 4, 5, 6])
    one(script.get("button_group"), "As").set_value("dual").run()
    text = text_of(script)
    assert "**2** of 4 objects get the answer dual" in text
    assert "**1** you answered otherwise" in text
    assert "**1** have that answer already" in text
    press(script, "Label 2 objects as dual")
    assert db.current_classes("dual") == {
        "g3": "<b>no</b>",
        "g4": "dual",
        "g5": "dual",
        "g6": "dual",
    }
    page = open_page("selections", {"selection": made})
    undo = next(name for name in labels_of(page) if name.startswith("Undo"))
    assert "dual ×2" in undo
    press(page, undo)
    assert db.current_classes("dual") == {"g3": "<b>no</b>", "g4": "dual"}
    assert not [name for name in labels_of(page) if name.startswith("Undo")]
    db.check(thorough=True)


def test_answers_are_changed_only_where_that_is_asked_for(services, sign_in, db):
    label(db, "g3", "<b>no</b>")
    script = open_dialog("selection_label", add(services, [3, 5]), [3, 5])
    one(script.get("button_group"), "As").set_value("dual").run()
    one(script.checkbox, "Change those 1 as well").set_value(True).run()
    press(script, "Label 2 objects as dual")
    assert db.current_classes("dual") == {"g3": "dual", "g5": "dual"}


def test_the_queue_begins_with_it(services, sign_in, db, workspace):
    rank(workspace, ["g0", "g1"])
    label(db, "g3")
    script = open_dialog("selection_queue", add(services, [3]), [3])
    press(script, "Send")
    assert "Nothing of it is left for you" in text_of(script)
    script = open_dialog("selection_queue", add(services, [3, 5, 7]), [7, 3, 5])
    press(script, "Send")
    assert "2 objects come next. 1 object has answers already." in text_of(script)
    items = db.lease_next("dual", "ann", 3).items
    assert [(item.object_id, item.sampler) for item in items] == [
        ("g7", SELECTION_SAMPLER),
        ("g5", SELECTION_SAMPLER),
        ("g0", "most_likely"),
    ]


def test_a_secret_task_does_not_tell_what_is_settled(services, sign_in, db):
    label(db, "g3")
    db.add_gold("dual", "g5", "dual", "bob", 1)
    script = open_dialog("selection_queue", add(services, [3, 5]), [3, 5])
    press(script, "Send")
    assert "1 object comes next." in text_of(script)
    assert "answers already" not in text_of(script)


def test_it_can_be_sent_to_everybody(services, sign_in, db):
    for name in ("cat", "vic"):
        db.add_person(name, ROLES[name], "ann")
    db.put_ahead("dual", "cat", [QueueItem("g1", 0, "like_this")], "More like g0")
    script = open_dialog("selection_queue", add(services, [7]), [7])
    assert "cat has other objects ahead" not in text_of(script)
    one(script.radio, "Ahead for").set_value("Everybody who answers on this task").run()
    assert "cat has other objects ahead" in text_of(script)
    press(script, "Send")
    assert db.ahead("dual", "cat").made_by == "ann"
    assert db.ahead("dual", "cat").n_left == db.ahead("dual", "ann").n_left == 1
    assert db.ahead("dual", "vic") is None
    db.change_task("dual", "ann", blind=True)
    sign_in("cat")
    script = open_dialog("selection_queue", add(services, [6]), [6])
    assert "place of 1 object ahead now (Objects the owner put first)" in text_of(script)
    assert not script.radio
    press(script, "Send")
    assert [one.object_id for one in db.lease_next("dual", "cat", 1).items] == ["g6"]
    assert [one.object_id for one in db.lease_next("dual", "ann", 1).items] == ["g7"]


def test_a_viewer_looks_and_changes_nothing(services, sign_in, db):
    sign_in("vic")
    assert "bring no lists" in text_of(open_page("selections", {"part": "list"}))
    script = panel(services, [3, 4])
    assert ACTS & set(labels_of(script)) == {"Clear"}
    assert text_of(script).count("<img") == 2
    for name in ("selection_label", "selection_queue"):
        dialog = open_dialog(name, add(services, [3]), [3])
        assert "vic is here as viewer" in dialog.error[0].value
        assert not dialog.button


def test_on_a_blind_task_others_answers_are_nowhere(services, sign_in, db, workspace):
    label(db, "g3")
    label(db, "g4", who="cat")
    rank(workspace, ["g0"])
    db.change_task("dual", "ann", blind=True)
    told = add(services, [3, 4], tells=["dual"])
    sign_in("cat")
    script = open_page("selections", {"selection": told})
    assert "kept from you" in script.warning[0].value
    script = panel(services, [3, 4])
    assert text_of(script).count(">dual<") == 1
    assert not one(script.selectbox, "Order").options[0].startswith("Score")
    dialog = open_dialog("selection_label", add(services, [3, 4, 5]), [3, 4, 5])
    one(dialog.get("button_group"), "As").set_value("<b>no</b>").run()
    text = text_of(dialog)
    assert "**1** you answered otherwise" in text
    assert "others answered" not in text
    assert "**1** want no answer of yours" in text


def test_saved_ones_are_renamed_and_deleted_by_their_maker(services, sign_in, db):
    made = add(services, [3], by="cat")
    services.selections.rename(made, "my finds <b>")
    sign_in("cat")
    script = open_page("selections", {"part": "saved"})
    assert "my finds &lt;b&gt;" in text_of(script)
    one(script.text_input, "Name").set_value("finds").run()
    press(script, "Rename")
    assert services.selections.get(made).name == "finds"
    sign_in("ann")
    other = open_page("selections", {"part": "saved"})
    services.selections.delete(made)  # by somebody else, meanwhile
    press(other, "Delete")
    assert "has a name yet" in text_of(other)
    sign_in("vic")
    services.selections.rename(add(services, [4]), "four")
    assert "Delete" not in labels_of(open_page("selections", {"part": "saved"}))


def test_a_list_of_ids_is_taken_in_and_unknown_ones_are_listed(services, sign_in):
    script = open_page("selections", {"part": "list"})
    script.text_area[0].set_value(f"g2\n{IDS[8]}\nnobody").run()
    assert "3 ids from the lines: 2 are in the survey tiny" in text_of(script)
    assert script.dataframe[0].value["Unknown id"].tolist() == ["nobody"]
    press(script, "Select 2 objects")
    assert "A list of 3 ids, 1 of them unknown to the survey" in text_of(script)
