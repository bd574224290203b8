"""What a plot of the catalogue page shows, chosen: a list of settings behind a button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from core.survey.astrometry import POSITION_COLUMNS, WCS_COLUMNS, sky_columns
from pages._server.catalogue import COLUMN, PlotSource, Quantity
from pages._server.catalogue_spec import (
    LEAST_BINS,
    MOST_BINS,
    Drawn,
    Plot,
    PlotKind,
    quantities_of,
)
from pages._shared.catalogue_state import Kept, change_plots

__all__ = ["draw_settings", "fitting_plot", "usual_plots"]

_KINDS = {
    PlotKind.SCATTER: "Two quantities",
    PlotKind.HISTOGRAM: "Histogram",
    PlotKind.SKY: "Sky",
}
_DRAWN = {
    Drawn.AUTO: "Automatic",
    Drawn.POINTS: "Points",
    Drawn.DENSITY: "Density",
}
_NOTHING = "nothing"
_LOOKED_THROUGH = 12
"""Columns, for two whose values differ, until two are found."""
_PLACES = {name for pair in POSITION_COLUMNS for name in pair} | {
    *WCS_COLUMNS,
    *("x", "y", "x_px", "y_px", "l", "b", "glon", "glat"),
}


def usual_plots(source: PlotSource) -> list[Plot]:
    """What is shown of a survey first: two columns against each other, the redshift or another
    column as a histogram, the sky; of what there is."""
    columns = _telling(source)
    found = []
    if len(columns) > 1:
        found.append(Plot(PlotKind.SCATTER, columns[0], columns[1]))
    redshift = f"{COLUMN}{sky_columns(source.survey).z_column}"
    if redshift in source.quantities:
        found.append(Plot(PlotKind.HISTOGRAM, redshift))
    elif columns:
        found.append(Plot(PlotKind.HISTOGRAM, columns[0]))
    if source.has_sky:
        found.append(Plot(PlotKind.SKY))
    return found or [Plot(PlotKind.HISTOGRAM, "class")]


def _telling(source: PlotSource) -> list[str]:
    """Up to two columns of numbers that differ, places and ids aside."""
    found: list[str] = []
    names = [
        by
        for by, one in source.quantities.items()
        if one.is_number
        and by.startswith(COLUMN)
        and one.title.lower() not in _PLACES
        and not one.title.lower().endswith("id")
    ]
    for by in names[:_LOOKED_THROUGH]:
        values = source.axis(by).values
        known = values[np.isfinite(values)]
        if len(known) and known.min() < known.max():
            found.append(by)
        if len(found) == 2:
            break
    return found


def fitting_plot(source: PlotSource, plot: Plot) -> tuple[Plot | None, str]:
    """The plot as far as its quantities are there for this person, and a sentence on the others;
    None if nothing is left to plot."""
    gone = {name: by for name, by in quantities_of(plot).items() if by not in source.quantities}
    if not gone:
        return plot, ""
    named = " and ".join(repr(by.removeprefix(COLUMN)[:60]) for by in gone.values())
    said = f"{source.survey.name} has no {named} to plot here (any more)"
    if gone.keys() == {"colour"}:
        return replace(plot, colour=""), f"{said}; the plot is shown without its colours."
    return None, f"{said}; the plot was left out."


def draw_settings(source: PlotSource, plots: Sequence[Kept], kept: Kept) -> None:
    """The settings of one of the plots; a change is drawn at once."""
    plot, number = kept.plot, kept.number
    changed = partial(_changed, source, plots, kept)

    def of(field: str, value: Any) -> dict[str, Any]:
        key = _key(number, field)
        st.session_state.setdefault(key, value)
        return {"key": key, "on_change": changed}

    every = source.quantities
    kinds = [one for one in _KINDS if one is not PlotKind.SKY or source.has_sky]
    st.segmented_control(
        "Plot", kinds, format_func=_KINDS.__getitem__, required=True, **of("kind", plot.kind)
    )
    if plot.kind is not PlotKind.SKY:
        _choice("x axis", every, of("x", plot.x))
    if plot.kind is PlotKind.SCATTER:
        _choice("y axis", every, of("y", plot.y))
    colours = {
        by: one
        for by, one in every.items()
        if plot.kind is not PlotKind.HISTOGRAM or not one.is_number
    }
    word = "Split by" if plot.kind is PlotKind.HISTOGRAM else "Colour by"
    _choice(word, {"": Quantity("", _NOTHING, "categories"), **colours}, of("colour", plot.colour))
    with st.container(horizontal=True):
        if plot.kind is not PlotKind.SKY and every[plot.x].is_number:
            st.toggle("Log x", **of("log_x", plot.log_x))
        if plot.kind is PlotKind.HISTOGRAM:
            st.toggle("Log counts", **of("log_y", plot.log_y))
        elif plot.kind is PlotKind.SCATTER and every[plot.y].is_number:
            st.toggle("Log y", **of("log_y", plot.log_y))
        if plot.colour and plot.kind is not PlotKind.HISTOGRAM and every[plot.colour].is_number:
            st.toggle("Log colour", **of("log_colour", plot.log_colour))
        if plot.kind is not PlotKind.SKY:
            st.toggle(
                "To the last object",
                help="The axes usually leave out what lies far beyond all else, such as -9999"
                " for not measured.",
                **of("whole", plot.whole),
            )
    if plot.kind is PlotKind.HISTOGRAM:
        st.number_input("Bins", LEAST_BINS, MOST_BINS, **of("bins", plot.bins))
    else:
        st.segmented_control(
            "Drawn as",
            list(Drawn),
            format_func=_DRAWN.__getitem__,
            required=True,
            **of("drawn", plot.drawn),
        )
    if plot.kind is PlotKind.SKY:
        st.toggle("Whole sky (Mollweide)", **of("mollweide", plot.mollweide))
        st.number_input(
            "Right ascension in the middle [°]",
            0.0,
            360.0,
            placeholder="where the objects are",
            **of("centre", plot.centre),
        )


def _choice(label: str, options: Mapping[str, Quantity], more: dict[str, Any]) -> None:
    st.selectbox(label, list(options), format_func=lambda by: options[by].label, **more)


def _key(number: int, field: str) -> str:
    return f"catalogue {number} {field}"


def _changed(source: PlotSource, plots: Sequence[Kept], kept: Kept) -> None:
    """Before the page is drawn anew: the plot becomes what its settings say."""
    state = st.session_state
    said = {
        field: state[_key(kept.number, field)]
        for field in kept.plot.__dataclass_fields__
        if _key(kept.number, field) in state
    }
    plot = _whole(source, replace(kept.plot, **said))
    changed = [Kept(one.number, plot) if one.number == kept.number else one for one in plots]
    change_plots(source.survey.name, changed)


def _whole(source: PlotSource, plot: Plot) -> Plot:
    """The plot with what its kind needs and another did not."""
    if plot.kind is not PlotKind.SKY and not plot.x:
        plot = replace(plot, x=[*_telling(source), "class"][0])
    if plot.kind is PlotKind.SCATTER and not plot.y:
        others = [one for one in (*_telling(source), "class") if one != plot.x]
        plot = replace(plot, y=[*others, plot.x][0])
    if plot.kind is PlotKind.HISTOGRAM and plot.colour:
        colour = source.quantities.get(plot.colour)
        plot = replace(plot, colour="") if colour is None or colour.is_number else plot
    return plot
