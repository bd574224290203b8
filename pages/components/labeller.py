"""The label page's browser part, mounted as a Streamlit v2 component."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["labeller", "source"]

FOLDER = Path(__file__).with_name("labeller")
ENTRY = "labeller.js"
"""Has the default export; the other parts only declare what it uses."""


@cache
def source() -> tuple[str, str]:
    """The component's JavaScript and CSS: the sources are the bundle, there is no build step.

    All of labeller/*.js is one ES module, so that a name may be declared in one part only.
    """
    return _joined("*.js", ENTRY), _joined("*.css", "labeller.css", first=True)


def _joined(pattern: str, entry: str, *, first: bool = False) -> str:
    """The files of the folder by name, `entry` at the end or, for style, at the beginning."""
    parts = sorted(path for path in FOLDER.glob(pattern) if path.name != entry)
    parts = [FOLDER / entry, *parts] if first else [*parts, FOLDER / entry]
    return "\n".join(path.read_text(encoding="utf-8") for path in parts)


@cache
def _component() -> Any:
    script, style = source()
    return st.components.v2.component(
        "skysift_labeller", html='<div class="mount"></div>', css=style, js=script
    )


def labeller(*, base_path: str, task: str, object_id: str | None) -> None:
    """Draw the label page of `task`, opening `object_id` first if it is given."""
    _component()(key="labeller", data={"api": base_path, "task": task, "object": object_id or ""})
