"""The bare baseline of benchmarks.map: the same points as Streamlit's own scattergl chart."""

from __future__ import annotations

import os

import numpy as np
import plotly.graph_objects as go
import streamlit as st

places = np.load(os.environ["SKYSIFT_BENCH_MAP"])
ids = np.char.add("obj", np.arange(len(places)).astype(str))
figure = go.Figure(
    go.Scattergl(
        x=places[:, 0],
        y=places[:, 1],
        customdata=ids,
        mode="markers",
        marker={"size": 3, "color": np.arange(len(places)) % 9, "colorscale": "Viridis"},
        hovertemplate="%{customdata}<extra></extra>",
    )
)
figure.update_layout(height=640, dragmode=os.environ.get("SKYSIFT_BENCH_DRAG", "pan"))
event = st.plotly_chart(
    figure, key="map", on_select="rerun", selection_mode=("lasso",), config={"scrollZoom": True}
)
st.write(f"{len(event['selection']['points'])} selected")
