"""P(class) of a large survey in two passes: a simple model for all, the learner for the likely.

Of a million rows a few hundred are shown. A simple model imitates the learner: a ridge regression
(Hoerl & Kennard 1970) of its P(class) on the whitened columns, their squares and the probabilities
of a logistic regression of the same answers, fitted to rows at random that the learner scored. It
costs three thin matrix products; the learner scores only the rows it puts first. Other rows at
random, scored by the learner too, tell what that misses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from core.discovery.committee import class_logits
from core.discovery.learner import Learner
from core.discovery.learners.logistic import logistic
from core.discovery.pool import any_of
from core.discovery.threads import in_threads, one_blas_thread

if TYPE_CHECKING:
    from core.discovery.partitions import Partitions
    from core.discovery.wide import Wide

FULL_ROWS = 200_000
"""Rows up to which the learner scores all."""

LISTED = 50_000
"""Rows on the first list."""

MOST_LISTED = 200_000
"""Rows on the second list, made where the first was too short."""

FITTED_TO = 12_000
"""Rows at random that the simple model is fitted to."""

CHECKED = 12_000
"""Rows at random by which what is missed is estimated."""

TOO_SHORT = 0.01
"""A list is too short if more than this share of the rows to show comes from its last fifth."""

TOP_ONLY = frozenset({"most_likely"})
"""Samplers that look at the highest P(target) alone; others need the learner's own everywhere."""

QUICK_LEARNERS = frozenset({"logistic"})
"""Learners that score a survey in no more time than their imitation would."""

_RIDGE = 1e-4
_LEAST = 1e-6
_CHUNK = 8_192
_MARGIN = 1e-5
"""So much below the floor a sum stays there however float32 adds it up."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a ranking is for.

    Attributes
    ----------
    target
        The class to be found, one that was taught.
    open_rows
        (U,) rows that may be shown.
    n
        How many will be.
    certain
        (K,) rows that the learner scores in any case: the answered ones, which are compared with
        their answers, and those that may be shown whatever their score.
    seed
        Draws the rows at random.
    also_targets
        Other classes to be found, taught too: the best rows of each are wanted.
    """

    target: int
    open_rows: np.ndarray
    n: int
    certain: np.ndarray
    seed: int
    also_targets: tuple[int, ...] = ()

    @property
    def targets(self) -> tuple[int, ...]:
        """All classes to be found."""
        return (self.target, *self.also_targets)


@dataclass(frozen=True)
class Told:
    """What two passes did.

    Attributes
    ----------
    n_rows, n_full
        Rows in all, and those that the learner scored.
    n_top
        Rows to be shown.
    n_workers
        Dask workers that the simple model's pass was spread over; 0 where it was not.
    missed
        How many rows that were not scored by the learner are expected to belong among these, by
        the rows at random. Each stands for many, so that 0 means that none was met.
    """

    n_rows: int
    n_full: int
    n_top: int
    missed: float
    n_workers: int = 0


def in_words(told: Told | None) -> str:
    """What two passes did, to be said after another sentence; empty where there was one."""
    if told is None:
        return ""
    missed = f"about {told.missed:.0f}" if told.missed else "none"
    workers = "1 Dask worker" if told.n_workers == 1 else f"{told.n_workers:,} Dask workers"
    return (
        f" The learner scored {told.n_full:,} of {told.n_rows:,} objects, a simpler model all the"
        f" others{f' on {workers}' if told.n_workers else ''}; by those tried at random {missed}"
        f" of the first {told.n_top:,} are missed."
    )


class Shortlisting(Learner):
    """A learner that gives a survey of more than `FULL_ROWS` rows its P(class) in two passes, once
    it is told what for (`wanted`). `told` says what the last call did; None if all was scored.
    With `partitions` the simple model's pass is done by the workers of a Dask cluster. With `wide`
    the learner is taught and sees these rows, of which the simple model has the first columns."""

    wanted: Wanted | None = None
    wide: np.ndarray | Wide | None = None
    told: Told | None = None
    partitions: Partitions | None = None

    def class_probabilities(self, values: np.ndarray | Wide, n_classes: int) -> np.ndarray:
        """(N, n_classes) float32, see `two_passes`."""
        whole = super().class_probabilities
        seen = values if self.wide is None else self.wide
        if self.wanted is None or len(values) <= FULL_ROWS:
            self.told = None
            return whole(seen, n_classes)
        taught = (self.X_training[:, : values.shape[1]], self.y_training)
        with one_blas_thread():
            probabilities, self.told = two_passes(
                lambda rows: _in_pieces(lambda part: whole(seen[part], n_classes), rows),
                taught,
                cast(np.ndarray, values),
                self.wanted,
                self.partitions,
            )
        return probabilities

    def in_words(self) -> str:
        """What the last call did, to be said after another sentence; empty before any lesson."""
        if self.partitions is None or self.X_training is None:
            return in_words(self.told)
        return in_words(self.told) + self.partitions.in_words(used=self.told is not None)


