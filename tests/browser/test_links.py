"""Links from a position on the sky: right addresses, in every corner of the sky."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

import pytest

from tests.browser.conftest import Chromium

LABELLER = Path(__file__).resolve().parents[2] / "pages" / "components" / "labeller"
NAMES = {
    *("SIMBAD", "NED", "SkyServer chart", "SkyServer object", "Legacy Surveys", "ESASky"),
    "Aladin",
}

Links = Callable[..., dict[str, SplitResult]]


@pytest.fixture(scope="module")
def links(browsers: Chromium) -> Iterator[Links]:
    """`skyLinks` itself, run in an empty page: {name: address}."""
    script = (LABELLER / "links.js").read_text(encoding="utf-8")
    page = browsers.living().new_page()

    def of(*arguments: float | None) -> dict[str, SplitResult]:
        # JSON has neither NaN nor infinity: they are written out.
        written = ", ".join("NaN" if one is None else repr(one) for one in arguments)
        made = page.evaluate(f"() => {{ {script}\n return skyLinks({written}); }}")
        return {one["name"]: urlsplit(one["url"]) for one in made}

    yield of
    page.close()


def query(address: SplitResult) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def test_every_service_is_there_over_https_and_nothing_else(links: Links) -> None:
    made = links(185.728463, 15.821757, 25.6)
    assert set(made) == NAMES
    assert {address.scheme for address in made.values()} == {"https"}
    assert {name: address.netloc + address.path for name, address in made.items()} == {
        "SIMBAD": "simbad.cds.unistra.fr/simbad/sim-coo",
        "NED": "ned.ipac.caltech.edu/conesearch",
        "SkyServer chart": "skyserver.sdss.org/dr18/VisualTools/navi",
        "SkyServer object": "skyserver.sdss.org/dr18/VisualTools/explore/summary",
        "Legacy Surveys": "www.legacysurvey.org/viewer",
        "ESASky": "sky.esa.int/esasky/",
        "Aladin": "aladin.cds.unistra.fr/AladinLite/",
    }


def test_each_service_gets_the_position_as_it_reads_it(links: Links) -> None:
    made = {name: query(one) for name, one in links(185.728463, 15.821757, 25.6).items()}
    assert made["SIMBAD"]["Coord"] == "185.728463 +15.821757"
    assert made["SIMBAD"]["CooFrame"] == "ICRS"
    assert (made["SIMBAD"]["Radius"], made["SIMBAD"]["Radius.unit"]) == ("12.8", "arcsec")
    assert made["NED"]["coordinates"] == "185.728463d +15.821757d"
    assert float(made["NED"]["radius"]) == pytest.approx(12.8 / 60, abs=1e-3)  # arcmin
    assert made["ESASky"]["target"] == made["Aladin"]["target"] == "185.728463 +15.821757"
    for name in ("SkyServer chart", "SkyServer object", "Legacy Surveys"):
        assert (made[name]["ra"], made[name]["dec"]) == ("185.728463", "15.821757")
    assert made["Legacy Surveys"]["mark"] == "185.728463,15.821757"
    assert made["Legacy Surveys"]["layer"] == "ls-dr10"


@pytest.mark.parametrize("size", [25.6, 600.0])
def test_the_field_is_twice_the_cutout_in_every_viewer(links: Links, size: float) -> None:
    made = {name: query(one) for name, one in links(10.0, 10.0, size).items()}
    assert float(made["ESASky"]["fov"]) == pytest.approx(2 * size / 3600, rel=1e-3)
    assert float(made["Aladin"]["fov"]) == pytest.approx(2 * size / 3600, rel=1e-3)
    scale = float(made["SkyServer chart"]["scale"])
    assert scale * 512 == pytest.approx(2 * size, rel=1e-2)
    # The viewer zooms in whole steps of two.
    shown = 360 * 3600 / (256 * 2 ** int(made["Legacy Surveys"]["zoom"]))
    assert scale / math.sqrt(2) <= shown <= scale * math.sqrt(2)


@pytest.mark.parametrize(
    ("ra", "dec", "position"),
    [
        (83.633, -5.375, "83.633000 -5.375000"),
        (0.0, 0.0, "0.000000 +0.000000"),
        (360.0, -1e-9, "0.000000 +0.000000"),
        (359.9999999, 1.0, "0.000000 +1.000000"),
        (-10.5, 89.0, "349.500000 +89.000000"),
        (370.25, -90.0, "10.250000 -90.000000"),
        (12.0, 90.0, "12.000000 +90.000000"),
        (1e-7, -1e-5, "0.000000 -0.000010"),
    ],
)
def test_the_corners_of_the_sky(links: Links, ra: float, dec: float, position: str) -> None:
    made = {name: query(one) for name, one in links(ra, dec, 30.0).items()}
    assert made["SIMBAD"]["Coord"] == made["Aladin"]["target"] == position
    lon, lat = position.replace("+", "").split()
    assert (made["SkyServer object"]["ra"], made["SkyServer object"]["dec"]) == (lon, lat)


@pytest.mark.parametrize(("ra", "dec"), [(None, 1.0), (1.0, None), (1.0, 90.5), (1.0, -91.0)])
def test_no_links_from_what_is_no_position(
    links: Links, ra: float | None, dec: float | None
) -> None:
    assert links(ra, dec, 30.0) == {}


@pytest.mark.parametrize("size", [None, 0.0, -3.0])
def test_without_a_size_the_field_is_two_arcminutes(links: Links, size: float | None) -> None:
    made = links(1.0, 1.0, size)
    for name in ("Aladin", "ESASky"):
        assert float(query(made[name])["fov"]) == pytest.approx(120 / 3600, abs=1e-5)


def test_nothing_that_is_built_needs_escaping_anew(links: Links) -> None:
    for address in links(185.728463, -15.8, 25.6).values():
        assert " " not in address.query
        assert "+" not in address.query  # a plus in a query is a blank
