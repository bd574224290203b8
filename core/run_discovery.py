"""How the search of a task goes, and its strategy: the label database and `core.discovery`
together, which may not meet; the pages draw what comes of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from core.discovery import LEARNERS, SAMPLERS, control_order, sampler_names
from core.discovery.random_rate import RandomRate, random_rate
from core.discovery.registry import without_target
from core.discovery.schedule import (
    COLD_START,
    DEFAULT_LEARNER,
    PATIENCE,
    SEEKING,
    TARGET_FINDING,
    unique,
)
from core.discovery.validation import Validation, answered_values, require_both, validate
from core.errors import BadInput, NotFound
from core.metrics.discovery import Calibration, calibration, exact_interval
from core.run_followed import Followed
from core.survey import Survey
from core.vocabulary import CONTROL_SAMPLER, DEFAULT, GOLD_SAMPLER
from labels_db import LabelsDB, SearchedObject, Strategy, Task

if TYPE_CHECKING:
    from core.representation import Embedding

BY_HAND = "by hand"
"""Stands for the sampler of objects that somebody opened without being shown them."""

MAX_VALIDATED = 2_000
"""Answers by which a model is checked, the newest: with more it would take minutes."""

_LIKELIEST = "most_likely"


@dataclass(frozen=True)
class Tally:
    """What one sampler showed: how many objects, how many finds, and the exact 95 % interval of
    the share of finds."""

    sampler: str
    n_shown: int
    n_found: int
    low: float
    high: float

    @property
    def success(self) -> float:
        """Share of finds among what it showed."""
        return self.n_found / self.n_shown


@dataclass(frozen=True, eq=False)
class Search:
    """How the search of a task has gone so far.

    Attributes
    ----------
    seq
        The last event that it knows.
    object_ids, found
        (k,) the answered objects in the order of their first answers, and whether each has a
        target's class now.
    found_of
        Target -> (k,) whether each has its class now.
    seqs
        (k,) int64, the event of that answer.
    tallies
        Of each sampler, the one that showed most first.
    told
        (k,) P(target), of several targets P(any), told of the object when it was shown; NaN where
        its score was another.
    rate
        How rare the targets are, from the control sample; None where that is not known yet.
    n_controls
        Controls that were answered.
    n_imported, n_gold
        Objects left out, for nobody searched for them: labels that came with a file or as known
        examples, and objects with a known answer that were slipped in.
    n_gone
        Labelled objects that this version of the survey does not have. They count as answers;
        the rate cannot take them in.
    """

    seq: int
    object_ids: tuple[str, ...]
    found: np.ndarray
    found_of: Mapping[str, np.ndarray]
    seqs: np.ndarray
    tallies: tuple[Tally, ...]
    told: np.ndarray
    rate: RandomRate | None
    n_controls: int
    n_imported: int
    n_gold: int
    n_gone: int

    def calibration(self) -> Calibration | None:
        """P(target) told against what was answered; None if it was told of no object."""
        knows = np.isfinite(self.told)
        return calibration(self.told[knows], self.found[knows]) if knows.any() else None


def search_so_far(
    db: LabelsDB, task: Task, survey: Survey, followed: Followed | None = None
) -> Search:
    """Read how the search has gone, off all labels of the task; with `followed`, off those that
    came since it was given the last time."""
    known = followed or Followed()
    known.follow(db, task)
    everything = known.searched
    gold = [one for one in everything if one.sampler == GOLD_SAMPLER]
    shown = [one for one in everything if one.sampler != GOLD_SAMPLER and not one.imported]
    found_of = {
        name: np.array([one.class_name == name for one in shown], dtype=bool)
        for name in task.targets
    }
    found = np.any(list(found_of.values()), axis=0)
    classes = known.classes
    rows = _rows(survey, classes)
    controls = [
        rows[one.object_id]
        for one in everything
        if one.sampler == CONTROL_SAMPLER and one.object_id in rows
    ]
    targets = [row for name, row in rows.items() if classes[name] in task.targets]
    aside = list(_rows(survey, known.unlabelled).values())
    return Search(
        seq=known.seq,
        object_ids=tuple(one.object_id for one in shown),
        found=found,
        found_of=found_of,
        seqs=np.array([one.seq for one in shown], dtype=np.int64),
        tallies=_tallies(shown, found),
        told=_told(known.models, shown, task.targets),
        rate=_rate(task.seed, survey, list(rows.values()), aside, targets, controls),
        n_controls=len(controls),
        n_imported=sum(one.imported for one in everything),
        n_gold=len(gold),
        n_gone=len(classes) - len(rows),
    )


def _tallies(shown: list[SearchedObject], found: np.ndarray) -> tuple[Tally, ...]:
    names = [one.sampler or BY_HAND for one in shown]
    counted: dict[str, list[int]] = {}
    for name, hit in zip(names, found.tolist(), strict=True):
        count = counted.setdefault(name, [0, 0])
        count[0] += 1
        count[1] += hit
    ordered = sorted(counted.items(), key=lambda one: (-one[1][0], one[0]))
    tallies = []
    for name, (n, hits) in ordered:
        low, high = exact_interval(hits, n)
        tallies.append(Tally(name, n, hits, float(low), float(high)))
    return tuple(tallies)


def _told(
    models: Mapping[int, tuple[str, str | None, tuple[str, ...]]],
    shown: list[SearchedObject],
    targets: Collection[str],
) -> np.ndarray:
    """(k,) P(target) of each object as the model said when it was shown, NaN where it did not, or
    where it said it of other targets than those of now.

    The score of a sampler is P(target) with the likeliest alone, once a learner is trained. In a
    mixture of samplers the same name may stand beside the mixture's own score.
    """
    told = np.full(len(shown), np.nan)
    for place, one in enumerate(shown):
        sampler, learner, of = models.get(one.model_version or 0, ("", None, ()))
        if learner is None or one.score is None or set(of) != set(targets):
            continue
        is_likeliest = without_target(one.sampler or "") == _LIKELIEST
        likeliest = is_likeliest and _LIKELIEST in sampler.split("+")
        if (likeliest or one.sampler == CONTROL_SAMPLER) and 0 <= one.score <= 1:
            told[place] = one.score
    return told


def _rate(
    seed: int,
    survey: Survey,
    answered: list[int],
    aside: list[int],
    targets: list[int],
    controls: list[int],
) -> RandomRate | None:
    """The rate at random, off the rows that are answered, set aside, targets and controls."""
    if not controls:
        return None
    hidden = ~survey.can_be_shown
    # Of so many objects one waits, if any of the survey does.
    n = len(answered) + len(aside) + int(hidden.sum()) + 1
    begun = _order(seed, len(survey))[:n]
    return random_rate(
        np.isin(begun, answered),
        np.isin(begun, aside) | hidden[begun],
        np.isin(begun, targets),
        np.isin(begun, controls),
    )


@lru_cache(maxsize=4)
def _order(seed: int, n: int) -> np.ndarray:
    """(n,) int32: the fixed random order, kept: it is asked for after every event, and making it
    goes over the whole survey."""
    return control_order(seed, n).astype(np.int32)


def _rows(survey: Survey, object_ids: Iterable[str]) -> dict[str, int]:
    """The rows of the objects, but for those that this version of the survey does not have."""
    found = {}
    for object_id in object_ids:
        with suppress(NotFound):
            found[object_id] = survey.row(object_id)
    return found


@dataclass(frozen=True, eq=False)
class Checked:
    """The answers held against models that were not taught them.

    `object_ids` (L,) and `classes` belong to `validation`. Left out are `n_older` answers, older
    than the newest `MAX_VALIDATED`, and `n_gone` of objects that the survey no longer has.
    """

    seq: int
    object_ids: tuple[str, ...]
    classes: tuple[str, ...]
    validation: Validation
    n_older: int
    n_gone: int


def check_model(db: LabelsDB, task: Task, survey: Survey, embedding: Embedding) -> Checked:
    """Hold out the answers in turn and have the task's learner say what they are.

    Raises
    ------
    NotReady
        Fewer than two finds, or than two others.
    """
    seq = db.last_seq(task.name)
    labels = db.current_classes(task.name)
    rows = _rows(survey, labels)
    kept = list(rows)[-MAX_VALIDATED:]
    number = {name: place for place, name in enumerate(task.every_class)}
    answers = np.array([number[labels[name]] for name in kept], dtype=np.int64)
    targets = [number[name] for name in task.targets]
    require_both(np.isin(answers, targets))  # before the embedding is read
    places = np.array([rows[name] for name in kept], dtype=np.int64)
    learner = db.strategy(task.name).learner
    seen = answered_values(embedding.values, embedding.mask, places, task.seed, learner)
    found = validate(
        learner,
        seen.values,
        answers,
        len(number),
        targets,
        task.seed,
        seen.survey,
        seen.n_leading,
    )
    return Checked(
        seq,
        tuple(kept),
        task.every_class,
        found,
        n_older=len(rows) - len(kept),
        n_gone=len(labels) - len(rows),
    )


def strategy_words() -> Mapping[str, str]:
    """What each sampler shows, by name, beginning with "default"; completes "Showing ...".

    The rule "random" in a queue and the control sample are different things: controls come on
    top of every strategy.
    """

    def said(names: tuple[str, ...]) -> str:
        return " and ".join(SAMPLERS[name].description for name in unique(names))

    usual = f"the default: {said(TARGET_FINDING)}"
    return {DEFAULT: usual} | {
        name: SAMPLERS[name].description for name in sampler_names() if name != DEFAULT
    }


def cold_start_words() -> str:
    """What is shown while a choice waits for answers, and which choices wait."""
    *first, last = (SAMPLERS[name].description for name in unique(COLD_START))
    return (
        f"Until a target is found, the default shows {', '.join(first)} and {last}, by turns,"
        f" and after {PATIENCE} answers objects at random in every other place, for what is rare"
        " need not be odd; so does any choice that needs a find, or answers of the target and of"
        " another class, as long as it lacks them. Choices that need no answer start at once. Of"
        " several targets each that was found has its turn in the default, and as long as one was"
        f" not, one place in {SEEKING} goes on as at the start."
    )


def learner_words() -> Mapping[str, str]:
    """What each learner is, by name, beginning with "default"."""
    usual = f"the default: {LEARNERS[DEFAULT_LEARNER].description}"
    return {DEFAULT: usual} | {name: entry.description for name, entry in LEARNERS.items()}


def set_strategy(db: LabelsDB, task: str, by: str, **changes: Any) -> Strategy:
    """Change the strategy of a task, see `LabelsDB.set_strategy`; the worker follows at once.

    Raises
    ------
    BadInput
        There is no sampler or learner of that name, or a number is out of range.
    """
    for what, names in (("sampler", sampler_names()), ("learner", (DEFAULT, *LEARNERS))):
        if what in changes and changes[what] not in names:
            raise BadInput(
                f"The {what} of a strategy is one of {', '.join(names)}, but is"
                f" {str(changes[what])[:40]!r}; choose one of them."
            )
    return db.set_strategy(task, by, **changes)


__all__ = [
    "BY_HAND",
    "Checked",
    "Search",
    "Tally",
    "check_model",
    "cold_start_words",
    "learner_words",
    "search_so_far",
    "set_strategy",
    "strategy_words",
]
