"""The runs page: what ran, what runs, how far it is, what failed and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.vocabulary import JobKind, Role, RunState
from labels_db import RunRow
from pages._server.identity import require
from pages._server.services import services
from pages._shared.encoders_words import plainer
from pages._shared.sight import may_start
from pages._shared.times import duration, moment
from pages._shared.who import who

__all__ = ["draw"]

SHOWN = 200


def draw() -> None:
    """Draw the page; it renews itself every two seconds."""
    st.title("Runs")
    _runs()


@st.fragment(run_every=2.0)
def _runs() -> None:
    may_cancel = may_start()  # asked anew: a fragment outlives a sign-out
    database = services().db()
    database.clean_orphans()
    runs = database.runs(SHOWN)
    if not runs:
        st.write("Nothing has run yet. Imports, embeddings, maps and workers appear here.")
        return
    for run in runs:
        if run.state is RunState.RUNNING:
            _running(run, may_cancel)
    st.dataframe(
        pd.DataFrame([_row(run) for run in runs]),
        hide_index=True,
        width="stretch",
        height="content" if len(runs) <= 20 else 720,
        column_config={
            "Progress": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format=" "),
            "Started": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss"),
            "What it says": st.column_config.TextColumn(width="large"),
        },
    )


def _running(run: RunRow, may_cancel: bool) -> None:
    left, right = st.columns([6, 1], vertical_alignment="center")
    with left:
        if run.kind == JobKind.WORKER:
            st.markdown(f"**worker** of {run.subject}: {run.message or 'starting'}")
        else:
            words = f"**{run.kind}** of {run.subject}: {plainer(run.message or 'starting')}"
            if run.eta_s and " left" not in (run.message or ""):  # some jobs say it themselves
                words += f", about {duration(run.eta_s)} left"
            st.progress(run.fraction or 0.0, words)
    with right:
        if run.kind == JobKind.WORKER:
            st.caption("Ends by itself")  # stopped, it would start again with the next answer
        elif run.cancel_requested:
            st.caption("Stopping")
        elif may_cancel and st.button("Cancel", key=f"cancel {run.run_id}", width="stretch"):
            require(who(), Role.OWNER, Role.ANNOTATOR)
            services().db().request_cancel(run.run_id)
            st.rerun(scope="fragment")


def _row(run: RunRow) -> dict[str, object]:
    end = datetime.now(UTC) if run.finished_at is None else moment(run.finished_at)
    is_job = run.kind != JobKind.WORKER
    return {
        "Job": run.kind,
        "Of": run.subject,
        "State": run.state.value,
        "Progress": run.fraction if is_job else None,
        "What it says": run.error or plainer(run.message or ""),
        "Started": moment(run.started_at),
        "Took": duration((end - moment(run.started_at)).total_seconds()),
        "Run": run.run_id,
    }
