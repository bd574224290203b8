"""Detector scores kept on disk: taken up by the next engine, if they fit."""

from __future__ import annotations

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import Engine, kept_scores
from core.discovery.kept_scores import KeptScores

N = 90


@pytest.fixture(autouse=True)
def every_survey_is_large(monkeypatch):
    monkeypatch.setattr(kept_scores, "LEAST_ROWS", 50)


def engine(kept, values):
    config = LoopConfig(seed=3)
    return Engine(values, np.ones(N, bool), ("a", "b"), "a", config, kept_scores=kept)


def test_the_next_engine_takes_them_up(tmp_path):
    values = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    first = engine(KeptScores(tmp_path / "odd", "run-3"), values).detector_scores("knn_distance")
    path = tmp_path / "odd" / "run-3.knn_distance.npy"
    assert (np.load(path) == first).all()
    np.save(path, first + 1)  # told by it, so that it is this file that is read
    again = engine(KeptScores(tmp_path / "odd", "run-3"), values).detector_scores("knn_distance")
    assert (again == first + 1).all()


@pytest.mark.parametrize("broken", [b"", b"no array", None])
def test_what_does_not_fit_is_worked_out_again(tmp_path, broken):
    values = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    first = engine(None, values).detector_scores("knn_distance")
    folder = tmp_path / "odd"
    folder.mkdir()
    path = folder / "run-3.knn_distance.npy"
    if broken is None:
        np.save(path, np.zeros(N - 1, dtype=np.float32))
    else:
        path.write_bytes(broken)
    (folder / "older-3.knn_distance.npy").write_bytes(b"of another embedding")
    found = engine(KeptScores(folder, "run-3"), values).detector_scores("knn_distance")
    assert (found == first).all()
    assert [one.name for one in folder.iterdir()] == [path.name]
    assert (np.load(path) == first).all()


def test_small_surveys_and_full_disks_keep_nothing(tmp_path):
    kept = KeptScores(tmp_path / "odd", "run-3")
    assert len(kept.of("lof", 50, lambda: np.zeros(50, dtype=np.float32))) == 50
    assert not (tmp_path / "odd").exists()
    (tmp_path / "file").write_text("in the way")
    found = KeptScores(tmp_path / "file", "run-3").of("lof", N, lambda: np.arange(N))
    assert (found == np.arange(N)).all()
    assert (tmp_path / "file").read_text() == "in the way"
