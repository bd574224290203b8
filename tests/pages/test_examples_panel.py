"""Known examples on the tasks page: looked up and labelled; pictures shown and taken away."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.display.render import render_png
from core.errors import BadInput
from core.run_pictures import add_picture, known_pictures
from pages._shared import examples_pictures
from pages._shared.examples_panel import told_apart
from tests.pages.conftest import IDS
from tests.pages.kit import labels_of, one, open_page, press, text_of


def draw() -> AppTest:
    return open_page("tasks")


def png(seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    handle = io.BytesIO()
    Image.fromarray(pixels).save(handle, format="PNG")
    return handle.getvalue()


def look_up(script: AppTest, lines: str) -> AppTest:
    one(script.text_area, "Ids or positions, one a line (up to 2,000)").set_value(lines)
    return press(script, "Look them up")


def test_lines_are_told_apart(services):
    survey = services.survey("tiny")
    said = "g1\n\n 150.1 2.2 \n10:00:27.8 +02:12:18\nnobody\nα/β <b>&"
    assert told_apart(said, survey) == (
        ["g1", "nobody", IDS[-1]],
        ["150.1 2.2", "10:00:27.8 +02:12:18"],
    )


def test_more_lines_than_are_taken_are_refused(services):
    survey = services.survey("tiny")
    assert len(told_apart("g1\n\n" * 2_000, survey)[0]) == 2_000
    with pytest.raises(BadInput, match=r"Up to 2,000 ids or positions .*, but 2,001 came"):
        told_apart("g1\n" * 2_001, survey)


def test_what_was_looked_up_in_another_survey_is_not_labelled(services, sign_in, monkeypatch):
    script = look_up(draw(), "g1")
    assert "Label 1 object as dual" in labels_of(script)
    survey = services.survey("tiny")
    manifest = replace(survey.manifest, content_hash="another")
    monkeypatch.setattr(survey, "manifest", manifest)
    script.run()
    assert "The survey has changed since these were looked up" in text_of(script)
    assert "Label 1 object as dual" not in labels_of(script)


def test_the_owner_looks_examples_up_and_labels_them(services, sign_in):
    script = look_up(draw(), "g1\ng3\nnobody")
    page = text_of(script)
    assert "2 known examples are in the survey." in page
    assert "'nobody' is no object of the survey" in page
    assert "No object of the survey was given as a known example yet." in page
    table = script.dataframe[0].value
    assert table["Object"].tolist() == ["g1", "g3"]
    press(script, "Label 2 objects as dual")
    assert services.db().current_classes("dual") == {"g1": "dual", "g3": "dual"}
    page = text_of(draw())
    assert "2 objects of the survey are known examples: 2 dual." in page
    event = next(services.db().events("dual"))
    assert (event.source, event.annotator) == ("known examples", "ann")


def test_what_cannot_be_looked_up_is_said(services, sign_in):
    script = look_up(draw(), "150.1 2.2")
    assert "have no positions on the sky" in script.error[0].value
    script = draw()
    one(script.text_input, "Catalogue of known objects: path of a table").set_value("/etc/passwd")
    press(script, "Look them up")
    assert script.error[0].value.startswith("Data are read from")
    script = look_up(draw(), "")
    assert "0 known examples are in the survey." in text_of(script)


def test_pictures_are_shown_and_taken_away(services, sign_in, monkeypatch):
    survey, task = services.survey("tiny"), services.db().task("dual")
    for seed, name in enumerate(("<i>twin.png", "other.png")):
        add_picture(services.workspace, survey, task, png(seed), name, None, "ann")
    drawn = []

    def spy(*given):
        drawn.append(1)
        return render_png(*given)

    monkeypatch.setattr(examples_pictures, "render_png", spy)
    script = draw()
    page = text_of(script)
    assert "2 pictures are known examples:" in page
    assert not drawn  # of the page's tabs this may not be the one that is read
    script = one(script.toggle, "Show them (2 dual)").set_value(True).run()
    script.run()
    assert len(drawn) == 2
    page = text_of(script)
    assert "&lt;i&gt;twin.png, ann" in page
    assert "data:image/png;base64," in page
    gone = known_pictures(services.workspace, "dual")[0]
    one(script.multiselect, "Take away pictures").set_value([gone.sha256]).run()
    press(script, "Take away")
    left = known_pictures(services.workspace, "dual")
    assert len(left) == 1
    assert left[0].sha256 != gone.sha256
    # What is damaged can be taken away as well, and hides no other.
    add_picture(services.workspace, survey, task, png(5), "third.png", None, "ann")
    (services.workspace.root / "examples" / "dual" / f"{left[0].sha256}.npz").write_bytes(b"?")
    script = draw()
    assert "cannot be read" in script.error[0].value
    assert "2 pictures are known examples:" in text_of(script)
    one(script.multiselect, "Take away pictures").set_value([left[0].sha256]).run()
    press(script, "Take away")
    assert [kept.file_name for kept in known_pictures(services.workspace, "dual")] == ["third.png"]


@pytest.mark.parametrize("who", ["cat", "vic"])
def test_others_see_them_and_change_nothing(services, sign_in, who):
    sign_in(who)
    script = draw()
    page = text_of(script)
    assert "Only the owner gives and takes away known examples." in page
    assert "Look them up" not in labels_of(script)
    services.db().change_task("dual", "ann", blind=True)
    assert "known examples are answers too" in text_of(draw())
