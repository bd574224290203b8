"""The pages draw in every state of the workspace, and the tables they give away are right."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.survey import RunFolder
from core.vocabulary import Action, JobKind, Role
from core.workspace import open_workspace
from labels_db import LabelsDB, NewEvent
from pages._server.identity import Identity, install_resolver
from pages._server.services import Services, install
from pages.candidates import candidate_lines
from tests.pages.conftest import IDS, embed, rank


def draw_page() -> None:
    """Runs in AppTest's own script: one page of the navigation, by its name."""
    import importlib

    import streamlit as st

    from pages._shared.tasks import choose_task

    choose_task()
    importlib.import_module(f"pages.{st.session_state['page']}").draw()


def draw(page: str) -> AppTest:
    script = AppTest.from_function(draw_page, default_timeout=20)
    script.session_state["page"] = page
    script.run()
    assert not script.exception
    return script


def label(workspace, object_id: str, class_name: str, number: int) -> None:
    with LabelsDB(workspace.labels) as db:
        db.record(
            NewEvent(
                event_id=f"00000000-0000-4000-8000-{number:012d}",
                task="dual",
                object_id=object_id,
                survey_version=1,
                annotator="ann",
                action=Action.LABEL,
                class_name=class_name,
                sampler="margin",
                score=0.5,
                model_version=1,
            )
        )


@pytest.mark.parametrize("page", ["label", "map", "candidates", "runs"])
def test_an_empty_workspace_says_how_to_start(page, tmp_path):
    owner = Identity("owner", "ann", Role.OWNER)
    services = Services(open_workspace(tmp_path / "empty"), owner, start_processes=False)
    install(services)
    install_resolver(lambda _: owner)
    try:
        script = draw(page)
    finally:
        install_resolver(None)
        install(None)
    title = script.title[0].value
    assert title == ("Runs" if page == "runs" else "No survey yet")


def test_a_survey_without_a_task_asks_for_one(services, workspace):
    workspace.labels.unlink()
    script = draw("map")
    assert script.title[0].value == "No task yet"
    assert "Make a task" in [button.label for button in script.button]


def test_the_map_waits_for_the_embedding(services):
    script = draw("map")
    assert not script.error
    assert any("embedding" in caption.value for caption in script.caption)


def test_the_map_is_pca_until_there_is_a_umap(services):
    survey = services.survey("tiny")
    embed(survey)
    captions = [caption.value for caption in draw("map").caption]
    assert any("PCA shown until UMAP is ready" in caption for caption in captions)
    embedding = services.embedding(survey).run_id
    with RunFolder(survey, JobKind.MAP, {"projection": "umap", "embedding_run": embedding}) as run:
        np.save(run.path / "map.npy", np.zeros((len(survey), 2), np.float32))
    captions = [caption.value for caption in draw("map").caption]
    assert any(caption.startswith("UMAP of the embedding") for caption in captions)
    assert not any("PCA" in caption or "older" in caption for caption in captions)


def test_a_map_of_another_embedding_says_so(services):
    survey = services.survey("tiny")
    embed(survey)
    with RunFolder(survey, JobKind.MAP, {"projection": "umap", "embedding_run": "old"}) as run:
        np.save(run.path / "map.npy", np.zeros((len(survey), 2), np.float32))
    assert services.map(survey).note == "This map shows another embedding than the one in use."


def test_the_map_of_the_embedding_in_use_comes_before_a_newer_one_of_another(services):
    from core.representation import choose_embedding, finished_embeddings

    survey = services.survey("tiny")
    embed(survey)
    first = services.embedding(survey).run_id
    for embedding in (first, "another"):
        config = {"projection": "umap", "embedding_run": embedding}
        with RunFolder(survey, JobKind.MAP, config) as run:
            np.save(run.path / "map.npy", np.zeros((len(survey), 2), np.float32))
    assert services.map(survey).embedding_run == first
    assert services.map(survey).note == ""
    services._warm.set()
    assert services.map_anew(survey).mapped
    embed(survey, "pca")
    other = next(one.run_id for one in finished_embeddings(survey) if one.encoder == "pca")
    choose_embedding(survey, other)
    services._embeddings._values.clear()
    assert services.embedding(survey).run_id == other
    assert services.map(survey).note
    assert services.map_anew(survey).sentence == "The job map has not run yet."


def test_candidates_before_and_after_the_first_model(services, workspace):
    assert "Nothing is ranked yet" in draw("candidates").info[0].value
    rank(workspace, IDS, learner=None)
    assert any("anomaly score" in one.value for one in draw("candidates").caption)
    rank(workspace, IDS)
    captions = [one.value for one in draw("candidates").caption]
    assert any(one.startswith("Ranked by P(dual) of model 2") for one in captions)
    assert not any("anomaly" in one for one in captions)


def test_the_candidate_table_has_every_object_by_score_with_its_columns(services, workspace):
    from core.export import rank_candidates

    rank(workspace, IDS)
    task, survey = services.db().task("dual"), services.survey("tiny")
    scores = services.scores(task)
    assert scores is not None
    ranked = rank_candidates(survey.object_ids, scores.values)
    rows = list(csv.DictReader(candidate_lines(task, survey, scores, ranked)))
    assert [row["object_id"] for row in rows] == IDS  # the scores of `rank` fall with the row
    assert [float(row["flux"]) for row in rows] == [float(i) for i in range(len(IDS))]
    assert {row["model_version"] for row in rows} == {"1"}


def test_scores_whose_file_is_gone_are_none(services, workspace):
    rank(workspace, IDS)
    task = services.db().task("dual")
    assert services.scores(task) is not None
    for path in workspace.task_scores("dual").glob("*.npy"):
        path.unlink()
    services._scores._values.clear()
    assert services.scores(task) is None
