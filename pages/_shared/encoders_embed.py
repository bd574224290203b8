"""Starting an embedding: which encoder, by which network, with which options."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.errors import SkysiftError
from core.representation import ENCODERS, chosen_embedding
from core.representation.encoders.fusion import DEFAULT_PARTS
from core.representation.encoders.network import SHIPPED_METHOD, SHIPPED_WORD
from core.survey import Survey
from core.vocabulary import JobKind
from pages._shared.data_roots import checked_value
from pages._shared.encoders_jobs import is_running, start
from pages._shared.encoders_words import (
    doubts,
    encoder_words,
    fitting_encoders,
    fusion_parts,
    method_of,
    names_of,
    network_words,
    networks,
    parts_words,
    uses_method,
)
from pages._shared.words import plain

__all__ = ["WANTED_VIEW", "draw_form", "embed_arguments", "embed_with"]

WEIGHTS = "weights"
BEST = ""
IN_DEFAULT_AND_USE = "Embed and use it in the default"
IN_DEFAULT = "Embed with it in the default"
WANTED_VIEW = "encoders view wanted"
"""In the session: the view of the page that is to be opened next."""


def embed_arguments(survey: str, encoder: str, options: Mapping[str, str]) -> list[str]:
    """The command line of `python -m core.run embed`.

    Raises
    ------
    BadInput
        An option is a path outside of the folders that may be read.
    """
    arguments = [survey, f"--encoder={encoder}"]
    for key, value in options.items():
        text = value.strip()
        if text:
            arguments.append(f"--set={key}={checked_value(key, text)}")
    return arguments


def _go(survey: Survey, encoder: str, options: Mapping[str, str]) -> None:
    """Start the job and show it, or say why not."""
    try:
        start(JobKind.EMBED, survey.name, embed_arguments(survey.name, encoder, options))
    except SkysiftError as error:
        st.error(plain(str(error)))
    else:
        st.session_state[WANTED_VIEW] = "Embeddings"
        st.rerun()


def embed_with(survey: Survey, run_id: str, method: str, place: str) -> None:
    """Two buttons: embed with a network beside the other parts of the default, or with it alone.

    The first puts the embedding to use unless another one was chosen. What speaks against the
    network stands beside. `place` tells buttons of the same network on one page apart.
    """
    busy = _busy(survey)
    run = next((one for one in networks(survey) if one.run_id == run_id), None)
    against = "" if run is None else doubts(survey, run)
    is_used = chosen_embedding(survey) is None
    if against:
        st.warning(plain(against), icon=":material/warning:")
    with st.container(horizontal=True, vertical_alignment="center"):
        fused = {"parts": fusion_parts(method), WEIGHTS: run_id}
        if "fusion" in fitting_encoders(survey) and st.button(
            IN_DEFAULT_AND_USE if is_used else IN_DEFAULT,
            key=f"fuse {place} {run_id}",
            type="secondary" if against else "primary",
            disabled=bool(busy),
            help="Its numbers beside those measured on the pixels, as the default encoder does."
            + (
                " Tasks, map and neighbours use the embedding as soon as it is made."
                if is_used
                else " The embedding that was chosen stays in use."
            ),
        ):
            _go(survey, "fusion", fused)
        if st.button(
            "Embed with it alone",
            key=f"embed {place} {run_id}",
            disabled=bool(busy),
            help="The embedding that is in use stays in use.",
        ):
            _go(survey, method, {WEIGHTS: run_id})
    if busy:
        st.caption(busy)


def _busy(survey: Survey) -> str:
    """Why no other embedding is to be started now; "" where one may be."""
    if is_running(JobKind.REFINE, survey.name):
        return (
            "Labels are being taught to the network of this survey, which embeds it anew if that"
            " helps; wait until it is done, or cancel it on the Discovery page."
        )
    if is_running(JobKind.EMBED, survey.name):
        return "One embedding of a survey is made at a time."
    return ""


def draw_form(survey: Survey) -> None:
    """Draw the form; for owners."""
    st.subheader("Make an embedding")
    names = fitting_encoders(survey)
    with st.container(border=True):
        encoder = st.selectbox(
            "Encoder",
            names,
            format_func=lambda name: f"{name} (default)" if name == names[0] else name,
            key=f"encoder {survey.name}",
        )
        st.caption(plain(encoder_words(encoder)))
        options = _options(survey, encoder)
        busy = _busy(survey)
        if st.button("Embed", disabled=bool(busy), key="embed now"):
            _go(survey, encoder, options)
        if busy:
            st.caption(busy)


def _options(survey: Survey, encoder: str) -> dict[str, str]:
    """A field for each option of the encoder."""
    known = dict(getattr(ENCODERS[encoder], "own_options", {}))
    found: dict[str, str] = {}
    if known.pop(WEIGHTS, None):
        fit = [run for run in networks(survey) if uses_method(encoder, {}, method_of(run))]
        has_shipped = uses_method(encoder, {}, SHIPPED_METHOD)
        otherwise = ", else the one that comes with Skysift" if has_shipped else ""
        names = {BEST: f"the best of this survey{otherwise}"}
        called = names_of(fit)
        names |= {run.run_id: network_words(run, called[run.run_id]) for run in fit}
        if has_shipped:
            names[SHIPPED_WORD] = "the one that comes with Skysift"
        found[WEIGHTS] = st.selectbox(
            "Network",
            list(names),
            format_func=names.__getitem__,
            key=f"weights {survey.name} {encoder}",
        )
        if not fit and not has_shipped:
            st.caption("No network of this method is trained on this survey yet; see Train.")
    if known:
        with st.expander("Options"):
            if "parts" in known:
                st.caption(plain(f"The default has the parts {parts_words(DEFAULT_PARTS)}."))
            for key, meaning in known.items():
                found[key] = st.text_input(
                    key.replace("_", " "), help=plain(meaning), key=f"option {encoder} {key}"
                )
    return found
