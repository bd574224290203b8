"""Writes a survey version: in a partial folder, with bounded memory, all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from core.errors import AlreadyExists, BadInput
from core.spectra import SpectralGrid
from core.survey.batch import Batch, Reject, Spectrum
from core.survey.catalogue import CatalogueWriter
from core.survey.content import PixelHash, SpectrumHash, content_hash
from core.survey.ids import SeenIds, id_hashes, one_form
from core.survey.journal import Journal, drop_tools
from core.survey.late_spectra import LateSpectra
from core.survey.layout import ColumnInfo
from core.survey.limits import LimitsSample
from core.survey.manifest import FORMAT_OF_PICTURES, SURVEY_FORMAT, Manifest, grid_entries
from core.survey.partial import (
    claim_partial,
    drop_empty,
    drop_partial,
    finish_partial,
    release_partial,
)
from core.survey.pixels import IMAGES, SPECTRA, PixelWriter, SpectrumWriter
from core.survey.rejected import RejectsWriter
from core.survey.settings import (
    checked_bands,
    checked_dtype,
    checked_image,
    checked_scale,
    checked_side,
    checked_spectrum,
    gathered,
)
from core.survey.store import Survey
from core.workspace import Workspace, storage_errors


class SurveyWriter:
    """Makes version 1 of a new survey, or the next version of one by adding objects to it.

    with SurveyWriter(workspace, "mine", bands=("g", "r", "i"), ...) as writer:
        writer.append(batch)
        survey = writer.commit()

    Work goes on in surveys/NAME/versions/N.partial; `commit` renames it. Leaving the block
    without a commit, by an error or otherwise, removes it and everything of the name, unless it
    keeps a journal.

    Parameters
    ----------
    workspace, name
        Where, and the new survey's name.
    bands
        Names along the first image axis, from blue to red, or ("R", "G", "B") for pictures;
        empty, with a size of 0, for a survey without pictures.
    cutout_size_px
        Side of every image, 1 to 2048.
    dtype
        "uint8" or "float32".
    origin, licence
        Where the data came from and on what terms, for the manifest.
    pixel_scale_arcsec
        Side of a pixel on the sky.
    notes
        Sentences for the manifest; `note` adds more.
    grid
        Wavelength grid of the spectra.
    columns
        What is known of the catalogue's columns.
    base
        An open survey of that name whose objects come first.
    journal
        Lets a later process go on where this one was stopped: see `checkpoint`. Its folder is
        taken up if the journal in it is about the same.
    late_spectra
        The spectra of new objects come by `late_spectra_into` after the last `append`.

    Raises
    ------
    AlreadyExists, InUse
        The name is taken, or a living process is importing under it (before any work).
    StorageFull
        The disk is full; from `append` and `commit` too.
    BadInput
        A setting, or an image or column of a batch, is not what the survey holds.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        *,
        bands: Sequence[str],
        cutout_size_px: int,
        dtype: str,
        origin: str,
        licence: str,
        pixel_scale_arcsec: float | None = None,
        notes: Iterable[str] = (),
        grid: SpectralGrid | None = None,
        columns: Mapping[str, ColumnInfo] | None = None,
        base: Survey | None = None,
        journal: Journal | None = None,
        late_spectra: bool = False,
    ) -> None:
        self._workspace = workspace
        self._name = name
        has_images = bool(tuple(bands)) or cutout_size_px != 0
        self._bands = checked_bands(bands) if has_images else ()
        self._side = checked_side(cutout_size_px) if has_images else 0
        self._shape = (len(self._bands), self._side, self._side)
        self._dtype = checked_dtype(dtype)
        self._pixel_scale_arcsec = checked_scale(pixel_scale_arcsec)
        self._origin, self._licence = origin, licence
        self._notes = list(notes)
        self._grid = grid
        self._info = dict(columns or {})
        self._base = base
        self._late_spectra = late_spectra
        folder = workspace.survey(name)
        if base is None and (folder / "versions").is_dir() and _has_version(folder / "versions"):
            raise AlreadyExists(
                f"There is already a survey {name!r} in {workspace.root}; choose another name."
            )
        version = 1 if base is None else base.version + 1
        self._final = folder / "versions" / str(version)
        self._partial: Path | None = None
        self._limits = LimitsSample()
        self._hash = PixelHash()
        self._spectra_hash = SpectrumHash()
        self.tally: Counter[str] = Counter()
        self.journal = journal
        try:
            with storage_errors(folder):
                self._open(f"survey {name!r}")
        except BaseException:
            self.abort(keep=self.journal is not None and self.journal.resumed > 0)
            raise

    def _open(self, what: str) -> None:
        about = self.journal.about if self.journal else None

        def is_ours(folder: Path) -> bool:
            kept = Journal.read(folder)
            return about is not None and kept is not None and kept.about == about

        self._partial = partial = claim_partial(self._final, what, is_ours)
        kept = Journal.read(partial) if self.journal else None
        if kept is not None:
            self.journal = kept
            kept.resumed += 1
        base = self._base if kept is None else None
        n_parts = kept.n_parts if kept else 0
        self._pixels: PixelWriter | None = None
        self._spectra: SpectrumWriter | None = None
        if self._bands:
            self._pixels = PixelWriter(
                *(partial / IMAGES, len(self._bands), self._side, self._dtype),
                base=base.path / IMAGES if base else None,
            )
        if self._grid is not None:
            self._spectra = SpectrumWriter(
                partial / SPECTRA, self._grid.n, base.path / SPECTRA if base else None
            )
        self._catalogue = CatalogueWriter(
            partial, n_parts, base.path / "catalogue.parquet" if base else None
        )
        self._ids = SeenIds(self._catalogue.object_id_at)
        if kept:
            self._rejects = RejectsWriter(
                partial / "rejects.csv", kept.rejects_bytes, kept.n_rejects
            )
            self.tally.update(kept.tally)
            arrays = kept.arrays(partial)
            for group in self._groups:
                group.go_on(arrays)
        else:
            self._rejects = RejectsWriter(partial / "rejects.csv")
            if base is not None:
                if self._pixels:
                    self._pixels.follow(base.has_image)
                if self._spectra:
                    self._spectra.follow(base.has_spectrum)
        self._see_again()

    @property
    def _groups(self) -> list[PixelWriter | SpectrumWriter]:
        return [group for group in (self._pixels, self._spectra) if group is not None]

    def _see_again(self) -> None:
        """Take into hashes, limits and ids what an earlier process or version wrote."""
        row = 0
        for table in self._catalogue.tables(["object_id"]):
            ids = table.column("object_id").to_pylist()
            self._ids.see_again(ids, row)
            row += len(ids)
        if self._pixels is not None:
            row, there = 0, self._pixels.flags
            for block in self._pixels.parts["image"].blocks():
                for image in block:
                    self._take_in(row, image if there[row] else None)
                    row += 1
        if self._spectra is not None:
            row, there = 0, self._spectra.flags
            parts = self._spectra.parts
            for blocks in zip(*(part.blocks() for part in parts.values()), strict=True):
                for values in zip(*blocks, strict=True):
                    self._spectra_hash.add(Spectrum(*values) if there[row] else None)
                    row += 1

    @property
    def partial(self) -> Path:
        """The folder in which the version is made."""
        return self._open_partial()

    @property
    def n_objects(self) -> int:
        """Objects taken in so far and in the older version."""
        return self._catalogue.n_rows

    @property
    def n_rejects(self) -> int:
        """Things turned away so far."""
        return self._rejects.n_rejects

    @property
    def rejects(self) -> tuple[Reject, ...]:
        """The first of what was turned away."""
        return tuple(self._rejects.first)

    def note(self, sentence: str) -> None:
        """Add a sentence to the manifest."""
        self._notes.append(sentence)

    def reject(self, source: str, reason: str, member: str = "") -> None:
        """Add a line to rejects.csv."""
        self._rejects.add([Reject(source, reason, member)])

    def append(self, batch: Batch) -> int:
        """Take in a batch and return how many of its objects became rows.

        An object whose id is taken or not allowed becomes a reject. Float images without a
        single finite pixel count as absent. Ids are brought to one Unicode form (NFC).
        """
        self._open_partial()
        n = len(batch.object_ids)
        images = [None] * n if batch.images is None else batch.images
        spectra = [None] * n if batch.spectra is None else batch.spectra
        groups = batch.object_ids if batch.group_ids is None else batch.group_ids
        sources = batch.object_ids if batch.sources is None else batch.sources
        members = [""] * n if batch.members is None else batch.members
        if not n == len(images) == len(batch.columns) == len(groups) == len(spectra):
            raise BadInput(
                "A batch needs as many ids, images, spectra, columns and group ids, but has"
                f" {n}, {len(images)}, {len(spectra)}, {len(batch.columns)} and {len(groups)};"
                " the reader must be mended."
            )
        before = self.n_objects
        n_pixels = self._grid.n if self._grid else 0
        self.tally.update(batch.tally)
        ids = [one_form(one) for one in batch.object_ids]
        hashes = id_hashes([str(one) for one in ids])
        with storage_errors(self._final):
            self._rejects.add(batch.rejects)
            for at, object_id in enumerate(ids):
                hashed = int(hashes[at])
                refusal = self._ids.refusal(object_id, hashed)
                if refusal:
                    self.reject(str(sources[at]), refusal, members[at])
                    continue
                of = f"{object_id!r} of survey {self._name!r}"
                image = checked_image(images[at], self._shape, self._dtype, of)
                spectrum = checked_spectrum(spectra[at], n_pixels, of)
                row = self.n_objects
                # The catalogue first: it refuses what it cannot hold.
                self._catalogue.add(object_id, one_form(groups[at]), batch.columns[at])
                if self._ids.add(object_id, row, hashed):
                    self.tally["Ids that differ from another only by upper and lower case"] += 1
                if object_id != batch.object_ids[at]:
                    self.tally["Ids brought to one Unicode form (NFC)"] += 1
                self._take_in(row, image)
                if self._pixels is not None:
                    self._pixels.add(image)
                if self._spectra is not None and not self._late_spectra:
                    self._spectra_hash.add(spectrum)
                    self._spectra.add(spectrum)
        return self.n_objects - before

    def rows_of(self, object_ids: Sequence[str]) -> np.ndarray:
        """(N,) int64: the row of each object, -1 where there is none."""
        return self._ids.rows(object_ids)

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of all objects so far, in order, some rows at a time."""
        return self._catalogue.tables(names)

    @property
    def n_older(self) -> int:
        """Objects of the older version that this one goes on from."""
        return len(self._base) if self._base else 0

    @property
    def new_column_names(self) -> list[str]:
        """Names of the columns that the objects of this import brought."""
        return self._catalogue.names_from(1 if self._base else 0)

    @property
    def column_names(self) -> list[str]:
        """Names of the columns so far."""
        return self._catalogue.names_from(0)

    def late_spectra_into(self) -> LateSpectra:
        """Where the spectra of the new objects go; opened again by an import that goes on."""
        assert self._spectra is not None
        assert self._grid is not None
        first = self._spectra.n_rows
        return LateSpectra(self._open_partial(), first, self.n_objects - first, self._grid.n)

    def checkpoint(self, units_done: int) -> None:
        """Make what was taken in so far the point that a later process goes on from."""
        partial, journal = self._open_partial(), self.journal
        assert journal is not None
        with storage_errors(self._final):
            self._catalogue.flush()
            self._rejects.flush()
            journal.units_done = units_done
            journal.n_rows, journal.n_parts = self.n_objects, self._catalogue.n_parts
            journal.n_rejects = self._rejects.n_rejects
            journal.rejects_bytes = self._rejects.n_bytes
            journal.tally = dict(self.tally)
            journal.when = datetime.now(UTC).isoformat(timespec="seconds")
            arrays: dict[str, np.ndarray] = {}
            for group in self._groups:
                arrays |= group.keep()
            journal.write(partial, arrays)

    def commit(
        self,
        join: Callable[[pa.Table], pa.Table] | None = None,
        report: Callable[[], Iterable[str]] | None = None,
    ) -> Survey:
        """Finish the version, give it its name and open it.

        `join` gives more columns for the rows of a table (see `CatalogueWriter.finish`);
        `report` says afterwards what came of it.
        """
        partial = self._open_partial()
        if not self.n_objects:
            raise BadInput(
                f"The survey {self._name!r} would have no object"
                f" ({self.n_rejects} rejected); check the data."
            )
        with storage_errors(self._final):
            if self._spectra is not None and self._late_spectra:
                for spectrum in self.late_spectra_into():
                    self._spectra_hash.add(spectrum)
                    self._spectra.add(spectrum)
            for group in self._groups:
                group.finish()
            columns, told = self._catalogue.finish(partial / "catalogue.parquet", self._info, join)
            self._rejects.flush()
            self._notes += [*told, *(report() if report else ())]
            self._notes += [f"{words}: {n:,}." for words, n in sorted(self.tally.items())]
            limits = self._limits.limits(len(self._bands), self._dtype)
            modalities = ("images",) * bool(self._bands) + ("spectra",) * bool(self._grid)
            is_old = modalities == ("images",)
            base = self._base.manifest if self._base else None
            manifest = Manifest(
                format_version=FORMAT_OF_PICTURES if is_old else SURVEY_FORMAT,
                name=self._name,
                version=int(self._final.name),
                modalities=modalities or ("columns",),
                bands=self._bands,
                cutout_size_px=self._side,
                pixel_scale_arcsec=self._pixel_scale_arcsec,
                dtype=self._dtype,
                origin=gathered(base.origin if base else "", self._origin),
                licence=gathered(base.licence if base else "", self._licence),
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                n_objects=self.n_objects,
                n_rejects=self.n_rejects,
                content_hash=content_hash(
                    *(self._bands, self._dtype, self._side, columns, self._hash),
                    *(self._grid, self._spectra_hash),
                ),
                band_low=limits.low,
                band_high=limits.high,
                band_sigma=limits.sigma,
                notes=self._all_notes(),
                **grid_entries(self._grid),
            )
            (partial / "survey.toml").write_text(manifest.to_toml(), encoding="utf-8")
            finish_partial(partial, self._final)
        self._partial = None
        drop_tools(self._final)
        return Survey.open(self._workspace, self._name)

    def _all_notes(self) -> tuple[str, ...]:
        """The notes, after those of the older version."""
        notes = tuple(dict.fromkeys(self._notes))
        if self._base is None:
            return notes
        new = (f"Version {self._final.name}: {note}" for note in notes)
        return (*self._base.manifest.notes, *new)

    def abort(self, *, keep: bool = False) -> None:
        """Remove what was written, or leave it for later; nothing after a commit."""
        if self._partial is not None and keep:
            release_partial(self._partial)
        elif self._partial is not None:
            drop_partial(self._partial, self._workspace.surveys)
        elif not self._final.exists():
            drop_empty(self._final.parent, self._workspace.surveys)
        self._partial = None

    def __enter__(self) -> SurveyWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        is_ours = self.journal is not None and self.journal.kept != ""
        self.abort(keep=is_ours and self.n_objects > self.n_older)

    def _open_partial(self) -> Path:
        if self._partial is None:
            raise RuntimeError("this SurveyWriter is closed")
        return self._partial

    def _take_in(self, row: int, image: np.ndarray | None) -> None:
        if self._bands:
            if image is not None:
                self._limits.offer(row, image)
            self._hash.add(image)


def _has_version(versions: Path) -> bool:
    return any(entry.name.isdecimal() for entry in versions.iterdir())
