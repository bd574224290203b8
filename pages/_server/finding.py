"""Finding objects: by id, by the beginning of one, by sky position, at random, or skipped."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput, NotFound
from core.survey import Survey
from core.survey.astrometry import sky_positions
from labels_db import Task
from pages._server.identity import Identity
from pages._server.positions import looks_like_position, read_position
from pages._server.services import Services
from pages._server.visibility import class_shown

__all__ = ["find_payload", "random_payload", "skipped_payload"]

MAX_FOUND = 20
FAR_ARCSEC = 60.0
"""Farther off than this, the nearest object may be another one than was meant."""
TRIES = 200


def find_payload(services: Services, name: str, who: Identity, text: str) -> dict[str, Any]:
    """GET api/find?q=: the object of that id; else those whose id begins so; else, if it reads
    as a position, the objects nearest to it."""
    task = services.db().task(name)
    survey = services.survey(task.survey)
    wanted = text.strip()
    for exact in (text, wanted):
        try:
            survey.row(exact)
        except NotFound:
            continue
        return _answer(services, task, who, [exact])
    found, n_found = _beginning(services, survey, wanted)
    if found:
        state = f"{n_found:,} ids begin so; the first {MAX_FOUND} are here."
        return _answer(services, task, who, found, state if n_found > len(found) else "")
    if looks_like_position(wanted):
        return _near(services, task, survey, who, wanted)
    return _answer(
        services,
        task,
        who,
        [],
        f"The survey {survey.name} has no object whose id begins with {wanted[:80]!r}; give an id,"
        " its beginning, or a position such as '185.7 15.8'.",
    )


def _beginning(services: Services, survey: Survey, text: str) -> tuple[list[str], int]:
    """The first ids that begin with `text`, and how many do; capitals count only if need be."""
    ids: pa.Array = services.find_tables.get(
        ("ids", survey.manifest.content_hash),
        lambda: pa.array(survey.object_ids, pa.large_string()),
    )
    for ignore_case in (False, True):
        # One pass over a million ids takes ten milliseconds.
        rows = pc.indices_nonzero(pc.starts_with(ids, text, ignore_case=ignore_case))
        if text and len(rows):
            return sorted(ids.take(rows[:MAX_FOUND]).to_pylist()), len(rows)
    return [], 0


def _near(
    services: Services, task: Task, survey: Survey, who: Identity, text: str
) -> dict[str, Any]:
    try:
        ra, dec = read_position(text)
    except BadInput as error:
        raise BadInput(f"No object's id begins with {text[:60]!r}. {error}") from None
    places = services.find_tables.get(
        ("places", survey.manifest.content_hash), lambda: _unit_vectors(survey)
    )
    if places is None:
        return _answer(
            services,
            task,
            who,
            [],
            f"The catalogue of the survey {survey.name} has no positions (columns ra and dec in"
            " degrees), so that nothing can be found by one; give an id.",
        )
    known, vectors = places
    # The chord is exact for small angles, where a scalar product has lost its digits.
    chord = np.sqrt(((vectors - _unit(np.array([ra]), np.array([dec]))) ** 2).sum(axis=1))
    n = min(MAX_FOUND, len(chord))
    nearest = np.argpartition(chord, n - 1)[:n]
    nearest = nearest[np.argsort(chord[nearest], kind="stable")]
    arcsec = np.degrees(2 * np.arcsin(np.clip(chord[nearest] / 2, 0, 1))) * 3600
    state = ""
    if arcsec[0] > FAR_ARCSEC:
        state = f"Nothing lies at that position: the nearest object is {_angle(arcsec[0])} away."
    ids = [str(survey.object_ids[row]) for row in known[nearest]]
    return _answer(services, task, who, ids, state, [round(float(one), 3) for one in arcsec])


def _unit_vectors(survey: Survey) -> tuple[np.ndarray, np.ndarray] | None:
    """(K,) rows with a known position and their (K, 3) unit vectors; None if there are none."""
    positions = sky_positions(survey)
    if positions is None:
        return None
    ra, dec = positions
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    return (known, _unit(ra[known], dec[known])) if len(known) else None


def _unit(ra_deg: np.ndarray, dec_deg: np.ndarray) -> np.ndarray:
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def _angle(arcsec: float) -> str:
    if arcsec >= 3600:
        return f"{arcsec / 3600:.3g} degrees"
    return f"{arcsec / 60:.3g} arcmin"


def random_payload(services: Services, name: str, who: Identity) -> dict[str, Any]:
    """GET api/find?random=1: an object drawn at random from those with a picture that nobody
    answered or skipped."""
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    shown = np.flatnonzero(survey.can_be_shown)
    for _ in range(TRIES if len(shown) else 0):
        object_id = str(survey.object_ids[shown[random.randrange(len(shown))]])
        if database.object_state(task.name, object_id) is None:
            return _answer(services, task, who, [object_id])
    # Nearly all are done: look through what is left.
    done = {*database.current_classes(task.name), *database.unlabelled(task.name)}
    left = [one for one in survey.object_ids[shown] if one not in done]
    if left:
        return _answer(services, task, who, [str(random.choice(left))])
    return _answer(services, task, who, [], "Every object with a picture has an answer.")


def skipped_payload(services: Services, name: str, who: Identity) -> dict[str, Any]:
    """GET api/find?skipped=1: what this person skipped and has not answered, newest first."""
    task = services.db().task(name)
    ids = services.db().skipped(task.name, who.annotator)
    state = "" if ids else "You have skipped nothing that you have not answered since."
    return _answer(services, task, who, ids, state)


def _answer(
    services: Services,
    task: Task,
    who: Identity,
    ids: Sequence[str],
    state: str = "",
    separations: Sequence[float] | None = None,
) -> dict[str, Any]:
    database = services.db()
    items = [
        {
            "object_id": object_id,
            "separation_arcsec": None if separations is None else separations[place],
            "label": class_shown(database, task, who, object_id),
        }
        for place, object_id in enumerate(ids)
    ]
    return {"items": items, "state": state}
