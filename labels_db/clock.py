"""The server's clock in seconds, by which leases run out."""

from __future__ import annotations

import time


def now() -> float:
    """Return the seconds since 1970 (UTC)."""
    return time.time()
