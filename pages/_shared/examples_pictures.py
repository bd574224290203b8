"""Known pictures on the tasks page: examples of a class that the survey does not hold."""

from __future__ import annotations

import base64
import html
from collections import Counter

import streamlit as st

from core.display.render import render_png
from core.errors import SkysiftError
from core.run_pictures import (
    MAX_BYTES,
    KnownPicture,
    add_picture,
    known_pictures,
    picture_content,
    pictures_stamp,
    remove_picture,
)
from core.survey import Survey
from core.survey.outside_picture import outside_picture
from labels_db import Task
from pages._server.services import services
from pages._shared.editing import attempt
from pages._shared.review_words import counted
from pages._shared.words import plain

__all__ = ["draw_pictures", "give_pictures", "take_pictures_away"]

AT_ONCE = 24
SHOWN_PX = 112
SUFFIXES = ("jpg", "jpeg", "png", "tif", "tiff", "fits", "fit", "fz", "gz")

_CSS = """<style>
.pictures { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fill, 7rem); }
.pictures figure { margin: 0; font-size: .78rem; overflow-wrap: anywhere; }
.pictures img { width: 7rem; height: 7rem; image-rendering: pixelated; display: block; }
.pictures .small { opacity: .72; }
</style>"""


def give_pictures(task: Task, survey: Survey, class_name: str) -> None:
    """Draw what takes in pictures as examples of a class; for the owner."""
    if "images" not in survey.manifest.modalities:
        st.caption("This survey has no pictures that a picture could be compared with.")
        return
    # A new key empties the box once its pictures are kept.
    turn = st.session_state.setdefault(f"{task.name}/examples turn", 0)
    uploads = st.file_uploader(
        "Pictures of known objects, one object each",
        type=list(SUFFIXES),
        accept_multiple_files=True,
        max_upload_size=MAX_BYTES // 2**20,
        key=f"{task.name}/examples pictures {turn}",
        help="JPEG or PNG pictures for a survey of such; FITS files with the survey's bands for"
        " one of measured pixels. They are cut or padded to the survey's size.",
    )
    good: list[tuple[str, bytes]] = []
    cells = []
    for upload in uploads[:AT_ONCE]:
        content = upload.getvalue()
        try:
            image = outside_picture(survey, content, upload.name)
        except SkysiftError as error:
            st.error(str(error))
            continue
        good.append((upload.name, content))
        cells.append(_cell(render_png(image, survey.manifest, SHOWN_PX), upload.name))
    if len(uploads) > AT_ONCE:
        st.caption(f"The first {AT_ONCE} are taken; give the others after these.")
    if not good:
        return
    st.caption("As the survey would hold them:")
    st.html(f'{_CSS}<div class="pictures">{"".join(cells)}</div>')

    def add(by: str) -> None:
        for name, content in good:
            add_picture(services().workspace, survey, task, content, name, class_name, by)
        st.session_state[f"{task.name}/examples turn"] = turn + 1

    if st.button(f"Keep {counted(len(good), 'picture')} as {plain(class_name)}", type="primary"):
        attempt(add, "The pictures are kept; the queue follows within a few seconds.")


def draw_pictures(task: Task, survey: Survey) -> list[KnownPicture]:
    """Draw which known pictures a task has, where asked for themselves too, and return them."""
    workspace = services().workspace
    stamp = pictures_stamp(workspace, task.name)
    if not stamp:
        return []
    pictures: list[KnownPicture] = services().example_lists.get(
        (task.name, stamp), lambda: known_pictures(workspace, task.name)
    )
    for one in pictures:
        if one.damage:
            st.error(one.damage)
    many = counted(len(pictures), "picture is a known example", "pictures are known examples")
    st.write(f"{many}:")
    by_class = ", ".join(
        f"{n:,} {plain(name or 'unreadable')}"
        for name, n in Counter(one.class_name for one in pictures).items()
    )
    # Every visitor of the page would wait for them, whichever of its tabs he reads.
    if st.toggle(f"Show them ({by_class})", key=f"{task.name}/examples shown"):
        cells = [
            _cell(
                _thumbnail(task, survey, one),
                one.class_name or one.short,
                f"{one.file_name}, {one.by}, {one.when[:10]}" if not one.damage else "",
            )
            for one in pictures
        ]
        st.html(f'{_CSS}<div class="pictures">{"".join(cells)}</div>')
    return pictures


def _thumbnail(task: Task, survey: Survey, one: KnownPicture) -> bytes:
    """PNG of a known picture as the survey would hold it, kept; empty where it cannot be drawn."""

    def drawn() -> bytes:
        try:
            content = picture_content(services().workspace, task.name, one.sha256)
            image = outside_picture(survey, content, one.file_name)
            return render_png(image, survey.manifest, SHOWN_PX)
        except SkysiftError:  # the sentence above the queue says why it teaches nothing
            return b""

    key = (one.sha256, one.damage, survey.manifest.content_hash)
    return services().example_pictures.get(key, drawn)


def _cell(png: bytes, name: str, about: str = "") -> str:
    address = base64.b64encode(png).decode()
    picture = f'<img src="data:image/png;base64,{address}" alt="">' if png else "<i>unreadable</i>"
    return (
        f"<figure>{picture}{html.escape(name)}"
        f'<div class="small">{html.escape(about)}</div></figure>'
    )


def take_pictures_away(task: Task, pictures: list[KnownPicture]) -> None:
    """Draw what removes known pictures; for the owner."""

    def remove(_by: str) -> None:
        for sha256 in chosen:
            remove_picture(services().workspace, task.name, sha256)

    left, right = st.columns([3, 1], vertical_alignment="bottom")
    by_hash = {one.sha256: one for one in pictures}
    with left:
        chosen = st.multiselect(
            "Take away pictures",
            list(by_hash),
            format_func=lambda one: (
                f"{by_hash[one].file_name or 'unreadable'}"
                f" ({by_hash[one].class_name or '–'}, {by_hash[one].short})"
            ),
            key=f"{task.name}/examples taken",
        )
    with right:
        if st.button("Take away", disabled=not chosen, width="stretch"):
            attempt(remove, "The pictures are gone; the queue follows within a few seconds.")
