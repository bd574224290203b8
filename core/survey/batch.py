"""What a reader hands to the writer: a few objects at a time, and what it could not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

CatalogueValue = int | float | str | bool | None
"""What a cell of the catalogue may hold."""


@dataclass(frozen=True)
class Reject:
    """One entry that could not be taken in: the file, the member within it (of an archive or a
    table; empty where the file is the entry), and why in a few words."""

    source: str
    reason: str
    member: str = ""


@dataclass(frozen=True)
class Spectrum:
    """One spectrum on the survey's grid.

    Attributes
    ----------
    flux
        (n,) float32 flux density in the units that the column information names; NaN or 0 where
        `mask` is set.
    ivar
        (n,) float32 inverse variance of `flux`; 0 where nothing is known.
    mask
        (n,) bool, True where the pixel must not be used.
    """

    flux: np.ndarray
    ivar: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Some objects of a survey, in the order in which they become rows.

    Attributes
    ----------
    object_ids
        One id an object, unique in the survey.
    images
        One array (band, y, x) an object in the survey's dtype, or one array
        (object, band, y, x). `None` stands for an object that has no picture, and for all of
        them when it stands alone.
    columns
        One dictionary an object: column name to value. A column that a dictionary lacks is
        missing for that object. "object_id" and "group_id" are not given here.
    group_ids
        Which objects are views of one thing; the object ids themselves when left out.
    rejects
        What was read along the way and cannot become an object.
    spectra
        One spectrum an object on the survey's grid, `None` for an object that has none.
    sources
        Where each object came from, for the line in rejects.csv if the writer turns it away;
        its id when left out.
    members
        What it was within that source (a row, a member of an archive), for the same line.
    tally
        Things worth telling that happened, counted: {"Pictures resampled": 12}. The sums of all
        batches become sentences of the manifest.
    """

    object_ids: Sequence[str]
    images: Sequence[np.ndarray | None] | np.ndarray | None
    columns: Sequence[dict[str, CatalogueValue]]
    group_ids: Sequence[str] | None = None
    rejects: Sequence[Reject] = field(default_factory=tuple)
    spectra: Sequence[Spectrum | None] | None = None
    sources: Sequence[str] | None = None
    members: Sequence[str] | None = None
    tally: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_entries(self) -> int:
        """Entries that this batch accounts for: objects and rejects."""
        return len(self.object_ids) + len(self.rejects)


class BatchBuilder:
    """Gathers objects one by one into a `Batch`."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._images: list[np.ndarray | None] = []
        self._spectra: list[Spectrum | None] = []
        self._columns: list[dict[str, CatalogueValue]] = []
        self._groups: list[str] = []
        self._sources: list[str] = []
        self._members: list[str] = []
        self._rejects: list[Reject] = []
        self._tally: Counter[str] = Counter()

    def add(
        self,
        object_id: str,
        columns: Mapping[str, CatalogueValue],
        *,
        image: np.ndarray | None = None,
        spectrum: Spectrum | None = None,
        group_id: str | None = None,
        source: str | None = None,
        member: str = "",
    ) -> None:
        self._ids.append(object_id)
        self._images.append(image)
        self._spectra.append(spectrum)
        self._columns.append(dict(columns))
        self._groups.append(object_id if group_id is None else group_id)
        self._sources.append(object_id if source is None else source)
        self._members.append(member)

    def reject(self, source: str, reason: str, member: str = "") -> None:
        self._rejects.append(Reject(source, reason, member))

    def tally(self, words: str, n: int = 1) -> None:
        self._tally[words] += n

    def __len__(self) -> int:
        return len(self._ids) + len(self._rejects)

    def take(self) -> Batch:
        """What was gathered since the last time."""
        batch = Batch(
            self._ids,
            self._images if any(image is not None for image in self._images) else None,
            self._columns,
            self._groups,
            self._rejects,
            self._spectra if any(one is not None for one in self._spectra) else None,
            self._sources,
            self._members,
            dict(self._tally),
        )
        self.__init__()  # type: ignore[misc]
        return batch
