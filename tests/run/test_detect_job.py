"""`python -m core.run detect`: what is ranked, by whom, what is kept, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.discovery import DETECTORS, prepare
from core.discovery.registry import Entry
from core.errors import BadInput, Cancelled, Damaged, NotFound, NotReady
from core.run import main
from core.run_detect import _Watched, detections, run_detect
from core.survey import Batch, RunFolder, Survey, SurveyWriter
from core.vocabulary import JobKind, RunState
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB

N, UNSEEN = 40, (3, 17)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """With the survey `spots`, of pictures that nobody looks at."""
    made = open_workspace(tmp_path / "ws")
    with SurveyWriter(
        made,
        "spots",
        bands=("R",),
        cutout_size_px=4,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        ids = [f"s{row:02d}" for row in range(N)]
        images = np.zeros((N, 1, 4, 4), np.uint8)
        writer.append(Batch(object_ids=ids, images=images, columns=[{} for _ in ids]))
        writer.commit()
    return made


def values_of(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, 3)).astype(np.float32) * (1, 5, 0.2)


def embed(survey: Survey, values: np.ndarray, unseen=UNSEEN) -> str:
    mask = np.ones(N, bool)
    mask[list(unseen)] = False
    values = np.where(mask[:, None], values, np.nan).astype(np.float32)
    with RunFolder(survey, JobKind.EMBED, {"encoder": "pca"}) as run:
        np.save(run.path / "embedding.npy", values)
        np.save(run.path / "mask.npy", mask)
    return run.run_id


@pytest.fixture
def survey(workspace) -> Survey:
    return Survey.open(workspace, "spots")


def knn_by_hand(values: np.ndarray, seen: list[int]) -> dict[int, float]:
    """Mean distance to the ten nearest others, columns standardised over what was seen."""
    scaled = (values - values[seen].mean(axis=0)) / values[seen].std(axis=0)
    found = {}
    for row in seen:
        far = sorted(float(np.linalg.norm(scaled[row] - scaled[one])) for one in seen)
        found[row] = sum(far[1:11]) / 10  # the first is itself
    return found


def test_what_was_seen_is_ranked_among_itself(workspace, survey):
    values = values_of()
    run_id = embed(survey, values)
    [made] = run_detect(workspace, "spots", ["knn_distance"], run_id, quiet=True)
    assert (made.detector, made.embedding_run, made.encoder) == ("knn_distance", run_id, "pca")
    assert (made.n_objects, made.n_unseen) == (N, len(UNSEEN))
    scores = made.scores()
    assert scores.dtype == np.float32
    assert np.flatnonzero(np.isnan(scores)).tolist() == list(UNSEEN)
    expected = knn_by_hand(values, [row for row in range(N) if row not in UNSEEN])
    np.testing.assert_allclose([scores[row] for row in expected], list(expected.values()), 1e-4)


def test_each_detector_has_a_run_of_its_own_and_a_seed_repeats_it(workspace, survey):
    run_id = embed(survey, values_of())
    asked = ["isolation_forest", "mahalanobis", "isolation_forest"]
    made = run_detect(workspace, "spots", asked, run_id, seed=7, quiet=True)
    assert [one.detector for one in made] == asked[:2]
    assert {one.run_id for one in detections(survey)} == {one.run_id for one in made}
    record = json.loads((made[0].path / "config.json").read_text())
    assert record["seed"] == 7
    assert record["result"]["n_scored"] == N - len(UNSEEN)
    [again] = run_detect(workspace, "spots", asked[:1], run_id, seed=7, quiet=True)
    np.testing.assert_array_equal(again.scores(), made[0].scores())
    with LabelsDB(workspace.labels) as db:
        kept = {run.run_id: run for run in db.runs(10) if run.kind == "detect"}
    assert set(kept) == {one.run_id for one in [*made, again]}
    assert all(run.state is RunState.DONE for run in kept.values())


def test_a_large_survey_is_read_in_pieces_with_the_same_result(workspace, survey, monkeypatch):
    run_id = embed(survey, values_of(), unseen=())
    names = ["knn_distance", "reconstruction", "farthest_first"]
    whole = run_detect(workspace, "spots", names, run_id, quiet=True)
    monkeypatch.setattr(prepare, "CHUNK", 16)
    pieces = run_detect(workspace, "spots", names, run_id, quiet=True)
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one.scores(), other.scores(), rtol=1e-5)


def test_a_detector_is_stopped_while_it_reads():
    rows = prepare.Standardised(values_of(), np.ones(N, bool))
    told = []

    def tell(fraction: float, message: str) -> None:
        told.append((fraction, message))
        if fraction > 0.4:
            raise Cancelled("Stopped.")

    watched = _Watched(rows, tell, "knn_distance", " (1 of 2)")
    np.testing.assert_array_equal(watched[:10], np.asarray(rows)[:10])
    assert len(watched[np.arange(10)]) == 10
    with pytest.raises(Cancelled):
        watched[:10]
    assert told == [(share, "knn_distance (1 of 2)") for share in (0.0, 0.25, 0.5)]


def test_one_that_tells_nothing_does_not_stop_the_others(workspace, survey, monkeypatch):
    run_id = embed(survey, values_of())
    flat = Entry("flat", lambda values, _unseen, _seed: np.ones(len(values)), "all is one")
    broken = Entry("broken", lambda values, _unseen, _seed: values[:, 0] / 0, "nothing")
    monkeypatch.setattr(
        DETECTORS, "_entries", {**DETECTORS._entries, "flat": flat, "broken": broken}
    )
    with (
        np.errstate(all="ignore"),
        pytest.raises(BadInput, match=r"flat gives all 38 objects.*broken has no score for 38"),
    ):
        run_detect(workspace, "spots", ["flat", "broken", "knn_distance"], run_id, quiet=True)
    assert [one.detector for one in detections(survey)] == ["knn_distance"]
    with LabelsDB(workspace.labels) as db:
        states = {run.config["detector"]: run.state for run in db.runs(10)}
    assert states["flat"] is states["broken"] is RunState.FAILED
    assert states["knn_distance"] is RunState.DONE


def test_what_cannot_be_ranked(workspace, survey):
    with pytest.raises(NotReady, match=r"no .* embedding yet"):
        run_detect(workspace, "spots", quiet=True)
    run_id = embed(survey, values_of())
    for given, error, said in (
        ({"detectors": ["nose"]}, BadInput, "detector must be one of .*'nose'"),
        ({"seed": -1}, BadInput, "--seed must be zero or more"),
        ({"seed": 2**32}, BadInput, "below 4,294,967,296, but is 4294967296"),
        ({"embedding_run": "embed-none"}, NotFound, "no finished embedding of spots"),
        (
            {"embedding_run": embed(survey, values_of(), unseen=range(4, N))},
            BadInput,
            "needs 5 objects that the encoder saw, but .* saw 4 of the 40",
        ),
        (
            {"embedding_run": embed(survey, np.ones((N, 3)))},
            BadInput,
            "says the same of every object",
        ),
    ):
        asked: dict[str, Any] = {"embedding_run": run_id, **given}
        with pytest.raises(error, match=said):
            run_detect(workspace, "spots", **asked, quiet=True)
    assert detections(survey) == []


def test_a_ranking_says_whose_answers_the_embedding_was_taught(workspace, survey):
    run_id = embed(survey, values_of())
    [made] = run_detect(workspace, "spots", ["lof"], run_id, quiet=True)
    assert made.taught_by == ()
    config = survey.folder / "runs" / run_id / "config.json"
    record = json.loads(config.read_text())
    refined = {"run": "refine-1", "task": "rings", "earlier": ["bars"]}
    part = {"name": "vicreg", "settings": {"weights": {"surveys": [], "refined": refined}}}
    record["result"] = {"parts": [{"name": "peaks", "settings": {"weights": "x"}}, part]}
    config.write_text(json.dumps(record))
    [made] = run_detect(workspace, "spots", ["lof"], run_id, quiet=True)
    assert made.taught_by == ("bars", "rings")
    record = json.loads((made.path / "config.json").read_text())
    assert record["config"]["taught_by"] == ["bars", "rings"]


def test_a_ranking_of_another_version_or_a_damaged_one(workspace, survey):
    run_id = embed(survey, values_of())
    [made] = run_detect(workspace, "spots", ["lof"], run_id, quiet=True)
    path = made.path / "scores.npy"
    np.save(path, np.zeros(N - 1, np.float32))
    with pytest.raises(Damaged, match=r"should hold 40 numbers .* \(39,\)"):
        made.scores()
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(Damaged, match="cannot be read"):
        made.scores()
    path.unlink()
    with pytest.raises(Damaged, match="rank the survey again"):
        made.scores()
    config = made.path / "config.json"
    record = json.loads(config.read_text())
    record["survey"]["content_hash"] = "another"
    config.write_text(json.dumps(record))
    assert detections(survey) == []


def test_the_command_says_which_are_oddest(workspace, survey, capsys):
    values = values_of()
    values[11] = 40
    run_id = embed(survey, values)
    argv = ["detect", "spots", "--detector", "mahalanobis", "--embedding", run_id]
    assert main([*argv, "--workspace", str(workspace.root)]) == 0
    said = capsys.readouterr().out
    assert "38 objects ranked by mahalanobis, the oddest s11, " in said
    assert "2 could not be seen by pca." in said
    assert main([*argv, "--seed", "-2", "--workspace", str(workspace.root)]) == 2
    assert "--seed must be zero or more" in capsys.readouterr().err
