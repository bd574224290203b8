"""With labels: how well simple classifiers tell the classes apart in an embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.metrics import average_precision_interval, knn_scores, linear_probe_scores
from core.metrics.representation import sample_rows
from core.representation.quality.records import Probe
from core.survey import Survey

FOLDS = 5
MOST_LABELLED = 20_000
BOOTSTRAPS = 300


@dataclass(frozen=True)
class Labels:
    """What is known of some objects.

    Attributes
    ----------
    classes
        Row -> class.
    target
        The class that is sought, probed first.
    source
        Where they come from, for people: "the task lenses".
    """

    classes: Mapping[int, str]
    target: str
    source: str

    @property
    def names(self) -> list[str]:
        """The classes there are, the target first."""
        found = sorted(set(self.classes.values()) - {self.target})
        return [self.target, *found]


def groups_of(survey: Survey, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """(B,) number of each row's group, None where every object is its own."""
    names = survey.catalogue["group_id"].astype(str).to_numpy()
    if len(np.unique(names)) == len(names):
        return None
    numbers: NDArray[np.int64] = np.unique(names[rows], return_inverse=True)[1]
    return numbers


def probe(
    survey: Survey,
    values: NDArray[np.float32],
    mask: NDArray[np.bool_],
    labels: Labels,
    seed: int,
) -> tuple[tuple[Probe, ...], tuple[str, ...]]:
    """A `Probe` of each class that has enough labels, and sentences about the others."""
    known = np.zeros(len(mask), bool)
    known[[row for row in labels.classes if 0 <= row < len(mask)]] = True
    rows = sample_rows(known & mask, MOST_LABELLED, seed)
    given = np.array([labels.classes[int(row)] for row in rows], dtype=object)
    table = np.asarray(values[rows], np.float64)
    groups = groups_of(survey, rows) if len(rows) else None
    probes, notes = [], []
    names = labels.names
    if len(names) == 2:
        names = names[:1]  # the other is its mirror image
    for name in names:
        y = given == name
        fewest = int(min(y.sum(), (~y).sum()))
        if fewest < FOLDS:
            notes.append(
                f"A probe of {name} needs {FOLDS} labelled objects of it and as many others, but"
                f" {labels.source} has {int(y.sum())} and {int((~y).sum())}; label more."
            )
            continue
        try:
            scores = [
                scored(table, y, seed=seed, folds=FOLDS, groups=groups)
                for scored in (linear_probe_scores, knn_scores)
            ]
        except BadInput as error:  # groups that cannot be split
            notes.append(f"A probe of {name} was not taken: {error}")
            continue
        found = [
            average_precision_interval(y, one, seed=seed, n_boot=BOOTSTRAPS) for one in scores
        ]
        linear, nearest = ((one.value, one.low, one.high) for one in found)
        probes.append(Probe(name, int(y.sum()), len(y), linear, nearest))
    return tuple(probes), tuple(notes)
