"""The label page: mounts the browser part, which does everything that a label needs."""

from __future__ import annotations

import streamlit as st

from pages._server.services import services
from pages._shared.strategy import strategy_switch
from pages._shared.tasks import the_task
from pages.components.labeller import labeller

__all__ = ["draw"]


def draw() -> None:
    """Draw the page for the chosen task, opening ?object= first."""
    task = the_task()
    strategy_switch(task)
    labeller(
        base_path=services().base_path,
        task=task.name,
        object_id=st.query_params.get("object"),
    )