def _in_pieces(predict: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """(n, C) of rows (n,), some at a time: wide ones of all at once would fill the memory."""
    parts = pieces(len(rows)) or [slice(0)]
    return np.vstack([predict(rows[part]) for part in parts])


def two_passes(
    predict: Callable[[np.ndarray], np.ndarray],
    taught: tuple[np.ndarray, np.ndarray],
    values: np.ndarray,
    wanted: Wanted,
    partitions: Partitions | None = None,
) -> tuple[np.ndarray, Told]:
    """(N, C) float32 P(class), and what was done to get it.

    The rows on the list, the certain ones and those at random have the learner's P(class), all
    others the simple model's, with P(target) kept below that of the `n` best: no row is shown
    that the learner did not score. Where one of the `n` has 0, there is no below: open rows to
    which the learner gave 0 are raised by the least that float32 can. Of several targets each has
    its list and its `n` best, and the simple model's P(any of them) is kept below that of the `n`
    best by that.

    Parameters
    ----------
    predict : numbers of rows (n,) -> (n, C), the learner's P(class)
    taught : X (L, D) and y (L,), what the learner was taught, two classes or more
    values : (N, D) float32
    partitions : the first of these rows in the hands of Dask workers
    """
    rng = np.random.default_rng([wanted.seed, len(values), 0x5C])
    drawn = rng.choice(len(values), min(FITTED_TO + CHECKED, len(values)), replace=False)
    fitted_to, checked = np.sort(drawn[:FITTED_TO]), np.sort(drawn[FITTED_TO:])
    is_full = np.zeros(len(values), dtype=bool)
    is_full[drawn] = is_full[wanted.certain] = True
    full = np.flatnonzero(is_full)
    own = predict(full)
    imitated = own[np.searchsorted(full, fitted_to)]
    simple = Imitation(taught, values[fitted_to], imitated, wanted.targets)
    spread = None if partitions is None else partitions.regressed(simple)
    n_workers = 0 if partitions is None or spread is None else partitions.n_workers
    probabilities, orders = simple.score(values, spread)
    probabilities[full] = own

    is_open = np.zeros(len(values), dtype=bool)
    is_open[wanted.open_rows] = True
    n = min(wanted.n, len(wanted.open_rows))
    floors, all_missed = [], 0.0
    for order, target in zip(orders.T, wanted.targets, strict=True):
        chances = probabilities[:, target]
        first = order[wanted.open_rows]
        floor, missed = np.float32(np.inf), 0.0
        for most in (LISTED, MOST_LISTED):
            length = min(max(most, 4 * n), len(first))
            if not n:
                break
            places = np.argpartition(first, len(first) - length)[len(first) - length :]
            listed = wanted.open_rows[places]
            new = np.sort(listed[~is_full[listed]])
            probabilities[new] = predict(new)
            is_full[new] = True
            scored = chances[is_full & is_open]
            floor = np.partition(scored, len(scored) - n)[len(scored) - n]
            last_fifth = places[np.argsort(first[places], kind="stable")[: length // 5]]
            n_late = int((chances[wanted.open_rows[last_fifth]] > floor).sum())
            is_out = is_open.copy()
            is_out[listed] = False
            met = checked[is_out[checked]]
            n_unscored = int((is_out & ~is_full).sum())
            missed = float((chances[met] > floor).sum()) / max(len(met), 1) * n_unscored
            if n_late <= TOO_SHORT * n and not missed:
                break
        if floor == 0:
            chances[is_full & is_open & (chances == 0)] = floor = np.finfo(np.float32).tiny
        floors.append(floor)
        all_missed += missed
    of_any = np.inf
    if n:
        scored = any_of(probabilities[is_full & is_open], wanted.targets)
        of_any = np.partition(scored, len(scored) - n)[len(scored) - n]
    _keep_below(probabilities, ~is_full, wanted.targets, np.array(floors), float(of_any))
    return probabilities, Told(len(values), int(is_full.sum()), n, all_missed, n_workers)


def _keep_below(
    probabilities: np.ndarray,
    unscored: np.ndarray,
    targets: tuple[int, ...],
    floors: np.ndarray,
    of_any: float,
) -> None:
    """Lower P(target) of the rows that are not below the floor of each target to just below it,
    the classes that are not looked for taking the rest. Of several targets P(any) is held below
    its floor too, each target giving way in proportion.

    unscored : (N,) bool, the rows that may be lowered; floors : (T,) beside `targets`; of_any :
    the floor of P(any)
    """
    several = len(targets) > 1
    too_high = np.zeros(len(probabilities), dtype=bool)
    if several:
        too_high |= any_of(probabilities, targets) >= of_any
    for target, floor in zip(targets, floors, strict=True):
        too_high |= probabilities[:, target] >= floor
    rows = np.flatnonzero(unscored & too_high)
    columns = np.array(targets)
    before = probabilities[np.ix_(rows, columns)]
    after = np.minimum(before, np.nextafter(floors.astype(np.float32), np.float32(0)))
    if several:
        total = after.sum(axis=1, dtype=np.float64)
        most = (1 - _MARGIN) * of_any
        after[total > most] *= (most / total[total > most])[:, None]
    left, taken = (1 - part.sum(axis=1) for part in (before, after))
    # Where the targets had left the others nothing, one of these takes all.
    other = next(k for k in range(probabilities.shape[1]) if k not in targets)
    probabilities[rows] *= (taken / np.where(left > 0, left, 1))[:, None]
    probabilities[rows[left <= 0], other] = taken[left <= 0]
    probabilities[np.ix_(rows, columns)] = after


def pieces(n: int) -> list[slice]:
    """The rows 0 to n - 1 in pieces that stay in the processor's cache."""
    return [slice(start, start + _CHUNK) for start in range(0, n, _CHUNK)]


class Imitation:
    """A learner's P(class), imitated by a ridge regression; some numbers a column, to be sent.

    Parameters
    ----------
    taught : X (L, D), y (L,), what the learner was taught
    rows, own : (n, D) rows, and the learner's P(class) of them (n, C)
    targets : (T,) the classes whose P orders rows
    """

    def __init__(
        self,
        taught: tuple[np.ndarray, np.ndarray],
        rows: np.ndarray,
        own: np.ndarray,
        targets: tuple[int, ...],
    ) -> None:
        guide = logistic(0).fit(*taught)
        self._n_classes, self._targets = own.shape[1], targets
        self._known = np.asarray(guide.classes_, dtype=np.intp)
        self._weights = class_logits(guide.coef_).astype(np.float32).T
        self._offsets = class_logits(guide.intercept_[:, None])[:, 0].astype(np.float32)
        features = np.hstack([rows, rows * rows, self._guided(rows)]).astype(np.float64)
        centre, spread = features.mean(axis=0), features.std(axis=0)
        spread[spread < 1e-9] = np.inf  # says nothing: weight 0
        features = (features - centre) / spread
        mean = own[:, self._known].mean(axis=0, dtype=np.float64)
        scatter = features.T @ features + _RIDGE * len(rows) * np.eye(features.shape[1])
        slopes = np.linalg.solve(scatter, features.T @ (own[:, self._known] - mean))
        slopes /= spread[:, None]
        d = rows.shape[1]
        self._linear, self._square, self._guide = (
            part.astype(np.float32) for part in np.split(slopes, [d, 2 * d])
        )
        self._level = (mean - centre @ slopes).astype(np.float32)

    @property
    def n_known(self) -> int:
        """Classes that were taught."""
        return len(self._known)

    def regressed(self, rows: np.ndarray) -> np.ndarray:
        """(n, K) float32 of rows (n, D): what the regression says of each class that was taught,
        below 0 and above 1 too."""
        own: np.ndarray = rows @ self._linear + (rows * rows) @ self._square
        own += self._guided(rows) @ self._guide + self._level
        return own

    def score(
        self, values: np.ndarray, spread: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, C) float32 P(class), each row adding up to 1, and (N, T) float32 that order rows as
        P(target) does, but where that is 0 or 1 too.

        spread : (M, K) `regressed` of the first M rows, where others worked it out
        """
        probabilities = np.zeros((len(values), self._n_classes), dtype=np.float32)
        orders = np.empty((len(values), len(self._targets)), dtype=np.float32)
        at = [int(np.flatnonzero(self._known == target)[0]) for target in self._targets]

        def score(part: slice) -> None:
            if spread is None or part.stop > len(spread):
                own = self.regressed(values[part])
            else:
                own = spread[part]
            orders[part] = own[:, at]
            np.clip(own, _LEAST, 1, out=own)
            total = _row_sums(own)
            for k, column in enumerate(self._known):
                probabilities[part, column] = own[:, k] / total

        in_threads(score, pieces(len(values)))
        return probabilities, orders

    def _guided(self, rows: np.ndarray) -> np.ndarray:
        """(n, C) P(class) by the logistic regression, over the classes that were taught."""
        logits = rows @ self._weights + self._offsets
        top = logits[:, 0].copy()
        for k in range(1, logits.shape[1]):
            np.maximum(top, logits[:, k], out=top)
        np.exp(logits - top[:, None], out=logits)
        return logits / _row_sums(logits)[:, None]


def _row_sums(table: np.ndarray) -> np.ndarray:
    """(n,) of (n, C), column by column: numpy's own sum over a short last axis takes ten times
    as long."""
    total = table[:, 0].copy()
    for k in range(1, table.shape[1]):
        total += table[:, k]
    return total
