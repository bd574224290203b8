"""All tasks at a glance: how far each is, who is at work, what its classes are."""

from __future__ import annotations

import html
from urllib.parse import urlencode

import streamlit as st

from core.errors import SkysiftError
from core.vocabulary import Role
from labels_db import ClassDetail, Task
from pages._server.identity import Identity
from pages._server.services import services
from pages._shared.colours import CLASS_COLOURS

__all__ = ["class_colour", "task_list"]

_CSS = """<style>
.tasks { display: grid; gap: .5rem; max-height: 60vh; overflow-y: auto; }
.tasks a { display: grid; grid-template-columns: minmax(0, 1fr) minmax(9rem, 15rem);
  gap: .3rem 1.6rem; padding: .75rem 1rem; border-radius: 8px; color: inherit !important;
  text-decoration: none !important;
  border: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.tasks a:hover, .tasks a:focus-visible { border-color: #4a97df;
  outline: none; }
.tasks a.here { background: color-mix(in srgb, currentColor 7%, transparent); }
.tasks .name { font-weight: 600; overflow-wrap: anywhere; }
.tasks .question { opacity: .8; overflow-wrap: anywhere; }
.tasks .small { font-size: .78rem; opacity: .72; font-variant-numeric: tabular-nums; }
.tasks .classes { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: .1rem .9rem; }
.tasks .dot { display: inline-block; width: .55rem; height: .55rem; border-radius: 50%;
  margin-right: .4rem; }
.tasks .bar { height: 4px; border-radius: 2px; margin: .45rem 0 .35rem; overflow: hidden;
  background: color-mix(in srgb, currentColor 14%, transparent); }
.tasks .bar div { height: 100%; background: #4a97df; }
@media (max-width: 640px) { .tasks a { grid-template-columns: minmax(0, 1fr); } }
</style>"""


def task_list(tasks: list[Task], chosen: str, identity: Identity) -> None:
    """Draw them, each a link that chooses it."""
    rows = "".join(_row(task, task.name == chosen, identity) for task in tasks)
    st.html(f'{_CSS}<div class="tasks">{rows}</div>')


def class_colour(detail: ClassDetail, place: int) -> str:
    """A class's own colour, or that of its place among the classes."""
    return detail.colour or CLASS_COLOURS[place % len(CLASS_COLOURS)]


def _row(task: Task, here: bool, identity: Identity) -> str:
    link = html.escape(f"{services().base_path}/tasks?{urlencode({'task': task.name})}")
    dots = "".join(
        f'<span><i class="dot" style="background:{class_colour(one, place)}"></i>'
        f"{html.escape(one.name)}</span>"
        for place, one in enumerate(one for one in task.details if not one.retired)
    )
    return (
        f'<a href="{link}" target="_self"{" class=here aria-current=true" if here else ""}>'
        f'<div><div class="name">{html.escape(task.name)}</div>'
        f'<div class="question">{html.escape(task.question)}</div></div>'
        f"<div>{_progress(task, identity)}</div>"
        f'<div class="classes small">{dots}</div></a>'
    )


def _progress(task: Task, identity: Identity) -> str:
    database = services().db()
    done = database.n_answers(task.name)
    at_work = database.n_leased(task.name)
    try:
        size = len(services().survey(task.survey))
        words = f"{done:,} of {size:,} seen"
    except SkysiftError:  # it was deleted; the answers are still there
        size, words = 0, f"{done:,} seen; the survey is not there"
    who = "nobody at work"
    if at_work:
        who = f"{len(at_work)} at work"
        if identity.role is Role.OWNER:
            names = ", ".join(at_work)
            who = f'<span title="{html.escape(names)}">{html.escape(_short(names))} at work</span>'
    share = 100 * min(1.0, done / size) if size else 0
    return (
        f'<div class="small">{html.escape(task.survey)}, {words}</div>'
        f'<div class="bar"><div style="width:{share:.2f}%"></div></div>'
        f'<div class="small">{who}</div>'
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}\N{HORIZONTAL ELLIPSIS}"
