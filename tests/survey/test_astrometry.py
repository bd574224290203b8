"""The sky position of a pixel, held against astropy.wcs, and what catalogues get wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from astropy.cosmology import Planck18
from astropy.wcs import WCS

from core.measure.distances import kpc_per_arcsec
from core.survey import Batch, SurveyWriter, sky_positions
from core.survey.astrometry import WCS_COLUMNS, Astrometry, SkyColumns
from core.survey.astrometry import astrometry as looked_up

SIDE = 64


@pytest.fixture
def survey_with(workspace):
    """A survey of 64 px cutouts whose catalogue is the given rows."""

    def write(*rows, scale=0.396):
        with SurveyWriter(
            workspace,
            f"sky{len(list(workspace.surveys.iterdir())) if workspace.surveys.exists() else 0}",
            bands=("r",),
            cutout_size_px=SIDE,
            dtype="uint8",
            origin="made up",
            licence="none",
            pixel_scale_arcsec=scale,
        ) as writer:
            images = np.zeros((len(rows), 1, SIDE, SIDE), np.uint8)
            writer.append(Batch([f"o{i}" for i in range(len(rows))], images, list(rows)))
            return writer.commit()

    return write


def astrometry(survey, row) -> Astrometry:
    there = looked_up(survey, row)
    assert there is not None
    return there


def at(there: Astrometry, x, y) -> tuple[float, float]:
    place = there.sky(x, y)
    assert place is not None
    return place


def wcs_row(ra, dec, crpix1, crpix2, cd):
    values = (ra, dec, crpix1, crpix2, *np.ravel(cd))
    return dict(zip(WCS_COLUMNS, map(float, values), strict=True))


def astropy_wcs(row):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [row["wcs_crval1"], row["wcs_crval2"]]
    wcs.wcs.crpix = [row["wcs_crpix1"], row["wcs_crpix2"]]
    wcs.wcs.cd = [
        [row["wcs_cd1_1"], row["wcs_cd1_2"]],
        [row["wcs_cd2_1"], row["wcs_cd2_2"]],
    ]
    return wcs


def apart_arcsec(a, b):
    """Angle between (ra, dec) in degrees."""
    (ra1, dec1), (ra2, dec2) = np.radians(a), np.radians(b)
    half = np.sin((dec2 - dec1) / 2) ** 2
    half += np.cos(dec1) * np.cos(dec2) * np.sin((ra2 - ra1) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600


TURNED = 1e-4 * np.array([[-0.9, 0.44], [0.43, 0.91]])


@pytest.mark.parametrize(
    "row",
    [
        wcs_row(185.7, 15.8, 32.5, 32.5, [[-1.1e-4, 0], [0, 1.1e-4]]),
        wcs_row(0.0003, -40.0, 20.0, 41.0, TURNED),
        wcs_row(359.9999, 89.999, 32.5, 32.5, TURNED),
        wcs_row(10.0, -89.9995, 32.5, 30.0, -TURNED),
    ],
)
def test_pixels_lie_where_astropy_says(survey_with, row):
    there = astrometry(survey_with(row), 0)
    wcs = astropy_wcs(row)
    for x, y in [(0, 0), (63, 0), (31.5, 31.5), (7.25, 60.5)]:
        expected = wcs.all_pix2world([[x, y]], 0)[0]
        assert apart_arcsec(at(there, x, y), expected) < 1e-6
        assert 0 <= at(there, x, y)[0] < 360
    assert not there.assumed
    assert there.scale_arcsec == pytest.approx(
        3600 * np.sqrt(abs(np.linalg.det(np.array(there.cd))))
    )


def test_a_far_reference_point_is_moved_to_the_object(survey_with):
    """Cut out of a large image, CRVAL is degrees away from the object."""
    row = wcs_row(120.0, 60.0, -9000.0, 15000.0, TURNED)
    survey = survey_with(row)
    there = astrometry(survey, 0)
    wcs = astropy_wcs(row)
    centre = wcs.all_pix2world([[31.5, 31.5]], 0)[0]
    assert (there.x_px, there.y_px) == (31.5, 31.5)
    assert apart_arcsec((there.ra_deg, there.dec_deg), centre) < 1e-6
    for x, y in [(0, 0), (63, 63), (63, 0)]:
        expected = wcs.all_pix2world([[x, y]], 0)[0]
        assert apart_arcsec(at(there, x, y), expected) < 1e-3
    positions = sky_positions(survey)
    assert positions is not None
    assert apart_arcsec([column[0] for column in positions], centre) < 1e-6


def test_without_a_wcs_north_is_up_and_east_left(survey_with):
    there = astrometry(survey_with({"RA": 150.0, "Dec": 2.0}), 0)
    assert there.assumed
    assert (there.ra_deg, there.dec_deg, there.x_px, there.y_px) == (150.0, 2.0, 31.5, 31.5)
    wcs = astropy_wcs(wcs_row(150.0, 2.0, 32.5, 32.5, np.diag([-1, -1]) * 0.396 / 3600))
    assert apart_arcsec(at(there, 10, 10), wcs.all_pix2world([[10, 10]], 0)[0]) < 1e-6
    up, left = at(there, 31.5, 21.5), at(there, 21.5, 31.5)
    assert up[1] > 2.0
    assert left[0] > 150.0
    assert there.payload() == {
        "ra_deg": 150.0,
        "dec_deg": 2.0,
        "x_px": 31.5,
        "y_px": 31.5,
        "cd": [[-0.396 / 3600, 0.0], [0.0, -0.396 / 3600]],
        "scale_arcsec": 0.396,
        "assumed": True,
        "z": None,
        "z_column": None,
        "kpc_per_arcsec": None,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"wcs_cd1_1": 0.0, "wcs_cd1_2": 0.0},
        {"wcs_cd1_1": 1.0, "wcs_cd1_2": 2.0, "wcs_cd2_1": 2.0, "wcs_cd2_2": 4.0},
        {"wcs_cd1_1": 1e-4, "wcs_cd1_2": 2e-4, "wcs_cd2_1": 2e-4, "wcs_cd2_2": 4e-4},
        {"wcs_crval2": 91.0},
        {"wcs_crval1": float("nan")},
        {"wcs_crpix1": 1e9},
        {"wcs_cd2_2": 7.0},
        {"wcs_cd2_2": None},
    ],
)
def test_a_damaged_wcs_gives_way_to_the_position(survey_with, change):
    good = wcs_row(185.7, 15.8, 32.5, 32.5, TURNED)
    survey = survey_with(good | change | {"ra": 10.0, "dec": 20.0}, good)
    assert astrometry(survey, 0).assumed
    assert astrometry(survey, 0).ra_deg == 10.0
    assert not astrometry(survey, 1).assumed
    assert looked_up(survey_with(good | change, scale=None), 0) is None


def test_scale_and_position_alone(survey_with):
    placed = astrometry(survey_with({"ra_deg": 10, "dec_deg": -5}, scale=None), 0)
    assert (placed.ra_deg, placed.dec_deg) == (10.0, -5.0)
    assert placed.sky(3, 4) is None
    assert placed.payload()["cd"] is None
    assert placed.payload()["scale_arcsec"] is None
    assert not placed.assumed
    scaled = astrometry(survey_with({"z_spec": 0.1}), 0)
    assert scaled.sky(3, 4) is None
    assert scaled.payload()["ra_deg"] is None
    assert scaled.scale_arcsec == 0.396
    assert scaled.kpc_per_arcsec == pytest.approx(kpc_per_arcsec(0.1))
    nothing = survey_with({"mag": 17.0}, scale=None)
    assert looked_up(nothing, 0) is None
    assert sky_positions(nothing) is None


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        (-10.0, 0.0, 350.0),
        (360.0, 0.0, 0.0),
        (361.0, 0.0, None),
        (10.0, 90.5, None),
        (10.0, float("nan"), None),
        (float("inf"), 0.0, None),
        (None, 3.0, None),
    ],
)
def test_positions_out_of_range_are_none(survey_with, ra, dec, expected):
    survey = survey_with({"ra": ra, "dec": dec}, {"ra": 1.0, "dec": 1.0})
    there = astrometry(survey, 0)
    assert there.ra_deg == expected
    assert (there.cd is None) == (expected is None)


def test_text_that_holds_no_degrees_is_passed_over(survey_with):
    """VizieR's RAJ2000 may be sexagesimal text beside _RAJ2000 in degrees."""
    row = {
        "RAJ2000": "12 22 54.0",
        "DEJ2000": "+15 49 20",
        "_RAJ2000": 185.725,
        "_DEJ2000": "15.8",
    }
    there = astrometry(survey_with(row), 0)
    assert (there.ra_deg, there.dec_deg) == (185.725, 15.8)
    assert looked_up(survey_with({"ra": True, "dec": False}, scale=None), 0) is None


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"z": 0.3}, 0.3),
        ({"Z": 0.3, "photo_z": 0.4}, 0.3),
        ({"zspec": -9999.0, "photo_z": 0.4}, 0.4),
        ({"z_spec": float("nan"), "redshift": 0.2}, 0.2),
        ({"z": 25.0}, None),
        ({"z": 0.0}, None),
        ({"z": None}, None),
        ({"redshift": "unknown"}, None),
        ({"g": 19.0, "r": 18.0, "i": 17.5, "z": 17.2}, None),
        ({"r": 18.0, "i": 17.5, "z": 17.2, "photoz": 0.15}, 0.15),
        ({"g": 1.9, "r": 3.1, "z": 4.2}, None),  # nanomaggies of the Legacy Surveys
        ({"G": 19.9, "Z": 0.2}, None),
        ({"mag_r": 19.9, "z": 0.2}, 0.2),
        ({"mag_r": 19.9, "z": 18.7}, None),
        ({"r_flux": 3.1, "z": 4.2, "z_phot": 0.3}, 0.3),
        ({"mag_r": 19.9, "mag_z": 18.9, "z": 0.2}, 0.2),
        ({"petroMag_r": 17.1, "z": 0.2}, 0.2),
        ({"z": 17.2}, None),
        ({"z": 12.5}, None),
        ({"redshift": 12.5}, 12.5),
    ],
)
def test_redshifts(columns, expected):
    z = SkyColumns(pd.DataFrame([columns, dict.fromkeys(columns)])).z
    found = None if z is None or np.isnan(z[0]) else z[0]
    assert found == expected


