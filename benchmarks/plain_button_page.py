"""The bare baseline of benchmarks.label_speed: the same labelling with Streamlit's own buttons."""

from __future__ import annotations

import os
import sqlite3

import streamlit as st

from core.display import render_png
from core.survey import Survey
from core.workspace import open_workspace


@st.cache_resource
def the_survey() -> Survey:
    workspace = open_workspace(os.environ["SKYSIFT_BENCH_WORKSPACE"])
    return Survey.open(workspace, os.environ["SKYSIFT_BENCH_SURVEY"])


survey = the_survey()
row = st.session_state.setdefault("row", 0)


def answer(name: str) -> None:
    with sqlite3.connect(os.environ["SKYSIFT_BENCH_DB"]) as database:
        database.execute("create table if not exists labels (object_id, name)")
        database.execute(
            "insert into labels values (?, ?)",
            (survey.object_ids[st.session_state["row"]], name),
        )
    st.session_state["row"] += 1


st.image(render_png(survey.image(row), survey.manifest, 512))
st.write(f"object {row}")
for name in ("peculiar", "ordinary"):
    st.button(name, key=name, on_click=answer, args=(name,))
