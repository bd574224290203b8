"""Named samplers, detectors and learners: each is one file that registers itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any, Generic, TypeVar

import numpy as np

from core.discovery.pool import Draw, Pool
from core.errors import AlreadyExists, BadInput

Sampler = Callable[[Pool, int], Draw]
"""`sampler(pool, n)`: a score for every row, and up to `n` rows to show with the probability
with which each was drawn."""

Detector = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""`detector(values (N, D) float32, unseen (N,) bool, seed) -> (N,) float32`, higher = odder.
`values` is what `standardise` made of an embedding; where `unseen` has any row, the last column is
its flag."""

LearnerFactory = Callable[[int], Any]
"""`factory(seed)`: a new scikit-learn classifier with `predict_proba`."""

T = TypeVar("T")


class Need(StrEnum):
    """What must be there before a sampler can be asked."""

    NOTHING = "nothing"
    DETECTOR = "a detector score"
    TARGET = "an answer of the target"
    BOTH_CLASSES = "answers of the target and of another class"


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered thing. `description` completes the sentence "Showing ..."; `most_rows` is the
    size of the largest survey that it can take, None where it takes any; `wide` is of learners,
    see `register_learner`."""

    name: str
    call: T
    description: str
    needs: Need = Need.NOTHING
    detector: str | None = None
    most_rows: int | None = None
    wide: bool = False


def for_target(sampler: str, class_name: str) -> str:
    """How a sampler is called at a place that was the turn of one of several targets."""
    return f"{sampler} ({class_name})"


def without_target(name: str) -> str:
    """The sampler behind a name, whatever target it looked for; see `for_target`."""
    return name.partition(" (")[0]


class Registry(Mapping[str, Entry[T]]):
    """Names to entries, in the order of registration; a name is given once."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries: dict[str, Entry[T]] = {}

    def add(self, entry: Entry[T]) -> None:
        if entry.name in self._entries:
            raise AlreadyExists(
                f"There is a {self._what} {entry.name!r} already; register this one under"
                " another name."
            )
        self._entries[entry.name] = entry

    def find(self, name: str) -> Entry[T]:
        """The entry of that name, else `BadInput` with the names there are."""
        if name not in self._entries:
            raise BadInput(
                f"The {self._what} must be one of {', '.join(sorted(self._entries))}, but is"
                f" {name!r}; choose one of them."
            )
        return self._entries[name]

    def __getitem__(self, name: str) -> Entry[T]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


SAMPLERS: Registry[Sampler] = Registry("sampler")
DETECTORS: Registry[Detector] = Registry("detector")
LEARNERS: Registry[LearnerFactory] = Registry("learner")


def register_sampler(
    name: str,
    *,
    needs: Need,
    description: str,
    detector: str | None = None,
    most_rows: int | None = None,
) -> Callable[[Sampler], Sampler]:
    """Register a sampler; one that needs a detector score names the detector.

    most_rows: rows beyond which its memory outgrows a usual machine's; such a survey is refused.
    """
    if (needs is Need.DETECTOR) != (detector is not None):
        raise BadInput(f"The sampler {name!r} names a detector exactly if it needs one.")

    def register(call: Sampler) -> Sampler:
        SAMPLERS.add(Entry(name, call, description, needs, detector, most_rows))
        return call

    return register


def register_detector(name: str, *, description: str) -> Callable[[Detector], Detector]:
    """Register an unsupervised anomaly score."""

    def register(call: Detector) -> Detector:
        DETECTORS.add(Entry(name, call, description))
        return call

    return register


def register_learner(
    name: str, *, description: str, wide: bool = False
) -> Callable[[LearnerFactory], LearnerFactory]:
    """Register a factory of supervised models.

    wide : it is taught the rows of `core.discovery.wide` rather than whitened components; its
        parameter `n_leading` is how many columns a linear model sees (None: all), and once taught
        its `feature_importances_` say what each column is to it
    """

    def register(call: LearnerFactory) -> LearnerFactory:
        LEARNERS.add(Entry(name, call, description, wide=wide))
        return call

    return register


def load_all(package: ModuleType) -> None:
    """Import every module of `package`, so that a new file there is all a new thing takes."""
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
