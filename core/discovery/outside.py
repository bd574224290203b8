"""Answers about what is not in the survey: known pictures, encoded as its objects were.

They stand below the survey's rows in every array that a learner or a sampler sees, answered and
never to be shown; no score of the survey has a place for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.discovery.pool import frozen_array
from core.discovery.prepare import CLIP, Standardised
from core.errors import BadInput

READ_OFF = 20_000
"""Rows of the survey at most that tell how it was whitened."""

_LEAST = 1e-5
"""Directions with less of the largest one's spread: whitening dropped them long before."""


@dataclass(frozen=True, eq=False)
class Outside:
    """M answers about things that the survey does not hold.

    Attributes
    ----------
    values
        (M, D) numbers of the survey's own encoder, finite.
    classes
        (M,) what each is.
    """

    values: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = np.shape(self.values)
        if len(shape) != 2 or shape[0] != len(self.classes) or not np.isfinite(self.values).all():
            raise BadInput(
                "Known examples from outside of the survey are rows of finite numbers with a"
                f" class each, but came in the shape {shape} with {len(self.classes)} classes;"
                " leave out what the encoder cannot see."
            )

    def __len__(self) -> int:
        return len(self.classes)

    def in_words(self) -> str:
        """That they were taught, to be said after another sentence."""
        are = " is" if len(self) == 1 else "s are"
        return f" {len(self):,} known picture{are} taught beside the answers."

    def joined(
        self,
        labelled: np.ndarray,
        answers: np.ndarray,
        turns: np.ndarray,
        classes: Sequence[str],
        n_rows: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, class numbers and turns of the answers with these among them: their rows follow
        the survey's `n_rows`, and they were known before the first answer was given.

        Raises
        ------
        BadInput
            One is of a class that the task does not have.
        """
        unknown = sorted(set(self.classes).difference(classes))
        if unknown:
            raise BadInput(
                f"The classes of this task are {', '.join(classes)}, but a known example is"
                f" {unknown[0]!r}; remove the example or correct the task."
            )
        numbers = np.array([classes.index(name) for name in self.classes], dtype=np.int64)
        own = np.arange(len(self))
        return (
            np.concatenate([labelled, n_rows + own]),
            np.concatenate([answers, numbers]),
            np.concatenate([turns + len(self), own]),
        )


def below(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(N + M, ...) read-only: `array` with `rows` below it."""
    return frozen_array(np.concatenate([array, rows]))


def whitened_like(own: np.ndarray, rows: Standardised, white: np.ndarray) -> np.ndarray:
    """(M, K) float32: other things brought to the components of a survey.

    Whitening is a shift and a matrix, and both can be read off what it made of the survey: the
    least squares are exact where nothing was clipped.

    own : (M, D) standardised by the survey (`Standardised.of_others`)
    rows, white : the survey's (N, D) standardised and (N, K) whitened values
    """
    flagged = rows.shape[1] - rows.n_columns
    taken = np.unique(np.linspace(0, len(rows) - 1, READ_OFF).round().astype(np.int64))
    before = rows[taken][:, : rows.n_columns].astype(np.float64)
    after = white[taken][:, : white.shape[1] - flagged].astype(np.float64)
    free = (np.abs(after) < CLIP).all(axis=1)
    before, after = before[free], after[free]
    start, end = before.mean(axis=0), after.mean(axis=0)
    root = np.linalg.lstsq(before - start, after - end, rcond=_LEAST)[0]
    found = np.clip((own[:, : rows.n_columns] - start) @ root + end, -CLIP, CLIP)
    return np.hstack([found.astype(np.float32), own[:, rows.n_columns :]])
