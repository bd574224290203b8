"""One plot of the catalogue page: its figure, what it leaves out, its settings, its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from core.errors import BadInput, SkysiftError
from core.survey import Survey
from core.survey.filtering import Condition
from labels_db import Selection, Task
from pages._server.catalogue import PlotSource
from pages._server.catalogue_brush import shape_of
from pages._server.catalogue_select import Mode, brushed, categories_of
from pages._server.catalogue_spec import Plot, PlotKind
from pages._server.catalogue_table import drawn_csv
from pages._server.catalogue_view import (
    MAX_POINTS,
    Bars,
    Cells,
    Counts,
    Points,
    places_of,
    view_of,
)
from pages._server.filters import Filtered, filtered
from pages._server.identity import Identity, resolver
from pages._server.services import services
from pages._shared.catalogue_figures import figure_of
from pages._shared.catalogue_settings import draw_settings
from pages._shared.catalogue_state import Kept, change_plots
from pages._shared.faults import errors_told
from pages._shared.filter_line import filter_in_use
from pages._shared.selection_state import choose_selection, current_selection
from pages._shared.selection_words import objects
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["MODE", "InUse", "draw_plot", "selection_in_use", "tell_brushed"]

MODE = "catalogue mode"
_SAID = "catalogue said"
_AGAIN = "catalogue again"
"""Counts what was drawn in vain: part of a figure's key, so that it comes back without that."""


@dataclass(frozen=True, eq=False)
class InUse:
    """What all plots share: the filter, and the selection with its rows and (N,) bool mask."""

    passing: Filtered | None
    selection: Selection | None
    rows: np.ndarray | None
    selected: np.ndarray | None


def selection_in_use(survey: Survey, passing: Filtered | None) -> InUse:
    """The selection in use as far as this person may see it; what is wrong with it is told by the
    panel of selections below."""
    current = current_selection()
    if current is None:
        return InUse(passing, None, None, None)
    try:
        selection = services().selections.shown(current, who())
        rows = services().selections.rows(current, survey)
    except SkysiftError:
        return InUse(passing, None, None, None)
    selected = np.zeros(len(survey), bool)
    selected[rows] = True
    return InUse(passing, selection, rows, selected)


def tell_brushed() -> None:
    """Say what became of the last box or lasso, if it made no selection."""
    said = st.session_state.pop(_SAID, None)
    if said:
        st.warning(said)


def draw_plot(source: PlotSource, plots: Sequence[Kept], kept: Kept, use: InUse) -> None:
    """Draw one of the plots."""
    plot, number = kept.plot, kept.number
    with st.container(border=True):
        head = st.container(
            horizontal=True, vertical_alignment="center", key=f"catalogue-head-{number}"
        )
        with head:
            st.markdown(f"**{plain(_title(source, plot))}**", width="stretch")
            with st.popover("Set up", icon=":material/tune:", help="What the plot shows"):
                draw_settings(source, plots, kept)
            _csv_button(source, kept, use)
            st.button(
                "Close",
                icon=":material/close:",
                help="Remove the plot",
                key=f"catalogue {number} remove",
                on_click=partial(_remove, source.survey.name, plots, number),
            )
        with errors_told():
            _draw(source, kept, use)


def _draw(source: PlotSource, kept: Kept, use: InUse) -> None:
    plot, survey = kept.plot, source.survey
    places = places_of(source, plot)
    passing = None if use.passing is None else use.passing.passing
    view = view_of(source, plot, passing, use.selected)
    if not view.counts.n:
        st.info(_nothing(view.counts, use))
        return
    key = f"catalogue {kept.number} chart {st.session_state.get(_AGAIN, 0)}"
    st.plotly_chart(
        figure_of(survey, plot, places, view, light=st.context.theme.type == "light"),
        key=key,
        on_select=partial(_brushed, key, source.task.name, survey, kept, categories_of(places)),
        selection_mode=("box",) if plot.kind is PlotKind.HISTOGRAM else ("box", "lasso"),
        config={
            "displaylogo": False,
            "scrollZoom": False,
            "toImageButtonOptions": {
                "format": "png",
                "scale": 3,
                "filename": f"{survey.name} {_title(source, plot)}",
            },
        },
        theme=None,
        alt=f"{_title(source, plot)}: {objects(view.counts.n)}",
    )
    st.caption(_about(source, plot, view, use))


def _title(source: PlotSource, plot: Plot) -> str:
    if plot.kind is PlotKind.SKY:
        return "Sky"
    x = source.quantity(plot.x).title
    return x if plot.kind is PlotKind.HISTOGRAM else f"{source.quantity(plot.y).title} against {x}"


