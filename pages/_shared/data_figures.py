"""Figures of a survey's summary: where it lies on the sky, how its pixels are spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.survey.sky_coverage import MAX_POINTS, SkyCoverage
from core.survey.summary_pixels import BandSummary
from pages._shared.colours import CLASS_COLOURS
from pages._shared.figures import framed

__all__ = ["histograms", "mollweide", "sky_map"]

WIDE_DEG = 60.0
"""A survey wider than this is shown on the whole sky."""

BAND_COLOURS = {"R": "#e0574f", "G": "#4da65b", "B": "#4f86e0"}
_GREY = "#8b97a8"
_LINE = "rgba(139,151,168,0.35)"
_ACCENT = "#4a97df"
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def sky_map(sky: SkyCoverage) -> go.Figure:
    """Objects, or their density where they are many, on the sky; east is left."""
    wide = max((sky.ra_max_deg - sky.ra_min_deg) % 360.0, sky.dec_max_deg - sky.dec_min_deg)
    return _whole_sky(sky) if wide > WIDE_DEG else _field(sky)


def mollweide(ra_deg: np.ndarray, dec_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mollweide's equal-area projection, RA 0 in the middle and growing to the left.

    x is -2 to 2, y is -1 to 1 (Snyder 1987, Map Projections, USGS Professional Paper 1395,
    p. 249, divided by the square root of 2).
    """
    longitude = -np.radians((np.asarray(ra_deg, np.float64) + 180.0) % 360.0 - 180.0)
    latitude = np.radians(np.asarray(dec_deg, np.float64))
    theta = latitude.copy()
    wanted = np.pi * np.sin(latitude)
    for _step in range(12):
        slope = 2 + 2 * np.cos(2 * theta)
        at_pole = slope < 1e-9
        change = (2 * theta + np.sin(2 * theta) - wanted) / np.where(at_pole, 1.0, slope)
        theta -= np.where(at_pole, 0.0, change)
    theta = np.clip(theta, -np.pi / 2, np.pi / 2)
    return 2 * longitude / np.pi * np.cos(theta), np.sin(theta)


def histograms(bands: Sequence[BandSummary]) -> go.Figure:
    """The spread of the pixels of each band, counts on a logarithmic axis."""
    figure = go.Figure()
    for place, band in enumerate(bands):
        if not band.counts:
            continue
        colour = BAND_COLOURS.get(band.name, CLASS_COLOURS[place % len(CLASS_COLOURS)])
        total = sum(band.counts)
        shares = np.array([*band.counts, band.counts[-1]], float) / total
        figure.add_scatter(
            x=band.edges,
            y=np.where(shares > 0, shares, np.nan),
            mode="lines",
            line={"shape": "hv", "color": colour, "width": 1.6},
            name=_safe(band.name),
            hovertemplate="%{x:.4g}: %{y:.2%}<extra>" + _safe(band.name) + "</extra>",
        )
    framed(figure, 320, margin=_MARGIN, dragmode="pan")
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(title_text="pixel value", automargin=True, gridcolor=_LINE, zeroline=False)
    figure.update_yaxes(
        title_text="share of pixels",
        type="log",
        dtick=1,
        exponentformat="power",
        automargin=True,
        gridcolor=_LINE,
    )
    return figure


def _field(sky: SkyCoverage) -> go.Figure:
    """A part of the sky: RA to the left, declination up, square in the middle."""
    figure = go.Figure()
    ra, dec, trace = _marks(sky)
    start = sky.ra_min_deg
    x = start + (ra - start) % 360.0
    figure.add_scattergl(x=x, y=dec, **trace)
    middle = (sky.dec_min_deg + sky.dec_max_deg) / 2
    framed(figure, 360, margin=_MARGIN, dragmode="pan")
    width = max((sky.ra_max_deg - start) % 360.0, 1e-4)
    height = max(sky.dec_max_deg - sky.dec_min_deg, 1e-4)
    figure.update_xaxes(
        title_text="right ascension (deg)",
        range=[start + 1.05 * width, start - 0.05 * width],
        gridcolor=_LINE,
        zeroline=False,
        automargin=True,
        nticks=6,
        **_turned(start, width),
    )
    figure.update_yaxes(
        title_text="declination (deg)",
        range=[sky.dec_min_deg - 0.05 * height, sky.dec_max_deg + 0.05 * height],
        scaleanchor="x",
        scaleratio=1 / max(0.02, np.cos(np.radians(middle))),
        gridcolor=_LINE,
        zeroline=False,
        automargin=True,
        nticks=6,
    )
    return figure


