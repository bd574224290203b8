"""What sets a group apart: the columns that differ most from those of all other objects."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.mapping.groups_columns import Apart
from core.survey import Survey
from core.survey.filtering import Kind
from labels_db import Task
from pages._server.filters import Filtered
from pages._server.groups import KeptGrouping, title_of
from pages._server.groups_columns import MOST_COMPARED, TOP, columns_apart, sides_of
from pages._server.services import services
from pages._server.tables import Column
from pages._shared.figures import ACCENT, GREY, fixed_axis, framed, show
from pages._shared.who import who
from pages._shared.words import command, plain

__all__ = ["draw_columns"]

BINS = 40
_TAIL = 0.5
"""Percent at either end of a histogram that goes into its last bin: columns have tails."""


def draw_columns(
    task: Task,
    survey: Survey,
    grouping: KeptGrouping,
    group: int,
    filtered: Filtered | None = None,
) -> None:
    """The ten columns as bars, and one of them as two histograms."""
    st.markdown("#### What sets it apart")
    with st.spinner("Comparing columns", show_time=False):
        found = columns_apart(services(), task, survey, who(), grouping, group, filtered)
    if not found:
        st.info(
            "No column of numbers tells this group from the rest (five values on either side are"
            f" needed). `{command('measure', survey.name)}` adds what can be read off the"
            " pictures."
        )
        return
    name = title_of(grouping, group)
    left, right = st.columns(2)
    with left:
        show(_bars(found), f"group {group + 1} {survey.name}")
        st.caption(
            "The columns whose distributions differ most (Kolmogorov-Smirnov distance, told under"
            " the pointer). Bars: mean here less mean elsewhere, in standard deviations; beyond"
            " 0.8 is much."
        )
    with right:
        columns = {column.name: column for column, _ in found}
        key = f"groups: column {grouping.run_id} {group}"
        if st.session_state.get(key) not in columns:
            st.session_state.pop(key, None)
        chosen: str = st.selectbox(
            "Column", list(columns), key=key, format_func=lambda one: _titled(columns[one])
        )
        inside, rest = sides_of(services(), task, survey, who(), grouping, group, chosen, filtered)
        show(_histograms(columns[chosen], inside, rest, name), f"group {group + 1} column")
        said = columns[chosen].description
        sampled = max(len(inside), len(rest)) >= MOST_COMPARED
        more = f" Of up to {MOST_COMPARED:,} objects on either side." if sampled else ""
        if said or more:
            st.caption(f"{plain(said.rstrip('.'))}{'.' if said else ''}{more}".strip())


def _titled(column: Column) -> str:
    return f"{column.title} [{column.unit}]" if column.unit else column.title


def _bars(found: list[tuple[Column, Apart]]) -> go.Figure:
    """The columns from above, as they rank."""
    units = [column.unit for column, _ in found]
    figure = go.Figure(
        go.Bar(
            # Places, since two titles may begin alike.
            y=list(range(len(found))),
            x=[one.difference for _, one in found],
            orientation="h",
            marker={"color": ACCENT, "line": {"width": 0}},
            customdata=[
                [
                    _safe(_titled(column)),
                    f"{one.median:.4g} {unit}".rstrip(),
                    f"{one.median_rest:.4g} {unit}".rstrip(),
                    one.ks,
                ]
                for (column, one), unit in zip(found, units, strict=True)
            ],
            hovertemplate="%{customdata[0]}<br>median %{customdata[1]}, elsewhere"
            " %{customdata[2]}<br>%{x:.2f} standard deviations, KS %{customdata[3]:.2f}"
            "<extra></extra>",
        )
    )
    framed(figure, 60 + 26 * TOP, showlegend=False)
    figure.update_xaxes(title_text="difference / standard deviation", **fixed_axis())
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_yaxes(
        range=[len(found) - 0.5, -0.5],
        tickvals=list(range(len(found))),
        ticktext=[_safe(_short(column.title)) for column, _ in found],
        automargin=True,
        fixedrange=True,
        showgrid=False,
        ticklabelstandoff=6,
    )
    return figure


def _histograms(column: Column, inside: np.ndarray, rest: np.ndarray, name: str) -> go.Figure:
    """Shares of the objects of either side in the same bins."""
    both = np.concatenate([inside, rest])
    low, high = np.percentile(both, [_TAIL, 100 - _TAIL])
    if column.kind is Kind.TRUTH:
        low, high = 0.0, 1.0
    if not high > low:
        low, high = float(both.min()), float(both.max())
    bins = 2 if column.kind is Kind.TRUTH else BINS
    edges = np.linspace(low, high, bins + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    for values, title, colour in ((rest, "elsewhere", GREY), (inside, name, ACCENT)):
        counts = np.histogram(np.clip(values, low, high), edges)[0]
        figure.add_bar(
            x=middle,
            y=counts / max(1, len(values)),
            width=np.diff(edges),
            name=_safe(_short(title)),
            marker={"color": colour, "opacity": 0.6, "line": {"width": 0}},
            hovertemplate="%{x:.4g}: %{y:.1%}<extra>" + _safe(_short(title)) + "</extra>",
        )
    framed(figure, 60 + 26 * TOP - 70, showlegend=False)
    figure.update_layout(
        barmode="overlay",
        bargap=0,
        showlegend=True,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    )
    ticks = {"tickvals": middle, "ticktext": ["no", "yes"]} if bins == 2 else {}
    figure.update_xaxes(title_text=_safe(_titled(column)), **ticks, **fixed_axis())
    figure.update_yaxes(title_text="share of objects", tickformat=".0%", **fixed_axis())
    return figure


def _short(text: str) -> str:
    return text if len(text) <= 28 else f"{text[:27]}…"


def _safe(text: str) -> str:
    """What Plotly would read as marks."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
