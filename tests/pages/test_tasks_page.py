"""The tasks page: what the owner may change, what others see, and what goes in and out."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from itertools import pairwise

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import BadInput
from core.exchange import Format
from core.vocabulary import Action, Role
from core.workspace import open_workspace
from labels_db import ClassDetail, LabelsDB, NewEvent, TaskSpec
from labels_db.templates import TEMPLATES
from pages._server.identity import Identity, install_resolver
from pages._server.services import Services, install
from pages._shared.people_panel import invitation_link
from pages._shared.task_history import differences
from pages._shared.tree_text import read_tree, tree_lines, write_tree
from tests.pages.conftest import IDS
from tests.pages.kit import one, open_page, press, text_of


def draw() -> AppTest:
    return open_page("tasks")


def label(db: LabelsDB, object_id: str, class_name: str, number: int, who: str = "cat") -> None:
    db.record(
        NewEvent(
            event_id=f"00000000-0000-4000-8000-{number:012d}",
            task="dual",
            object_id=object_id,
            survey_version=1,
            annotator=who,
            action=Action.LABEL,
            class_name=class_name,
        )
    )


def test_the_list_shows_each_task_with_its_progress_and_who_is_at_work(services, sign_in):
    db = services.db()
    db.create_task(TaskSpec("other", "tiny", "Is it <i>odd</i>?", ("odd", "not"), "odd"))
    db.create_task(TaskSpec("lost", "gone", "Where is its survey?", ("a", "b"), "a"))
    label(db, "g1", "dual", 1)
    page = text_of(draw())
    assert "1 of 9 seen" in page
    assert "Is it &lt;i&gt;odd&lt;/i&gt;?" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "the survey is not there" in page
    assert "nobody at work" in page


def test_the_owner_changes_the_guideline_and_it_is_kept_who_did(services, sign_in):
    script = draw()
    one(script.text_area, "Guideline").set_value("Look *twice*.").run()
    assert any("Look *twice*." in shown.proto.body for shown in script.get("html"))  # the preview
    press(script, "Save the guideline")
    assert services.db().task("dual").guideline == "Look *twice*."
    last = services.db().task_versions("dual")[-1]
    assert (last.version, last.changed_by) == (2, "ann")
    assert "guideline: 0 → 13 characters" in text_of(draw())


def test_settings_are_saved_together_and_only_what_changed(services, sign_in):
    script = draw()
    # Meanwhile somebody else changes what this page has not touched.
    services.db().change_task("dual", "bea", lease_seconds=60)
    one(script.text_input, "Question").set_value("One or two?")
    one(script.number_input, "Answers for each object").set_value(3)
    press(script, "Save the settings")
    task = services.db().task("dual")
    assert (task.question, task.answers_per_object, task.lease_seconds) == ("One or two?", 3, 60)


def test_what_is_refused_is_said_in_a_sentence_and_stays_typed(services, sign_in):
    script = draw()
    one(script.text_input, "Question").set_value("")
    press(script, "Save the settings")
    assert script.error[0].value.startswith("The question must be 1 to")
    assert one(script.text_input, "Question").value == ""
    one(script.text_input, "Add a class").set_value("DUAL")
    press(script, "Add the class")
    assert "has a class 'DUAL' already" in script.error[0].value
    assert one(script.text_input, "Add a class").value == "DUAL"
    assert services.db().task("dual").version == 1


def test_what_is_being_typed_outlives_another_change(services, sign_in):
    script = draw()
    one(script.text_area, "Guideline").set_value("half a sent").run()
    services.db().change_task("dual", "bea", guideline="Another text.", question="Newer?")
    script.run()
    assert one(script.text_area, "Guideline").value == "half a sent"
    assert one(script.text_input, "Question").value == "Newer?"


def test_classes_are_added_changed_retired_and_offered_again(services, sign_in):
    script = draw()
    one(script.text_input, "Add a class").set_value("ring")
    press(script, "Add the class")
    assert services.db().task("dual").classes == ("dual", "<b>no</b>", "ring")
    assert one(script.text_input, "Add a class").value == ""

    one(script.selectbox, "Change the class").set_value("ring").run()
    one(script.text_area, "Examples: object_ids, one a line").set_value("g1\nα/β <b>&")
    keys = [box for box in script.text_input if box.label.startswith("Key")]
    keys[0].set_value("r")
    press(script, "Save the class")
    assert "which the label page uses" in script.error[0].value
    keys = [box for box in script.text_input if box.label.startswith("Key")]
    keys[0].set_value("7")
    press(script, "Save the class")
    ring = services.db().task("dual").details[-1]
    assert (ring.key, ring.examples) == ("7", ("g1", "α/β <b>&"))
    assert ring.colour == services.db().task("dual").details[-1].colour

    press(script, "Retire this class")
    assert services.db().task("dual").classes == ("dual", "<b>no</b>")
    press(script, "Offer it again")
    assert services.db().task("dual").classes == ("dual", "<b>no</b>", "ring")


def test_an_example_that_the_survey_lacks_is_refused(services, sign_in):
    script = draw()
    one(script.text_area, "Examples: object_ids, one a line").set_value("g1\nnowhere")
    press(script, "Save the class")
    assert "nowhere" in script.error[0].value
    assert services.db().task("dual").version == 1


def test_the_last_two_classes_and_the_target_stay(services, sign_in):
    script = draw()
    press(script, "Retire this class")
    assert "is the target" in script.error[0].value
    one(script.selectbox, "Change the class").set_value("<b>no</b>").run()
    press(script, "Retire this class")
    assert "2 to 9 classes" in script.error[0].value


def test_tags_are_set(services, sign_in):
    script = draw()
    box = next(area for area in script.text_area if area.label.startswith("Tags"))
    box.set_value("tail\n\n shell ")
    press(script, "Save the tags")
    assert services.db().task("dual").tags == ("tail", "shell")


def test_a_tree_is_read_as_questions_and_changed_as_json(services, sign_in):
    spec = TEMPLATES["Galaxy Zoo tree"].spec("zoo", "tiny")
    services.db().create_task(spec, by="ann")
    script = draw()
    one(script.selectbox, "Task").set_value("zoo").run()
    assert "**1. Is there anything odd about it?**" in text_of(script)
    box = one(script.text_area, "Decision tree (JSON)")
    box.set_value((box.value or "").replace("Completely round", "Quite round")).run()
    press(script, "Save the tree")
    tree = services.db().task("zoo").tree
    assert tree is not None
    assert "Quite round" in json.dumps(tree)
    one(script.text_area, "Decision tree (JSON)").set_value('{"questions": [}').run()
    assert "at line 1" in script.warning[0].value
    press(script, "Save the tree")
    assert "at line 1" in script.error[0].value


@pytest.mark.parametrize("name", ["cat", "vic"])
def test_others_read_and_cannot_change(name, services, sign_in):
    services.db().change_task("dual", "ann", guideline="Look **twice**.")
    sign_in(name)
    script = draw()
    page = text_of(script)
    assert "Look **twice**." in page
    assert "Each object is answered once." in page
    assert [button.label for button in script.button] == []
    assert "People" not in page
    assert not script.text_area


def test_access_taken_away_while_the_page_is_open_is_felt_by_the_next_save(services, sign_in):
    script = draw()
    one(script.text_input, "Question").set_value("Mine?")
    roles = iter([Identity("ann", "ann", Role.OWNER)] * 2)  # the page is drawn, then asks again
    cat = Identity("cat", "cat", Role.ANNOTATOR)
    install_resolver(lambda cookies: next(roles, cat))
    press(script, "Save the settings")
    assert script.error[0].value.startswith("This needs an owner, but cat is here as annotator")
    assert services.db().task("dual").question == "Two nuclei?"


def test_on_a_blind_task_nobody_else_sees_counts_or_takes_files(services, sign_in):
    label(services.db(), "g1", "dual", 1)
    services.db().change_task("dual", "ann", blind=True)
    assert "1 labelled" in text_of(draw())
    sign_in("vic")
    script = draw()
    assert "labelled" not in text_of(script)
    assert "nobody but the owner" in script.info[0].value
    assert not script.get("download_button")


# Making a task


def draw_dialog() -> None:
    """Runs in AppTest's own script, which knows no fragments: open at every run."""
    import streamlit as st

    from pages._shared.new_task import new_task

    new_task(lambda name: st.session_state.update(made=name))


