"""What the pages' Plotly figures share: how they are shown, and axes that stay where they are."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st


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
