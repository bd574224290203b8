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
from core.survey import RunRecord, Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow
from pages._server.services import services
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.encoders_quality_checkpoints import draw_checkpoints
from pages._shared.encoders_quality_figures import (
    differences,
    probes,
    rank_spectrum,
    show,
    two_point_curves,
)
from pages._shared.encoders_quality_objects import draw_objects
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
        return
    runs = quality_runs(survey)
    if who().role is Role.OWNER:
        _form(survey, bool(runs))
    if not runs:
        st.write("The embeddings have not been assessed yet.")
        st.caption(
            "An assessment measures, mostly without labels, whether an embedding tells objects"
            " apart: it takes about half a minute for each."
        )
        return
    run = _chosen(runs)
    found = _seen(kept(run))
    _newer(embedded, runs[0], run)
    names = _names(found.comparison.assessments)
    _table(found, names)
    _figures(survey, found.comparison.assessments, names, run.run_id)
    st.subheader("Objects and their nearest")
    st.caption("The first of each row is the object; the others lie nearest to it, by angle.")
    draw_objects(survey, found.sheets, names, run.run_id)
    draw_checkpoints(survey)


def _form(survey: Survey, again: bool) -> None:
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
            disabled=busy,
            width="content",
        ):
            more = [] if labels == NO_LABELS else ["--task", str(labels)]
            start(JobKind.QUALITY, survey.name, [survey.name, *more])
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
    day = moment(str(run.record["finished"]))
    said = f"{day:%-d %b %Y, %H:%M}, {count} {'embedding' if count == 1 else 'embeddings'}"
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
    return replace(found, comparison=Comparison(said, comparison(said)), labels="")


def _names(found: Sequence[Assessment]) -> dict[str, str]:
    """How each embedding is called: by its encoder, and its run where two have the same."""
    often = [one.encoder for one in found]
    return {
        one.run_id: one.encoder
        if often.count(one.encoder) == 1
        else f"{one.encoder} {one.run_id[-6:]}"
        for one in found
    }


def _table(found: QualityRun, names: Mapping[str, str]) -> None:
    assessments = found.comparison.assessments
    if found.comparison.verdict:
        st.markdown(f"**{plain(found.comparison.verdict)}**")
    rows = []
    for one in assessments:
        row = {"Embedding": names[one.run_id], "Dimensions": one.dimensions}
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
            st.caption(plain(note))


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
        chosen = st.selectbox(
            "Embedding",
            list(names),
            format_func=lambda one: names[one],
            key=f"{key} differences of",
            label_visibility="collapsed",
        )
        one = next(a for a in found if a.run_id == chosen)
        ids = [str(survey.object_ids[row]) for row in one.arrays["batch"]]
        show(differences(one, ids), f"{key} differences {chosen}")
    targets = list(dict.fromkeys(probe.target for a in found for probe in a.probes))
    if targets:
        with right:
            st.subheader("With labels")
            target = str(
                st.selectbox("Class", targets, key=f"{key} target", label_visibility="collapsed")
            )
            show(probes(found, names, target), f"{key} probe {target}")
