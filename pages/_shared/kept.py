"""What a page has reckoned of a task, kept between reruns and shared by all who look."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import streamlit as st

from labels_db import Task
from pages._server.services import services

__all__ = ["kept_of"]

T = TypeVar("T")


def kept_of(task: Task, kind: type[T]) -> T:
    """The one `kind()` of this task: made when first asked for, shared by threads and users.

    A task made anew under an old name, or in another workspace, has one of its own.
    """
    name = f"{kind.__module__}.{kind.__qualname__}"
    task_id = f"{services().workspace.root}\n{task.name}\n{task.created_at}"
    return cast(T, _kept(name, task_id, kind))


@st.cache_resource(max_entries=64, show_spinner=False)
def _kept(name: str, task_id: str, _kind: type[Any]) -> Any:
    del name, task_id  # Streamlit keeps one for each of them
    return _kind()
