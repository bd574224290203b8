"""Objects and those nearest to them in each embedding, side by side; how far the others are."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from core.errors import NotFound, SkysiftError
from core.representation.quality import (
    Embedded,
    Sheet,
    cosine_distances,
    distance_sample,
    embedding_runs,
    nearest_rows,
    opened,
)
from core.survey import Survey
from pages._shared.encoders_quality_figures import distances
from pages._shared.figures import show
from pages._shared.thumbnails import picture_address
from pages._shared.words import plain

__all__ = ["draw_objects"]

SMALL_PX = 128
_CSS = """<style>
.near { display: grid; grid-template-columns: repeat(9, minmax(0, 1fr)); gap: .3rem;
  max-width: 62rem; margin: .1rem 0 .7rem; }
.near .of { grid-column: 1 / -1; font-size: .8rem; opacity: .8; }
.near figure { margin: 0; min-width: 0; }
.near img { display: block; width: 100%; height: auto; aspect-ratio: 1; object-fit: cover;
  border-radius: 6px; background: #05070a; }
.near figure.asked img { outline: 2px solid #4a97df; outline-offset: 1px; }
.near figcaption { margin-top: .25rem; font: .68rem ui-monospace, monospace; overflow: hidden;
  opacity: .75; text-overflow: ellipsis; white-space: nowrap; }
@media (max-width: 640px) { .near { grid-template-columns: repeat(5, minmax(0, 1fr)); } }
</style>"""


def draw_objects(
    survey: Survey, sheets: Sequence[Sheet], names: Mapping[str, str], key: str
) -> None:
    """The sheets of a quality run, and of an object that one asks for.

    names : run id -> how the embedding is called, in the order shown
    """
    st.html(_CSS)
    asked = st.text_input(
        "Object",
        key=f"{key} object",
        placeholder="an object_id; a few random objects are shown while this is empty",
    ).strip()
    if not asked:
        _random(survey, sheets, names, key)
        return
    try:
        row = survey.row(asked)
        embeddings = _opened(survey, names)
    except SkysiftError as error:
        st.error(plain(str(error)))
        return
    samples: dict[str, np.ndarray] = {}
    rows = []
    for run_id, one in embeddings.items():
        try:
            found = cosine_distances(one, row)
        except SkysiftError as error:
            st.caption(plain(f"{names[run_id]}: {error}"))
            continue
        samples[run_id] = distance_sample(found)
        near = [str(survey.object_ids[at]) for at in nearest_rows(found)]
        rows.append(_row(survey, asked, near, names[run_id]))
    if samples:
        st.html("".join(rows))
        st.markdown("**How far all others are from it**")
        show(distances(samples, names, list(names)), f"{key} distances {asked}")


def _random(survey: Survey, sheets: Sequence[Sheet], names: Mapping[str, str], key: str) -> None:
    if not sheets:
        st.caption("No object has a place in these embeddings.")
        return
    most = len(sheets)
    shown = st.segmented_control(
        "Random object",
        list(range(1, most + 1)),
        default=1,
        key=f"{key} random",
        required=True,
        label_visibility="collapsed",
    )
    sheet = sheets[int(shown or 1) - 1]
    st.html(
        "".join(
            _row(survey, sheet.object_id, sheet.nearest[run_id], name)
            for run_id, name in names.items()
            if run_id in sheet.nearest
        )
    )


def _row(survey: Survey, asked: str, near: Sequence[str], name: str) -> str:
    cells = [_cell(survey, asked, "asked"), *(_cell(survey, one) for one in near)]
    return f'<div class="near"><div class="of">{html.escape(name)}</div>{"".join(cells)}</div>'


def _cell(survey: Survey, object_id: str, kind: str = "") -> str:
    address = html.escape(picture_address(survey, object_id, SMALL_PX))
    name = html.escape(object_id)
    return (
        f'<figure class="{kind}" title="{name}"><img src="{address}" alt="" loading="lazy"'
        f' width="{SMALL_PX}" height="{SMALL_PX}"><figcaption>{name}</figcaption></figure>'
    )


def _opened(survey: Survey, names: Mapping[str, str]) -> dict[str, Embedded]:
    """The embeddings that are still there."""
    there = {record.run_id: record for record in embedding_runs(survey)}
    found = {run_id: opened(survey, there[run_id]) for run_id in names if run_id in there}
    if not found:
        raise NotFound("The embeddings that were assessed are gone; assess those there are now.")
    return found
