"""The Quality view: who may assess, what is said before and after, what stays hidden."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
from streamlit.testing.v1 import AppTest

from core.representation.quality import (
    Assessment,
    Comparison,
    Probe,
    Sheet,
    embedding_runs,
    keep,
)
from core.survey import RunFolder
from core.vocabulary import JobKind
from pages._shared import encoders_quality
from pages._shared.encoders_quality_figures import (
    differences,
    distances,
    probes,
    rank_spectrum,
    two_point_curves,
)
from tests.pages.conftest import embed
from tests.pages.kit import one, open_page, open_panel, press, text_of


def draw() -> AppTest:
    return open_panel("encoders_quality:draw_quality")


def assessment(encoder: str, run_id: str, *, probed: bool = False) -> Assessment:
    rng = np.random.default_rng(0)
    return Assessment(
        run_id=run_id,
        encoder=encoder,
        dimensions=4,
        n_objects=6,
        n_masked=0,
        n_measured=6,
        measures={"two_point": 3.0, "consistency": 0.5, "rankme": 3.0, "alignment": None},
        errors={"two_point": 1.0},
        clusters=(),
        alarms=(),
        probes=(Probe("lens", 5, 20, (0.5, 0.4, 0.6), (0.3, 0.2, 0.4)),) if probed else (),
        notes=("Two views were not compared: <why>",),
        verdict=f"Of {encoder}.",
        arrays={
            "r": np.array([0.3, 1.0]),
            "eps": np.array([4.0, 0.1]),
            "sigma": np.array([1.0, 0.1]),
            "shares": np.array([0.7, 0.3, 0.0]),
            "batch": np.array([0, 1, 2]),
            "differences": rng.random((3, 3)),
        },
    )


def keep_one(survey, *assessments, task=None) -> str:
    with RunFolder(survey, JobKind.QUALITY, {"embeddings": [], "task": task}) as run:
        ids = [str(one) for one in survey.object_ids[:3]]
        sheets = [Sheet(ids[0], {one.run_id: tuple(ids[1:]) for one in assessments})]
        found = Comparison(tuple(assessments), "Take one_of_them.")
        keep(run.path, found, sheets, f"the task {task}" if task else "")
        return run.run_id


def test_before_an_embedding_and_before_an_assessment(services, sign_in, jobs):
    assert "no embedding yet" in text_of(draw())
    embed(services.survey("tiny"))
    script = draw()
    assert "have not been assessed yet" in text_of(script)
    press(script, "Assess the embeddings")
    run_id = embedding_runs(services.survey("tiny"))[0].run_id
    assert jobs == [(JobKind.QUALITY, "tiny", ["tiny", f"--run={run_id}"])]


def test_a_viewer_reads_and_does_not_start(services, sign_in, jobs):
    embed(services.survey("tiny"))
    sign_in("vic")
    script = draw()
    assert "have not been assessed yet" in text_of(script)
    assert not script.button


def test_an_assessment_is_told_in_words_table_and_figures(services, sign_in, jobs):
    embed(services.survey("tiny"))
    survey = services.survey("tiny")
    keep_one(survey, assessment("pca", "run-a"), assessment("pca", "run-bbbbbb"))
    script = draw()
    said = text_of(script)
    for words in (
        "No clear difference between pca, run-a and pca, bbbbbb.",
        "an embedding that was not assessed here",
        "Of pca.",
        "<why>",
        "pca, bbbbbb",
        "same for each embedding",
    ):
        assert words in said
    assert str(survey.object_ids[1]) in said
    table = script.dataframe[0].value
    assert table["Two-point score"].tolist() == ["3.0 \N{PLUS-MINUS SIGN} 1.0"] * 2
    assert table["Alignment"].tolist() == ["\N{EN DASH}"] * 2
    assert len(script.get("plotly_chart")) == 4
    assert "No training of this survey" in said


def test_an_object_is_looked_up_and_a_wrong_id_is_told(services, sign_in, jobs):
    survey = services.survey("tiny")
    embed(survey)
    run_id = embedding_runs(survey)[0].run_id
    keep_one(survey, assessment("fusion", run_id))
    script = draw()
    one(script.text_input, "Object").set_value(str(survey.object_ids[1])).run()
    assert not script.exception
    assert "How far all others are from it" in text_of(script)
    assert len(script.get("plotly_chart")) == 4
    script = draw()
    one(script.text_input, "Object").set_value("no-such").run()
    assert "has no object 'no-such'" in text_of(script)


def test_a_damaged_assessment_is_a_sentence(services, sign_in, jobs):
    embed(services.survey("tiny"))
    survey = services.survey("tiny")
    run_id = keep_one(survey, assessment("pca", "run-a"))
    (survey.folder / "runs" / run_id / "run-a.npz").unlink()
    script = open_page("encoders", {"view": "quality"})
    assert "assess the embeddings again" in text_of(script)


def test_probes_are_kept_from_whom_the_labels_are_kept(services, sign_in, jobs, monkeypatch):
    embed(services.survey("tiny"))
    survey = services.survey("tiny")
    task = services.db().tasks("tiny")[0].name
    keep_one(survey, assessment("pca", "run-a", probed=True), task=task)
    assert "With labels" in text_of(draw())
    monkeypatch.setattr(encoders_quality, "is_hidden_here", lambda task: True)
    said = text_of(draw())
    assert "With labels" not in said
    assert "lens" not in said


def test_the_csv_has_every_number_and_is_safe():
    odd = Probe("=lens", 5, 20, (0.5, 0.4, 0.6), (0.3, 0.2, 0.4))
    one = replace(assessment("pca", "run-a"), probes=(odd,), verdict="=1+1")
    rows = list(csv.DictReader(io.StringIO(encoders_quality._csv([one, assessment("b", "r")]))))
    assert rows[0]["two_point"] == "3.0"
    assert rows[0]["two_point_error"] == "1.0"
    assert rows[0]["ap_=lens_linear_high"] == "0.6"
    assert rows[1]["ap_=lens_linear"] == ""
    assert not rows[0]["verdict"].startswith("=")


def test_figures_can_be_drawn_and_are_json():
    found = [assessment("<b>a", "run-a", probed=True), assessment("b", "run-b", probed=True)]
    names = {"run-a": "<b>a", "run-b": "b"}
    figures = [
        two_point_curves(found, names),
        rank_spectrum(found, names),
        differences(found[0], ["<i>", "y", "z"]),
        distances({"run-b": np.array([0.1, 0.4])}, names, list(names)),
        probes(found, names, "lens"),
    ]
    for figure in figures:
        text = json.dumps(json.loads(figure.to_json()))
        assert "<b>a" not in text.replace("&lt;b&gt;a", "")
        assert "<i>" not in text
    # A colour belongs to an embedding, whichever figure it is in.
    assert figures[3].data[0].line.color == figures[0].data[1].line.color
    assert figures[0].data[0].y.tolist() == [5.0, 1.1]
