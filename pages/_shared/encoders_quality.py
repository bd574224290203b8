"""Whether the embeddings of a survey are good: table and verdict, curves, objects side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.csvsafe import safe_cell
from core.errors import NotFound
from core.representation import finished_embeddings
from core.representation.quality import (
    MEASURES,
    OWN_OBJECTS,
    Assessment,
    Comparison,
    QualityRun,
    cell_of,
    comparison,
    embedding_runs,
    kept,
    quality_runs,
    verdict_of,
)
from core.representation.quality.naming import embedding_names
from core.representation.quality.verdict import best_of, deciding_target
from core.survey import RunRecord, Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._server.services import services
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.encoders_list import use_embedding
from pages._shared.encoders_quality_checkpoints import draw_checkpoints
from pages._shared.encoders_quality_figures import (
    differences,
    probes,
    rank_spectrum,
    two_point_curves,
)
from pages._shared.encoders_quality_objects import draw_objects
from pages._shared.encoders_words import networks, notes_words, when_words
from pages._shared.figures import show
from pages._shared.sight import is_hidden_here
from pages._shared.times import ago, moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_quality"]

NO_LABELS = "no labels"


def draw_quality(survey: Survey) -> None:
    """Draw the newest assessment, and what starts another one (owners)."""
    draw_job(JobKind.QUALITY, survey.name, _done, "Nothing of it was kept; start it again.")
    embedded = embedding_runs(survey)
    if not embedded:
        st.write("This survey has no embedding yet, so that there is nothing to assess.")
        st.caption("The view Embeddings makes one.")
        _trained(survey)
        return
    runs = quality_runs(survey)
    if who().role is Role.OWNER:
        _form(survey, embedded, bool(runs))
    else:
        st.caption("Owners assess embeddings and choose the one in use.")
    if not runs:
        st.write("The embeddings have not been assessed yet.")
        st.caption(
            "An assessment measures, mostly without labels, whether an embedding tells objects"
            " apart: it takes about half a minute for each."
        )
        _trained(survey)
        return
    run = _chosen(runs)
    found = _seen(kept(run))
    _newer(embedded, runs[0], run)
    names = _names(survey, found)
    _table(survey, found, names)
    _figures(survey, found.comparison.assessments, names, run.run_id)
    st.subheader("Objects and their nearest")
    st.caption("The first of each row is the object; the others lie nearest to it, by angle.")
    draw_objects(survey, found.sheets, names, run.run_id)
    draw_checkpoints(survey)


def _trained(survey: Survey) -> None:
    """What was measured while networks were trained needs no assessment."""
    if networks(survey):
        draw_checkpoints(survey)


def _form(survey: Survey, embedded: Sequence[RunRecord], again: bool) -> None:
    names = embedding_names(survey, {one.run_id: str(one.config["encoder"]) for one in embedded})
    used = _in_use(survey)
    newest = {str(one.config["encoder"]): one.run_id for one in reversed(embedded)}
    chosen = [one for one in names if one in newest.values() or one == used]
    if len(names) > 1:
        chosen = st.multiselect(
            "Embeddings",
            list(names),
            default=chosen,
            format_func=lambda one: names[one] + (", in use" if one == used else ""),
            key=f"quality of {survey.name} {embedded[0].run_id}",
            help="The newest of each encoder, and the one in use, unless you choose others; two"
            " of one encoder compare its networks.",
        )
    tasks = [task.name for task in services().db().tasks(survey.name)]
    busy = is_running(JobKind.QUALITY, survey.name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        labels = NO_LABELS
        if tasks:
            labels = st.selectbox(
                "Probe with labels of",
                [NO_LABELS, *tasks],
                key=f"quality task {survey.name}",
                width=240,
                help="With labels, classifiers that are held out say how well each class is told"
                " from the others: five labelled objects of a class are the least.",
            )
        if st.button(
            "Assess again" if again else "Assess the embeddings",
            key=f"assess {survey.name}",
            type="secondary" if again else "primary",
            disabled=busy or not chosen,
            width="content",
        ):
            asked = [f"--run={run_id}" for run_id in chosen]
            more = [] if labels == NO_LABELS else ["--task", str(labels)]
            start(JobKind.QUALITY, survey.name, [survey.name, *asked, *more])
            st.rerun()


def _done(run: RunRow) -> None:
    st.success(f"{plain(run.subject)} was assessed.")


def _chosen(runs: Sequence[RunRecord]) -> RunRecord:
    """The newest assessment, or an older one that is asked for."""
    if len(runs) == 1:
        return runs[0]
    by_id = {run.run_id: run for run in runs}
    chosen = st.selectbox(
        "Assessment",
        list(by_id),
        format_func=lambda one: _when(by_id[one]),
        key=f"quality run {runs[0].run_id}",  # a newer one is shown when it comes
        width=360,
    )
    return by_id[str(chosen)]


def _when(run: RunRecord) -> str:
    task = run.config.get("task")
    count = len(run.config.get("embeddings", ()))
    day = when_words(str(run.record["finished"]))
    said = f"{day}, {count} {'embedding' if count == 1 else 'embeddings'}"
    return f"{said}, labels of {task}" if task else said


def _newer(embedded: Sequence[RunRecord], newest: RunRecord, shown: RunRecord) -> None:
    after = moment(str(shown.record["finished"]))
    missing = [run for run in embedded if moment(str(run.record["finished"])) > after]
    if missing:
        said = ", ".join(sorted({str(run.config["encoder"]) for run in missing}))
        st.caption(f"Made since and not assessed here: {plain(said)}.")
    age = (datetime.now(UTC) - moment(str(shown.record["finished"]))).total_seconds()
    older = "" if shown.run_id == newest.run_id else "An older assessment. "
    st.caption(f"{older}Measured {ago(age)}.")


def _seen(found: QualityRun) -> QualityRun:
    """Without the probes where the labels are kept from this person."""
    task = found.run.config.get("task")
    if not task:
        return found
    try:
        hidden = is_hidden_here(services().db().task(str(task)))
    except NotFound:
        hidden = True  # the task is gone, and with it who might see its labels
    if not hidden:
        return found
    bare = [replace(one, probes=()) for one in found.comparison.assessments]
    said = tuple(replace(one, verdict=verdict_of(one)) for one in bare)
    return replace(found, comparison=Comparison(said, comparison(said, found.names)), labels="")


def _names(survey: Survey, found: QualityRun) -> dict[str, str]:
    """How each embedding is called: by its encoder, and its network where two have the same."""
    encoders = {one.run_id: one.encoder for one in found.comparison.assessments}
    if set(found.names) >= set(encoders):
        return {run_id: found.names[run_id] for run_id in encoders}
    return embedding_names(survey, encoders)


def _in_use(survey: Survey) -> str:
    return next((one.run_id for one in finished_embeddings(survey) if one.in_use), "")


def _verdict(survey: Survey, found: QualityRun, names: Mapping[str, str], used: str) -> None:
    """Which to take, which is in use, and a button that puts the one to take to use (owners)."""
    assessments = found.comparison.assessments
    # Measured anew from what was kept: an older version may have been too sure.
    said = plain(comparison(assessments, names))
    if said:
        decided = deciding_target(assessments) is not None
        st.markdown(f"**{said}**" if decided else said)
    best = best_of(assessments)
    here = names.get(used)
    if used:
        other = "an embedding that was not assessed here"
        st.caption(f"In use for labelling: {plain(here or other)}.")
    there = {run.run_id for run in embedding_runs(survey)}
    if best is None or best.run_id == used or best.run_id not in there:
        return
    if who().role is Role.OWNER:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                f"Use {names[best.run_id]} for labelling", key=f"use best {found.run.run_id}"
            ):
                use_embedding(survey, best.run_id)
            st.caption("Queues are ranked anew and the map follows; labels stay as they are.")


def _table(survey: Survey, found: QualityRun, names: Mapping[str, str]) -> None:
    assessments = found.comparison.assessments
    used = _in_use(survey)
    _verdict(survey, found, names, used)
    rows = []
    for one in assessments:
        mark = ", in use" if one.run_id == used else ""
        row = {"Embedding": names[one.run_id] + mark, "Dimensions": one.dimensions}
        row |= {measure.title: cell_of(measure, one) for measure in MEASURES}
        for probe in one.probes:
            for title, (value, low, high) in (
                ("linear", probe.linear),
                ("neighbours", probe.nearest),
            ):
                row[f"AP {probe.target}, {title}"] = f"{value:.2f} ({low:.2f} to {high:.2f})"
        rows.append(row)
    titles = {
        measure.title: st.column_config.TextColumn(help=measure.meaning) for measure in MEASURES
    }
    st.dataframe(
        pd.DataFrame(rows).fillna("\N{EN DASH}"),
        hide_index=True,
        width="stretch",
        column_config=titles,
    )
    measured = {one.n_measured for one in assessments}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Table as CSV",
            _csv(assessments),
            f"quality-{found.run.run_id}.csv",
            "text/csv",
            key=f"csv {found.run.run_id}",
        )
        many = " or ".join(f"{count:,}" for count in sorted(measured))
        labels = f"; labels of {plain(found.labels)}" if found.labels else ""
        apart = any(OWN_OBJECTS in one.notes for one in assessments)
        same = ", the same for each embedding" if len(assessments) > 1 and not apart else ""
        st.caption(f"Measured on {many} objects{same}{labels}.")
    for one in assessments:
        st.markdown(f"**{plain(names[one.run_id])}** {plain(one.verdict)}")
        for note in one.notes:
            st.caption(plain(notes_words([note])))


def _csv(found: Sequence[Assessment]) -> str:
    """Every number in full."""
    text = io.StringIO()
    writer = csv.writer(text)
    targets = list(dict.fromkeys(probe.target for one in found for probe in one.probes))
    kinds = [(target, kind) for target in targets for kind in ("linear", "nearest")]
    heads = ["run", "encoder", "dimensions", "objects_measured", *(m.name for m in MEASURES)]
    heads += ["two_point_error", "verdict"]
    for target, kind in kinds:
        heads += [f"ap_{target}_{kind}{end}" for end in ("", "_low", "_high")]
    writer.writerow([safe_cell(head) for head in heads])
    for one in found:
        cells: list[object] = [one.run_id, one.encoder, one.dimensions, one.n_measured]
        cells += [one.measures.get(measure.name) for measure in MEASURES]
        cells += [one.errors.get("two_point"), one.verdict]
        by_target = {probe.target: probe for probe in one.probes}
        for target, kind in kinds:
            probe = by_target.get(target)
            cells += getattr(probe, kind) if probe else ("", "", "")
        writer.writerow([safe_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def _figures(
    survey: Survey, found: Sequence[Assessment], names: Mapping[str, str], key: str
) -> None:
    left, right = st.columns(2)
    with left:
        st.subheader("Clumps")
        st.caption(
            "Pairs of objects at each distance, beside a plain cloud of the same spread (1). A"
            " rise to the left says that groups stand apart."
        )
        show(two_point_curves(found, names), f"{key} two-point")
    with right:
        st.subheader("Directions in use")
        st.caption(
            "A steep fall says that few directions carry everything. A flat line may only say"
            " that the encoder whitens its numbers."
        )
        show(rank_spectrum(found, names), f"{key} spectrum")
    with left:
        st.subheader("Differences within a batch")
        st.caption(
            "How far apart any two of 64 objects lie: their mean squared difference. An even, dark"
            " square says that the embedding has collapsed; dark blocks are groups."
        )
        _differences(survey, found, names, key, 0)
    with right:
        if len(found) > 1:
            st.subheader("Beside it")
            st.caption(
                "The same of another embedding. Every square has its own scale of colours: compare"
                " patterns, not shades."
            )
            _differences(survey, found, names, key, 1)
    targets = list(dict.fromkeys(probe.target for a in found for probe in a.probes))
    if targets:
        with left:
            st.subheader("With labels")
            target = str(
                st.selectbox("Class", targets, key=f"{key} target", label_visibility="collapsed")
            )
            show(probes(found, names, target), f"{key} probe {target}")


def _differences(
    survey: Survey, found: Sequence[Assessment], names: Mapping[str, str], key: str, place: int
) -> None:
    chosen = st.selectbox(
        "Embedding",
        list(names),
        index=place,
        format_func=lambda one: names[one],
        key=f"{key} differences of {place}",
        label_visibility="collapsed",
    )
    one = next(a for a in found if a.run_id == chosen)
    ids = [str(survey.object_ids[row]) for row in one.arrays["batch"]]
    show(differences(one, ids), f"{key} differences {place} {chosen}")
