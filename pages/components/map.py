"""The map's browser part, mounted as a Streamlit v2 component."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["FOLDER", "sky_map", "source"]

FOLDER = Path(__file__).with_name("map")
ENTRY = "map.js"
"""Has the default export; the other parts only declare what it uses."""
SHARED = ("dom.js", "net.js")
"""Parts of the label page that the map has, too."""


@cache
def source() -> tuple[str, str]:
    """The component's JavaScript and CSS, joined as those of the label page are.

    The drawing library is not among it: the browser fetches it by its own address, once.
    """
    own = sorted(path for path in FOLDER.glob("*.js") if path.name != ENTRY)
    parts = [*(FOLDER.with_name("labeller") / name for name in SHARED), *own, FOLDER / ENTRY]
    script = "\n".join(path.read_text(encoding="utf-8") for path in parts)
    return script, (FOLDER / "map.css").read_text(encoding="utf-8")


@cache
def _component() -> Any:
    script, style = source()
    return st.components.v2.component(
        "skysift_map", html='<div class="mount"></div>', css=style, js=script
    )


def sky_map(
    *,
    base_path: str,
    task: str,
    of: str,
    selection: str | None,
    filter_text: str = "",
    chosen: str = "",
) -> Any:
    """Draw the map of a task's survey; the component's state: `selection`, the id of what was
    selected last, and `webgl`, a word where the browser cannot draw.

    of: changes with the map, which is then fetched anew. selection: the one to show. filter_text:
    the filter as a link carries it, "" for none. chosen: the map to show, "" for the newest.
    """
    return _component()(
        key="map",
        data={
            "api": base_path,
            "task": task,
            "of": of,
            "selection": selection,
            "filter": filter_text,
            "chosen": chosen,
        },
        on_selection_change=lambda: None,
        on_webgl_change=lambda: None,
    )
