"""The addresses of what is measured in an object's picture while somebody looks at it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from core.survey import Survey
from core.survey.astrometry import Astrometry, astrometry
from core.vocabulary import checked_object_id
from pages._server.identity import Identity
from pages._server.measuring import picture_to_measure, room_to_measure, room_to_suggest
from pages._server.pictures import row_with_picture
from pages._server.requests import Refused, RouteSpec, json_answer, number, parameter
from pages._server.services import Services

if TYPE_CHECKING:
    from core.measure.pairs import Pair

__all__ = ["MEASURE_ROUTES"]

MAX_POINTS = 50
MAX_SUGGESTED = 9
MAX_RADIUS_PX = 32.0


def _measure(
    services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    from core.measure.nuclei import SNAP_RADIUS_PX, snap_all

    asked = _asked_for(services, request)
    side = asked.survey.manifest.cutout_size_px
    points = _points(request, (side, side))
    radius = _radius(request, SNAP_RADIUS_PX)
    snapping = request.query_params.get("snap", "1") not in ("", "0", "false")
    fixed = [place for place, point in enumerate(points) if not (snapping and point.snap)]
    picture = asked.picture(services)
    with room_to_measure(services.pictures, asked.survey, len(points), radius):
        nuclei = snap_all(picture, [(point.x, point.y) for point in points], radius, fixed)
    notes = [
        f"Point {place}: {one.note}" if len(nuclei) > 1 else one.note
        for place, one in enumerate(nuclei, 1)
        if one.note
    ]
    return _answer(asked, nuclei, notes)


def _nuclei(
    services: Services, request: Request, _who: Identity, _body: dict[str, Any]
) -> Response:
    from core.measure.nuclei import suggest_nuclei

    asked = _asked_for(services, request)
    n = number(request, "n", 2, 1, MAX_SUGGESTED)
    picture = asked.picture(services)
    with room_to_suggest(services.pictures, asked.survey):
        found, sentence = suggest_nuclei(picture, n)
    return _answer(asked, found, [sentence] if sentence else [])


@dataclass(frozen=True)
class _Asked:
    """Whose picture is measured; `band` is its number, None for the sum of all."""

    survey: Survey
    object_id: str
    band: int | None

    def picture(self, services: Services) -> np.ndarray:
        return picture_to_measure(services.pictures, self.survey, self.object_id, self.band)


def _asked_for(services: Services, request: Request) -> _Asked:
    object_id = checked_object_id(parameter(request, "object_id"))
    survey = services.survey_of(parameter(request, "task"))
    row_with_picture(survey, object_id)  # before points in a picture that is not there
    band = request.query_params.get("band") or None
    bands = survey.manifest.bands
    if band is not None and band not in bands:
        raise Refused(
            422,
            f"The band must be one of {', '.join(bands)}, but is {band[:40]!r}; leave it out to"
            " measure in the sum of all.",
        )
    return _Asked(survey, object_id, None if band is None else bands.index(band))


@dataclass(frozen=True)
class _Point:
    x: float
    y: float
    snap: bool


def _points(request: Request, shape: tuple[int, ...]) -> list[_Point]:
    """`points=x,y;x,y`, with a third number 0 for one that stays where it is."""
    text = parameter(request, "points")
    parts = text.split(";")
    if len(parts) > MAX_POINTS:
        raise Refused(
            422, f"At most {MAX_POINTS} points can be measured at once, but {len(parts)} came."
        )
    return [_point(part, shape) for part in parts]


def _point(text: str, shape: tuple[int, ...]) -> _Point:
    height, width = shape
    try:
        x, y, *more = (float(one) for one in text.split(","))
        if len(more) > 1:
            raise ValueError
    except ValueError:
        x, y, more = math.nan, math.nan, []
    if not (math.isfinite(x) and math.isfinite(y)):
        raise Refused(
            422, f"Points are written x,y;x,y in pixels, but one is {text[:40]!r}; correct it."
        )
    if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
        raise Refused(
            422,
            f"A point lies in the picture, 0 to {width - 1} by 0 to {height - 1}, but one is at"
            f" {text[:40]}; choose a point in it.",
        )
    return _Point(x, y, more != [0.0])


def _radius(request: Request, default: float) -> float:
    text = request.query_params.get("radius")
    if not text:
        return default
    try:
        radius = float(text)
    except ValueError:
        radius = math.nan
    if not 0.5 <= radius <= MAX_RADIUS_PX:
        raise Refused(
            422,
            f"The radius to look for a peak in is 0.5 to {MAX_RADIUS_PX:.0f} px, but is"
            f" {text[:20]!r}; choose another.",
        )
    return radius


def _answer(asked: _Asked, nuclei: list[Any], notes: list[str]) -> Response:
    from core.measure.pairs import measure_pair

    survey = asked.survey
    sky = astrometry(survey, survey.row(asked.object_id))
    pair = measure_pair(nuclei[0], nuclei[1], sky) if len(nuclei) > 1 else None
    if pair is not None:
        notes = [*notes, *_cautions(survey, sky, pair)]
    # The sum of bands has no unit but their noise.
    flux = "flux_sigma" if asked.band is None else "flux"
    answer = json_answer(
        {
            "object_id": asked.object_id,
            "points": [_point_payload(one, sky, flux) for one in nuclei],
            "pair": None if pair is None else asdict(pair),
            "notes": notes,
        }
    )
    answer.headers["x-object-id"] = quote(asked.object_id, safe="")
    return answer


def _point_payload(one: Any, sky: Astrometry | None, flux: str) -> dict[str, Any]:
    place = None if sky is None else sky.sky(one.x, one.y)
    ra, dec = place or (None, None)
    return {
        "x_px": one.x,
        "y_px": one.y,
        "snapped": one.snapped,
        flux: one.flux,
        "ra_deg": ra,
        "dec_deg": dec,
        "significance": one.significance,
    }


def _cautions(survey: Survey, sky: Astrometry | None, pair: Pair) -> list[str]:
    """What to know of the numbers of a pair."""
    said = []
    if sky is not None and sky.assumed:
        said.append("The position angle assumes north up and east left.")
    if sky is not None and sky.is_z_photometric and pair.separation_kpc is not None:
        said.append(f"The kiloparsecs are of the photometric redshift {sky.z_column}.")
    if pair.flux_ratio is None:
        said.append("No flux ratio: one of the two has no light above its surroundings.")
    elif survey.manifest.dtype == "uint8":
        said.append("The flux ratio is rough: the brightness of 8-bit pictures is not linear.")
    return said


MEASURE_ROUTES: tuple[RouteSpec, ...] = (
    RouteSpec("/api/measure", _measure),
    RouteSpec("/api/nuclei", _nuclei),
)
