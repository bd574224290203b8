"""A place on the sky to look like: the survey's object there, else a cutout from an archive."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import BadInput, NotReady
from core.survey import Survey
from labels_db import Task
from pages._server.finding import find_payload
from pages._server.identity import Identity
from pages._server.positions import looks_like_position, read_position
from pages._server.services import Services
from pages._server.similar import keep_pixels, tidy
from pages._server.similar_query import Example

if TYPE_CHECKING:
    from core.survey.sky.client import Client
    from core.survey.sky.services import Service

__all__ = [
    "RADIUS_ARCSEC",
    "Archive",
    "archives",
    "example_at",
    "read_place",
    "usual_archive",
]

RADIUS_ARCSEC = 2.0
"""An object within so much is the one that was meant, unless somebody says otherwise."""

_MANNERS = {"concurrent": 1, "per_second": 1.0, "timeout_s": 20.0, "retries": 1}
"""Somebody waits for the answer, and nobody is in a hurry for many."""
_WAIT_S = 60.0
"""At most, for others who ask the same service."""
_LONGEST_PAUSE_S = 10.0
"""A service that wants to be left alone for longer is named, and nobody waits for it."""
KEPT_CUTOUTS = 100

_Line = tuple[Path, str]
"""Of those who ask: the folder of downloads and the service."""
_asking: dict[_Line, threading.Lock] = {}
_clients: dict[_Line, Client] = {}
"""Each keeps to the pace between two cutouts, and to the pause that its service asked for."""


class _Paused(NotReady):
    """The service asked to be left alone for a while."""


@dataclass(frozen=True)
class Archive:
    """Where a cutout comes from.

    Attributes
    ----------
    service
        A name of `core.survey.sky.services.SERVICES`.
    scale_arcsec
        Side of a pixel, where the survey does not say; None: the service's own.
    hips
        Of the service "hips": the names, one a band of measured pixels.
    """

    service: str
    scale_arcsec: float | None = None
    hips: str = ""


def archives() -> dict[str, str]:
    """Service -> what it is, of those that send pictures by position."""
    from core.survey.sky.services import SERVICES

    return {name: one.description for name, one in SERVICES.items() if one.by_position}


def usual_archive(survey: Survey) -> str:
    """The service that the survey was made from, else one that sends such pixels."""
    made_from = _imported(survey).get("service", "")
    if made_from in archives():
        return made_from
    return "sdss" if survey.manifest.dtype == "uint8" else "legacy"


def read_place(text: str) -> tuple[float, float]:
    """Right ascension and declination in degrees (ICRS), written in any way that
    `read_position` or a list of positions knows (`BadInput`)."""
    from core.survey.options import ImportOptions
    from core.survey.positions import Position, read_positions

    if looks_like_position(text):
        return read_position(text)
    found = []
    with suppress(BadInput):  # which speaks of lists and their lines
        found = read_positions(text.strip()[:500], ImportOptions())
    if len(found) == 1 and isinstance(found[0], Position):
        return found[0].ra, found[0].dec
    raise BadInput(
        "A place on the sky is such as '185.7 15.8', '12:22:54 +15:49:20' or 'J122254+154920', but"
        f" is {text.strip()[:60]!r}; correct it."
    )


def example_at(
    services: Services,
    task: Task,
    survey: Survey,
    who: Identity,
    place: tuple[float, float],
    radius_arcsec: float,
    archive: Archive | None,
) -> tuple[Example, str]:
    """The survey's object at a place, else a cutout of it, and what was done about it.

    place: right ascension and declination in degrees. archive: None where nothing may be
    downloaded for this person.

    Raises
    ------
    NotFound, BadInput
        There is no object, and the archive has no such cutout.
    NotReady
        The archive is down or wants to be left alone, or somebody else is downloading from it.
    """
    ra, dec = place
    named = f"{ra:.5f} {dec:+.5f}"
    at = find_payload(services, task.name, who, f"{ra:.7f} {dec:+.7f}")
    nearest = at["items"][0] if at["items"] else None
    away = nearest["separation_arcsec"] if nearest else None
    if nearest is not None and away is not None and away <= radius_arcsec:
        object_id = str(nearest["object_id"])
        return Example(object_id=object_id), f"{object_id} lies {away:.2g} arcsec from {named}."
    known = at["state"] if away is None else f"The nearest object is {_angle(away)} away."
    nothing = f"No object of {survey.name} lies within {radius_arcsec:g} arcsec of {named}."
    if archive is None:
        raise BadInput(f"{nothing} {known} Cutouts are downloaded for those who may label.")
    pixels, about = _cutout(services, survey, place, archive, nothing)
    picture = keep_pixels(services, survey, pixels)
    from core.survey.positions import position_name

    return Example(picture=picture, called=position_name(ra, dec)), f"{nothing} {known} {about}"


def _cutout(
    services: Services,
    survey: Survey,
    place: tuple[float, float],
    archive: Archive,
    nothing: str,
) -> tuple[np.ndarray, str]:
    """(band, side, side) pixels as the survey holds them, and how they came about."""
    from core.survey.sky.fetching import fetched
    from core.survey.sky.services import Entry

    manifest = survey.manifest
    service = _service(survey, archive)
    folder = services.workspace.root / "cache" / "downloads" / "places"
    line = (folder, archive.service)
    asking = _asking.setdefault(line, threading.Lock())
    if not asking.acquire(timeout=_WAIT_S):
        raise NotReady(
            f"Others are downloading cutouts from {archive.service}; look for this place again in"
            " a minute."
        )
    try:
        client = _clients.get(line) or _new_client(line)
        with client:
            made = fetched(service, client, Entry("", *place))
    except _Paused as error:  # the client is kept: it knows until when
        raise NotReady(
            f"{nothing} The service {archive.service} asks to be left alone for {error}; look for"
            " this place again then, or choose another service."
        ) from None
    except NotReady:
        _clients.pop(line, None)  # a client that found its service down asks it no more
        raise NotReady(
            f"{nothing} The service {archive.service} does not answer as it should; look for this"
            " place again later, or choose another service."
        ) from None
    finally:
        asking.release()
    with suppress(OSError):
        tidy(folder, "*.answer", KEPT_CUTOUTS)
    if isinstance(made, str) or made.image is None:
        reason = made if isinstance(made, str) else "is no picture"
        raise BadInput(
            f"{nothing} The cutout from {archive.service} {reason}; choose another service or"
            " place."
        )
    side = manifest.cutout_size_px
    scale = service.layout.pixel_scale_arcsec or 0.0
    about = (
        f"So a cutout of {side} x {side} pixels of {scale:.3g} arcsec came from {archive.service}."
    )
    if manifest.pixel_scale_arcsec is None:
        about += " The survey does not say how large its own pixels are."
    return made.image.astype(manifest.dtype, copy=False), about + _caution(survey, archive)


def _caution(survey: Survey, archive: Archive) -> str:
    """What to know of a cutout that may not be as the survey's pictures are; "" of one that is."""
    imported = _imported(survey)
    if not imported:
        return (
            f" {survey.name} is not known to be made from it: depth, colours or units may differ,"
            " so that distances may say less."
        )
    if imported.get("service") == archive.service:
        own = _names(imported.get("hips", ""))
        if archive.service != "hips" or _names(archive.hips) in ([], own):
            return ""
        made = f"was made from another HiPS, {', '.join(own)}"
    else:
        made = "was not made from it"
    return f" {survey.name} {made}: depth, colours or units differ, so that distances say less."


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _service(survey: Survey, archive: Archive) -> Service:
    """The service with the settings of the survey's own import, else with such that its cutouts
    are as the survey's (`BadInput` if they cannot be)."""
    from core.survey.options import ImportOptions
    from core.survey.sky.services import SERVICES, make_service

    manifest = survey.manifest
    measured = manifest.dtype != "uint8"
    kind = SERVICES.get(archive.service)
    own = {}
    if kind is not None:
        allowed = {*kind.own_options, "base_url"}
        imported = _imported(survey)
        if imported.get("service") == archive.service:
            own = {name: value for name, value in imported.items() if name in allowed}
        elif "format" in allowed:
            own["format"] = "fits" if measured else "jpg"
        if "hips" in allowed and archive.hips.strip():
            own["hips"] = archive.hips
    options = ImportOptions(
        size_px=manifest.cutout_size_px,
        bands=manifest.bands if measured else (),
        pixel_scale_arcsec=manifest.pixel_scale_arcsec or archive.scale_arcsec,
    )
    service = make_service(archive.service, options, own)
    layout = service.layout
    if (layout.dtype != "uint8") != measured or len(layout.bands) != len(manifest.bands):
        raise BadInput(
            f"{archive.service} sends {_kind(layout.dtype, layout.bands)}, but {survey.name} holds"
            f" {_kind(manifest.dtype, manifest.bands)}; choose another service."
        )
    return service


