"""Known examples: what somebody names before the first answer, as rows of a survey."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Examples:
    """Objects named as examples, and what named none.

    Attributes
    ----------
    rows
        Row of the survey -> what named it first: an id, a position, an entry of a catalogue. In
        the order of naming, each row once.
    unresolved
        What named no object of the survey, each with its reason.
    apart_arcsec
        Row -> how far from it the place lay that named it; without those that an id named.
    """

    rows: Mapping[int, str] = field(default_factory=dict)
    unresolved: tuple[str, ...] = ()
    apart_arcsec: Mapping[int, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def joined(self, other: Examples) -> Examples:
        """These, then those of `other`."""
        rows, apart = dict(self.rows), dict(self.apart_arcsec)
        for row, name in other.rows.items():
            if row not in rows:
                rows[row] = name
                if row in other.apart_arcsec:
                    apart[row] = other.apart_arcsec[row]
        return Examples(rows, self.unresolved + other.unresolved, apart)

    def sentences(self, most: int = 5) -> list[str]:
        """How many are known, and what could not be resolved (at most `most` of them named)."""
        many = len(self.rows) != 1
        told = [f"{len(self.rows):,} known example{'s are' if many else ' is'} in the survey."]
        if self.unresolved:
            left = len(self.unresolved) - most
            told.append(
                f"{len(self.unresolved):,} could not be resolved:"
                f" {'; '.join(self.unresolved[:most])}"
                + (f"; and {left:,} more" if left > 0 else "")
                + "."
            )
        return told


def examples_by_id(ids: Iterable[str], object_ids: Sequence[str] | np.ndarray) -> Examples:
    """Objects named by their ids; empty names are passed over, spaces around them are not read."""
    rows = {str(name): row for row, name in enumerate(object_ids)}
    found: dict[int, str] = {}
    unresolved = []
    for given in ids:
        name = given.strip()
        if not name:
            continue
        if name in rows:
            found.setdefault(rows[name], name)
        else:
            unresolved.append(f"{name!r} is no object of the survey")
    return Examples(found, tuple(unresolved))
