"""The two-point correlation: against a count of drawn pairs, and in its limiting cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from core.errors import BadInput
from core.metrics import TwoPoint, two_point, two_point_score
from core.metrics.representation.correlation import BINS, BOOTSTRAPS, R_HIGH, R_LOW, TAIL


def blobs(n_clusters, separation, n=600, width=1.0, dimensions=12, seed=1):
    rng = np.random.default_rng(seed)
    centres = separation * rng.normal(size=(n_clusters, dimensions))
    return centres[rng.integers(n_clusters, size=n)] + width * rng.normal(size=(n, dimensions))


def slow(values, components=10, drawn=1_500_000):
    """The formula as it is written, with pairs drawn from a Gaussian, each pair anew."""
    rng = np.random.default_rng(7)
    _mean, directions = np.linalg.eigh(np.cov(values.T))
    x = (values - values.mean(0)) @ directions[:, ::-1][:, :components]
    x = x / x.std(0, ddof=1)
    deviation = 1.4826 * np.median(np.abs(x - np.median(x, 0)), 0)
    x = np.clip(x, np.median(x, 0) - TAIL * deviation, np.median(x, 0) + TAIL * deviation)
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    data = pdist(x)
    root = np.linalg.cholesky(np.cov(x.T))
    one, other = (rng.normal(size=(drawn, components)) @ root.T for _ in range(2))
    cloud = np.linalg.norm(one - other, axis=1)
    median = np.median(data)
    edges = [0.0, *np.exp(np.linspace(np.log(R_LOW), np.log(R_HIGH), BINS))]
    dd, _ = np.histogram(data / median, edges)
    rr, _ = np.histogram(cloud / median, edges)
    return len(cloud) / len(data) * dd / rr - 1, x, np.array(edges) * median


def test_agrees_with_pairs_that_are_counted_one_by_one():
    values = blobs(5, 1.5)
    found = two_point(values)
    expected, _x, _edges = slow(values)
    # The expectation is drawn: of its pairs the innermost bins have some hundreds.
    np.testing.assert_allclose(found.eps[4:], expected[4:], atol=0.02)
    np.testing.assert_allclose(found.eps[:4] + 1, expected[:4] + 1, rtol=0.25)
    assert found.score == pytest.approx(found.eps.sum())
    assert found.error == pytest.approx(found.sigma.sum())
    assert (found.n_objects, found.components, len(found.r)) == (600, 10, BINS)
    assert (np.diff(found.r) > 0).all()


def test_errors_are_those_of_a_bootstrap_drawn_object_by_object():
    values = blobs(4, 2.0, n=150)
    found = two_point(values)
    _eps, x, edges = slow(values)
    distance = squareform(pdist(x))
    rng = np.random.default_rng(11)
    shares = []
    for _ in range(BOOTSTRAPS):
        rows = rng.integers(len(x), size=len(x))
        first, second = np.triu_indices(len(x), 1)
        other = rows[first] != rows[second]
        pairs = distance[rows[first][other], rows[second][other]]
        shares.append(np.histogram(pairs, edges)[0] / len(pairs))
    share = np.histogram(pdist(x), edges)[0] / len(pdist(x))
    expected = np.std(shares, axis=0, ddof=1) / share
    ours = found.sigma / (found.eps + 1)
    np.testing.assert_allclose(ours[3:], expected[3:], rtol=0.5)
    assert np.median(ours[3:] / expected[3:]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("dimensions", [2, 8, 40])
def test_a_gaussian_has_no_clumps_whatever_its_shape(dimensions):
    rng = np.random.default_rng(3)
    shape = rng.normal(size=(dimensions, dimensions))
    found = two_point(5 + rng.normal(size=(1500, dimensions)) @ shape)
    assert abs(found.score) < found.error
    assert (np.abs(found.eps) < 5 * found.sigma + 0.02).all()


def test_clusters_show_at_small_distances_and_more_so_the_further_apart():
    scores = [two_point_score(blobs(8, separation)) for separation in (0, 1, 2, 4)]
    assert scores == sorted(scores)
    curve = two_point(blobs(8, 2.0))
    assert curve.eps[0] > curve.eps[4] > 0
    assert curve.score > 4 * curve.error


def test_many_tight_clusters_keep_their_score():
    """They draw together below the innermost edge, and must not leave the range by it."""
    assert two_point_score(blobs(20, 16.0)) > 10 * two_point_score(blobs(20, 1.0)) > 10


def test_objects_far_out_do_not_make_a_clump_of_the_rest():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(600, 12))
    values[:30] *= 10
    published = two_point(values, tail=None).score
    assert published > 100 * two_point_score(blobs(8, 2.0))
    assert two_point_score(values) < published / 100


def test_scale_shift_and_turn_change_nothing():
    values = blobs(5, 2.0)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))
    assert two_point_score(3 * values @ turn - 7) == pytest.approx(two_point_score(values))


def test_a_large_embedding_is_sampled_and_repeats():
    values = blobs(5, 2.0, n=2050)
    first, again, other = (two_point(values, seed=seed) for seed in (0, 0, 1))
    assert isinstance(first, TwoPoint)
    assert first.n_objects == 2000
    assert first.score == again.score
    assert (first.sigma == again.sigma).all()
    assert first.score != other.score
    assert abs(first.score - other.score) < first.error + other.error


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(BadInput, match="20 or more rows"):
        two_point(np.zeros((19, 3)))
    with pytest.raises(BadInput, match="not finite"):
        two_point(np.full((30, 3), np.nan))
    with pytest.raises(BadInput, match="most of them have the same values"):
        two_point(np.ones((30, 3)))
    mostly = np.zeros((100, 3))
    mostly[:5] = np.random.default_rng(0).normal(size=(5, 3))
    with pytest.raises(BadInput, match="collapsed"):
        two_point(mostly)
