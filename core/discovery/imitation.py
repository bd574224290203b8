"""A simple model that imitates a learner: what two passes over a large survey begin with.

A ridge regression (Hoerl & Kennard 1970) of the learner's P(class) on the whitened columns, their
squares, the probabilities of a logistic regression of the same answers, and on bent lines in the
detectors' scores and in the few own columns that the learner leans on most: what is odd in one
column alone is spread over all components, or lost with those that are not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.discovery.committee import class_logits
from core.discovery.learners.logistic import logistic
from core.discovery.threads import in_threads

if TYPE_CHECKING:
    from core.discovery.wide import Wide

LEANED_ON = 8
"""Own columns that the imitation sees. In trials four or sixteen changed little."""

KNOTS = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
"""Where a line bends: at these quantiles of its column. Narrow bands are followed roughly."""

_RIDGE = 1e-4
_LEAST = 1e-6
_CHUNK = 8_192


def pieces(n: int) -> list[slice]:
    """The rows 0 to n - 1 in pieces that stay in the processor's cache."""
    return [slice(start, start + _CHUNK) for start in range(0, n, _CHUNK)]


class Seen(NamedTuple):
    """What the imitation sees of n rows, each float32.

    Attributes
    ----------
    white
        (n, D) whitened columns.
    own
        (n, M) some of the embedding's own columns, standardised.
    odd
        (n, S) scores of detectors.
    """

    white: np.ndarray
    own: np.ndarray
    odd: np.ndarray


class View:
    """What the imitation sees of a survey, read as it is asked for (`view[rows]`).

    Parameters
    ----------
    white : (N, D) float32
    wide : the rows that the learner is taught, where those are other ones
    columns : (M,) the own columns among them that are seen
    """

    def __init__(
        self, white: np.ndarray, wide: Wide | None = None, columns: np.ndarray | None = None
    ) -> None:
        self._white, self._wide = white, wide
        self.columns = np.empty(0, dtype=np.int64) if columns is None else columns

    def __len__(self) -> int:
        return len(self._white)

    def __getitem__(self, rows: slice | np.ndarray) -> Seen:
        white = self._white[rows]
        if self._wide is None:
            nothing = np.empty((len(white), 0), dtype=np.float32)
            return Seen(white, nothing, nothing)
        return Seen(white, self._wide.own_columns(rows, self.columns), self._wide.scores[rows])

    def odd(self, rows: slice) -> np.ndarray:
        """(n, S) of `Seen`, without the others."""
        return self._white[rows, :0] if self._wide is None else self._wide.scores[rows]


def leaned_on(estimator: Any, wide: Wide) -> np.ndarray:
    """(M,) int, ascending: the own columns of most importance to an estimator taught such rows, by
    its `feature_importances_`; none that it makes no use of."""
    importance = estimator.feature_importances_[wide.n_leading :][: wide.n_own]
    most = np.argsort(-importance, kind="stable")[:LEANED_ON]
    return np.sort(most[importance[most] > 0])


class Bent:
    """Sums of lines that bend at knots, a line a column and class: cheap to send and to follow.

    Parameters
    ----------
    columns : (n, M) rows whose quantiles are the knots
    """

    def __init__(self, columns: np.ndarray) -> None:
        self._knots = np.empty((columns.shape[1], len(KNOTS)), dtype=np.float32)
        if self._knots.size:
            self._knots[:] = np.quantile(columns, KNOTS, axis=0).T
        self._slopes = np.empty((0, self.n_features), dtype=np.float32)

    @property
    def n_features(self) -> int:
        """Of a row."""
        return len(self._knots) * (len(KNOTS) + 1)

    def features(self, columns: np.ndarray) -> np.ndarray:
        """(M (1 + knots), n) float32 of rows (n, M): each column, and what of it lies above each
        knot, a constant more."""
        lines = np.ascontiguousarray(columns.T)
        above = np.maximum(lines[:, None, :], self._knots[:, :, None])
        return np.concatenate([lines, above.reshape(-1, len(columns))])

    def set_slopes(self, slopes: np.ndarray) -> None:
        """(n_features, K): of each feature in each class."""
        self._slopes = np.ascontiguousarray(slopes.T, dtype=np.float32)

    def add(self, columns: np.ndarray, sums: np.ndarray) -> None:
        """Add the lines at rows (n, M) to `sums` (n, K)."""
        if self._slopes.size:
            sums += (self._slopes @ self.features(columns)).T


