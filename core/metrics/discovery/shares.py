"""The exact interval of a share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from core.errors import BadInput


def exact_interval(
    hits: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson's (1934) interval of a share: it holds the true one at least as often
    as `level` says, however few were looked at.

    Parameters
    ----------
    hits, n : whole numbers of one shape; hits among n
    level : in (0, 1)

    Returns
    -------
    low, high
        Of that shape; 0 and 1 where n is 0.

    Raises
    ------
    BadInput
        Hits below 0 or above n, or a level outside (0, 1).
    """
    k, of = np.asarray(hits, dtype=float), np.asarray(n, dtype=float)
    if (k < 0).any() or (k > of).any() or not 0 < level < 1:
        raise BadInput(
            "The interval of a share needs hits from 0 to n and a level between 0 and 1, but got"
            f" {k.tolist()} of {of.tolist()} at {level}; correct them."
        )
    tail = (1 - level) / 2
    # A Beta distribution has positive parameters; both ends are given by the definition.
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), of - k + 1, tail), 0.0)
    high = np.where(k < of, betaincinv(k + 1, np.maximum(of - k, 1), 1 - tail), 1.0)
    return low, high
