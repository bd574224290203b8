"""Known examples on the tasks page: what there is, and objects of the survey that are examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.discovery.examples import Examples
from core.errors import BadInput, SkysiftError
from core.run_examples import DEFAULT_RADIUS_ARCSEC, SOURCE, add_examples, find_examples
from core.survey import Survey
from labels_db import Task
from pages._server.positions import looks_like_position
from pages._server.services import services
from pages._shared.data_roots import checked_source
from pages._shared.editing import as_owner, attempt, field
from pages._shared.examples_pictures import draw_pictures, give_pictures, take_pictures_away
from pages._shared.review_words import counted
from pages._shared.sight import is_hidden_here
from pages._shared.words import plain

__all__ = ["examples_panel", "told_apart"]

MAX_LINES = 2_000
LISTED = 200


@dataclass(frozen=True)
class Looked:
    """What was looked up, and in which content: a survey made anew under its name is another."""

    content_hash: str
    found: Examples


def examples_panel(task: Task, *, is_owner: bool) -> None:
    """Draw what is known of the task from the start, and for the owner what gives it more."""
    if is_hidden_here(task):
        st.info(
            "On this task nobody but the owner sees what others answered, and known examples are"
            " answers too."
        )
        return
    try:
        survey = services().survey(task.survey)
    except SkysiftError as error:
        st.error(str(error))
        return
    st.caption(
        "Known examples steer the search before the first answer: objects of the survey get a"
        " label, pictures of objects elsewhere are taught to the model beside the labels."
    )
    _there(task)
    pictures = draw_pictures(task, survey)
    if not is_owner:
        st.caption("Only the owner gives and takes away known examples.")
        return
    if pictures:
        take_pictures_away(task, pictures)
    class_name = st.selectbox(
        "They are examples of",
        task.classes,
        key=field(f"{task.name}/examples class", task.target, task.classes),
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("##### Objects of the survey")
        _objects(task, survey, class_name)
    with right:
        st.markdown("##### Pictures from elsewhere")
        give_pictures(task, survey, class_name)


def _there(task: Task) -> None:
    db = services().db()
    key = (task.name, task.version, db.last_seq(task.name))
    given: dict[str, str] = services().given.get(key, lambda: db.given_as(task.name, SOURCE))
    if not given:
        st.write("No object of the survey was given as a known example yet.")
        return
    by_class = ", ".join(f"{n:,} {plain(name)}" for name, n in Counter(given.values()).items())
    said = counted(
        len(given),
        "object of the survey is a known example",
        "objects of the survey are known examples",
    )
    st.write(f"{said}: {by_class}.")


def told_apart(text: str, survey: Survey) -> tuple[list[str], list[str]]:
    """Ids and positions among lines that somebody typed; an id may look like a position.

    Raises
    ------
    BadInput
        There are more than `MAX_LINES`.
    """
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if len(lines) > MAX_LINES:
        raise BadInput(
            f"Up to {MAX_LINES:,} ids or positions are looked up at once, but {len(lines):,} came;"
            " give the others after these, or a table with the positions of all."
        )
    ids: list[str] = []
    positions: list[str] = []
    there = set(survey.object_ids.tolist())
    for line in lines:
        is_place = line not in there and looks_like_position(line)
        (positions if is_place else ids).append(line)
    return ids, positions


def _objects(task: Task, survey: Survey, class_name: str) -> None:
    with st.form("known objects", border=False):
        typed = st.text_area(
            f"Ids or positions, one a line (up to {MAX_LINES:,})",
            placeholder="SDSS-17\n150.116 2.205\n10:00:27.8 +02:12:18",
            height=130,
            key=f"{task.name}/examples typed",
        )
        path = st.text_input(
            "Catalogue of known objects: path of a table",
            placeholder="/data/lenses.csv",
            help="CSV, Parquet, FITS, VOTable and others with positions, in one of the folders"
            " that data may be read from.",
            key=f"{task.name}/examples catalogue",
        )
        radius = st.number_input(
            "Within (arcsec)",
            0.01,
            3600.0,
            DEFAULT_RADIUS_ARCSEC,
            key=f"{task.name}/examples radius",
        )
        wanted = st.form_submit_button("Look them up")
    kept = f"{task.name}/examples found"
    if wanted:
        st.session_state.pop(kept, None)
        try:
            found = _found(survey, typed, path, radius)
            st.session_state[kept] = Looked(survey.manifest.content_hash, found)
        except SkysiftError as error:
            st.error(str(error))
    looked = st.session_state.get(kept)
    if not isinstance(looked, Looked):
        return
    if looked.content_hash != survey.manifest.content_hash:
        st.caption("The survey has changed since these were looked up; look them up again.")
        return
    _preview(task, survey, looked.found, class_name, kept)


def _found(survey: Survey, typed: str, path: str, radius_arcsec: float) -> Examples:
    as_owner()
    ids, positions = told_apart(typed, survey)
    catalogues = [str(checked_source(path))] if path.strip() else []
    with st.spinner("Looking them up", show_time=True):
        return find_examples(
            survey,
            ids=ids,
            positions=positions,
            catalogues=catalogues,
            radius_arcsec=radius_arcsec,
        )


def _preview(task: Task, survey: Survey, found: Examples, class_name: str, kept: str) -> None:
    for sentence in found.sentences():
        st.write(plain(sentence))
    if not found:
        st.caption("Type ids or positions, or name a catalogue; a wider radius matches more.")
        return
    now = services().db().current_classes(task.name)
    rows = list(found.rows.items())[:LISTED]
    ids = [str(survey.object_ids[row]) for row, _ in rows]
    st.dataframe(
        pd.DataFrame(
            {
                "Object": ids,
                "Named by": [name for _, name in rows],
                "Apart (arcsec)": [found.apart_arcsec.get(row) for row, _ in rows],
                "Label now": [now.get(object_id) for object_id in ids],
            }
        ),
        hide_index=True,
        width="stretch",
        height="content" if len(rows) <= 8 else 320,
        column_config={"Apart (arcsec)": st.column_config.NumberColumn(format="%.2f")},
    )
    if len(found) > LISTED:
        st.caption(f"And {len(found) - LISTED:,} more.")
    others = sum(
        now.get(str(survey.object_ids[row]), class_name) != class_name for row in found.rows
    )
    if others:
        st.caption(
            f"{counted(others, 'object has', 'objects have')} another label now; where one answer"
            " settles an object it is replaced."
        )

    def add(by: str) -> None:
        add_examples(services().db(), survey, task.name, found, class_name, by)
        st.session_state.pop(kept, None)

    name = plain(class_name)
    if st.button(f"Label {counted(len(found), 'object')} as {name}", type="primary"):
        attempt(add, "The known examples are labelled; the queue follows within a moment.")
