"""Whether probabilities that were told beforehand came true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.errors import BadInput
from core.metrics.discovery.shares import exact_interval

MAX_BINS = 10
PER_BIN = 20
"""With fewer in a bin its interval says nothing."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Told against come true, in bins of about equally many objects by ascending probability.

    Attributes
    ----------
    told, came : (B,) mean probability told and share that came true
    low, high : (B,) exact 95 % interval of `came`
    n : (B,) objects
    brier : mean squared difference (Brier 1950): 0 is perfect
    expected : sum of all probabilities, the number of hits they promised
    n_hits : the number of hits there were
    """

    told: np.ndarray
    came: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    brier: float
    expected: float
    n_hits: int


def calibration(probability: ArrayLike, hit: ArrayLike) -> Calibration:
    """Compare probabilities with what came of them (a reliability diagram, Murphy & Winkler 1977).

    probability : (N,) in 0..1; hit : (N,) 0 or 1. One bin for each `PER_BIN` objects, at most
    `MAX_BINS`.

    Raises
    ------
    BadInput
        No objects, different lengths, values out of range.
    """
    told, came = np.asarray(probability, dtype=float), np.asarray(hit, dtype=float)
    if told.ndim != 1 or told.shape != came.shape or not len(told):
        raise BadInput(
            "Calibration takes two columns of one length with at least one row, but got shapes"
            f" {told.shape} and {came.shape}."
        )
    if not ((told >= 0) & (told <= 1)).all() or not np.isin(came, (0, 1)).all():
        raise BadInput(
            "Calibration takes probabilities from 0 to 1 and hits of 0 and 1; leave out the rows"
            " that have none."
        )
    order = np.argsort(told, kind="stable")
    n_bins = min(MAX_BINS, max(1, len(told) // PER_BIN))
    bins = np.array_split(order, n_bins)
    n = np.array([len(rows) for rows in bins])
    hits = np.array([came[rows].sum() for rows in bins])
    low, high = exact_interval(hits, n)
    return Calibration(
        told=np.array([told[rows].mean() for rows in bins]),
        came=hits / n,
        low=low,
        high=high,
        n=n,
        brier=float(((told - came) ** 2).mean()),
        expected=float(told.sum()),
        n_hits=int(came.sum()),
    )
