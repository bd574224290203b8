"""The celestial coordinates of a FITS header, as the catalogue's `wcs_*` columns hold them.

Those are gnomonic (TAN) and ICRS, linear around a reference pixel (Calabretta & Greisen 2002,
A&A 395, 1077). A header that is so already is taken over. For every other projection and frame,
and where SIP or TPV distort the plane, the pixel at the image's centre becomes the reference,
with the true position and derivatives there, which wcslib gives: a stamp cut from the corner of
a distorted frame would otherwise lie tens of pixels off.
"""

from __future__ import annotations

import math
import warnings

from core.survey.readers.fits_header import FitsHeader

WCS_COLUMNS = (
    *("wcs_crval1", "wcs_crval2", "wcs_crpix1", "wcs_crpix2"),
    *("wcs_cd1_1", "wcs_cd1_2", "wcs_cd2_1", "wcs_cd2_2"),
)

_ARCSEC = 3600.0
_MAX_SCALE_DEG = 1.0
_FAR_DEG = 45.0
_UNITS = {"": 1.0, "deg": 1.0, "degree": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600}
_TAN = ("TAN", "TAN-SIP", "TNX")
"""Taken for linear: SIP without coefficients, and TNX, whose distortion wcslib does not read."""

_MAX_SIP_ORDER = 9


def read_wcs(header: FitsHeader, width: int, height: int) -> dict[str, float]:
    """`WCS_COLUMNS` of the image that a header describes; empty where it has no usable ones."""
    first, second = header.text("CTYPE1").upper(), header.text("CTYPE2").upper()
    if not first or not second or first[4:5] != "-":
        return {}
    if _is_plain(header, first, second):
        return _checked(_linear(header))
    return _checked(_around_centre(header, width, height))


def moved(wcs: dict[str, float], x0: float, y0: float, zoom: float) -> dict[str, float]:
    """The same sky for an image whose pixel (0, 0) is at (x0, y0) of the former one and whose
    pixels are `zoom` times as wide."""
    if not wcs:
        return {}
    found = {name: value * zoom for name, value in wcs.items() if "_cd" in name}
    return {
        "wcs_crval1": wcs["wcs_crval1"],
        "wcs_crval2": wcs["wcs_crval2"],
        "wcs_crpix1": (wcs["wcs_crpix1"] - 1 - x0) / zoom + 1,
        "wcs_crpix2": (wcs["wcs_crpix2"] - 1 - y0) / zoom + 1,
        **found,
    }


def sky_position(wcs: dict[str, float], x: float, y: float) -> tuple[float, float]:
    """Right ascension (0 to 360) and declination of a pixel counted from 0, in degrees."""
    dx, dy = x + 1 - wcs["wcs_crpix1"], y + 1 - wcs["wcs_crpix2"]
    xi = math.radians(wcs["wcs_cd1_1"] * dx + wcs["wcs_cd1_2"] * dy)
    eta = math.radians(wcs["wcs_cd2_1"] * dx + wcs["wcs_cd2_2"] * dy)
    ra0, dec0 = wcs["wcs_crval1"], math.radians(wcs["wcs_crval2"])
    ahead = math.cos(dec0) - eta * math.sin(dec0)
    up = math.sin(dec0) + eta * math.cos(dec0)
    ra = (ra0 + math.degrees(math.atan2(xi, ahead))) % 360.0
    return ra, math.degrees(math.atan2(up, math.hypot(xi, ahead)))


def pixel_scale(wcs: dict[str, float]) -> float | None:
    """Side of a pixel in arcsec (the square root of its area), None without coordinates."""
    if not wcs:
        return None
    area = wcs["wcs_cd1_1"] * wcs["wcs_cd2_2"] - wcs["wcs_cd1_2"] * wcs["wcs_cd2_1"]
    return math.sqrt(abs(area)) * _ARCSEC


def nominal_scale(header: FitsHeader, wcs: dict[str, float]) -> float | None:
    """`pixel_scale`, without the part of a distortion.

    Stamps from all over a distorted frame differ in scale by a few percent and are no reason to
    resample any of them.
    """
    if wcs and (_is_distorted(header) or header.text("CTYPE1").upper().endswith("TPV")):
        return pixel_scale(_checked(_linear(header))) or pixel_scale(wcs)
    return pixel_scale(wcs)


def apart_px(one: dict[str, float], other: dict[str, float], side: int) -> float:
    """How far apart two images of a side show the sky, in pixels, at their worse corner."""
    scale = pixel_scale(one)
    if scale is None or not other:
        return 0.0
    distances = []
    for x, y in ((0, 0), (side - 1, side - 1)):
        (ra1, dec1), (ra2, dec2) = sky_position(one, x, y), sky_position(other, x, y)
        turn = (ra1 - ra2 + 180) % 360 - 180
        across = turn * math.cos(math.radians(dec1))
        distances.append(math.hypot(across, dec1 - dec2) * _ARCSEC / scale)
    return max(distances)


def _is_plain(header: FitsHeader, first: str, second: str) -> bool:
    """True for RA, DEC (in this order) in a tangent plane, in ICRS or what differs from it by
    less than a tenth of an arcsecond."""
    if first[:4].rstrip("-") != "RA" or second[:4].rstrip("-") != "DEC":
        return False
    if first[5:].strip("-") not in _TAN or second[5:].strip("-") not in _TAN:
        return False
    if _is_distorted(header):
        return False
    frame = (header.text("RADESYS") or header.text("RADECSYS")).upper()
    equinox = header.number("EQUINOX", header.number("EPOCH", 2000.0))
    if frame not in ("", "ICRS", "FK5") or (frame != "ICRS" and equinox != 2000.0):
        return False
    return (
        header.number("LONPOLE", 180.0) == 180.0
        and header.text("CUNIT1").lower() in _UNITS
        and header.text("CUNIT2").lower() in _UNITS
    )


