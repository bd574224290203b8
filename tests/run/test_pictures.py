"""Known pictures: kept with their task, seen by the encoder in use, taught by the worker."""

from __future__ import annotations

import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from core.discovery import Engine
from core.errors import BadInput, Damaged, NotFound
from core.representation import choose_embedding, load_embedding
from core.representation.outside import encode_pictures
from core.run import main
from core.run_pictures import (
    MAX_BYTES,
    add_picture,
    known_pictures,
    picture_content,
    pictures_stamp,
    remove_picture,
    taught_pictures,
)
from core.run_worker import _Worker
from core.survey import Survey
from core.survey.outside_picture import outside_picture
from core.workspace import open_workspace
from labels_db import LabelsDB, TaskSpec
from tests.run.test_command_line import refused


@pytest.fixture
def hunt(workspace):
    """(workspace, survey, task) of a search for doubles in `spots`."""
    path, _ = workspace
    opened = open_workspace(path)
    with LabelsDB(opened.labels) as db:
        task = db.create_task(
            TaskSpec("hunt", "spots", "Two?", ("double", "single", "bad"), "double")
        )
    survey = Survey.open(opened, "spots")
    choose_embedding(survey, load_embedding(survey, "structure").run_id)
    return opened, survey, task


def picture(kind="double", side=32, **options) -> bytes:
    """A PNG like those of the survey."""
    y, x = np.mgrid[:side, :side] * 32 / side
    spot = 200 * np.exp(-((x - 16) ** 2 + (y - 16) ** 2) / 18)
    if kind == "double":
        spot += 200 * np.exp(-((x - 24) ** 2 + (y - 16) ** 2) / 10)
    grey = np.clip(spot + 20, 0, 255).astype(np.uint8)
    handle = io.BytesIO()
    Image.fromarray(grey).convert("RGB").save(handle, format=options.get("format", "PNG"))
    return handle.getvalue()


def a_picture_of_the_survey(workspace) -> bytes:
    return (workspace.root.parent / "pictures" / "obj-005.png").read_bytes()


def test_a_picture_is_kept_with_who_said_what_and_can_be_taken_back(hunt):
    workspace, survey, task = hunt
    assert pictures_stamp(workspace, "hunt") is None
    one = add_picture(workspace, survey, task, picture(), "/far/away/twin.png", None, "ada")
    stamp = pictures_stamp(workspace, "hunt")
    other = add_picture(workspace, survey, task, picture("single"), "s.png", "single", "bob")
    assert pictures_stamp(workspace, "hunt") != stamp
    kept = {known.sha256: known for known in known_pictures(workspace, "hunt")}
    assert kept == {one.sha256: one, other.sha256: other}
    assert (one.file_name, one.class_name, one.by) == ("twin.png", "double", "ada")
    # The same file again replaces what was said of it.
    again = add_picture(workspace, survey, task, picture(), "twin.png", "bad", "bob")
    assert again.sha256 == one.sha256
    assert {k.class_name for k in known_pictures(workspace, "hunt")} == {"bad", "single"}
    remove_picture(workspace, "hunt", one.sha256)
    assert known_pictures(workspace, "hunt") == [other]
    with pytest.raises(NotFound, match="has no known picture"):
        remove_picture(workspace, "hunt", one.sha256)
    with pytest.raises(NotFound, match="has no known picture"):
        remove_picture(workspace, "hunt", "../../labels")


def test_what_is_no_known_picture_is_said(hunt, monkeypatch):
    workspace, survey, task = hunt

    def add(content, class_name=None):
        return add_picture(workspace, survey, task, content, "p.png", class_name, "ada")

    with pytest.raises(BadInput, match=r"p\.png .*give a JPEG, PNG"):
        add(b"no picture at all")
    with pytest.raises(BadInput, match="is to be 'star'; choose one of them"):
        add(picture(), "star")
    with pytest.raises(BadInput, match="up to 16 MB"):
        add(bytes(MAX_BYTES + 1))
    monkeypatch.setattr("core.run_pictures.MAX_PICTURES", 1)
    add(picture())
    add(picture())
    with pytest.raises(BadInput, match="up to 1 known pictures"):
        add(picture("single"))
    path = next((workspace.root / "examples" / "hunt").glob("*.npz"))
    path.write_bytes(path.read_bytes()[:100])
    (damaged,) = known_pictures(workspace, "hunt")
    assert "cannot be read" in damaged.damage
    with pytest.raises(Damaged, match="cannot be read"):
        picture_content(workspace, "hunt", damaged.sha256)
    taught = taught_pictures(workspace, survey, task, load_embedding(survey).run_id)
    assert taught.outside is None
    assert "1 known picture teaches nothing: The known picture" in taught.words
    remove_picture(workspace, "hunt", damaged.sha256)
    assert known_pictures(workspace, "hunt") == []