def open_dialog() -> AppTest:
    script = AppTest.from_function(draw_dialog, default_timeout=20).run()
    assert not script.exception
    return script


def test_a_task_from_a_template_has_its_classes_and_what_was_changed(services, sign_in):
    script = open_dialog()
    one(script.selectbox, "Begin with").set_value("dual AGN").run()
    assert one(script.text_input, "Name").value == "dual-agn"
    classes = next(area for area in script.text_area if area.label.startswith("Classes"))
    classes.set_value((classes.value or "").replace("ordinary", "plain")).run()
    press(script, "Make the task")
    task = services.db().task("dual-agn")
    template = TEMPLATES["dual AGN"]
    assert task.details[:-1] == template.classes[:-1]
    assert task.details[-1] == ClassDetail("plain")
    assert (task.target, task.tags) == (template.target, template.tags)
    assert services.db().task_versions("dual-agn")[0].changed_by == "ann"
    assert script.session_state["made"] == "dual-agn"


def test_another_template_keeps_what_was_typed(services, sign_in):
    script = open_dialog()
    one(script.text_input, "Name").set_value("mine").run()
    one(script.selectbox, "Begin with").set_value("lenses").run()
    one(script.selectbox, "Begin with").set_value("mergers").run()
    assert one(script.text_input, "Name").value == "mine"
    assert one(script.text_input, "Question").value == TEMPLATES["mergers"].question


