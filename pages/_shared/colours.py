"""The colours of classes, the same on every page."""

from __future__ import annotations

from labels_db import Task

__all__ = ["CLASS_COLOURS", "class_colours"]

CLASS_COLOURS = (
    *("#f0a13c", "#45b7a9", "#a88bfa", "#e56b94", "#8cc152"),
    *("#5f8df0", "#d6c34b", "#c98355", "#97a3b6"),
)
"""Of the places 1 to 9, as in labeller.css."""


def class_colours(task: Task) -> dict[str, str]:
    """The colour of each class, its own or that of its place on the label page."""
    own = {one.name: one.colour for one in task.details}
    return {
        name: own[name] or CLASS_COLOURS[place % len(CLASS_COLOURS)]
        for place, name in enumerate(task.every_class)
    }
