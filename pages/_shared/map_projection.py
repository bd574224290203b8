"""Which map is shown, how far it can be believed, the others there are, and making another."""

from __future__ import annotations

import streamlit as st

from core.run_map import PROJECTION_NAMES
from core.survey import Survey
from core.vocabulary import JobKind, Role
from labels_db import RunRow, Task
from pages._server.kept_runs import kept_runs
from pages._server.map_data import KEPT, Placed
from pages._server.map_versions import MapVersion, map_versions
from pages._server.map_view import is_of
from pages._server.services import services
from pages._shared.editing import attempt
from pages._shared.encoders_jobs import draw_job, is_running, start
from pages._shared.sight import is_hidden_here
from pages._shared.times import moment
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["chosen_map", "forget_map", "map_projection"]

_LINK = "map"
"""In the address: the run of the map that somebody chose."""
_CHOSEN = "maps chosen"
"""In the session: survey -> that run."""

_NEWEST = ""
"""Chosen: whichever map is the newest."""

_BELIEVE = (
    "**What to believe.** Objects next to each other are mostly alike; look up an object's"
    " neighbours under Look-alikes, which uses all numbers of the embedding and not these two. How"
    " far apart two groups lie, how large they look and how dense means little. A group on the map"
    " may be none in the embedding, and a rare object need not lie apart."
)


def chosen_map(survey: Survey) -> str | None:
    """The key of the map that this person chose, by the link or here; None for the newest.

    One that is not there (any longer), or not for this person, is told and forgotten.
    """
    chosen: dict[str, str] = st.session_state.setdefault(_CHOSEN, {})
    given = st.query_params.get(_LINK)
    if given and given not in (run for name, run in chosen.items() if name != survey.name):
        chosen[survey.name] = given
    run = chosen.get(survey.name)
    if run is None:
        st.query_params.pop(_LINK, None)
        return None
    if run not in {one.run_id for one in map_versions(services(), survey, who())}:
        _choose(survey, None)
        st.warning(f"There is no map {plain(run[:80])} of this survey; the newest is shown.")
        return None
    if given != run:
        st.query_params[_LINK] = run
    return KEPT + run


def forget_map(survey: Survey) -> None:
    """Show the newest map from now on: the one that was chosen cannot be shown."""
    _choose(survey, None)


def map_projection(task: Task, survey: Survey, placed: Placed, *, is_mapped: bool) -> None:
    """Draw a folded panel about the map that is shown.

    is_mapped: whether the embedding in use has its map; until then that one is being made.
    """
    versions = map_versions(services(), survey, who())
    shown = next((one for one in versions if one.run_id == placed.view.map_run), None)
    if is_mapped:
        draw_job(
            JobKind.MAP,
            survey.name,
            lambda run: _made(survey, run, placed),
            "Make it again below.",
        )
    with st.expander("About this map", icon=":material/info:"):
        if shown is not None:
            for sentence in _about(shown, versions):
                st.markdown(sentence)
        st.markdown(_BELIEVE)
        if versions:
            _versions(survey, versions, shown, placed)
        if is_mapped:
            _making(task, survey)


def _choose(survey: Survey, run: str | None) -> None:
    chosen: dict[str, str] = st.session_state.setdefault(_CHOSEN, {})
    if run is None:
        chosen.pop(survey.name, None)
        st.query_params.pop(_LINK, None)
    else:
        chosen[survey.name] = run
        st.query_params[_LINK] = run


def _made(survey: Survey, run: RunRow, placed: Placed) -> None:
    if run.run_id == placed.view.map_run:
        st.success("The map is made; it is the one below.")
        return
    st.success("The map is made.")
    made = {one.run_id for one in map_versions(services(), survey, who())}
    if run.run_id in made and st.button("Show it", key=f"show {run.run_id}", type="primary"):
        _choose(survey, run.run_id)
        st.rerun()


