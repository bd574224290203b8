"""What a label file holds, before anybody takes it in."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from core.exchange.reading import read_labels

__all__ = ["Inspection", "inspect"]


@dataclass
class Inspection:
    """What a label file holds.

    Attributes
    ----------
    first
        The values of its first rows, by the names of a label event.
    classes
        How many rows name each class.
    annotators
        Who is named in it.
    left_out, remarks
        As `LabelFile` has them once it is read.
    """

    format: str
    n_rows: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    annotators: set[str] = field(default_factory=set)
    left_out: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def inspect(path: str | os.PathLike[str], *, n_first: int = 8, **options: Any) -> Inspection:
    """Read the whole file; `options` and errors are those of `read_labels`."""
    file = read_labels(path, **options)
    found = Inspection(file.format)
    for row in file:
        found.n_rows += 1
        if len(found.first) < n_first:
            found.first.append(row.values)
        if row.values.get("class_name") is not None:
            found.classes[row.values["class_name"]] += 1
        if row.values.get("annotator") is not None:
            found.annotators.add(row.values["annotator"])
    found.left_out, found.remarks = dict(file.left_out), list(file.remarks)
    return found
