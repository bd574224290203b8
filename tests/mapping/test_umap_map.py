"""The UMAP: seeded, with NaN for unseen rows, and no trouble with small surveys."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput, Cancelled
from core.mapping import pca, umap_map


def two_groups(n=40, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 5)).astype(np.float32)
    values[n // 2 :] += 20
    return values


# UMAP compiles for some ten seconds at its first use.
@pytest.mark.slow
def test_groups_stay_apart_and_the_seed_fixes_the_map():
    values, mask = two_groups(), np.ones(40, bool)
    mask[3] = False
    told = []
    one = umap_map(values, mask, seed=1, progress=lambda f, s: told.append(f))
    two = umap_map(values, mask, seed=1)
    assert np.array_equal(one, two, equal_nan=True)
    assert np.isnan(one[3]).all()
    assert np.isfinite(np.delete(one, 3, axis=0)).all()
    left, right = np.delete(one[:20], 3, axis=0), one[20:]
    gap = np.linalg.norm(left.mean(axis=0) - right.mean(axis=0))
    spread = max(left.std(axis=0).max(), right.std(axis=0).max())
    assert gap > 3 * spread
    assert told[0] == 0
    assert told[-1] == 1


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 6, 9, 17])
def test_small_surveys_are_mapped(n):
    assert np.isfinite(umap_map(two_groups(n), np.ones(n, bool), seed=0)).all()


@pytest.mark.slow
def test_copies_are_mapped():
    values = np.repeat(two_groups(6), 20, axis=0)
    assert np.isfinite(umap_map(values, np.ones(120, bool), seed=0)).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_too_few_objects_get_their_principal_components(n):
    values = two_groups(8)[:n]
    told = []
    positions = umap_map(values, np.ones(n, bool), seed=0, progress=lambda f, s: told.append(s))
    assert np.array_equal(positions, pca(values, 2))
    assert told == [f"{n} objects, or all alike: mapped by principal components."]


def test_a_constant_embedding_lies_in_one_point():
    assert (umap_map(np.ones((30, 4)), np.ones(30, bool), seed=0) == 0).all()


def test_progress_can_stop_it_and_bad_settings_are_refused():
    def stop(fraction, message):
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        umap_map(two_groups(), np.ones(40, bool), seed=0, progress=stop)
    with pytest.raises(BadInput, match="n_neighbors of 2 or more"):
        umap_map(two_groups(), np.ones(40, bool), seed=0, n_neighbors=1)
    with pytest.raises(BadInput, match="min_dist from 0 to 1"):
        umap_map(two_groups(), np.ones(40, bool), seed=0, min_dist=-1)
