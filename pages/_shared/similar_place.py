"""The form that takes a place on the sky as an example of a search for look-alikes."""

from __future__ import annotations

import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from labels_db import Task
from pages._server.services import services
from pages._server.similar_place import (
    RADIUS_ARCSEC,
    Archive,
    archives,
    example_at,
    read_place,
    usual_archive,
)
from pages._shared.sight import may_start
from pages._shared.similar_state import add, note
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw_place"]

_FARTHEST_ARCSEC = 60.0
_SCALES_ARCSEC = (0.01, 60.0)
_USUAL_SCALE_ARCSEC = 0.4


def draw_place(task: Task, survey: Survey) -> None:
    """Draw the form; what is found becomes an example, what is refused is told in it."""
    st.caption(
        "The object of the survey there; where there is none, a cutout is downloaded and looked"
        " at as an uploaded picture is."
    )
    offered = archives()
    with st.form("similar: place", border=False):
        text = st.text_input("Place", placeholder="185.7 15.8, 12:22:54 +15:49:20, J122254+154920")
        radius = st.number_input(
            "An object within (arcsec)", 0.1, _FARTHEST_ARCSEC, RADIUS_ARCSEC, 0.5
        )
        archive = _archive(survey, offered) if may_start() else None
        sent = st.form_submit_button("Look for it", type="primary")
    if not sent:
        return
    try:
        with st.spinner("Looking there"):
            example, about = example_at(
                services(), task, survey, who(), read_place(text), float(radius), archive
            )
    except SkysiftError as error:
        st.error(plain(str(error)))
        return
    add(survey, example)
    note(about)
    st.rerun()


def _archive(survey: Survey, offered: dict[str, str]) -> Archive:
    usual = usual_archive(survey)
    service = st.selectbox(
        "Else a cutout from",
        list(offered),
        index=list(offered).index(usual) if usual in offered else 0,
        format_func=lambda name: f"{name}: {offered[name]}",
    )
    scale = None
    if survey.manifest.pixel_scale_arcsec is None:
        low, high = _SCALES_ARCSEC
        scale = st.number_input("Its pixels (arcsec)", low, high, _USUAL_SCALE_ARCSEC, 0.05)
    hips = st.text_input(
        "HiPS, for the service hips",
        placeholder="CDS/P/DSS2/color",
        help="Names of https://aladin.cds.unistra.fr/hips/list; of measured pixels one a band.",
    )
    return Archive(str(service), scale, hips)
