from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_skycoord

from core.survey.readers.fits_header import FitsHeader
from core.survey.readers.fits_wcs import (
    apart_px,
    moved,
    nominal_scale,
    pixel_scale,
    read_wcs,
    sky_position,
)

WIDTH, HEIGHT = 40, 30
STEP = 0.2 / 3600
TURN = np.radians(33.0)
CD = {
    "CD1_1": -STEP * np.cos(TURN),
    "CD1_2": STEP * np.sin(TURN),
    "CD2_1": STEP * np.sin(TURN),
    "CD2_2": STEP * np.cos(TURN),
}
BASE = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 359.999,
    "CRVAL2": -61.5,
    "CRPIX1": 17.25,
    "CRPIX2": 300.5,
}
HEADERS = {
    "CD": {**BASE, **CD},
    "PC": {
        **BASE,
        "PC1_1": 0.8,
        "PC1_2": -0.6,
        "PC2_1": 0.6,
        "PC2_2": 0.8,
        "CDELT1": -STEP,
        "CDELT2": STEP,
        "RADESYS": "ICRS",
    },
    "CROTA": {**BASE, "CDELT1": -STEP, "CDELT2": 1.5 * STEP, "CROTA2": 25.0},
    "CDELT": {**BASE, "CDELT1": -STEP, "CDELT2": STEP, "EQUINOX": 2000.0, "RADESYS": "FK5"},
    "arcsec": {
        **BASE,
        "CUNIT1": "arcsec",
        "CUNIT2": "arcsec",
        "CDELT1": -0.2,
        "CDELT2": 0.2,
        "CRVAL1": 150 * 3600.0,
        "CRVAL2": 2 * 3600.0,
    },
    "SIN": {**BASE, **CD, "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
    "ZEA far off": {**BASE, **CD, "CTYPE1": "RA---ZEA", "CTYPE2": "DEC--ZEA", "CRPIX1": 9000.0},
    "galactic": {**BASE, **CD, "CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
    "B1950": {**BASE, **CD, "RADESYS": "FK4", "EQUINOX": 1950.0},
    "SIP": {
        **BASE,
        **CD,
        "CTYPE1": "RA---TAN-SIP",
        "CTYPE2": "DEC--TAN-SIP",
        "CRPIX1": -2000.0,
        "A_ORDER": 2,
        "A_2_0": 1e-6,
        "B_ORDER": 2,
        "B_0_2": -2e-6,
        "B_1_1": 3e-6,
    },
    "TPV": {
        **BASE,
        **CD,
        "CTYPE1": "RA---TPV",
        "CTYPE2": "DEC--TPV",
        "PV1_0": 0.0,
        "PV1_1": 1.0,
        "PV1_4": 0.01,
        "PV2_0": 0.0,
        "PV2_1": 1.0,
        "PV2_5": 0.01,
    },
    "axes swapped": {
        **BASE,
        **CD,
        "CTYPE1": "DEC--TAN",
        "CTYPE2": "RA---TAN",
        "CRVAL1": 12.0,
        "CRVAL2": 77.0,
    },
}


def parsed(cards: dict[str, object]) -> FitsHeader:
    header = fits.Header()
    header.update(cards)
    text = header.tostring(padding=True).encode()
    return FitsHeader.parse(text)[0]


@pytest.mark.parametrize("kind", HEADERS)
def test_the_sky_is_where_astropy_says(kind):
    wcs = read_wcs(parsed(HEADERS[kind]), WIDTH, HEIGHT)
    assert len(wcs) == 8
    header = fits.Header()
    header.update(HEADERS[kind])
    x, y = np.array([0.0, 20.0, 39.0, 3.0]), np.array([0.0, 15.0, 29.0, 28.0])
    expected = pixel_to_skycoord(x, y, WCS(header), origin=0).icrs
    found = [sky_position(wcs, *place) for place in zip(x, y, strict=True)]
    sky = SkyCoord(*np.transpose(found), unit="deg")
    assert sky.separation(expected).arcsec.max() < 0.03
    assert 0 <= wcs["wcs_crval1"] < 360
    sides = [STEP * 3600, 1.5**0.5 * STEP * 3600]
    scale = nominal_scale(parsed(HEADERS[kind]), wcs)
    assert min(abs(scale / side - 1) for side in sides) < 0.001


@pytest.mark.parametrize("order", [0, 1, 99, "many"])
def test_sip_without_a_sensible_polynomial_is_left_out(order):
    distorted = {
        **HEADERS["CD"],
        "CTYPE1": "RA---TAN-SIP",
        "CTYPE2": "DEC--TAN-SIP",
        "A_ORDER": order,
        "B_ORDER": order,
    }
    expected = read_wcs(parsed(HEADERS["CD"]), WIDTH, HEIGHT)
    assert read_wcs(parsed(distorted), WIDTH, HEIGHT) == expected


@pytest.mark.parametrize("zoom", [1.0, 0.4, 3.0])
def test_moved_pixels_show_the_same_sky(zoom):
    wcs = read_wcs(parsed(HEADERS["CD"]), WIDTH, HEIGHT)
    new = moved(wcs, -3.5, 7.25, zoom)
    for i, j in ((0, 0), (5, 11)):
        old = sky_position(wcs, -3.5 + zoom * i, 7.25 + zoom * j)
        assert sky_position(new, i, j) == pytest.approx(old, abs=1e-10)
    assert pixel_scale(new) == pytest.approx(zoom * pixel_scale(wcs))
    assert moved({}, 1, 1, 1) == {}


def test_how_far_apart_two_images_are():
    wcs = read_wcs(parsed(HEADERS["PC"]), WIDTH, HEIGHT)
    assert apart_px(wcs, wcs, 40) == 0
    assert apart_px(wcs, moved(wcs, 3.0, 4.0, 1.0), 40) == pytest.approx(5, rel=1e-4)
    assert apart_px(wcs, {}, 40) == apart_px({}, wcs, 40) == 0
    assert pixel_scale({}) is None


USELESS = {
    "none": {"CRVAL1": 3.0},
    "spectral": {**BASE, **CD, "CTYPE1": "WAVE", "CTYPE2": "LINEAR"},
    "no scale": BASE,
    "no area": {**BASE, "CD1_1": 1e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 1e-4},
    "beyond the pole": {**BASE, **CD, "CRVAL2": 91.0},
    "pixels of degrees": {**BASE, "CDELT1": -5.0, "CDELT2": 5.0},
    "reference far away": {**BASE, **CD, "CRPIX1": 1e9},
    "unknown projection": {**BASE, **CD, "CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
    "unknown unit": {**BASE, **CD, "CUNIT1": "parsec"},
    "position in words": {**BASE, **CD, "CRVAL1": "12:30:00"},
    "no position": {**CD, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"},
}


@pytest.mark.parametrize("kind", USELESS)
def test_headers_without_usable_coordinates(kind):
    assert read_wcs(parsed(USELESS[kind]), WIDTH, HEIGHT) == {}
