"""How an embedding fills its space: rank, uniformity, alignment, distances, signs of collapse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.metrics.representation.tables import (
    SAMPLE,
    alike,
    finite_table,
    sample_rows,
    squared_distances,
    unit_rows,
)

DEAD_DEVIATION = 1e-3
"""A dimension is dead if its deviation is below this share of the largest one's."""

DEAD_SHARE, SAME_SHARE, ONE_DIRECTION = 0.5, 0.02, 0.98
"""Above these, dead dimensions, copies of rows and the mean cosine of pairs raise an alarm."""

LOW_RANK = 2.0

ROUNDING_16, ROUNDING_32 = 1e-3, 1e-5
"""Of a dimension's largest value: what deviates less is a constant and its rounding, in numbers
that were stored as float16, and in others, which a network computed in float32."""


@dataclass(frozen=True)
class Collapse:
    """What would show that an encoder tells objects no longer apart.

    Attributes
    ----------
    deviation
        (D,) standard deviation of each dimension.
    dead_share, identical_share
        Share of dimensions that do not vary, of rows that are the copy of an earlier one.
    mean_cosine
        Of pairs of rows: 1 where all point the same way, about 0 in a centred cloud.
    rank
        As `rankme`.
    sentences
        One for each alarm; none where nothing is wrong.
    """

    deviation: np.ndarray
    dead_share: float
    identical_share: float
    mean_cosine: float
    rank: float
    sentences: tuple[str, ...]


def singular_shares(values: np.ndarray) -> np.ndarray:
    """(min(N, D),) singular values of the centred values over their sum, largest first."""
    table = finite_table(values, 2)
    table = table[sample_rows(np.ones(len(table), bool))]
    size = np.linalg.svd(table - table.mean(0), compute_uv=False)
    total = size.sum()
    shares: np.ndarray = size / total if total > 0 else size
    return shares


def rankme(values: np.ndarray) -> float:
    """Effective rank: exp of the entropy of the singular values over their sum, 1 to D.

    Garrido et al. 2023 (arXiv 2210.02885), after Roy & Vetterli 2007; of the centred values, since
    an offset that all objects share tells none apart. 0 where all rows are the same. Whitening
    makes it the number of dimensions: it says something of values as a network gives them.
    """
    shares = singular_shares(values)
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def alignment(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared distance of the directions of two views, 0 (the same) to 4; lower is better.

    a, b : (N, D), row i of both a view of the same object. Wang & Isola 2020 (arXiv 2005.10242).
    """
    first, second = alike(a, b)
    return float(((unit_rows(first) - unit_rows(second)) ** 2).sum(1).mean())


def uniformity(values: np.ndarray, t: float = 2.0) -> float:
    """Log of the mean of exp(-t d^2) over pairs of directions; lower = more evenly spread.

    Wang & Isola 2020 (arXiv 2005.10242). 0 where all directions are the same; evenly spread in
    many dimensions it goes to -2 t.
    """
    table = finite_table(values, 2)
    x = unit_rows(table[sample_rows(np.ones(len(table), bool))])
    total = np.exp(-t * squared_distances(x, x)).sum() - len(x)
    return float(np.log(total / (len(x) * (len(x) - 1))))


def mean_square_differences(values: np.ndarray) -> np.ndarray:
    """(N, N) mean over the dimensions of the squared difference of each pair of rows."""
    table = finite_table(values, 1)
    squares = squared_distances(table, table)
    np.fill_diagonal(squares, 0)
    return squares / table.shape[1]


def _is_of_float16(table: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        return bool((table.astype(np.float16) == table).all())


def collapse_alarms(values: np.ndarray) -> Collapse:
    """Signs that (N, D) finite values, N of 2 or more, tell objects no longer apart."""
    table = finite_table(values, 2)
    table = table[sample_rows(np.ones(len(table), bool), SAMPLE)]
    n = len(table)
    deviation = table.std(0)
    rounding = (ROUNDING_16 if _is_of_float16(table) else ROUNDING_32) * np.abs(table).max(0)
    deviation = np.where(deviation <= rounding, 0, deviation)
    largest = float(deviation.max())
    dead = float((deviation <= DEAD_DEVIATION * largest).mean())
    same = 1 - len(np.unique(table.astype(np.float32), axis=0)) / n
    x = unit_rows(table)
    cosine = float(((x.sum(0) ** 2).sum() - (x * x).sum()) / (n * (n - 1)))
    rank = rankme(table) if largest else 0.0
    sentences = []
    if not largest:
        sentences.append("All objects have the same values.")
    else:
        if dead > DEAD_SHARE:
            sentences.append(f"{dead:.0%} of the dimensions hardly vary.")
        if rank < LOW_RANK and table.shape[1] >= 2 * LOW_RANK:
            sentences.append(
                f"The objects lie nearly on a line: the effective rank is {rank:.1f} of"
                f" {table.shape[1]}."
            )
        if same > SAME_SHARE:
            sentences.append(f"{same:.0%} of the objects have exactly the values of another.")
        if cosine > ONE_DIRECTION:
            sentences.append(
                f"All objects point nearly the same way (mean cosine {cosine:.3f}), so that"
                " neighbours by angle mean little."
            )
    return Collapse(deviation, dead, same, cosine, rank, tuple(sentences))
