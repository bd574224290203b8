"""Gold objects: those with a known answer, and how the annotators do on them."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from scipy.stats import binomtest

from core.errors import SkysiftError
from core.survey import Survey
from core.vocabulary import Role
from labels_db import GoldResult, Task
from pages._server.identity import require
from pages._server.services import services
from pages._shared.review_figures import intervals, show
from pages._shared.review_settle import draw_notice, notify
from pages._shared.review_sight import Sight
from pages._shared.review_words import PERCENT, counted, interval, percent, share
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_gold", "wilson"]

_OBJECT, _CLASS = "gold_object", "gold_class"


def draw_gold(task: Task, survey: Survey, sees: Sight) -> None:
    """Draw the results, and for the owner the gold objects themselves."""
    gold = services().db().gold(task.name)
    st.caption(_about(task, len(gold)))
    results = services().db().gold_results(task.name)
    if sees.settles:
        draw_notice()
        left, right = st.columns(2, gap="large")
        with left:
            _results(results)
        with right:
            _manage(task, survey, dict(gold))
        return
    st.caption("Which objects they are is the owner's to know.")
    _results(results)


def _about(task: Task, n: int) -> str:
    words = (
        f"{counted(n, 'gold object')}. A gold object's class is known; it is slipped in among the"
        " others, unmarked, to see how well each annotator does."
    )
    if task.gold_rate == 0:
        return f"{words} None are slipped in now: this task's share of gold objects is 0."
    if not n:
        return f"{words} None can be slipped in before there is one."
    return f"{words} {share(task.gold_rate)} of what is handed out is gold."


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """Wilson's (1927) 95% interval of the share n_right / n."""
    found = binomtest(n_right, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def _results(results: list[GoldResult]) -> None:
    st.subheader("Results")
    if not results:
        st.info("Nobody has answered a gold object yet.")
        return
    ends = [wilson(one.n_right, one.n_answered) for one in results]
    names = [one.annotator for one in results]
    shares = [one.n_right / one.n_answered for one in results]
    show(
        intervals(names, shares, [low for low, _ in ends], [high for _, high in ends]),
        "review gold",
    )
    st.caption(
        "Share right, with Wilson's 95% interval; unsure counts as not right. With few answers"
        " the interval is wide: compare no two whose intervals overlap."
    )
    st.dataframe(
        pd.DataFrame(
            {
                "Annotator": names,
                "Answered": [one.n_answered for one in results],
                "Right": [one.n_right for one in results],
                "Share": [percent(one) for one in shares],
                "95% interval": [interval(low, high) for low, high in ends],
            }
        ),
        hide_index=True,
        width="stretch",
        column_config={"Share": st.column_config.NumberColumn(format=PERCENT)},
    )


def _manage(task: Task, survey: Survey, gold: dict[str, str]) -> None:
    st.subheader("Gold objects")
    with st.form("gold_add", border=False, clear_on_submit=False):
        left, right = st.columns([3, 2], vertical_alignment="bottom")
        with left:
            st.text_input("Object", key=_OBJECT, placeholder="object_id")
        with right:
            st.selectbox("Its class", task.classes, key=_CLASS)
        st.form_submit_button("Make it gold", on_click=_add, args=(task.name, survey))
    if not gold:
        st.caption("There are none. Good ones are clear to an expert and easy to get wrong.")
        return
    table = pd.DataFrame({"Object": list(gold), "Class": list(gold.values())})
    chosen = st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height="content" if len(gold) <= 12 else 460,
        key=f"gold table {task.name} {services().db().last_seq(task.name)}",
        on_select="rerun",
        selection_mode="multi-row",
    )
    picked = [str(table["Object"].iloc[row]) for row in chosen["selection"]["rows"]]
    if picked:
        st.button(
            f"Make {counted(len(picked), 'object')} ordinary again",
            on_click=_remove,
            args=(task.name, tuple(picked)),
        )
    else:
        st.caption("Choose rows to make them ordinary objects again; their class stays settled.")


def _add(task: str, survey: Survey) -> None:
    object_id = str(st.session_state.get(_OBJECT, "")).strip()
    class_name = st.session_state.get(_CLASS)
    try:
        identity = who()
        require(identity, Role.OWNER)
        survey.row(object_id)
        services().db().add_gold(
            task, object_id, str(class_name), identity.annotator, survey.version
        )
    except SkysiftError as error:
        notify("error", f"Nothing was saved: {error}")
        return
    st.session_state[_OBJECT] = ""
    notify("success", f"{object_id} is gold now: {class_name}.")


def _remove(task: str, object_ids: tuple[str, ...]) -> None:
    try:
        identity = who()
        require(identity, Role.OWNER)
        for object_id in object_ids:
            services().db().remove_gold(task, object_id, identity.annotator)
    except SkysiftError as error:
        notify("error", str(error))
        return
    notify("success", f"{plain(counted(len(object_ids), 'object'))} made ordinary again.")
