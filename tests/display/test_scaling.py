"""Stretches and limits against DS9's formulas and astropy's zscale; colour maps against Green."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.visualization import ZScaleInterval
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.display import COLOUR_MAPS, STRETCHES, Look, colour_map
from core.display.scaling import limits_of, scaled, stretched
from core.errors import BadInput

X = np.linspace(0, 1, 1001)

DS9 = {
    # From the reference manual of DS9, "How DS9 renders an image"; they are within 1 % of 1 at 1.
    "linear": X,
    "log": np.log(1000 * X + 1) / np.log(1000),
    "power": (1000.0**X - 1) / 1000,
    "sqrt": np.sqrt(X),
    "squared": X**2,
    "asinh": np.arcsinh(10 * X) / 3,
    "sinh": np.sinh(3 * X) / 10,
}


@pytest.mark.parametrize("name", DS9)
def test_stretches_are_those_of_ds9(name):
    np.testing.assert_allclose(stretched(X, name), DS9[name], atol=0.002)


def test_every_stretch_but_histogram_has_a_formula_here():
    assert set(DS9) | {"histogram"} == set(STRETCHES)


@pytest.mark.parametrize("name", STRETCHES)
@given(values=hnp.arrays(np.float64, st.integers(2, 50), elements=st.floats(0, 1)))
def test_stretches_are_monotonic_from_0_to_1(name, values):
    ends = np.sort(np.concatenate([[0.0, 1.0], values]))
    found = stretched(ends, name)
    assert (np.diff(found) >= -1e-12).all()
    assert found[-1] == pytest.approx(1.0)
    assert found.min() >= 0.0
    if name != "histogram":  # many equal zeros have a rank above zero
        assert found[0] == 0.0


def test_histogram_gives_each_level_as_many_pixels():
    skewed = np.random.default_rng(0).exponential(size=(300, 300))
    found = stretched(scaled(skewed, 0.0, float(skewed.max())), "histogram")
    counts, _ = np.histogram(found, bins=10, range=(0, 1))
    np.testing.assert_allclose(counts, 9000, rtol=0.02)


def test_zscale_is_that_of_astropy_and_of_noise():
    noise = np.random.default_rng(1).normal(100, 5, (200, 200))
    noise[::50, ::50] = 1e5
    low, high = limits_of(noise, Look(limits="zscale"), (0, 1))
    assert (low, high) == ZScaleInterval().get_limits(noise)
    assert 60 < low < 100 < high < 160
    holed = noise.copy()
    holed[:20] = np.nan
    assert limits_of(holed, Look(limits="zscale"), (0, 1)) == pytest.approx(
        ZScaleInterval().get_limits(holed[20:]), rel=1e-6
    )


def test_the_other_limits():
    values = np.arange(1001.0).reshape(7, 143)
    assert limits_of(values, Look(limits="minmax"), (0, 1)) == (0, 1000)
    assert limits_of(values, Look(limits="percentile", percent=90.0), (0, 1)) == (50, 950)
    assert limits_of(values, Look(limits="survey"), (3, 4)) == (3, 4)
    assert limits_of(values, Look(limits="fixed", low=-1.0, high=9.0), (3, 4)) == (-1, 9)


@pytest.mark.parametrize("limits", ["minmax", "zscale", "percentile"])
@given(
    values=hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(width=32)
    )
)
def test_any_pixels_have_limits_and_a_scale(limits, values):
    low, high = limits_of(values.astype(np.float64), Look(limits=limits), (0, 1))
    assert np.isfinite([low, high]).all()
    assert low <= high
    placed = scaled(values.astype(np.float64), low, high)
    assert ((placed >= 0) & (placed <= 1)).all()


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colour_maps_are_tables_of_256(name):
    table = colour_map(name)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert len(np.unique(table, axis=0)) > 200


def test_colour_maps_have_the_colours_of_their_makers():
    np.testing.assert_array_equal(colour_map("gray")[:, 1], np.arange(256))
    # DS9's heat: red is full at 0.34, blue begins at 0.65.
    heat = colour_map("heat")
    assert heat[87].tolist() == [255, 87, 0]
    assert heat[[165, 255], 2].tolist() == [0, 255]
    # matplotlib's viridis at both ends and in the middle.
    assert colour_map("viridis")[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 37]]
    np.testing.assert_allclose(colour_map("viridis")[128], [33, 145, 140], atol=2)
    # Green's cubehelix is as bright as its level says (his weights of R, G, B).
    brightness = colour_map("cubehelix") @ [0.30, 0.59, 0.11]
    np.testing.assert_allclose(brightness, np.arange(256), atol=3)
    assert colour_map("rdbu")[0, 2] > colour_map("rdbu")[0, 0]


def test_an_unknown_map_is_refused():
    with pytest.raises(BadInput, match="choose one of gray"):
        colour_map("jet")
