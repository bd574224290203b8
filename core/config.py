"""Frozen settings: checked once when made, saved with each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.errors import BadInput
from core.vocabulary import DEFAULT

MAX_CLASS_PROBABILITIES = 20_000_000
"""Objects times classes up to which a ranking keeps P(class) of every object (2 bytes each)."""


UNIFORM, STRATIFIED = "uniform", "stratified"
"""Kinds of controls: the next of a task's fixed random order, or drawn from all heights of the
ranking with known probability."""


def _require(ok: bool, setting: str, allowed: str, came: object) -> None:
    if not ok:
        raise BadInput(f"{setting} must be {allowed}, but is {came!r}; change that setting.")


@dataclass(frozen=True)
class LoopConfig:
    """How a task's queue is filled and when its model is retrained.

    Attributes
    ----------
    sampler
        Name of a registered sampler; "default" is what the app uses.
    learner
        Name of a registered learner.
    control_share
        Share of the queue that are controls.
    control
        Their kind: "uniform" (from the task's fixed random permutation) or "stratified".
    retrain_every
        Answers after which the resident worker retrains.
    queue_length
        Objects kept in the head of the queue.
    seed
        Fixes the control permutation, the detectors and every random draw.
    """

    sampler: str = DEFAULT
    learner: str = DEFAULT
    control_share: float = 0.05
    retrain_every: int = 5
    queue_length: int = 500
    seed: int = 0
    control: str = UNIFORM

    def __post_init__(self) -> None:
        kinds = (UNIFORM, STRATIFIED)
        _require(0 <= self.control_share < 1, "control_share", "in [0, 1)", self.control_share)
        _require(self.control in kinds, "control", " or ".join(kinds), self.control)
        _require(self.retrain_every >= 1, "retrain_every", "at least 1", self.retrain_every)
        _require(
            1 <= self.queue_length <= 10_000, "queue_length", "1 to 10,000", self.queue_length
        )
        _require(self.seed >= 0, "seed", "zero or more", self.seed)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class PretrainConfig:
    """Pretraining of a network without labels.

    Attributes
    ----------
    method
        Name of a registered method.
    steps
        Optimiser steps; a time budget is turned into steps first and the steps are saved.
    batch_size
        Objects a step, over all processes.
    learning_rate
        Peak of the one-cycle cosine schedule (AdamW).
    augmentation
        Name of a preset of `core.representation.augmentation`.
    augmentation_strength
        0 = rotations and flips only, 1 = as the preset has it.
    augmentation_off
        Names of single augmentations that are left out.
    early_stop
        Whether training ends when the quality on held-out objects has long not risen.
    settings
        Of the method: architecture and weights of its loss; missing ones have its defaults.
    """

    method: str = "vicreg"
    steps: int = 1000
    batch_size: int = 192
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    augmentation: str = "standard"
    augmentation_strength: float = 1.0
    augmentation_off: tuple[str, ...] = ()
    early_stop: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.steps >= 1, "steps", "at least 1", self.steps)
        _require(self.batch_size >= 4, "batch_size", "at least 4", self.batch_size)
        _require(self.seed >= 0, "seed", "zero or more", self.seed)
        _require(0 < self.learning_rate < 1, "learning_rate", "in (0, 1)", self.learning_rate)
        _require(0 <= self.weight_decay < 1, "weight_decay", "in [0, 1)", self.weight_decay)
        _require(
            0 <= self.augmentation_strength <= 2,
            "augmentation_strength",
            "in [0, 2]",
            self.augmentation_strength,
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> PretrainConfig:
        """What `as_dict` gave, also after a way through JSON."""
        off = tuple(settings.get("augmentation_off", ()))
        return cls(**{**settings, "augmentation_off": off})


@dataclass(frozen=True)
class CareConfig:
    """How often the label database is backed up by itself, and how many copies stay.

    Attributes
    ----------
    keep
        Automatic backups kept; those made for another reason stay beside them.
    every_hours
        Hours after which the server looks whether the labels changed, and backs them up.
    """

    keep: int = 7
    every_hours: float = 6.0

    def __post_init__(self) -> None:
        _require(1 <= self.keep <= 10_000, "keep", "1 to 10,000", self.keep)
        _require(
            0 < self.every_hours <= 8760, "every_hours", "above 0, up to 8760", self.every_hours
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