def test_a_task_from_nothing_and_its_refusal(services, sign_in):
    script = open_dialog()
    one(script.text_input, "Name").set_value("dual").run()
    one(script.text_input, "Question").set_value("Odd?").run()
    classes = next(area for area in script.text_area if area.label.startswith("Classes"))
    classes.set_value("odd\nnot").run()
    press(script, "Make the task")
    assert "There is a task 'dual' already" in script.error[0].value
    one(script.text_input, "Name").set_value("odd").run()
    press(script, "Make the task")
    task = services.db().task("odd")
    assert (task.question, task.classes, task.target) == ("Odd?", ("odd", "not"), "odd")


def test_a_tree_from_nothing_has_the_classes_at_its_ends(services, sign_in):
    script = open_dialog()
    one(script.selectbox, "Begin with").set_value("A decision tree").run()
    one(script.text_input, "Name").set_value("tree").run()
    one(script.text_input, "Question").set_value("What is it?").run()
    press(script, "Make the task")
    task = services.db().task("tree")
    assert task.classes == ("something else", "two nuclei", "one nucleus")
    assert task.tree is not None


def test_whoever_is_no_owner_is_offered_no_task_to_make(tmp_path):
    services = Services(
        open_workspace(tmp_path / "empty"), Identity("owner", "ann"), start_processes=False
    )
    install(services)
    install_resolver(lambda cookies: Identity("vic", "vic", Role.VIEWER))
    try:
        script = draw()
    finally:
        install(None)
        install_resolver(None)
    assert not script.button
    assert "ann has not added one yet" in text_of(script)


# People


def people_view() -> AppTest:
    script = draw()
    script.session_state["tasks view"] = "People"
    script.run()
    assert not script.exception
    return script


def add(script: AppTest, name: str) -> AppTest:
    one(script.text_input, "Add a person").set_value(name)
    return press(script, "Add the person")


