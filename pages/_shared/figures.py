"""What the pages' Plotly figures share: how they are shown, and axes that stay where they are."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

GREY, ACCENT = "#8b97a8", "#3f8fdc"
"""Of what is in the background and of what is shown, readable on light and dark."""


def show(figure: go.Figure, key: str) -> None:
    """Draw a figure; its bar of buttons has the download as PNG."""
    st.plotly_chart(
        figure,
        key=key,
        theme=None,
        config={
            "displaylogo": False,
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "pan2d"],
            "toImageButtonOptions": {"format": "png", "scale": 3, "filename": key},
        },
    )


def fixed_axis() -> dict[str, Any]:
    """An axis of numbers or times, with its grid, which nobody can drag away."""
    return {
        "showgrid": True,
        "gridcolor": "rgba(128,140,160,0.18)",
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        "title_standoff": 8,
        "title_font_size": 13,
    }


def framed(figure: go.Figure, height: int, **layout: Any) -> None:
    """Give a figure its height in pixels, the page's type and no ground of its own: the browser
    may be light or dark, and grey reads on both. `layout`: what Plotly's layout has more."""
    figure.update_layout(
        height=height,
        margin={"l": 4, "r": 8, "t": 26, "b": 4},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": GREY, "size": 13, "family": "Source Sans, sans-serif"},
        hoverlabel={"bgcolor": "#151a23", "font": {"color": "#d9dee7"}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": ACCENT},
    )
    figure.update_layout(**layout)
