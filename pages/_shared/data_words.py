"""Sizes and settings as a person reads them."""

from __future__ import annotations

__all__ = ["setting_words", "size_words"]


def size_words(n_bytes: int) -> str:
    """Such as "1.4 GB"."""
    size = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def setting_words(value: object) -> str:
    """A setting of an import: lists with commas, dictionaries as name and value."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {setting_words(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(setting_words, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
