"""Maps of the held-out objects while a network is trained: a slider over its evaluations."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import NotFound, SkysiftError
from core.survey import Survey
from pages._server.services import services
from pages._shared.colours import CLASS_COLOURS, class_colours
from pages._shared.encoders_metrics import Maps, read_maps
from pages._shared.encoders_train_maps_figure import Coloured, Object, map_figure, window_of
from pages._shared.sight import shown_classes
from pages._shared.thumbnails import picture_address
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["Source", "coloured_by", "draw_maps"]

LIVE_SECONDS = 5.0
NO_ANSWER, ELSEWHERE = "no answer", "of another survey"
NOTHING, COLUMN, TASK = "nothing", "column", "task"
_UNKNOWN = "rgba(128,140,160,0.6)"
_CSS = """<style>
.seen { margin: 0; max-width: 16rem; }
.seen img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 8px;
  background: #05070a; }
.seen .id { margin-top: .4rem; font: .78rem ui-monospace, monospace; overflow-wrap: anywhere; }
.seen .about { font-size: .82rem; opacity: .8; }
</style>"""

_Colour = tuple[str, str]
"""What colours the points: NOTHING, or a COLUMN or TASK and its name."""


@dataclass(frozen=True)
class Source:
    """A training that may have maps: its run and name, the file with what it noted, and the step
    whose weights it kept, once it is finished."""

    run_id: str
    name: str
    file: Path
    chosen_step: float | None = None


def draw_maps(survey: Survey, sources: Sequence[Source], key: str, *, grows: bool = False) -> None:
    """Draw the maps of one of the trainings, which is chosen.

    key : of the widgets. grows : one of them is running; what it adds is shown as it comes
    """
    st.subheader("Maps of held-out objects")
    st.fragment(_maps, run_every=LIVE_SECONDS if grows else None)(survey, list(sources), key)


def coloured_by(survey: Survey, objects: Sequence[Object], colour: _Colour) -> Coloured:
    """The colours of objects, of this survey and of others, by a column or the answers of a task
    (as far as this person may see them)."""
    kind, name = colour
    if kind == NOTHING:
        return Coloured()
    ids = [object_id for _, object_id in objects]
    rows = np.array([_row(survey, one) for one in objects])
    here = rows >= 0
    if kind == TASK:
        task = services().db().task(name)
        classes = shown_classes(task)
        words = [classes.get(one, NO_ANSWER) for one in ids]
        colours = {NO_ANSWER: _UNKNOWN} | class_colours(task)
    else:
        column = survey.catalogue[name]
        if _is_number(column):
            values = np.full(len(ids), np.nan)
            values[here] = column.iloc[rows[here]].to_numpy(dtype=float, na_value=np.nan)
            return Coloured(name, values)
        told = iter(column.iloc[rows[here]].astype(str))
        words = [next(told) if ok else "" for ok in here]
        every = sorted({word for word, ok in zip(words, here, strict=True) if ok})
        colours = {
            word: CLASS_COLOURS[place % len(CLASS_COLOURS)] for place, word in enumerate(every)
        }
    groups = np.array(words, dtype=object)
    if not here.all():
        groups[~here] = ELSEWHERE
        colours = {ELSEWHERE: _UNKNOWN, **colours}
    return Coloured(name, None, groups, tuple(colours.items()))


def _row(survey: Survey, one: Object) -> int:
    """Of the object in this survey; -1 where it is not in it."""
    try:
        return survey.row(one[1]) if one[0] == survey.name else -1
    except NotFound:  # the survey has another version since
        return -1


def _maps(survey: Survey, sources: list[Source], key: str) -> None:
    who()  # asked anew: a fragment outlives a sign-out
    known = {one.run_id: (one, maps) for one in sources if (maps := read_maps(one.file))}
    if not known:
        st.caption(
            "A training notes at each evaluation where the objects lie that it never trains on;"
            " none of these has noted any so far. Trainings of older versions, and those on fewer"
            " than 40 objects, have none."
        )
        return
    st.html(_CSS)
    st.caption(
        "Objects that are never trained on, by the two leading components of the directions of"
        " their codes; each map is turned to lie as near to the one before as it can. What comes"
        " apart here is told apart; what stays together may differ in other directions."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run_id = next(iter(known))
        if len(known) > 1:
            run_id = str(
                st.selectbox(
                    "Training",
                    list(known),
                    format_func=lambda one: known[one][0].name,
                    key=f"{key} maps of {survey.name} {' '.join(known)}",
                )
            )
        source, maps = known[run_id]
        colour: _Colour = st.selectbox(
            "Colour by",
            _colours(survey, maps.objects),
            format_func=_words,
            key=f"{key} colours {survey.name}",
        )
    step = _step(source, maps, f"{key} {run_id}")
    _draw(survey, maps, maps.steps.index(step), colour, f"{key} map {run_id}")


def _step(source: Source, maps: Maps, key: str) -> int:
    """The step that is looked at: the newest of a training that goes on, unless one was chosen."""
    kept = None if source.chosen_step is None else int(source.chosen_step)
    start = kept if kept in maps.steps else maps.steps[-1]
    asked = st.session_state.get(f"{key} step")
    step = asked if asked in maps.steps else start
    if len(maps.steps) > 1:
        # New steps make another slider of it, so that what was chosen is kept beside it.
        name = f"{key} slider {len(maps.steps)}"
        step = int(
            st.select_slider(
                "Step",
                maps.steps,
                value=step,
                format_func=lambda one: f"{one:,}",
                key=name,
                on_change=lambda: st.session_state.update(
                    {f"{key} step": st.session_state.get(name)}
                ),
            )
        )
    share = maps.kept[maps.steps.index(step)]
    told = [f"Step {step:,}"]
    if np.isfinite(share):
        told.append(f"{share:.0%} of the nearest neighbours kept in another view")
    if kept is not None:
        told.append("its weights are kept" if step == kept else f"kept are those of step {kept:,}")
    st.caption(f"{', '.join(told)}.")
    return step


def _draw(survey: Survey, maps: Maps, at: int, colour: _Colour, key: str) -> None:
    chosen = f"{key} picked"
    coloured = coloured_by(survey, maps.objects, colour)
    left, right = st.columns([3, 1])
    with left:
        picked: Object | None = st.session_state.get(chosen)
        figure = map_figure(
            maps.positions[at], maps.objects, coloured, window_of(maps.positions), picked
        )
        name = f"{key} {colour}"
        st.plotly_chart(
            figure,
            key=name,
            on_select=lambda: _pick(name, chosen),
            selection_mode="points",
            theme=None,
            config={
                "displaylogo": False,
                "scrollZoom": True,
                "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d"],
                "toImageButtonOptions": {"format": "png", "scale": 3, "filename": key},
            },
        )
    with right:
        if picked is None or picked not in maps.objects:
            st.caption("Click a point to see its object.")
        else:
            _picture(picked, coloured.words(maps.objects.index(picked)))


def _pick(chart: str, chosen: str) -> None:
    """Keep the object that was clicked: another step draws another figure, without a selection."""
    for point in st.session_state[chart].selection.points:
        told = point.get("customdata")  # by its id: an index counts within a trace
        if isinstance(told, list) and len(told) == 2:
            st.session_state[chosen] = str(told[0]), str(told[1])


def _picture(one: Object, about: str) -> None:
    name, object_id = one
    try:
        of = services().survey(name)
        of.row(object_id)
    except SkysiftError as error:  # the survey has another version since
        st.caption(plain(str(error)))
        return
    shown = html.escape(object_id)
    st.html(
        f'<figure class="seen"><img src="{html.escape(picture_address(of, object_id, 256))}"'
        f' alt="{shown}" width="256" height="256"><div class="id">{shown}</div>'
        f'<div class="about">{html.escape(about)}</div></figure>'
    )


def _colours(survey: Survey, objects: Sequence[Object]) -> list[_Colour]:
    """Tasks of the survey, and columns that are numbers or few words for these objects."""
    tasks = [(TASK, task.name) for task in services().db().tasks(survey.name)]
    rows = np.array([_row(survey, one) for one in objects])
    told = survey.catalogue.iloc[rows[rows >= 0]]
    columns = [
        (COLUMN, str(name))
        for name in told.columns
        if name not in ("object_id", "group_id")
        and (_is_number(told[name]) or told[name].astype(str).nunique() <= len(CLASS_COLOURS))
    ]
    return [(NOTHING, ""), *tasks, *columns]


def _words(colour: _Colour) -> str:
    kind, name = colour
    return f"answers of {name}" if kind == TASK else name or NOTHING


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))
