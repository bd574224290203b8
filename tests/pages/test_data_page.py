"""The data page: who sees what, the way of an import through it, and what a summary shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.errors import BadInput, NotReady
from core.survey import Batch, ImportOptions, SurveyWriter, import_survey
from core.survey.added_columns import write_columns
from core.survey.batch import Reject
from core.survey.interrupted import Interrupted
from core.survey.layout import ColumnInfo
from core.vocabulary import JobKind, Role
from core.workspace import open_workspace
from labels_db import TaskSpec
from pages._server.identity import Identity, install_resolver
from pages._server.services import Services, install
from pages._shared import data_import, data_jobs, data_roots, new_task
from pages._shared.data_form import keep_positions
from tests.pages.conftest import IDS
from tests.pages.kit import one, open_page, press, text_of

PREVIEW = {
    "reader": "folder",
    "description": "a folder of pictures",
    "n_entries": 3,
    "notes": ["Files that are no images and were left out: 1 (.csv 1)."],
    "settings": ["images: 8-bit pictures", "column of ids: name"],
    "bands": ["R", "G", "B"],
    "size_px": 8,
    "dtype": "uint8",
    "pixel_scale": None,
    "origin": "folder x",
    "licence": "not stated",
    "grid": None,
    "units": {"mag": "mag"},
    "objects": [
        {
            "object_id": "<b>a",
            "columns": {"mag": 1.5, "big": "1237648720693755918"},
            "picture": "",
            "spectrum": [1.0, None, 2.0],
        }
    ],
    "rejects": [["cut.png", "", "is cut short"]],
    "tally": {"Pictures resampled": 1},
}


@pytest.fixture
def pictures(tmp_path):
    """A folder with three pictures below an allowed root."""
    folder = tmp_path / "root" / "my pictures"
    folder.mkdir(parents=True)
    for name in ("a", "b", "c"):
        values = np.random.default_rng(ord(name)).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")
    data_roots.install([tmp_path / "root"])
    yield folder
    data_roots.install([])


@pytest.fixture
def previews(monkeypatch):
    """What the preview answers, and what it was asked."""
    asked: list[tuple[str, dict]] = []
    answers: list[object] = []

    def run(source, options, tell):
        asked.append((str(source), options.as_dict()))
        answer = answers.pop(0) if answers else PREVIEW
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(data_import, "run_preview", run)
    run.asked, run.answers = asked, answers  # type: ignore[attr-defined]
    return run


def draw(**state) -> AppTest:
    return open_page("data", state={name.replace("_", " "): state[name] for name in state})


def test_an_empty_workspace_opens_on_the_import(tmp_path):
    owner = Identity("owner", "ann", Role.OWNER)
    empty = Services(open_workspace(tmp_path / "empty"), owner, start_processes=False)
    install(empty)
    install_resolver(lambda _: owner)
    try:
        page = draw()
        assert one(page.button, "Preview").disabled
        install_resolver(lambda _: Identity("cat", "cat", Role.ANNOTATOR))
        assert "ann has not added one yet" in text_of(draw())
    finally:
        install_resolver(None)
        install(None)


@pytest.mark.parametrize("name", ["cat", "vic"])
def test_who_is_not_the_owner_sees_the_surveys_and_cannot_import(services, sign_in, name):
    sign_in(name)
    script = draw(data_view="Import")
    assert "9 objects" in text_of(script)
    labels = [button.label for button in script.button]
    assert not {"Preview", "Make a task", "Add objects"} & set(labels)
    assert str(services.workspace.root) not in text_of(script)


def test_an_import_cannot_be_started_by_others(services, sign_in, jobs):
    from core.errors import Forbidden

    sign_in("cat")
    with pytest.raises(Forbidden):
        data_jobs.start_import("x", ["/data", "--name=x"])
    assert jobs == []


def test_a_summary_shows_counts_rejects_and_what_looks_wrong(services, sign_in, workspace):
    images = np.random.default_rng(0).normal(5, 1, (30, 1, 8, 8)).astype(np.float32)
    images[3] = 0
    with SurveyWriter(
        workspace,
        "odd",
        bands=("r",),
        cutout_size_px=8,
        dtype="float32",
        origin="<i>somewhere",
        licence="none",
    ) as writer:
        columns: list[dict[str, Any]] = [
            {"ra": 10 + row / 100, "dec": row / 50.0, "<u>x": row} for row in range(30)
        ]
        rejects = [Reject("cut.fits", "is cut short <b>"), Reject("a.tar", "is empty", "m.fits")]
        writer.append(Batch([f"o<{row}" for row in range(30)], images, columns, None, rejects))
        writer.commit()
    script = open_page("data", {"survey": "odd"})
    page = text_of(script)
    assert "<b>30</b><span>objects</span>" in page
    assert "<b>2</b><span>rejected</span>" in page
    assert "&lt;i&gt;somewhere" in page
    assert "every pixel is zero" in page
    assert "o&lt;3" in page
    assert "o<3" not in page
    assert "1: is cut short <b>" in page  # Markdown's escapes are taken off by text_of
    assert len(script.get("plotly_chart")) == 2
    tables = {tuple(frame.value.columns): frame.value for frame in script.dataframe}
    rejected = tables[("source", "member", "reason")]
    assert rejected["source"].tolist() == ["cut.fits", "a.tar"]
    # There is no task of this survey: pictures are no links.
    assert "/?task=" not in page


def test_objects_open_on_the_label_page_of_the_surveys_task(services, sign_in):
    page = text_of(draw())
    assert page.count("/?task=dual&amp;object=") >= len(IDS)


def test_a_survey_that_is_not_there_or_damaged_is_told(services, sign_in, workspace):
    script = open_page("data", {"survey": "none"})
    assert "There is no survey 'none'; showing tiny" in text_of(script)
    (workspace.surveys / "tiny" / "versions" / "1" / "rejects.csv").unlink()
    services._surveys._values.clear()
    page = text_of(draw())
    assert "cannot be opened" in page
    assert "rejects.csv is missing" in page


def test_the_way_of_an_import(services, sign_in, jobs, pictures, previews):
    script = draw(data_view="Import")
    one(script.text_input, "Path of a file or folder").set_value(str(pictures)).run()
    assert one(script.text_input, "Name of the survey").value == "my-pictures"
    assert "a.png, " in "\n".join(button.label for button in script.button).replace("\\", "")
    assert "Import" not in [button.label for button in script.button]
    press(script, "Preview")
    page = text_of(script)
    assert "A folder of pictures (reader folder): 3 entries" in page.replace("**", "")
    assert "Found out or chosen: images: 8-bit pictures; column of ids: name" in page
    assert "Files that are no images" in page
    assert "Pictures resampled: 1 of the first" in page
    assert "&lt;b&gt;a" in page
    assert "1237648720693755918" in script.dataframe[0].value.to_string()
    one(script.text_input, "Values that mean not measured").set_value("-10, -999").run()
    assert "The form has changed since this preview." in text_of(script)
    one(script.text_input, "Name of the survey").set_value("tiny").run()
    assert "There is already a survey 'tiny'" in text_of(script)
    one(script.text_input, "Name of the survey").set_value("mine").run()
    press(script, "Import")
    arguments = [str(pictures), "--name=mine", "--missing=-10,-999"]
    assert jobs == [(JobKind.IMPORT, "mine", arguments)]
    assert previews.asked == [(str(pictures), {})]
    # A setting that is out of sight must not go into the next import.
    assert one(script.text_input, "Path of a file or folder").value == ""
    assert one(script.text_input, "Values that mean not measured").value == ""
    assert one(script.selectbox, "Join").value == "id"


def test_the_list_leads_through_folders(services, sign_in, pictures):
    script = draw(data_view="Import")
    press(script, "my pictures")
    assert one(script.text_input, "Path of a file or folder").value == str(pictures)
    press(script, "One folder up")
    assert one(script.text_input, "Path of a file or folder").value == str(pictures.parent)


def test_what_was_typed_stays_while_the_surveys_are_looked_at(services, sign_in, pictures):
    script = draw(data_view="Import")
    one(script.text_input, "Path of a file or folder").set_value(str(pictures)).run()
    one(script.text_input, "Bands").set_value("g,r").run()
    one(script.get("button_group"), "View").set_value("Surveys").run()
    assert "Examples" in text_of(script)
    one(script.get("button_group"), "View").set_value("Import").run()
    assert one(script.text_input, "Path of a file or folder").value == str(pictures)
    assert one(script.text_input, "Bands").value == "g,r"


def test_refusals_are_sentences_and_no_import_can_follow(services, sign_in, pictures, previews):
    script = draw(data_view="Import")
    box = one(script.text_input, "Path of a file or folder")
    box.set_value("/etc").run()
    assert "Data are read from" in text_of(script)
    press(script, "Preview")
    assert text_of(script).count("is elsewhere") == 1
    assert "Folders with data" in text_of(script) or "my pictures" in [
        button.label for button in script.button
    ]
    box.set_value("my pictures").run()
    assert "A path begins with / or ~, but is 'my pictures'; give all of it." in text_of(script)
    assert "is elsewhere" not in text_of(script)  # said of another path
    box.set_value(str(pictures)).run()
    previews.answers.append(BadInput("It holds <b>nothing*."))
    press(script, "Preview")
    assert "It holds <b>nothing*." in text_of(script)
    assert "Import" not in [button.label for button in script.button]
    one(script.text_input, "Cutout size (pixels)").set_value("large").run()
    press(script, "Preview")
    assert "The cutout size is a whole number, but is 'large'" in text_of(script)
    one(script.text_input, "Cutout size (pixels)").set_value("").run()
    previews.answers.append(NotReady("It took too long."))
    press(script, "Preview")
    assert "It took too long." in text_of(script)
    assert "Import" in [button.label for button in script.button]  # a preview is no condition


def test_pasted_positions_become_a_file_of_the_workspace(services, sign_in, jobs, previews):
    script = draw(data_view="Import")
    one(script.get("button_group"), "Where the data are").set_value("Paste positions").run()
    box = script.text_area[0]
    box.set_value("10.5 -3.25\r\n11 4\n").run()
    one(script.text_input, "Name of the survey").set_value("mine").run()
    file = keep_positions("10.5 -3.25\r\n11 4\n", "mine")
    previews.answers.append(BadInput(f"{file} is no table."))
    press(script, "Preview")
    assert "The pasted positions are no table." in text_of(script)
    told = {"notes": [f"From {file}."], "rejects": [[file.name, "2", "is far off"]]}
    previews.answers.append(PREVIEW | told)
    press(script, "Preview")
    page = text_of(script) + script.dataframe[-1].value.to_string()
    press(script, "Import")
    ((_, name, (path, *rest)),) = jobs
    assert "the pasted positions" in page
    assert "incoming" not in page
    assert Path(path).name not in page
    assert name == "mine"
    assert Path(path).read_bytes() == b"10.5 -3.25\n11 4\n"
    assert path.startswith(str(services.workspace.root / "incoming" / "mine-"))
    assert rest[:2] == ["--name=mine", "--reader=sky"]
    assert any(one.startswith("--set=service=") for one in rest)


def test_objects_are_added_to_a_survey(services, sign_in, jobs, pictures, previews):
    script = press(draw(), "Add objects")
    assert "The objects are added to tiny as its next version" in text_of(script).replace("*", "")
    assert "Name of the survey" not in [field.label for field in script.text_input]
    one(script.text_input, "Path of a file or folder").set_value(str(pictures)).run()
    press(script, "Preview")
    press(script, "Add to tiny")
    assert jobs == [(JobKind.IMPORT, "tiny", [str(pictures), "--name=tiny", "--append"])]


def test_a_stopped_import_goes_on_or_is_forgotten(
    services, sign_in, jobs, pictures, monkeypatch, workspace
):
    options = ImportOptions(size_px=64, bands=("g", "r"), more={"hdu": "1"})
    stopped = [
        Interrupted(
            *("half", str(pictures), options, 1200, 5000, "2024-01-01T00:00:00+00:00"),
            adds=False,
            running=False,
        ),
        Interrupted(
            *("going", str(pictures), options, 1, 2, "2024-01-01T00:00:00+00:00"),
            adds=False,
            running=True,
        ),
    ]
    monkeypatch.setattr(data_jobs, "interrupted", lambda _workspace: stopped)
    gone: list[str] = []
    monkeypatch.setattr(data_jobs, "discard", lambda _workspace, name: gone.append(name))
    script = draw()
    assert "An import of half stopped at 1,200 of 5,000." in text_of(script).replace("*", "")
    assert "going" not in text_of(script)
    press(script, "Go on")
    said = [str(pictures), "--name=half", "--size-px=64", "--bands=g,r", "--set=hdu=1"]
    assert jobs == [(JobKind.IMPORT, "half", said)]
    press(draw(), "Start anew")
    assert jobs[1] == (JobKind.IMPORT, "half", [*said, "--restart"])
    press(draw(), "Yes, discard it")
    assert gone == ["half"]


def test_a_running_import_shows_its_progress_and_is_cancelled(services, sign_in):
    database = services.db()
    database.start_run("import-x-1", JobKind.IMPORT, "x", {})
    database.heartbeat("import-x-1", fraction=0.25, message="Read 5 of 20.", eta_s=75)
    script = draw()
    progress = script.get("progress")[0].proto
    assert progress.value == 25
    assert progress.text.replace("\\", "").endswith("Read 5 of 20. About 1 min 15 s left.")
    press(script, "Cancel")
    assert database.cancel_requested("import-x-1")


def test_how_an_import_ended_is_said(services, sign_in, monkeypatch):
    database = services.db()
    database.start_run("import-x-1", JobKind.IMPORT, "x", {})
    database.finish_run("import-x-1", {"objects": 1200, "rejects": 3})
    database.start_run("import-y-1", JobKind.IMPORT, "y", {})
    database.fail_run("import-y-1", "The disk is full.")
    script = draw(imports_ended={"x": None, "y": None})
    page = text_of(script).replace("*", "")
    assert "x: 1,200 objects, 3 rejected." in page
    assert "The disk is full." in page
    assert "Open its summary" in [button.label for button in script.button]
    # Good news is for the view where it came; bad news stays until it is put away.
    script.run()
    assert "x: 1,200 objects" in text_of(script).replace("*", "")
    one(script.get("button_group"), "View").set_value("Import").run()
    assert "x: 1,200 objects" not in text_of(script).replace("*", "")
    assert "The disk is full." in text_of(script)
    one(script.get("button_group"), "View").set_value("Surveys").run()
    assert "x: 1,200 objects" not in text_of(script).replace("*", "")


def test_good_news_goes_with_the_survey_that_is_looked_at(services, sign_in, workspace):
    with SurveyWriter(
        workspace, "other", bands=(), cutout_size_px=0, dtype="float32", origin="", licence=""
    ) as writer:
        writer.append(Batch(["a"], None, [{"x": 1}], None, []))
        writer.commit()
    database = services.db()
    database.start_run("import-tiny-1", JobKind.IMPORT, "tiny", {})
    database.finish_run("import-tiny-1", {"objects": 9, "rejects": 0})
    script = draw(imports_ended={"tiny": None})
    assert "tiny: 9 objects, 0 rejected." in text_of(script).replace("*", "")
    script.query_params["survey"] = "other"
    script.run()
    assert "tiny: 9 objects, 0 rejected." not in text_of(script).replace("*", "")


def test_a_task_that_was_made_leads_to_its_label_page(services, sign_in, monkeypatch):
    services.db().create_task(TaskSpec("lenses", "tiny", "A lens?", ("lens", "no"), "lens"))
    # The dialog that asks for it, answered at once.
    monkeypatch.setattr(new_task, "new_task", lambda chosen: chosen("lenses"))
    script = press(draw(), "Make a task")
    page = text_of(script)
    assert "The task **lenses** is made." in page
    assert 'href="/?task=lenses" target="_self">Start labelling</a>' in page
    assert "Start labelling" in text_of(script.run())
    one(script.get("button_group"), "View").set_value("Import").run()
    assert "Start labelling" not in text_of(script)


def test_columns_that_came_later_are_listed(services, sign_in, workspace):
    survey = services.survey("tiny")
    redshift = pa.array([0.5, None, *[0.1] * (len(IDS) - 2)], pa.float64())
    write_columns(
        survey,
        "known-1",
        "crossmatch",
        {"z": redshift, "name": pa.array(["?"] * len(IDS))},
        info={"z": ColumnInfo("", "redshift")},
    )
    assert "Columns added later" in [one.value for one in draw().subheader]
    write_columns(
        survey, "known-2", "duplicates", {"name": pa.array(["M 87"])}, object_ids=IDS[:1]
    )
    (frame,) = [one.value for one in draw().dataframe if "Added by" in one.value.columns]
    rows = {row.pop("Column"): row for row in frame.to_dict("records")}
    assert rows["z"]["Added by"] == "crossmatch"
    assert (rows["z"]["Objects with a value"], rows["z"]["Description"]) == (
        len(IDS) - 1,
        "redshift",
    )
    assert (rows["name"]["Added by"], rows["name"]["Objects with a value"]) == ("duplicates", 1)
    (survey.folder / "columns" / "known-1.json").write_text("{")
    page = text_of(draw())
    assert "known-1.json cannot be read" in page
    assert "How it came about" in page


def test_provenance_comes_from_the_record_of_the_import(services, sign_in, workspace, pictures):
    import_survey(workspace, pictures, "mine", ImportOptions(licence="CC0"))
    script = open_page("data", {"survey": "mine"})
    frames = [frame.value for frame in script.dataframe if "Value" in frame.value.columns]
    rows = dict(zip(frames[-1][""], frames[-1]["Value"], strict=True))
    assert rows["Reader"] == "folder"
    assert rows["Source"] == str(pictures)
    assert rows["Licence"] == "CC0"
    assert rows["Entries seen"] == "3"
    services.db().create_task(TaskSpec("t", "mine", "?", ("a", "b"), "a"))
