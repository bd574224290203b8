"""The encoders page: what embeds a survey, how it is trained, and whether it is any good."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey, damaged_runs
from core.vocabulary import Role
from pages._server.services import services
from pages._shared.data_surveys import choose_survey
from pages._shared.editing import tell_done
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["draw"]

EMBEDDINGS, TRAIN, VIEWS = "Embeddings", "Train", "Views"
QUALITY, RECONSTRUCTIONS = "Quality", "Reconstructions"
_VIEW = "encoders view"
_WANTED = "encoders view wanted"
_SURVEY = "encoders survey"
_CSS = """<style>
.block-container h3 { font-size: 1.05rem; font-weight: 600; padding: .5rem 0 0; }
@media (max-width: 640px) {
  .st-key-encoders-top [role="radiogroup"] { gap: .3rem; }
  .st-key-encoders-top [role="radiogroup"] button {
    border: 1px solid rgba(139,151,168,.45) !important; border-radius: 8px !important;
    margin: 0 !important; }
  .st-key-encoders-top [role="radiogroup"] button[aria-checked="true"] {
    border-color: #4a97df !important; }
  .st-key-encoders-runs > :first-child { flex-basis: 100%; }
}
</style>"""


def draw() -> None:
    """Draw the view that was chosen, of the survey that was chosen."""
    st.html(_CSS)
    st.title("Encoders")
    tell_done()
    names = services().survey_names()
    if not names:
        st.write("There is no survey yet.")
        if who().role is Role.OWNER:
            st.write("Import one on the Data page; then it can be embedded here.")
        else:
            owner = plain(services().owner.annotator)
            st.write(f"{owner} has not added one yet; come back later.")
        return
    panels: dict[str, Callable[[Survey], None]] = {
        EMBEDDINGS: _embeddings,
        TRAIN: _train,
        VIEWS: _views,
        QUALITY: _quality,
        RECONSTRUCTIONS: _reconstructions,
    }
    with st.container(horizontal=True, vertical_alignment="center", key="encoders-top"):
        view = _view(tuple(panels))
        name = _survey(names)
    try:
        survey = services().survey(name)
        for sentence in damaged_runs(survey):
            st.warning(plain(sentence))
        panels[view](survey)
    except SkysiftError as error:
        st.error(plain(str(error)))


def _view(views: tuple[str, ...]) -> str:
    """What is to be seen: a panel asked for it, the address says, or it was chosen before."""
    wanted = st.session_state.pop(_WANTED, None)
    if wanted is None and _VIEW not in st.session_state:
        wanted = st.query_params.get("view", "").capitalize()
    if wanted is not None:
        st.session_state[_VIEW] = wanted if wanted in views else views[0]
    view = st.segmented_control(
        "View", views, key=_VIEW, required=True, label_visibility="collapsed", wrap=True
    )
    st.query_params["view"] = str(view).lower()
    return str(view)


def _survey(names: list[str]) -> str:
    """The survey that is looked at; it stays in the address."""
    chosen = choose_survey(names)
    if len(names) == 1:
        st.caption(f"Survey {plain(chosen)}", width="content")
        return chosen
    st.session_state[_SURVEY] = chosen
    st.selectbox(
        "Survey",
        names,
        key=_SURVEY,
        label_visibility="collapsed",
        width=220,
        on_change=_choose,
    )
    return chosen


def _choose() -> None:
    st.query_params["survey"] = st.session_state[_SURVEY]


def _embeddings(survey: Survey) -> None:
    from pages._shared.encoders_list import draw_embeddings

    draw_embeddings(survey)


def _train(survey: Survey) -> None:
    from pages._shared.encoders_train import draw_train

    draw_train(survey)


def _views(survey: Survey) -> None:
    from pages._shared.encoders_views import draw_views

    draw_views(survey)


def _quality(survey: Survey) -> None:
    from pages._shared.encoders_quality import draw_quality

    draw_quality(survey)


def _reconstructions(survey: Survey) -> None:
    from pages._shared.encoders_reconstruction import draw_reconstructions

    draw_reconstructions(survey)
