"""How a task came to be what it is: every version, who changed what and when."""

from __future__ import annotations

import html
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import streamlit as st

from labels_db import Task, TaskVersion
from pages._server.services import services
from pages._shared.times import moment

__all__ = ["differences", "show_history"]

_WORDS = {
    "question": "question",
    "answers_per_object": "answers for each object",
    "blind": "blind",
    "gold_rate": "share of gold objects",
    "lease_seconds": "seconds until an object is given on",
}
SHOWN = 50

_CSS = """<style>
.versions > div { display: grid; grid-template-columns: 6rem minmax(0, 1fr) auto; gap: 0 1rem;
  padding: .5rem .2rem; align-items: baseline;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.versions .number { font-weight: 600; }
.versions .changes { overflow-wrap: anywhere; }
.versions .when { font-size: .8rem; opacity: .72; font-variant-numeric: tabular-nums; }
@media (max-width: 640px) { .versions > div { grid-template-columns: minmax(0, 1fr); } }
</style>"""


def show_history(task: Task) -> None:
    """Draw the versions, newest first."""
    versions = services().db().task_versions(task.name)
    before: dict[int, TaskVersion] = {new.version: old for old, new in pairwise(versions)}
    rows = [_row(one, before.get(one.version)) for one in versions[: -SHOWN - 1 : -1]]
    st.html(f'{_CSS}<div class="versions">{"".join(rows)}</div>')
    if len(versions) > SHOWN:
        st.caption(f"The {len(versions) - SHOWN:,} versions before are not listed.")
    numbers = [one.version for one in reversed(versions)]
    chosen = st.selectbox(
        "The whole definition of a version", numbers, index=None, placeholder="Choose a version"
    )
    if chosen is not None:
        st.json(next(one.document for one in versions if one.version == chosen))


def _row(one: TaskVersion, old: TaskVersion | None) -> str:
    changes = differences(old.document, one.document) if old else ["made"]
    lines = "".join(f"<div>{html.escape(change)}</div>" for change in changes)
    when = f"{moment(one.changed_at):%-d %b %Y, %H:%M} UTC"
    return (
        f'<div><div class="number">Version {one.version}</div><div class="changes">{lines}</div>'
        f'<div class="when">{when}, {html.escape(one.changed_by)}</div></div>'
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one version's document to the next, a few words each."""
    said = [
        f"{words}: {_value(old.get(name))} → {_value(new.get(name))}"
        for name, words in _WORDS.items()
        if old.get(name) != new.get(name)
    ]
    if _sought(old) != _sought(new):
        said.append(f"looking for: {_sought(old)} → {_sought(new)}")
    if old.get("guideline") != new.get("guideline"):
        sizes = [f"{len(one.get('guideline') or ''):,}" for one in (old, new)]
        said.append(f"guideline: {' → '.join(sizes)} characters")
    if old.get("tree") != new.get("tree"):
        said.append("decision tree changed")
    said += _list_changes("tag", old.get("tags", []), new.get("tags", []))
    said += _class_changes(old.get("classes", []), new.get("classes", []))
    return said or ["nothing changed"]


def _sought(document: Mapping[str, Any]) -> str:
    """The targets of a version; those of before there could be several name one."""
    return ", ".join([document.get("target", ""), *document.get("also_targets", ())])


def _class_changes(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    before = {one["name"]: one for one in old}
    said = []
    for one in new:
        was = before.get(one["name"])
        if was is None:
            said.append(f"class {one['name']} added")
            continue
        if was["retired"] != one["retired"]:
            said.append(f"class {one['name']} {'retired' if one['retired'] else 'offered again'}")
        changed = [
            name for name in ("key", "colour", "guideline", "examples") if was[name] != one[name]
        ]
        if changed:
            said.append(f"class {one['name']}: {', '.join(changed)} changed")
    return said


def _list_changes(what: str, old: list[str], new: list[str]) -> list[str]:
    said = [f"{what} {one} added" for one in new if one not in old]
    said += [f"{what} {one} taken away" for one in old if one not in new]
    return said or ([f"order of the {what}s changed"] if old != new else [])


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)