def _about(shown: MapVersion, versions: list[MapVersion]) -> list[str]:
    """Sentences: what the map is, how far it can be believed, what it was laid over."""
    made = f", made {moment(shown.made):%-d %B %Y, %H:%M} UTC" if shown.made else ""
    first = f"**{shown.title}** of the {plain(shown.encoder)} embedding"
    if shown.taught_by:
        first += f", taught the answers of {plain(', '.join(shown.taught_by))}"
    said = [f"{first}{made}."]
    if shown.taught_by and not shown.is_supervised:
        said.append("Not the map itself was taught them, but the network behind the embedding.")
    if shown.taught_by:
        said.append(
            "Its groups are partly what people answered: it shows how classes lie, and is no"
            " evidence that they differ."
        )
    said.append(_quality(shown))
    moved = shown.result.get("moved")
    if shown.after and moved is not None:
        title = next(
            (one.title for one in versions if one.run_id == shown.after), "the map before"
        )
        begun = ", begun from it" if shown.result.get("started") else ""
        said.append(
            f"Laid over an earlier map ({title}{begun}): half of the"
            f" {shown.result.get('n_common', 0):,} common objects lie within {moved:.0%} of its"
            " width from where they were."
        )
    return [*said, *(plain(str(one)) for one in shown.result.get("notes", ()))]


def _quality(shown: MapVersion) -> str:
    trust, kept = shown.result.get("trustworthiness"), shown.result.get("neighbours_kept")
    if trust is None or kept is None:
        return (
            "How far it can be believed was not measured: there are too few objects, or it is"
            " an early map."
        )
    k = int(shown.result.get("neighbours", 15))
    word = "well" if trust >= 0.9 else "fairly" if trust >= 0.8 else "poorly"
    return (
        f"What lies together on it does so in the embedding {word}: trustworthiness {trust:.2f}"
        f" (1 at best, 0.5 by chance). Of the {k} nearest of an object it keeps {k * kept:.1f}"
        f" among the {k} nearest."
    )


def _versions(
    survey: Survey, versions: list[MapVersion], shown: MapVersion | None, placed: Placed
) -> None:
    names = {one.run_id: _name(one) for one in versions}
    newest = "The newest of the embedding in use"
    is_chosen = placed.key.startswith(KEPT) and shown is not None
    current = shown.run_id if is_chosen and shown is not None else _NEWEST
    options = [_NEWEST, *names]
    picked = st.selectbox(
        "Map",
        options,
        options.index(current),
        lambda run: names.get(run, newest),
        key=f"map shown {survey.name} {current} {len(options)}",
        help="The link of this page keeps what you choose.",
    )
    if picked != current:
        _choose(survey, picked or None)
        st.rerun()


def _name(one: MapVersion) -> str:
    made = f", {moment(one.made):%-d %b %H:%M}" if one.made else ""
    taught = f", taught {', '.join(one.taught_by)}" if one.taught_by else ""
    return f"{one.title} of {one.encoder}{made}{taught}"


def _making(task: Task, survey: Survey) -> None:
    st.markdown("**Another map**")
    if who().role is not Role.OWNER:
        st.caption("The owner can make one here.")
        return
    from core.mapping import PROJECTIONS

    name = st.segmented_control(
        "Projection",
        PROJECTION_NAMES,
        default=PROJECTION_NAMES[0],
        format_func=lambda one: PROJECTIONS[one].title,
        key=f"map projection {survey.name}",
    )
    if name is None:
        st.caption("Choose a projection.")
        return
    st.caption(f"{PROJECTIONS[name].title} {PROJECTIONS[name].about}.")
    embeddings = {
        one.run_id: f"{one.config.get('encoder', '')}, {one.run_id}"
        for one in kept_runs(survey, JobKind.EMBED)
        if is_of(survey, one)
    }
    in_use = services().embedding(survey).run_id
    options = sorted(embeddings, key=lambda run: run != in_use)
    run = st.selectbox(
        "Embedding",
        options,
        format_func=lambda one: embeddings[one] + (" (in use)" if one == in_use else ""),
        key=f"map embedding {survey.name}",
    )
    taught = False
    if PROJECTIONS[name].takes_labels and not is_hidden_here(task):
        taught = st.checkbox(
            f"Teach it the answers of {plain(task.name)}",
            key=f"map taught {task.name}",
            help="Classes are drawn together and pushed apart. On a blind task only the owner sees"
            " such a map.",
        )
    over = st.checkbox(
        "Lay it over the newest map",
        value=True,
        key=f"map over {survey.name}",
        help="It is turned, mirrored and sized so that objects lie near where they were.",
    )
    arguments = [survey.name, f"--projection={name}", f"--embedding={run}"]
    arguments += [f"--supervised={task.name}"] if taught else []
    arguments += [] if over else ["--anew"]
    if is_running(JobKind.MAP, survey.name):
        st.caption("A map of this survey is being made; wait until it is done.")
    elif st.button("Make this map", type="primary", key=f"make map {survey.name}"):
        attempt(lambda _by: start(JobKind.MAP, survey.name, arguments), "The job started.")
