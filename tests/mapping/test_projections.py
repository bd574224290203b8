"""Every projection: seeded, NaN for unseen rows, no trouble with small or strange surveys."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput, Cancelled
from core.mapping import pca
from core.mapping.projections import PROJECTIONS, added_to_map, project
from core.mapping.projections.neighbour_graph import Nearby, neighbour_graph
from core.mapping.projections.projection import register_projection
from core.mapping.projections.space import Space

# UMAP and PaCMAP load and compile for some seconds at their first use.
COMPILED = [pytest.param(name, marks=pytest.mark.slow) for name in ("umap", "pacmap")]
ALL = [*COMPILED, "tsne", "pca"]


def three_groups(n=60, d=5, seed=0):
    """(n, d): thirds that lie far apart; and which third each object is of."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) * 3 // n
    return (rng.normal(size=(n, d)) + 12 * np.eye(3, d)[group]).astype(np.float32), group


def purity(places, group):
    """Share of objects whose nearest other on the map is of their group."""
    places = places.astype(float)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return float((group[apart.argmin(axis=1)] == group).mean())


@pytest.mark.parametrize("name", ALL)
def test_groups_stay_together_and_the_seed_fixes_the_map(name):
    values, group = three_groups()
    mask = np.ones(60, bool)
    mask[3] = False
    values[7, 2] = np.nan  # seen, but not a number
    told = []
    one = project(values, mask, name, seed=1, progress=lambda f, s: told.append(f))
    assert np.flatnonzero(np.isnan(one.places).any(axis=1)).tolist() == [3, 7]
    kept = np.delete(np.arange(60), [3, 7])
    assert purity(one.places[kept], group[kept]) == 1
    assert np.array_equal(one.places, project(values, mask, name, seed=1).places, equal_nan=True)
    assert one.n_arranged == 58
    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n", [5, 10, 11, 17])
def test_small_surveys_are_mapped(name, n):
    values, _ = three_groups(n)
    assert np.isfinite(project(values, np.ones(n, bool), name).places).all()


@pytest.mark.parametrize("name", ALL)
def test_copies_huge_numbers_and_constant_columns_are_mapped(name):
    values = np.repeat(three_groups(6)[0], 10, axis=0)
    values[:, 4] = 7
    assert np.isfinite(project(values, np.ones(60, bool), name).places).all()
    far, group = three_groups()
    far = far * 1e30
    far[0] = 3e38
    places = project(far, np.ones(60, bool), name).places
    assert np.isfinite(places).all()
    assert purity(places[1:], group[1:]) > 0.9


@pytest.mark.parametrize("name", list(PROJECTIONS))
@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_objects_get_their_principal_components(name, n):
    values, mask = three_groups(9)[0][:n], np.ones(n, bool)
    found = project(values, mask, name)
    np.testing.assert_allclose(found.places, pca(values, 2), atol=1e-4)
    if name != "pca" or not n:
        assert "mapped by principal components" in found.notes[0]


@pytest.mark.parametrize("name", list(PROJECTIONS))
def test_objects_that_are_all_alike_lie_in_one_point(name):
    found = project(np.full((30, 4), 3.0), np.ones(30, bool), name)
    assert (found.places == 0).all()
    assert found.notes == ("All objects are alike: mapped by principal components.",)


def test_the_map_of_principal_components_is_that_of_the_embedding():
    values, mask = three_groups(60, 130)[0], np.ones(60, bool)
    np.testing.assert_allclose(project(values, mask, "pca").places, pca(values, 2), atol=1e-3)


def test_of_a_large_embedding_principal_components_make_no_copy(monkeypatch):
    values, mask = three_groups(60, 8)[0], np.ones(60, bool)
    mask[::7] = False
    expected = project(values, mask, "pca").places
    for used in (project, pca):
        monkeypatch.setitem(used.__globals__, "_CHUNK", 9)
    taken, whole = [], Space.of

    def of(space, rows):
        taken.append(len(rows))
        return whole(space, rows)

    monkeypatch.setattr(Space, "of", of)
    np.testing.assert_allclose(project(values, mask, "pca").places, expected, atol=1e-4)
    assert max(taken) == 9


@pytest.mark.slow
def test_answers_draw_a_class_together():
    rng = np.random.default_rng(0)
    values, mask = rng.normal(size=(200, 6)), np.ones(200, bool)
    truth = (values[:, 0] > 0).astype(int)
    taught = np.where(np.arange(200) % 2, truth, -1)
    plain = purity(project(values, mask, "umap").places, truth)
    assert purity(project(values, mask, "umap", classes=taught).places, truth) > plain + 0.1