def test_the_encoder_in_use_sees_them_as_it_saw_the_survey(hunt):
    workspace, survey, task = hunt
    embedding = load_embedding(survey)
    own = a_picture_of_the_survey(workspace)
    for content, class_name in ((own, "double"), (picture("single", side=64), "single")):
        add_picture(workspace, survey, task, content, f"{class_name}.png", class_name, "ada")
    taught = taught_pictures(workspace, survey, task, embedding.run_id)
    outside = taught.outside
    # A ranking's sentence names the list of what it was taught.
    named = re.fullmatch(r" They are listed in (pictures/[0-9a-f]{12}\.json)\.", taught.words)
    assert named is not None
    listed = json.loads((workspace.task_scores("hunt") / named[1]).read_text(encoding="utf-8"))
    assert [(one["sha256"], one["class_name"]) for one in listed] == list(taught.record)
    assert dict(taught.record)[hashlib.sha256(own).hexdigest()] == "double"
    row = survey.row("obj-005")
    assert outside is not None
    at = outside.classes.index("double")
    assert outside.values[at] == pytest.approx(embedding.rows()[row], rel=2e-3, abs=2e-3)
    engine = Engine(embedding.values, embedding.mask, task.classes, "double")
    ranking = engine.with_outside(outside).rerank({})
    assert ranking.learner is not None
    assert ranking.scores.argmax() == row


def test_a_picture_that_an_encoder_cannot_take_costs_itself_alone(hunt, monkeypatch):
    workspace, survey, task = hunt
    run_id = load_embedding(survey).run_id
    for kind in ("double", "single"):
        add_picture(workspace, survey, task, picture(kind), f"{kind}.png", kind, "ada")
    twin = outside_picture(survey, picture("double"))

    def encode(survey, run_id, images):
        if any((image == twin).all() for image in images):
            raise RuntimeError("cannot allocate")
        return encode_pictures(survey, run_id, images)

    monkeypatch.setattr("core.representation.outside.encode_pictures", encode)
    taught = taught_pictures(workspace, survey, task, run_id)
    assert taught.outside is not None
    assert taught.outside.classes == ("single",)
    assert "1 known picture teaches nothing: it cannot be read or encoded" in taught.words
    assert "RuntimeError: cannot allocate" in taught.words

    def broken(*_):
        raise MemoryError

    monkeypatch.setattr("core.survey.outside_picture.outside_picture", broken)
    taught = taught_pictures(workspace, survey, task, run_id)
    assert (taught.outside, taught.record) == (None, ())
    assert taught.words.startswith(" 2 known pictures teach nothing: ")


def test_the_worker_follows_them(hunt):
    workspace, survey, task = hunt
    with LabelsDB(workspace.labels) as db:
        worker = _Worker(workspace, db, task, lambda *_: None, patient=False)

        def state():
            worker.last_look = float("-inf")  # it looks every two seconds
            worker.turn()
            return db.latest_model("hunt")

        first = state()
        assert first.learner is None
        assert state().version == first.version
        own = a_picture_of_the_survey(workspace)
        add_picture(workspace, survey, task, own, "twin.png", None, "ada")
        taught = state()
        assert taught.version == first.version + 1
        assert taught.learner is not None
        words = "1 known picture is taught beside the answers. They are listed in pictures/"
        assert words in taught.state
        assert db.next_items("hunt", 1)[0].object_id == "obj-005"
        remove_picture(workspace, "hunt", known_pictures(workspace, "hunt")[0].sha256)
        assert state().learner is None
        # A worker that starts later does not take a queue for new that knows no picture.
        add_picture(workspace, survey, task, picture(), "twin.png", None, "ada")
        later = _Worker(workspace, db, db.task("hunt"), lambda *_: None, patient=False)
        later.turn()
        newest = db.latest_model("hunt")
        assert newest is not None
        assert newest.learner is not None


def test_the_job_takes_pictures(hunt, tmp_path, capsys):
    workspace, _, _ = hunt
    file = tmp_path / "one.png"
    file.write_bytes(picture())
    argv = ["examples", "hunt", "--workspace", str(workspace.root), "--by", "ada"]
    assert main([*argv, "--pictures", str(file), "--class", "double", "--id", "obj-000"]) == 0
    out = capsys.readouterr().out
    assert "1 picture is a known example of 'double' in the task hunt" in out
    assert "1 of them is a new label of the task hunt." in out
    assert [one.by for one in known_pictures(workspace, "hunt")] == ["ada"]
    (tmp_path / "bad.png").write_bytes(b"?")
    assert "bad.png" in refused(capsys, *argv, "--pictures", str(tmp_path / "bad.png"))
    assert "nowhere.png" in refused(capsys, *argv, "--pictures", "/nowhere.png")
