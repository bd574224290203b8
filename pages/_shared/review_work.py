"""Who did how much, how fast, and in how good agreement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.vocabulary import Action
from labels_db import Task
from pages._shared.review_figures import boxes, lines, show
from pages._shared.review_numbers import MAX_SECONDS, reckoned, work_log
from pages._shared.review_sight import Sight
from pages._shared.review_words import NOTHING, PERCENT, counted, percent, since

__all__ = ["draw_work", "per_annotator"]

MIN_GAPS = 5
"""Fewer answers in a row say nothing about a pace."""
MAX_ANNOTATORS = 20
"""Lines and boxes that can still be told apart: those with most answers."""


def draw_work(task: Task, sees: Sight) -> None:
    """Draw the table and the figures; for somebody who sees only their own, theirs alone."""
    log = work_log(task)
    if sees.own_only:
        log = log[log["annotator"] == sees.who.annotator]
    table = per_annotator(log)
    if not len(table):
        st.info("Nobody has answered yet; what each annotator does is counted here.")
        return
    if not sees.own_only:
        accuracy = reckoned(task)[0].accuracy
        table["Is the consensus"] = [
            percent(accuracy[name].accuracy) if name in accuracy else float("nan")
            for name in table["Annotator"]
        ]
    table["Last"] = [since(when.floor("ms").isoformat()) for when in table["Last"]]
    n_left_out = int(table.pop("left out").sum())
    share = st.column_config.NumberColumn(format=PERCENT)
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={
            "Annotator": st.column_config.TextColumn(width="medium"),
            "Answers": st.column_config.NumberColumn(format="localized"),
            "Unsure": share,
            "Skipped": share,
            "Is the consensus": share,
            "Median, s": st.column_config.NumberColumn(format="%.1f"),
            "An hour": st.column_config.NumberColumn("Answers an hour", format="%.0f"),
        },
        placeholder=NOTHING,
    )
    st.caption(_explained(n_left_out, sees))
    answered = log[_answers(log) & ~log["in_bulk"]]
    active = list(table["Annotator"])[:MAX_ANNOTATORS]
    _over_time(answered, active)
    _speeds(answered, active)
    if len(table) > len(active):
        st.caption(f"The {len(active)} annotators with most answers are drawn.")


def per_annotator(log: pd.DataFrame) -> pd.DataFrame:
    """One row an annotator, most answers first, of the rows of `work_log`.

    "An hour" is answers per hour at work: pauses of more than `MAX_SECONDS` are left out. It and
    the median are of answers given one at a time.
    "left out" counts times to an answer that cannot be one: negative, or longer than that.
    """
    rows = []
    for name, mine in log.groupby("annotator", observed=True):
        kinds = mine["action"].value_counts()
        n_labels, n_unsure, n_skips, n_settled = (
            int(kinds.get(action.value, 0))
            for action in (Action.LABEL, Action.UNSURE, Action.SKIP, Action.ADJUDICATE)
        )
        answered = mine[_answers(mine) & ~mine["in_bulk"]]
        seconds = answered["seconds"].dropna()
        usable = seconds[seconds.between(0, MAX_SECONDS)]
        n_answers, n_acts = n_labels + n_unsure, n_labels + n_unsure + n_skips
        rows.append(
            {
                "Annotator": str(name),
                "Answers": n_answers,
                "Unsure": percent(n_unsure / n_answers) if n_answers else float("nan"),
                "Skipped": percent(n_skips / n_acts) if n_acts else float("nan"),
                "Settled": n_settled,
                "Median, s": float(usable.median()) if len(usable) else float("nan"),
                "An hour": _an_hour(answered["at"]),
                "Last": mine["at"].max(),
                "left out": len(seconds) - len(usable),
            }
        )
    rows.sort(key=lambda row: (-row["Answers"], row["Annotator"]))
    return pd.DataFrame(rows)


def _answers(log: pd.DataFrame) -> pd.Series:
    return log["action"].isin([Action.LABEL, Action.UNSURE])


def _an_hour(times: pd.Series) -> float:
    """Answers per hour between answers that follow each other within `MAX_SECONDS`."""
    gaps = times.sort_values().diff().dt.total_seconds().dropna()
    at_work = gaps[gaps <= MAX_SECONDS]
    total = float(at_work.sum())
    enough = len(at_work) >= MIN_GAPS and total > 0
    return len(at_work) / total * 3600 if enough else float("nan")


def _explained(n_left_out: int, sees: Sight) -> str:
    minutes = f"{MAX_SECONDS / 60:.0f} minutes"
    words = (
        "Answers are labels and unsure, those undone later included. The median is from when an"
        " object was shown to when it was answered; times that are negative or longer than"
        f" {minutes} are left out ({counted(n_left_out, 'answer')} here), and so are pauses of"
        f" more than {minutes} from the answers an hour. Labels given to a whole selection at once"
        " count as answers, but are left out of the median, the answers an hour and the figures:"
        " they are no pace of looking."
    )
    if not sees.own_only:
        words += (
            " The consensus is what two or more annotators, or an adjudication, say an object is;"
            " one's own answer is part of it."
        )
    return words


def _over_time(answered: pd.DataFrame, names: list[str]) -> None:
    series = {}
    for name in names:
        times = answered.loc[answered["annotator"] == name, "at"].sort_values()
        if len(times):
            series[name] = (pd.DatetimeIndex(times), np.arange(1, len(times) + 1))
    if series:
        st.subheader("Answers over time")
        show(lines(series, "answers"), "review over time")


def _speeds(answered: pd.DataFrame, names: list[str]) -> None:
    series = {}
    for name in names:
        seconds = answered.loc[answered["annotator"] == name, "seconds"].to_numpy()
        usable = seconds[(seconds > 0) & (seconds <= MAX_SECONDS)]
        if len(usable) >= 3:
            series[name] = usable
    if series:
        st.subheader("Seconds for an answer")
        show(boxes(series, "seconds, logarithmic"), "review speeds")
        st.caption("The box holds the middle half, its whiskers nine answers in ten.")
