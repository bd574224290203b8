"""The search of the Look-alikes page: in the session, and in the address so that a link has it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import BadInput
from core.survey import Survey
from pages._server.similar_query import PARAMETERS, Example, SimilarQuery

__all__ = ["add", "change", "current_query", "note", "noted", "tell", "told", "use_query"]

_QUERY, _WRITTEN, _SAID, _NOTED = (
    f"similar {name}" for name in ("query", "written", "said", "noted")
)


def current_query(survey: Survey) -> SimilarQuery:
    """The search of the address, where it has one, else the last one of this survey."""
    given = {name: st.query_params[name] for name in PARAMETERS if name in st.query_params}
    key = f"{_QUERY} {survey.name}"
    if given and given != st.session_state.get(_WRITTEN):
        try:
            st.session_state[key] = SimilarQuery.of_parameters(given)
            for name in [name for name in st.session_state if str(name).startswith("similar: ")]:
                del st.session_state[name]  # widgets begin anew with what the link says
        except BadInput as error:
            tell(str(error))
    query: SimilarQuery = st.session_state.setdefault(key, SimilarQuery())
    use_query(survey, query)
    return query


def use_query(survey: Survey, query: SimilarQuery) -> None:
    """Search for this from now on, and write it into the address."""
    st.session_state[f"{_QUERY} {survey.name}"] = query
    wanted = query.as_parameters()
    for name in PARAMETERS:
        if name in wanted and st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]
        elif name not in wanted and name in st.query_params:
            st.query_params.pop(name)
    st.session_state[_WRITTEN] = wanted


def change(survey: Survey, how: Callable[[SimilarQuery], SimilarQuery]) -> None:
    """Change the search of the session, as callbacks do; what is refused is told (`told`)."""
    query = st.session_state.get(f"{_QUERY} {survey.name}", SimilarQuery())
    try:
        use_query(survey, how(query))
    except BadInput as error:
        tell(str(error))


def add(survey: Survey, example: Example) -> None:
    """Add an example to the search of the session."""
    change(survey, lambda query: query.having(example))


def tell(sentence: str) -> None:
    """Have the page say why something was refused, when it is drawn next."""
    st.session_state[_SAID] = sentence


def told() -> str:
    """What is to be said, once."""
    sentence: str = st.session_state.pop(_SAID, "")
    return sentence


def note(sentence: str) -> None:
    """Have the page say what was done, when it is drawn next."""
    st.session_state[_NOTED] = sentence


def noted() -> str:
    """What is to be said of what was done, once."""
    sentence: str = st.session_state.pop(_NOTED, "")
    return sentence
