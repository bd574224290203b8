"""The catalogue page: any quantity against any other; what is drawn around is selected."""

from __future__ import annotations

import html
from urllib.parse import urlencode

import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from labels_db import Task
from pages._server.catalogue import PlotSource
from pages._server.catalogue_select import Mode
from pages._server.services import services
from pages._shared.catalogue_plot import (
    MODE,
    InUse,
    draw_plot,
    selection_in_use,
    tell_brushed,
)
from pages._shared.catalogue_settings import fitting_plot, usual_plots
from pages._shared.catalogue_state import (
    MAX_PLOTS,
    Kept,
    added,
    change_plots,
    current_plots,
)
from pages._shared.faults import errors_told
from pages._shared.filter_line import filter_in_use, filter_line
from pages._shared.selection_panel import selection_panel
from pages._shared.selection_state import choose_selection, current_selection
from pages._shared.selection_words import objects
from pages._shared.tasks import the_task
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw"]


def draw() -> None:
    """Draw the page for the chosen task."""
    task = the_task()
    st.title("Catalogue")
    with errors_told():
        survey = services().survey(task.survey)
        _draw(task, survey)


def _draw(task: Task, survey: Survey) -> None:
    source = PlotSource(services(), task, survey, who())
    filter_line(survey, task, offer=True)
    plots = _plots(source)
    use = selection_in_use(survey, filter_in_use(survey, task))
    tell_brushed()
    _bar(source, plots, use)
    if not any(one.is_number for one in source.quantities.values()):
        st.info(
            f"The catalogue of {plain(survey.name)} has no columns of numbers: its categories and"
            " the answers can be plotted, and `python -m core.run measure` adds numbers read off"
            " the pixels."
        )
    for start in range(0, len(plots), 2):
        pair = plots[start : start + 2]
        places = st.columns(2) if len(plots) > 1 else [st.container()]
        for place, kept in zip(places, pair, strict=False):
            with place:
                draw_plot(source, plots, kept, use)
    selection_panel(task, survey, current_selection())


def _plots(source: PlotSource) -> list[Kept]:
    """The plots of the link or the session, without what is not there (any more)."""
    survey = source.survey.name
    plots, problem = current_plots(survey, lambda: usual_plots(source))
    problems = [problem] if problem else []
    fitting = []
    for kept in plots:
        plot, said = fitting_plot(source, kept.plot)
        if said:
            problems.append(said)
        if plot is not None:
            fitting.append(kept if plot == kept.plot else Kept(kept.number, plot))
    if fitting != plots:
        change_plots(survey, fitting)
    for one in problems:
        st.warning(plain(one))
    return fitting


def _bar(source: PlotSource, plots: list[Kept], use: InUse) -> None:
    """What all plots share: how a box counts, the selection, one plot more."""
    with st.container(horizontal=True, vertical_alignment="center", key="catalogue-bar"):
        if use.selection is None or MODE not in st.session_state:
            st.session_state[MODE] = Mode.NEW
        st.segmented_control(
            "A box or lasso",
            list(Mode),
            key=MODE,
            required=True,
            label_visibility="collapsed",
            help="What a box or lasso does with what is selected already",
            disabled=use.selection is None,
        )
        if use.rows is None:
            st.caption("Draw a box or lasso in a plot to select what is inside.", width="content")
        else:
            st.markdown(f"**{objects(len(use.rows))}** selected", width="content")
            if st.button("Clear", icon=":material/close:", key="catalogue clear"):
                choose_selection(None)
                st.rerun()
        if st.button(
            "Add a plot",
            icon=":material/add_chart:",
            disabled=len(plots) >= MAX_PLOTS,
            key="catalogue add",
        ):
            try:
                change_plots(source.survey.name, added(plots, usual_plots(source)[0]))
            except SkysiftError as error:
                st.error(str(error))
            else:
                st.rerun()
        address = html.escape(f"{services().base_path}/selections?{_query(source)}")
        st.html(f'<a href="{address}" target="_self">As a table</a>', width="content")


def _query(source: PlotSource) -> str:
    """The table with the same task, selection and filter."""
    kept = {name: st.query_params.get(name) for name in ("selection", "filter")}
    query = {"task": source.task.name, "part": "table"} | {
        name: value for name, value in kept.items() if value
    }
    return urlencode(query)
