"""What makes an object odd, for the side of the label page: named numbers against the survey's
medians, and, where a model can rebuild pictures, what it could not rebuild of this one."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Forbidden, NotFound, NotReady
from core.survey import RunRecord, Survey
from pages._server.identity import Identity
from pages._server.items import why_hidden
from pages._server.services import Services
from pages._server.visibility import prediction_visible

if TYPE_CHECKING:
    from core.discovery.explaining import Explainer, Explanation
    from core.representation import Embedding
    from core.representation.naming import Naming
    from core.representation.reconstruction import Rebuilder

__all__ = ["USUAL", "Why", "odd_picture", "reasons_payload", "rebuilt_by", "why_odd"]

USUAL = "isolation_forest"
"""The detector that says why, unless another is asked."""
TOP = 5
LEAST_SHARE = 0.02
"""Of the oddness; what makes out less is no reason."""
PICTURE_PX = 160
_NOTHING_SEEN = "The encoder had nothing to see in this object."
_BRIGHTEST = 99.5
"""Percentile of the error that gets the brightest colour."""


@dataclass(frozen=True)
class _Known:
    """What does not depend on the object: the embedding's names, and what is usual in it."""

    naming: Naming
    groups: dict[str, list[int]]
    learnt: tuple[str, ...]
    explainer: Explainer


@dataclass(frozen=True)
class Why:
    """What makes an object odd to a detector.

    Attributes
    ----------
    n_compared, share_below
        Objects it was held against, and the share of them with a lower score.
    items
        The groups of named numbers that make out most, the most first, at most `TOP`: each a dict
        of title, meaning, unit, value, median (words), scatters and share.
    learnt
        What learnt components make out, in a sentence; "" for little or nothing.
    learnt_shares
        The same by the name of the part, 0 to 1.
    is_above_usual
        Whether its score is above that of an object with the survey's medians; if not, there is
        no oddness to be shared out.
    """

    n_compared: int
    share_below: float
    items: list[dict[str, Any]]
    learnt: str
    learnt_shares: dict[str, float]
    is_above_usual: bool = True


def why_odd(
    services: Services,
    survey: Survey,
    embedding: Embedding,
    row: int,
    detector: str = USUAL,
) -> Why:
    """Why an object that the encoder saw is odd; the first of an embedding and detector takes a
    second, in which it is learnt what is usual (`BadInput` of a detector that cannot say)."""
    known: _Known = services.oddities.get(
        (survey.manifest.content_hash, embedding.run_id, detector),
        lambda: _look(survey, embedding, detector),
    )
    values = embedding.rows(np.array([row]))[0]
    found = known.explainer.explain(values, row)
    return Why(
        known.explainer.n_compared,
        found.share_below,
        _items(known, found, values),
        _learnt(known, found, embedding),
        _learnt_shares(known, found),
        bool(np.isfinite(found.shares).any()),
    )


def reasons_payload(
    services: Services, name: str, who: Identity, object_id: str
) -> dict[str, Any]:
    """GET api/reasons: how odd an object is and what makes it so, or a sentence why that is not
    said."""
    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    row = survey.row(object_id)
    answer: dict[str, Any] = {
        "object_id": object_id,
        "state": "",
        "sentence": "",
        "items": [],
        "learnt": "",
        "rebuilt": None,
    }
    if not prediction_visible(database, task, who, object_id):
        return answer | {"state": why_hidden(services, task)}
    try:
        embedding = services.embedding(survey)
    except NotReady as error:
        return answer | {"state": str(error)}
    if not embedding.mask[row]:
        return answer | {"state": _NOTHING_SEEN}
    why = why_odd(services, survey, embedding, row)
    return answer | {
        "sentence": _how_odd(why.n_compared, why.share_below),
        "items": why.items,
        "learnt": why.learnt,
        "rebuilt": rebuilt_by(services, survey, row),
    }


def _look(survey: Survey, embedding: Embedding, detector: str) -> _Known:
    from core.discovery.explaining import Explainer
    from core.representation.naming import naming_of

    naming = naming_of(survey, embedding)
    groups = naming.named.groups()
    columns = [naming.named.columns[places].tolist() for places in groups.values()]
    columns += [one.tolist() for one in naming.learnt.values()]
    explainer = Explainer(embedding.values, embedding.mask, columns, detector)
    return _Known(naming, groups, tuple(naming.learnt), explainer)


def _items(known: _Known, found: Explanation, values: NDArray[np.float32]) -> list[dict[str, Any]]:
    """The groups of named numbers that make out most, each told by its member farthest out."""
    named = known.naming.named
    here, usual = named.natural(values), named.natural(known.explainer.median)
    beyond = named.beyond(values)
    shares = found.shares[: len(known.groups)]
    places = list(known.groups.values())
    told = []
    for group in np.argsort(-shares, kind="stable")[:TOP].tolist():
        if not shares[group] >= LEAST_SHARE:
            break
        away = found.robust_z[named.columns]
        place = max(places[group], key=lambda one: abs(float(away[one])))
        number = named.numbers[place]
        if number.is_flag:
            value, median = _yes(here[place]), _yes(usual[place])
        else:
            value, median = _pair(here[place], usual[place])
        told.append(
            {
                "title": number.title,
                "meaning": number.meaning,
                "unit": number.unit,
                "value": f"beyond {value}" if beyond[place] else value,
                "median": median,
                "scatters": round(float(away[place]), 1),
                "share": round(min(float(shares[group]), 1.0), 3),
            }
        )
    return told


