"""Answers as arrays of codes: what every metric of agreement and consensus starts from."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.errors import BadInput

Labels = Sequence[Hashable] | np.ndarray | pd.Series
Truth = Mapping[Any, Hashable | None]


@dataclass(frozen=True)
class Answers:
    """One answer an index: annotator `annotator_of[i]` said class `class_of[i]` of `object_of[i]`.

    `objects` (O,) in the order in which they first came, `annotators` (A,) sorted, `class_names`
    (C,) as given, or sorted; the three codes (N,) int64 index them.
    """

    objects: tuple[Hashable, ...]
    annotators: tuple[Hashable, ...]
    class_names: tuple[Hashable, ...]
    object_of: np.ndarray
    annotator_of: np.ndarray
    class_of: np.ndarray

    def __len__(self) -> int:
        return len(self.object_of)

    def votes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Object, class and number of answers of every such pair that occurs, by object.

        Three (M,) int64 arrays; M is at most N, so that many classes cost nothing.
        """
        n_classes = max(len(self.class_names), 1)
        pairs, n = np.unique(self.object_of * n_classes + self.class_of, return_counts=True)
        return pairs // n_classes, pairs % n_classes, n

    def per_object(self) -> np.ndarray:
        """(O,) int64: number of answers of each object."""
        return np.bincount(self.object_of, minlength=len(self.objects))

    def truth_codes(self, truth: Truth) -> np.ndarray:
        """(O,) int64: index of each object's class in `truth`, -1 where it has none or None.

        Objects of `truth` that nobody answered are left out. Raises BadInput for a class that is
        not one of `class_names`.
        """
        known = {name: named for name, named in truth.items() if named is not None}
        codes = np.full(len(self.objects), -1, dtype=np.int64)
        if not known:
            return codes
        rows = _index(self.objects).get_indexer(_index(known))
        values = _codes_among(np.array(list(known.values()), dtype=object), self.class_names)
        codes[rows[rows >= 0]] = values[rows >= 0]
        return codes


def coded(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    class_names: Sequence[Hashable] | None = None,
    *,
    also: Truth | None = None,
    repeats: bool = False,
) -> Answers:
    """Check and code answers.

    Parameters
    ----------
    objects, annotators, classes : (N,) strings or whole numbers, a row an answer
    class_names : (C,) the classes there are, whether anybody chose them or not; without them, the
        classes are those of the answers and of the truth in `also`, sorted
    repeats : an annotator may answer an object more than once

    Raises
    ------
    BadInput
        Columns of different lengths, a missing value, a class that is not among `class_names`,
        class names that are not distinct, an annotator who answers an object twice.
    """
    columns = [
        _column(values, what)
        for values, what in (
            (objects, "objects"),
            (annotators, "annotators"),
            (classes, "classes"),
        )
    ]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise BadInput(
            "Answers are three columns of one length (objects, annotators, classes), but got"
            f" {lengths[0]}, {lengths[1]} and {lengths[2]} rows; give one row an answer."
        )
    object_codes, object_names = _factorized(columns[0])
    annotator_codes, annotator_names = _factorized(columns[1], sort=True)
    if class_names is None:
        chosen = pd.unique(columns[2])
        named = [name for name in (also or {}).values() if name is not None]
        class_names = _sorted({*chosen.tolist(), *named})
    elif len(set(class_names)) < len(class_names):
        raise BadInput(
            f"Each class must differ, but got {', '.join(map(str, class_names))}; name each once."
        )
    answers = Answers(
        object_names,
        annotator_names,
        tuple(class_names),
        object_codes,
        annotator_codes,
        _codes_among(columns[2], tuple(class_names)),
    )
    if not repeats:
        _refuse_repeats(answers)
    return answers


def _column(values: Labels, what: str) -> np.ndarray:
    column = np.asarray(values, dtype=object)
    if column.ndim != 1:
        raise BadInput(
            f"The {what} of answers are one column, but got shape {column.shape}; give one string"
            " or whole number an answer."
        )
    missing = pd.isna(column)
    if missing.any():
        raise BadInput(
            f"The {what} of answers have no gaps, but row {int(np.argmax(missing))} is empty;"
            " leave out the rows without an answer."
        )
    return column


def _factorized(
    column: np.ndarray, *, sort: bool = False
) -> tuple[np.ndarray, tuple[Hashable, ...]]:
    """(N,) codes and the distinct values, in order of their first row or sorted."""
    codes, values = pd.factorize(column)
    names = tuple(values.tolist())
    if sort:
        ordered = _sorted(names)
        place = {name: index for index, name in enumerate(ordered)}
        moved = np.array([place[name] for name in names], dtype=np.int64)
        return (moved[codes] if len(codes) else codes.astype(np.int64)), ordered
    return codes.astype(np.int64), names


def _sorted(names: set[Hashable] | tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """Whole numbers before strings, so that a mixture has an order too."""
    return tuple(sorted(names, key=lambda name: (isinstance(name, str), name)))


def _codes_among(column: np.ndarray, names: tuple[Hashable, ...]) -> np.ndarray:
    codes = _index(names).get_indexer(_index(column)).astype(np.int64)
    if (codes < 0).any():
        raise BadInput(
            f"The class of an answer is one of {', '.join(map(str, names)) or 'none'}, but got"
            f" {column[int(np.argmin(codes))]!r}; name every class or leave the answer out."
        )
    return codes


def _index(names: Iterable[Hashable]) -> pd.Index:
    """Held as they are: pandas would else turn strings and numbers into its own types."""
    return pd.Index(list(names), dtype=object)


def _refuse_repeats(answers: Answers) -> None:
    pairs = answers.object_of * max(len(answers.annotators), 1) + answers.annotator_of
    ordered = np.sort(pairs)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        row, who = divmod(int(twice[0]), len(answers.annotators))
        raise BadInput(
            "An annotator has one answer to an object, but"
            f" {answers.annotators[who]!r} has more to {answers.objects[row]!r};"
            " keep the latest."
        )
