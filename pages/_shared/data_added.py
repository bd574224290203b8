"""Columns that came to a survey after its import, as its summary lists them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from core.survey.added_columns import added_columns, added_info, column_runs
from pages._shared.words import plain

__all__ = ["draw_added"]


def draw_added(survey: Survey) -> None:
    """List them: what they are, the run that made them, how many objects have a value."""
    try:
        runs = column_runs(survey)
        if not runs:
            return
        found, info = added_columns(survey), added_info(survey)
    except SkysiftError as error:  # the summary itself can be read all the same
        st.subheader("Columns added later")
        st.error(plain(str(error)))
        return
    # Runs come newest first, and where two made a column of one name the newer one counts.
    made_by = {name: run for run in reversed(runs) for name in run.record["columns"]}
    rows = [
        {
            "Column": name,
            "Added by": str(made_by[name].record.get("kind", "")),
            "When": str(made_by[name].record["finished"])[:16].replace("T", " "),
            "Objects with a value": int(found[name].notna().sum()),
            "Unit": info[name].unit,
            "Description": info[name].description,
        }
        for name in found.columns
    ]
    frame = pd.DataFrame(rows)
    empty = [name for name in ("Unit", "Description") if not frame[name].any()]
    st.subheader("Columns added later")
    st.dataframe(
        frame.drop(columns=empty),
        hide_index=True,
        width="stretch",
        height="content" if len(rows) <= 12 else 440,
    )