def _is_distorted(header: FitsHeader) -> bool:
    """Whether there is a SIP polynomial that is not absurd."""
    orders = [header.get(name) for name in ("A_ORDER", "B_ORDER")]
    return all(type(order) is int and 1 < order <= _MAX_SIP_ORDER for order in orders)


def _linear(header: FitsHeader) -> list[float]:
    def card(name: str, default: float) -> float:
        # A position in words must not be taken for 0.
        found = header.number(name) if name in header else default
        return math.nan if found is None else found

    unit1 = _UNITS.get(header.text("CUNIT1").lower(), math.nan)
    unit2 = _UNITS.get(header.text("CUNIT2").lower(), math.nan)
    names = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
    if any(name in header for name in names):
        cd = [card(name, 0.0) for name in names]
    else:
        step1, step2 = card("CDELT1", 1.0), card("CDELT2", 1.0)
        names = ("PC1_1", "PC1_2", "PC2_1", "PC2_2")
        if any(name in header for name in names):
            pc = [card(name, plain) for name, plain in zip(names, (1, 0, 0, 1), strict=True)]
        else:
            turn = math.radians(card("CROTA2", 0.0))
            ratio = step2 / step1 if step1 else 0.0
            back = 1 / ratio if ratio else 0.0
            pc = [math.cos(turn), -ratio * math.sin(turn), back * math.sin(turn), math.cos(turn)]
        cd = [step1 * pc[0], step1 * pc[1], step2 * pc[2], step2 * pc[3]]
    return [
        card("CRVAL1", math.nan) * unit1,
        card("CRVAL2", math.nan) * unit2,
        card("CRPIX1", 0.0),
        card("CRPIX2", 0.0),
        *(value * unit for value, unit in zip(cd, (unit1, unit1, unit2, unit2), strict=True)),
    ]


def _around_centre(header: FitsHeader, width: int, height: int) -> list[float]:
    """By astropy and wcslib: the tangent plane that touches the sky at the image's centre."""
    import numpy as np
    from astropy.io.fits import Header
    from astropy.wcs import WCS
    from astropy.wcs.utils import pixel_to_skycoord

    # Half a pixel beside the centre: small enough for a derivative, large enough for doubles.
    x = (width - 1) / 2 + np.array([0.0, 0.5, -0.5, 0.0, 0.0])
    y = (height - 1) / 2 + np.array([0.0, 0.0, 0.0, 0.5, -0.5])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            sip = _is_distorted(header)
            wanted = [name for name in header if _tells_of_sky(name) or (sip and _is_sip(name))]
            cards = Header([(name, header[name]) for name in wanted])
            if not sip:  # or astropy would look for the polynomial
                for name in ("CTYPE1", "CTYPE2"):
                    cards[name] = str(cards[name]).upper().removesuffix("-SIP")
            sky = pixel_to_skycoord(x, y, WCS(cards, naxis=2), origin=0).icrs
            ra, dec = np.radians(sky.ra.deg), np.radians(sky.dec.deg)
        except Exception:  # wcslib, astropy's frames and hostile cards raise anything
            return []
    depth = np.sin(dec[0]) * np.sin(dec) + np.cos(dec[0]) * np.cos(dec) * np.cos(ra - ra[0])
    xi = np.cos(dec) * np.sin(ra - ra[0]) / depth
    eta = np.cos(dec[0]) * np.sin(dec)
    eta = (eta - np.sin(dec[0]) * np.cos(dec) * np.cos(ra - ra[0])) / depth
    xi, eta = np.degrees(xi), np.degrees(eta)
    cd = [xi[1] - xi[2], xi[3] - xi[4], eta[1] - eta[2], eta[3] - eta[4]]
    start = [math.degrees(ra[0]), math.degrees(dec[0]), x[0] + 1, y[0] + 1]
    return [float(value) for value in (*start, *cd)]


def _tells_of_sky(name: str) -> bool:
    begins = ("CTYPE", "CUNIT", "CRVAL", "CRPIX", "CD", "PC", "PV", "CROTA")
    whole = ("RADESYS", "RADECSYS", "EQUINOX", "EPOCH", "LONPOLE", "LATPOLE", "WCSAXES")
    return len(name) <= 8 and (name.startswith(begins) or name in whole)


def _is_sip(name: str) -> bool:
    return len(name) <= 8 and name.startswith(("A_", "B_"))


def _checked(values: list[float]) -> dict[str, float]:
    """The columns; none of them where one is unusable, as core.survey.astrometry judges."""
    if not values or not all(map(math.isfinite, values)):
        return {}
    ra, dec, crpix1, crpix2, *cd = values
    longest = max(map(abs, cd))
    area = abs(cd[0] * cd[3] - cd[1] * cd[2])
    usable = -180 <= ra <= 360 and abs(dec) <= 90 and 0 < longest < _MAX_SCALE_DEG
    if (
        not usable
        or area < 1e-9 * longest**2
        or max(abs(crpix1), abs(crpix2)) * longest > _FAR_DEG
    ):
        return {}
    return dict(zip(WCS_COLUMNS, (ra % 360.0, *values[1:]), strict=True))
