"""The detectors against scikit-learn, scipy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal, rankdata
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.neighbors import LocalOutlierFactor

from core.discovery import DETECTORS, detecting
from core.discovery.detecting import FITTED, sample_rows
from core.discovery.detectors import isolation_forest as forest_module
from core.discovery.detectors import knn_distance as knn_module
from core.discovery.detectors import lof as lof_module
from core.discovery.detectors import mahalanobis as mahalanobis_module
from core.discovery.detectors import rank_ensemble as ensemble_module


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch):
    monkeypatch.setattr(forest_module, "N_TREES", 20)


def cloud(n=200, d=6, seed=0):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return (mixed / mixed.std(axis=0)).astype(np.float32)


def scores(name, values, seed=0):
    return DETECTORS[name].call(values, np.zeros(len(values), bool), seed)


def test_lof_is_scikit_learns():
    values = cloud()
    plain = LocalOutlierFactor(n_neighbors=20).fit(values)
    assert scores("lof", values) == pytest.approx(-plain.negative_outlier_factor_, rel=1e-3)


def test_lof_beyond_its_sample_is_scikit_learns_novelty(monkeypatch):
    monkeypatch.setattr(lof_module, "FIT_ROWS", 80)
    values = cloud()
    rows = sample_rows(200, 80, 3)
    others = np.setdiff1d(np.arange(200), rows)
    plain = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(values[rows])
    found = scores("lof", values, 3)
    assert found[others] == pytest.approx(-plain.score_samples(values[others]), rel=1e-3)
    assert found[rows] == pytest.approx(-plain.negative_outlier_factor_, rel=1e-3)


def test_copies_are_not_infinitely_dense():
    values = np.vstack([np.zeros((30, 3)), cloud(60, 3)]).astype(np.float32)
    found = scores("lof", values)
    assert np.isfinite(found).all()
    assert found.max() < 1e4


def test_knn_distance_is_the_mean_of_the_ten_nearest_others(monkeypatch):
    values = cloud()
    between = np.sort(cdist(values, values), axis=1)
    assert scores("knn_distance", values) == pytest.approx(between[:, 1:11].mean(axis=1), rel=1e-3)
    monkeypatch.setattr(knn_module, "FIT_ROWS", 50)
    rows = sample_rows(200, 50, 1)
    found = scores("knn_distance", values, 1)
    for row in (0, int(rows[0])):
        distance = np.sort(np.linalg.norm(values[rows[rows != row]] - values[row], axis=1))
        assert found[row] == pytest.approx(distance[:10].mean(), rel=1e-3)


def test_mahalanobis_without_steps_is_ledoit_and_wolfs(monkeypatch):
    monkeypatch.setattr(mahalanobis_module, "STEPS", 0)
    values = cloud()
    plain = LedoitWolf().fit(values.astype(np.float64)).mahalanobis(values.astype(np.float64))
    assert scores("mahalanobis", values) == pytest.approx(np.sqrt(plain), rel=1e-4)


def test_mahalanobis_is_not_fooled_by_outliers_that_widen_the_covariance(monkeypatch):
    values = cloud(300, 4)
    values[:21] = values[:21] * 0.1 + np.array([6, -6, 6, 6], np.float32)
    found = scores("mahalanobis", values)
    inside = np.delete(values, np.arange(21), axis=0).astype(np.float64)
    honest = np.sqrt(LedoitWolf().fit(inside).mahalanobis(values.astype(np.float64)))
    monkeypatch.setattr(mahalanobis_module, "STEPS", 0)
    fooled = scores("mahalanobis", values)
    assert set(np.argsort(-found)[:21].tolist()) == set(range(21))
    assert found[:21].min() > 0.8 * honest[:21].min()
    assert fooled[:21].max() < 0.5 * honest[:21].min()


def test_reconstruction_is_what_pca_does_not_give_back():
    values = cloud(200, 8)
    plain = PCA(n_components=0.9).fit(values.astype(np.float64))
    left = values - plain.inverse_transform(plain.transform(values))
    assert scores("reconstruction", values) == pytest.approx(
        np.linalg.norm(left, axis=1), rel=1e-3, abs=1e-4
    )


def test_reconstruction_of_one_column_is_its_distance_from_the_mean():
    values = cloud(50, 1)
    expected = np.abs(values[:, 0] - values[:, 0].mean())
    assert scores("reconstruction", values) == pytest.approx(expected, abs=1e-5)


def test_gaussian_mixture_of_few_rows_is_one_gaussian_and_of_two_groups_spares_both():
    few = cloud(60, 4)
    covariance = np.cov(few.T, bias=True) + 1e-3 * np.eye(4)
    plain = multivariate_normal(few.mean(axis=0), covariance).logpdf(few)
    assert scores("gaussian_mixture", few) == pytest.approx(-plain, rel=1e-3)
    rng = np.random.default_rng(0)
    groups = np.where(np.arange(100)[:, None] % 2, 3.0, -3.0) + 0.3 * rng.normal(size=(100, 2))
    groups[0] = 0  # between the two: the mean of all, odd all the same
    assert scores("gaussian_mixture", groups.astype(np.float32)).argmax() == 0


def test_rank_ensemble_is_the_mean_of_the_ranks():
    values = cloud(100)
    ranks = [rankdata(scores(name, values)) for name in ensemble_module.MEMBERS]
    expected = (np.mean(ranks, axis=0) - 0.5) / 100
    assert scores("rank_ensemble", values) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", sorted(FITTED))
def test_scores_repeat_whatever_the_size_of_the_chunks(name, monkeypatch):
    values = np.repeat(cloud(40, 50), 2, axis=0)  # copies, and more columns than rows
    first = scores(name, values, 1)
    monkeypatch.setattr(detecting, "CHUNK", 7)
    again = scores(name, values, 1)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert again == pytest.approx(first, rel=1e-4, abs=1e-3)
    assert np.ptp(first) > 0
