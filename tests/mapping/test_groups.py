"""Groups of an embedding: against truth and plain formulas; size, noise, unseen rows, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from core.errors import BadInput, Cancelled
from core.mapping import groups, groups_fitting, groups_space
from core.mapping.groups import METHODS, group
from core.mapping.groups_columns import FEWEST, ks_distance, set_apart
from core.mapping.groups_number import propose_k

SIZES = (120, 90, 60, 30)


def blobs(sizes=SIZES, d=6, apart=12.0, seed=0):
    """(values, truth): Gaussians of width 1 in random order, the largest first in truth."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    corners = apart * np.eye(d)[: len(sizes)]
    return (corners[truth] + rng.normal(size=(len(truth), d))).astype(np.float32), truth


def spread(values):
    """What distances are in: the root of the mean variance of the columns."""
    return np.sqrt(np.mean(values.astype(np.float64).var(axis=0)))


def to_own_mean(values, groups):
    """By a plain loop."""
    means = [values[groups == one].mean(axis=0) for one in range(groups.max() + 1)]
    return np.array(
        [np.linalg.norm(row - means[one]) for row, one in zip(values, groups, strict=True)]
    ) / spread(values)


@pytest.mark.parametrize("method", METHODS)
def test_groups_are_those_that_were_made_the_largest_first(method):
    values, truth = blobs()
    found = group(values, method=method, k=4)
    assert found.groups.tolist() == truth.tolist()
    assert (found.n_groups, found.note) == (4, "")
    assert (found.groups.dtype, found.distances.dtype) == (np.int32, np.float32)
    again = group(values, method=method, k=4)
    assert np.array_equal(found.groups, again.groups)
    assert np.array_equal(found.distances, again.distances)


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_distances_are_those_to_the_mean_of_the_own_group(method):
    values, _ = blobs()
    found = group(values, method=method, k=4)
    np.testing.assert_allclose(found.distances, to_own_mean(values, found.groups), rtol=1e-4)


def test_distances_of_a_mixture_are_those_of_mahalanobis():
    values, truth = blobs(sizes=(300, 200))
    values[truth == 0] *= np.array([1, 5, 1, 1, 1, 1])  # wide in one direction
    found = group(values, method="mixture", k=2)
    for one in (0, 1):
        own = values[found.groups == one].astype(np.float64)
        away = own - own.mean(axis=0)
        inverse = np.linalg.inv(away.T @ away / len(own))
        expected = np.sqrt([row @ inverse @ row for row in away])
        np.testing.assert_allclose(found.distances[found.groups == one], expected, rtol=0.02)


def test_a_mixture_tells_long_groups_apart_that_k_means_cuts():
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1], 250)
    values = np.stack([rng.normal(0, 12, 500), rng.normal(0, 0.5, 500) + 5 * truth], axis=1)

    def right(method):
        groups = group(values, method=method, k=2).groups
        return max((groups == truth).mean(), (groups != truth).mean())

    assert right("mixture") > 0.99
    assert right("kmeans") < 0.7


@pytest.mark.parametrize("method", METHODS)
def test_unseen_rows_are_in_no_group_and_change_none(method):
    values, truth = blobs()
    unseen = np.zeros(len(values), bool)
    unseen[[0, 5]] = True
    values[9, 2] = np.nan
    found = group(values, method=method, k=4, unseen=unseen)
    hidden = unseen | (np.arange(len(values)) == 9)
    assert (found.groups[hidden] == -1).all()
    assert np.isnan(found.distances[hidden]).all()
    assert found.groups[~hidden].tolist() == truth[~hidden].tolist()
    assert found.note == "3 objects have no embedding and no group."
    alone = group(values[~hidden], method=method, k=4)
    assert np.array_equal(alone.distances, found.distances[~hidden])


def test_what_is_not_sampled_is_placed_by_centres_of_all(monkeypatch):
    monkeypatch.setattr(groups_space, "MOST_SAMPLED", 100)
    values, truth = blobs(apart=6.0)
    found = group(values.astype(np.float16), k=4)
    assert "100 objects" in found.note
    assert "all 300" in found.note
    assert (found.groups == truth).mean() > 0.99
    # The centres moved on to the means of all rows: with those of the sample this fails.
    ratio = found.distances / to_own_mean(values.astype(np.float16), found.groups)
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=0.01)


