"""The surveys of the workspace, and which of them is looked at."""

from __future__ import annotations

import html
import os
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from core.errors import SkysiftError
from core.survey import Survey
from pages._server.services import services
from pages._shared.data_words import size_words

__all__ = ["choose_survey", "size_on_disk", "survey_list"]

_CSS = """<style>
.surveys { display: grid; gap: .5rem; max-height: min(15rem, 34vh); overflow-y: auto; }
.surveys a { display: grid; gap: .2rem 1.6rem; padding: .7rem 1rem; border-radius: 8px;
  grid-template-columns: minmax(0, 1.2fr) minmax(0, 1fr) minmax(0, 1.6fr); align-items: baseline;
  color: inherit !important; text-decoration: none !important;
  border: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.surveys a:hover, .surveys a:focus-visible { border-color: #4a97df; outline: none; }
/* The chosen one stays in sight however far the list is scrolled. */
.surveys a.here { position: sticky; top: 0; bottom: 0;
  background: color-mix(in srgb, currentColor 9%, Canvas); }
.surveys .name { font-weight: 600; overflow-wrap: anywhere; }
.surveys .small { font-size: .8rem; opacity: .78; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
@media (max-width: 640px) { .surveys a { grid-template-columns: minmax(0, 1fr); } }
</style>"""


def choose_survey(names: list[str]) -> str:
    """The survey in the address, else that of the task, else the first."""
    wanted = st.query_params.get("survey")
    if wanted in names:
        return str(wanted)
    task = st.session_state.get("task")
    of_task = services().db().task(task).survey if task else None
    chosen = of_task if of_task in names else names[0]
    if wanted is not None:
        st.warning(f"There is no survey {wanted[:80]!r}; showing {chosen}.")
    st.query_params["survey"] = str(chosen)
    return str(chosen)


def survey_list(names: list[str], chosen: str) -> None:
    """Draw them, each a link that chooses it."""
    rows = "".join(_row(name, name == chosen) for name in names)
    st.html(f'{_CSS}<div class="surveys">{rows}</div>')


def _address(name: str) -> str:
    query = {"survey": name, "view": "surveys"}
    if st.session_state.get("task"):
        query["task"] = st.session_state["task"]
    return f"{services().base_path}/data?{urlencode(query)}"


def _row(name: str, here: bool) -> str:
    try:
        survey = services().survey(name)
        about, origin = _about(survey), survey.manifest.origin or "origin not stated"
        version = f"version {survey.version}, {size_words(size_on_disk(survey))}"
    except SkysiftError as error:  # a damaged one must not hide the others
        about, origin, version = "cannot be opened", str(error), ""
    return (
        f'<a href="{html.escape(_address(name))}" target="_self"'
        f"{' class=here aria-current=true' if here else ''}>"
        f'<div><div class="name">{html.escape(name)}</div>'
        f'<div class="small">{html.escape(version)}</div></div>'
        f'<div class="small">{html.escape(about)}</div>'
        f'<div class="small">{html.escape(_short(origin))}</div></a>'
    )


def _about(survey: Survey) -> str:
    manifest = survey.manifest
    rejected = f", {manifest.n_rejects:,} rejected" if manifest.n_rejects else ""
    return f"{manifest.n_objects:,} objects{rejected}; {', '.join(manifest.modalities)}"


def size_on_disk(survey: Survey) -> int:
    """Bytes of a version's files."""
    return _folder_size(str(survey.path), survey.manifest.content_hash)


@lru_cache(maxsize=256)
def _folder_size(path: str, _content_hash: str) -> int:
    total = 0
    for folder, _folders, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(Path(folder) / name).st_size
            except OSError:
                continue
    return total


def _short(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:159]}\N{HORIZONTAL ELLIPSIS}"