def test_a_person_is_added_invited_revoked_and_sent_away(services, sign_in):
    script = add(people_view(), "Bea Stern")
    db = services.db()
    assert [(one.name, one.role) for one in db.people()] == [("Bea Stern", Role.ANNOTATOR)]
    press(script, "Make an invitation link")
    (link,) = script.code
    token = link.value.split("token=")[1]
    person = db.person_by_secret(token)
    assert person is not None
    assert person.name == "Bea Stern"
    script.run()
    assert not script.code  # shown once
    press(script, "Revoke the link")
    assert db.person_by_secret(token) is None
    one([box for box in script.selectbox if box.label == "Role"][:1], "Role").set_value(
        Role.VIEWER
    )
    press(script, "Save the person")
    assert db.person("Bea Stern").role is Role.VIEWER
    press(script, "Take their access away")
    assert db.person("Bea Stern").disabled_at is not None
    assert "disabled" in text_of(script)
    press(script, "Let them in again")
    assert db.person("Bea Stern").disabled_at is None
    assert {act.by for act in db.people_log()} == {"ann"}


def test_a_taken_name_is_refused_and_stays_typed(services, sign_in):
    label(services.db(), "g1", "dual", 1, who="Bea")
    script = add(people_view(), "bea")
    assert "There are answers by 'bea' already" in script.error[0].value
    assert one(script.text_input, "Add a person").value == "bea"


@pytest.mark.parametrize(
    ("page", "base", "expected"),
    [
        ("https://sky.example.org/tasks?task=a", "", "https://sky.example.org/?token=s-1"),
        ("http://[::1]:8501/x/tasks", "/x", "http://[::1]:8501/x/?token=s-1"),
        (None, "/x", "/x/?token=s-1"),
    ],
)
def test_a_link_begins_where_the_browser_sees_the_page(page, base, expected):
    assert invitation_link(page, base, "s-1") == expected


# Files


def downloaded(services, what: bool, format: Format, name: str) -> bytes:
    from pages._shared.files_panel import _file

    return _file(services.db().task("dual"), format, name, events=what, cookies={})


def test_labels_and_events_leave_with_their_provenance(services, sign_in):
    db = services.db()
    label(db, "g1", "dual", 1)
    label(db, "g1", "<b>no</b>", 2)
    label(db, "α/β <b>&", "dual", 3)
    archive = zipfile.ZipFile(io.BytesIO(downloaded(services, False, Format.CSV, "x.zip")))
    table = next(name for name in archive.namelist() if name.endswith(".csv"))
    rows = list(csv.DictReader(io.StringIO(archive.read(table).decode())))
    assert {row["object_id"]: row["label"] for row in rows} == {
        "g1": "<b>no</b>",
        "α/β <b>&": "dual",
    }
    about = json.loads(archive.read(f"{table}.json"))
    assert "Two nuclei?" in json.dumps(about)
    lines = downloaded(services, True, Format.JSONL, "x.jsonl").decode().splitlines()
    assert "skysift" in lines[0]
    assert [json.loads(line)["class_name"] for line in lines[1:]] == ["dual", "<b>no</b>", "dual"]


def test_a_download_asked_for_after_access_was_taken_away_is_refused(services, sign_in):
    services.db().change_task("dual", "ann", blind=True)
    sign_in("cat")
    with pytest.raises(BadInput, match="may not take"):
        downloaded(services, True, Format.CSV, "x.zip")


def import_from(script: AppTest, path: str) -> AppTest:
    script.session_state["import from"] = "A file in the workspace"
    script.run()
    one(script.text_input, "Path, from the workspace's folder").set_value(path).run()
    assert not script.exception
    return script


