"""Detectors in words, and why an object is odd in a few of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.run_detect import Detection
from core.survey import Survey
from pages._server.odd import Why
from pages._shared.distinct import distinct

__all__ = [
    "NOT_ABOVE",
    "detector_title",
    "is_alone_enough",
    "meaning",
    "note_of",
    "ranking_titles",
    "short_reason",
]

_TITLES = {
    "knn_distance": "k-NN distance",
    "lof": "LOF",
    "rank_ensemble": "Mean of ranks",
}
_NOTES = {
    "farthest_first": "It is an order for looking through a survey rather than a measure: it"
    " begins with the object nearest the mean, and of several odd objects that are alike the"
    " second comes late.",
    "lof": "The local outlier factor finds what stands alone beside a group, and not groups that"
    " are odd as a whole.",
}
NOT_ABOVE = "not above the usual score"
"""Said instead of reasons, of which there are none."""
_MOST = 2
"""Reasons below a picture."""
LEAST_SAID, LEAST_SCATTERS = 0.1, 2.5
"""A share of the oddness, or scatters from the median, from which a number is a reason by itself;
below both it is one of many."""


def detector_title(name: str) -> str:
    """What a detector is called."""
    return _TITLES.get(name) or name.replace("_", " ").capitalize()


def meaning(name: str) -> str:
    """What a detector takes for odd, as it says itself; one sentence."""
    from core.discovery import DETECTORS

    if name not in DETECTORS:
        return "This detector is not there any more; its ranking is."
    said = DETECTORS[name].description
    return f"{said[:1].upper()}{said[1:]}."


def note_of(name: str) -> str:
    """What is to be known before its ranking is read; "" for nothing."""
    return _NOTES.get(name, "")


def ranking_titles(survey: Survey, rankings: Sequence[Detection]) -> dict[str, str]:
    """Run -> what a ranking is called: by its detector; with its embedding, unless all are of the
    one in use."""
    from core.representation import finished_embeddings
    from core.representation.quality.naming import embedding_names

    records = finished_embeddings(survey)
    names = embedding_names(survey, {one.run_id: one.encoder for one in records})
    used = next((one.run_id for one in records if one.in_use), "")
    if all(one.embedding_run == used for one in rankings):
        return {one.run_id: detector_title(one.detector) for one in rankings}
    titles = {}
    for one in rankings:
        embedding = names.get(one.embedding_run, f"{one.encoder}, which is gone")
        marked = f"{embedding} (in use)" if one.embedding_run == used else embedding
        titles[one.run_id] = f"{detector_title(one.detector)} · {marked}"
    of = {one.run_id: one for one in rankings}
    return distinct(titles, lambda run_id: of[run_id].embedding_run, lambda run_id: run_id)


def is_alone_enough(item: Mapping[str, Any]) -> bool:
    """Whether a number of `Why.items` makes out much by itself."""
    return bool(item["share"] >= LEAST_SAID or abs(item["scatters"]) >= LEAST_SCATTERS)


def short_reason(why: Why) -> str:
    """What stands out most, such as "Concentration +4.2σ"."""
    if not why.is_above_usual:
        return NOT_ABOVE
    said = []
    for item in filter(is_alone_enough, why.items):
        if item["value"] in ("yes", "no"):
            said.append(f"{item['title']}: {item['value']}")
        else:
            said.append(f"{item['title']} {item['scatters']:+.1f}σ".replace("-", "−"))
    name, share = max(why.learnt_shares.items(), key=lambda one: one[1], default=("", 0.0))
    if share >= LEAST_SAID and len(said) < _MOST:
        said.append(f"what {name} learnt, {100 * share:.0f} %")
    return ", ".join(said[:_MOST]) or "many things a little"
