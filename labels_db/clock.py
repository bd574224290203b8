"""The server's clock in seconds, by which leases run out."""

from __future__ import annotations

import time


def now() -> float:
    """Return the seconds since 1970 (UTC)."""
    return time.time()


SLACK_S = 60.0
"""A lease that seems to run for longer than leases do was made before the clock was set back."""
