"""What is planted for the benchmark of re-ranks is what it says."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks import rerank
from benchmarks.rerank import ODD_COLUMN, PLANTED, clusters

N, D = 60_000, 90


@pytest.mark.parametrize("kind", PLANTED)
def test_targets_differ_from_the_clusters_by_few_columns(kind, tmp_path):
    is_target = clusters(N, tmp_path / "embedding.npy", kind, D)
    rows = np.load(tmp_path / "embedding.npy").astype(np.float64)
    assert rows.shape == (N, D)
    assert 0.0005 < is_target.mean() < 0.0015
    rows = (rows - rows.mean(axis=0)) / rows[~is_target].std(axis=0)
    own, others = rows[is_target], rows[~is_target]
    column = own[:, ODD_COLUMN]
    n_far = (np.abs(own) > 4).sum(axis=1)
    if kind == "odd":
        assert n_far.min() >= 1
        assert n_far.mean() > 3
        return
    assert np.abs(np.delete(own, ODD_COLUMN, axis=1).mean(axis=0)).max() < 0.7
    if kind == "one column":
        assert column.mean() - others[:, ODD_COLUMN].mean() == pytest.approx(5, abs=0.7)
    else:
        assert np.ptp(column) < 0.11
        assert column.mean() > 1.8


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--planted --dimensions 77", "--dimensions takes 78 or more with --planted"),
        ("--dimensions 0", "--dimensions takes 1 or more"),
        ("--planted --sizes 300000 10000", "--planted takes 100,000 objects or more"),
        ("--planted --tables .", "--tables takes real tables as they are"),
        ("--tables . --dimensions 128", "--tables takes real tables as they are"),
        ("--sizes 10000 --large", "--large is a size of its own"),
    ],
)
def test_what_does_not_go_together_is_refused(given, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rerank", *given.split()])
    with pytest.raises(SystemExit):
        rerank.main()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"rerank: error: {said}")


def test_the_report_names_what_was_planted(monkeypatch):
    reports, made = [], []
    monkeypatch.setattr(sys, "argv", ["rerank", "--planted", "--large", "--dimensions", "90"])
    monkeypatch.setattr(rerank, "report", lambda *given: reports.append(given))
    monkeypatch.setattr(rerank, "measure", lambda name, *_: [[name]])

    def few(size, path, kind, d):
        made.append((size, kind, d))
        return np.arange(200) < 20

    monkeypatch.setattr(rerank, "clusters", few)
    rerank.main()
    assert made == [(10_000_000, kind, 90) for kind in PLANTED]
    ((_, _, rows, settings),) = reports
    assert rows == [[kind] for kind in PLANTED]
    assert settings["dimensions"] == 90
    assert settings["planted"] is True
    assert settings["seeds"] == [0, 1]
