"""The script that Streamlit runs: navigation, the task, then the page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages import (
    candidates,
    catalogue,
    data,
    discovery,
    encoders,
    groups,
    label,
    oddest,
    review,
    runs,
    selections,
    similar,
    tasks,
)
from pages import map as map_page
from pages._shared.selection_state import keep_selection
from pages._shared.style import style
from pages._shared.tasks import choose_task
from pages._shared.who import sign_out_button, who

st.set_page_config(
    page_title="Skysift", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide"
)
style()
who()  # nobody is shown anything after their access was taken away
page = st.navigation(
    [
        st.Page(label.draw, title="Label", icon=":material/center_focus_strong:", default=True),
        st.Page(map_page.draw, title="Map", icon=":material/scatter_plot:", url_path="map"),
        st.Page(groups.draw, title="Groups", icon=":material/workspaces:", url_path="groups"),
        st.Page(oddest.draw, title="Oddest", icon=":material/star_rate:", url_path="oddest"),
        st.Page(
            similar.draw,
            title="Look-alikes",
            icon=":material/image_search:",
            url_path="similar",
        ),
        st.Page(
            catalogue.draw,
            title="Catalogue",
            icon=":material/insert_chart:",
            url_path="catalogue",
        ),
        st.Page(
            selections.draw,
            title="Selections",
            icon=":material/select_all:",
            url_path="selections",
        ),
        st.Page(
            candidates.draw,
            title="Candidates",
            icon=":material/format_list_numbered:",
            url_path="candidates",
        ),
        st.Page(
            discovery.draw,
            title="Discovery",
            icon=":material/trending_up:",
            url_path="discovery",
        ),
        st.Page(review.draw, title="Review", icon=":material/rate_review:", url_path="review"),
        st.Page(tasks.draw, title="Tasks", icon=":material/checklist:", url_path="tasks"),
        st.Page(data.draw, title="Data", icon=":material/database:", url_path="data"),
        st.Page(encoders.draw, title="Encoders", icon=":material/hub:", url_path="encoders"),
        st.Page(runs.draw, title="Runs", icon=":material/schedule:", url_path="runs"),
    ],
    expanded=True,  # with so many Streamlit would hide the last ones behind "View more"
)
choose_task()
keep_selection()
with st.sidebar:
    sign_out_button()
page.run()
