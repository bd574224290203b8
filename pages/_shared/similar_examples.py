"""The examples of a search for look-alikes: chosen, uploaded, cut out, weighed, taken away."""

from __future__ import annotations

import base64
import html
from collections import Counter
from dataclasses import replace

import plotly.graph_objects as go
import streamlit as st

from core.errors import NotFound, SkysiftError
from core.survey import Survey
from labels_db import Task
from pages._server.finding import find_payload
from pages._server.positions import looks_like_position
from pages._server.services import services
from pages._server.similar import checked_object, example_picture, keep_picture
from pages._server.similar_query import LEAST_WEIGHT, MAX_WEIGHT, Example, SimilarQuery
from pages._shared.similar_place import draw_place
from pages._shared.similar_state import add, change, tell
from pages._shared.thumbnails import picture_address
from pages._shared.who import who

__all__ = ["draw_adding", "draw_examples"]

SMALL_PX, LARGE_PX = 128, 512
CELL_PX = 136
_ACCENT = "#6db3f2"
GRID = 32
"""Invisible points a side of the picture that a box is drawn on: Plotly tells of boxes only where
there is something to select."""

_TYPES = ["jpg", "jpeg", "png", "tif", "tiff", "fits", "fit", "fts", "fz", "gz"]
_CSS = """<style>
.example img { display: block; width: 100%; max-width: 6rem; aspect-ratio: 1; object-fit: cover;
  border-radius: 8px; background: #05070a; }
.example .name { font: .72rem ui-monospace, monospace; margin-top: .3rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.example.unlike img { outline: 2px dashed #e56b94; outline-offset: 1px; }
</style>"""


def draw_adding(task: Task, survey: Survey, query: SimilarQuery) -> None:
    """The ways to give an example: by id or position, as a picture, a place, part of a picture."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Object",
            key="similar: object",
            placeholder="an object_id, or a position such as 185.7 15.8",
            on_change=_add_typed,
            args=(task, survey),
            width=340,
        )
        if "images" in survey.manifest.modalities:
            with st.popover("Upload a picture", icon=":material/upload:"):
                _upload(survey)
            with st.popover("A place on the sky", icon=":material/explore:"):
                draw_place(task, survey)
            pictured = [one for one in query.examples if one.part is None]
            if pictured:
                with st.popover("Part of a picture", icon=":material/crop:"):
                    _part(survey, pictured)
        if query.examples:
            st.button("Clear", on_click=_clear, args=(survey,))


def draw_examples(survey: Survey, query: SimilarQuery) -> None:
    """What was given, each with its sign and weight."""
    if not query.examples:
        return
    st.html(_CSS)
    several = len(query.examples) > 1
    with st.container(horizontal=True):
        for place, example in enumerate(query.examples):
            with st.container(width=CELL_PX):
                _example(survey, example, place, several)


def _example(survey: Survey, example: Example, place: int, several: bool) -> None:
    name = html.escape(example.name)
    kind = "" if example.is_like else " unlike"
    st.html(
        f'<div class="example{kind}" title="{name}"><img alt="" src="{_source(survey, example)}">'
        f'<div class="name">{name}</div></div>'
    )
    key = f"{place} {example.identity} {example.is_like} {example.weight}"
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Like" if example.is_like else "Not like",
            key=f"similar: sign {key}",
            help="What is sought looks like this, or does not; press to change.",
            on_click=_put,
            args=(survey, replace(example, is_like=not example.is_like)),
        )
        st.button(
            "",
            icon=":material/close:",
            key=f"similar: drop {key}",
            help=f"Remove {example.name}",
            on_click=_drop,
            args=(survey, example),
        )
    if several:
        weight_key = f"similar: weight {key}"
        st.number_input(
            f"Weight of {example.name}",
            LEAST_WEIGHT,
            MAX_WEIGHT,
            example.weight,
            0.5,
            key=weight_key,
            label_visibility="collapsed",
            help="How much this example counts beside the others.",
            on_change=_weigh,
            args=(survey, example, weight_key),
        )


def _source(survey: Survey, example: Example) -> str:
    """Address of an example's picture: of an object its own, of others the picture itself."""
    if example.object_id and example.part is None:
        return html.escape(picture_address(survey, example.object_id, SMALL_PX))
    try:
        return _drawn(survey, example, SMALL_PX)
    except SkysiftError:  # the search says why
        return ""


def _drawn(survey: Survey, example: Example, size_px: int) -> str:
    from core.display import Look, render_look

    pixels = example_picture(services(), survey, example)
    body, _note = render_look(pixels, survey.manifest, Look(), size_px)
    return f"data:image/png;base64,{base64.b64encode(body).decode()}"


def _upload(survey: Survey) -> None:
    bands = ", ".join(survey.manifest.bands)
    measured = survey.manifest.dtype != "uint8"
    st.caption(
        f"A FITS file with the bands {bands}, one object in its middle."
        if measured
        else "A JPEG, PNG or TIFF picture with one object in its middle."
    )
    with st.form("similar: upload", border=False, clear_on_submit=True):
        given = st.file_uploader(
            "Picture", type=_TYPES, max_upload_size=64, label_visibility="collapsed"
        )
        sent = st.form_submit_button("Look for it", type="primary")
    if not sent:
        return
    if given is None:
        st.error("No file was chosen; choose a picture first.")
        return
    try:
        picture = keep_picture(services(), survey, given.getvalue(), given.name)
    except SkysiftError as error:
        st.error(str(error))
        return
    add(survey, Example(picture=picture))
    st.rerun()


