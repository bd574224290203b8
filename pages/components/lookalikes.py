"""The sheet of look-alikes in the browser, mounted as a Streamlit v2 component."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["FOLDER", "picks", "sheet", "source"]

FOLDER = Path(__file__).with_name("lookalikes")
SHARED = "dom.js"
"""A part of the label page that the sheet has, too."""

_KEY = "lookalikes"


@cache
def source() -> tuple[str, str]:
    """The component's JavaScript and CSS, joined as those of the label page are."""
    parts = (FOLDER.with_name("labeller") / SHARED, FOLDER / "lookalikes.js")
    script = "\n".join(path.read_text(encoding="utf-8") for path in parts)
    return script, (FOLDER / "lookalikes.css").read_text(encoding="utf-8")


@cache
def _component() -> Any:
    script, style = source()
    return st.components.v2.component(
        "skysift_lookalikes", html='<div class="mount"></div>', css=style, js=script
    )


def sheet(*, of: str, cells: Sequence[dict[str, Any]]) -> Any:
    """Draw the sheet; the component's state `picked` (see `picks`) and, just after a press, `act`
    ({"kind": "like" | "unlike" | "only", "id": object_id}).

    of: changes with the search; picks are of one search. cells: of each object id, src, href,
    distance, standing, label, colour, known, columns ([name, value]), twin and selected.
    """
    held = (st.session_state.get(_KEY) or {}).get("picked") or {"of": "", "ids": []}
    return _component()(
        key=_KEY,
        data={"of": of, "cells": list(cells), "picked": held},
        default={"picked": {"of": "", "ids": []}},
        on_picked_change=lambda: None,
        on_act_change=lambda: None,
    )


def picks(told: Any, of: str) -> list[str]:
    """The object_ids that are picked in the search `of`, by what `sheet` gave: none where the
    browser has not yet told of this search."""
    picked = getattr(told, "picked", None) or {}
    return list(picked["ids"]) if picked.get("of") == of else []
