"""How the label-free measures moved while networks of the survey were trained."""

from __future__ import annotations

import streamlit as st

from core.survey import Survey
from pages._shared.encoders_curves import MEASURES, Trace, curve, legend
from pages._shared.encoders_metrics import METRICS, read_curves
from pages._shared.encoders_train_maps import Source, draw_maps
from pages._shared.encoders_words import chosen_step, names_of, networks
from pages._shared.figures import show

__all__ = ["draw_checkpoints"]

SHOWN = 4
"""Trainings that are overlaid: the newest."""
COLUMNS = 3


def draw_checkpoints(survey: Survey) -> None:
    """Each measure against the step, the step whose weights were kept marked."""
    traces = []
    runs = networks(survey)
    names = names_of(runs)
    for newer, run in enumerate(runs[:SHOWN]):
        place = len(runs) - 1 - newer  # the colour it has on the view Train
        curves = read_curves(run.path / METRICS)
        if not curves.quality:
            continue
        traces.append(Trace(names[run.run_id], curves, place, chosen_step(run)))
    st.subheader("While training")
    if not traces:
        st.caption(
            "No training of this survey noted its quality yet: a network that is trained on the"
            " view Train does so at its checkpoints, and they are compared here."
        )
        return
    st.caption(
        "What was measured at the checkpoints of the newest trainings, to be compared with each"
        " other only: objects that were held out, the codes as they come from the network and the"
        " views that it is trained with all differ from those of the table above. The dashed line"
        " is where the weights were taken."
    )
    legend(traces)
    there = {name for one in traces for name in one.curves.quality}
    shown = [*(name for name in MEASURES if name in there), *sorted(there - set(MEASURES))]
    for first in range(0, len(shown), COLUMNS):
        for column, name in zip(st.columns(COLUMNS), shown[first : first + COLUMNS], strict=False):
            title, about = MEASURES.get(name, (name.replace("_", " ").capitalize(), ""))
            lines = [
                (one, one.curves.quality[name]) for one in traces if name in one.curves.quality
            ]
            with column:
                st.markdown(f"**{title}**", help=about or None)
                figure = curve(title, lines, False, mark=True, may_be_log=False)
                show(figure, f"{survey.name} checkpoints {name}")
    draw_maps(
        survey,
        [
            Source(run.run_id, names[run.run_id], run.path / METRICS, chosen_step(run))
            for run in runs[:SHOWN]
        ],
        "quality",
    )
