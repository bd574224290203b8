"""What a page shows that needs the embedding, while it is being made."""

from __future__ import annotations

import streamlit as st

from core.vocabulary import JobKind
from pages._server.services import services
from pages._shared.sight import may_start
from pages._shared.who import who

__all__ = ["wait_for_embedding"]


@st.fragment(run_every=2.0)
def wait_for_embedding(survey_name: str, caption: str) -> None:
    """Draw how far the embedding of a survey is, why it failed if it did, and go on once it is
    there; `caption` says what it is needed for."""
    who()  # asked anew: a fragment outlives a sign-out
    survey = services().survey(survey_name)
    preparation = services().prepare(survey)
    if preparation.embedded:
        st.rerun()
    if preparation.error:
        st.error(preparation.error)
        if may_start() and st.button("Try again"):
            services().restart_job(JobKind.EMBED, survey)
        return
    st.progress(preparation.fraction or 0.0, preparation.sentence)
    st.caption(caption)
