"""Text that people chose, as Markdown shows it unchanged."""

from __future__ import annotations

import shlex

from labels_db import Task
from pages._server.services import services

__all__ = ["command", "plain", "sought"]


def command(*words: str) -> str:
    """A command line to copy, with this workspace: `python -m core.run WORDS --workspace PATH`."""
    where = ("--workspace", str(services().workspace.root))
    return "python -m core.run " + shlex.join([*words, *where])


def sought(task: Task) -> str:
    """What a task looks for: "A", or "A or B" of several targets."""
    *others, last = map(plain, task.targets)
    return f"{', '.join(others)} or {last}" if others else last


def plain(text: str) -> str:
    """`text` with Markdown's marks escaped: names of classes and people may hold anything."""
    return "".join(f"\\{mark}" if mark in r"\`*_{}[]()#+-.!|<>~$:" else mark for mark in text)
