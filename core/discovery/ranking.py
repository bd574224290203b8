"""What a re-rank gives back: the queue, and a score for every object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.discovery.shortlist import Told
from core.vocabulary import ScoreKind


@dataclass(frozen=True)
class Pick:
    """One object of the queue: who chose it, with what score; rank from 0.

    `probability` is that of being shown at this place, given the places before; a sampler does
    not reckon with the controls among these.
    """

    row: int
    sampler: str
    score: float
    probability: float
    rank: int


@dataclass(frozen=True, eq=False)
class Ranking:
    """The answer to one set of labels.

    Attributes
    ----------
    picks
        What to show, in order; empty when nothing is left.
    scores
        (N,) float32, read-only, one for every row, labelled ones too; see `score_kind`.
    sampler
        The samplers that filled the queue, control apart, joined by "+".
    learner
        Name of the learner behind `scores`; None while nothing is trained.
    state
        One sentence: what is shown and why.
    class_probabilities
        (N, C) float32, read-only: P(class) of every row, in the order of the engine's classes;
        None while nothing is trained and, of three classes or more, while more rows stand in for
        others than were answered: they say nothing of how these are mixed.
    told
        Where only some of a large survey were scored by the learner: how many, and what that may
        miss. None where all were.
    """

    picks: list[Pick]
    scores: np.ndarray
    score_kind: ScoreKind
    sampler: str
    learner: str | None
    state: str
    n_labels: int
    class_probabilities: np.ndarray | None = None
    told: Told | None = None
