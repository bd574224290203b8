"""The loop, driven by any annotator: the browser, a test, or the oracle."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from core.discovery.engine import Engine, Pick, Ranking
from core.discovery.oracle import Oracle
from core.errors import BadInput
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
        Targets found and answers given, cumulative, after each batch.
    n_targets, n_objects
        Of all objects with a known truth.
    order
        Every answer in the order given.
    states
        The engine's sentence before each batch.
    """

    finds: list[int]
    labels: list[int]
    n_targets: int
    n_objects: int
    order: list[Answered]
    states: list[str]

    @property
    def chance(self) -> list[float]:
        """Finds expected of as many answers given to objects drawn at random."""
        return [count * self.n_targets / self.n_objects for count in self.labels]


def run_loop(
    engine: Engine,
    annotate: Annotator,
    budget: int,
    batch: int,
    excluded: Collection[int] = (),
) -> Iterator[tuple[Ranking, list[Answered]]]:
    """Rank, show `batch` objects, take the answers, and again, until `budget` answers are given
    or nothing is left. Yields each batch as it is answered."""
    if budget < 1 or batch < 1:
        raise BadInput(
            f"A simulation needs a budget and a batch of at least 1 answer, but got {budget} and"
            f" {batch}; change them."
        )
    labels: dict[int, str] = {}
    asked_by: dict[int, str] = {}
    while len(labels) < budget:
        left = budget - len(labels)
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
) -> SimulationResult:
    """Let the oracle answer the very loop that a person drives.

    Objects without a truth are set aside: they are never shown, and chance is reckoned among the
    others. A budget beyond the survey ends with the survey.

    Raises
    ------
    BadInput
        The truth holds no target, rows beyond the survey, or classes that the engine does not
        know; a budget or batch below 1.
    """
    target = engine.classes[engine.target]
    n_targets = sum(label == target for label in truth.values())
    if n_targets == 0:
        raise BadInput(
            f"A simulation needs objects whose truth is the target {target!r}, but the truth"
            f" holds only {', '.join(sorted(set(truth.values()))[:9]) or 'nothing'}; choose one"
            " of these."
        )
    strange = sorted(set(truth.values()) - set(engine.classes))
    if strange or min(truth) < 0 or max(truth) >= len(engine):
        raise BadInput(
            f"The truth must be about the {len(engine)} rows and the classes of the task, but"
            f" names {strange[0] if strange else 'rows beyond them'!r}; use the survey's own"
            " truth and all of its classes."
        )
    without = set(range(len(engine))).difference(truth)
    finds: list[int] = []
    labels: list[int] = []
    order: list[Answered] = []
    states: list[str] = []
    found = 0
    for ranking, answered in run_loop(engine, Oracle(truth), budget, batch, without):
        found += sum(one.answer == target for one in answered)
        order += answered
        finds.append(found)
        labels.append(len(order))
        states.append(ranking.state)
        progress(
            min(1.0, len(order) / min(budget, len(truth))),
            f"{found} of {n_targets} targets found with {len(order)} answers",
        )
    return SimulationResult(finds, labels, n_targets, len(truth), order, states)