def test_noise_is_in_no_group_and_the_rest_goes_where_its_nearest_went(monkeypatch):
    values, truth = blobs(sizes=(150, 120))
    rng = np.random.default_rng(5)
    noise = rng.uniform(-60, 60, (40, values.shape[1])).astype(np.float32)
    both = np.concatenate([values, noise])
    found = group(both, method="hdbscan")
    assert found.groups[: len(values)].tolist() == truth.tolist()
    assert (found.groups[len(values) :] == -1).all()
    assert np.isnan(found.distances[len(values) :]).all()
    assert "40 objects lie between the groups" in found.note
    monkeypatch.setattr(groups_fitting, "DENSITY_SAMPLE", 200)
    both[len(values) :] /= 6  # near enough for nothing to be drawn in
    part = group(both, method="hdbscan", min_size=20)
    sampled = np.sort(np.random.default_rng(0).choice(len(both), 200, replace=False))
    for row in range(len(both)):
        nearest = sampled[np.argmin(np.square(both[sampled] - both[row]).sum(axis=1))]
        assert part.groups[row] == part.groups[nearest]
    assert "Groups were found on 200 objects" in part.note


def test_nothing_dense_is_said_with_what_to_do():
    values = np.random.default_rng(0).normal(size=(60, 8))
    found = group(values, method="hdbscan", min_size=25)
    assert found.n_groups == 0
    assert (found.groups == -1).all()
    assert found.note == (
        "No place is dense enough for a group of 25 objects; allow smaller groups, or use K-means."
    )


def test_many_dimensions_become_principal_components():
    values, truth = blobs(d=40)
    for method, count in (("hdbscan", 10), ("mixture", 15)):
        found = group(values, method=method, k=4)
        assert f"the leading {count} principal components" in found.note
        assert found.groups.tolist() == truth.tolist()


def test_a_wild_value_is_no_group():
    values, truth = blobs()
    values[7, 1] = 6e4
    found = np.delete(group(values, k=4).groups, 7)
    assert found.tolist() == np.delete(truth, 7).tolist()


def test_a_column_that_decides_alone_is_told_and_can_be_weighed_down():
    values, truth = blobs()
    values = np.column_stack([values, np.random.default_rng(1).normal(0, 900, len(values))])
    found = group(values, k=4)
    assert "holds 100 % of its spread" in found.note
    equal = group(values, k=4, standardise=True)
    assert equal.groups.tolist() == truth.tolist()
    assert equal.note == ""


def test_fewer_different_objects_than_groups_are_told():
    values = np.repeat(np.eye(3), 10, axis=0)
    found = group(values, k=8)
    assert found.n_groups == 3
    assert found.note.startswith("3 groups instead of 8")
    assert found.groups.tolist() == np.repeat([0, 1, 2], 10).tolist()  # equals as they come
    mixed = group(values, method="mixture", k=8)
    assert mixed.n_groups == 3
    assert "5 of the 8 Gaussians" in mixed.note


def test_twenty_objects_are_enough():
    values = np.random.default_rng(0).normal(size=(20, 50))
    for method in ("kmeans", "mixture"):
        found = group(values, method=method, k=8)
        assert 2 <= found.n_groups <= 8
        assert (found.groups >= 0).all()


