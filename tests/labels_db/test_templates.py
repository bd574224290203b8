"""Every template makes a task that people can work on at once."""

from __future__ import annotations

import colorsys

import pytest

from core.vocabulary import MAX_CLASSES, Action
from labels_db import LabelsDB, NewEvent, class_keys
from labels_db.templates import TEMPLATES
from labels_db.trees import checked_path, tree_classes

NAMES = sorted(TEMPLATES)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_becomes_a_task_as_it_stands(name, path):
    template = TEMPLATES[name]
    spec = template.spec("made", "hubble")
    with LabelsDB(path) as db:
        task = db.create_task(spec, by="ann")
    assert (task.name, task.survey, task.target) == ("made", "hubble", template.target)
    assert task.details == template.classes
    assert (task.tags, task.tree) == (template.tags, template.tree)


@pytest.mark.parametrize("name", NAMES)
def test_every_class_says_what_counts_and_has_a_colour(name):
    for one in TEMPLATES[name].classes:
        assert one.guideline.endswith(".")
        red, green, blue = (int(one.colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        assert colorsys.rgb_to_hls(red, green, blue)[1] > 0.15  # is seen on a dark page


@pytest.mark.parametrize("name", [one for one in NAMES if TEMPLATES[one].tree is None])
def test_classes_on_keys_differ_in_colour_and_key(name):
    classes = TEMPLATES[name].classes
    assert 2 <= len(classes) <= MAX_CLASSES
    assert len({one.colour for one in classes}) == len(classes)
    assert all(class_keys(classes).values())


def test_the_scale_sits_on_its_own_digits():
    classes = TEMPLATES["interesting 0-5"].classes
    assert class_keys(classes) == {str(mark): str(mark) for mark in range(6)}


def test_the_dual_agn_template_has_what_is_mistaken_for_a_second_nucleus():
    names = " ".join(one.name for one in TEMPLATES["dual AGN"].classes)
    for confuser in ("star", "chance", "clumpy", "dust lane", "merger", "artefact", "ordinary"):
        assert confuser in names


def test_each_way_through_the_tree_is_an_answer(path):
    template = TEMPLATES["Galaxy Zoo tree"]
    assert template.tree is not None
    questions = {one["id"]: one for one in template.tree["questions"]}
    ways = []

    def walk(at, steps):
        for answer in questions[at]["answers"]:
            taken = [*steps, [at, answer["text"]]]
            if "next" in answer:
                walk(answer["next"], taken)
            else:
                ways.append((taken, answer["class"]))

    walk(template.tree["start"], [])
    assert {end for _, end in ways} == set(tree_classes(template.tree))
    with LabelsDB(path) as db:
        db.create_task(template.spec("zoo", "hubble"), by="ann")
        for number, (steps, end) in enumerate(ways):
            checked_path(template.tree, steps, end)
            db.record(
                NewEvent(
                    event_id=f"00000000-0000-4000-8000-{number:012d}",
                    task="zoo",
                    object_id=f"g{number}",
                    survey_version=1,
                    annotator="ann",
                    action=Action.LABEL,
                    class_name=end,
                    payload={"path": steps},
                )
            )
        assert len(db.current_labels("zoo")) == len(ways)
