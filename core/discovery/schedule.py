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

TARGET_FINDING = ("most_likely",)
"""From then on. Giving every tenth or fifth place to the least certain, or every tenth to the cold
start, found no more targets (area of the finds curve .791, .785 and .791 against .793)."""

DEFAULT_LEARNER = "averaged"
"""Mean area of the finds curve of 200 answers on thirteen development sets: .80, against .79 for
the trees and .78 for the logistic regression alone; on embeddings of pictures the three lie within
the scatter of the start."""


def sampler_names() -> tuple[str, ...]:
    """What `LoopConfig.sampler` may be."""
    return (DEFAULT, *SAMPLERS)


def schedule_of(sampler: str, *, trained: bool, found: bool = False) -> tuple[str, ...]:
    """The cycle of samplers that `sampler` stands for; `BadInput` for an unknown name.

    A sampler whose needs are not met yet stands for the cold start. trained: the target and
    another class were answered; found: the target was, which is all that some samplers need.
    """
    if sampler == DEFAULT:
        return TARGET_FINDING if trained or found else COLD_START
    needs = SAMPLERS.find(sampler).needs
    if needs is Need.BOTH_CLASSES and not trained:
        return COLD_START
    if needs is Need.TARGET and not (trained or found):
        return COLD_START
    return (sampler,)


def unique(names: Iterable[str]) -> list[str]:
    """The names without repetition, in order."""
    return list(dict.fromkeys(names))
