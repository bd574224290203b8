"""Small pictures of objects, each with its id and a link to the label page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from core.survey import Survey
from labels_db import Task
from pages._server.services import services
from pages._shared.selection_state import object_query

__all__ = ["Thumbnail", "picture_address", "thumbnails"]


@dataclass(frozen=True)
class Thumbnail:
    """One object and a line about it."""

    object_id: str
    about: str


def picture_address(survey: Survey, object_id: str, size_px: int) -> str:
    """Address of an object's picture; the hash keeps a browser from showing an older survey's."""
    query: dict[str, object] = {
        "survey": survey.name,
        "version": survey.version,
        "hash": survey.manifest.content_hash[:16],
        "object_id": object_id,
        "size": size_px,
    }
    # What is drawn rather than taken follows the page's colours, which are dark unless told.
    if survey.manifest.modalities != ("images",) and st.context.theme.type == "light":
        query["theme"] = "light"
    return f"{services().base_path}/api/image?{urlencode(query)}"


def thumbnails(task: Task, survey: Survey, objects: Sequence[Thumbnail]) -> None:
    """Draw them as a grid."""
    cells = []
    for one in objects:
        link = object_query(task, one.object_id)
        name = html.escape(one.object_id)
        cells.append(
            f'<a href="{html.escape(services().base_path)}/?{html.escape(link)}"'
            f' title="Open {name} on the label page">'
            f'<img src="{html.escape(picture_address(survey, one.object_id, 256))}" alt=""'
            f' loading="lazy" width="256" height="256"><div class="id">{name}</div>'
            f'<div class="about">{html.escape(one.about)}</div></a>'
        )
    st.html(f'<div class="thumbs">{"".join(cells)}</div>')