def test_the_proposed_number_has_the_highest_silhouette():
    values, truth = blobs()
    proposed = propose_k(values)
    assert proposed.k == 4
    assert set(proposed.silhouettes) == set(range(2, 13))
    # Rousseeuw's formula by plain loops.
    far = np.linalg.norm(values[:, None] - values[None], axis=2)
    widths = []
    for row, own in enumerate(truth):
        same = (truth == own) & (np.arange(len(truth)) != row)
        a = far[row][same].mean()
        b = min(far[row][truth == other].mean() for other in range(4) if other != own)
        widths.append((b - a) / max(a, b))
    assert proposed.silhouettes[4] == pytest.approx(np.mean(widths), rel=1e-4)
    found = group(values, k=None)
    assert found.groups.tolist() == truth.tolist()
    assert found.note.startswith("4 groups were proposed: of 2 to 12 they stand apart best")
    cloud = propose_k(np.random.default_rng(0).normal(size=(200, 9)))
    assert "run into one another" in cloud.sentence
    assert propose_k(np.array([[0.0], [0.0], [1.0]])).k == 2


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"method": "ward"}, "by kmeans, hdbscan, mixture, but 'ward'"),
        ({"k": 1}, "2 to 300, the number of objects with an embedding, but is 1;"),
        ({"k": 301}, "but is 301;"),
        ({"method": "mixture", "k": 0}, "but is 0;"),
        ({"method": "hdbscan", "min_size": 1}, "2 to 150 objects"),
        ({"method": "hdbscan", "min_size": 151}, "but 151 was asked for"),
        ({"min_size": 9}, "Only hdbscan knows a smallest size, and kmeans was asked for"),
        ({"method": "mixture", "k": 101}, "2 to 100, but is 101;"),
        ({"seed": -1}, "seed is zero or more"),
        ({"seed": 2**32}, "below 4,294,967,296, but is 4294967296;"),
        ({"unseen": np.ones(300, bool)}, "but there are 0"),
        ({"unseen": np.zeros(3, bool)}, "mask"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(more, sentence):
    values, _ = blobs()
    with pytest.raises(BadInput, match=sentence):
        group(values, **more)


def test_more_dense_places_than_anybody_looks_at_are_refused(monkeypatch):
    monkeypatch.setattr(groups, "MOST_GROUPS", 3)
    with pytest.raises(BadInput, match=r"There are 4 dense places, but 3 .* raise the smallest"):
        group(blobs()[0], method="hdbscan")


@pytest.mark.parametrize("method", ["kmeans", "mixture"])
def test_a_job_is_stopped_between_two_fits(method):
    told = []

    def progress(fraction: float, message: str) -> None:
        told.append((fraction, message))
        if len(told) == 2:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        group(blobs()[0], method=method, k=4, progress=progress)
    (before, words), (after, again) = told
    assert (before < after < 0.5, words == again) == (True, True)


@pytest.mark.parametrize("method", METHODS)
def test_objects_that_are_all_alike_are_refused(method):
    with pytest.raises(BadInput, match="All 50 objects have the same embedding"):
        group(np.full((50, 4), 0.1, np.float32), method=method)
    with pytest.raises(BadInput, match="table of numbers"):
        group(np.zeros(5), method=method)
    with pytest.raises(BadInput, match="or more, but there are 3"):
        group(np.eye(3), method=method, k=2)


def test_columns_that_differ_come_first_by_their_distributions():
    rng = np.random.default_rng(0)
    inside, rest = rng.normal(size=(80, 4)), rng.normal(size=(300, 4))
    inside[:, 1] += 2  # a shift
    inside[:, 2] = 6 * (inside[:, 2] - inside[:, 2].mean())  # as high, wider
    inside[:40, 1] = np.nan
    names = ["same", "shift", "wide", "few"]
    inside[FEWEST - 1 :, 3] = np.inf
    found = set_apart(
        [(names[at], inside[:, at], rest[:, at]) for at in range(4)]
        + [("constant", np.ones(80), np.ones(300)), ("huge", 1e300 * inside[:, 0], rest[:, 0])],
        most=10,
    )
    assert {one.name for one in found} == {"same", "shift", "wide", "huge"}
    assert [one.ks for one in found] == sorted((one.ks for one in found), reverse=True)
    shift = next(one for one in found if one.name == "shift")
    a, b = inside[40:, 1], rest[:, 1]
    assert (shift.n, shift.n_rest) == (40, 300)
    assert shift.difference == pytest.approx(
        (a.mean() - b.mean()) / np.sqrt((a.var() + b.var()) / 2)
    )
    assert shift.ks == pytest.approx(ks_2samp(a, b).statistic)
    assert shift.median == pytest.approx(np.median(a))
    wide = next(one for one in found if one.name == "wide")
    assert abs(wide.difference) < 0.05 < 0.3 < wide.ks
    assert all(np.isfinite(one.difference) for one in found)
    assert (
        set_apart([(n, inside[:, at], rest[:, at]) for at, n in enumerate(names)], 1)[0]
        in (found[:2])
    )


def test_the_distance_of_distributions_with_ties_is_that_of_scipy():
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 5, 37).astype(float), rng.integers(1, 6, 90).astype(float)
    assert ks_distance(one, other) == pytest.approx(ks_2samp(one, other).statistic)