def _turned(start: float, width: float) -> dict[str, object]:
    """Names for an axis that passes 360 degrees; by itself it would go on counting."""
    if start + width <= 360.0:
        return {}
    at = np.linspace(start, start + width, 5)
    digits = max(0, 2 - int(np.floor(np.log10(width))))
    return {"tickvals": at.tolist(), "ticktext": [f"{one % 360:.{digits}f}" for one in at]}


def _whole_sky(sky: SkyCoverage) -> go.Figure:
    figure = go.Figure()
    line = {"color": _LINE, "width": 1}
    plain = {"mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
    along = np.linspace(-90, 90, 61)
    for meridian in range(-180, 181, 60):
        # 180 degrees is both edges: the one on the left is drawn just before it.
        x, y = mollweide(np.full(61, 179.9999 if meridian == 180 else float(meridian)), along)
        figure.add_scatter(x=x, y=y, **plain)
    around = np.linspace(-179.999, 179.999, 121)
    for parallel in (-60, -30, 0, 30, 60):
        x, y = mollweide(around, np.full(121, float(parallel)))
        figure.add_scatter(x=x, y=y, **plain)
    ra, dec_deg, trace = _marks(sky)
    x, y = mollweide(ra, dec_deg)
    figure.add_scattergl(x=x, y=y, **trace)
    at = np.array([120.0, 60.0, 0.0, 300.0, 240.0])
    x, y = mollweide(at, np.zeros(5))
    names = [f"{one:.0f}\N{DEGREE SIGN}" for one in at]
    style = {"mode": "text", "textfont": {"size": 11}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=x, y=y, text=names, textposition="bottom center", **style)
    heights = np.array([-60.0, -30.0, 30.0, 60.0])
    x, y = mollweide(np.full(4, 179.9999), heights)
    names = [f"{one:+.0f}\N{DEGREE SIGN}" for one in heights]
    figure.add_scatter(x=x, y=y, text=names, textposition="middle left", **style)
    framed(figure, 360, margin=_MARGIN, dragmode="pan")
    bare = {"visible": False, "fixedrange": False}
    figure.update_xaxes(range=[-2.25, 2.05], **bare)
    figure.update_yaxes(range=[-1.08, 1.08], scaleanchor="x", **bare)
    return figure


def _marks(sky: SkyCoverage) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
    """What is drawn: RA, declination, and the rest of its trace."""
    if sky.n_positions <= MAX_POINTS:
        ra, dec = np.array(sky.points, float).reshape(-1, 2).T
        places = zip(sky.point_ids, ra, dec, strict=True)
        words = [f"{_safe(name)}<br>{a:.5f} {d:+.5f}" for name, a, d in places]
        size = 4 if len(ra) > 500 else 6
        marker: dict[str, object] = {"size": size, "color": _ACCENT, "opacity": 0.75}
        ids = list(sky.point_ids)
    else:
        ra, dec, counts = np.array(sky.bins, float).reshape(-1, 3).T
        words = [
            f"{int(n):,} {'object' if n == 1 else 'objects'}<br>around {a:.3f} {d:+.3f}"
            for a, d, n in zip(ra, dec, counts, strict=True)
        ]
        top = float(counts.max())
        ticks = [n for n in (1, 10, 100, 1000, 10_000, 100_000, 1_000_000) if n <= top]
        marker = {
            "size": 6,
            "symbol": "square",
            "color": np.log10(counts),
            "colorscale": "Viridis",
            "cmin": 0.0,
            "cmax": max(np.log10(top), 0.3),
            "colorbar": {
                "title": {"text": "objects"},
                "tickvals": np.log10(ticks).tolist(),
                "ticktext": [f"{n:,}" for n in ticks],
                "thickness": 10,
                "outlinewidth": 0,
            },
        }
        ids = []
    trace: dict[str, object] = {
        "mode": "markers",
        "marker": marker,
        "text": words,
        "customdata": ids or None,
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }
    return ra, dec, trace


def _safe(text: str) -> str:
    """Plotly reads a little HTML in names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
