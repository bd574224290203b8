"""Classification exports written by hand from the Zooniverse's documented columns."""

from __future__ import annotations

import csv
import io
import json

import pytest

from core.errors import BadInput
from core.exchange import read_labels

COLUMNS = (
    *("classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name"),
    *("workflow_version", "created_at", "gold_standard", "expert", "metadata", "annotations"),
    *("subject_data", "subject_ids"),
)


def classification(own_id, annotations, subject, **more):
    return {
        "classification_id": own_id,
        "user_name": "not-logged-in-4ee662baaa306798b359",
        "workflow_id": 4979,
        "workflow_version": "275.13",
        "created_at": "2018-02-06 17:09:43 UTC",
        "metadata": json.dumps({"started_at": "2018-02-06T17:09:30.000Z"}),
        "annotations": json.dumps(annotations),
        "subject_data": json.dumps({"17530583": {"retired": None, **subject}}),
        "subject_ids": 17530583,
        **more,
    }


def answered(task, value, label="Is it smooth?"):
    return {"task": task, "task_label": label, "value": value}


@pytest.fixture
def export(file):
    def write(*rows):
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        return file(out.getvalue(), "workflow-classifications.csv")

    return write


def test_a_question(export):
    path = export(classification(88921948, [answered("T0", "Smooth")], {"objid": "J1+2"}))
    found = read_labels(path)
    assert found.format == "zooniverse"
    (row,) = found
    assert row.line == 2
    assert row.values == {
        "event_id": row.values["event_id"],
        "object_id": "J1+2",
        "action": "label",
        "class_name": "Smooth",
        "annotator": "not-logged-in-4ee662baaa306798b359",
        "answered_at": "2018-02-06T17:09:43+00:00",
        "shown_at": "2018-02-06T17:09:30+00:00",
        "note": None,
        "confidence": None,
        "tags": None,
        "payload": None,
        "source": "zooniverse:88921948",
    }
    (again,) = read_labels(path)
    assert again == row


@pytest.mark.parametrize(
    ("value", "class_name", "tags"),
    [
        ("Smooth", "Smooth", None),
        (["Merger", "Tail", "Merger"], "Merger", ["Tail"]),
        ([{"choice": "DEER", "answers": {"HOWMANY": "1"}, "filters": {}}], "DEER", None),
        ([{"select_label": "Kind", "option": True, "value": "a1", "label": "Arc"}], "Arc", None),
        (3, "3", None),
    ],
)
def test_kinds_of_answers(export, value, class_name, tags):
    (row,) = read_labels(export(classification(1, [answered("T0", value)], {"object_id": "a"})))
    assert row.values["class_name"] == class_name
    assert row.values["tags"] == tags


@pytest.mark.parametrize(
    "value",
    [None, "", [], [{"tool": 0, "frame": 0, "x": 1.5, "y": 2.0, "details": [{"value": 1}]}], True],
)
def test_what_is_no_answer_is_counted(export, value):
    found = read_labels(export(classification(1, [answered("T0", value)], {"object_id": "a"})))
    assert list(found) == []
    assert found.left_out == {"classifications without an answer to any task": 1}


def test_combo_tasks_and_the_choice_of_a_task(export):
    combo = [
        answered("T9", [answered("T1", "Spiral"), answered("T2", ["Bar", "Ring"])]),
        answered("T0", "Featured"),
    ]
    path = export(
        classification(1, combo, {"object_id": "a"}),
        classification(2, [answered("T0", "Smooth")], {"object_id": "b"}),
    )

    def taken(task):
        found = read_labels(path, zooniverse_task=task)
        return [(r.values["class_name"], r.values["tags"]) for r in found], dict(found.left_out)

    assert taken(None) == ([("Spiral", None), ("Smooth", None)], {})
    assert taken("T0") == ([("Featured", None), ("Smooth", None)], {})
    missing = {"classifications without an answer to T2": 1}
    assert taken("T2") == ([("Bar", ["Ring"])], missing)
    first = {r.values["event_id"] for r in read_labels(path, zooniverse_task="T0")}
    assert first.isdisjoint(r.values["event_id"] for r in read_labels(path, zooniverse_task="T1"))


@pytest.mark.parametrize(
    ("subject", "object_id"),
    [
        ({"Filename": "cutouts/J1.2+3.png", "ra": 1}, "J1.2+3"),
        ({"image": "x.png", "OBJID": 587722981736120347}, "587722981736120347"),
        ({"#name": "NGC 1", "ra": 1}, "NGC 1"),
        ({"#file_name": "NGC_2.jpeg"}, "NGC_2"),
        ({"object_id": "a", "objid": "b"}, "a"),
    ],
)
def test_which_field_names_the_object(export, subject, object_id):
    found = read_labels(export(classification(1, [answered("T0", "x")], subject)))
    assert [row.values["object_id"] for row in found] == [object_id]
    assert not found.remarks


def test_the_subject_id_as_a_last_resort_is_said(export):
    path = export(*(classification(i, [answered("T0", "x")], {"ra": 1}) for i in (1, 2)))
    found = read_labels(path)
    assert [row.values["object_id"] for row in found] == ["17530583"] * 2
    assert len(found.remarks) == 1
    assert "subject id" in found.remarks[0]
    assert [r.values["object_id"] for r in read_labels(path, id_field="RA")] == ["1", "1"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annotations": "[{"}, "annotations should be JSON"),
        ({"subject_data": "{}"}, "subject_data should describe one subject"),
        ({"subject_data": "x"}, "subject_data should be JSON"),
        ({"created_at": "never"}, "created_at should be a time"),
        ({"classification_id": ""}, "classification_id is empty"),
        ({"metadata": "{"}, "metadata should be JSON"),
    ],
)
def test_bad_classifications(export, change, words):
    good = classification(1, [answered("T0", "x")], {"object_id": "a"})
    with pytest.raises(BadInput) as caught:
        list(read_labels(export(good, good | change)))
    assert str(caught.value).startswith("workflow-classifications.csv, line 3: ")
    assert words in str(caught.value)


def test_an_export_without_classifications(export):
    with pytest.raises(BadInput, match="a header but no rows"):
        list(read_labels(export()))
