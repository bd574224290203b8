"""The embeddings of a survey: what there is, which one is in use, and the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core.errors import Damaged
from core.representation import EmbeddingRecord, choose_embedding, finished_embeddings
from core.representation.encoders.fusion import DEFAULT_PARTS
from core.representation.quality import (
    MEASURES,
    Assessment,
    Measure,
    cell_of,
    kept,
    quality_runs,
)
from core.representation.quality.naming import SHIPPED, network_words, origins
from core.survey import RunRecord, Survey, damaged_runs, finished_runs
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._server.services import services
from pages._shared.editing import attempt
from pages._shared.encoders_embed import draw_form, embed_with
from pages._shared.encoders_jobs import draw_job, is_running
from pages._shared.encoders_words import (
    is_weights_of,
    method_of,
    networks,
    notes_words,
    older_default,
    options_words,
    parts_words,
    run_words,
    tail,
    unused_network,
    when_words,
)
from pages._shared.encoders_words import network_words as pretraining_words
from pages._shared.times import duration, moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_embeddings", "use_embedding"]

WHAT_HAPPENS = (
    "Every queue of this survey is then ranked anew from the answers there are, within seconds,"
    " and the map is made anew in the background. Labels stay as they are."
)
AUTOMATIC = ""
KEPT = next(one for one in MEASURES if one.name == "consistency")
CLUMPED = next(one for one in MEASURES if one.name == "two_point")
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
    _unused_network(survey, made, is_owner)
    for sentence in damaged_runs(survey):
        st.warning(plain(sentence))
    if made:
        _table(survey, made, _assessed(survey))
        _changed_default(survey, made)
        if is_owner:
            _choice(survey, made)
    else:
        st.write(f"{plain(survey.name)} has no embedding yet.")
        if not is_owner:
            st.write(f"{plain(services().owner.annotator)} has not made one yet; come back later.")
    if not is_owner:
        st.caption("Owners make embeddings and choose the one in use.")
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


def _table(
    survey: Survey, made: Sequence[EmbeddingRecord], assessed: Mapping[str, Assessment]
) -> None:
    runs = {run.run_id: run for run in finished_runs(survey, JobKind.EMBED)}
    trained = networks(survey)
    rows = [_row(one, runs.get(one.run_id), assessed.get(one.run_id), trained) for one in made]
    table = pd.DataFrame(rows)
    st.dataframe(
        table[[name for name in table.columns if (table[name] != "").any()]],
        hide_index=True,
        width="stretch",
        height="content" if len(made) <= 12 else 460,
        column_config={
            "In use": st.column_config.TextColumn(width=60),
            "Made": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "Masked": st.column_config.NumberColumn(
                help="Objects of which the encoder had nothing to say; they are not dropped."
            ),
            KEPT.title: st.column_config.TextColumn(
                help="Share of nearest neighbours that stay so in another view; see Quality."
            ),
            CLUMPED.title: st.column_config.TextColumn(help=CLUMPED.meaning),
            "Numbers": st.column_config.TextColumn(help="How they are kept on disk."),
            "Run": st.column_config.TextColumn(width=330),
        },
    )
    for one in made:
        if one.in_use and one.notes:
            st.caption(plain(f"The one in use: {notes_words(one.notes)}"))


def _row(
    one: EmbeddingRecord,
    run: RunRecord | None,
    quality: Assessment | None,
    trained: Sequence[RunRecord],
) -> dict[str, object]:
    return {
        "In use": "\N{CHECK MARK}" if one.in_use else "",
        "Encoder": one.encoder.replace("_", " "),
        "Network": one.weights if run is None else _network(run, trained),
        "Dimensions": one.dimensions,
        KEPT.title: _cell(KEPT, quality),
        CLUMPED.title: _cell(CLUMPED, quality),
        "Made": moment(one.finished),
        "Took": duration(one.seconds),
        "Options": options_words(
            {key: value for key, value in one.options.items() if key != "weights"}
        ),
        "Masked": one.masked,
        "Numbers": one.precision,
        "Run": one.run_id,
        "Notes": notes_words(one.notes),
    }


def _network(run: RunRecord, trained: Sequence[RunRecord]) -> str:
    """The network of an embedding: a training of the survey by its name, else where it is from."""
    told = list(origins(run.record.get("result") or {}))
    for one in trained:
        if any(isinstance(origin, dict) and is_weights_of(one, origin) for origin in told):
            return run_words(one)
    words = network_words(run)
    return "the shipped network" if words == SHIPPED else words


def _cell(measure: Measure, quality: Assessment | None) -> str:
    """As on Quality; empty where it was not measured."""
    if quality is None or quality.measures.get(measure.name) is None:
        return ""
    return cell_of(measure, quality)


def _changed_default(survey: Survey, made: Sequence[EmbeddingRecord]) -> None:
    """Say so where the one in use was made by the default of an earlier version."""
    used = next((one for one in made if one.in_use), None)
    had = "" if used is None else older_default(survey, used.run_id)
    if had:
        st.info(
            plain(
                f"The embedding in use is made of {had}. Skysift's default has changed since, to"
                f" {parts_words(DEFAULT_PARTS)}: embed again to use it."
            )
        )


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
            index=None,
            placeholder="choose one",
            key=f"embedding to use {survey.name}",
            width="stretch",
        )
        if st.button("Use for labelling", width="content", disabled=chosen is None):
            use_embedding(survey, str(chosen))
    st.caption(WHAT_HAPPENS)


def _name(one: EmbeddingRecord) -> str:
    when = when_words(one.finished)
    return f"{one.encoder}, {one.dimensions} dimensions, {when} ({tail(one.run_id)})"


def use_embedding(survey: Survey, run_id: str) -> None:
    """Have tasks, map and neighbours use it, or with "" what they use without a choice."""

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
    notes = f" {notes_words(record.notes)}" if record.notes else ""
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
            use_embedding(survey, run.run_id)
        st.caption(WHAT_HAPPENS)


def _unused_network(survey: Survey, made: Sequence[EmbeddingRecord], is_owner: bool) -> None:
    """A network that no embedding is made with yet, and what to do about it."""
    best = unused_network(survey, made)
    if best is None or is_running(JobKind.EMBED, survey.name):
        return
    st.info(
        f"There is a network with which {plain(survey.name)} is not embedded yet:"
        f" {plain(pretraining_words(best))}."
    )
    if is_owner:
        embed_with(survey, best.run_id, method_of(best), "unused")
