"""Imports data into a survey: streaming, in parallel, and going on where it was stopped."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.errors import AlreadyExists, BadInput, NotFound
from core.progress import Progress, silent
from core.survey.interrupted import discard
from core.survey.journal import Journal, first_units, read_plan, write_plan
from core.survey.layout import Layout
from core.survey.merging import CatalogueJoin, Join, SpectraJoin, all_joins
from core.survey.options import ImportOptions
from core.survey.parallel import available_cores, in_order
from core.survey.previewing import reader_for
from core.survey.readers import Reader
from core.survey.store import Survey, list_surveys
from core.survey.writer import SurveyWriter
from core.vocabulary import checked_name
from core.workspace import Workspace

CHECKPOINT_SECONDS = 1.0
CHECKPOINT_SHARE = 0.05
"""Time between two checkpoints at least, and the share of the time that they may take."""
FEW_ENTRIES = 300
"""Fewer are read in this process: starting others takes about as long."""

RECORD = "import.json"


def import_survey(
    workspace: Workspace,
    source: str | os.PathLike[str],
    name: str,
    options: ImportOptions | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    append: bool = False,
    restart: bool = False,
    progress: Progress = silent,
) -> Survey:
    """Import `source` as the new survey `name`, or add its objects to that survey.

    An import that was stopped (by a crash, a full disk, on request) goes on where it was when it
    is called again with the same source and options, and ends with the same content hash as one
    that was not.

    Parameters
    ----------
    workspace, source, name
        Where to, what from, and the survey's name.
    options
        What is known of the data.
    workers
        Processes that read; as many as there are cores when left out, 0 for none but this one.
    scheduler
        Address of a Dask scheduler instead.
    append
        Make a new version of an existing survey with more objects.
    restart
        Forget what an earlier, stopped import had done.

    Raises
    ------
    BadInput
        The source cannot be a survey, or does not fit the one it is added to.
    AlreadyExists, NotFound, InUse, StorageFull, Cancelled
        As the words say. What was done so far is kept for the next call, except when it cannot
        be used.
    """
    if workers is not None and not 0 <= workers <= 256:
        raise BadInput(f"workers must be 0 to 256, but is {workers}; change it.")
    options = options or ImportOptions()
    base = _base(workspace, checked_name(name, "survey"), append=append)
    started = time.monotonic()
    progress(0.0, f"Looking at {source}.")
    if restart:
        discard(workspace, name)
    path = Path(source).expanduser()
    wanted = options if base is None else _as_before(options, base)
    reader = reader_for(path, wanted, workspace)
    layout = reader.layout
    spectra = SpectraJoin.open(options) if options.spectra else None
    if spectra is not None:
        if layout.grid is not None:
            raise BadInput(
                f"{source} has spectra itself, so none can be joined from {options.spectra};"
                " leave --spectra out."
            )
        layout = replace(layout, grid=spectra.reader.layout.grid)
    if base is not None:
        if layout.grid is None and layout.bands:
            layout = replace(layout, grid=base.grid)  # the new ones just have no spectrum
        _check_fits(layout, base)
    catalogue = None
    if options.catalogue and not reader.takes_catalogue:
        catalogue = CatalogueJoin.open(options)
    about = {
        "reader": reader.name,
        "source": str(path.resolve()),
        "options": json.loads(json.dumps(options.as_dict())),
        "layout": json.loads(json.dumps(asdict(layout))),
        "state": [
            _state(Path(one).expanduser()) if one else None
            for one in (source, options.catalogue, options.spectra)
        ],
        "base": base.manifest.content_hash if base else None,
    }
    with SurveyWriter(
        workspace,
        name,
        bands=layout.bands,
        cutout_size_px=layout.cutout_size_px,
        dtype=layout.dtype,
        origin=layout.origin,
        licence=layout.licence,
        pixel_scale_arcsec=layout.pixel_scale_arcsec,
        grid=layout.grid,
        columns=layout.columns,
        base=base,
        journal=Journal(about, 0, 0),
        late_spectra=spectra is not None,
    ) as writer:
        job = _Job(writer, reader, source, progress, workers, scheduler)
        job.plan()
        job.read()
        if writer.n_objects == (len(base) if base else 0):
            raise BadInput(_nothing(writer, reader, source))
        for note in reader.notes:
            writer.note(note)
        joins: list[Join] = []
        if catalogue is not None:
            progress(0.99, f"Joining {options.catalogue}.")
            joins.append(catalogue.start(writer))
        if spectra is not None:
            joins.append(spectra.join(writer, progress, workers=job.workers, scheduler=scheduler))
        progress(0.99, "Writing the catalogue.")
        _write_record(writer, reader, about, time.monotonic() - started, spectra)
        survey = writer.commit(all_joins(joins), catalogue.report if catalogue else None)
    progress(1.0, _summary(survey))
    return survey


def import_folder(
    workspace: Workspace,
    folder: str | os.PathLike[str],
    name: str,
    *,
    size_px: int | None = None,
    progress: Progress = silent,
) -> Survey:
    """Import a folder of pictures; see `import_survey` and the reader "folder"."""
    options = ImportOptions(reader="folder", size_px=size_px)
    return import_survey(workspace, folder, name, options, progress=progress)


class _Job:
    """The reading part of an import: plan, read, checkpoint."""

    def __init__(
        self,
        writer: SurveyWriter,
        reader: Reader,
        source: str | os.PathLike[str],
        progress: Progress,
        workers: int | None,
        scheduler: str | None,
    ) -> None:
        assert writer.journal is not None
        self.writer, self.reader, self.source = writer, reader, source
        self.progress, self.scheduler = progress, scheduler
        self.journal = writer.journal
        self._asked = workers
        self.workers = 0

    def plan(self) -> None:
        """Write down the work, once; an import that goes on keeps to what was written."""
        if not self.journal.n_units:
            self.progress(0.0, f"Listing {self.source}.")
            n_units, n_entries = write_plan(self.writer.partial, self.reader.units())
            self.journal.n_units, self.journal.n_entries = n_units, n_entries
            self.writer.checkpoint(0)
        few = self.journal.n_entries < FEW_ENTRIES
        cores = 0 if few or available_cores() == 1 else available_cores()
        self.workers = cores if self._asked is None else self._asked

    def read(self) -> None:
        journal, writer = self.journal, self.writer
        done = sum(
            unit.n_entries for unit in first_units(read_plan(writer.partial), journal.units_done)
        )
        skipped, began, last = done, time.monotonic(), time.monotonic()
        units = read_plan(writer.partial, journal.units_done)
        number, pause = journal.units_done, CHECKPOINT_SECONDS
        for unit, batches in in_order(
            self.reader, units, workers=self.workers, scheduler=self.scheduler
        ):
            for batch in batches:
                writer.append(batch)
            number, done = unit.index + 1, done + unit.n_entries
            now = time.monotonic()
            if now - last > pause:
                writer.checkpoint(number)
                last = time.monotonic()
                pause = max(
                    CHECKPOINT_SECONDS, CHECKPOINT_SECONDS and (last - now) / CHECKPOINT_SHARE
                )
            rate = (done - skipped) / max(now - began, 1e-3)
            self.progress(
                min(0.99, done / max(1, journal.n_entries)),
                f"Read {done:,} of {journal.n_entries:,}, {writer.n_rejects:,} rejected,"
                f" {rate:,.0f} a second.",
            )
        writer.checkpoint(number)


def _base(workspace: Workspace, name: str, *, append: bool) -> Survey | None:
    there = list_surveys(workspace)
    if append:
        if name not in there:
            raise NotFound(
                f"There is no survey {name!r} to add to (there: {', '.join(there) or 'none yet'});"
                " leave --append out to make it."
            )
        return Survey.open(workspace, name)
    if name in there:
        # Told before a million files are looked at; the writer checks again.
        raise AlreadyExists(
            f"There is already a survey {name!r} in {workspace.root}; choose another name, or add"
            " to it with --append."
        )
    return None


def _as_before(options: ImportOptions, base: Survey) -> ImportOptions:
    """The options with those of the survey that is added to, where they were left out."""
    manifest, grid = base.manifest, base.grid
    wanted: dict[str, Any] = {"licence": manifest.licence}
    if manifest.bands:
        wanted["size_px"] = manifest.cutout_size_px if manifest.cutout_size_px >= 8 else None
        wanted["pixel_scale_arcsec"] = manifest.pixel_scale_arcsec
        if manifest.bands != ("R", "G", "B"):
            wanted["bands"] = manifest.bands
    if grid is not None:
        wanted["wavelength_min"] = float(grid.wavelength[0])
        wanted["wavelength_max"] = float(grid.wavelength[-1])
        wanted["wavelength_step"] = grid.log10_step
    missing = {key: value for key, value in wanted.items() if not getattr(options, key)}
    return replace(options, **missing)


def _check_fits(layout: Layout, base: Survey) -> None:
    manifest = base.manifest
    pairs = (
        ("bands", ", ".join(layout.bands) or "none", ", ".join(manifest.bands) or "none"),
        ("a cutout size (px)", layout.cutout_size_px, manifest.cutout_size_px),
        ("pixels of the kind", layout.dtype, manifest.dtype if manifest.bands else layout.dtype),
        ("the wavelength grid", layout.grid, base.grid),
    )
    for what, came, there in pairs:
        if came != there:
            raise BadInput(
                f"The survey {base.name!r} has {what} {there}, but the new objects have {came};"
                " import them as a survey of their own, or change the options."
            )


def _state(path: Path) -> list[int] | None:
    """What tells that a single file was changed since."""
    with contextlib.suppress(OSError):
        if path.is_file():
            found = path.stat()
            return [found.st_size, found.st_mtime_ns]
    return None


def _write_record(
    writer: SurveyWriter,
    reader: Reader,
    about: dict[str, Any],
    seconds: float,
    spectra: SpectraJoin | None,
) -> None:
    """import.json: how the version came about."""
    from core.survey.runs import versions

    assert writer.journal is not None
    n_spectra = spectra.reader.n_entries if spectra else 0  # joined, or rejects as well
    record = {
        **{key: about[key] for key in ("reader", "source", "options", "base")},
        "settings": reader.settings,
        "notes": list(reader.notes),
        "n_entries": writer.journal.n_entries,
        "n_spectra": n_spectra,
        "resumed": writer.journal.resumed,
        "seconds_of_the_last_part": round(seconds, 2),
        "versions": versions(),
    }
    text = json.dumps(record, indent=1, ensure_ascii=True, default=str)
    (writer.partial / RECORD).write_text(text + "\n", encoding="utf-8")


def import_record(survey: Survey) -> dict[str, Any]:
    """How a version came about: reader, source, options, settings; empty if it does not say."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((survey.path / RECORD).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _nothing(writer: SurveyWriter, reader: Reader, source: str | os.PathLike[str]) -> str:
    if not writer.rejects:
        return f"There is no object in {source}; check the path."
    first = writer.rejects[0]
    member = f" {first.member}" if first.member else ""
    return (
        f"None of the {reader.n_entries:,} entries of {source} can be used (for one,"
        f" {first.source}{member} {first.reason}); check the files."
    )


def _summary(survey: Survey) -> str:
    manifest = survey.manifest
    objects = "object" if manifest.n_objects == 1 else "objects"
    told = [f"Survey {survey.name!r} has {manifest.n_objects:,} {objects}."]
    if manifest.n_rejects:
        told.append(
            f"Rejected: {manifest.n_rejects:,}; the reasons are in {survey.path / 'rejects.csv'}."
        )
    return " ".join((*told, *manifest.notes))
