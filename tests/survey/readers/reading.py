"""What tests of readers share: read everything and hold the reader to its promises."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.survey.batch import CatalogueValue, Spectrum
from core.survey.readers import Reader, Unit


@dataclass
class Read:
    """Everything that a reader handed over, in order."""

    ids: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    images: list[np.ndarray | None] = field(default_factory=list)
    spectra: list[Spectrum | None] = field(default_factory=list)
    columns: list[dict[str, CatalogueValue]] = field(default_factory=list)
    rejects: dict[tuple[str, str], str] = field(default_factory=dict)
    tally: dict[str, int] = field(default_factory=dict)
    n_rejects: int = 0


def read_all(reader: Reader) -> Read:
    """Read every unit as a worker would: the reader pickled, the unit through JSON.

    Objects and rejects must add up to the entries of each unit and of the reader, and images
    must be what the layout says.
    """
    found = Read()
    layout = reader.layout
    shape = (len(layout.bands), layout.cutout_size_px, layout.cutout_size_px)
    n_entries = 0
    for number, unit in enumerate(reader.units()):
        assert unit.index == number
        seen = 0
        other: Reader = pickle.loads(pickle.dumps(reader))
        what: Any = json.loads(json.dumps(unit.what))
        for batch in other.read(Unit(unit.index, unit.n_entries, what)):
            n = len(batch.object_ids)
            seen += batch.n_entries
            found.ids += batch.object_ids
            found.groups += batch.object_ids if batch.group_ids is None else batch.group_ids
            images = [None] * n if batch.images is None else list(batch.images)
            found.spectra += [None] * n if batch.spectra is None else batch.spectra
            assert len(images) == len(batch.columns) == n
            for image in images:
                assert image is None or (image.shape == shape and image.dtype == layout.dtype)
            found.images += images
            found.columns += batch.columns
            for reject in batch.rejects:
                found.rejects[(reject.source, reject.member)] = reject.reason
                found.n_rejects += 1
            for words, count in batch.tally.items():
                found.tally[words] = found.tally.get(words, 0) + count
        assert seen == unit.n_entries
        n_entries += seen
    assert n_entries == reader.n_entries
    return found
