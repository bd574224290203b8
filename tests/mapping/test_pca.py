"""Principal components against scikit-learn, with fixed signs and every small survey."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from core.errors import BadInput
from core.mapping import pca, pca_map


def cloud(n=200, d=7, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3).astype(np.float32)


@pytest.mark.parametrize("shape", [(200, 7), (6, 40)])
def test_agrees_with_scikit_learn_up_to_sign(shape):
    values = cloud(*shape)
    ours = pca(values, 4)
    theirs = PCA(4, svd_solver="full").fit_transform(values.astype(np.float64))
    assert ours.dtype == np.float32
    assert np.allclose(np.abs(ours), np.abs(theirs), atol=1e-3)


def test_signs_do_not_depend_on_the_way_it_is_computed():
    values = cloud(40, 7)
    by_eigenvectors = pca(values, 3)
    # The same directions through the branch for fewer rows than columns.
    padded = np.hstack([values, np.zeros((40, 60), np.float32)])
    assert np.allclose(by_eigenvectors, pca(padded, 3), atol=1e-3)


def test_the_largest_loading_is_positive():
    values = np.zeros((50, 3))
    values[:, 1] = np.linspace(-5, 5, 50)
    assert np.allclose(pca(values, 1)[:, 0], values[:, 1])
    assert np.allclose(pca(-values, 1)[:, 0], -values[:, 1])


def test_rows_are_taken_a_part_at_a_time(monkeypatch):
    values = cloud(60)
    values[::3] = np.nan
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    expected = pca(values[rows], 3)
    monkeypatch.setitem(pca.__globals__, "_CHUNK", 7)
    np.testing.assert_allclose(pca(values, 3, rows), expected, atol=1e-5)


def test_components_beyond_the_data_are_zero():
    assert (pca(cloud(5, 2), 4)[:, 2:] == 0).all()
    assert pca(cloud(1, 3), 2).tolist() == [[0, 0]]
    assert pca(np.ones((4, 3)), 2).tolist() == [[0, 0]] * 4


def test_map_has_nan_on_unseen_rows_only():
    values, mask = cloud(20), np.ones(20, bool)
    mask[4] = False
    values[4] = np.nan
    values[9, 2] = np.inf  # seen, but not a number: no place on the map either
    positions = pca_map(values, mask)
    assert np.flatnonzero(np.isnan(positions).all(axis=1)).tolist() == [4, 9]
    kept = np.delete(np.arange(20), [4, 9])
    assert np.array_equal(positions[kept], pca(values[kept], 2))


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_map_of_a_tiny_survey(n):
    assert pca_map(cloud(max(n, 1))[:n], np.ones(n, bool)).shape == (n, 2)
    assert np.isnan(pca_map(cloud(max(n, 1))[:n], np.zeros(n, bool))).all()


def test_map_leaves_the_mask_and_the_values_alone():
    values, mask = cloud(10), np.ones(10, bool)
    values[1] = np.nan
    before = values.copy()
    pca_map(values, mask)
    assert mask.all()
    assert np.array_equal(values, before, equal_nan=True)


def test_bad_input_is_refused():
    with pytest.raises(BadInput, match="leave out the masked rows"):
        pca(np.array([[np.nan, 1]]), 1)
    with pytest.raises(BadInput, match="at least one component"):
        pca(cloud(), 0)
    with pytest.raises(BadInput, match="table of numbers"):
        pca_map(np.zeros(3), np.ones(3, bool))
    with pytest.raises(BadInput, match="one true or false a row"):
        pca_map(cloud(5), np.ones(4, bool))
