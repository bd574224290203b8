"""Sources put into a synthetic field are found where they are, with their flux."""

import numpy as np
import pytest

from core.errors import BadInput
from core.measure import find_sources

SIGMA_PX = 1.8
NOISE = 2.0


def field(places, fluxes, *, shape=(160, 200), sky=50.0, seed=3):
    y, x = np.indices(shape, dtype=float)
    rng = np.random.default_rng(seed)
    picture = sky + rng.normal(0, NOISE, shape)
    for (x0, y0), flux in zip(places, fluxes, strict=True):
        profile = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * SIGMA_PX**2))
        picture += flux * profile / (2 * np.pi * SIGMA_PX**2)
    return picture


def grid_places():
    rng = np.random.default_rng(1)
    return [
        (x + rng.uniform(-3, 3), y + rng.uniform(-3, 3))
        for x in range(20, 200, 30)
        for y in range(20, 160, 30)
    ]


def test_known_sources_are_found_with_place_and_flux():
    places = grid_places()
    fluxes = np.linspace(600, 6000, len(places))
    sources = find_sources(field(places, fluxes))
    assert len(sources) == len(places)
    found = np.column_stack([sources.x, sources.y])
    nearest = [int(np.hypot(*(found - place).T).argmin()) for place in places]
    distance = [np.hypot(*(found[k] - place)) for k, place in zip(nearest, places, strict=True)]
    assert sorted(nearest) == list(range(len(places)))
    assert max(distance) < 0.5
    # Isophotal flux misses the wings of faint sources, never half of them.
    ratio = sources.flux[nearest] / fluxes
    assert np.all((ratio > 0.6) & (ratio < 1.1))
    assert np.all(ratio[-10:] > 0.85)


def test_order_is_by_significance_and_segments_follow_it():
    places = grid_places()
    sources = find_sources(field(places, np.geomspace(600, 20000, len(places))))
    assert np.all(np.diff(sources.significance) <= 0)
    for number in (0, 7, len(sources) - 1):
        own = sources.segments[round(sources.y[number]), round(sources.x[number])]
        assert own == number + 1
        assert (sources.segments == number + 1).sum() == sources.area_px[number]


def test_touching_sources_are_deblended():
    sources = find_sources(field([(80, 80), (87, 82)], [6000, 3000]))
    assert len(sources) == 2
    assert sources.x == pytest.approx([80, 87], abs=0.5)


def test_an_elongated_source_has_its_ellipticity():
    y, x = np.indices((100, 100), dtype=float)
    shape = np.exp(-((x - 50) ** 2) / (2 * 6**2) - (y - 50) ** 2 / (2 * 3**2))
    picture = 400 * shape + np.random.default_rng(0).normal(0, 1, x.shape)
    sources = find_sources(picture)
    assert sources.ellipticity[0] == pytest.approx(0.5, abs=0.05)
    assert sources.semi_major_px[0] == pytest.approx(6, abs=0.6)


def test_noise_alone_is_hardly_ever_a_source():
    sources = find_sources(field([], []), threshold_sigma=3.0)
    assert len(sources) <= 1
    assert sources.noise.mean() == pytest.approx(NOISE, rel=0.05)
    assert sources.background.mean() == pytest.approx(50, abs=0.2)


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_constant_picture_has_no_sources(value):
    sources = find_sources(np.full((64, 64), value))
    assert len(sources) == 0
    assert not sources.segments.any()


def test_missing_pixels_are_no_sources_and_hide_none():
    picture = field([(120, 80)], [5000])
    picture[:, :60] = np.nan
    sources = find_sources(picture)
    assert sources.x == pytest.approx([120], abs=0.3)


def test_integers_are_taken_as_they_are():
    picture = field([(80, 80)], [9000]).round().astype(np.uint8)
    assert find_sources(picture).x == pytest.approx([80], abs=0.3)


@pytest.mark.parametrize("shape", [(3, 64, 64), (64,), (4, 64)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(BadInput, match="one picture"):
        find_sources(np.zeros(shape))
