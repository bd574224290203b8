"""Exports written by hand from Label Studio's documented formats."""

from __future__ import annotations

import json

import pytest

from core.errors import BadInput
from core.exchange import read_labels
from core.exchange import text as text_module


def choice(name, *choices, kind="choices"):
    return {
        "from_name": name,
        "id": "Dx_aB91ISN",
        "to_name": "img",
        "type": kind,
        "origin": "manual",
        "value": {kind: list(choices)},
    }


def annotation(own_id, *results, **more):
    return {
        "id": own_id,
        "result": list(results),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2021-03-09T22:16:08.728353Z",
        "updated_at": "2021-03-09T22:16:08.728378Z",
        "lead_time": 4.288,
        "task": 1,
        "completed_by": 10,
        **more,
    }


def task(data, *annotations, **more):
    return {
        "id": 1,
        "created_at": "2021-03-09T21:52:49.513742Z",
        "project": 83,
        "data": data,
        "annotations": list(annotations),
        "predictions": [{"result": [choice("kind", "a prediction is no answer")]}],
        **more,
    }


@pytest.fixture
def export(file):
    def write(*tasks, indent=2):
        return file(json.dumps(tasks, indent=indent, ensure_ascii=False), "project-1.json")

    return write


def test_one_choice(export):
    path = export(
        task(
            {"object_id": "a", "image": "https://h/other.png"},
            annotation(1001, choice("kind", "AGN")),
        ),
        task(
            {"image": "https://h/p/SDSS%20J1%2B2.png?x=1"},
            annotation("1002", choice("kind", "no")),
        ),
        task({"image": "/data/upload/3/0ab-obj.tar.gz"}, annotation(1003, choice("kind", "é"))),
        task(
            {"ID": 7},
            annotation(1004, choice("kind", "no"), completed_by={"id": 3, "email": "a@b.c"}),
        ),
    )
    found = read_labels(path)
    assert found.format == "label_studio"
    rows = list(found)
    assert [row.values["object_id"] for row in rows] == ["a", "SDSS J1+2", "0ab-obj.tar", "7"]
    assert [row.values["class_name"] for row in rows] == ["AGN", "no", "é", "no"]
    assert rows[0].values["annotator"] == "label_studio_user_10"
    assert rows[3].values["annotator"] == "a@b.c"
    assert rows[0].values["answered_at"] == "2021-03-09T22:16:08.728353+00:00"
    assert rows[0].values["source"] == "label_studio:1001"
    assert rows[0].kind == "label"
    lines = path.read_text().split("\n")
    assert all(lines[row.line - 1].strip() == "{" for row in rows if row.line)


def test_the_same_annotation_has_the_same_id_in_any_export(export, file):
    one = task({"id": "a"}, annotation(1001, choice("kind", "AGN")))
    other = task({"id": "b"}, annotation(1002, choice("kind", "AGN")))
    first = {row.values["object_id"]: row.values["event_id"] for row in read_labels(export(one))}
    again = {
        row.values["object_id"]: row.values["event_id"]
        for row in read_labels(export(other, one, indent=None))
    }
    assert again["a"] == first["a"] != again["b"]


def test_several_choices_taxonomies_and_words(export):
    path = export(
        task(
            {"id": "a"},
            annotation(
                1,
                choice("kind", "merger", "tail", "arc"),
                choice("why", "clear", kind="text") | {"type": "textarea"},
            ),
            annotation(2, choice("tree", ["galaxy", "AGN", "dual"], ["star"], kind="taxonomy")),
            annotation(3, choice("box", "x", kind="rectanglelabels")),
            annotation(4, choice("kind", "merger"), was_cancelled=True),
        ),
        task({"id": "b"}),
    )
    found = read_labels(path)
    several, tree, skipped = list(found)
    assert several.values["class_name"] == "merger"
    assert several.values["tags"] == ["tail", "arc"]
    assert several.values["note"] == "clear"
    assert tree.values["class_name"] == "dual"
    assert tree.values["tags"] == ["star"]
    assert tree.values["payload"] == {"taxonomy": [["galaxy", "AGN", "dual"], ["star"]]}
    assert skipped.values["action"] == "skip"
    assert skipped.values["class_name"] is None
    assert found.left_out == {"annotations without a choice": 1, "tasks without an annotation": 1}


