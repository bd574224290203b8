"""The plots of the catalogue page, kept in the session and in the link (?plots=JSON)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from core.errors import BadInput
from pages._server.catalogue_spec import Plot, as_plot

__all__ = ["MAX_PLOTS", "Kept", "added", "change_plots", "current_plots"]

MAX_PLOTS = 4
MAX_LINK_BYTES = 4096
"""Names of columns may be long; the address has other parts, too."""
_PLOTS = "plots"
_KEPT = "catalogue plots"
_WRITTEN = "catalogue link"
_NEXT = "catalogue next plot"


@dataclass(frozen=True)
class Kept:
    """A plot of the session; `number` names its widgets and never comes again."""

    number: int
    plot: Plot


def current_plots(survey: str, usual: Callable[[], Sequence[Plot]]) -> tuple[list[Kept], str]:
    """The plots of a link that was opened, else those of the session for this survey, else
    what `usual` gives; and a sentence if some of the link could not be read."""
    given = st.query_params.get(_PLOTS)
    plots: list[Kept] | None = st.session_state.get(_KEPT, {}).get(survey)
    problem = ""
    if given is not None and given != st.session_state.get(_WRITTEN):
        found, problem = _read(given)
        plots = [_new(one) for one in found] if found else plots
    if plots is None:
        plots = [_new(one) for one in usual()]
    change_plots(survey, plots)
    return plots, problem


def change_plots(survey: str, plots: Sequence[Kept]) -> None:
    """Show these from now on; they go into the link if it has room for them."""
    listed = [one.plot.as_json() for one in plots]
    text = json.dumps(listed, separators=(",", ":"), ensure_ascii=False)
    st.session_state.setdefault(_KEPT, {})[survey] = list(plots)
    if len(text.encode()) > MAX_LINK_BYTES:
        st.query_params.pop(_PLOTS, None)
        return
    st.session_state[_WRITTEN] = text
    if st.query_params.get(_PLOTS) != text:
        st.query_params[_PLOTS] = text


def added(plots: Sequence[Kept], plot: Plot) -> list[Kept]:
    """The plots with one more behind them (`BadInput` beyond `MAX_PLOTS`)."""
    if len(plots) >= MAX_PLOTS:
        raise BadInput(f"The page has up to {MAX_PLOTS} plots; remove one first.")
    return [*plots, _new(plot)]


def _new(plot: Plot) -> Kept:
    number: int = st.session_state.get(_NEXT, 0)
    st.session_state[_NEXT] = number + 1
    return Kept(number, plot)


def _read(text: str) -> tuple[list[Plot], str]:
    try:
        if len(text.encode()) > MAX_LINK_BYTES:
            raise ValueError(f"they are longer than {MAX_LINK_BYTES:,} bytes")
        listed = json.loads(text)
        if not isinstance(listed, list):
            raise ValueError("they are no list")
    except (ValueError, RecursionError) as error:
        return [], f"The plots of this link cannot be read ({str(error)[:80]}); others are shown."
    found, problems = [], []
    for one in listed[:MAX_PLOTS]:
        try:
            found.append(as_plot(one))
        except BadInput as error:
            problems.append(str(error))
    if len(listed) > MAX_PLOTS:
        problems.append(f"The link has {len(listed)} plots, of which {MAX_PLOTS} are shown.")
    return found, " ".join(problems)
