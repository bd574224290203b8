"""Times as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["ago", "duration", "moment"]


def moment(text: str) -> datetime:
    """An ISO 8601 time; in UTC where it names no zone."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def ago(seconds: float) -> str:
    """Such as "3 s ago"."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 5400 else f"{seconds / 3600:.0f} h ago"


def duration(seconds: float) -> str:
    """Such as "2 min 5 s"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
