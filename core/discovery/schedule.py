"""What "default" means: which sampler fills which position of the queue, declared in one place.

A schedule is a cycle of sampler names. The position in it is counted from the first answer of
the task, so that a queue replaced after every few answers still comes to the end of the cycle.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.discovery.registry import SAMPLERS, Need
from core.vocabulary import DEFAULT

COLD_START = ("anomaly", "isolated", "anomaly", "diverse")
"""Until the target is seen, by turns, for none is safe alone. On nine development sets the first
target came after 8.3 answers (mean of ten starts each, 68 in the worst of the 90), without
`isolated` after 12.3; docs/discovery.md has the table."""

PATIENCE = 40
"""Answers to places of the start after which a target that was not met is thought to be none of
the odd."""

LATE_START = ("anomaly", "random", "isolated", "random", "anomaly", "random", "diverse", "random")
"""From then on, for what is rare need not be odd: of the narrow-line AGN and the star-forming
galaxies among 12,000 sources, one and two in a hundred, the odd ones show none in 200 answers."""

TARGET_FINDING = ("most_likely",)
"""From then on. Giving every tenth or fifth place to the least certain, or every tenth to the cold
start, found no more targets (area of the finds curve .791, .785 and .791 against .793)."""

SEEKING = 5
"""Of several targets one may be found long before another, of which no model can know yet. As long
as any was not found, so many-th a place of the default goes on as before the first find."""

DEFAULT_LEARNER = "broad"
"""What it is made of was chosen on nine development sets; docs/discovery.md has the areas."""


def sampler_names() -> tuple[str, ...]:
    """What `LoopConfig.sampler` may be."""
    return (DEFAULT, *SAMPLERS)


def cold_start(n_started: int) -> tuple[str, ...]:
    """The cycle of samplers of a task without a find, so many places of the start answered."""
    return COLD_START if n_started < PATIENCE else LATE_START


def n_of_start(asked_by: Iterable[str]) -> int:
    """How many answers were to a place of the start, by the samplers that showed what was answered
    ("" where nobody was shown it): labels from a file are none of them, nor is what the search for
    another target showed."""
    return sum(name in LATE_START for name in asked_by)


def schedule_of(
    sampler: str,
    n_started: int = 0,
    *,
    trained: bool,
    found: bool = False,
    seeking: bool = False,
) -> tuple[str, ...]:
    """The cycle of samplers that `sampler` stands for; `BadInput` for an unknown name.

    A sampler whose needs are not met yet stands for the cold start. n_started: see `n_of_start`;
    trained: the target and another class were answered; found: the target was, which is all that
    some samplers need, or one of several; seeking: another one of these was not.
    """
    if sampler == DEFAULT:
        if not (trained or found):
            return cold_start(n_started)
        if seeking:
            usual = TARGET_FINDING * (SEEKING - 1)
            return tuple(name for one in cold_start(n_started) for name in (*usual, one))
        return TARGET_FINDING
    needs = SAMPLERS.find(sampler).needs
    if needs is Need.BOTH_CLASSES and not trained:
        return cold_start(n_started)
    if needs is Need.TARGET and not (trained or found):
        return cold_start(n_started)
    return (sampler,)


def unique(names: Iterable[str]) -> list[str]:
    """The names without repetition, in order."""
    return list(dict.fromkeys(names))
