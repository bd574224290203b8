"""Neighbours against a plain search."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput, NotFound
from core.mapping import NeighbourIndex, nearest


def cloud(n=80, d=9, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def slow(values, mask, row, k):
    def distance(other):
        a, b = values[row].astype(float), values[other].astype(float)
        return 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b))

    others = [r for r in range(len(values)) if r != row and mask[r]]
    return [(r, distance(r)) for r in sorted(others, key=distance)[:k]]


def test_agrees_with_a_plain_search():
    values, mask = cloud(), np.ones(80, bool)
    mask[10:20] = False
    values[10:20] = np.nan
    rows, distances = NeighbourIndex(values, mask).query(np.array([3, 50]), 7)
    for query, row in enumerate((3, 50)):
        expected = slow(values, mask, row, 7)
        assert rows[query].tolist() == [r for r, _ in expected]
        assert distances[query].tolist() == pytest.approx([d for _, d in expected], abs=1e-5)


def test_an_object_is_not_its_own_neighbour_even_among_copies():
    values = np.ones((6, 3), np.float32)
    for row in range(6):
        rows, distances = nearest(values, np.ones(6, bool), row, 3)
        assert row not in rows[0]
        assert len(set(rows[0].tolist())) == 3
        assert distances[0].tolist() == pytest.approx([0, 0, 0], abs=1e-6)


def test_vectors_find_the_row_they_are():
    values, mask = cloud(), np.ones(80, bool)
    rows, distances = NeighbourIndex(values, mask).query(3 * values[[7, 8]], 1)
    assert rows.tolist() == [[7], [8]]
    assert np.allclose(distances, 0, atol=1e-6)


def test_fewer_than_k_are_filled_up_and_said_to_be():
    rows, distances = nearest(cloud(3), np.ones(3, bool), 0, 5)
    assert sorted(rows[0, :2].tolist()) == [1, 2]
    assert rows[0, 2:].tolist() == [-1] * 3
    assert np.isnan(distances[0, 2:]).all()
    alone, _ = nearest(cloud(1), np.ones(1, bool), 0, 2)
    assert alone.tolist() == [[-1, -1]]
    nothing, _ = NeighbourIndex(cloud(2), np.zeros(2, bool)).query(cloud(1), 2)
    assert nothing.tolist() == [[-1, -1]]


def test_zero_vectors_are_at_right_angles_to_all():
    values = np.vstack([np.zeros((1, 4), np.float32), cloud(4, 4)])
    _rows, distances = nearest(values, np.ones(5, bool), 0, 4)
    assert distances[0].tolist() == [1, 1, 1, 1]


def test_bad_queries_are_refused():
    values, mask = cloud(5), np.array([True, True, True, True, False])
    index = NeighbourIndex(values, mask)
    with pytest.raises(NotFound, match="0 to 4"):
        index.query(5, 1)
    with pytest.raises(NotFound, match="-1 was asked for"):
        index.query(-1, 1)
    with pytest.raises(BadInput, match="Row 4 has no embedding"):
        index.query(4, 1)
    with pytest.raises(BadInput, match="at least 1"):
        index.query(0, 0)
    with pytest.raises(BadInput, match=r"finite vectors \(Q, 9\)"):
        index.query(np.zeros((1, 8)), 1)
    with pytest.raises(BadInput, match="finite vectors"):
        index.query(np.full((1, 9), np.nan), 1)
