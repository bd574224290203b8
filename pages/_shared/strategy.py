"""The strategy of a task: what is shown next, in words, and the switches that change it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import BadInput, SkysiftError
from core.vocabulary import DEFAULT, Role
from labels_db import Strategy, Task
from pages._server.services import services
from pages._shared.discovery_words import control_words, phrases
from pages._shared.editing import as_owner, attempt, field
from pages._shared.review_words import counted
from pages._shared.times import moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["edit_strategy", "show_strategy", "strategy_switch"]

MAX_CONTROL_SHARE = 0.5
"""More than the half is hardly a search any more."""
MAX_ANSWERS = 500
WORDS_AWAITED_S = 2.0
_WRONG = "strategy refused"


def show_strategy(task: Task) -> None:
    """Draw it for reading."""
    from core.run_discovery import learner_words, strategy_words

    now = services().db().strategy(task.name)
    st.write(plain(f"Showing {strategy_words().get(now.sampler, now.sampler)}."))
    st.caption(
        plain(
            f"Learner: {learner_words().get(now.learner, now.learner)}."
            f" {control_words(now.control_share)} of the objects are controls; the model learns"
            f" after every {counted(now.retrain_every, 'answer')}."
        )
    )


def edit_strategy(task: Task) -> None:
    """Draw it for the owner to change."""
    from core.run_discovery import cold_start_words, learner_words, set_strategy, strategy_words

    now = services().db().strategy(task.name)
    # One of a newer or older Skysift is named as it is, and stays until another one is chosen.
    too_large = _too_large(task)
    samplers = {
        name: words + _limit_words(too_large.get(name)) for name, words in strategy_words().items()
    }
    samplers.setdefault(now.sampler, now.sampler)
    learners = {**learner_words()}
    learners.setdefault(now.learner, now.learner)
    key = f"{task.name}/strategy"
    with st.form("strategy"):
        sampler = st.selectbox(
            "Showing",
            list(samplers),
            format_func=samplers.__getitem__,
            key=field(f"{key} sampler", now.sampler, samplers),
            help=cold_start_words(),
        )
        learner = st.selectbox(
            "Learner",
            list(learners),
            format_func=learners.__getitem__,
            key=field(f"{key} learner", now.learner, learners),
        )
        left, right = st.columns(2)
        with left:
            share = st.number_input(
                "Share of controls",
                0.0,
                max(MAX_CONTROL_SHARE, now.control_share),
                step=0.01,
                format="%.3f",
                key=field(f"{key} share", now.control_share),
                help="Objects of a fixed random order, shown whatever the model thinks: they tell"
                " how rare the target is, and later what was missed.",
            )
        with right:
            every = st.number_input(
                "Answers between two rankings",
                1,
                max(MAX_ANSWERS, now.retrain_every),
                key=field(f"{key} every", now.retrain_every),
                help="The model also learns when the answers pause for a moment.",
            )
        if st.form_submit_button("Save the strategy"):
            attempt(
                lambda by: set_strategy(
                    services().db(),
                    task.name,
                    by,
                    sampler=_fitting(sampler, task),
                    learner=learner,
                    control_share=float(share),
                    retrain_every=int(every),
                ),
                "The strategy is saved; the queue follows within a moment.",
            )
    st.caption(
        "A change replaces what is shown next, but for objects that are in somebody's hands. It"
        " changes no answer. Which of them finds most is on the Discovery page."
    )
    _changes(services().db().strategies(task.name))


def _changes(chosen: list[Strategy]) -> None:
    if not chosen:
        return
    st.dataframe(
        pd.DataFrame(
            {
                "When": [moment(one.changed_at) for one in chosen[::-1]],
                "Who": [one.changed_by for one in chosen[::-1]],
                "Sampler": [one.sampler for one in chosen[::-1]],
                "Learner": [one.learner for one in chosen[::-1]],
                "Controls": [100 * one.control_share for one in chosen[::-1]],
                "Ranked after": [one.retrain_every for one in chosen[::-1]],
            }
        ),
        hide_index=True,
        width="stretch",
        column_config={
            "When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss"),
            "Controls": st.column_config.NumberColumn(format="%.1f%%"),
        },
    )


def strategy_switch(task: Task) -> None:
    """Draw a small switch in the sidebar for the owner; the label page itself is not redrawn."""
    if who().role is Role.OWNER:
        # Just after the start the words are still being loaded: then it looks again for them.
        again = None if services().sampler_words() else WORDS_AWAITED_S
        with st.sidebar:
            st.fragment(_switch, run_every=again)(task.name)


def _switch(name: str) -> None:
    words = {DEFAULT: "the default", **_short_words()}
    now = services().db().strategy(name)
    if len(words) > 1:  # else the samplers are not loaded yet
        for sampler, most in _too_large(services().db().task(name)).items():
            words[sampler] += _limit_words(most)
    words.setdefault(now.sampler, now.sampler)
    # A key of its own for each version: the keyboard goes back to the label page after a choice,
    # for the box that had it is another one then.
    key = f"showing {name} {now.version}"
    st.selectbox(
        "Showing",
        list(words),
        index=list(words).index(now.sampler),
        format_func=words.__getitem__,
        key=key,
        on_change=_choose,
        args=(name, key),
        help="What is shown next. The learner and the share of controls are under Tasks,"
        " Strategy; what each choice brought is on the Discovery page.",
    )
    wrong = st.session_state.pop(_WRONG, None)
    if wrong:
        st.error(wrong)


def _choose(name: str, key: str) -> None:
    """Called by Streamlit before the fragment is drawn anew."""
    from core.run_discovery import set_strategy

    try:
        chosen = _fitting(st.session_state[key], services().db().task(name))
        set_strategy(services().db(), name, as_owner(), sampler=chosen)
    except SkysiftError as error:
        st.session_state[_WRONG] = str(error)


def _too_large(task: Task) -> dict[str, int]:
    """The samplers that cannot take the survey of the task, with the most objects they take."""
    from core.discovery import SAMPLERS

    n = len(services().survey(task.survey))
    limits = {name: entry.most_rows for name, entry in SAMPLERS.items()}
    return {name: most for name, most in limits.items() if most is not None and most < n}


def _limit_words(most: int | None) -> str:
    return "" if most is None else f" (takes up to {most:,} objects: this survey is larger)"


def _fitting(sampler: str, task: Task) -> str:
    """The sampler, if it can take the survey of the task; else `BadInput`."""
    most = _too_large(task).get(sampler)
    if most is not None:
        raise BadInput(
            f"The sampler {sampler!r} takes up to {most:,} objects, but the survey"
            f" {task.survey!r} has {len(services().survey(task.survey)):,}; choose another one,"
            " such as the default."
        )
    return sampler


def _short_words() -> dict[str, str]:
    """What each sampler shows; empty while the server still loads them, in its first seconds."""
    said = phrases(services().sampler_words())
    # An arm of a portfolio (SAMPLER/LEARNER) is no choice of its own.
    return {name: text for name, text in said.items() if "/" not in name}