@pytest.mark.parametrize("name", [*COMPILED, "tsne"])
def test_a_map_begins_from_the_one_before(name):
    values, mask = three_groups()[0], np.ones(60, bool)
    before = np.full((60, 2), np.nan, np.float32)
    corners = np.array([[0, 0], [10, 0], [5, 9]], np.float32)
    before[:50] = corners[three_groups()[1][:50]]  # ten objects are new, the others lie in heaps
    found = project(values, mask, name, start=before)
    assert found.started
    assert np.isfinite(found.places).all()
    assert not project(values, mask, name, start=np.where(mask[:, None], np.nan, 0)).started


def test_above_the_limit_a_sample_is_arranged_and_the_others_are_placed():
    values, group = three_groups(300)
    found = project(values, np.ones(300, bool), "tsne", most=120, seed=2)
    assert found.n_arranged == 120
    assert "the other 180 were placed by their neighbours" in found.notes[0]
    assert purity(found.places, group) > 0.98
    again = project(values, np.ones(300, bool), "tsne", most=120, seed=2)
    assert np.array_equal(found.places, again.places)


def test_new_objects_are_placed_where_they_belong_and_the_others_stay():
    values, _ = three_groups(90)
    mask = np.ones(90, bool)
    mask[2] = False
    places = pca(values, 2)
    old = places.copy()
    left_out = [5, 40, 77]
    old[left_out] = np.nan
    values[77] = values[41]  # a copy of a known object
    found = added_to_map(values, mask, old)
    stay = np.delete(np.arange(90), [2, *left_out])
    assert np.array_equal(found.places[stay], old[stay])
    assert np.isnan(found.places[2]).all()
    np.testing.assert_allclose(found.places[77], old[41], atol=1e-4)
    for row in left_out[:2]:
        nearest = np.linalg.norm(values[stay] - values[row], axis=1).argsort()[:10]
        reach = np.linalg.norm(old[stay][nearest] - old[stay][nearest].mean(axis=0), axis=1)
        gap = np.linalg.norm(found.places[row] - old[stay][nearest].mean(axis=0))
        assert gap < reach.max()
    assert found.notes == ("86 objects stayed where they were; 3 were placed by neighbours.",)
    with pytest.raises(BadInput, match="make a map anew"):
        added_to_map(values, mask, np.full((90, 2), np.nan))


def test_an_object_between_two_islands_is_placed_on_one_of_them():
    rng = np.random.default_rng(1)
    values = np.vstack(
        [rng.normal(-1, 0.3, (20, 3)), rng.normal(1, 0.3, (20, 3)), np.zeros((1, 3))]
    )
    places = np.repeat([[0.0, 0.0], [100.0, 0.0], [np.nan, np.nan]], [20, 20, 1], axis=0)
    x = added_to_map(values, np.ones(41, bool), places).places[40, 0]
    assert min(abs(x), abs(x - 100)) < 1


@pytest.mark.parametrize("rows", [300, 52_000])
def test_neighbours_are_those_of_a_plain_search(rows):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, 3)).astype(np.float32)
    gaps, found = Nearby(values).search(values[:40], 6)
    apart = np.linalg.norm(values[:40, None] - values[None], axis=-1)
    nearest = apart.argsort(axis=1)[:, :6]
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, nearest, strict=True)]) > 5.7
    np.testing.assert_allclose(gaps, np.take_along_axis(apart, found, 1), atol=2e-3)


def test_an_object_is_no_neighbour_of_itself_even_among_copies():
    rows, gaps = neighbour_graph(np.repeat(three_groups(6)[0], 5, axis=0), 3)
    assert (rows != np.arange(30)[:, None]).all()
    assert (gaps < 1e-2).all()
    assert (rows // 5 == np.arange(30)[:, None] // 5).all()


def test_progress_can_stop_it():
    def stop(fraction, message):
        if fraction > 0.3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        project(three_groups()[0], np.ones(60, bool), "tsne", progress=stop)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": "sammon"}, "'sammon' was asked for"),
        ({"seed": -1}, "zero or more"),
        ({"name": "tsne", "classes": np.arange(60) % 2}, "only umap can"),
        ({"classes": np.zeros(60, int)}, "are of 1;"),
        ({"classes": np.full(60, -1)}, "are of 0;"),
        ({"values": np.zeros(60)}, "table of numbers"),
        ({"mask": np.ones(59, bool)}, "A mask is"),
    ],
)
def test_what_cannot_be_is_refused(more, said):
    given = {"values": three_groups()[0], "mask": np.ones(60, bool), **more}
    with pytest.raises(BadInput, match=said):
        project(**given)


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="two projections 'pca'"):
        register_projection("pca", "PCA", "again")(lambda objects: objects.values)
