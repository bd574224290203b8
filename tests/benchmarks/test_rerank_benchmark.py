"""What is planted for the benchmark of re-ranks is what it says."""

from __future__ import annotations

import numpy as np
import pytest

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
