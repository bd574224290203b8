"""The curves of pretrainings: small figures side by side, runs overlaid."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.representation.training.held_out import RECONSTRUCTION_ERROR, picked_by
from pages._shared.colours import CLASS_COLOURS
from pages._shared.encoders_metrics import Curve, Curves
from pages._shared.figures import framed, show
from pages._shared.words import plain

__all__ = ["Trace", "curve", "draw_curves", "legend", "picking_words"]

HEIGHT_PX = 210
MAX_DRAWN = 800
"""Points of a line: more cannot be told apart on a screen."""
COLUMNS = 3
MAX_TICKS = 8
_GREY, _LINE, _ACCENT = "#8b97a8", "rgba(139,151,168,0.28)", "#4a97df"
_DECADES = 30.0
"""A positive curve that spans more than this factor is drawn on a logarithmic axis."""

MEASURES: dict[str, tuple[str, str]] = {
    RECONSTRUCTION_ERROR: (
        "Reconstruction error",
        "mean squared difference a pixel between pictures and what is made of their codes, pixels"
        " 0 to 1; lower is better",
    ),
    "neighbour_consistency": (
        "Neighbour consistency",
        "share of an object's nearest neighbours that stay so in another view of it; higher is"
        " better",
    ),
    "view_retrieval": (
        "View retrieval",
        "share of objects whose other view is the nearest of all; higher is better",
    ),
    "rank": ("RankMe", "how many directions the codes really use; higher is richer"),
    "two_point": ("Two-point score", "how clumpy the codes are beyond a shapeless cloud"),
    "alignment": ("Alignment", "how far two views of an object lie apart; lower is better"),
    "uniformity": ("Uniformity", "how evenly objects spread over the sphere; lower is better"),
}
"""Names and meanings of what is measured on held-out objects, in the order shown."""


@dataclass(frozen=True)
class Trace:
    """One run in the figures.

    `chosen_step` is the step whose weights were kept; `place` fixes the colour.
    """

    name: str
    curves: Curves
    place: int
    chosen_step: float | None = None
    is_running: bool = False

    @property
    def colour(self) -> str:
        return CLASS_COLOURS[self.place % len(CLASS_COLOURS)]


@dataclass
class _Panel:
    """One small figure: its title, what it means, and the runs that have it."""

    title: str
    about: str
    lines: list[tuple[Trace, Curve]] = field(default_factory=list)
    may_be_log: bool = True


def draw_curves(traces: Sequence[Trace], by_minutes: bool, key: str) -> None:
    """Draw quality, loss, its parts and the learning rate of the runs, each in a figure."""
    legend(traces)
    for trace in traces:
        for note in trace.curves.notes:
            st.caption(plain(f"{trace.name}: {note}"))
    quality = _gathered(traces, lambda one: one.curves.quality, MEASURES)
    if quality:
        st.subheader("Quality on held-out objects")
        st.caption(
            "Measured without labels, on objects that are never trained on. This is what says"
            f" whether training helps.{picking_words(traces)}"
        )
        for panel in quality:
            panel.may_be_log = False  # a share is read as such
        _grid(quality, by_minutes, f"{key} quality", mark=True)
    else:
        st.caption(
            "No quality is measured on held-out objects so far: it comes every so often, and not"
            " at all in very small surveys or in runs of older versions."
        )
    parts = {"loss": ("Loss", "all parts, weighted")}
    loss = _gathered(traces, lambda one: one.curves.loss, parts)
    if loss:
        st.subheader("Loss and its parts")
        st.caption(
            "The loss is no measure of progress: its scale differs between methods and grows with"
            " the strength of the augmentations. Watch its parts for signs of trouble."
        )
        rate = [(t, t.curves.rate) for t in traces if t.curves.rate is not None]
        if rate:
            loss.append(_Panel("Learning rate", "of the optimiser", rate, may_be_log=False))
        _grid(loss, by_minutes, f"{key} loss")


def picking_words(traces: Sequence[Trace]) -> str:
    """Which measure picked the weights of the runs; "" where none is known to have done so."""
    found = {picked_by(one.curves.quality) for one in traces if one.chosen_step is not None}
    if not found:
        return ""
    names = [title for name, (title, _) in MEASURES.items() if name in found]
    by = " (where it was measured) or ".join(name.lower() for name in names)
    return f" The dashed line is where the weights were taken, picked by {by}."


def legend(traces: Sequence[Trace]) -> None:
    """The colours of the runs, once for all figures."""
    rows = "".join(
        f'<li><i style="background:{one.colour}"></i>{html.escape(one.name)}'
        f"{' <b>running</b>' if one.is_running else ''}</li>"
        for one in traces
    )
    st.html(f'<ul class="curve-legend">{rows}</ul>')


def _gathered(
    traces: Sequence[Trace],
    of: Callable[[Trace], Mapping[str, Curve]],
    known: Mapping[str, tuple[str, str]],
) -> list[_Panel]:
    found: dict[str, _Panel] = {}
    for trace in traces:
        for name, one in of(trace).items():
            title, about = known.get(name, (name.replace("_", " ").capitalize(), ""))
            found.setdefault(name, _Panel(title, about)).lines.append((trace, one))
    order = list(known)
    return [found[name] for name in sorted(found, key=lambda one: _place(one, order))]


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _grid(panels: Sequence[_Panel], by_minutes: bool, key: str, *, mark: bool = False) -> None:
    for first in range(0, len(panels), COLUMNS):
        for place, panel in zip(
            st.columns(COLUMNS), panels[first : first + COLUMNS], strict=False
        ):
            with place:
                figure = curve(
                    panel.title,
                    panel.lines,
                    by_minutes,
                    mark=mark,
                    may_be_log=panel.may_be_log,
                )
                st.markdown(f"**{plain(panel.title)}**", help=panel.about or None)
                show(figure, f"{key} {panel.title}")


def curve(
    title: str,
    lines: Sequence[tuple[Trace, Curve]],
    by_minutes: bool,
    *,
    mark: bool = False,
    may_be_log: bool = True,
) -> go.Figure:
    """One number of several runs against steps or minutes; the chosen steps marked on demand."""
    figure = go.Figure()
    for trace, one in lines:
        kept = _thinned(len(one.steps))
        x = (one.minutes if by_minutes else one.steps)[kept]
        name = _safe(trace.name)
        few = np.isfinite(x).sum() <= 25
        figure.add_scatter(
            x=x,
            y=one.values[kept],
            mode="lines+markers" if few else "lines",
            name=name,
            line={"width": 1.8, "color": trace.colour},
            marker={"size": 5},
            hovertemplate="%{y:.4g} at %{x:,.4~g}<extra>" + name + "</extra>",
        )
        if mark and trace.chosen_step is not None and len(one.steps):
            _mark(figure, trace, one, by_minutes)
    positive = [one.values for _, one in lines if len(one.values)]
    spans = positive and all((values > 0).all() for values in positive)
    high = max((float(values.max()) for values in positive), default=1.0)
    low = min((float(values.min()) for values in positive), default=1.0)
    axis: dict[str, object] = {
        "type": "linear",
        "gridcolor": _LINE,
        "zeroline": False,
        "automargin": True,
        "nticks": 5,
        "exponentformat": "power",
    }
    framed(
        figure,
        HEIGHT_PX,
        margin={"t": 22},
        font={"size": 12},
        showlegend=False,
        # What was zoomed into stays while the run goes on.
        uirevision=f"{title} {by_minutes}",
    )
    figure.update_xaxes(
        title_text="minutes" if by_minutes else "steps",
        title_standoff=4,
        rangemode="tozero",
        **axis,
    )
    if may_be_log and spans and high > _DECADES * low:
        axis |= {"type": "log", **_decades(low, high)}
    figure.update_yaxes(**axis)
    points = np.unique(np.concatenate([one.steps for _, one in lines])) if lines else np.empty(0)
    if len(points) == 1 and positive and high == low:
        # One point has no extent: an axis around it would count in millionths.
        room = abs(high) * 0.5 or 1.0
        figure.update_yaxes(type="linear", range=[high - room, high + room])
    return figure


def _mark(figure: go.Figure, trace: Trace, one: Curve, by_minutes: bool) -> None:
    assert trace.chosen_step is not None
    at = trace.chosen_step
    if by_minutes:
        known = np.isfinite(one.minutes)
        if not known.any():
            return
        at = float(np.interp(at, one.steps[known], one.minutes[known]))
    figure.add_vline(x=at, line={"color": trace.colour, "width": 1.4, "dash": "dash"})


def _decades(low: float, high: float) -> dict[str, object]:
    """Ticks of a logarithmic axis: 1, 2 and 5 times each power of ten where these are few."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [m * 10.0**n for n in powers for m in (1, 2, 5) if low <= m * 10.0**n <= high]
    if not 2 <= len(ticks) <= MAX_TICKS:
        return {"dtick": 1}
    return {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _thinned(count: int) -> np.ndarray:
    """Places that are drawn; the first and the last are."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_DRAWN)).round().astype(int))


def _safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
