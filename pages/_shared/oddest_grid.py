"""The oddest objects as a grid of pictures: place, score, reason, and what is known of each."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.survey import Survey
from labels_db import Task
from pages._server.services import services
from pages._shared.colours import class_colours
from pages._shared.selection_state import object_query
from pages._shared.thumbnails import picture_address

__all__ = ["Card", "draw_cards"]

PICTURE_PX = 256
_UNLABELLED = "#808ca0"
_CSS = """<style>
.thumbs.odd .known img { filter: grayscale(1); opacity: .45; }
.thumbs.odd .known:is(:hover, :focus-visible) img { filter: none; opacity: 1; }
.thumbs.odd .answer { display: flex; align-items: center; gap: .35rem; font-size: .75rem; }
.thumbs.odd .answer i { flex: none; width: .6rem; height: .6rem; border-radius: 50%; }
.thumbs.odd .answer span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.thumbs.odd .name { font-size: .75rem; font-style: italic; opacity: .72; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.thumbs.odd .why { font-size: .75rem; line-height: 1.3; overflow: hidden; display: -webkit-box;
  -webkit-line-clamp: 3; -webkit-box-orient: vertical; }
</style>"""


@dataclass(frozen=True)
class Card:
    """One object of the grid.

    Attributes
    ----------
    object_id, about
        The object, and its place and score.
    why
        What makes it odd, in a few words; "" where it is not told.
    answer
        Its class; "" without an answer.
    known
        "Already known as ..." by a catalogue; "" otherwise.
    """

    object_id: str
    about: str
    why: str = ""
    answer: str = ""
    known: str = ""


def draw_cards(task: Task, survey: Survey, cards: Sequence[Card]) -> None:
    """Draw them; what has an answer or is known is grey until it is pointed at."""
    colours = class_colours(task)
    cells = "".join(
        _cell(task, survey, one, colours.get(one.answer, _UNLABELLED)) for one in cards
    )
    st.html(f'{_CSS}<div class="thumbs odd">{cells}</div>')


def _cell(task: Task, survey: Survey, one: Card, colour: str) -> str:
    name = html.escape(one.object_id)
    link = object_query(task, one.object_id)
    said = [f'<div class="id">{name}</div>', f'<div class="about">{html.escape(one.about)}</div>']
    if one.why:
        said.append(
            f'<div class="why" title="{html.escape(one.why)}">{html.escape(one.why)}</div>'
        )
    if one.answer:
        said.append(
            f'<div class="answer"><i style="background:{html.escape(colour)}"></i>'
            f"<span>{html.escape(one.answer)}</span></div>"
        )
    if one.known:
        known = html.escape(one.known)
        said.append(f'<div class="name" title="{known}">{known}</div>')
    kind = ' class="known"' if one.answer or one.known else ""
    return (
        f'<a{kind} href="{html.escape(services().base_path)}/?{html.escape(link)}"'
        f' title="Open {name} on the label page">'
        f'<img src="{html.escape(picture_address(survey, one.object_id, PICTURE_PX))}" alt=""'
        f' loading="lazy" width="{PICTURE_PX}" height="{PICTURE_PX}">{"".join(said)}</a>'
    )
