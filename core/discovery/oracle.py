"""The annotator that knows the truth, for tests, simulations and benchmarks."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import BadInput, NotFound


@dataclass(frozen=True)
class Truth(Mapping[int, str]):
    """Row -> label, and how well the file and the survey fit.

    Attributes
    ----------
    labels
        Row -> label, of the objects whose truth is known.
    n_unknown
        Lines of the file whose object_id the survey does not have.
    n_without
        Objects of the survey without a truth; a simulation sets them aside.
    """

    labels: Mapping[int, str]
    n_unknown: int = 0
    n_without: int = 0

    def __getitem__(self, row: int) -> str:
        return self.labels[row]

    def __iter__(self) -> Iterator[int]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels there are, sorted."""
        return tuple(sorted(set(self.labels.values())))


class Oracle:
    """Answers like a person who knows the truth and errs now and then.

    Parameters
    ----------
    truth : row -> label
    target : the wanted class, or several; needed where `error_rate` is above 0
    error_rate
        Probability of a wrong answer: a target is called by the most frequent other class, any
        other object is called a target, the first named.
    seed
        Decides which objects are answered wrongly, whatever the order of asking: whoever is asked
        twice says the same.

    Raises
    ------
    BadInput
        A rate outside of 0 to 1 (1 excluded), or one without a target and another class.
    """

    def __init__(
        self,
        truth: Mapping[int, str],
        target: str | Sequence[str] | None = None,
        error_rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not 0 <= error_rate < 1:
            raise BadInput(
                f"The error rate of an annotator is at least 0 and below 1, but is {error_rate};"
                " change it."
            )
        self._truth = truth
        self._targets = [target] if isinstance(target, str) else list(target or ())
        self._wrong: frozenset[int] = frozenset()
        self._other = ""
        if error_rate:
            others = Counter(label for label in truth.values() if label not in self._targets)
            if not self._targets or not others:
                raise BadInput(
                    "An annotator who errs needs a target and another class to mistake it for,"
                    f" but the truth holds {', '.join(sorted(set(truth.values()))) or 'nothing'};"
                    " leave the error rate at 0."
                )
            # Of equally frequent classes the first by name, or the order of the file would count.
            self._other = min(others, key=lambda label: (-others[label], label))
            rows = np.array(sorted(truth), dtype=np.int64)
            chance = np.random.default_rng([seed, 0xE7]).random(int(rows[-1]) + 1)
            self._wrong = frozenset(rows[chance[rows] < error_rate].tolist())

    def __call__(self, row: int) -> str:
        """The answer for `row`; `NotFound` where the truth has none."""
        try:
            label = self._truth[row]
        except KeyError:
            raise NotFound(
                f"The truth has no label for row {row}; set such objects aside first."
            ) from None
        if row not in self._wrong:
            return label
        return self._other if label in self._targets else self._targets[0]


def read_truth(path: str | os.PathLike[str], object_ids: Sequence[str] | np.ndarray) -> Truth:
    """Read a CSV file with the columns object_id and label (others are ignored).

    An empty label is no truth. Ids that the survey does not have, and objects that the file does
    not have, are counted in the result.

    Raises
    ------
    NotFound
        There is no such file.
    BadInput
        Not UTF-8 CSV text, a column is missing, an id comes twice with different labels, or no
        id is of this survey.
    """
    path = Path(path)
    rows = {str(name): row for row, name in enumerate(object_ids)}
    labels: dict[int, str] = {}
    n_unknown = 0
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            header = reader.fieldnames or []
            if not {"object_id", "label"} <= set(header):
                raise BadInput(
                    "A truth file has the columns object_id and label, but the header of"
                    f" {path} is {', '.join(header) or 'empty'}; rename its columns."
                )
            for line in reader:
                name, label = line["object_id"] or "", (line["label"] or "").strip()
                if not label:
                    continue
                if name not in rows:
                    n_unknown += 1
                elif labels.setdefault(rows[name], label) != label:
                    raise BadInput(
                        f"Each object has one truth, but {path} calls {name!r} both"
                        f" {labels[rows[name]]!r} and {label!r}; remove one of the two."
                    )
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(
            f"There is no truth file {path}; give a CSV with the columns object_id and label."
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"A truth file is CSV text in UTF-8, but {path} cannot be read so ({error}); save it"
            " again as such."
        ) from None
    if not labels:
        raise BadInput(
            f"None of the {n_unknown} labelled objects in {path} is in this survey of"
            f" {len(rows)}; check that the file belongs to it."
        )
    return Truth(labels, n_unknown=n_unknown, n_without=len(rows) - len(labels))