def _about(source: PlotSource, plot: Plot, view: Points | Cells | Bars, use: InUse) -> str:
    counts = view.counts
    parts = [objects(counts.n)]
    if isinstance(view, Points) and counts.n > len(view.rows):
        parts[0] += f", of which {len(view.rows):,} drawn at random are shown"
    if isinstance(view, Cells):
        parts[0] += f", counted in {view.x_bins.n} by {view.y_bins.n} cells"
        if plot.colour and view.mean_of is None:
            title = source.quantity(plot.colour).title
            parts.append(f"cells have no colour by {plain(title)}: draw points to see it")
    if use.selected is not None:
        told = f"**{counts.n_selected:,} selected**"
        if isinstance(view, Cells) and view.chosen is not None:
            told += ", the stronger the more of a cell they are"
        elif counts.n_selected > MAX_POINTS and not isinstance(view, Bars):
            told += f", of which {MAX_POINTS:,} are shown"
        parts.append(told)
    if counts.n_outside:
        parts.append(f"{counts.n_outside:,} beyond the axes")
    if counts.n_missing:
        what = "position" if plot.kind is PlotKind.SKY else "value"
        parts.append(f"{counts.n_missing:,} without a {what}")
    if counts.n_not_positive:
        parts.append(f"{counts.n_not_positive:,} of zero or less, which a log axis leaves out")
    return ". ".join(one[0].upper() + one[1:] for one in parts) + "."


def _nothing(counts: Counts, use: InUse) -> str:
    if use.passing is not None and not use.passing.n:
        return "Nothing passes the filter; change or remove it."
    if counts.n_not_positive:
        return (
            f"All of {objects(counts.n_not_positive)} are of zero or less (or have no value),"
            " which a log axis cannot show; switch it off."
        )
    return f"None of {objects(counts.n_missing)} has a value here; plot something else."


def _remove(survey: str, plots: Sequence[Kept], number: int) -> None:
    change_plots(survey, [one for one in plots if one.number != number])


def _brushed(
    key: str, task_name: str, survey: Survey, kept: Kept, drawn_of: tuple[str, ...]
) -> None:
    """Before the page is drawn anew: what was drawn in the plot becomes the selection."""
    event = st.session_state.get(key)
    try:
        shape = shape_of(event["selection"]) if event else None
        if shape is None:
            return
        task = services().db().task(task_name)
        now = services().survey(task.survey)
        if now.manifest.content_hash != survey.manifest.content_hash:
            raise BadInput(
                "The survey has a new version since the plot was drawn; draw the box or lasso"
                " again."
            )
        passing = filter_in_use(survey, task)
        use = selection_in_use(survey, passing)
        before = None if use.selection is None or use.rows is None else (use.selection, use.rows)
        mode = Mode.NEW if before is None else Mode(st.session_state.get(MODE) or Mode.NEW)
        source = PlotSource(services(), task, survey, who())
        made = brushed(source, kept.plot, shape, drawn_of, passing, mode, before)
    except SkysiftError as error:
        _in_vain(str(error))
        return
    if made is not None:
        choose_selection(made.id)
    elif mode is Mode.NEW:
        passes = "" if passing is None else " that passes the filter"
        _in_vain(f"No object{passes} lies in there; the selection stays as it is.")
    else:
        _in_vain("Nothing would be left selected; the selection stays as it is.")


def _in_vain(said: str) -> None:
    st.session_state[_SAID] = said
    st.session_state[_AGAIN] = st.session_state.get(_AGAIN, 0) + 1


def _csv_button(source: PlotSource, kept: Kept, use: InUse) -> None:
    conditions = () if use.passing is None else use.passing.conditions
    chosen = None if use.selection is None else use.selection.id
    cookies = dict(st.context.cookies)
    task_name = source.task.name
    st.download_button(
        "CSV",
        lambda: _csv(task_name, kept.plot, conditions, chosen, cookies),
        icon=":material/download:",
        help="What is drawn, as CSV",
        file_name=f"{source.survey.name}-{kept.plot.kind.value}.csv",
        mime="text/csv",
        on_click="ignore",
        key=f"catalogue {kept.number} csv",
    )


def _csv(
    task_name: str,
    plot: Plot,
    conditions: Sequence[Condition],
    chosen: str | None,
    cookies: dict[str, str],
) -> bytes:
    """The file, made when it is asked for, by whoever asks then."""
    asking = resolver()(cookies)
    if not isinstance(asking, Identity):
        raise BadInput("You are no longer signed in; reload the page.")
    task: Task = services().db().task(task_name)
    survey = services().survey(task.survey)
    source = PlotSource(services(), task, survey, asking)
    passing = filtered(services(), task, survey, asking, conditions)
    selected = None
    if chosen is not None:
        services().selections.shown(chosen, asking)
        selected = np.zeros(len(survey), bool)
        selected[services().selections.rows(chosen, survey)] = True
    view = view_of(source, plot, None if passing is None else passing.passing, selected)
    return drawn_csv(source, plot, places_of(source, plot), view).encode()
