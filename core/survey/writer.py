"""Writes a survey version: in a partial folder, with bounded memory, all or nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np

from core.csvsafe import safe_cell
from core.errors import AlreadyExists, BadInput
from core.survey.batch import Batch, Reject
from core.survey.catalogue import CatalogueWriter
from core.survey.content import PixelHash, content_hash
from core.survey.limits import LimitsSample
from core.survey.manifest import SURVEY_FORMAT, Manifest
from core.survey.partial import claim_partial, drop_empty, drop_partial, finish_partial
from core.survey.pixels import PixelWriter
from core.survey.store import Survey
from core.vocabulary import checked_object_id
from core.workspace import Workspace, storage_errors

DTYPES = ("uint8", "float32")
MAX_CUTOUT_PX = 2048
MAX_BANDS = 64
_MAX_REASON = 500


class SurveyWriter:
    """Makes version 1 of a new survey.

    with SurveyWriter(workspace, "mine", bands=("g", "r", "i"), ...) as writer:
        writer.append(batch)
        survey = writer.commit()

    Work goes on in surveys/NAME/versions/1.partial; `commit` renames it. Leaving the block
    without a commit, by an error or otherwise, removes it and everything of the name.

    Parameters
    ----------
    workspace, name
        Where, and the new survey's name.
    bands
        Names along the first image axis, from blue to red, or ("R", "G", "B") for pictures.
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

    Raises
    ------
    AlreadyExists
        The name is taken (found out before any work).
    InUse
        A living process is importing under that name.
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
    ) -> None:
        self._workspace = workspace
        self._name = name
        self._bands = _checked_bands(bands)
        self._side = _checked_side(cutout_size_px)
        if dtype not in DTYPES:
            raise BadInput(
                f"Pixels are stored as {' or '.join(DTYPES)}, but the dtype given is {dtype!r};"
                " convert the images."
            )
        if pixel_scale_arcsec is not None and not 0 < pixel_scale_arcsec < np.inf:
            raise BadInput(
                "pixel_scale_arcsec must be above 0 or left out, but is"
                f" {pixel_scale_arcsec!r}; change it."
            )
        self._dtype = dtype
        self._origin, self._licence = origin, licence
        self._pixel_scale_arcsec = pixel_scale_arcsec
        self._notes = list(notes)
        folder = workspace.survey(name)
        if (folder / "versions").is_dir() and _has_version(folder / "versions"):
            raise AlreadyExists(
                f"There is already a survey {name!r} in {workspace.root}; choose another name."
            )
        self._final = folder / "versions" / "1"
        self._partial: Path | None = None
        self._row_of: dict[str, int] = {}
        self._rejects: list[Reject] = []
        self._limits = LimitsSample()
        self._hash = PixelHash()
        try:
            with storage_errors(folder):
                self._partial = claim_partial(self._final, f"survey {name!r}")
                self._pixels = PixelWriter(
                    self._partial / "images.zarr", len(self._bands), self._side, dtype
                )
                self._catalogue = CatalogueWriter(self._partial)
        except BaseException:
            self.abort()
            raise

    @property
    def n_objects(self) -> int:
        """Objects taken in so far."""
        return len(self._row_of)

    @property
    def n_rejects(self) -> int:
        """Things turned away so far."""
        return len(self._rejects)

    @property
    def rejects(self) -> tuple[Reject, ...]:
        """What was turned away so far."""
        return tuple(self._rejects)

    def note(self, sentence: str) -> None:
        """Add a sentence to the manifest that a person should know about this import."""
        self._notes.append(sentence)

    def reject(self, source: str, reason: str) -> None:
        """Add a line to rejects.csv."""
        self._rejects.append(Reject(source, reason))

    def append(self, batch: Batch) -> int:
        """Take in a batch and return how many of its objects became rows.

        An object whose id is taken or not allowed becomes a reject. Float images without a
        single finite pixel count as absent.
        """
        self._open_partial()
        n_objects = len(batch.object_ids)
        group_ids = batch.object_ids if batch.group_ids is None else batch.group_ids
        if not n_objects == len(batch.images) == len(batch.columns) == len(group_ids):
            raise BadInput(
                "A batch needs as many ids, images, columns and group ids, but has"
                f" {n_objects}, {len(batch.images)}, {len(batch.columns)} and"
                f" {len(group_ids)}; the reader must be mended."
            )
        before = self.n_objects
        self._rejects.extend(batch.rejects)
        with storage_errors(self._final):
            for object_id, image, columns, group_id in zip(
                batch.object_ids, batch.images, batch.columns, group_ids, strict=True
            ):
                if self._may_come_in(object_id):
                    checked = self._checked_image(object_id, image)
                    self._catalogue.add(object_id, group_id, columns)
                    self._take_image(checked)
                    self._row_of[object_id] = len(self._row_of)
        return self.n_objects - before

    def commit(self) -> Survey:
        """Finish the version, give it its name and open it."""
        partial = self._open_partial()
        if not self._row_of:
            raise BadInput(
                f"The survey {self._name!r} would have no object"
                f" ({len(self._rejects)} rejected); check the data."
            )
        with storage_errors(self._final):
            self._pixels.finish()
            columns = self._catalogue.finish(partial / "catalogue.parquet")
            write_rejects(partial / "rejects.csv", self._rejects)
            limits = self._limits.limits(len(self._bands), self._dtype)
            manifest = Manifest(
                format_version=SURVEY_FORMAT,
                name=self._name,
                version=1,
                modalities=("images",),
                bands=self._bands,
                cutout_size_px=self._side,
                pixel_scale_arcsec=self._pixel_scale_arcsec,
                dtype=self._dtype,
                origin=self._origin,
                licence=self._licence,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                n_objects=len(self._row_of),
                n_rejects=len(self._rejects),
                content_hash=content_hash(
                    self._bands, self._dtype, self._side, columns, self._hash
                ),
                band_low=limits.low,
                band_high=limits.high,
                band_sigma=limits.sigma,
                notes=tuple(self._notes),
            )
            (partial / "survey.toml").write_text(manifest.to_toml(), encoding="utf-8")
            finish_partial(partial, self._final)
        self._partial = None
        return Survey.open(self._workspace, self._name)

    def abort(self) -> None:
        """Remove what was written; nothing happens after a commit."""
        if self._partial is not None:
            drop_partial(self._partial, self._workspace.surveys)
            self._partial = None
        elif not self._final.exists():
            drop_empty(self._final.parent, self._workspace.surveys)

    def __enter__(self) -> SurveyWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def _open_partial(self) -> Path:
        if self._partial is None:
            raise RuntimeError("this SurveyWriter is closed")
        return self._partial

    def _may_come_in(self, object_id: str) -> bool:
        row = self._row_of.get(object_id)
        if row is not None:
            self.reject(object_id, f"its object_id {object_id!r} is taken by row {row}")
            return False
        try:
            checked_object_id(object_id)
        except BadInput as error:
            self.reject(str(object_id), str(error))
            return False
        return True

    def _checked_image(self, object_id: str, image: np.ndarray | None) -> np.ndarray | None:
        if image is None:
            return None
        expected = (len(self._bands), self._side, self._side)
        # "equiv" lets the other byte order through, which FITS files have.
        if image.shape != expected or not np.can_cast(image.dtype, self._dtype, "equiv"):
            raise BadInput(
                f"Images of survey {self._name!r} are {expected} (band, y, x) of {self._dtype},"
                f" but that of {object_id!r} is {image.shape} of {image.dtype};"
                " convert the images."
            )
        if image.dtype.kind == "f" and not np.isfinite(image).any():
            return None
        return image

    def _take_image(self, image: np.ndarray | None) -> None:
        if image is not None:
            self._limits.offer(len(self._row_of), image)
        self._hash.add(image)
        self._pixels.add(image)


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write rejects.csv (source, reason), safe to open in a spreadsheet."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("source", "reason"))
        for reject in rejects:
            reason = " ".join(reject.reason.split())[:_MAX_REASON]
            writer.writerow((safe_cell(reject.source), safe_cell(reason)))


def _has_version(versions: Path) -> bool:
    return any(entry.name.isdecimal() for entry in versions.iterdir())


def _checked_bands(bands: Sequence[str]) -> tuple[str, ...]:
    names = (bands,) if isinstance(bands, str) else tuple(bands)
    usable = all(isinstance(name, str) and 0 < len(name) <= 64 for name in names)
    if not 1 <= len(names) <= MAX_BANDS or not usable or len(set(names)) < len(names):
        raise BadInput(
            f"A survey has 1 to {MAX_BANDS} bands, each with its own name, but got {names!r};"
            " name them differently."
        )
    return names


def _checked_side(cutout_size_px: int) -> int:
    if not 1 <= cutout_size_px <= MAX_CUTOUT_PX:
        raise BadInput(
            f"cutout_size_px must be 1 to {MAX_CUTOUT_PX}, but is {cutout_size_px!r};"
            " choose another size."
        )
    return int(cutout_size_px)