def _learnt(known: _Known, found: Explanation, embedding: Embedding) -> str:
    """What the learnt components make out, as a whole: singly they mean nothing to anybody."""
    if not known.groups:
        return (
            f"The numbers of this embedding ({embedding.encoder}) have no names, so that it"
            " cannot be said which of them make the object odd. An embedding by the encoder"
            " fusion, morphology, structure or peaks can tell."
        )
    parts = [
        f"{100 * share:.0f} % is what {name} learnt, which has no names"
        for name, share in _learnt_shares(known, found).items()
    ]
    return f"Of the oddness {' and '.join(parts)}." if parts else ""


def _learnt_shares(known: _Known, found: Explanation) -> dict[str, float]:
    shares = zip(known.learnt, found.shares[len(known.groups) :].tolist(), strict=True)
    return {name: min(share, 1.0) for name, share in shares if share >= LEAST_SHARE}


def _how_odd(n_compared: int, share_below: float) -> str:
    if share_below >= 1:
        return (
            f"Odder than any of {n_compared:,} objects of the survey, as the isolation forest sees"
            " it."
        )
    return f"Odder than {_percent(share_below)} of the survey, as the isolation forest sees it."


def _percent(share: float) -> str:
    """Never "100 %" of what is only nearly all."""
    percent = 100 * share
    return f"{math.floor(10 * percent) / 10 if 99 < percent < 100 else percent:.3g} %"


def _pair(value: float, median: float) -> tuple[str, str]:
    """Both in words; what is nothing beside their difference is the rounding of a 0."""
    nothing = 1e-3 * abs(value - median)
    first, second = (0.0 if abs(one) < nothing else one for one in (value, median))
    return _words(first), _words(second)


def _words(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    return f"{value:.2e}" if size >= 1e5 or 0 < size < 1e-3 else f"{value:.3g}"


def _yes(value: float) -> str:
    return "–" if not math.isfinite(value) else "yes" if value > 0.5 else "no"


def _rebuilding_run(services: Services, survey: Survey, row: int) -> RunRecord | None:
    """What rebuilds the object's picture: the embedding in use, if it can, else the newest run
    that can; None where there is none, or no picture."""
    if not survey.has_image[row]:
        return None
    runs = _rebuilding_runs(services, survey)
    try:
        used = services.embedding(survey).run_id
    except NotReady:
        used = ""
    return next((one for one in runs if one.run_id == used), next(iter(runs), None))


def _rebuilding_runs(services: Services, survey: Survey) -> list[RunRecord]:
    """`rebuilding_runs`, read again when a run came or went."""
    from core.representation.reconstruction import rebuilding_runs

    try:
        # A run comes under its name in one step, when it is finished.
        changed = os.stat(survey.folder / "runs").st_mtime_ns
    except OSError:
        return []
    key = (survey.manifest.content_hash, survey.name, changed)
    return services.rebuilding.get(key, lambda: rebuilding_runs(survey))


def rebuilt_by(services: Services, survey: Survey, row: int) -> str | None:
    """Which model could rebuild the object's picture; None where there is none."""
    run = _rebuilding_run(services, survey, row)
    return None if run is None else str(run.config.get("encoder") or run.config.get("method"))


def odd_picture(services: Services, name: str, who: Identity, object_id: str) -> bytes:
    """GET api/odd_picture: PNG of the picture as a model rebuilds it, and beside it how far each
    pixel is from what it was.

    Raises
    ------
    Forbidden
        The task does not say what the model thinks.
    NotFound
        The object has no picture, or no model of this survey can rebuild pictures.
    """
    from core.representation.reconstruction import reconstructions

    database = services.db()
    task = database.task(name)
    survey = services.survey(task.survey)
    row = survey.row(object_id)
    if not prediction_visible(database, task, who, object_id):
        raise Forbidden(why_hidden(services, task))
    run = _rebuilding_run(services, survey, row)
    if run is None:
        raise NotFound(
            "No model of this survey can rebuild this object's picture; train an autoencoder or"
            " embed by pca, ica or nmf on the Encoders page."
        )
    model: Rebuilder = services.rebuilders.get(
        (survey.manifest.content_hash, run.run_id), lambda: _rebuilder(survey, run)
    )
    made = reconstructions(model, survey, np.array([row], dtype=np.int64))
    return _png(made.originals[0], made.rebuilt[0])


def _rebuilder(survey: Survey, run: RunRecord) -> Rebuilder:
    from core.representation.reconstruction import rebuilder

    return rebuilder(survey, run)


def _png(original: NDArray[np.float32], rebuilt: NDArray[np.float32]) -> bytes:
    """(band, y, x) each, about 0 to 1 -> the rebuilt one and the error side by side."""
    from core.display import colour_map, encode_png

    bands = np.linspace(0, len(rebuilt) - 1, 3).round().astype(int)
    shown = np.clip(np.moveaxis(rebuilt[bands], 0, -1), 0, 1)
    error = np.abs(original - rebuilt).mean(axis=0)
    top = float(np.percentile(error, _BRIGHTEST))
    level = np.clip(error / top if top > 0 else error, 0, 1)
    table = colour_map("magma")
    coloured = table[np.round(level * (len(table) - 1)).astype(int)]
    rgb = np.concatenate([np.round(255 * shown).astype(np.uint8), coloured], axis=1)
    return encode_png(np.ascontiguousarray(rgb), 2 * PICTURE_PX)
