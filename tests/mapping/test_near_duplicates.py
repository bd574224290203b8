"""Near-duplicates against every pair compared in a loop."""

import numpy as np
import pytest

from core.errors import BadInput
from core.mapping.cells import Cells, make_cells
from core.mapping.lookalikes import COSINE, EUCLIDEAN
from core.mapping.near_duplicates import near_duplicates


def made(n=400, seed=2):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 8)).astype(np.float32)
    for row, copy in ((3, 200), (7, 390), (50, 51), (3, 201)):
        values[copy] = values[row] + 0.01 * rng.normal(size=8)
    mask = np.ones(n, bool)
    mask[51] = False
    return values, mask


def straight(values, metric):
    values = values.astype(np.float64)
    if metric == COSINE:
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    return np.sqrt(((values[:, None] - values) ** 2).sum(axis=2))


@pytest.mark.parametrize("metric", [COSINE, EUCLIDEAN])
def test_pairs_are_those_of_a_plain_comparison(metric):
    values, mask = made()
    found = near_duplicates(values, mask, metric, share=0.3)
    gaps = straight(values, metric)
    limit = np.sqrt(2 * found.threshold) if metric == COSINE else found.threshold
    i, j = np.triu_indices(len(values), 1)
    near = mask[i] & mask[j] & (gaps[i, j] < limit)
    expected = sorted((gaps[a, b], a, b) for a, b in zip(i[near], j[near], strict=True))
    assert found.pairs.tolist() == [[a, b] for _, a, b in expected]
    told = [g * g / 2 if metric == COSINE else g for g, _, _ in expected]
    np.testing.assert_allclose(found.distances, told, rtol=1e-4, atol=1e-9)
    assert {(3, 200), (7, 390), (3, 201)} <= {tuple(one) for one in found.pairs.tolist()}
    assert not found.more
    pairs = gaps[i[mask[i] & mask[j]], j[mask[i] & mask[j]]]
    assert limit / 0.3 == pytest.approx(np.median(pairs), rel=0.05)


def test_the_closest_are_kept_and_told_that_there_are_more():
    values, mask = made()
    every = near_duplicates(values, mask, EUCLIDEAN, share=0.5)
    few = near_duplicates(values, mask, EUCLIDEAN, share=0.5, most=3)
    assert len(every.pairs) > 3
    assert few.pairs.tolist() == every.pairs[:3].tolist()
    assert few.more


def test_thousands_of_copies_stay_bounded():
    values, mask = made(3000)
    values[:1500] = values[0]
    found = near_duplicates(values, mask, most=20)
    assert len(found.pairs) == 20
    assert found.distances.max() < 1e-9
    assert found.more


def test_cells_find_the_same_close_pairs_once():
    values, mask = made(3000)
    cells = make_cells(values, mask, seed=0)
    every = near_duplicates(values, mask, share=0.05)
    within = near_duplicates(values, mask, share=0.05, cells=cells)
    assert len(every.pairs) >= 3
    assert within.pairs.tolist() == every.pairs.tolist()


def test_a_very_large_cell_is_sampled_and_it_is_told(monkeypatch):
    monkeypatch.setattr("core.mapping.near_duplicates.MOST_OF_A_CELL", 200)
    monkeypatch.setattr("core.mapping.near_duplicates._AGAINST", 64)
    values, _ = made(600)
    mask = np.ones(600, bool)
    values[300:] = values[300] + 1e-3 * np.arange(300)[:, None].astype(np.float32)
    centres = values[[0, 300]]
    cells = Cells(centres, np.array([0, 100, 600]), np.arange(600, dtype=np.int32), 1, 1.0, COSINE)
    found = near_duplicates(values, mask, cells=cells, share=0.3, most=10**5)
    assert found.left_out == 300
    compared = [*range(100), *np.linspace(100, 599, 200).astype(int).tolist()]
    gaps = straight(values, COSINE)
    limit = np.sqrt(2 * found.threshold)
    i, j = np.triu_indices(600, 1)
    near = np.isin(i, compared) & np.isin(j, compared) & (gaps[i, j] < limit)
    expected = {(a, b) for a, b in zip(i[near].tolist(), j[near].tolist(), strict=True)}
    assert {tuple(pair) for pair in found.pairs.tolist()} == expected


def test_nothing_to_compare_gives_no_pairs():
    assert len(near_duplicates(np.ones((5, 3), np.float32), np.ones(5, bool)).pairs) == 0
    assert len(near_duplicates(np.ones((5, 3), np.float32), np.zeros(5, bool)).pairs) == 0
    with pytest.raises(BadInput, match="between 0 and 1"):
        near_duplicates(np.ones((5, 3)), np.ones(5, bool), share=2.0)
