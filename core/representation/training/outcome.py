"""What comes of a training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.representation.methods.method import Method


@dataclass(frozen=True)
class PretrainResult:
    """What came of a training.

    Attributes
    ----------
    method
        With the weights kept: those of the best evaluation, or the last where there was none.
    history
        A record of step, loss, its parts, learning_rate and seconds every few steps.
    qualities
        A record of step and quality (measures by name) of the held-out objects.
    ending
        Why it ended, in words.
    best_step
        Steps done when the kept weights were reached.
    best_quality
        Measures at that point; empty where nothing was held out.
    notes
        What else happened, in words: a batch that was halved, say.
    """

    method: Method
    history: list[dict[str, Any]]
    qualities: list[dict[str, Any]] = field(default_factory=list)
    ending: str = ""
    best_step: int = 0
    best_quality: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
