"""How far detectors agree: heat maps, and the objects that most of them call odd."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.run_detect import Detection
from core.survey import Survey
from labels_db import Task
from pages._server.oddest import ranked
from pages._server.oddest_agreement import AT_MOST, Agreement, agreement
from pages._shared.filter_line import filter_line
from pages._shared.oddest_figures import correlations, tops
from pages._shared.oddest_grid import draw_cards
from pages._shared.oddest_ranking import cards_of, readable
from pages._shared.oddest_words import detector_title, ranking_titles
from pages._shared.review_figures import show
from pages._shared.selection_words import objects
from pages._shared.words import plain

__all__ = ["draw_agreement"]

AGREED = 24


def draw_agreement(
    task: Task, survey: Survey, detection: Detection, rankings: Sequence[Detection]
) -> None:
    """Draw it, at first of the rankings of the same embedding as the one in use."""
    good, refused = readable(rankings)
    for sentence in refused:
        st.warning(plain(sentence))
    titles = ranking_titles(survey, good)
    # By what does not change when one is made anew.
    by_name = {f"{one.detector}@{one.embedding_run}": one for one in good}
    same = [name for name, one in by_name.items() if one.embedding_run == detection.embedding_run]
    chosen = st.multiselect(
        "Rankings",
        list(by_name),
        default=same[:AT_MOST],
        format_func=lambda name: titles[by_name[name].run_id],
        max_selections=AT_MOST,
        key=f"oddest: held {survey.name} {detection.embedding_run} {len(good)}",
    )
    if len(chosen) < 2:
        st.info("Two rankings or more can be held against each other; rank by another detector.")
        return
    held = [by_name[name] for name in chosen]
    found = agreement([ranked(one) for one in held])
    if not len(found.rows):
        st.info("No object has a place in all of these; choose rankings of one embedding.")
        return
    several = len({one.embedding_run for one in held}) > 1
    names = [titles[one.run_id] if several else detector_title(one.detector) for one in held]
    st.caption(_about(found))
    left, right = st.columns(2)
    with left:
        st.markdown("**Rank correlation**")
        show(correlations(found, names), "oddest correlations")
    with right:
        st.markdown(f"**Of their {found.top:,} oddest in common**")
        show(tops(found, names), "oddest tops")
    # Its places and scores are told below; another one may know nothing of these objects.
    told = detection if detection in held else held[0]
    _agreed(task, survey, told, titles[told.run_id], found)


def _about(found: Agreement) -> str:
    n, n_sampled = len(found.rows), len(found.sampled)
    of = f"a sample of {n_sampled:,} of {objects(n)}" if n_sampled < n else objects(n)
    return (
        f"Spearman's rank correlation over {of}. It is of all objects, most of which are usual;"
        " what matters for a search is how many of the oddest two detectors share. By chance they"
        f" would share {found.top**2 / n:.2g} of {found.top:,}."
    )


def _agreed(
    task: Task, survey: Survey, detection: Detection, title: str, found: Agreement
) -> None:
    """Those that are in most tops, of what passes the filter."""
    rows = found.agreed()
    st.markdown(f"**Odd to most of the {len(found.rankings)}**")
    passing = filter_line(survey, task, offer=True)
    if not len(rows):
        st.info("No object is among the oddest of two of them.")
        return
    if passing is not None:
        rows = rows[passing[rows]]
        st.caption("The filter counts for these objects; the figures above are of all.")
        if not len(rows):
            st.info("None of the objects that are among the oddest of two passes the filter.")
            return
    rows = rows[:AGREED]
    st.caption(f"Places and scores are those by {plain(title)}.")
    draw_cards(task, survey, cards_of(task, survey, detection, ranked(detection), rows, found))
