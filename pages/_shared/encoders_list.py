"""The embeddings of a survey: what there is, which one is in use, and the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core.errors import Damaged
from core.representation import EmbeddingRecord, choose_embedding, finished_embeddings
from core.representation.quality import Assessment, kept, quality_runs
from core.survey import Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._server.services import services
from pages._shared.editing import attempt
from pages._shared.encoders_embed import draw_form, embed_with
from pages._shared.encoders_jobs import draw_job, is_running
from pages._shared.encoders_words import (
    method_of,
    network_words,
    options_words,
    unused_network,
)
from pages._shared.times import duration, moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_embeddings"]

WHAT_HAPPENS = (
    "Every queue of this survey is then ranked anew from the answers there are, within seconds,"
    " and the map is made anew in the background. Labels stay as they are."
)
AUTOMATIC = ""
ASSESSMENTS = 3
"""Quality runs that are looked at for the list."""


def draw_embeddings(survey: Survey) -> None:
    """Draw the list; owners choose and embed, others read."""
    is_owner = who().role is Role.OWNER
    made = finished_embeddings(survey)
    draw_job(
        JobKind.EMBED,
        survey.name,
        lambda run: _ended(survey, run, made),
        "What was done so far is kept: the same encoder and options go on." if is_owner else "",
    )
    _newer_network(survey, made, is_owner)
    if made:
        _table(made, _assessed(survey))
        if is_owner:
            _choice(survey, made)
    else:
        st.write(f"{plain(survey.name)} has no embedding yet.")
        if not is_owner:
            st.write(f"{plain(services().owner.annotator)} has not made one yet; come back later.")
    if is_owner:
        draw_form(survey)


def _assessed(survey: Survey) -> dict[str, Assessment]:
    """The newest assessment of each embedding that the last few quality runs looked at."""
    found: dict[str, Assessment] = {}
    for record in quality_runs(survey)[:ASSESSMENTS]:
        try:
            for one in kept(record).comparison.assessments:
                found.setdefault(one.run_id, one)
        except Damaged as error:  # the list of embeddings does not stand and fall with it
            st.caption(plain(str(error)))
    return found


def _table(made: Sequence[EmbeddingRecord], assessed: Mapping[str, Assessment]) -> None:
    table = pd.DataFrame([_row(one, assessed.get(one.run_id)) for one in made])
    st.dataframe(
        table[[name for name in table.columns if table[name].notna().any()]],
        hide_index=True,
        width="stretch",
        height="content" if len(made) <= 12 else 460,
        column_config={
            "In use": st.column_config.TextColumn(width=60),
            "Made": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "Masked": st.column_config.NumberColumn(
                help="Objects of which the encoder had nothing to say; they are not dropped."
            ),
            "Neighbours kept": st.column_config.NumberColumn(
                format="percent",
                help="Share of nearest neighbours that stay so in another view; see Quality.",
            ),
            "Numbers": st.column_config.TextColumn(help="How they are kept on disk."),
        },
    )
    for one in made:
        if one.in_use and one.notes:
            st.caption(plain(f"The one in use: {'; '.join(one.notes)}."))


def _row(one: EmbeddingRecord, quality: Assessment | None) -> dict[str, object]:
    measures = {} if quality is None else quality.measures
    return {
        "In use": "\N{CHECK MARK}" if one.in_use else "",
        "Encoder": one.encoder,
        "Dimensions": one.dimensions,
        "Neighbours kept": measures.get("consistency"),
        "Two-point score": measures.get("two_point"),
        "Made": moment(one.finished),
        "Took": duration(one.seconds),
        "Network": one.weights or None,
        "Options": options_words(one.options) or None,
        "Masked": one.masked,
        "Numbers": one.precision,
        "Notes": "; ".join(one.notes) or None,
        "Run": one.run_id,
    }


def _choice(survey: Survey, made: Sequence[EmbeddingRecord]) -> None:
    names = {one.run_id: _name(one) for one in made if not one.in_use}
    if any(one.chosen for one in made):
        names[AUTOMATIC] = "always the newest of the default encoder"
    if not names:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Use another one",
            list(names),
            format_func=names.__getitem__,
            key=f"embedding to use {survey.name}",
            width="stretch",
        )
        if st.button("Use for labelling", width="content"):
            _use(survey, chosen)
    st.caption(WHAT_HAPPENS)


def _name(one: EmbeddingRecord) -> str:
    when = f"{moment(one.finished):%d %b %Y, %H:%M}"
    return f"{one.encoder}, {one.dimensions} dimensions, {when} ({one.run_id})"


def _use(survey: Survey, run_id: str) -> None:
    def choose(_by: str) -> None:
        choose_embedding(survey, run_id or None)
        services().map_anew(survey)

    said = f"{run_id} is in use" if run_id else "The newest of the default encoder is in use"
    attempt(choose, f"{said}; the queues and the map follow.")


def _ended(survey: Survey, run: RunRow, made: Sequence[EmbeddingRecord]) -> None:
    """An embedding that has just been made, and what to do with it."""
    record = next((one for one in made if one.run_id == run.run_id), None)
    if record is None:  # the survey has another version since
        st.success(f"The embedding {plain(run.run_id)} is made.")
        return
    masked = f", {record.masked:,} objects masked" if record.masked else ""
    notes = "".join(f" {note}." for note in record.notes)
    st.success(
        plain(
            f"The survey is embedded by {record.encoder}: {record.dimensions} dimensions{masked},"
            f" in {duration(record.seconds)}.{notes}"
        )
    )
    if record.in_use:
        st.caption("It is in use for labelling, as the newest of the default encoder.")
    elif who().role is Role.OWNER:
        if st.button("Use it for labelling", type="primary", key=f"use {run.run_id}"):
            _use(survey, run.run_id)
        st.caption(WHAT_HAPPENS)


def _newer_network(survey: Survey, made: Sequence[EmbeddingRecord], is_owner: bool) -> None:
    """A network that no embedding is made with yet, and what to do about it."""
    newest = unused_network(survey, made)
    if newest is None or is_running(JobKind.EMBED, survey.name):
        return
    st.info(
        f"There is a newer network, with which {plain(survey.name)} is not embedded yet:"
        f" {plain(network_words(newest))}."
    )
    if is_owner:
        embed_with(survey, newest.run_id, method_of(newest), "newer")
