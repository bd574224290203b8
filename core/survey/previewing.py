"""What an import would make, before it is begun."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.survey.batch import Batch
from core.survey.layout import Layout
from core.survey.merging import CatalogueJoin, SpectraJoin, position_names
from core.survey.options import ImportOptions
from core.survey.parallel import read_safely
from core.survey.readers import Reader, make_reader
from core.survey.unit import Unit
from core.workspace import Workspace


@dataclass(frozen=True)
class Preview:
    """What an import would make, before it is begun.

    Attributes
    ----------
    reader, description
        The reader's name and what it reads.
    layout, settings, notes, n_entries
        See `Reader`.
    batch
        The first objects.
    """

    reader: str
    description: str
    layout: Layout
    settings: dict[str, Any]
    notes: list[str]
    n_entries: int
    batch: Batch


def preview(
    source: str | os.PathLike[str],
    options: ImportOptions | None = None,
    n: int = 12,
    workspace: Workspace | None = None,
) -> Preview:
    """What an import of `source` would make, with its first objects (at least one unit's).

    Raises
    ------
    BadInput
        It cannot be a survey.
    """
    options = options or ImportOptions()
    reader = reader_for(Path(source).expanduser(), options, workspace)
    found: list[Batch] = []
    for unit in reader.units():
        found += read_safely(reader, _beginning(unit, n))
        if sum(len(batch.object_ids) for batch in found) >= n:
            break
        if sum(batch.n_entries for batch in found) >= 20 * n:
            break
    batch, notes = _first(found, n), list(reader.notes)
    layout = reader.layout
    if options.catalogue and not reader.takes_catalogue:
        batch, note = _with_catalogue(batch, options)
        notes.append(note)
    if options.spectra:
        spectra = SpectraJoin.open(options).reader
        notes.append(f"Spectra to be joined by {options.join}: {spectra.n_entries:,}.")
        layout = replace(layout, grid=layout.grid or spectra.layout.grid)
    return Preview(
        *(reader.name, reader.description, layout, reader.settings, notes),
        *(reader.n_entries, batch),
    )


def _with_catalogue(batch: Batch, options: ImportOptions) -> tuple[Batch, str]:
    """The first objects with the columns that the catalogue gives them, and how many it knows."""
    joiner = CatalogueJoin.open(options).joiner
    names = list(dict.fromkeys(name for row in batch.columns for name in row))
    joiner.rename({*names, "object_id", "group_id"})
    places: list[np.ndarray | None] = [None, None]
    where = position_names(names)
    if where is not None:
        places = [
            np.array([row.get(name) for row in batch.columns], dtype=np.float64) for name in where
        ]
    elif options.join == "sky":
        raise BadInput(
            "A catalogue is joined by sky position to objects with columns ra and dec in degrees,"
            f" but these have {', '.join(names) or 'none'}; join it by id."
        )
    rows = joiner.match(np.array(batch.object_ids, dtype=object), *places)
    table = joiner.take(rows)
    more = [
        dict(zip(table.column_names, cells, strict=True))
        for cells in zip(
            *(table.column(name).to_pylist() for name in table.column_names), strict=True
        )
    ]
    columns = [{**own, **other} for own, other in zip(batch.columns, more, strict=True)]
    note = (
        f"Catalogue {options.catalogue}: {int((rows >= 0).sum())} of the first {len(rows)} objects"
        f" have a row in it (by {options.join})."
    )
    return replace(batch, columns=columns or batch.columns), note


def reader_for(source: Path, options: ImportOptions, workspace: Workspace | None) -> Reader:
    """The reader, told what only the workspace knows: where it may keep what it downloads."""
    if workspace is None:
        return make_reader(source, options)
    return make_reader(source, options, {"cache": str(workspace.root / "cache" / "downloads")})


def _beginning(unit: Unit, n: int) -> Unit:
    """The first entries of a unit that can be taken apart, else all of it."""
    if isinstance(unit.what, list) and len(unit.what) == unit.n_entries:
        return Unit(unit.index, min(n, unit.n_entries), unit.what[:n])
    return unit


def _first(batches: list[Batch], n: int) -> Batch:
    """The first objects of some batches as one, with all their rejects."""
    whole = Batch([], None, [], [], [], None, [])
    ids: list[str] = []
    images: list[Any] = []
    columns: list[Any] = []
    spectra: list[Any] = []
    groups: list[str] = []
    rejects = list(whole.rejects)
    for batch in batches:
        k = len(batch.object_ids)
        ids += batch.object_ids
        groups += batch.object_ids if batch.group_ids is None else batch.group_ids
        images += [None] * k if batch.images is None else list(batch.images)
        spectra += [None] * k if batch.spectra is None else list(batch.spectra)
        columns += batch.columns
        rejects += batch.rejects
    return Batch(ids[:n], images[:n], columns[:n], groups[:n], rejects, spectra[:n])
