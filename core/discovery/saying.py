"""What samplers show, in words for people."""

from __future__ import annotations

from core.discovery.registry import LEARNERS, SAMPLERS
from core.discovery.samplers.portfolio import ARMS, COLD_ARMS


def sampler_words() -> dict[str, str]:
    """Name -> a sentence, of each sampler and of the arms of the portfolio (SAMPLER/LEARNER)."""
    words = {name: f"Showing {entry.description}." for name, entry in SAMPLERS.items()}
    for arm in (*COLD_ARMS, *ARMS):
        if arm.learner is not None:
            learner = LEARNERS[arm.learner].description
            words[arm.name] = f"Showing {SAMPLERS[arm.sampler].description}, by {learner}."
    return words
