"""What the numbers of a code mean: walks along each, and objects by two of them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.errors import NotFound
from core.representation.reconstruction import (
    CodedSample,
    Rebuilder,
    latent_pairs,
    latent_traversal,
)
from core.survey import Survey
from pages._shared.encoders_reconstruction_figures import latent_scatter, traversal_sheet
from pages._shared.figures import show
from pages._shared.words import plain

__all__ = ["draw_codes"]

STEPS = np.linspace(-3, 3, 7)
"""Deviations from the middle."""
ROWS = 8
PAIRS = 4


def draw_codes(survey: Survey, run_id: str, model: Rebuilder, sample: CodedSample) -> None:
    """Draw the walks and the scatter of a sample of objects."""
    _walks(survey, run_id, model, sample)
    _pairs(survey, run_id, sample)


def _walks(survey: Survey, run_id: str, model: Rebuilder, sample: CodedSample) -> None:
    st.subheader("Walks along the numbers")
    st.caption(
        "Each line changes one number of a code and keeps the others: by up to three deviations"
        " of the objects here. The numbers that vary most come first."
    )
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    asked = left.text_input(
        "From the object",
        key=f"traversal from {run_id}",
        placeholder="an object_id; the mean of the codes while this is empty",
    ).strip()
    middle, deviation = sample.codes.mean(0), sample.codes.std(0)
    order = np.argsort(-deviation, kind="stable")
    lines = -(-len(order) // ROWS)
    page = 1
    if lines > 1:
        page = int(
            right.number_input(f"Page of {lines:,}", 1, lines, 1, key=f"traversal {run_id}")
        )
    code = middle
    if asked:
        try:
            row = survey.row(asked)
        except NotFound as error:
            st.error(plain(str(error)))
            return
        if not survey.has_image[row]:
            st.error(plain(f"{asked} has no picture; name another object."))
            return
        code = model.codes(survey.images(np.array([row])))[0]
    chosen = order[(page - 1) * ROWS : page * ROWS]
    walked = np.stack(
        [latent_traversal(model, code, int(n), code[n] + STEPS * deviation[n]) for n in chosen]
    )
    is_rgb = survey.manifest.dtype == "uint8"
    names = [f"{n + 1}" for n in chosen]
    show(traversal_sheet(walked, names, STEPS.tolist(), is_rgb), f"traversal sheet {run_id}")


def _pairs(survey: Survey, run_id: str, sample: CodedSample) -> None:
    dimensions = sample.codes.shape[1]
    if dimensions < 2:
        return
    st.subheader("Objects by two numbers")
    st.caption(
        "Pairs drawn at random; the lighter a point, the larger its error. Shaped as a Gaussian, a"
        " cloud is round; clumps and tails are groups of objects alike."
    )
    seed = int(st.session_state.get("latent pairs", 0))
    varying = np.flatnonzero(sample.codes.std(0) > 1e-6)
    ids = [str(one) for one in survey.object_ids[sample.rows]]
    pairs = latent_pairs(len(varying), PAIRS, seed)
    for first in range(0, len(pairs), 2):
        for column, (i, j) in zip(
            st.columns(2, gap="medium"), pairs[first : first + 2], strict=False
        ):
            pair = (int(varying[i]), int(varying[j]))
            with column:
                show(
                    latent_scatter(sample.codes, pair, ids, sample.errors),
                    f"latent pair {run_id} {pair[0] + 1} {pair[1] + 1}",
                )
    if len(varying) * (len(varying) - 1) // 2 > PAIRS:
        st.button("Other pairs", key="other pairs", on_click=_others)


def _others() -> None:
    st.session_state["latent pairs"] = int(st.session_state.get("latent pairs", 0)) + 1
