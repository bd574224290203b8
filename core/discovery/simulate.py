"""The loop, driven by any annotator: the browser, a test, or the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.discovery.engine import Engine
from core.discovery.oracle import Oracle
from core.discovery.ranking import Pick, Ranking
from core.errors import BadInput
from core.metrics.ranking import discovery_area, finds_curve
from core.progress import Progress, silent

Annotator = Callable[[int], str]
"""Answers the class of a row."""


@dataclass(frozen=True)
class Answered:
    """One object that was shown, and what the annotator said."""

    pick: Pick
    answer: str

    @property
    def row(self) -> int:
        return self.pick.row

    @property
    def sampler(self) -> str:
        return self.pick.sampler


@dataclass(frozen=True)
class SimulationResult:
    """What a simulated annotator found.

    Attributes
    ----------
    finds, labels
        Targets shown and answers given, cumulative, after each batch. A target counts by its
        truth, whatever the annotator called it.
    n_targets, n_objects
        Of all objects with a known truth, without the examples known from the start.
    order
        Every answer in the order given.
    states
        The engine's sentence before each batch.
    is_target
        Beside `order`: whether each object is a target, or one of several, by its truth.
    n_wrong
        Answers that differ from the truth.
    of_each
        Target -> how many of it were shown, and how many there were.
    """

    finds: list[int]
    labels: list[int]
    n_targets: int
    n_objects: int
    order: list[Answered]
    states: list[str]
    is_target: list[bool]
    n_wrong: int = 0
    of_each: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def chance(self) -> list[float]:
        """Finds expected of as many answers given to objects drawn at random."""
        return [count * self.n_targets / self.n_objects for count in self.labels]

    @property
    def ideal(self) -> list[int]:
        """Finds of a searcher who never errs, after as many answers."""
        return [min(count, self.n_targets) for count in self.labels]

    @property
    def area(self) -> float:
        """Area under the finds curve by that of an ideal searcher; see `discovery_area`."""
        return discovery_area(finds_curve(self.is_target), self.n_targets)

    @property
    def first_find(self) -> int | None:
        """Answers up to and with the first target; None if there was none."""
        return self.is_target.index(True) + 1 if any(self.is_target) else None

    def finds_at(self, n: int) -> int | None:
        """Targets among the first `n` answers; None where fewer were given."""
        return sum(self.is_target[:n]) if n <= len(self.is_target) else None


def run_loop(
    engine: Engine,
    annotate: Annotator,
    budget: int,
    batch: int,
    excluded: Collection[int] = (),
    known: Mapping[int, str] | None = None,
) -> Iterator[tuple[Ranking, list[Answered]]]:
    """Rank, show `batch` objects, take the answers, and again, until `budget` answers are given
    or nothing is left. Yields each batch as it is answered.

    known : row -> class, labels that are there before the first answer and cost none
    """
    if budget < 1 or batch < 1:
        raise BadInput(
            f"A simulation needs a budget and a batch of at least 1 answer, but got {budget} and"
            f" {batch}; change them."
        )
    labels: dict[int, str] = dict(known or {})
    n_known = len(labels)
    asked_by: dict[int, str] = {}
    while len(labels) - n_known < budget:
        left = budget - (len(labels) - n_known)
        ranking = engine.rerank(
            labels, excluded, n=min(batch, left), asked_by=asked_by, budget=left
        )
        if not ranking.picks:
            return
        answered = [Answered(pick, annotate(pick.row)) for pick in ranking.picks]
        labels.update((one.row, one.answer) for one in answered)
        asked_by.update((one.row, one.sampler) for one in answered)
        yield ranking, answered


def simulate(
    engine: Engine,
    truth: Mapping[int, str],
    budget: int,
    batch: int,
    progress: Progress = silent,
    *,
    known: Collection[int] = (),
    error_rate: float = 0.0,
    seed: int = 0,
) -> SimulationResult:
    """Let the oracle answer the very loop that a person drives.

    Objects without a truth are set aside: they are never shown, and chance is reckoned among the
    others. A budget beyond the survey ends with the survey.

    Parameters
    ----------
    known : rows whose truth is there before the first answer: a warm start
    error_rate, seed : of the annotator; see `Oracle`

    Raises
    ------
    BadInput
        The truth holds no target (beside the known), rows beyond the survey, or classes that the
        engine does not know; a known row has no truth; a budget or batch below 1; an error rate
        outside of 0 to 1.
    """
    targets = [engine.classes[one] for one in engine.targets]
    start = _checked(engine, truth, targets, known)
    left = Counter(label for row, label in truth.items() if row not in start)
    n_targets = sum(left[target] for target in targets)
    n_objects = len(truth) - len(start)
    without = set(range(len(engine))).difference(truth)
    oracle = Oracle(truth, targets, error_rate, seed)
    finds: list[int] = []
    labels: list[int] = []
    order: list[Answered] = []
    states: list[str] = []
    is_target: list[bool] = []
    for ranking, answered in run_loop(engine, oracle, budget, batch, without, start):
        order += answered
        is_target += [truth[one.row] in targets for one in answered]
        finds.append(sum(is_target))
        labels.append(len(order))
        states.append(ranking.state)
        progress(
            min(1.0, len(order) / min(budget, n_objects)),
            f"{finds[-1]} of {n_targets} targets found with {len(order)} answers",
        )
    n_wrong = sum(one.answer != truth[one.row] for one in order)
    shown = Counter(truth[one.row] for one in order)
    of_each = {target: (shown[target], left[target]) for target in targets}
    return SimulationResult(
        finds, labels, n_targets, n_objects, order, states, is_target, n_wrong, of_each
    )


def known_targets(
    truth: Mapping[int, str], targets: str | Collection[str], n: int, seed: int
) -> list[int]:
    """`n` rows of the target, or of any of several, drawn with `seed`, ascending: the examples of
    a warm start.

    Raises
    ------
    BadInput
        `n` is negative or leaves no target to be found.
    """
    targets = [targets] if isinstance(targets, str) else list(targets)
    rows = sorted(row for row, label in truth.items() if label in targets)
    if not 0 <= n < max(len(rows), 1):
        raise BadInput(
            f"The truth holds {len(rows)} of the target {_listed(targets)}, so that 0 to"
            f" {max(len(rows) - 1, 0)} of them may be known from the start, but {n} were asked"
            " for; change the number of examples."
        )
    chosen = np.random.default_rng([seed, 0x5E]).choice(len(rows), n, replace=False)
    return [rows[place] for place in sorted(chosen.tolist())]


def _checked(
    engine: Engine, truth: Mapping[int, str], targets: Sequence[str], known: Collection[int]
) -> dict[int, str]:
    """The known rows with their labels, or `BadInput`; see `simulate`."""
    there = set(truth.values())
    for target in targets:
        if target not in there:
            raise BadInput(
                f"A simulation needs objects whose truth is the target {target!r}, but the truth"
                f" holds only {', '.join(sorted(there)[:9]) or 'nothing'}; choose one of these."
            )
    strange = sorted(set(truth.values()) - set(engine.classes))
    if strange or min(truth) < 0 or max(truth) >= len(engine):
        raise BadInput(
            f"The truth must be about the {len(engine)} rows and the classes of the task, but"
            f" names {strange[0] if strange else 'rows beyond them'!r}; use the survey's own"
            " truth and all of its classes."
        )
    absent = sorted(set(known).difference(truth))
    if absent:
        raise BadInput(
            f"What is known from the start must have a truth, but row {absent[0]} has none; leave"
            " it out."
        )
    start = {row: truth[row] for row in sorted(known)}
    if all(label not in targets for row, label in truth.items() if row not in start):
        raise BadInput(
            f"All {len(start)} examples are known from the start and no {_listed(targets)} is left"
            " to be found; give fewer."
        )
    return start


def _listed(targets: Sequence[str]) -> str:
    return " or ".join(map(repr, targets))
