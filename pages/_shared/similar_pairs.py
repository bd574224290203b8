"""Near-duplicates of a survey: pairs of objects that are nearly the same in an embedding."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import streamlit as st

from core.mapping.near_duplicates import (
    AT_ONCE_ROWS,
    MOST_PAIRS,
    SHARE,
    NearDuplicates,
    near_duplicates,
)
from core.run_neighbours import WIDEST_SHARE, prepared
from core.survey import Survey
from core.vocabulary import JobKind, Role
from labels_db import Task
from pages._server.filters import Filtered
from pages._server.selections import knowing
from pages._server.services import services
from pages._server.similar import embedding_of
from pages._server.similar_query import SimilarQuery
from pages._shared.editing import attempt
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.faults import errors_told
from pages._shared.selection_state import choose_selection, object_query
from pages._shared.sight import may_start, shown_classes
from pages._shared.thumbnails import picture_address
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_pairs"]

PER_PAGE = 24
_CSS = """<style>
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.pairs figure { margin: 0; min-width: 0; }
.pairs .two { display: grid; grid-template-columns: 1fr 1fr; gap: 3px; }
.pairs a { min-width: 0; color: inherit !important; text-decoration: none !important; }
.pairs img { display: block; width: 100%; height: auto; aspect-ratio: 1; object-fit: cover;
  border-radius: 6px; background: #05070a; }
.pairs .id { font: .72rem ui-monospace, monospace; margin-top: .3rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.pairs .about { font-size: .75rem; opacity: .72; }
.pairs figcaption { font-size: .75rem; opacity: .72; font-variant-numeric: tabular-nums; }
</style>"""


def draw_pairs(
    task: Task, survey: Survey, query: SimilarQuery, passing: Filtered | None = None
) -> None:
    """The pairs, closest first, found now in a small survey and by a job in a large one.

    passing: both objects of a pair must pass this filter.
    """
    embedding = embedding_of(services(), survey, query.embedding)
    run = prepared(survey, embedding.run_id, query.metric)
    if len(survey) > AT_ONCE_ROWS:
        draw_job(JobKind.NEIGHBOURS, survey.name, lambda _run: None, "Look for them again.")
        if run is None:
            _offer(survey, embedding.run_id, query.metric)
            return

    def found_now() -> NearDuplicates:
        if run is not None:
            return run.pairs()
        return near_duplicates(embedding.values, embedding.mask, query.metric, share=WIDEST_SHARE)

    key = (
        *("pairs", survey.manifest.content_hash, embedding.run_id, query.metric),
        run and run.run_id,
    )
    with st.spinner("Comparing every object with every other"):
        found: NearDuplicates = services().found_alike.get(key, found_now)
    share = st.slider(
        "Closer than this share of the distance of two random objects",
        0.01,
        WIDEST_SHARE,
        SHARE,
        0.01,
        key="near-duplicates share",
    )
    lengths = _straight(found.distances, query.metric)
    typical = float(_straight(np.array(found.typical), query.metric))
    is_near = lengths < share * typical
    cut = found.more and bool(is_near.all())
    if passing is not None:
        is_near &= passing.passing[found.pairs].all(axis=1)
    near, lengths = found.pairs[is_near], lengths[is_near]
    if not len(near):
        more = (
            "raise the share to see more" if share < WIDEST_SHARE else "this is the largest share"
        )
        which = "" if passing is None else " of what passes the filter"
        st.info(f"No two objects{which} are so close to each other; {more}.")
        return
    st.caption(
        f"{'The closest ' if cut else ''}{len(near):,} pairs"
        f"{'' if passing is None else ', both of which pass the filter,'}"
        f" by {plain(embedding.encoder)} ({plain(embedding.run_id)}), {query.metric} distance."
        + (f" There are more; {MOST_PAIRS:,} are kept." if cut else "")
        + (
            f" {found.left_out:,} objects that lie among tens of thousands like them were not"
            " compared."
            if found.left_out
            else ""
        )
        + " Two objects that are close here may be one that was cut out twice, or only two of the"
        " commonest kind: look at them."
    )
    pages = -(-len(near) // PER_PAGE)
    page = int(st.number_input(f"Page of {pages}", 1, pages, 1)) if pages > 1 else 1
    part = slice((page - 1) * PER_PAGE, page * PER_PAGE)
    _sheet(task, survey, near[part], lengths[part] / typical)
    if may_start():
        members = np.unique(near)
        if st.button(f"Select these {len(members):,} objects", type="primary"):
            origin: dict[str, Any] = {
                "kind": "similar",
                "near_duplicates": share,
                "embedding": embedding.run_id,
                "distance": query.metric,
            }
            if passing is not None:
                origin |= {"filter": passing.origin["filter"], **knowing(passing.origin)}
            with errors_told():
                made = services().selections.add(survey, members, origin, who().annotator)
                choose_selection(made.id)


def _straight(distances: np.ndarray, metric: str) -> np.ndarray:
    """Straight lines of distances: near-duplicates are a share of the way to a random object."""
    return np.sqrt(2 * distances) if metric == "cosine" else distances


def _offer(survey: Survey, run_id: str, metric: str) -> None:
    if is_running(JobKind.NEIGHBOURS, survey.name):
        return
    st.info(
        f"Near-duplicates among {len(survey):,} objects are looked for by a job, which takes about"
        " a minute a million objects."
    )
    if who().role is not Role.OWNER:
        st.caption("The owner can start it here.")
    elif st.button("Look for near-duplicates", type="primary"):
        arguments = [survey.name, f"--run={run_id}", f"--distance={metric}"]
        attempt(lambda _by: start(JobKind.NEIGHBOURS, survey.name, arguments), "The job started.")


def _sheet(task: Task, survey: Survey, pairs: np.ndarray, shares: np.ndarray) -> None:
    labels = shown_classes(task)
    figures = []
    for pair, share in zip(pairs, shares, strict=True):
        members = "".join(
            _member(task, survey, str(survey.object_ids[int(row)]), labels) for row in pair
        )
        figures.append(
            f'<figure><div class="two">{members}</div><figcaption>{share:.1%} of the distance of'
            " two random objects</figcaption></figure>"
        )
    st.html(_CSS + f'<div class="pairs">{"".join(figures)}</div>')


def _member(task: Task, survey: Survey, object_id: str, labels: dict[str, str]) -> str:
    link = object_query(task, object_id)
    name = html.escape(object_id)
    return (
        f'<a href="{html.escape(services().base_path)}/?{html.escape(link)}" target="_self"'
        f' title="Open {name} on the label page"><img alt="" loading="lazy"'
        f' src="{html.escape(picture_address(survey, object_id, 256))}">'
        f'<div class="id">{name}</div>'
        f'<div class="about">{html.escape(labels.get(object_id, "no answer"))}</div></a>'
    )
