"""Sizes as a person reads them."""

from __future__ import annotations

__all__ = ["size_words"]


def size_words(n_bytes: int) -> str:
    """Such as "1.4 GB"."""
    size = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
