"""Rank, alignment, uniformity, clusters, neighbours, alarms: against plain slow formulas."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from core.errors import BadInput
from core.metrics import (
    alignment,
    cluster_quality,
    collapse_alarms,
    knn_scores,
    mean_square_differences,
    neighbour_consistency,
    neighbour_overlap,
    rankme,
    singular_shares,
    uniformity,
    view_retrieval,
)


def cloud(n=300, dimensions=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dimensions))


def blobs(n_clusters=5, n=300, apart=8.0, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(n_clusters, size=n)
    return apart * rng.normal(size=(n_clusters, 6))[y] + rng.normal(size=(n, 6)), y


def test_rank_of_an_isotropic_cloud_is_its_dimensions():
    assert rankme(cloud(2000, 8)) == pytest.approx(8, rel=0.01)
    assert rankme(100 + cloud(2000, 8)) == pytest.approx(8, rel=0.01)


def test_rank_counts_directions_not_columns():
    flat = cloud(400, 3) @ cloud(3, 20, seed=1)
    assert rankme(flat) < 3.01
    assert rankme(np.ones((30, 4))) == 0
    shares = singular_shares(flat)
    assert shares.sum() == pytest.approx(1)
    assert (np.diff(shares) <= 0).all()
    assert shares[3:].max() < 1e-12


def test_rank_agrees_with_its_formula():
    values = cloud(50, 6) * [5, 3, 1, 1, 0.5, 0.1]
    size = np.sqrt(np.linalg.eigvalsh(np.cov(values.T)))
    p = size / size.sum()
    assert rankme(values) == pytest.approx(np.exp(-np.sum(p * np.log(p))))


def test_alignment_and_uniformity_agree_with_their_formulas():
    a, b = cloud(40), cloud(40) + 0.3 * cloud(40, seed=1)
    rows = [(x / np.linalg.norm(x), y / np.linalg.norm(y)) for x, y in zip(a, b, strict=True)]
    assert alignment(a, b) == pytest.approx(np.mean([np.sum((x - y) ** 2) for x, y in rows]))
    pairs = [
        np.exp(-2 * np.sum((rows[i][0] - rows[j][0]) ** 2)) for i in range(40) for j in range(i)
    ]
    assert uniformity(a) == pytest.approx(np.log(np.mean(pairs)))


def test_alignment_and_uniformity_at_their_ends():
    a = cloud(60, 5)
    assert alignment(a, 3 * a) == pytest.approx(0, abs=1e-12)
    assert alignment(a, -a) == pytest.approx(4)
    assert uniformity(np.ones((40, 3))) == pytest.approx(0, abs=1e-9)
    assert uniformity(cloud(500, 200)) == pytest.approx(-4, abs=0.1)
    with pytest.raises(BadInput, match="one shape"):
        alignment(a, a[:-1])


def test_mean_square_differences_agree_with_a_loop():
    values = cloud(20, 5)
    expected = [[np.mean((x - y) ** 2) for y in values] for x in values]
    np.testing.assert_allclose(mean_square_differences(values), expected, atol=1e-10)


def test_cluster_quality_agrees_with_scikit_learn_after_whitening_and_sees_clusters():
    values, y = blobs()
    found = {one.k: one for one in cluster_quality(values)}
    assert list(found) == [5, 10, 20]
    centred = values - values.mean(0)
    variance, directions = np.linalg.eigh(np.cov(centred.T))
    x = centred @ directions / np.sqrt(variance)
    labels = KMeans(5, n_init=4, random_state=0).fit_predict(x[:, ::-1])
    assert len(np.unique([str(pair) for pair in zip(labels, y, strict=True)])) == 5
    distance = pairwise_distances(x)
    own = np.array([distance[i][(y == y[i])].sum() / ((y == y[i]).sum() - 1) for i in range(300)])
    other = np.array(
        [min(distance[i][y == k].mean() for k in range(5) if k != y[i]) for i in range(300)]
    )
    expected = np.mean((other - own) / np.maximum(own, other))
    assert found[5].silhouette == pytest.approx(expected, abs=1e-6)
    plain = {one.k: one for one in cluster_quality(cloud())}
    assert found[5].silhouette > plain[5].silhouette + 0.2
    assert found[5].davies_bouldin < plain[5].davies_bouldin


def test_clusters_of_few_or_equal_rows_are_left_out():
    assert [one.k for one in cluster_quality(cloud(25))] == [5, 10]
    assert cluster_quality(np.ones((40, 3))) == ()


def slow_consistency(a, b, k):
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
    shares = []
    for i in range(len(a)):
        others = [j for j in range(len(a)) if j != i]
        near = [{j: float(x[i] @ unit[0][j]) for j in others} for x in unit]
        lists = [sorted(others, key=one.__getitem__, reverse=True)[:k] for one in near]
        shares.append(len(set(lists[0]) & set(lists[1])) / k)
    return np.mean(shares)


def test_neighbour_consistency_agrees_with_a_loop():
    a = cloud(60, 4)
    b = a + 0.4 * cloud(60, 4, seed=1)
    assert neighbour_consistency(a, b, 5) == pytest.approx(slow_consistency(a, b, 5))
    assert neighbour_consistency(a, a, 5) == 1
    chance = neighbour_consistency(a, cloud(60, 4, seed=2), 5)
    assert chance == pytest.approx(5 / 59, abs=0.06)


def test_neighbour_overlap_agrees_with_scikit_learn():
    a, b = cloud(80, 4), np.concatenate([cloud(80, 4), 0.7 * cloud(80, 3, seed=1)], axis=1)
    lists = [
        NearestNeighbors(n_neighbors=7, metric="cosine").fit(x).kneighbors(return_distance=False)
        for x in (a, b)
    ]
    expected = np.mean([len(set(x) & set(y)) / 7 for x, y in zip(*lists, strict=True)])
    assert neighbour_overlap(a, b, 7) == pytest.approx(expected)
    turn, _ = np.linalg.qr(cloud(4, 4, seed=3))
    assert neighbour_overlap(a, 5 * a @ turn, 7) == 1
    with pytest.raises(BadInput, match="1 to 79"):
        neighbour_overlap(a, b, 80)
    with pytest.raises(BadInput, match="80 and 79"):
        neighbour_overlap(a, b[:-1], 5)


def test_ties_between_neighbours_count_as_chance():
    same = np.ones((40, 6))
    rounded = same + 1e-8 * cloud(40, 6)
    for rows in (same, np.zeros((40, 6)), rounded):
        assert neighbour_consistency(rows, rows, 6) == pytest.approx(6 / 39)
        assert neighbour_overlap(rows, rows, 6) == pytest.approx(6 / 39)
    # Two heaps of 20: within its heap, an object's 6 nearest are any of 19.
    heaps = np.repeat(np.eye(2), 20, axis=0)
    assert neighbour_overlap(heaps, heaps, 6) == pytest.approx(6 / 19)
    assert neighbour_overlap(heaps, heaps, 19) == 1
    # Drawn one by one, ties in each view by themselves.
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 30, 3)) + 1.0
    drawn = []
    for _ in range(400):
        shaken = [x + 1e-7 * rng.normal(size=x.shape) for x in (a, b)]
        drawn.append(neighbour_overlap(shaken[0], shaken[1], 4))
    assert neighbour_overlap(a, b, 4) == pytest.approx(np.mean(drawn), abs=0.01)


def test_view_retrieval_finds_an_object_by_its_other_view():
    a = cloud(100, 6)
    assert view_retrieval(a, a + 0.05 * cloud(100, 6, seed=1)) == 1
    assert view_retrieval(a, a[::-1]) == 0
    assert view_retrieval(a, cloud(100, 6, seed=2)) < 0.1


def test_alarms():
    assert collapse_alarms(cloud()).sentences == ()
    same = collapse_alarms(np.ones((50, 4)))
    assert same.sentences == ("All objects have the same values.",)
    assert same.rank == 0
    for dtype, rounding in ((np.float16, 4e-4), (np.float32, 2e-6)):
        rounded = np.linspace(1, 30, 8) * (1 + rounding * cloud(200, 8))
        found = collapse_alarms(rounded.astype(dtype))
        assert found.sentences == ("All objects have the same values.",), dtype
        assert found.dead_share == 1
    small = 1 + 1e-3 * cloud(200, 8).astype(np.float32)  # more than float32 rounds
    assert "the same values" not in collapse_alarms(small).sentences[0]
    dead = collapse_alarms(cloud(300, 8) * [1, 1, 1, 0, 0, 0, 0, 1e-5])
    assert dead.dead_share == 5 / 8
    assert "62% of the dimensions hardly vary." in dead.sentences
    line = collapse_alarms(cloud(300, 8) * [1, *[0.01] * 7])
    assert "nearly on a line" in line.sentences[0]
    copies = collapse_alarms(np.repeat(cloud(60), 2, axis=0))
    assert copies.identical_share == 0.5
    assert copies.sentences == ("50% of the objects have exactly the values of another.",)
    offset = collapse_alarms(50 + cloud())
    assert offset.mean_cosine > 0.99
    assert "nearly the same way" in offset.sentences[0]


def test_mean_cosine_agrees_with_a_loop():
    values = 0.5 + cloud(30, 4)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    expected = np.mean([unit[i] @ unit[j] for i in range(30) for j in range(i)])
    assert collapse_alarms(values).mean_cosine == pytest.approx(expected)


def test_knn_scores_are_held_out_and_agree_with_scikit_learn():
    values, kind = blobs(4)
    y = kind == 2
    scores = knn_scores(values, y, seed=3, k=5)
    assert scores[y].min() > scores[~y].max()
    from sklearn.model_selection import StratifiedKFold

    expected = np.zeros(len(y))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=3).split(values, y):
        model = KNeighborsClassifier(5, metric="cosine", weights=lambda d: 2 - d)
        expected[test] = model.fit(values[train], y[train]).predict_proba(values[test])[:, 1]
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_knn_of_noise_says_nothing_and_groups_stay_together():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    values = rng.normal(size=(60, 10))[groups] + 0.01 * rng.normal(size=(240, 10))
    y = (rng.random(60) < 0.4)[groups]
    leaking = knn_scores(values, y, k=3)
    apart = knn_scores(values, y, k=3, groups=groups)
    assert leaking[y].mean() > 0.9
    assert apart[y].mean() < 0.7