def _kind(dtype: str, bands: tuple[str, ...]) -> str:
    what = "colour pictures of 8 bits" if dtype == "uint8" else "measured pixels"
    return f"{what} in {', '.join(bands)}"


def _imported(survey: Survey) -> Mapping[str, str]:
    """The settings of the download that the survey was made by; empty of another one."""
    from core.survey.job import import_record

    record = import_record(survey)
    options: Any = record.get("options")
    more = options.get("more") if isinstance(options, dict) else None
    if record.get("reader") != "sky" or not isinstance(more, dict):
        return {}
    return {str(name): str(value) for name, value in more.items()}


def _new_client(line: _Line) -> Client:
    from core.survey.sky.client import Client
    from core.survey.sky.pace import Manners

    manners = Manners(**_MANNERS)  # type: ignore[arg-type]
    _clients[line] = Client(line[0], manners, sleep=_short_pause)
    return _clients[line]


def _short_pause(seconds: float) -> None:
    """Wait, but not longer than a person who looks at a page would."""
    if seconds > _LONGEST_PAUSE_S:
        raise _Paused(f"{seconds:.0f} seconds")
    time.sleep(seconds)


def _angle(arcsec: float) -> str:
    for unit, size in (("degrees", 3600), ("arcmin", 60)):
        if arcsec >= size:
            return f"{arcsec / size:.3g} {unit}"
    return f"{arcsec:.3g} arcsec"
