"""How far the annotators of a task agree: each number with what it means and rests on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from labels_db import Task
from pages._shared.review_figures import heat_map, show
from pages._shared.review_numbers import Reckoning, reckoned
from pages._shared.review_words import NOTHING, PERCENT, counted, interval, percent, share
from pages._shared.words import plain

__all__ = ["draw_agreement"]

MAX_ANNOTATORS = 25
"""Rows of a heat map that can still be read; those with most answers are drawn."""
EVERYBODY = "All annotators together"


def draw_agreement(task: Task) -> None:
    """Draw the numbers, the pairs, the confusions and the reliabilities."""
    afresh = bool(st.session_state.pop("review_afresh", False))
    found, behind = reckoned(task, afresh=afresh)
    if not found.overlaps:
        st.info(
            "Agreement needs objects answered by two people;"
            f" {counted(found.summary.n_objects, 'object has', 'objects have')} an answer with a"
            f" class, by {counted(len(found.model.annotators), 'annotator')}, none by two."
            " Ask for more answers per object on the Tasks page."
        )
        return
    st.caption(_rests_on(found))
    if behind:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{counted(behind, 'event')} came since this was reckoned.")
            if st.button("Reckon again", type="tertiary"):
                st.session_state["review_afresh"] = True
                st.rerun()
    _numbers(found)
    left, right = st.columns(2, gap="large")
    with left:
        _pairs(found)
    with right:
        _confusion(found)
    _reliability(found)


def _rests_on(found: Reckoning) -> str:
    summary = found.summary
    words = (
        f"{counted(summary.n_answers, 'answer')} to {counted(summary.n_objects, 'object')};"
        f" {counted(summary.n_shared, 'object has', 'objects have')} two answers or more."
    )
    if found.n_unsure:
        words += (
            f" {counted(found.n_unsure, 'answer')} \N{LEFT DOUBLE QUOTATION MARK}unsure"
            "\N{RIGHT DOUBLE QUOTATION MARK} and all late ones are left out."
        )
    return words


def _numbers(found: Reckoning) -> None:
    summary, fleiss = found.summary, found.summary.fleiss
    shared = counted(summary.n_shared, "object")
    one_class = " It is not defined while every answer is of one class."
    cells = (
        (
            "Percent agreement",
            share(summary.percent),
            "How often two answers to the same object are of the same class; chance agreement"
            f" is in it. Rests on {shared}.",
        ),
        (
            "Fleiss' kappa",
            _coefficient(fleiss.kappa),
            "Agreement beyond chance among objects with equally many answers: 0 is chance, 1"
            f" perfect. Rests on the {counted(fleiss.n_objects, 'object')} with exactly"
            f" {fleiss.n_answers} answers.{'' if math.isfinite(fleiss.kappa) else one_class}",
        ),
        (
            "Krippendorff's alpha",
            _coefficient(summary.alpha),
            "Agreement beyond chance with any number of answers an object: 0 is chance, 1"
            f" perfect; 0.8 is often asked for. Rests on {shared}."
            f"{'' if math.isfinite(summary.alpha) else one_class}",
        ),
    )
    for column, (name, value, sentence) in zip(st.columns(3, gap="large"), cells, strict=True):
        with column:
            st.metric(name, value)
            st.caption(sentence)


def _pairs(found: Reckoning) -> None:
    st.subheader("Pairs")
    st.caption(
        "Cohen's kappa of every two annotators, on the objects that both answered (their"
        " number stands below it): 0 is what chance gives, 1 is perfect."
    )
    pairs, chosen = found.pairs, _most_active(found)
    names = [str(pairs.annotators[row]) for row in chosen]
    square = np.ix_(chosen, chosen)
    kappa, agreement, common = pairs.kappa[square], pairs.agreement[square], pairs.n_common[square]
    words = np.full(kappa.shape, "", dtype=object)
    hover = np.full(kappa.shape, "", dtype=object)
    for row, column in np.ndindex(kappa.shape):
        n, value = int(common[row, column]), float(kappa[row, column])
        if row == column or n == 0:
            continue
        words[row, column] = f"{_coefficient(value)}<br>of {n:,}"
        hover[row, column] = (
            f"kappa {_coefficient(value)}, {share(float(agreement[row, column]))} agree"
            f"<br>on {counted(n, 'object')}"
        )
    show(heat_map(kappa, words, hover, names, names), "review pairs")
    if len(chosen) < len(pairs.annotators):
        st.caption(f"The {len(chosen)} annotators with most answers.")


def _confusion(found: Reckoning) -> None:
    st.subheader("Confusions")
    names = [str(found.confusions.annotators[row]) for row in _most_active(found)]
    chosen = st.selectbox(
        "Whose answers", [EVERYBODY, *names], key="review whose", label_visibility="collapsed"
    )
    counts = (
        found.confusions.counts.sum(axis=0)
        if chosen == EVERYBODY
        else found.confusions.counts[found.confusions.annotators.index(chosen)]
    )
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    classes = [str(name) for name in found.confusions.class_names]
    words = np.where(total > 0, counts.astype(str).astype(object), "")
    hover = np.array(
        [
            [
                f"{share(shares[i, j])} of {counted(int(total[i, 0]), 'answer')}"
                for j in _of(counts)
            ]
            for i in _of(counts)
        ],
        dtype=object,
    )
    show(
        heat_map(
            *(shares, words, hover, classes, classes),
            row_title="consensus",
            column_title="answer",
        ),
        "review confusion",
    )
    st.caption(
        f"Answers to the {counted(len(found.consensus), 'object')} whose class two annotators or"
        " an adjudication tell: a row is what the object is by the consensus, a column what was"
        " answered."
    )


def _of(counts: np.ndarray) -> range:
    return range(len(counts))


def _reliability(found: Reckoning) -> None:
    st.subheader("Reliability")
    st.caption(
        "Estimated chance that an annotator is right (Dawid and Skene's model: it learns the"
        " classes and who is to be believed from the answers alone, with"
        f" {counted(found.n_adjudicated, 'adjudicated object')} held fixed). Somebody with few"
        " answers is taken for right three times in four until there are more. Beside it, how"
        " often the answer was the consensus."
    )
    model = found.model
    rows = []
    for row in _most_active(found):
        name = str(model.annotators[row])
        right = found.accuracy[name]
        rows.append(
            {
                "Annotator": name,
                "Answers": int(model.n_answers[row]),
                "Reliability": percent(float(model.accuracy[row])),
                "Is the consensus": percent(right.accuracy),
                "95% interval": interval(right.low, right.high),
                "on objects": right.n,
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        column_config={
            "Reliability": st.column_config.ProgressColumn(
                format=PERCENT, min_value=0.0, max_value=100.0
            ),
            "Annotator": st.column_config.TextColumn(width="medium"),
            "Is the consensus": st.column_config.NumberColumn(format=PERCENT),
            "on objects": st.column_config.NumberColumn(format="localized"),
        },
        placeholder=NOTHING,
    )
    if not model.converged:
        st.caption(plain("The model had not settled when its steps ran out; the last is shown."))


def _most_active(found: Reckoning) -> list[int]:
    """Rows of the annotators with most answers, in the order of their names."""
    n = found.model.n_answers
    return sorted(np.argsort(-n, kind="stable")[:MAX_ANNOTATORS].tolist())


def _coefficient(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else NOTHING
