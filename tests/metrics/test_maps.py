"""How far a map can be believed, against scikit-learn and a plain search."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as reference
from sklearn.neighbors import NearestNeighbors

from core.errors import BadInput
from core.metrics.representation import maps, neighbours_kept, trustworthiness


def made(n=700, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(n, 2))
    return places @ rng.normal(size=(2, 8)) + noise * rng.normal(size=(n, 8)), places


@pytest.mark.parametrize("k", [1, 5, 15])
def test_trustworthiness_is_that_of_scikit_learn(k):
    values, places = made()
    assert trustworthiness(values, places, k) == pytest.approx(
        reference(values, places, n_neighbors=k), abs=1e-12
    )


def test_a_faithful_map_is_worth_one_and_chance_a_half():
    values, places = made(noise=0)
    turned = places @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert trustworthiness(places, turned) == 1
    assert neighbours_kept(places, turned, np.arange(50)) == 1
    rng = np.random.default_rng(1)
    assert trustworthiness(values, rng.permutation(places)) == pytest.approx(0.5, abs=0.03)
    assert neighbours_kept(values, rng.permutation(places), np.arange(300)) < 0.06


def test_neighbours_kept_are_those_of_a_plain_search_in_any_number_of_parts(monkeypatch):
    values, places = made()
    rows = np.arange(0, 700, 7)
    own = []
    for table in (values, places):
        search = NearestNeighbors(n_neighbors=10).fit(table)
        own.append(search.kneighbors(return_distance=False)[rows])
    wanted = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*own, strict=True)])
    assert neighbours_kept(values, places, rows, 10) == pytest.approx(wanted, abs=1e-3)
    monkeypatch.setattr(maps, "_ROWS", 150)
    assert neighbours_kept(values, places, rows, 10) == pytest.approx(wanted, abs=1e-3)
    # Among others that are left out it is the same.
    among = np.sort(np.random.default_rng(2).permutation(900)[:700])
    more, placed = np.full((900, 8), np.nan), np.full((900, 2), np.nan)
    more[among], placed[among] = values, places
    found = neighbours_kept(more, placed, among[rows], 10, among=among)
    assert found == pytest.approx(wanted, abs=1e-3)


def test_what_cannot_be_measured_is_refused():
    values, places = made(40)
    with pytest.raises(BadInput, match="take fewer"):
        trustworthiness(values, places, 20)
    with pytest.raises(BadInput, match="a place for each object"):
        trustworthiness(values, places[:-1], 5)
    with pytest.raises(BadInput, match="k = 40"):
        neighbours_kept(values, places, np.arange(3), 40)
