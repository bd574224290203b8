"""What an import would make, before it is begun."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.survey.batch import Batch
from core.survey.layout import Layout
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
    return Preview(
        reader.name,
        reader.description,
        reader.layout,
        reader.settings,
        list(reader.notes),
        reader.n_entries,
        _first(found, n),
    )


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
