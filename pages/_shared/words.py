"""Text that people chose, as Markdown shows it unchanged."""

from __future__ import annotations

import shlex

from pages._server.services import services

__all__ = ["command", "plain"]


def command(*words: str) -> str:
    """A command line to copy, with this workspace: `python -m core.run WORDS --workspace PATH`."""
    where = ("--workspace", str(services().workspace.root))
    return "python -m core.run " + shlex.join([*words, *where])


def plain(text: str) -> str:
    """`text` with Markdown's marks escaped: names of classes and people may hold anything."""
    return "".join(f"\\{mark}" if mark in r"\`*_{}[]()#+-.!|<>~$:" else mark for mark in text)