def _part(survey: Survey, pictured: list[Example]) -> None:
    names = _names(pictured)
    whole = names[str(st.selectbox("Of", list(names), key="similar: part of"))]
    side = survey.manifest.cutout_size_px
    try:
        address = _drawn(survey, whole, LARGE_PX)
    except SkysiftError as error:
        st.error(str(error))
        return
    st.caption("Draw a box on the picture; what is in it is looked for by itself.")
    event = st.plotly_chart(
        _canvas(address, side),
        key=f"similar: box {whole.identity}",
        theme=None,
        on_select="rerun",
        selection_mode="box",
        config={"displayModeBar": False, "scrollZoom": False},
    )
    drawn = _box_of(event, side)
    above = st.container()  # a low window cuts a popover off at the bottom
    left, right = st.columns(2)
    key = f"similar: edge {whole.identity} {drawn}"
    start = drawn or (side // 4, side // 4, side - side // 4, side - side // 4)
    with left:
        x0 = st.number_input("x from", 0, side, start[0], key=f"{key} x0")
        y0 = st.number_input("y from (top)", 0, side, start[1], key=f"{key} y0")
    with right:
        x1 = st.number_input("x to", 0, side, start[2], key=f"{key} x1")
        y1 = st.number_input("y to", 0, side, start[3], key=f"{key} y1")
    if above.button("Look for this part", type="primary"):
        part = (int(x0), int(y0), int(x1), int(y1))
        example = replace(whole, part=part, weight=1.0, is_like=True)
        try:
            example_picture(services(), survey, example)
        except SkysiftError as error:
            above.error(str(error))
            return
        # In place of the whole: beside it the part would hardly count.
        change(survey, lambda query: query.lacking(whole).having(example))
        st.rerun()


def _names(pictured: list[Example]) -> dict[str, Example]:
    """Each by a name of its own: two cutouts of one place are called the same."""
    count = Counter(one.name for one in pictured)
    return {
        one.name if count[one.name] == 1 else f"{one.name} (picture {one.picture[:6]})": one
        for one in pictured
    }


def _canvas(address: str, side: int) -> go.Figure:
    step = side / GRID
    places = [(place + 0.5) * step for place in range(GRID)]
    figure = go.Figure(
        go.Scatter(
            x=[x for x in places for _ in places],
            y=[y for _ in places for y in places],
            mode="markers",
            marker={"opacity": 0, "size": 1},
            hoverinfo="skip",
        )
    )
    axis = {"visible": False, "fixedrange": True, "constrain": "domain"}
    figure.update_layout(
        images=[
            {
                "source": address,
                "xref": "x",
                "yref": "y",
                "x": 0,
                "y": 0,
                "sizex": side,
                "sizey": side,
                "sizing": "stretch",
                "layer": "below",
            }
        ],
        xaxis={**axis, "range": [0, side]},
        yaxis={**axis, "range": [side, 0], "scaleanchor": "x"},
        dragmode="select",
        newselection={"line": {"color": _ACCENT, "width": 2, "dash": "solid"}},
        activeselection={"fillcolor": _ACCENT, "opacity": 0.15},
        height=280,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure


def _box_of(event: object, side: int) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of the box drawn last, in whole pixels of the picture; None without one."""
    boxes = getattr(getattr(event, "selection", None), "box", None)
    if not boxes:
        return None
    x, y = sorted(boxes[-1]["x"]), sorted(boxes[-1]["y"])
    found = (round(x[0]), round(y[0]), round(x[-1]), round(y[-1]))
    x0, y0, x1, y1 = (min(side, max(0, one)) for one in found)
    return x0, y0, x1, y1


def _add_typed(task: Task, survey: Survey) -> None:
    text = str(st.session_state.get("similar: object") or "")
    if not text.strip():
        return
    try:
        object_id = _meant(task, survey, text)
    except SkysiftError as error:
        tell(str(error))
        return
    add(survey, Example(object_id=object_id))
    st.session_state["similar: object"] = ""


def _meant(task: Task, survey: Survey, text: str) -> str:
    """The object of that id, else the one at that position (`NotFound`)."""
    try:
        return checked_object(services(), survey, text)
    except NotFound:
        if not looks_like_position(text.strip()):
            raise
    found = find_payload(services(), task.name, who(), text)
    if found["state"] or not found["items"]:
        raise NotFound(found["state"] or f"No object lies at {text.strip()[:80]}; check it.")
    return str(found["items"][0]["object_id"])


def _put(survey: Survey, example: Example) -> None:
    change(survey, lambda query: query.having(example))


def _weigh(survey: Survey, example: Example, key: str) -> None:
    weight = float(st.session_state[key])
    change(survey, lambda query: query.having(replace(example, weight=weight)))


def _drop(survey: Survey, example: Example) -> None:
    change(survey, lambda query: query.lacking(example))


def _clear(survey: Survey) -> None:
    change(survey, lambda query: replace(query, examples=()))
