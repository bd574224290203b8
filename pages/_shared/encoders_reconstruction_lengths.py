"""Whether the numbers of an embedding repeat each other, and how long a code has to be."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.representation import finished_embeddings, load_embedding
from core.representation.compression import (
    KINDS,
    NETWORKS,
    Compression,
    finished_compressions,
)
from core.representation.reconstruction import feature_correlation
from core.survey import Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._shared.editing import attempt
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.encoders_reconstruction_figures import (
    MAX_FEATURES,
    correlations,
    error_curves,
)
from pages._shared.encoders_words import notes_words, tail, when_words
from pages._shared.figures import show
from pages._shared.who import who
from pages._shared.words import command, plain

__all__ = ["draw_features", "draw_lengths"]

MOST_ROWS = 20_000
LENGTHS = (2, 4, 8, 16, 32, 64, 128, 256)


def draw_features(survey: Survey) -> None:
    """Draw the correlations between the numbers of an embedding that is chosen."""
    made = {one.run_id: one for one in finished_embeddings(survey)}
    if not made:
        st.write(f"{plain(survey.name)} has no embedding yet; the view Embeddings makes one, or")
        st.code(command("embed", survey.name), language="bash", wrap_lines=True)
        return
    chosen = st.selectbox(
        "Embedding",
        list(made),
        format_func=lambda one: (
            f"{made[one].encoder.replace('_', ' ')}, {made[one].dimensions} numbers,"
            f" {when_words(made[one].finished)} ({tail(one)})"
        ),
        key=f"correlations of {survey.name}",
    )
    embedding = load_embedding(survey, run_id=str(chosen))
    rows = np.flatnonzero(embedding.mask)
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
    found = feature_correlation(embedding.rows(rows))
    words = (
        "Fewer than two numbers vary, so that nothing can correlate."
        if np.isnan(found.redundancy)
        else f"Mean absolute correlation of two numbers: {found.redundancy:.3f} (0: each says its"
        f" own, 1: all say the same), over {found.objects:,} objects. Whitened codes have 0 where"
        " they were fitted."
    )
    st.caption(words)
    if found.constant:
        listed = ", ".join(str(one + 1) for one in found.constant[:12])
        more = f" and {len(found.constant) - 12} more" if len(found.constant) > 12 else ""
        st.warning(f"Numbers that are the same for every object: {listed}{more}.")
    if len(found.matrix) > MAX_FEATURES:
        st.caption(f"The first {MAX_FEATURES} of {len(found.matrix):,} numbers are drawn.")
    show(correlations(found.matrix), f"correlations {chosen}")


def draw_lengths(survey: Survey) -> None:
    """Draw the comparisons of held-out error against length of codes; owners start one."""
    st.caption(
        "How much of pictures that were not learnt from is lost by a code of a given length. All"
        " see the same pixels; where a curve levels off, longer codes bring little."
    )
    draw_job(JobKind.COMPRESS, survey.name, _done, "Nothing of it was kept; start it again.")
    made = {one.run.run_id: one for one in finished_compressions(survey)}
    if made:
        chosen = st.selectbox(
            "Comparison",
            list(made),
            format_func=lambda one: _words(made[one]),
            key=f"compression of {survey.name}",
        )
        found = made[str(chosen)]
        show(error_curves(found.errors), f"error by length {chosen}")
        if any(kind in NETWORKS for kind in found.config.kinds):
            st.caption(
                f"Dashed: networks, each trained for {found.config.steps:,} steps; they may"
                " be far from settled. The dotted line is the error without any code."
            )
        for note in sorted({one.note for one in found.errors if one.note}):
            st.caption(plain(notes_words([note])))
    else:
        st.write("None was made of this survey yet.")
        st.code(
            command("compress", survey.name, "--minutes", "5"), language="bash", wrap_lines=True
        )
    if who().role is Role.OWNER:
        _form(survey)


def _words(one: Compression) -> str:
    when = when_words(str(one.run.record["finished"]))
    kinds = ", ".join(kind.replace("_", " ") for kind in one.config.kinds)
    return f"{when}: {kinds} ({tail(one.run.run_id)})"


def _done(_run: RunRow) -> None:
    st.success("The comparison is done; it is drawn below.")


def _form(survey: Survey) -> None:
    with st.expander("Compare lengths of codes"), st.form("compress", border=False):
        kinds = st.multiselect(
            "Kinds",
            KINDS,
            default=["pca", "ica", "nmf", "autoencoder"],
            format_func=lambda one: one.replace("_", " "),
        )
        lengths = st.multiselect("Numbers in a code", LENGTHS, default=[8, 16, 32, 64])
        left, right = st.columns(2)
        minutes = left.number_input("Minutes for all networks", 0.5, 600.0, 5.0, 0.5)
        depths = right.multiselect("Depth of networks", (1, 2, 3, 4), default=[3])
        asked = st.form_submit_button(
            "Compare", disabled=is_running(JobKind.COMPRESS, survey.name)
        )
    if not asked:
        return
    if not (kinds and lengths and depths):
        st.error("A comparison needs a kind, a length and a depth at least; choose one of each.")
        return
    arguments = [survey.name, "--kinds", *kinds, "--latent", *map(str, lengths)]
    arguments += ["--depth", *map(str, depths), "--minutes", f"{minutes:g}"]
    attempt(lambda _by: start(JobKind.COMPRESS, survey.name, arguments), "The comparison started.")
