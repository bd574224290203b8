"""Text that people chose, as Markdown shows it unchanged."""

from __future__ import annotations

__all__ = ["plain"]


def plain(text: str) -> str:
    """`text` with Markdown's marks escaped: names of classes and people may hold anything."""
    return "".join(f"\\{mark}" if mark in r"\`*_{}[]()#+-.!|<>~$:" else mark for mark in text)
