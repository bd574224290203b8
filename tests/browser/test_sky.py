"""From pixels to the sky in the browser, held against astropy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.coordinates import Angle
from astropy.wcs import WCS
from playwright.sync_api import Page

from tests.browser.conftest import ROOT

CD = (-0.9e-4, 0.44e-4, 0.43e-4, 0.91e-4)


def test_the_sky_in_the_browser_is_that_of_astropy(page: Page) -> None:
    """sky.js, evaluated in the page: there and back, and how positions are written."""
    source = (ROOT / "pages/components/labeller/sky.js").read_text(encoding="utf-8")
    cases = [(185.7, 15.8, CD), (0.0003, -40.0, CD), (359.9999, 89.999, CD), (10.0, -89.9995, CD)]
    for ra, dec, cd in cases:
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [32.5, 32.5]
        wcs.wcs.cd = np.reshape(cd, (2, 2))
        matrix = [list(cd[:2]), list(cd[2:])]
        sky = {"ra_deg": ra, "dec_deg": dec, "x_px": 31.5, "y_px": 31.5, "cd": matrix}
        for x, y in ((0, 0), (63, 5.25), (31.5, 31.5)):
            place, back = page.evaluate(
                f"([sky, x, y]) => {{ {source}; const p = skyOf(sky, x, y);"
                " return [p, pixelOf(sky, p.ra, p.dec)]; }",
                [sky, x, y],
            )
            expected = wcs.pixel_to_world(x, y)
            apart = expected.separation(type(expected)(place["ra"], place["dec"], unit="deg"))
            assert apart.arcsec < 1e-6
            assert (back["x"], back["y"]) == pytest.approx((x, y), abs=1e-5)

    def written(call: str) -> str:
        return page.evaluate(f"() => {{ {source}; return {call}; }}")

    assert written("formatRa(185.725)") == "12h22m54.00s"
    assert written("formatRa(359.99999999)") == "00h00m00.00s"
    assert written("formatDec(15.8222222)") == "+15°49′20.0″"
    assert written("formatDec(-0.00416666)") == "−00°00′15.0″"
    assert written("formatDec(-1e-9)") == "+00°00′00.0″"
    assert written("formatDec(29.99999999)") == "+30°00′00.0″"
    assert (
        written("[0.4213, 12.34, 75, 7200].map(formatAngle).join()") == "0.42″,12.3″,1.25′,2.00°"
    )
    for degrees in (0.0, 12.3456, 222.2222, 300.5):
        said = written(f"formatRa({degrees}, 4)")
        assert Angle(said).deg == pytest.approx(degrees, abs=1e-6)
    assert json.loads(written("JSON.stringify([skyOf(null, 1, 1), skyOf({cd: null}, 1, 1)])")) == [
        None,
        None,
    ]
