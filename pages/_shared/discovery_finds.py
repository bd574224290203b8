"""Finds against answers, and what each sampler brought: follows the annotators live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.vocabulary import CONTROL_SAMPLER, SELECTION_SAMPLER
from labels_db import Task
from pages._server.services import services
from pages._shared import discovery_figures as figures
from pages._shared.discovery_numbers import HIDDEN, REFRESH_S, searched
from pages._shared.discovery_words import changes, control_words, gone_words, phrases
from pages._shared.figures import show
from pages._shared.review_figures import intervals
from pages._shared.review_words import NOTHING, PERCENT, counted, interval, share
from pages._shared.sight import is_hidden_here
from pages._shared.words import plain

if TYPE_CHECKING:
    from core.discovery.random_rate import RandomRate
    from core.run_discovery import Search

__all__ = ["draw_finds", "random_words"]

METRIC_PX = 170
FEW = 20
"""Answers below which a share says little."""


@st.fragment(run_every=REFRESH_S)
def draw_finds(name: str) -> None:
    """Draw the part of the task of that name, for whom may still see it."""
    from core.metrics import finds_curve as finds_after

    task = services().db().task(name)
    if is_hidden_here(task):  # asked anew: a fragment outlives a sign-out
        st.info(HIDDEN)
        return
    search = searched(task)
    _strategy(task)
    n = len(search.found)
    if not n:
        st.info(
            "No answers yet. Answer objects on the Label page: what they find is drawn here while"
            f" you answer.{_left_out(search)}"
        )
        return
    finds = finds_after(search.found)
    _figures_of(search, int(finds[-1]))
    st.subheader("Finds against answers")
    show(
        figures.finds_curve(
            finds,
            search.rate,
            changes(services().db().strategies(task.name), search.seqs),
            target=" or ".join(task.targets),
            of_each=_of_each(task, search),
        ),
        f"finds-{task.name}",
    )
    missing = [plain(name) for name, hits in search.found_of.items() if not hits.any()]
    if missing:
        st.caption(
            f"No {' or '.join(missing)} was found yet; known examples shorten that: Tasks, Known"
            " examples."
        )
    at_random = random_words(search.rate, search.n_controls, _control_share(task))
    st.caption(plain(at_random + _left_out(search)))
    _samplers(task, search)


def _of_each(task: Task, search: Search) -> dict[str, np.ndarray]:
    """Target -> (k,) finds of it after each answer, of a task with several."""
    from core.metrics import finds_curve as finds_after

    if not task.also_targets:
        return {}
    return {name: finds_after(hits) for name, hits in search.found_of.items()}


def _strategy(task: Task) -> None:
    model = services().db().latest_model(task.name)
    if model is not None and model.state:
        st.caption(plain(model.state))
    else:
        st.caption("Nothing is ranked yet; the Label page starts the first ranking.")


def _figures_of(search: Search, n_found: int) -> None:
    n = len(search.found)
    by_chance = search.rate.rate if search.rate is not None else 0.0
    # Side by side as far as there is room: columns would stand below one another on a phone.
    with st.container(horizontal=True):
        st.metric("Answers", f"{n:,}", width=METRIC_PX)
        st.metric("Finds", f"{n_found:,}", width=METRIC_PX)
        st.metric(
            "Answers for one find", f"{n / n_found:.1f}" if n_found else NOTHING, width=METRIC_PX
        )
        st.metric(
            "The same at random",
            f"{1 / by_chance:.1f}" if by_chance else NOTHING,
            help="By the task's fixed random order, see below the figure.",
            width=METRIC_PX,
        )


def _control_share(task: Task) -> float:
    return services().db().strategy(task.name).control_share


def random_words(rate: RandomRate | None, n_controls: int, control_share: float) -> str:
    """A sentence or two on what a search at random would find, and how well that is known.

    n_controls : controls that were answered
    """
    if rate is None:
        unknown = "What a search at random would find is not known"
        if n_controls:
            return (
                f"{unknown} yet: {counted(n_controls, 'control was', 'controls were')} answered,"
                " but an object that stands before them in the task's fixed random order still"
                " waits for its answer."
            )
        if not control_share:
            return (
                f"{unknown}: this task shows no controls. Give them a share under Tasks, Strategy."
            )
        return (
            "What a search at random would find is told by the controls, and none was answered"
            f" yet; {control_words(control_share)} of the objects shown are controls."
        )
    said = (
        f"At random: {counted(rate.n_targets, 'find')} among the first {rate.n:,} of the task's"
        f" fixed random order, {share(rate.rate, 1)} ({interval(rate.low, rate.high)} with 95 %"
        " confidence, the grey band)."
    )
    if rate.n < FEW:
        said += " So few say little yet."
    return said


def _left_out(search: Search) -> str:
    said = []
    if search.n_imported:
        said.append(
            f"{counted(search.n_imported, 'label')} that came with files, as examples or in bulk"
        )
    if search.n_gold:
        said.append(counted(search.n_gold, "gold object"))
    left_out = f" Left out: {' and '.join(said)}, for nobody searched for them." if said else ""
    return left_out + gone_words(search.n_gone)


def _samplers(task: Task, search: Search) -> None:
    from core.discovery.registry import without_target

    st.subheader("What each sampler brought")
    words = _words()
    tallies = search.tallies
    left, right = st.columns([1, 1], gap="medium")
    with left:
        show(
            intervals(
                [one.sampler for one in tallies],
                [one.success for one in tallies],
                [one.low for one in tallies],
                [one.high for one in tallies],
            ),
            f"samplers-{task.name}",
        )
    with right:
        st.dataframe(
            pd.DataFrame(
                {
                    "Sampler": [one.sampler for one in tallies],
                    "Answers": [one.n_shown for one in tallies],
                    "Share": [100 * one.n_shown / len(search.found) for one in tallies],
                    "Finds": [one.n_found for one in tallies],
                    "Success": [100 * one.success for one in tallies],
                    "Shows": [words.get(without_target(one.sampler), "") for one in tallies],
                }
            ),
            hide_index=True,
            width="stretch",
            height="content",
            column_config={
                "Share": st.column_config.NumberColumn(format=PERCENT),
                "Success": st.column_config.NumberColumn(format=PERCENT),
            },
        )
    st.caption(
        "Share of finds among what each sampler showed, with exact 95 % intervals. Samplers are"
        " asked at different times: one that comes in when most targets are found finds fewer."
    )


def _words() -> dict[str, str]:
    """What each sampler shows, the arms of a portfolio among them."""
    from core.discovery import sampler_words
    from core.run_discovery import BY_HAND

    return {
        **phrases(sampler_words()),
        CONTROL_SAMPLER: "the next of the fixed random order",
        SELECTION_SAMPLER: "objects of a selection put ahead of the queue",
        BY_HAND: "objects that somebody opened",
    }