def test_a_file_comes_in_with_its_classes_renamed(services, workspace, sign_in):
    (workspace.root / "labels.csv").write_text(
        "object_id,label,annotator\ng1,Dual,bob\ng2,two hearts,bob\ng3,<b>no</b>,eve\n"
    )
    script = import_from(draw(), "labels.csv")
    assert any("3 rows by 2 annotators" in element.value for element in script.markdown)
    assert one(script.selectbox, "Dual (1)").value == "dual"  # but for capitals the same
    press(script, "Take these labels in")
    assert "two hearts" in script.error[0].value
    assert services.db().current_labels("dual") == {}
    one(script.selectbox, "two hearts (1)").set_value("dual").run()
    press(script, "Take these labels in")
    assert script.success[0].value.startswith("New events: 3 of 3")
    found = services.db().current_labels("dual")
    assert {name: (one.class_name, one.annotator) for name, one in found.items()} == {
        "g1": ("dual", "bob"),
        "g2": ("dual", "bob"),
        "g3": ("<b>no</b>", "eve"),
    }
    press(script, "Take these labels in")
    assert "there before: 3" in script.success[0].value


def test_a_file_of_another_survey_is_refused_whole(services, workspace, sign_in):
    (workspace.root / "labels.csv").write_text("object_id,label\ng1,dual\nelsewhere,dual\n")
    script = import_from(draw(), "labels.csv")
    press(script, "Take these labels in")
    assert "Line 3" in script.error[0].value
    assert services.db().current_labels("dual") == {}


@pytest.mark.parametrize("path", ["../outside.csv", "/etc/passwd", "none.csv", "surveys", "a\0b"])
def test_only_files_of_the_workspace_are_read(path, services, workspace, sign_in):
    (workspace.root.parent / "outside.csv").write_text("object_id,label\ng1,dual\n")
    script = import_from(draw(), path)
    assert "is none; put the file there" in script.error[0].value


def test_a_link_out_of_the_workspace_is_not_followed(services, workspace, sign_in):
    (workspace.root.parent / "outside.csv").write_text("object_id,label\ng1,dual\n")
    (workspace.root / "inside.csv").symlink_to(workspace.root.parent / "outside.csv")
    script = import_from(draw(), "inside.csv")
    assert "is none; put the file there" in script.error[0].value


# What needs no page


def test_a_tree_written_out_is_read_back_the_same():
    tree = TEMPLATES["Galaxy Zoo tree"].tree
    assert tree is not None
    assert read_tree(write_tree(tree)) == tree


def test_a_tree_names_questions_by_number_and_escapes_what_people_wrote():
    tree = {
        "start": "b",
        "questions": [
            {
                "id": "a",
                "text": "*A*?",
                "answers": [{"text": "Yes", "class": "x_y"}, {"text": "No", "class": "n"}],
            },
            {
                "id": "b",
                "text": "B?",
                "answers": [{"text": "1", "next": "a"}, {"text": "2", "class": "n"}],
            },
        ],
    }
    assert tree_lines(tree) == [
        "**1\\. B?**",
        "- 1 → question 2",
        "- 2 → **n**",
        "",
        "**2\\. \\*A\\*?**",
        "- Yes → **x\\_y**",
        "- No → **n**",
        "",
    ]


@pytest.mark.parametrize("text", ["[1, 2]", "{", "", "[" * 100_000])
def test_what_is_no_tree_is_a_sentence(text):
    with pytest.raises(BadInput, match="A decision tree is a JSON object"):
        read_tree(text)


def test_differences_between_versions_in_words(services):
    db = services.db()
    db.change_task("dual", "ann", question="One?", blind=True)
    db.add_class("dual", ClassDetail("ring"), "ann")
    db.change_class("dual", "ring", "ann", key="7", examples=(IDS[0],))
    db.retire_class("dual", "ring", "ann")
    db.set_tags("dual", ["tail", "shell"], "ann")
    db.set_tags("dual", ["shell"], "ann")
    documents = [one.document for one in db.task_versions("dual")]
    said = [differences(old, new) for old, new in pairwise(documents)]
    assert said == [
        ["question: Two nuclei? → One?", "blind: no → yes"],
        ["class ring added"],
        ["class ring: key, examples changed"],
        ["class ring retired"],
        ["tag tail added", "tag shell added"],
        ["tag tail taken away"],
    ]
    assert differences(documents[0], documents[0]) == ["nothing changed"]
