"""What a reader hands to the writer: a few objects at a time, and what it could not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

CatalogueValue = int | float | str | bool | None
"""What a cell of the catalogue may hold."""


@dataclass(frozen=True)
class Reject:
    """One thing that could not be taken in: where it was, and why in a few words."""

    source: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Some objects of a survey, in the order in which they become rows.

    Attributes
    ----------
    object_ids
        One id an object, unique in the survey.
    images
        One array (band, y, x) an object in the survey's dtype, or one array
        (object, band, y, x). `None` stands for an object that has no picture.
    columns
        One dictionary an object: column name to value. A column that a dictionary lacks is
        missing for that object. "object_id" and "group_id" are not given here.
    group_ids
        Which objects are views of one thing; the object ids themselves when left out.
    rejects
        What was read along the way and cannot become an object.
    """

    object_ids: Sequence[str]
    images: Sequence[np.ndarray | None] | np.ndarray
    columns: Sequence[dict[str, CatalogueValue]]
    group_ids: Sequence[str] | None = None
    rejects: Sequence[Reject] = field(default_factory=tuple)
