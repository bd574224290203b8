"""The label page's browser part, mounted as a Streamlit v2 component."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["labeller", "source"]

FOLDER = Path(__file__).with_name("labeller")
PARTS = ("outbox.js", "pictures.js", "leases.js", "questions.js", "view.js", "labeller.js")
"""Read in this order as one ES module: the sources are the bundle, there is no build step."""


@cache
def source() -> tuple[str, str]:
    """The component's JavaScript and CSS."""
    script = "\n".join((FOLDER / part).read_text(encoding="utf-8") for part in PARTS)
    return script, (FOLDER / "labeller.css").read_text(encoding="utf-8")


@cache
def _component() -> Any:
    script, style = source()
    return st.components.v2.component(
        "skysift_labeller", html='<div class="mount"></div>', css=style, js=script
    )


def labeller(*, base_path: str, task: str, object_id: str | None) -> None:
    """Draw the label page of `task`, opening `object_id` first if it is given."""
    _component()(key="labeller", data={"api": base_path, "task": task, "object": object_id or ""})
