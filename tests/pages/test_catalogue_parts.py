"""Counting, the sky's planes and what a box or lasso holds, each against a plain slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.wcs import WCS

from core.errors import BadInput
from pages._server.catalogue_brush import Shape, inside, shape_of
from pages._server.catalogue_counts import (
    Bins,
    binned,
    bins_of,
    coordinates,
    counted,
    counted_2d,
    ends_of,
    lumped,
    mean_2d,
    sample,
    values_at,
)
from pages._server.catalogue_kept import RecentArrays
from pages._server.catalogue_sky import centre_of, graticule, mollweide, plain_plane

AWKWARD = [math.nan, math.inf, -math.inf, 0.0, -3.0]


def in_polygon_slowly(x: float, y: float, corners: list[tuple[float, float]]) -> bool:
    """A ray to the right crosses the outline an odd number of times."""
    odd = False
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            odd = not odd
    return odd


def lasso_of(corners: list[tuple[float, float]]) -> Shape:
    return Shape(tuple(x for x, _ in corners), tuple(y for _, y in corners), lasso=True)


def test_counts_are_those_of_numpy():
    rng = np.random.default_rng(1)
    x, y, value = rng.normal(size=(3, 4000))
    value[::7] = np.nan
    some = rng.random(4000) < 0.4
    across, up = Bins(-1.5, 2.0, 23), Bins(-2.0, 2.5, 17)
    at = binned(x, across), binned(y, up)
    expected, _ = np.histogram(x[some], across.edges)
    assert counted(at[0], across, some).tolist() == expected.tolist()
    table, _, _ = np.histogram2d(y[some], x[some], (up.edges, across.edges))
    assert counted_2d(*at, across, up, some).tolist() == table.tolist()
    good = some & ~np.isnan(value)
    total, _, _ = np.histogram2d(y[good], x[good], (up.edges, across.edges), weights=value[good])
    number, _, _ = np.histogram2d(y[good], x[good], (up.edges, across.edges))
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(mean_2d(*at, across, up, value, some), total / number)


def test_the_ends_belong_to_the_bins_and_nothing_else_does():
    bins = Bins(0.0, 1.0, 4)
    places = np.array([0.0, 0.25, 1.0, 1.0000001, -1e-9, *AWKWARD[:3], 1e300])
    assert binned(places, bins).tolist() == [0, 1, 3, 4, 4, 4, 4, 4, 4]


def test_axes_leave_out_what_lies_far_beyond_all_else_unless_told():
    values = np.append(np.random.default_rng(0).normal(20, 1, 5000), [-9999.0] * 20)
    low, high = ends_of(values)
    assert 10 < low < 17 < 23 < high < 30
    assert ends_of(values, whole=True)[0] < -9999
    every = np.array([1.0, 2, 5])
    low, high = ends_of(every)
    assert low < 1
    assert high > 5
    assert ends_of(np.array(AWKWARD[:1])) == pytest.approx((0, 1), abs=0.05)
    for constant in (0.0, 7.0, -1e-9, 3e12, 1e300):
        low, high = ends_of(np.full(5, constant))
        assert low < constant < high
    assert all(map(math.isfinite, ends_of(np.array([-1.7e308, 1.7e308]), whole=True)))


def test_whole_numbers_get_bins_of_whole_numbers():
    values = np.repeat(np.arange(0, 13.0), 4)
    bins = bins_of(values, 60, whole_numbers=True)
    assert (bins.low, bins.high, bins.n) == (-0.5, 12.5, 13)
    assert set(counted(binned(values, bins), bins).tolist()) == {4}
    wide = bins_of(np.arange(1000.0), 60, whole_numbers=True)
    sizes = counted(binned(np.arange(1000.0), wide), wide)
    assert set(sizes[:-1].tolist()) == {17}
    assert sizes.sum() == 1000


def test_a_log_axis_has_no_place_for_zero_and_less():
    found = coordinates(np.array([100.0, 1e-3, *AWKWARD]), log=True)
    np.testing.assert_allclose(found, [2, -3, *[np.nan] * 5], rtol=1e-15)
    np.testing.assert_allclose(values_at(found[:3], log=True), [100, 1e-3, np.nan])
    assert values_at(found, log=False) is found
    beyond = values_at(np.array([309.0, -400.0]), log=True)  # an axis has a margin
    assert np.isfinite(beyond).all()
    assert (beyond > 0).all()


def test_a_sample_is_even_and_repeats():
    rows = np.arange(0, 2000, 2)
    one = sample(rows, 100)
    assert one.tolist() == sample(rows, 100).tolist() == sorted(set(one.tolist()))
    assert len(one) == 100
    assert set(one.tolist()) <= set(rows.tolist())
    assert 300 < one.mean() * 0.5 < 700
    assert sample(rows, 1000) is rows


def test_small_categories_stand_together():
    codes = np.repeat([0, 1, 2, 3, 4], [5, 1, 9, 2, 3])
    new, kept = lumped(codes, 5, 3)
    assert kept == [0, 2, None]
    assert np.bincount(new).tolist() == [5, 9, 6]
    new, kept = lumped(codes, 5, 3, keep_last=True)
    assert kept == [2, None, 4]
    assert np.bincount(new).tolist() == [9, 8, 3]
    new, kept = lumped(codes, 5, 3, others=2)  # large, but no category
    assert kept == [0, 4, None]
    assert np.bincount(new).tolist() == [5, 3, 12]
    new, kept = lumped(codes, 5, 5)
    assert kept == [0, 1, 2, 3, 4]
    assert new.tolist() == codes.tolist()


def test_arrays_are_kept_as_long_as_there_is_room():
    kept = RecentArrays(2000)
    made: list[str] = []

    def get(key: str, n_bytes: int) -> None:
        def make() -> tuple[np.ndarray, bool]:
            made.append(key)
            return np.zeros(n_bytes, np.uint8), True

        kept.get(key, make)

    for key in "abac":  # 800 bytes each: "b" was not used for longest
        get(key, 800)
    assert made == ["a", "b", "c"]
    for key in "acb":
        get(key, 800)
    assert made == ["a", "b", "c", "b"]
    get("large", 5000)
    get("large", 5000)
    assert made[4:] == ["large"]
    get("c", 800)
    assert made[5:] == ["c"]


def test_a_box_holds_its_ends_and_a_log_axis_nothing_below_zero():
    rng = np.random.default_rng(2)
    x = np.append(rng.lognormal(0, 2, 500), AWKWARD)
    y = np.append(rng.normal(0, 2, 500), [0.0] * 5)
    low, high = float(x[3]), float(x[3]) * 20
    shape = Shape((low, high), (-1.0, 2.0))
    expected = [low <= a <= high and a > 0 and -1.0 <= b <= 2.0 for a, b in zip(x, y, strict=True)]
    assert inside(shape, x, y, log_x=True).tolist() == expected
    assert 0 < sum(expected) < 400
    below = Shape((-5.0, 1.0), (-1.0, 2.0))
    found = inside(below, x, log_x=True)
    assert found.tolist() == [0 < a <= 1 for a in x]
    assert inside(below, x).tolist() == [-5 <= a <= 1 for a in x]


@pytest.mark.parametrize("log_x", [False, True])
@pytest.mark.parametrize("log_y", [False, True])
def test_a_lasso_has_straight_edges_on_the_screen(log_x, log_y):
    rng = np.random.default_rng(3)
    x, y = rng.lognormal(0, 1.5, (2, 800))
    corners = [(0.1, 0.2), (9.0, 0.05), (20.0, 8.0), (0.9, 1.1), (0.3, 15.0)]
    shape = lasso_of(corners)

    def drawn(value: float, log: bool) -> float:
        return math.log(value) if log else value

    outline = [(drawn(a, log_x), drawn(b, log_y)) for a, b in corners]
    expected = [
        in_polygon_slowly(drawn(a, log_x), drawn(b, log_y), outline)
        for a, b in zip(x, y, strict=True)
    ]
    found = inside(shape, x, y, log_x=log_x, log_y=log_y)
    assert found.tolist() == expected
    assert 50 < sum(expected) < 750
    with pytest.raises(BadInput, match="below zero"):
        inside(Shape((-1.0, 1.0, 2.0), (1.0, 2.0, 3.0), lasso=True), x, y, log_x=True)


@pytest.mark.parametrize("centre", [0.0, 180.0, 350.0])
def test_a_sky_box_across_0h_holds_both_sides(centre):
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(0, 360, 3000), rng.uniform(-90, 90, 3000)
    ra[0] = np.nan
    expected = [(a >= 350 or a <= 10) and -30 <= b <= 30 for a, b in zip(ra, dec, strict=True)]
    assert sum(expected) > 30
    x, y = plain_plane(ra, dec, centre)
    assert np.nanmin(x) >= centre - 180
    assert np.nanmax(x) < centre + 180
    for turn in (-360.0, 0.0, 360.0):
        box = Shape((-10.0 + turn, 10.0 + turn), (-30.0, 30.0))
        assert inside(box, x, y, period=360.0).tolist() == expected
    corners = [(-10.0, -30.0), (10.0, -30.0), (10.0, 30.0), (-10.0, 30.0)]
    if centre == 350.0:  # where a hand would draw it there
        corners = [(a + 360, b) for a, b in corners]
    lasso = lasso_of(corners)
    assert inside(lasso, x, y, period=360.0).tolist() == expected
    everything = inside(Shape((0.0, 400.0), (-90.0, 90.0)), x, y, period=360.0)
    assert everything.tolist() == [not math.isnan(a) for a in ra]


def test_the_middle_of_the_sky_is_where_the_objects_are():
    rng = np.random.default_rng(5)
    assert abs(centre_of(rng.uniform(-20, 20, 900) % 360)) % 359 < 1.5
    assert abs(centre_of(rng.uniform(100, 140, 900)) - 120) < 1.5
    assert centre_of(rng.uniform(0, 360, 5000)) == 180
    assert centre_of(np.full(3, np.nan)) == 180


def test_mollweide_is_that_of_the_fits_standard():
    rng = np.random.default_rng(6)
    ra, dec = rng.uniform(0, 360, 2000), rng.uniform(-89, 89, 2000)
    for centre in (0.0, 180.0, 77.0):
        reference = WCS(naxis=2)
        reference.wcs.ctype = ["RA---MOL", "DEC--MOL"]
        reference.wcs.crval, reference.wcs.crpix = [centre, 0], [0, 0]
        reference.wcs.cdelt = [1, 1]
        expected = reference.wcs_world2pix(np.column_stack([ra, dec]), 0) + 1
        x, y = mollweide(ra, dec, centre)
        np.testing.assert_allclose(np.column_stack([x, y]), expected, atol=1e-4)
    poles = mollweide(np.array([5.0, 5.0, np.nan]), np.array([90.0, -90.0, 0.0]), 0.0)
    np.testing.assert_allclose(poles[1][:2], [81.03, -81.03], atol=0.01)
    assert np.isnan(poles[0][2])
    assert all(np.isfinite(line).all() for lines in graticule(77.0) for line in lines)


def test_what_plotly_says_is_read_or_refused():
    box = {"box": [{"x": [3.0, 1.0], "y": [5.0, 4.0]}], "lasso": []}
    assert shape_of(box) == Shape((1.0, 3.0), (4.0, 5.0))
    lasso = {"box": [], "lasso": [{"x": [0, 1, 1], "y": [0, 0, 1]}]}
    assert shape_of(lasso) == Shape((0, 1, 1), (0, 0, 1), lasso=True)
    assert shape_of({"box": [], "lasso": [], "points": []}) is None
    for broken in (
        {"box": [{"x": [1.0], "y": [2.0]}]},
        {"box": [{"x": [1.0, math.nan], "y": [2.0, 3.0]}]},
        {"box": [{"x": ["a", "b"], "y": [2.0, 3.0]}]},
        {"lasso": [{"x": [0, 1], "y": [0, 1]}]},
        {"box": [{"x": [1.0, 10**400], "y": [2.0, 3.0]}]},
        {"lasso": [{"x": [0.0] * 5000, "y": [0.0] * 5000}]},
        {"lasso": [{"y": [0.0] * 5}]},
    ):
        with pytest.raises(BadInput, match="draw it again"):
            shape_of(broken)
