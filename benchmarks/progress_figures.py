"""Whether a label-free measure orders networks or embeddings as a probe with labels does: the
arithmetic of `benchmarks.progress` and `benchmarks.measures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

LOWER_IS_BETTER = frozenset(
    {"alignment", "uniformity", "davies_bouldin", "reconstruction_error", "loss"}
)

FEWEST = 4
"""Checkpoints at which a measure is known, for a correlation."""

LATE = 0.2
"""Checkpoints after this share of the steps are late: from there on one is picked in earnest."""

DRAWS = 10_000


@dataclass(frozen=True)
class Look:
    """A network at one step of its training, or one of several embeddings.

    Attributes
    ----------
    step
        Steps done: 0 of an untrained network, which is never picked. Of embeddings, which have
        none, their number from 1.
    measures
        Label-free, by name: "held out: NAME" as training has them, "page: NAME" as the quality
        page has them of the set's embedding, and "loss", the mean of the last steps.
    probes
        Target -> average precision of the linear probe of the set's embedding.
    """

    step: int
    measures: Mapping[str, float]
    probes: Mapping[str, float]


@dataclass(frozen=True)
class Series:
    """Looks at one training, in order, or at the embeddings of one set.

    Attributes
    ----------
    rules
        Other ways to pick, such as what training kept: name -> the probes of what they pick.
    """

    set: str
    looks: Sequence[Look]
    rules: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def candidates(self) -> list[Look]:
        """Those that may be picked."""
        return [one for one in self.looks if one.step > 0]

    @property
    def compared(self) -> list[Look]:
        """Candidates at which each measure of the series is known: all measures are correlated
        over the same looks. (The untrained network has no loss.)"""
        names = _names([self])
        return [one for one in self.candidates if np.isfinite(_of(one, names)).all()]


def log_steps(steps: int, count: int, first: int = 10) -> list[int]:
    """`count` steps from `first` to `steps`, spaced evenly in their logarithm; fewer where they
    would fall together."""
    spaced = np.geomspace(min(first, steps), steps, count)
    return [int(step) for step in np.unique(np.rint(spaced))]


def is_lower_better(measure: str) -> bool:
    """Of a name as in `Look.measures`."""
    return measure.rpartition(": ")[2] in LOWER_IS_BETTER


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's, of (N,) and (N,); NaN of fewer than 4 pairs of numbers, or where either is
    constant."""
    known = np.isfinite(one) & np.isfinite(other)
    a, b = rankdata(one[known]), rankdata(other[known])
    if len(a) < FEWEST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def correlation(series: Series, measure: str, target: str, *, late: bool = False) -> float:
    """Rank correlation over the compared looks of a measure and a probe; 1 where the measure, its
    sign turned if lower is better, orders them as the probe does. late : those of `LATE` alone"""
    last = series.looks[-1].step
    looks = [one for one in series.compared if not late or one.step >= LATE * last]
    found, good = _values(looks, measure), _probes(looks, target)
    return rank_correlation(-found if is_lower_better(measure) else found, good)


def picked(series: Series, measure: str) -> Look | None:
    """The candidate that a measure takes; the later one of equals, as training does. None where
    the measure is not known."""
    looks = series.candidates
    found = _values(looks, measure)
    found = np.where(np.isfinite(found), -found if is_lower_better(measure) else found, -np.inf)
    best = len(found) - 1 - int(found[::-1].argmax())
    return looks[best] if np.isfinite(found[best]) else None


def share_of_best(series: Series, name: str, target: str) -> float:
    """Average precision of what a measure or rule picks over that of the best candidate; NaN where
    it picks none. A rule that chooses among more than the candidates may be above 1."""
    best = float(_probes(series.candidates, target).max())
    if name in series.rules:
        return float(series.rules[name].get(target, np.nan)) / best
    look = picked(series, name)
    return float("nan") if look is None else look.probes[target] / best


def mean_of_sets(values: Mapping[str, Sequence[float]]) -> float:
    """Mean over the sets of the mean over each one's targets; NaN is left out."""
    means = _means(values)
    return float(means.mean()) if len(means) else float("nan")


def interval(values: Mapping[str, Sequence[float]], seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of `mean_of_sets`, drawn over the sets."""
    means = _means(values)
    if not len(means):
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(len(means), size=(DRAWS, len(means)))
    low, high = np.percentile(means[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def summary(
    every: Sequence[Series], against: str, *, late: bool = False
) -> tuple[list[str], list[list[object]]]:
    """Columns and rows: a measure or rule a row, those that pick best first.

    Parameters
    ----------
    against
        The measure whose picks all others are held against.
    late
        Also the correlations of the late looks.
    """
    rules = list(dict.fromkeys(rule for one in every for rule in one.rules))
    rows: list[list[object]] = []
    for name in (*_names(every), *rules):
        cells: list[object] = [name]
        for only_late in (False, True)[: 1 + late]:
            rho: dict[str, list[float]] = {}
            for one, target in _pairs(every):
                value = np.nan if name in rules else correlation(one, name, target, late=only_late)
                rho.setdefault(one.set, []).append(value)
            cells += [mean_of_sets(rho), _words(interval(rho))]
        share: dict[str, list[float]] = {}
        gain: dict[str, list[float]] = {}
        for one, target in _pairs(every):
            value = share_of_best(one, name, target)
            share.setdefault(one.set, []).append(value)
            gain.setdefault(one.set, []).append(value - share_of_best(one, against, target))
        known = [value for values in share.values() for value in values if np.isfinite(value)]
        cells += [mean_of_sets(share), min(known, default=float("nan"))]
        rows.append([*cells, mean_of_sets(gain), _words(interval(gain))])
    rows.sort(key=lambda row: -np.nan_to_num(float(str(row[-4])), nan=-1.0))
    columns = ["measure", "rank correlation", "interval"]
    columns += ["late ones", "interval"] if late else []
    return [*columns, "share of the best", "worst", f"beside {against}", "interval"], rows


def each_row(series: Series) -> list[list[object]]:
    """A row a target and measure: set, target, measure, correlation, the step picked and its
    average precision, the best one's step and average precision."""
    rows: list[list[object]] = []
    for one, target in _pairs([series]):
        best = max(one.candidates, key=lambda look: look.probes[target])
        for name in _names([one]):
            look, rho = picked(one, name), correlation(one, name, target)
            at = (look.step, look.probes[target]) if look else (0, float("nan"))
            rows.append([one.set, target, name, rho, *at, best.step, best.probes[target]])
    return rows


def _pairs(every: Sequence[Series]) -> list[tuple[Series, str]]:
    return [(one, target) for one in every for target in one.looks[0].probes]


def _names(every: Sequence[Series]) -> list[str]:
    return list(
        dict.fromkeys(name for one in every for look in one.looks for name in look.measures)
    )


def _of(look: Look, names: Sequence[str]) -> NDArray[np.float64]:
    """Its measures of these names; NaN where one is not known."""
    return np.array([look.measures.get(name, np.nan) for name in names], float)


def _values(looks: Sequence[Look], measure: str) -> NDArray[np.float64]:
    return np.array([_of(one, [measure])[0] for one in looks], float)


def _probes(looks: Sequence[Look], target: str) -> NDArray[np.float64]:
    return np.array([one.probes[target] for one in looks], float)


def _means(values: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """Of each set that has a number."""
    known = (np.array(one, float)[np.isfinite(one)] for one in values.values())
    return np.array([one.mean() for one in known if len(one)])


def _words(limits: tuple[float, float]) -> str:
    return f"{limits[0]:.2f} to {limits[1]:.2f}"
