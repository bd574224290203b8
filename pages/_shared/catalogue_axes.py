"""The axes of the catalogue page's figures, and names as these show them."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from pages._server.catalogue import Axis
from pages._server.catalogue_sky import TURN_DEG
from pages._server.catalogue_spec import Plot
from pages._server.catalogue_view import Places

__all__ = ["grid_axis", "safe", "short", "sky_axes", "value_axis"]

_NAME_LENGTH = 18


def value_axis(axis: Axis | None, ends: tuple[float, float], log: bool) -> dict[str, Any]:
    """The axis of a quantity, titled with its unit; categories by name.

    The range of a logarithmic axis is given in logarithms, as coordinates are.
    """
    assert axis is not None  # the sky has its own
    made = {**grid_axis(), "range": list(ends), "title_text": safe(axis.quantity.label)}
    if axis.names:
        names = [safe(short(name)) for name in axis.names]
        return {**made, "tickvals": list(range(len(names))), "ticktext": names}
    if not log:
        return {**made, "type": "linear"}
    decades = ends[1] - ends[0]
    ticks = {"dtick": "D2"} if 0.7 < decades < 3 else {}  # at 2 and 5, not at every digit
    return {**made, "type": "log", **ticks}


def sky_axes(
    figure: go.Figure,
    plot: Plot,
    places: Places,
    x_ends: tuple[float, float],
    y_ends: tuple[float, float],
) -> None:
    """Right ascension growing to the left, as wide as declination is high; ends in degrees."""
    x, y = grid_axis(), grid_axis()
    x["range"], y["range"] = [x_ends[1], x_ends[0]], list(y_ends)
    if plot.mollweide:
        hidden = {"showgrid": False, "showticklabels": False}
        ratio = 1.0
        x |= hidden
        y |= hidden
        note = f"right ascension {places.centre_deg:.4g}"
        x["title_text"] = f"{note}° in the middle, growing to the left"
    else:
        middle = np.radians(sum(y_ends) / 2)
        ratio = float(1 / max(np.cos(middle), 0.1))
        x["title_text"], y["title_text"] = "right ascension [°]", "declination [°]"
        x |= _round_ticks(x_ends)
    y |= {"scaleanchor": "x", "scaleratio": ratio}
    figure.update_xaxes(**x)
    figure.update_yaxes(**y)


def _round_ticks(ends: tuple[float, float]) -> dict[str, Any]:
    """Right ascensions at the ticks of an axis that crosses 0h; else none of our own."""
    if ends[0] >= 0 and ends[1] <= TURN_DEG:
        return {}
    step = next(
        (
            one
            for one in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
            if ends[1] - ends[0] < 8 * one
        ),
        60.0,
    )
    ticks = np.arange(np.ceil(ends[0] / step), np.floor(ends[1] / step) + 1) * step
    return {
        "tickvals": ticks,
        "ticktext": [f"{round(one % TURN_DEG, 6) % TURN_DEG:g}" for one in ticks],
    }


def grid_axis() -> dict[str, Any]:
    """An axis with its grid, which may be zoomed."""
    return {
        "showgrid": True,
        "gridcolor": "rgba(128,140,160,0.18)",
        "zeroline": False,
        "automargin": True,
        "title_standoff": 14,
        "title_font_size": 13,
        "exponentformat": "power",
    }


def short(name: str) -> str:
    """The beginning of a long name."""
    return (
        name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"
    )


def safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
