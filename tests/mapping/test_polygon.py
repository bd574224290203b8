"""Points in a polygon, held against the rule written out point by point."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from core.errors import BadInput
from core.mapping.polygon import MAX_VERTICES, in_polygon

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
RNG = np.random.default_rng(3)


def plain(points, polygon):
    """Every edge against every point, in Python's numbers."""
    found = []
    for x, y in np.asarray(points, float).tolist():
        inside = False
        for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0)):
                inside = not inside
        found.append(inside)
    return np.array(found, bool)


def hand_drawn(n):
    angle = np.sort(RNG.uniform(0, 2 * np.pi, n))
    radius = RNG.uniform(0.2, 1, n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]).tolist()


@pytest.mark.parametrize(
    "polygon",
    [
        SQUARE,
        [[-0.5, -0.5], [0.5, 0.5], [0.5, -0.5], [-0.5, 0.5]],  # crosses itself
        hand_drawn(40),
        RNG.uniform(-1, 1, (25, 2)).tolist(),  # crosses itself many times
        [[0, 0], [0, 0], [1, 0], [1, 0], [0.5, 0.7]],  # vertices twice
    ],
)
def test_few_points_are_as_the_rule_says(polygon):
    points = RNG.uniform(-1.2, 1.2, (400, 2)).astype(np.float32)
    expected = plain(points, polygon)
    assert 0 < expected.sum() < len(points)
    assert (in_polygon(points, np.array(polygon)) == expected).all()


@pytest.mark.parametrize("n_vertices", [4, 60, 700])
def test_many_points_are_found_as_few_are(n_vertices):
    """Above 20,000 in the box a grid decides most of them; a piece at a time it is the rule."""
    polygon = np.array(RNG.uniform(-1, 1, (n_vertices, 2)))
    points = np.concatenate(
        [
            RNG.uniform(-1.1, 1.1, (50_000, 2)),
            RNG.normal(0, 0.001, (10_000, 2)),  # all in one cell
            np.repeat(polygon[:1], 50, axis=0),
            [polygon.min(axis=0), polygon.max(axis=0)],
        ]
    )
    whole = in_polygon(points, polygon)
    pieces = [in_polygon(part, polygon) for part in np.array_split(points, 8)]
    assert (whole == np.concatenate(pieces)).all()
    some = RNG.choice(len(points), 60_000 // n_vertices // 4, replace=False)
    assert (whole[some] == plain(points[some], polygon.tolist())).all()


def test_a_figure_of_steps_has_no_cell_on_the_wrong_side():
    """Edges along the lines of the grid itself."""
    steps = np.linspace(0, 1, 17)
    outline = [[left, y] for left, right in pairwise(steps) for y in (left, right)]
    polygon = np.array([*outline, [1, 1], [1, 0]])
    points = RNG.uniform(0, 1, (40_000, 2))
    level = np.ceil(points[:, 0] * 16) / 16
    assert (in_polygon(points, polygon) == (points[:, 1] < level)).all()


def test_half_open_neighbours_share_no_point():
    points = np.stack(np.meshgrid(np.linspace(0, 2, 9), np.linspace(0, 1, 9)), -1).reshape(-1, 2)
    left = in_polygon(points, np.array(SQUARE))
    right = in_polygon(points, np.add(SQUARE, (1, 0)))
    assert not (left & right).any()
    assert left.sum() == right.sum() > 0


def test_what_is_not_finite_is_outside_and_what_has_no_area_holds_nothing():
    points = np.array([[np.nan, 0.5], [0.5, np.inf], [0.5, 0.5]], np.float32)
    assert in_polygon(points, np.array(SQUARE)).tolist() == [False, False, True]
    assert not in_polygon(points, np.array([[0, 0], [1, 1], [2, 2]])).any()
    assert not in_polygon(points, np.array([[0.5, 0], [0.5, 1], [0.5, 2]])).any()
    assert in_polygon(np.empty((0, 2), np.float32), np.array(SQUARE)).shape == (0,)


@pytest.mark.parametrize(
    "polygon",
    [
        [[0, 0], [1, 1]],
        [[0, 0], [1, 1], [np.nan, 0]],
        [[0, 0, 0]] * 3,
        np.zeros((MAX_VERTICES + 1, 2)),
    ],
)
def test_what_is_no_polygon_is_refused(polygon):
    with pytest.raises(BadInput, match="3 to 2,000 finite vertices"):
        in_polygon(np.zeros((1, 2)), np.array(polygon))
    with pytest.raises(BadInput, match="shape"):
        in_polygon(np.zeros(3), np.array(SQUARE))
