"""Names, shares and times as the review page writes them."""

from __future__ import annotations

import html
import math
from datetime import UTC, datetime
from urllib.parse import urlencode

from labels_db import Task
from pages._server.services import services
from pages._shared.times import ago, moment

__all__ = [
    "NOTHING",
    "PERCENT",
    "counted",
    "history_address",
    "interval",
    "percent",
    "share",
    "since",
]

PERCENT = "%.0f%%"
"""How a table writes shares, which it is given as percent."""
NOTHING = "\N{EN DASH}"
"""What stands where there is no number."""


def counted(n: int, one: str, many: str = "") -> str:
    """Such as "1 object" and "1,200 objects"."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def share(value: float, digits: int = 0) -> str:
    """A share of 0..1 as "83%", or a dash."""
    return f"{value:.{digits}%}" if math.isfinite(value) else NOTHING


def percent(value: float) -> float:
    """A share as the number that `PERCENT` writes."""
    return 100 * value


def interval(low: float, high: float) -> str:
    """Such as "57 to 98%"."""
    return f"{100 * low:.0f} to {high:.0%}" if math.isfinite(low) else ""


def since(text: str) -> str:
    """How long ago an ISO 8601 time was; its date where that is days."""
    when = moment(text)
    seconds = (datetime.now(UTC) - when).total_seconds()
    return ago(seconds) if seconds < 48 * 3600 else f"{when:%-d %b %Y}"


def history_address(task: Task, object_id: str) -> str:
    """Address of the review page, open at an object's history; safe inside an attribute."""
    query = urlencode({"task": task.name, "object": object_id})
    return html.escape(f"{services().base_path}/review?{query}")
