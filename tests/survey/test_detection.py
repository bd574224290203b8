from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from core.errors import BadInput
from core.survey.mosaics import detection
from core.survey.mosaics.detection import COLUMNS, DetectionSettings, detect, detect_tile
from core.survey.mosaics.tiles import Tile
from tests.survey.skies import add_stars, noise, save, tangent

SHAPE = (400, 520)


@pytest.fixture
def sky(tmp_path):
    """A tile with stars on the borders of sections of 128 pixels, and a galaxy across one."""
    rng = np.random.default_rng(11)
    x = np.concatenate([rng.uniform(15, 505, 60), np.full(6, 127.5), [128.0, 255.5, 383.49]])
    y = np.concatenate([rng.uniform(15, 385, 60), np.arange(40, 340, 50), [127.5, 127.5, 255.5]])
    image = noise(SHAPE, 3)
    add_stars(image, x, y, np.full(len(x), 800.0))
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image += 40 * np.exp(-((u - 250) ** 2 / (2 * 12**2) + (v - 310) ** 2 / (2 * 6**2)))
    path = save(tmp_path / "m.fits", image.astype(np.float32), tangent(SHAPE))
    tile = Tile.open(path)
    yield tile, np.stack([x, y], axis=1)
    tile.close()


def test_sections_find_each_source_once(sky, monkeypatch):
    tile, stars = sky
    whole = detect_tile(tile, DetectionSettings())
    monkeypatch.setattr(detection, "SECTION_PX", 128)
    parts = detect_tile(tile, DetectionSettings())
    assert list(parts) == list(COLUMNS)
    of_whole = np.stack([whole["x_px"], whole["y_px"]], axis=1)
    of_parts = np.stack([parts["x_px"], parts["y_px"]], axis=1)
    apart, _ = cKDTree(of_parts).query(stars)
    alone = cKDTree(stars).query(stars, k=2)[0][:, 1] > 12
    alone &= np.hypot(*(stars - [250, 310]).T) > 60
    assert apart[alone].max() < 0.5
    # The same sources, up to faint ones at the threshold.
    bright = whole["sn"] > 15
    apart, which = cKDTree(of_parts).query(of_whole[bright])
    assert (apart < 0.5).mean() > 0.97
    assert len(set(which.tolist())) == bright.sum()
    apart = cKDTree(of_parts).query(of_parts, k=2)[0][:, 1]
    assert apart.min() > 2.0
    (galaxy,) = np.flatnonzero(np.hypot(*(of_parts - [250, 310]).T) < 3)
    assert parts["a_px"][galaxy] == pytest.approx(12, rel=0.15)
    assert parts["ellipticity"][galaxy] == pytest.approx(0.5, abs=0.1)
    assert abs(parts["theta"][galaxy]) < 3
    assert parts["peak"][galaxy] == pytest.approx(40, abs=5)
    assert abs(parts["b_px"][galaxy] - 0.5 * parts["a_px"][galaxy]) < 1.0


def test_the_same_every_time_and_faint_ones_left_out(sky):
    tile, _ = sky
    first, second = (detect([(tile, 0)], DetectionSettings()) for _ in range(2))
    for name in COLUMNS:
        np.testing.assert_array_equal(first.values[name], second.values[name])
    bright = detect([(tile, 0)], DetectionSettings(min_flux=900.0))
    assert 0 < len(bright) < len(first)
    assert bright.values["flux"].min() >= 900


def test_blends_touch(tmp_path):
    image = noise((120, 160), 1)
    x, y = np.array([50.0, 56.5, 120.0]), np.array([60.0, 60.0, 60.0])
    add_stars(image, x, y, np.array([3000.0, 3000.0, 3000.0]))
    tile = Tile.open(save(tmp_path / "m.fits", image, tangent((120, 160))))
    found = detect_tile(tile, DetectionSettings(threshold=5.0))
    tile.close()
    order = np.argsort(found["x_px"])
    np.testing.assert_allclose(found["x_px"][order], x, atol=0.6)
    assert found["blended"][order].tolist() == [True, True, False]


def test_areas_without_data_hold_no_source(tmp_path):
    image = noise(SHAPE, 2)
    image[:, :200] = 0
    image[:150] = np.nan
    add_stars(image, np.array([400.0]), np.array([300.0]), np.array([2000.0]))
    tile = Tile.open(save(tmp_path / "m.fits", image, tangent(SHAPE)))
    found = detect_tile(tile, DetectionSettings(threshold=4.0))
    tile.close()
    assert (found["x_px"] > 195).all()
    assert (found["y_px"] > 145).all()
    assert np.hypot(found["x_px"] - 400, found["y_px"] - 300).min() < 0.3
    for value in (0.0, np.nan):
        blank = np.full((64, 64), value, dtype=np.float32)
        tile = Tile.open(save(tmp_path / "m.fits", blank, tangent((64, 64))))
        assert len(detect([(tile, 0)], DetectionSettings())) == 0
        tile.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold", 0.1), ("npixels", 0), ("fwhm_px", 99.0), ("box_px", 2), ("contrast", -1.0)],
)
def test_settings_are_checked(name, value):
    with pytest.raises(BadInput, match=f"detection's {name}"):
        DetectionSettings(**{name: value})
