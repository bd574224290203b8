"""Imports data through a reader into a new survey."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import AlreadyExists, BadInput
from core.progress import Progress, silent
from core.survey.readers import READERS
from core.survey.store import Survey, list_surveys
from core.survey.writer import SurveyWriter
from core.vocabulary import checked_name
from core.workspace import Workspace


def import_folder(
    workspace: Workspace,
    folder: str | os.PathLike[str],
    name: str,
    *,
    size_px: int | None = None,
    progress: Progress = silent,
) -> Survey:
    """Import a plain folder of JPEG or PNG pictures as the new survey `name`.

    Every picture becomes a square of `size_px` pixels, or, when that is left out, of the most
    frequent size among the files (at most 256): others are cut to their central square and
    resampled (Lanczos), which the column `resampled` tells. See `FolderReader` for ids, columns
    and colours. What cannot be read goes to rejects.csv with its reason; objects and rejects
    together are all the picture files there are.

    Raises
    ------
    BadInput
        There is no such folder, no picture in it, or none that can be read.
    AlreadyExists, InUse, StorageFull, Cancelled
        As the words say; nothing is left behind.
    """
    return import_survey(workspace, "folder", folder, name, size_px=size_px, progress=progress)


def import_survey(
    workspace: Workspace,
    reader: str,
    source: str | os.PathLike[str],
    name: str,
    *,
    size_px: int | None = None,
    progress: Progress = silent,
) -> Survey:
    """Import `source` through a registered reader as the new survey `name`.

    Raises
    ------
    BadInput
        There is no such reader, or the source cannot be a survey.
    AlreadyExists, InUse, StorageFull, Cancelled
        As the words say; nothing is left behind.
    """
    if reader not in READERS:
        raise BadInput(
            f"There is no reader {reader!r} (there: {', '.join(sorted(READERS))}); choose one"
            " of these."
        )
    if checked_name(name, "survey") in list_surveys(workspace):
        # Told before a million files are looked at; the writer checks again.
        raise AlreadyExists(
            f"There is already a survey {name!r} in {workspace.root}; choose another name."
        )
    progress(0.0, f"Looking at {source}.")
    data = READERS[reader](Path(source), size_px)
    with SurveyWriter(
        workspace,
        name,
        bands=data.bands,
        cutout_size_px=data.cutout_size_px,
        dtype=data.dtype,
        origin=data.origin,
        licence=data.licence,
        pixel_scale_arcsec=data.pixel_scale_arcsec,
    ) as writer:
        for batch in data.batches():
            writer.append(batch)
            done = writer.n_objects + writer.n_rejects
            progress(
                min(0.99, done / max(1, data.n_sources)),
                f"Read {done:,} of {data.n_sources:,}, {writer.n_rejects:,} rejected.",
            )
        if writer.n_objects == 0:
            first = writer.rejects[0]
            raise BadInput(
                f"None of the {data.n_sources} files in {source} can be used (for one,"
                f" {first.source} {first.reason}); check the files."
            )
        for note in data.notes:
            writer.note(note)
        survey = writer.commit()
    progress(1.0, _summary(survey))
    return survey


def _summary(survey: Survey) -> str:
    manifest = survey.manifest
    told = [f"Survey {survey.name!r} has {manifest.n_objects:,} objects."]
    if manifest.n_rejects:
        told.append(
            f"Rejected: {manifest.n_rejects:,}; the reasons are in {survey.path / 'rejects.csv'}."
        )
    return " ".join((*told, *manifest.notes))