def test_the_control_and_the_field_can_be_named(export):
    path = export(
        task(
            {"id": "a", "name": "n1"}, annotation(1, choice("sure", "yes"), choice("kind", "AGN"))
        )
    )
    (row,) = read_labels(path, label_studio_control="kind", id_field="name")
    assert row.values["class_name"] == "AGN"
    assert row.values["tags"] is None
    assert row.values["object_id"] == "n1"
    with pytest.raises(BadInput, match="no field 'dec' that names the object, only id, name"):
        list(read_labels(path, id_field="dec"))


def minimal(**more):
    return {
        "image": "https://h/SDSS-1.png",
        "id": 1,
        **more,
        "annotator": 1,
        "annotation_id": 1001,
        "created_at": "2021-03-09T22:16:08.728353Z",
        "updated_at": "2021-03-09T22:16:08.728378Z",
        "lead_time": 4.288,
    }


def test_json_min(export):
    path = export(
        minimal(kind="AGN"),
        minimal(kind={"choices": ["AGN", "tail"]}),
        minimal(tree=[{"taxonomy": [["galaxy", "dual"]]}]),
        minimal(kind="AGN", object_id="b"),
    )
    rows = list(read_labels(path))
    assert [row.values["object_id"] for row in rows] == ["SDSS-1", "SDSS-1", "SDSS-1", "b"]
    assert [row.values["class_name"] for row in rows] == ["AGN", "AGN", "dual", "AGN"]
    assert rows[1].values["tags"] == ["tail"]
    assert rows[0].values["event_id"] == rows[3].values["event_id"]  # one annotation
    assert rows[0].values["annotator"] == "label_studio_user_1"


def test_json_min_that_may_mean_either_is_asked_about(export):
    path = export(minimal(kind="AGN", why="clear"))
    with pytest.raises(BadInput, match=r"line 2: the class may be any of kind, why; name the"):
        list(read_labels(path))
    (row,) = read_labels(path, label_studio_control="kind")
    assert row.values["class_name"] == "AGN"


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 1 << 20])
def test_pieces_of_any_size(export, piece, monkeypatch):
    monkeypatch.setattr(text_module, "CHUNK", piece)
    path = export(
        task({"id": "naïve 🙂 \\u"}, annotation(-1.5e3, choice("kind", 'a "]},[{" b'))),
        task(
            {"id": "b", "x": [1e-5, True, None, "\\ud83d"]},
            annotation(2, choice("kind", "c")),
        ),
    )
    rows = list(read_labels(path))
    assert [row.values["object_id"] for row in rows] == ["naïve 🙂 \\u", "b"]
    assert [row.values["class_name"] for row in rows] == ['a "]},[{" b', "c"]
    text = path.read_text()
    assert rows[1].line == text[: text.rindex("\n  {") + 1].count("\n") + 1


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("[]", None, "the JSON array is empty"),
        ("[\n", 2, "the JSON is broken"),
        ('[\n{"id": 1, "annotations": [], "data": {}}\n', 3, "ends too soon"),
        (
            '[\n{"data": {"id": 1}, "annotations": [{"id": 1, "result": [{"type": "choices",'
            ' "value": {"choices": ["\\ud83d"]}}]}]}]',
            2,
            "half of a surrogate pair",
        ),
        ('[\n{"a": \n', 3, "the JSON is broken"),
        (
            '[\n{"id": 1, "annotations": [], "data": {}},\n{"a": 1,\n "b" 2}]',
            4,
            "the JSON is broken",
        ),
        ('[\n{"id": 1, "annotations": [], "data": {}}\n{"a": 1}]', 3, "a comma or the end"),
        ('[{"id": 1, "annotations": [], "data": {}}]\n]', 2, "something follows the end"),
        ('[\n{"boxes": []}]', 2, "but this one has boxes"),
        ("[\n3]", 2, "each element should be a task"),
        ('[\n{"data": {"ra": 1}, "annotations": [{"id": 1, "result": []}]}]', 2, "only ra;"),
        ("[" * 100_000, 1, "nested too deeply"),
    ],
)
def test_broken_exports(file, content, line, words):
    with pytest.raises(BadInput) as caught:
        list(read_labels(file(content, "p.json")))
    assert str(caught.value).startswith("p.json: " if line is None else f"p.json, line {line}: ")
    assert words in str(caught.value)


def test_a_large_export_is_never_held_whole(file, monkeypatch):
    """Elements are given out while the rest of the file is still unread."""
    one = json.dumps(task({"id": "a"}, annotation(1, choice("kind", "AGN"))))
    path = file("[" + ",".join([one] * 4000) + ", broken]", "p.json")
    rows = iter(read_labels(path))
    assert next(rows).values["object_id"] == "a"
    with pytest.raises(BadInput, match="the JSON is broken"):
        list(rows)
