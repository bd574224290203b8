"""Which grouping and which group of it are open: in the session, and in the address for a link."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from pages._server.groups import KeptGrouping, choice_of
from pages._server.services import services
from pages._shared.distinct import distinct
from pages._shared.times import moment
from pages._shared.words import plain

__all__ = ["choose_group", "choose_grouping", "group_address", "grouping_titles", "show_when_made"]

_GROUPING, _GROUP = "grouping", "group"
_KEPT = "groups kept"
"""In the session: survey -> the run and the group that were open last; a change of pages forgets
widgets."""
_AWAITED = "groups awaited"
"""In the session: survey -> the runs that were there when another one was started."""


def choose_grouping(survey: str, kept: Sequence[KeptGrouping]) -> KeptGrouping:
    """Have one of them chosen, the newest at first."""
    by_run = {one.run_id: one for one in kept}
    key = f"groups: grouping {survey}"
    before = st.session_state.get(_AWAITED, {}).get(survey)
    if before is not None and kept[0].run_id not in before:
        st.session_state[_AWAITED].pop(survey)
        st.session_state[key] = kept[0].run_id
        st.query_params.pop(_GROUP, None)
    if st.session_state.get(key) not in by_run:
        last = _kept().get(survey, ("", 0))[0]
        given = st.query_params.get(_GROUPING, "")
        if given and given not in by_run:
            st.warning(
                f"The grouping {plain(given[:80])} of this link is not there (any longer); the"
                " newest one is shown."
            )
            st.query_params.pop(_GROUP, None)
        st.session_state[key] = next(
            (one for one in (given, last) if one in by_run), kept[0].run_id
        )
    chosen: str = st.selectbox(
        "Grouping", list(by_run), key=key, format_func=grouping_titles(kept).__getitem__
    )
    st.query_params[_GROUPING] = chosen
    return by_run[chosen]


def grouping_titles(kept: Sequence[KeptGrouping]) -> dict[str, str]:
    """Run -> what each is called among the others: no two alike."""
    by_run = {one.run_id: one for one in kept}
    return distinct(
        {run_id: _words(one) for run_id, one in by_run.items()},
        lambda run_id: by_run[run_id].embedding_run,
        lambda run_id: f"seed {by_run[run_id].seed}",
        lambda run_id: run_id,
    )


def choose_group(survey: str, grouping: KeptGrouping, sizes: Sequence[int]) -> int:
    """Have one of its groups chosen, the largest at first; from 0 on."""
    key = f"groups: group {grouping.run_id}"
    if st.session_state.get(key) not in range(grouping.k):
        run_id, last = _kept().get(survey, ("", 0))
        given = st.query_params.get(_GROUP, "")
        wanted = last if run_id == grouping.run_id else 0
        if given.isdecimal() and len(given) < 9:
            wanted = int(given) - 1
        st.session_state[key] = wanted if 0 <= wanted < grouping.k else 0
    group: int = st.selectbox(
        "Group",
        range(grouping.k),
        key=key,
        format_func=lambda one: f"{choice_of(grouping, one)} ({sizes[one]:,})",
    )
    st.query_params[_GROUP] = str(group + 1)
    _kept()[survey] = (grouping.run_id, group)
    return group


def group_address(grouping: KeptGrouping, group: int) -> str:
    """The address of the page with this group open, and everything else as it is."""
    query = {**st.query_params.to_dict(), _GROUPING: grouping.run_id, _GROUP: str(group + 1)}
    return f"{services().base_path}/groups?{urlencode(query)}"


def show_when_made(survey: str, kept: Sequence[KeptGrouping]) -> None:
    """Open the grouping that was just started, once it is there."""
    st.session_state.setdefault(_AWAITED, {})[survey] = {one.run_id for one in kept}


def _kept() -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = st.session_state.setdefault(_KEPT, {})
    return found


def _words(grouping: KeptGrouping) -> str:
    of = f" of {grouping.encoder}" if grouping.encoder else ""
    made = f", {moment(grouping.made_at):%-d %b %H:%M} UTC" if grouping.made_at else ""
    return f"{grouping.title}{of}{made}"
