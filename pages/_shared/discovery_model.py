"""How good the model is: calibration, precision, confusion and learning curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.errors import NotReady
from labels_db import Task
from pages._server.services import services
from pages._shared import discovery_figures as figures
from pages._shared.discovery_numbers import HIDDEN, REFRESH_S, asks_first, checked, searched
from pages._shared.discovery_words import gone_words
from pages._shared.figures import show
from pages._shared.review_figures import heat_map
from pages._shared.review_words import counted, share
from pages._shared.sight import is_hidden_here, may_start
from pages._shared.words import plain, sought

if TYPE_CHECKING:
    from core.run_discovery import Checked, Search

__all__ = ["draw_model", "how_checked"]


@st.fragment(run_every=REFRESH_S)
def draw_model(name: str) -> None:
    """Draw the part of the task of that name, for whom may still see it."""
    task = services().db().task(name)
    if is_hidden_here(task):  # asked anew: a fragment outlives a sign-out
        st.info(HIDDEN)
        return
    search = searched(task)
    afresh = asks_first(task) and may_start() and st.button("Check anew", key="check the model")
    try:
        found, behind = checked(task, afresh=afresh)
    except NotReady as error:
        st.info(str(error))
        st.subheader("What it told, and what came")
        _calibration(task, search)
        return
    st.caption(plain(how_checked(task, found, behind)))
    upper = st.columns(2, gap="large")
    with upper[0]:
        st.subheader("What it told, and what came")
        _calibration(task, search)
    with upper[1]:
        st.subheader("Learning curve")
        _learning(task, found)
    lower = st.columns(2, gap="large")
    with lower[0]:
        st.subheader("Precision at each rank")
        _precision(task, found)
    with lower[1]:
        st.subheader("Answers, and what the model takes them for")
        _confusion(task, found)


def how_checked(task: Task, found: Checked, behind: int) -> str:
    """What the figures rest on, in words."""
    check = found.validation
    n = len(check.answers)
    said = (
        f"The learner {check.learner}, held against {counted(n, 'answer')} by models that were"
        " taught three quarters of them and asked for the rest. Answered objects were chosen by"
        " the search: they are richer in targets, and harder, than the survey."
    )
    if found.n_older:
        said += f" {counted(found.n_older, 'older answer is', 'older answers are')} left out."
    said += gone_words(found.n_gone)
    alone = n - int(check.is_held_out.sum())
    if alone:
        stand = counted(alone, "answer stands", "answers stand")
        said += f" {stand} alone in a class and cannot be held out."
    if behind:
        said += f" {counted(behind, 'event')} came since; " + (
            "Check anew takes them in." if asks_first(task) else "the next check takes them in."
        )
    return said


def _calibration(task: Task, search: Search) -> None:
    found = search.calibration()
    if found is None:
        st.caption(
            "No answer yet to an object of which P(target) was told when it was shown: that takes"
            " a trained model, and the first one is trained when a target was found."
        )
        return
    show(figures.calibration_curve(found), f"calibration-{task.name}")
    n, others = int(found.n.sum()), len(search.found) - int(found.n.sum())
    said = (
        f"P(target) when an object was shown, against its answer: {counted(n, 'object')} shown as"
        " the likeliest or as controls. On the dashed line the model is right. It promised"
        f" {found.expected:.1f} finds and {found.n_hits:,} came; Brier score {found.brier:.3f}."
    )
    if others:
        said += (
            f" {counted(others, 'object')} shown for another reason are left out: their scores"
            " are no probabilities."
        )
    st.caption(said)


def _learning(task: Task, found: Checked) -> None:
    check = found.validation
    at_random = float(check.is_find[check.is_held_out].mean())
    show(
        figures.learning_curve(check.sizes.tolist(), check.precisions, at_random),
        f"learning-{task.name}",
    )
    st.caption(
        f"Average precision for {sought(task)} over all answers, by models that were taught"
        " the first of them only; dashed, an order at random. While it rises, answers still teach."
    )


def _precision(task: Task, found: Checked) -> None:
    from core.metrics.discovery import precision_at_ranks

    check = found.validation
    out = check.is_held_out
    hits = check.is_find[out]
    precision = precision_at_ranks(hits, check.chances[out])
    show(figures.precision_curve(precision, float(hits.mean())), f"precision-{task.name}")
    n = int(hits.sum())
    st.caption(
        f"Targets among the first objects by P({sought(task)}); of the first {n:,}, as many"
        f" as there are, {share(float(precision[n - 1]))}. Dashed, an order at random."
    )


def _confusion(task: Task, found: Checked) -> None:
    table = found.validation.confusion()
    used = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    table, names = table[np.ix_(used, used)], [found.classes[place] for place in used]
    totals = table.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, table / np.maximum(totals, 1), np.nan)
    words = np.array([[f"{count:,}" for count in row] for row in table.tolist()])
    hover = np.array(
        [
            [
                f"{count:,} of {total[0]:,} ({share(part)})"
                for count, part in zip(*pair, strict=True)
            ]
            for *pair, total in zip(table.tolist(), shares.tolist(), totals.tolist(), strict=True)
        ]
    )
    show(
        heat_map(
            shares, words, hover, names, names, row_title="answered", column_title="by the model"
        ),
        f"confusion-{task.name}",
    )
    st.caption(
        "A row is what people answered, a column what the model takes it for;"
        f" {sought(task)} {'is looked for' if task.also_targets else 'is the target'}."
    )
