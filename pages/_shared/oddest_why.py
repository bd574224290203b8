"""What makes one object odd: its places by every detector, and the numbers that stand out."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from core.errors import SkysiftError
from core.run_detect import Detection
from core.survey import Survey
from labels_db import Task
from pages._server.odd import Why, rebuilt_by
from pages._server.oddest import explained_by, ranked, reasons
from pages._server.services import services
from pages._server.visibility import prediction_visible
from pages._shared.oddest_words import NOT_ABOVE, detector_title, is_alone_enough
from pages._shared.selection_state import object_query
from pages._shared.thumbnails import picture_address
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_why"]

PICTURE_PX = 512
_CSS = """<style>
.whyodd { display: grid; grid-template-columns: minmax(10rem, 17rem) minmax(0, 1fr); gap: 1.4rem; }
@media (max-width: 640px) { .whyodd { grid-template-columns: minmax(0, 1fr); } }
.whyodd img { display: block; width: 100%; border-radius: 8px; background: #05070a; }
.whyodd figure { margin: 0 0 .8rem; }
.whyodd figcaption { font-size: .8rem; opacity: .75; margin-top: .3rem; }
.whyodd :is(p, ol, ul) { margin: 0 !important; padding: 0 !important; list-style: none; }
.whyodd ol li { margin: 0 0 .7rem !important; padding: 0; }
.whyodd .first { display: flex; justify-content: space-between; gap: 1rem; }
.whyodd .bar { display: block; height: .25rem; border-radius: 2px; margin: .15rem 0 .2rem;
  background: color-mix(in srgb, currentColor 14%, transparent); }
.whyodd .bar i { display: block; height: 100%; border-radius: 2px; background: #4a90d0; }
.whyodd .faint { font-size: .85rem; opacity: .75; }
.whyodd .places { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0 0 1rem !important; }
.whyodd .places li { margin: 0 !important; padding: 0; }
.whyodd .links { display: flex; gap: 1rem; }
.whyodd a { color: inherit !important; }
</style>"""


def draw_why(
    task: Task,
    survey: Survey,
    detection: Detection,
    others: Sequence[Detection],
    rows: np.ndarray,
    places: np.ndarray,
) -> None:
    """Have one of the objects shown chosen, and tell what makes it odd.

    others: every ranking whose places are told. rows, places: (K,) of the objects shown.
    """
    st.markdown("**What makes it odd**")
    told = dict(zip(rows.tolist(), places.tolist(), strict=True))
    row = st.selectbox(
        "Object",
        list(told),
        format_func=lambda one: f"{told[one]:,}. {survey.object_ids[one]}",
        key=f"oddest: object {survey.name}",
        label_visibility="collapsed",
        width=320,
    )
    try:
        found = reasons(services(), survey, detection, [row])[0]
    except SkysiftError as error:
        st.info(plain(str(error)))
        return
    object_id = str(survey.object_ids[row])
    st.html(
        f'{_CSS}<div class="whyodd"><div>{_pictures(task, survey, object_id, row)}</div>'
        f"<div>{_places(others, row)}{_reasons(detection, found)}</div></div>"
    )


def _pictures(task: Task, survey: Survey, object_id: str, row: int) -> str:
    base = html.escape(services().base_path)
    address = html.escape(picture_address(survey, object_id, PICTURE_PX))
    query = html.escape(object_query(task, object_id))
    drawn = (
        f'<figure><img src="{address}" alt="{html.escape(object_id)}"></figure>'
        f'<p class="links"><a href="{base}/?{query}">Label</a>'
        f'<a href="{base}/similar?{query}">Look-alikes</a></p>'
    )
    rebuilder = rebuilt_by(services(), survey, row)
    if rebuilder is None or not prediction_visible(services().db(), task, who(), object_id):
        return drawn
    query = html.escape(urlencode({"task": task.name, "object_id": object_id}))
    return (
        f'{drawn}<figure><img src="{base}/api/odd_picture?{query}" alt=""><figcaption>As'
        f" {html.escape(rebuilder)} rebuilds it; right, how far each pixel is off."
        "</figcaption></figure>"
    )


def _places(others: Sequence[Detection], row: int) -> str:
    """Where each detector puts it, the highest first."""
    found = []
    for one in others:
        try:
            ranking = ranked(one)
        except SkysiftError:  # the page that shows that ranking says so
            continue
        if place := ranking.place_of(row):
            n_ranked = one.n_objects - one.n_unseen
            found.append((place, n_ranked, detector_title(one.detector)))
    lines = "".join(
        f"<li><b>{place:,}</b> of {n:,} by {html.escape(title)}</li>"
        for place, n, title in sorted(found)
    )
    return f'<ul class="places">{lines}</ul>'


def _reasons(detection: Detection, why: Why) -> str:
    by = explained_by(detection.detector)
    head = f"What {detector_title(by)} makes of it, against the survey's medians:"
    if by != detection.detector:
        head = (
            f"{detector_title(detection.detector)} has no reasons of its own; these are those of"
            f" {detector_title(by)}:"
        )
    if not why.is_above_usual:
        said = f"To {detector_title(by)} its score is {NOT_ABOVE}: there is no oddness to explain."
        return f'<p class="faint">{html.escape(said)}</p>'
    if not why.items and not why.learnt:
        return '<p class="faint">No single thing about it stands out.</p>'
    lines = "".join(map(_line, why.items))
    if not any(map(is_alone_enough, why.items)):
        head = f"No number makes out much by itself; many do together. {head}"
    listed = f'<p class="faint">{html.escape(head)}</p><ol>{lines}</ol>' if lines else ""
    return f'{listed}<p class="faint">{html.escape(why.learnt)}</p>'


def _line(item: dict[str, Any]) -> str:
    scatters = float(item["scatters"])
    away = ""
    if abs(scatters) >= 0.05 and item["value"] not in ("yes", "no"):
        side = "above" if scatters > 0 else "below"
        away = f", {abs(scatters):.1f} usual scatters {side}"
    unit = f" {item['unit']}" if item["unit"] else ""
    share = f"{100 * item['share']:.0f}"
    words = f"{item['value']}{unit}; median {item['median']}{away}"
    return (
        f'<li><p class="first"><b>{html.escape(item["title"])}</b><span>{share} % of the oddness'
        f'</span></p><span class="bar"><i style="width:{share}%"></i></span>'
        f'<p>{html.escape(words)}</p><p class="faint">{html.escape(item["meaning"])}</p></li>'
    )
