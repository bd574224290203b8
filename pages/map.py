"""The map page: the survey in two dimensions; what is selected there opens below."""

from __future__ import annotations

import streamlit as st

from core.errors import BadInput, Damaged, NotFound, NotReady, SkysiftError
from core.survey import Survey
from core.survey.filtering import Condition
from core.vocabulary import JobKind
from labels_db import Task
from pages._server.filters import filter_text
from pages._server.map_data import KEPT, Placed, placed_map
from pages._server.services import services
from pages._shared.filter_line import filter_in_use, filter_line
from pages._shared.map_fallback import drawn_map
from pages._shared.map_projection import chosen_map, forget_map, map_projection
from pages._shared.selection_panel import selection_panel
from pages._shared.selection_state import choose_selection, current_filter, current_selection
from pages._shared.sight import may_start
from pages._shared.tasks import the_task
from pages._shared.waiting import wait_for_embedding
from pages._shared.who import who
from pages._shared.words import plain
from pages.components.map import sky_map

__all__ = ["draw"]

_WITHOUT_WEBGL = "map without WebGL"
_SEEN = "map selection seen"
_WHY = {
    "missing": "This browser has no WebGL (or has it switched off), so that the server draws the"
    " map: without pictures under the pointer, but with the same selections.",
    "lost": "The graphics card took the map's memory away again and again, so that the server"
    " draws it: without pictures under the pointer, but with the same selections.",
}


def draw() -> None:
    """Draw the page for the chosen task."""
    task = the_task()
    st.title("Map")
    survey = services().survey(task.survey)
    preparation = services().prepare(survey)
    if not preparation.embedded:
        wait_for_embedding(
            task.survey, "The map is a projection of the embedding, which is being made."
        )
        return
    try:
        placed = _placed(survey)
    except (NotReady, Damaged) as error:
        st.info(plain(str(error)))
        return
    st.caption(_about(placed, len(survey)))
    if placed.view.map_run is None or not preparation.mapped:
        _umap_state(survey)
    map_projection(task, survey, placed, is_mapped=preparation.mapped)
    filter_line(survey, task, offer=True)
    if st.session_state.get(_WITHOUT_WEBGL):
        _drawn(task, survey, placed)
    else:
        _interactive(task, survey, placed, current_filter())
    _selected(task, survey)


def _placed(survey: Survey) -> Placed:
    """The map that was chosen, else the newest; one that cannot be shown is told and forgotten."""
    chosen = chosen_map(survey)
    try:
        return placed_map(services(), survey, chosen, who())
    except SkysiftError as error:
        if chosen is None:
            raise
        forget_map(survey)
        st.warning(plain(f"{error} The newest is shown."))
        return placed_map(services(), survey, None, who())


def _interactive(
    task: Task, survey: Survey, placed: Placed, conditions: tuple[Condition, ...]
) -> None:
    state = sky_map(
        base_path=services().base_path,
        task=task.name,
        of=f"{survey.manifest.content_hash[:16]} {placed.key}",
        selection=current_selection(),
        filter_text=filter_text(conditions) if conditions else "",
        chosen=placed.key if placed.key.startswith(KEPT) else "",
    )
    if state.get("webgl"):
        st.session_state[_WITHOUT_WEBGL] = state["webgl"]
        st.rerun()
    made = state.get("selection")
    # It stays in the component's state: only a new one is a choice, or none could be put away.
    if made and made != st.session_state.get(_SEEN):
        st.session_state[_SEEN] = made
        choose_selection(made)


def _drawn(task: Task, survey: Survey, placed: Placed) -> None:
    st.info(_WHY.get(st.session_state[_WITHOUT_WEBGL], _WHY["missing"]))
    if st.button("Try again with WebGL"):
        st.session_state.pop(_WITHOUT_WEBGL)
        st.rerun()
    try:
        found = drawn_map(task, survey, placed, filter_in_use(survey, task))
    except (BadInput, Damaged, NotFound, NotReady) as error:
        st.warning(plain(str(error)))  # a model or column that went meanwhile, a lasso of no use
        return
    if found is not None:
        choose_selection(found.id)


def _selected(task: Task, survey: Survey) -> None:
    chosen = current_selection()
    if chosen is None:
        st.caption("Select with the lasso or the box: what is inside opens here.")
        return
    selection_panel(task, survey, chosen)


@st.fragment(run_every=2.0)
def _umap_state(survey: Survey) -> None:
    who()
    preparation = services().prepare(survey)
    if preparation.mapped:
        st.rerun()
    if preparation.error:
        st.warning(f"There is no UMAP of the embedding in use: {preparation.error}")
        if may_start() and st.button("Make the UMAP"):
            services().restart_job(JobKind.MAP, survey)
            st.rerun(scope="fragment")
    elif preparation.sentence:
        st.progress(preparation.fraction or 0.0, preparation.sentence)


def _about(placed: Placed, n_objects: int) -> str:
    view = placed.view
    parts = [f"{view.projection} of the embedding {view.embedding_run}", view.note]
    lost = n_objects - len(placed.rows)
    if lost:
        have = "object has" if lost == 1 else "objects have"
        parts.append(f"{lost:,} {have} no embedding and no place on the map")
    return ". ".join(part.rstrip(".") for part in parts if part) + "."
