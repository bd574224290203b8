"""The annotator that knows the truth, for tests, simulations and benchmarks."""

from __future__ import annotations

import csv
import os
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
    """Answers like a person who is always right."""

    def __init__(self, truth: Mapping[int, str]) -> None:
        self._truth = truth

    def __call__(self, row: int) -> str:
        """The label of `row`; `NotFound` where the truth has none."""
        try:
            return self._truth[row]
        except KeyError:
            raise NotFound(
                f"The truth has no label for row {row}; set such objects aside first."
            ) from None


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
