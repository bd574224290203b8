"""How a long job tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with a fraction in 0..1 and a sentence; may raise `Cancelled` to stop the job."""


def silent(_fraction: float, _message: str) -> None:
    """A progress that nobody watches."""


def part_of(progress: Progress, low: float, high: float) -> Progress:
    """The progress of a part of a job, which goes from `low` to `high` of the whole."""

    def told(fraction: float, message: str) -> None:
        progress(low + (high - low) * fraction, message)

    return told
