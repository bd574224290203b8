"""The ranking itself: by which detector, overall or by group, the pictures, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.errors import SkysiftError
from core.run_detect import Detection
from core.survey import Survey
from labels_db import Task
from pages._server.columns import known_sentences
from pages._server.groups import KeptGrouping, choice_of, shown_groupings, title_of
from pages._server.map_data import labels_seen
from pages._server.oddest import (
    LEAST_GROUP,
    Ranked,
    known_rows,
    labelled_rows,
    ranked,
    ranked_by_group,
    reasons,
    teachers_of,
)
from pages._server.oddest_agreement import AT_MOST, Agreement, agreement
from pages._server.selections import knowing
from pages._server.services import services
from pages._server.taught import taught_words
from pages._shared.faults import errors_told
from pages._shared.figures import show
from pages._shared.filter_line import filter_in_use, filter_line
from pages._shared.groups_state import grouping_titles
from pages._shared.oddest_figures import distribution
from pages._shared.oddest_grid import Card, draw_cards
from pages._shared.oddest_why import draw_why
from pages._shared.oddest_words import detector_title, meaning, note_of, short_reason
from pages._shared.selection_state import choose_selection
from pages._shared.selection_words import objects
from pages._shared.sight import may_start
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["PER_PAGE", "cards_of", "draw_ranking", "readable"]

PER_PAGE = 48
EXPLAINED = 12
"""Pictures of a page below which the reason stands: one takes up to 0.04 s."""
OVERALL, STANDARDISED = -2, -1
"""Beside these the choice is a group."""


@dataclass(frozen=True, eq=False)
class _View:
    """What is shown: a ranking, and which rows of it (None: all)."""

    detection: Detection
    ranking: Ranked
    allowed: np.ndarray | None
    by: str
    """In words, "" for overall."""
    without: str
    """What was left out, in words."""
    is_standardised: bool
    key: str
    origin: dict[str, Any]


def readable(rankings: Sequence[Detection]) -> tuple[list[Detection], list[str]]:
    """Those whose scores can be read, and a sentence for each of the others."""
    good, refused = [], []
    for one in rankings:
        try:
            ranked(one)
            good.append(one)
        except SkysiftError as error:
            refused.append(str(error))
    return good, refused


def draw_ranking(
    task: Task, survey: Survey, detection: Detection, rankings: Sequence[Detection]
) -> None:
    """Draw it. rankings: all there are, of which some say what others think."""
    view = _settings(task, survey, detection)
    st.caption(_about(survey, view))
    rows = view.ranking.among(view.allowed)
    if not len(rows):
        st.info("Nothing is left: every object is left out by what is chosen above.")
        return
    peers, _ = readable([one for one in rankings if one.embedding_run == detection.embedding_run])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        page = _page(view, rows)
        _take(survey, view, rows)
    shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
    votes = None
    if len(peers) > 1 and not view.is_standardised:
        votes = agreement([ranked(one) for one in peers[:AT_MOST]])
        st.caption(
            f"“Odd to 3 of {len(votes.shared)}”: among the {votes.top:,} oddest of three of the"
            f" {len(votes.shared)} detectors that ranked this embedding. σ: usual scatters from"
            " the survey's median."
        )
    draw_cards(task, survey, cards_of(task, survey, detection, view.ranking, shown, votes))
    draw_why(task, survey, detection, peers, shown, view.ranking.places[shown])
    st.markdown("**How odd all objects are**")
    show(distribution(view.ranking, shown, _axis(view)), f"oddness {survey.name}")


def _settings(task: Task, survey: Survey, detection: Detection) -> _View:
    known_ones = known_rows(survey)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        grouping, choice = _by_group(survey)
        allowed = filter_line(survey, task, offer=True)
        filtered = filter_in_use(survey, task) if allowed is not None else None
        only = st.checkbox("Only unlabelled", key="oddest: only unlabelled")
        out = st.checkbox(
            "Leave out the known",
            key="oddest: leave out the known",
            help="What has an answer, and what a cross-match found in a catalogue.",
        )
    origin: dict[str, Any] = {"filter": filtered.origin["filter"]} if filtered else {}
    own: dict[str, Any] = {}
    if only or out:
        allowed = _both(allowed, ~labelled_rows(services(), task, survey, who()))
    if out:
        allowed = _both(allowed, ~known_ones)
        own["knows"] = bool(known_ones.any())
    # A ranking is hidden on a secret task, and so is what was taken from it.
    tells = {"tells": [task.name, *teachers_of(survey, detection)]}
    ranking, by = ranked(detection), ""
    if grouping is not None and choice != OVERALL:
        with errors_told():
            groups = grouping.groups()
            by = f"of {title_of(grouping, choice)}"
            if choice == STANDARDISED:
                ranking, by = (
                    ranked_by_group(detection, grouping.run_id, groups),
                    "for their groups",
                )
            else:
                allowed = _both(allowed, groups == choice)
            origin |= {"grouping": grouping.run_id, "group": int(choice)}
            tells["tells"] += grouping.taught_by
            if choice in grouping.names:
                tells["tells"] += [one.name for one in services().db().tasks(survey.name)]
    origin |= knowing(own, tells, filtered.origin if filtered else {})
    key = f"{ranking.key} {choice} {only} {out} {filtered.key if filtered else ''}"
    if filtered:
        by = f"{by}, {filtered.words}".lstrip(", ")
    without = ", without what is labelled" if only or out else ""
    without += " or known" if out else ""
    return _View(detection, ranking, allowed, by, without, len(ranking.key) > 1, key, origin)


def _both(one: np.ndarray | None, other: np.ndarray) -> np.ndarray:
    return other if one is None else one & other


def _by_group(survey: Survey) -> tuple[KeptGrouping | None, int]:
    """The grouping and OVERALL, STANDARDISED or a group."""
    kept = shown_groupings(services(), survey, who())
    if not kept:
        return None, OVERALL
    grouping = kept[0]
    if len(kept) > 1:
        names = {one.run_id: one for one in kept}
        chosen = st.selectbox(
            "Groups by",
            list(names),
            format_func=grouping_titles(kept).__getitem__,
            key=f"oddest: grouping {survey.name}",
            width=400,
        )
        grouping = names[chosen]
    titles = {OVERALL: "Overall", STANDARDISED: "For its group"}
    titles |= {group: choice_of(grouping, group) for group in range(grouping.k)}
    choice = st.selectbox(
        "Odd",
        list(titles),
        format_func=titles.__getitem__,
        key=f"oddest: by {grouping.run_id}",
        help="Overall; for its group: how many usual scatters a score lies above the median of"
        " the object's own group; or the oddest of one group.",
        width=200,
    )
    return grouping, int(choice)


def _about(survey: Survey, view: _View) -> str:
    one = view.detection
    parts = [meaning(one.detector), note_of(one.detector)]
    if view.is_standardised:
        parts.append(
            "Scores are held against those of the same group: by how many usual scatters they lie"
            " above its median. What is in no group, or in one of fewer than"
            f" {LEAST_GROUP} objects, is held against the whole survey. What makes an object odd"
            " is told against the whole survey."
        )
    n_seen = len(view.ranking.order)
    parts.append(f"{objects(n_seen)} ranked by {one.encoder}, seed {one.seed}.")
    if one.n_unseen:
        parts.append(f"{objects(one.n_unseen)} it could not see stand apart, under Unseen.")
    parts.append(taught_words(teachers_of(survey, one), "what is odd hangs"))
    return " ".join(plain(part) for part in parts if part)


def _page(view: _View, rows: np.ndarray) -> int:
    """The page that is shown, from 1 on, with what it holds."""
    n_pages = -(-len(rows) // PER_PAGE)
    page = 1
    if n_pages > 1:
        key = f"oddest: page {view.key}"
        page = int(st.number_input(f"Page of {n_pages:,}", 1, n_pages, key=key, width=140))
    first, last = (page - 1) * PER_PAGE + 1, min(page * PER_PAGE, len(rows))
    left_out = len(view.ranking.order) - len(rows)
    rest = f", {left_out:,} left out" if left_out else ""
    st.markdown(f"{first:,} to {last:,} of {len(rows):,}{rest}", width="content")
    return page


def cards_of(
    task: Task,
    survey: Survey,
    detection: Detection,
    ranking: Ranked,
    rows: np.ndarray,
    votes: Agreement | None,
) -> list[Card]:
    """The objects of a grid: the first with what makes them odd.

    votes: in how many tops each is, which is told too.
    """
    _seq, labels, _key = labels_seen(services(), task, who())
    known = known_sentences(survey, rows.tolist())
    why = _short_reasons(survey, detection, rows[:EXPLAINED])
    cards = []
    for place, row in enumerate(rows.tolist()):
        about = f"{ranking.places[row]:,}. {ranking.scores[row]:.3g}".replace("-", "−")
        if votes is not None:
            about += f", odd to {votes.votes[row]} of {len(votes.shared)}"
        object_id = str(survey.object_ids[row])
        cards.append(
            Card(
                object_id,
                about,
                why[place] if place < len(why) else "",
                labels.get(object_id, ""),
                known[place] or "",
            )
        )
    return cards


def _short_reasons(survey: Survey, detection: Detection, rows: np.ndarray) -> list[str]:
    try:
        with st.spinner("Looking up what makes them odd"):
            return [
                short_reason(one) for one in reasons(services(), survey, detection, rows.tolist())
            ]
    except SkysiftError as error:
        st.caption(plain(f"What makes them odd cannot be told. {error}"))
        return []


def _take(survey: Survey, view: _View, rows: np.ndarray) -> None:
    """Turn the first of the ranking into the selection."""
    if not may_start():
        return
    first = int(
        st.number_input(
            "First",
            1,
            len(rows),
            min(PER_PAGE, len(rows)),
            key=f"oddest: first {view.key}",
            width=140,
        )
    )
    pressed = st.button(
        f"Select the first {first:,}",
        type="primary",
        help="To label them together, send them to the queue, save or export them.",
    )
    if pressed:
        by = f" {view.by}" if view.by else ""
        title = detector_title(view.detection.detector)
        origin: dict[str, Any] = {
            "kind": "search",
            "words": f"The {objects(first)} that are oddest{by} by {title}{view.without}",
            "ranking": view.detection.run_id,
            "embedding": view.detection.embedding_run,
            "first": first,
        } | view.origin
        with errors_told():
            made = services().selections.add(survey, rows[:first], origin, who().annotator)
            choose_selection(made.id)


def _axis(view: _View) -> str:
    if view.is_standardised:
        return "usual scatters above the median of its group"
    return f"score of {detector_title(view.detection.detector)}"
