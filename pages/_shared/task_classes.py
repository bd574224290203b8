"""A task's classes: keys, colours, guidelines, examples; adding, retiring and bringing back."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from core.vocabulary import Role
from labels_db import ClassDetail, Task, class_keys
from pages._server.identity import Identity
from pages._server.services import services
from pages._shared.colours import CLASS_COLOURS
from pages._shared.editing import attempt, field
from pages._shared.task_list import class_colour
from pages._shared.thumbnails import Thumbnail, picture_address, thumbnails

__all__ = ["edit_classes", "show_classes"]

_CSS = """<style>
.classlist { display: grid; gap: .15rem; }
.classlist > div { display: grid; grid-template-columns: 1.6rem minmax(0, 1fr) auto;
  gap: 0 .7rem; padding: .55rem .2rem;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.classlist .key { font: .75rem var(--st-code-font, ui-monospace, monospace); text-align: center;
  border-radius: 5px; height: 1.5rem; line-height: 1.5rem; font-weight: 700; }
.classlist .name { font-weight: 600; overflow-wrap: anywhere; }
.classlist .what { font-weight: 400; font-size: .75rem; opacity: .7; margin-left: .5rem; }
.classlist .number { font-size: .8rem; opacity: .72; font-variant-numeric: tabular-nums; }
.classlist .guide { grid-column: 2 / -1; font-size: .85rem; opacity: .8; max-width: 46rem;
  overflow-wrap: anywhere; white-space: pre-line; }
.classlist .shown { grid-column: 2 / -1; display: flex; flex-wrap: wrap; gap: .35rem;
  margin-top: .4rem; }
.classlist .shown img { width: 56px; height: 56px; border-radius: 6px; object-fit: cover;
  background: #05070a; }
.classlist .retired { opacity: .55; }
</style>"""


def show_classes(task: Task, identity: Identity) -> None:
    """Draw all classes, the retired ones last."""
    # The classes of a tree are reached by its questions.
    keys = class_keys(task.details) if task.tree is None else {}
    counts = services().db().counts(task.name)
    # On a blind task the counts would tell an annotator what the others answer.
    counted = identity.role is Role.OWNER or not task.blind
    active = [one for one in task.details if not one.retired]
    retired = [one for one in task.details if one.retired]
    rows = [
        _row(
            task, one, keys.get(one.name, ""), place, counts.get(one.name, 0) if counted else None
        )
        for place, one in enumerate([*active, *retired])
    ]
    st.html(f'{_CSS}<div class="classlist">{"".join(rows)}</div>')


def edit_classes(task: Task, identity: Identity) -> None:
    """Draw them for the owner to change."""
    show_classes(task, identity)
    st.space("small")
    left, right = st.columns(2, gap="medium")
    with left:
        _edit_one(task)
    with right:
        _add(task)


def _row(task: Task, detail: ClassDetail, key: str, place: int, n: int | None) -> str:
    what = "retired" if detail.retired else "target" if detail.name in task.targets else ""
    colour = class_colour(detail, place)
    number = "" if n is None else f"{n:,} labelled"
    pictures = ""
    if detail.examples:
        survey = services().survey(task.survey)
        pictures = "".join(
            f'<img src="{html.escape(picture_address(survey, one, 64))}" alt="{html.escape(one)}"'
            f' title="{html.escape(one)}" loading="lazy">'
            for one in detail.examples
        )
        pictures = f'<div class="shown">{pictures}</div>'
    return (
        f"<div{' class=retired' if detail.retired else ''}>"
        f'<div class="key" style="background:{colour};color:{_ink(colour)}">'
        f"{html.escape(key.upper())}</div>"
        f'<div class="name">{html.escape(detail.name)}<span class="what">{what}</span></div>'
        f'<div class="number">{number}</div>'
        f'<div class="guide">{html.escape(detail.guideline)}</div>{pictures}</div>'
    )


def _ink(colour: str) -> str:
    """Black or white, whichever is read more easily on "#rrggbb" (WCAG 2.1's contrast)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels
    )
    return "#0c0f14" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else "#ffffff"


def _edit_one(task: Task) -> None:
    names = [one.name for one in task.details]
    chosen = st.selectbox("Change the class", names, key=f"{task.name}/class")
    detail = next((one for one in task.details if one.name == chosen), task.details[0])
    place = names.index(detail.name)
    key = f"{task.name}/{detail.name}/"
    with st.form("class"):
        letter, colour = _key_and_colour(key, detail, place)
        guideline = st.text_area(
            "What counts as this class",
            height=120,
            key=field(f"{key}guideline", detail.guideline),
        )
        examples = st.text_area(
            "Examples: object_ids, one a line",
            height=90,
            key=field(f"{key}examples", "\n".join(detail.examples)),
        )
        if st.form_submit_button("Save the class"):
            wanted: dict[str, Any] = {
                "key": letter.strip().lower(),
                # The palette's colour, left as it is, stays the palette's.
                "colour": detail.colour if colour == class_colour(detail, place) else colour,
                "guideline": guideline.strip(),
                "examples": tuple(line.strip() for line in examples.splitlines() if line.strip()),
            }
            changes = {name: new for name, new in wanted.items() if new != getattr(detail, name)}
            if changes:
                attempt(
                    lambda by: _change(task, detail.name, by, changes),
                    f"{detail.name} is saved.",
                )
    if detail.examples:
        survey = services().survey(task.survey)
        thumbnails(task, survey, [Thumbnail(one, "") for one in detail.examples])
    _retire(task, detail)


def _change(task: Task, name: str, by: str, changes: dict[str, Any]) -> None:
    survey = services().survey(task.survey)
    for one in changes.get("examples", ()):
        survey.row(one)  # NotFound says which one the survey lacks
    services().db().change_class(task.name, name, by, **changes)


def _retire(task: Task, detail: ClassDetail) -> None:
    database = services().db()
    if detail.retired:
        if st.button("Offer it again"):
            attempt(
                lambda by: database.restore_class(task.name, detail.name, by),
                f"{detail.name} is offered again.",
            )
    elif st.button(
        "Retire this class", help="It is offered no more; what was labelled so stays so."
    ):
        attempt(
            lambda by: database.retire_class(task.name, detail.name, by),
            f"{detail.name} is retired.",
        )


def _add(task: Task) -> None:
    # Emptied after a class was added, and only then: the next one gets fields of its own.
    key = f"{task.name}/new {len(task.details)}/"
    used = {class_colour(one, place) for place, one in enumerate(task.details)}
    colour = next((one for one in CLASS_COLOURS if one not in used), CLASS_COLOURS[0])
    blank = ClassDetail("", colour=colour)
    with st.form("add a class"):
        name = st.text_input("Add a class", placeholder="Its name", key=f"{key}name")
        letter, colour = _key_and_colour(key, blank, len(task.details))
        guideline = st.text_area("What counts as this class", height=120, key=f"{key}guideline")
        if st.form_submit_button("Add the class"):
            detail = ClassDetail(name.strip(), letter, colour, guideline.strip())
            attempt(
                lambda by: services().db().add_class(task.name, detail, by),
                f"{detail.name} is added.",
            )
    if task.tree is not None:
        st.caption("The decision tree then needs an answer that ends at it.")


def _key_and_colour(key: str, detail: ClassDetail, place: int) -> tuple[str, str]:
    left, right = st.columns([3, 1])
    with left:
        letter = st.text_input(
            "Key (empty: by its place)",
            max_chars=1,
            key=field(f"{key}key", detail.key),
            help="A digit, or a letter that the label page does not use itself.",
        )
    with right:
        colour = st.color_picker("Colour", key=field(f"{key}colour", class_colour(detail, place)))
    return letter, colour