class Imitation:
    """A learner's P(class), imitated by a ridge regression; some numbers a column, to be sent.

    Attributes
    ----------
    columns
        (M,) the own columns that it sees.

    Parameters
    ----------
    taught : X (L, D), y (L,), what the learner was taught, of whitened columns
    rows, own : n rows, and the learner's P(class) of them (n, C)
    targets : (T,) the classes whose P orders rows
    columns : (M,) the numbers of the own columns in `rows`
    """

    def __init__(
        self,
        taught: tuple[np.ndarray, np.ndarray],
        rows: Seen,
        own: np.ndarray,
        targets: tuple[int, ...],
        columns: np.ndarray,
    ) -> None:
        guide = logistic(0).fit(*taught)
        self._n_classes, self._targets, self.columns = own.shape[1], targets, columns
        self._known = np.asarray(guide.classes_, dtype=np.intp)
        self._weights = class_logits(guide.coef_).astype(np.float32).T
        self._offsets = class_logits(guide.intercept_[:, None])[:, 0].astype(np.float32)
        self._own, self._odd = Bent(rows.own), Bent(rows.odd)
        parts = [
            *(rows.white, rows.white * rows.white, self._guided(rows.white)),
            *(self._own.features(rows.own).T, self._odd.features(rows.odd).T),
        ]
        ends = np.cumsum([part.shape[1] for part in parts])
        features = np.hstack(parts).astype(np.float64)
        centre, spread = features.mean(axis=0), features.std(axis=0)
        spread[spread < 1e-9] = np.inf  # says nothing: weight 0
        features -= centre
        features /= spread
        mean = own[:, self._known].mean(axis=0, dtype=np.float64)
        scatter = features.T @ features + _RIDGE * len(own) * np.eye(features.shape[1])
        slopes = np.linalg.solve(scatter, features.T @ (own[:, self._known] - mean))
        slopes /= spread[:, None]
        self._linear, self._square, self._guide, of_own, of_odd = (
            part.astype(np.float32) for part in np.split(slopes, ends[:-1])
        )
        self._own.set_slopes(of_own)
        self._odd.set_slopes(of_odd)
        self._level = (mean - centre @ slopes).astype(np.float32)

    @property
    def n_known(self) -> int:
        """Classes that were taught."""
        return len(self._known)

    def regressed(self, white: np.ndarray, own: np.ndarray) -> np.ndarray:
        """(n, K) float32 of rows (n, D) and (n, M): what the regression says of each class that
        was taught, below 0 and above 1 too, without what the detectors' scores add to it."""
        sums: np.ndarray = white @ self._linear + (white * white) @ self._square
        sums += self._guided(white) @ self._guide + self._level
        self._own.add(own, sums)
        return sums

    def score(self, view: View, spread: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(N, C) float32 P(class), each row adding up to 1, and (N, T) float32 that order rows as
        P(target) does, but where that is 0 or 1 too.

        spread : (M, K) `regressed` of the first M rows, where others worked it out
        """
        probabilities = np.zeros((len(view), self._n_classes), dtype=np.float32)
        orders = np.empty((len(view), len(self._targets)), dtype=np.float32)
        at = [int(np.flatnonzero(self._known == target)[0]) for target in self._targets]

        def score(part: slice) -> None:
            if spread is None or part.stop > len(spread):
                seen = view[part]
                sums, odd = self.regressed(seen.white, seen.own), seen.odd
            else:
                sums, odd = spread[part], view.odd(part)
            self._odd.add(odd, sums)
            orders[part] = sums[:, at]
            np.clip(sums, _LEAST, 1, out=sums)
            total = _row_sums(sums)
            for k, column in enumerate(self._known):
                probabilities[part, column] = sums[:, k] / total

        in_threads(score, pieces(len(view)))
        return probabilities, orders

    def _guided(self, white: np.ndarray) -> np.ndarray:
        """(n, C) P(class) by the logistic regression, over the classes that were taught."""
        logits = white @ self._weights + self._offsets
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
