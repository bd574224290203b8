"""P(class) of a large survey in two passes: a simple model for all, the learner for the likely.

Of a million rows a few hundred are shown. A simple model imitates the learner (`Imitation`), by
rows at random that the learner scored. It costs a few thin matrix products; the learner scores
only the rows that it puts first. Other rows at random, scored by the learner too, tell what that
misses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from core.discovery.imitation import Imitation, View, leaned_on, pieces
from core.discovery.learner import Learner
from core.discovery.pool import any_of
from core.discovery.threads import one_blas_thread

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
    the learner is taught and sees these rows, and the simple model the columns of them that it
    leans on."""

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
        view = View(cast(np.ndarray, values))
        # Rows of all columns at once are kept of surveys that are scored whole.
        if self.wide is not None and not isinstance(self.wide, np.ndarray):
            columns = leaned_on(self.estimator, self.wide)
            view = View(cast(np.ndarray, values), self.wide, columns)
        with one_blas_thread():
            probabilities, self.told = two_passes(
                lambda rows: _in_pieces(lambda part: whole(seen[part], n_classes), rows),
                taught,
                view,
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
    view: View,
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
    taught : X (L, D) and y (L,), what the learner was taught of whitened columns, two classes or
        more
    view : the survey's N rows as the simple model sees them
    partitions : the first of these rows in the hands of Dask workers
    """
    n_rows = len(view)
    rng = np.random.default_rng([wanted.seed, n_rows, 0x5C])
    drawn = rng.choice(n_rows, min(FITTED_TO + CHECKED, n_rows), replace=False)
    fitted_to, checked = np.sort(drawn[:FITTED_TO]), np.sort(drawn[FITTED_TO:])
    is_full = np.zeros(n_rows, dtype=bool)
    is_full[drawn] = is_full[wanted.certain] = True
    full = np.flatnonzero(is_full)
    own = predict(full)
    imitated = own[np.searchsorted(full, fitted_to)]
    simple = Imitation(taught, view[fitted_to], imitated, wanted.targets, view.columns)
    spread = None if partitions is None else partitions.regressed(simple)
    n_workers = 0 if partitions is None or spread is None else partitions.n_workers
    probabilities, orders = simple.score(view, spread)
    probabilities[full] = own

    is_open = np.zeros(n_rows, dtype=bool)
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
    return probabilities, Told(n_rows, int(is_full.sum()), n, all_missed, n_workers)


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
