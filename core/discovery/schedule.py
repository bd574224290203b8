"""What "default" means: which sampler fills which position of the queue, declared in one place.

A schedule is a cycle of sampler names. The position in it is counted from the first answer of
the task, so that a queue replaced after every few answers still comes to the end of the cycle.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.discovery.registry import SAMPLERS, Need
from core.vocabulary import DEFAULT

COLD_START = ("diverse", "anomaly", "diverse")
"""Until the target and another class are seen. Farthest first meets rare classes that lie inside
the cloud, the isolation forest those outside it; in trials on 19 rare classes this mixture's
worst first find came after half as many answers as with the isolation forest alone."""

TARGET_FINDING = ("most_likely",)
"""From then on. Giving every tenth or fifth place to the least certain or to the cold start found
fewer targets in the same trials."""

DEFAULT_LEARNER = "averaged"
"""The best or within .003 of it on every kind of development set."""


def sampler_names() -> tuple[str, ...]:
    """What `LoopConfig.sampler` may be."""
    return (DEFAULT, *SAMPLERS)


def schedule_of(sampler: str, *, trained: bool) -> tuple[str, ...]:
    """The cycle of samplers that `sampler` stands for; `BadInput` for an unknown name.

    A sampler whose needs are not met yet stands for the cold start.
    """
    if sampler == DEFAULT:
        return TARGET_FINDING if trained else COLD_START
    if SAMPLERS.find(sampler).needs is Need.BOTH_CLASSES and not trained:
        return COLD_START
    return (sampler,)


def unique(names: Iterable[str]) -> list[str]:
    """The names without repetition, in order."""
    return list(dict.fromkeys(names))
