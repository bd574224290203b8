"""Batch, learning rate and steps by rule, from the pictures there are and the time granted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.config import PretrainConfig
from core.errors import BadInput
from core.progress import Progress, silent
from core.representation.memory import out_of_memory
from core.representation.methods.method import method_named
from core.representation.training.loop import (
    EVALUATE_FEWEST_STEPS,
    EVALUATIONS,
    SMALLEST_BATCH,
    Fetch,
    Trainer,
)
from core.representation.training.order import divided
from core.representation.training.team import Team

BATCH, RATE = "batch_size", "learning_rate"
BY_RULE = frozenset({BATCH, RATE})
"""What a plan chooses unless told."""

ENOUGH_STEPS = 300
"""The batch is halved, down to a third of the method's own, until the time allows so many."""

FEW_STEPS = 20
"""Minutes that leave time for fewer are told of."""

TIMED_STEPS, TIMED_SECONDS, TIMED_SHARE = 5, 6.0, 0.05
"""Steps that are timed at most, and when timing ends before: after so many seconds or so large a
share of the time granted."""

RESERVED = 0.02
"""Share of the time kept for checkpoints and for writing the weights."""


def stopwatch(clock: Callable[[], float] = time.monotonic) -> Callable[[], float]:
    """Seconds of `clock` since now; `time.process_time` counts those that the processor worked."""
    began = clock()
    return lambda: clock() - began


@dataclass(frozen=True)
class Plan:
    """Settings that are complete, and what they are in words."""

    config: PretrainConfig
    words: str


def planned(
    fetch: Fetch,
    count: int,
    config: PretrainConfig,
    *,
    minutes: float | None = None,
    by_rule: Collection[str] = BY_RULE,
    bands: int = 3,
    groups: NDArray[np.int64] | None = None,
    spent: Callable[[], float] | None = None,
    progress: Progress = silent,
) -> Plan:
    """Complete a configuration.

    The batch is the method's own, less in a small survey or where the time is short; the learning
    rate goes with the square root of the batch; the steps are those that fit into the minutes, by
    timing a few of them here and now. They become a count once, and the count is what is saved:
    so a run repeats.

    Several processes that have joined all call this, and the main one's clock counts.

    Parameters
    ----------
    minutes
        For everything; None leaves the steps.
    spent
        Seconds of them that are gone, by whatever clock they are of; by default they begin now.
    by_rule
        Which of batch_size and learning_rate are chosen; the others are as in the config.
    """
    spent = spent or stopwatch()
    cls = method_named(config.method)
    trained = len(divided(count, config.seed, groups)[0])
    if BATCH in by_rule:
        config = replace(config, batch_size=max(4, _whole(min(cls.batch_size, trained))))
    each = 0.0
    if minutes is not None:
        seconds = minutes * 60
        progress(0.0, "timing a few steps to turn the minutes into steps")
        most = TIMED_SHARE * seconds
        fits, each, once = _timed(fetch, count, config, bands, groups, most, spent)
        config = replace(config, batch_size=fits)
        left = (seconds - spent()) * (1 - RESERVED)
        left, each, once = Team.present().told([left, each, once])
        while BATCH in by_rule and _steps(left, each, once) < ENOUGH_STEPS:
            smaller = _whole(config.batch_size // 2)
            if smaller < max(16, cls.batch_size // 3):
                break
            each *= smaller / config.batch_size
            config = replace(config, batch_size=smaller)
        config = replace(config, steps=_steps(left, each, once))
    if RATE in by_rule:
        share = min(config.batch_size, trained) / cls.batch_size
        config = replace(
            config, learning_rate=float(f"{cls.learning_rate * math.sqrt(share):.3g}")
        )
    return Plan(config, _words(config, count, trained, minutes, each))


def _timed(
    fetch: Fetch,
    count: int,
    config: PretrainConfig,
    bands: int,
    groups: NDArray[np.int64] | None,
    most: float,
    spent: Callable[[], float],
) -> tuple[int, float, float]:
    """Batch that fits into memory, seconds a step, seconds an evaluation; by real ones."""
    team = Team.present()
    while True:
        try:
            trial = Trainer(fetch, count, replace(config, steps=1000), bands=bands, groups=groups)
            trial.step(0)  # the first one allocates
            trial.prepare_evaluation()
            began = spent()
            trial.quality()
            evaluation = spent() - began
            began, done, on = spent(), 0, True
            while on:
                done += 1
                trial.step(done)
                gone = spent() - began
                # The main process looks at its clock for all.
                on = team.told(done < TIMED_STEPS and gone < min(TIMED_SECONDS, most))
            return config.batch_size, max(1e-4, gone / done), evaluation
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error) or team.size > 1:
                raise
            if config.batch_size <= SMALLEST_BATCH:
                raise BadInput(
                    f"The memory is not enough to train {config.method} on {config.batch_size}"
                    " objects a step; choose a smaller network by --set, or end other programs."
                ) from None
        config = replace(config, batch_size=max(SMALLEST_BATCH, config.batch_size // 2))


def _steps(seconds: float, each: float, once: float) -> int:
    """Steps that fit, at `each` seconds, with evaluations of `once` seconds between them."""
    few = seconds / (each + once / EVALUATE_FEWEST_STEPS)
    many = (seconds - once * EVALUATIONS) / each
    return max(1, int(max(few, many)))


def _whole(batch: int) -> int:
    """Rounded down to a multiple of 8 from 16 on: so several processes can share it."""
    return batch // 8 * 8 if batch >= 16 else batch


def _words(
    config: PretrainConfig, count: int, trained: int, minutes: float | None, each: float
) -> str:
    batch = min(config.batch_size, trained)
    epochs = config.steps * batch / max(1, trained)
    time_words = "" if minutes is None else f", {minutes:g} minutes at {each:.2f} s a step"
    held = f", {count - trained:,} of them held out" if trained < count else ""
    few = ""
    if minutes is not None and config.steps < FEW_STEPS:
        few = f"; {minutes:g} minutes, reading included, are too short to learn much: give more"
    return (
        f"{count:,} pictures{held}{time_words}: {config.steps:,}"
        f" {'step' if config.steps == 1 else 'steps'} of {batch} by {config.method}"
        f" ({epochs:.3g} times through), learning rate {config.learning_rate:g}{few}"
    )