def test_magnitudes_under_the_name_z_are_known_by_their_values():
    assert SkyColumns(pd.DataFrame({"z": [16.0, 11.5, 21.0, -99.0]})).z is None
    found = SkyColumns(pd.DataFrame({"Z": [0.3, 15.0, 0.2]}))
    assert found.z == pytest.approx([0.3, np.nan, 0.2], nan_ok=True)
    assert found.z_column == "Z"


def test_gaps_of_a_measured_redshift_stay(survey_with):
    survey = survey_with({"z_spec": 0.1, "z": 0.5, "photo_z": 0.2}, {"z": 0.5, "photo_z": 0.2})
    first, second = astrometry(survey, 0), astrometry(survey, 1)
    assert (first.z, first.z_column, first.is_z_photometric) == (0.1, "z_spec", False)
    assert (second.z, second.z_column) == (None, None)
    row = {"Photo_z": 0.2} | wcs_row(185.7, 15.8, 32.5, 32.5, TURNED)
    estimated = astrometry(survey_with(row), 0)
    assert (estimated.z, estimated.z_column) == (0.2, "Photo_z")
    assert estimated.is_z_photometric
    assert estimated.payload()["z_column"] == "Photo_z"


def test_kiloparsec_are_those_of_astropy():
    for z in (1e-4, 0.003, 0.05, 0.3, 1.6, 7.0, 19.9):
        expected = Planck18.kpc_proper_per_arcmin(z).value / 60
        assert kpc_per_arcsec(z) == pytest.approx(expected, rel=1e-5)
    for z in (0.0, -1.0, 20.0, float("nan"), float("inf")):
        assert kpc_per_arcsec(z) is None
