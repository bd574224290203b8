"""The data page: what surveys there are and hold, and how new ones come in."""

from __future__ import annotations

import streamlit as st

from core.errors import SkysiftError
from core.vocabulary import Role
from pages._server.identity import require
from pages._server.services import services
from pages._shared.data_surveys import choose_survey
from pages._shared.editing import tell_done
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw"]

SURVEYS, IMPORT = "Surveys", "Import"
_VIEW = "data view"


def draw() -> None:
    """Draw the page; only owners import."""
    st.title("Data")
    tell_done()
    names = services().survey_names()
    is_owner = who().role is Role.OWNER
    if is_owner:
        from pages._shared.data_jobs import draw_jobs, draw_made

        view = _view(names)
        chosen = choose_survey(names) if names and view == SURVEYS else ""
        draw_made(f"{view} {chosen}")
        draw_jobs(f"{view} {chosen}")
        if view == IMPORT:
            _import()
            return
    if not names:
        owner = plain(services().owner.annotator)
        st.write("There is no survey yet.")
        if not is_owner:
            st.write(f"{owner} has not added one yet; come back later.")
        return
    _surveys(names, choose_survey(names), is_owner)


def _view(names: list[str]) -> str:
    """What the owner wants to see: the address says, or what was chosen before."""
    views = (SURVEYS, IMPORT)
    if _VIEW not in st.session_state:
        wanted = st.query_params.get("view", "").capitalize()
        st.session_state[_VIEW] = wanted if wanted in views else SURVEYS if names else IMPORT
    view = st.segmented_control(
        "View", views, key=_VIEW, required=True, label_visibility="collapsed"
    )
    st.query_params["view"] = str(view).lower()
    return str(view)


def _import() -> None:
    from pages._shared.data_import import draw_import

    require(who(), Role.OWNER)
    draw_import()


def _surveys(names: list[str], chosen: str, is_owner: bool) -> None:
    from pages._shared.data_summary import draw_summary
    from pages._shared.data_surveys import survey_list

    survey_list(names, chosen)
    st.space("small")
    left, *buttons = st.columns([4, 2, 2], vertical_alignment="center")
    with left:
        st.subheader(plain(chosen))
    if is_owner:
        _acts(chosen, buttons)
    try:
        draw_summary(services().survey(chosen))
    except SkysiftError as error:
        st.error(plain(str(error)))


def _acts(name: str, places: list[st.delta_generator.DeltaGenerator]) -> None:
    from pages._shared.data_jobs import task_for

    with places[0]:
        if st.button("Make a task", width="stretch", key="data new task"):
            task_for(name)
    with places[1]:
        st.button("Add objects", width="stretch", on_click=_add_objects, args=(name,))


def _add_objects(name: str) -> None:
    from pages._shared.data_import import add_to

    add_to(name)
    st.session_state[_VIEW] = IMPORT
