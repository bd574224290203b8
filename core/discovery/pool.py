"""What a sampler may know, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.discovery.learner import Learner


def frozen_array(array: np.ndarray) -> np.ndarray:
    """A view of `array` that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class Pool:
    """A survey as one sampler call sees it. Frozen: its arrays are read-only.

    Attributes
    ----------
    embedding
        (N, D) float32: the embedding's whitened principal components, finite (see `whiten`).
    mask
        (N,) bool, False where the encoder had nothing to see.
    unlabelled
        (U,) int, ascending: the rows that may be drawn.
    labelled, answers
        (L,) int: the answered rows, ascending, and the class index of each.
    classes, target, also_targets
        The task's classes, the index of the wanted one, and those of others that are looked for
        as well (`targets`: all of them). An answer with any of them is a find (`is_find`).
    learner
        Trained on the answers; None until a target is seen. While nothing else is, rows at random
        stand in for the others.
    detector_scores
        Name -> (N,) float32, higher = odder.
    budget
        Answers still to be spent, where somebody said so.
    turns
        (L,) int, beside `labelled`: the place of each answer in the order given, 0 first.
    asked_by
        (L,) names, beside `labelled`: the sampler that showed each row; "" where nobody knows.
    standardised
        Gives (N, D) float32, the embedding's own columns (see `standardise`): for rules that look
        at single columns, such as trees.
    rng
        The only source of chance a sampler may use.
    turn
        How many places of the queue were filled before, controls apart: whose turn it is.
    detect, parts
        Gives the (N,) scores of a detector not declared ("isolation_forest", or of one part of the
        embedding alone "isolation_forest/peaks"), and the names of the parts; see `detected`.
    """

    embedding: np.ndarray
    mask: np.ndarray
    unlabelled: np.ndarray
    labelled: np.ndarray
    answers: np.ndarray
    classes: tuple[str, ...]
    target: int
    learner: Learner | None
    detector_scores: Mapping[str, np.ndarray]
    budget: int | None
    rng: np.random.Generator
    turns: np.ndarray
    asked_by: tuple[str, ...]
    standardised: Callable[[], np.ndarray]
    detect: Callable[[str], np.ndarray] | None = None
    parts: tuple[str, ...] = ()
    also_targets: tuple[int, ...] = ()
    turn: int = 0

    def __post_init__(self) -> None:
        for name in ("embedding", "mask", "unlabelled", "labelled", "answers", "turns"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))
        scores = {name: frozen_array(values) for name, values in self.detector_scores.items()}
        object.__setattr__(self, "detector_scores", MappingProxyType(scores))

    def detected(self, name: str) -> np.ndarray:
        """(N,) float32 of a detector, declared or not; computed when first asked for."""
        if name in self.detector_scores:
            return self.detector_scores[name]
        if self.detect is None:
            raise ValueError(f"this pool has no detector {name!r}")
        return frozen_array(self.detect(name))

    @property
    def targets(self) -> tuple[int, ...]:
        """The classes that are looked for, `target` first."""
        return (self.target, *self.also_targets)

    @cached_property
    def is_find(self) -> np.ndarray:
        """(L,) bool, beside `answers`: whether each is of a target."""
        return np.isin(self.answers, self.targets)

    @cached_property
    def columns(self) -> np.ndarray:
        """(N, D) float32: `standardised()`, made at the first use."""
        return frozen_array(self.standardised())

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(N, C) float32: the learner's P(class) of every row, in the order of `classes`.

        Computed once a pool, however many samplers ask. Needs a trained learner.
        """
        if self.learner is None:
            raise ValueError("a sampler that reads probabilities must need BOTH_CLASSES")
        return frozen_array(self.learner.class_probabilities(self.embedding, len(self.classes)))

    @cached_property
    def chances(self) -> np.ndarray:
        """(N,) float32: P(target) of every row; of several targets, P(any of them)."""
        return frozen_array(any_of(self.probabilities, self.targets))


@dataclass(frozen=True, eq=False)
class Draw:
    """A sampler's answer.

    Attributes
    ----------
    scores
        (N,) float32, higher = show sooner; NaN on rows that may not be drawn.
    rows
        (k,) int, the rows to show, first one first.
    probabilities
        (k,) float: with which probability each of `rows` came to its place, given the rows before
        it; 1 where the rule leaves nothing to chance.
    chosen_by
        (k,) names: the sampler behind each of `rows`, where one asked others; else None.
    """

    scores: np.ndarray
    rows: np.ndarray
    probabilities: np.ndarray
    chosen_by: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.rows.shape != self.probabilities.shape or self.rows.ndim != 1:
            raise ValueError(
                f"a draw has one probability a row, but got shapes {self.rows.shape} and"
                f" {self.probabilities.shape}"
            )
        if self.chosen_by is not None and len(self.chosen_by) != len(self.rows):
            raise ValueError("a draw that names samplers names one a row")
        if np.isnan(self.scores[self.rows]).any() or len(np.unique(self.rows)) != len(self.rows):
            raise ValueError("a draw holds each row once, and only rows that have a score")


def any_of(probabilities: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """(N,) P(any of `classes`), of (N, C) P(class); of one class its column as it is."""
    if len(classes) == 1:
        return probabilities[:, classes[0]]
    total = probabilities[:, classes[0]].copy()
    for one in classes[1:]:
        total += probabilities[:, one]
    return np.minimum(total, 1, out=total)


def drawable_scores(pool: Pool, scores: np.ndarray) -> np.ndarray:
    """(N,) float32: `scores` of the rows that may be drawn, NaN elsewhere."""
    kept = np.full(len(pool.embedding), np.nan, dtype=np.float32)
    kept[pool.unlabelled] = scores[pool.unlabelled]
    return kept


def top_draw(pool: Pool, scores: np.ndarray, n: int) -> Draw:
    """The `n` drawable rows of highest score, best first; equal scores in row order.

    scores: (N,), finite on the drawable rows. O(N), not a full sort.
    """
    kept = drawable_scores(pool, scores)
    own = kept[pool.unlabelled]
    n = min(n, len(own))
    if n == 0:
        return Draw(kept, np.empty(0, dtype=np.int64), np.empty(0))
    threshold = np.partition(own, len(own) - n)[len(own) - n]
    above = np.flatnonzero(own > threshold)
    level = np.flatnonzero(own == threshold)[: n - len(above)]
    chosen = np.concatenate([above, level])
    chosen = chosen[np.lexsort((chosen, -own[chosen]))]
    return Draw(kept, pool.unlabelled[chosen].astype(np.int64), np.ones(n))
