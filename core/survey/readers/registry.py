"""The seam for readers: one file makes one new way to read data, registered by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from core.survey.batch import Batch


class Reader(Protocol):
    """What knows a kind of data and hands it over a batch at a time.

    Attributes
    ----------
    bands, cutout_size_px, dtype, origin, licence, pixel_scale_arcsec
        What the survey will say of itself (see `SurveyWriter`).
    n_sources
        How many things there are to read, for the progress.
    notes
        Sentences about what was left out; read after the last batch.
    """

    bands: Sequence[str]
    cutout_size_px: int
    dtype: str
    origin: str
    licence: str
    pixel_scale_arcsec: float | None
    n_sources: int
    notes: list[str]

    def batches(self) -> Iterator[Batch]:
        """The objects, with a reject for everything that could not be read."""


ReaderFactory = Callable[[Path, int | None], Reader]
"""Looks at the source, with the wished cutout size or None, and raises `BadInput` if that cannot
be a survey."""

READERS: dict[str, ReaderFactory] = {}
"""Every registered reader by its name."""


def register_reader(name: str) -> Callable[[ReaderFactory], ReaderFactory]:
    """Register a reader class or function under a new name; refuses a name that is taken."""

    def register(factory: ReaderFactory) -> ReaderFactory:
        if name in READERS:
            raise ValueError(f"there is already a reader {name!r}; choose another name")
        READERS[name] = factory
        return factory

    return register
