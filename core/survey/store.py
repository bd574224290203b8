"""Opens and reads a survey version."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from core.errors import BadInput, Damaged, NotFound, NotReady
from core.survey.batch import Spectrum
from core.survey.catalogue import (
    count_rows,
    hash_columns,
    read_column_info,
    read_frame,
    read_object_ids,
)
from core.survey.content import PixelHash, SpectrumHash, content_hash
from core.survey.layout import ColumnInfo
from core.survey.manifest import Manifest
from core.survey.pixels import IMAGES, SPECTRA, PixelReader, SpectrumReader
from core.workspace import Workspace, storage_errors

Part = TypeVar("Part", PixelReader, SpectrumReader)

_VERSION = re.compile(r"[1-9][0-9]*")
_RESTORE = "restore the survey from a backup or import it again."


def list_surveys(workspace: Workspace) -> list[str]:
    """Names of the surveys in a workspace, sorted; a folder without a version is none."""
    if not workspace.surveys.is_dir():
        return []
    return sorted(entry.name for entry in workspace.surveys.iterdir() if _versions(entry))


def newest_version(workspace: Workspace, name: str) -> int:
    """The number of a survey's newest version; 0 if there is none."""
    return max(_versions(workspace.survey(name)), default=0)


class Survey:
    """One version of a survey, read-only. Opening reads the manifest and no pixels.

    Make one by `Survey.open`. Row = position in every array and table here.

    Attributes
    ----------
    name, version
        Of the survey.
    manifest
        What survey.toml says.
    path
        The version's folder, surveys/NAME/versions/N.
    grid
        The wavelength grid of the spectra, `None` without spectra.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        pixels: PixelReader | None,
        spectra: SpectrumReader | None = None,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.name = manifest.name
        self.version = manifest.version
        self.grid = manifest.grid
        self._pixels = pixels
        self._spectra = spectra

    @classmethod
    def open(cls, workspace: Workspace, name: str, version: int | None = None) -> Survey:
        """Open a survey, its newest version unless told otherwise.

        Raises
        ------
        NotFound
            There is no such survey or version; the message lists those there are.
        TooNew
            It was written by a newer Skysift.
        Damaged
            A file is missing or not what the manifest says. Pixels are not read for this: see
            `verify`.
        """
        folder = workspace.survey(name)
        versions = _versions(folder)
        if not versions:
            there = ", ".join(list_surveys(workspace)) or "none yet"
            raise NotFound(
                f"There is no survey {name!r} in {workspace.root} (there: {there}); import it"
                " first or choose another."
            )
        if version is not None and version not in versions:
            raise NotFound(
                f"The survey {name!r} has no version {version} (there:"
                f" {', '.join(map(str, versions))}); choose one of these."
            )
        path = folder / "versions" / str(versions[-1] if version is None else version)
        _must_be_there(path, "survey.toml", "catalogue.parquet", "rejects.csv")
        manifest = _read_manifest(path / "survey.toml", name, int(path.name))
        pixels = spectra = None
        missing: list[Path] = []
        if "images" in manifest.modalities:
            _must_be_there(path, IMAGES)
            side = manifest.cutout_size_px
            shape = (manifest.n_objects, len(manifest.bands), side, side)
            pixels = PixelReader(path / IMAGES, shape, manifest.dtype)
            missing += pixels.missing_files()
        if manifest.grid is not None:
            _must_be_there(path, SPECTRA)
            spectra = SpectrumReader(path / SPECTRA, manifest.n_objects, manifest.grid.n)
            missing += spectra.missing_files()
        if missing:
            raise Damaged(f"{missing[0]} is missing; {_RESTORE}")
        with _reading(path / "catalogue.parquet"):
            rows = count_rows(path / "catalogue.parquet")
        if rows != manifest.n_objects:
            raise Damaged(
                f"{path / 'catalogue.parquet'} should have {manifest.n_objects} rows by the"
                f" manifest, but has {rows}; {_RESTORE}"
            )
        return cls(path, manifest, pixels, spectra)

    def __len__(self) -> int:
        return self.manifest.n_objects

    @property
    def folder(self) -> Path:
        """surveys/NAME, with versions/ and runs/ in it."""
        return self.path.parents[1]

    @cached_property
    def object_ids(self) -> np.ndarray:
        """(N,) array of str objects."""
        with _reading(self.path / "catalogue.parquet"):
            return read_object_ids(self.path / "catalogue.parquet")

    @cached_property
    def catalogue(self) -> pd.DataFrame:
        """The table in row order, with object_id and group_id first."""
        with _reading(self.path / "catalogue.parquet"):
            return read_frame(self.path / "catalogue.parquet")

    @cached_property
    def column_info(self) -> dict[str, ColumnInfo]:
        """What is known of the columns beside names and types; others are left out."""
        with _reading(self.path / "catalogue.parquet"):
            return read_column_info(self.path / "catalogue.parquet")

    @cached_property
    def has_image(self) -> np.ndarray:
        """(N,) bool: False for an object without a picture."""
        return np.zeros(len(self), bool) if self._pixels is None else self._pixels.mask()

    @cached_property
    def has_spectrum(self) -> np.ndarray:
        """(N,) bool: False for an object without a spectrum."""
        return np.zeros(len(self), bool) if self._spectra is None else self._spectra.has_spectrum()

    @property
    def can_be_shown(self) -> np.ndarray:
        """(N,) bool: True for an object with something to look at; in a table that is its row."""
        if self.manifest.modalities == ("columns",):
            return np.ones(len(self), bool)
        shown: np.ndarray = self.has_image | self.has_spectrum
        return shown

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {object_id: row for row, object_id in enumerate(self.object_ids)}

    def row(self, object_id: str) -> int:
        """The row of an object; raises `NotFound`."""
        try:
            return self._row_of[object_id]
        except (KeyError, TypeError):
            raise NotFound(
                f"The survey {self.name!r} has no object {str(object_id)[:80]!r}; check the id"
                " against its catalogue."
            ) from None

    def image(self, row: int) -> np.ndarray:
        """The image (band, y, x) of one object in the survey's dtype.

        An object without a picture gives zeros (uint8) or NaN (float32); see `has_image`.
        """
        row = int(self._checked_rows(np.array([row]))[0])
        pixels = self._there(self._pixels, "pictures")
        with storage_errors(self.path):
            return pixels.block(row, row + 1)[0]

    def images(self, rows: slice | np.ndarray) -> np.ndarray:
        """Images (B, band, y, x): a slice, or integer rows in any order, doubles allowed."""
        pixels = self._there(self._pixels, "pictures")
        with storage_errors(self.path):
            found: np.ndarray = self._read(pixels, rows)
        return found

    def spectrum(self, row: int) -> Spectrum:
        """The spectrum of one object on `grid`; all masked for an object that has none."""
        flux, ivar, mask = self.spectra(np.array([row]))
        return Spectrum(flux[0], ivar[0], mask[0])

    def spectra(self, rows: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """flux, ivar (B, pixel) float32 and mask (B, pixel) bool: a slice or integer rows."""
        spectra = self._there(self._spectra, "spectra")
        with storage_errors(self.path):
            flux, ivar, mask = self._read(spectra, rows)
        return flux, ivar, mask

    def _read(self, part: PixelReader | SpectrumReader, rows: slice | np.ndarray) -> Any:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return part.block(start, max(start, stop))
            rows = np.arange(start, stop, step)
        return part.gather(self._checked_rows(np.asarray(rows)))

    def _there(self, part: Part | None, what: str) -> Part:
        if part is None:
            raise NotReady(
                f"The survey {self.name!r} has no {what}, only"
                f" {' and '.join(self.manifest.modalities)}; choose another survey."
            )
        return part

    def verify(self) -> None:
        """Read everything and compare it with the manifest's content hash.

        Raises
        ------
        Damaged
            Something changed since the survey was written.
        """
        with _reading(self.path / "catalogue.parquet"):
            columns = hash_columns(self.path / "catalogue.parquet")
        manifest = self.manifest
        found = content_hash(
            *(manifest.bands, manifest.dtype, manifest.cutout_size_px, columns),
            *(self._hash_pixels(), self.grid, self._hash_spectra()),
        )
        if found != manifest.content_hash:
            raise Damaged(
                f"The content of {self.path} is not what was written (its hash is"
                f" {found[:12]}..., the manifest says {manifest.content_hash[:12]}...);"
                f" {_RESTORE}"
            )
        rejects = self.path / "rejects.csv"
        with _reading(rejects), open(rejects, newline="", encoding="utf-8") as file:
            n_rejects = sum(1 for _line in csv.reader(file)) - 1
        if n_rejects != manifest.n_rejects:
            raise Damaged(
                f"{rejects} should have {manifest.n_rejects} lines by the manifest, but has"
                f" {n_rejects}; {_RESTORE}"
            )

    def _hash_pixels(self) -> PixelHash:
        hashed = PixelHash()
        if self._pixels is not None:
            mask = self._pixels.mask()  # from the file: `has_image` may be older than the damage
            for start in range(0, len(self), self._pixels.shard_objects):
                stop = min(start + self._pixels.shard_objects, len(self))
                block = self._pixels.block(start, stop)
                for image, present in zip(block, mask[start:stop], strict=True):
                    hashed.add(image if present else None)
        return hashed

    def _hash_spectra(self) -> SpectrumHash:
        hashed = SpectrumHash()
        if self._spectra is not None:
            there = self._spectra.has_spectrum()
            for start in range(0, len(self), self._spectra.shard_objects):
                stop = min(start + self._spectra.shard_objects, len(self))
                block = self._spectra.block(start, stop)
                for *values, present in zip(*block, there[start:stop], strict=True):
                    hashed.add(Spectrum(*values) if present else None)
        return hashed

    def _checked_rows(self, rows: np.ndarray) -> np.ndarray:
        if rows.size == 0:
            return np.empty(0, np.int64)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise BadInput(
                f"Rows are a list of whole numbers, but got an array {rows.shape} of"
                f" {rows.dtype}; turn ids into rows by `Survey.row`."
            )
        if rows.min() < 0 or rows.max() >= len(self):
            raise BadInput(
                f"Rows of survey {self.name!r} are 0 to {len(self) - 1}, but got"
                f" {rows.min() if rows.min() < 0 else rows.max()}; check the rows."
            )
        return rows.astype(np.int64)


def _must_be_there(path: Path, *parts: str) -> None:
    for part in parts:
        if not (path / part).exists():
            raise Damaged(f"{path / part} is missing; {_RESTORE}")


def _versions(folder: Path) -> list[int]:
    versions = folder / "versions"
    if not versions.is_dir():
        return []
    return sorted(int(e.name) for e in versions.iterdir() if _VERSION.fullmatch(e.name))


def _read_manifest(path: Path, name: str, version: int) -> Manifest:
    with _reading(path):
        text = path.read_text(encoding="utf-8")
    manifest = Manifest.from_toml(text, str(path))
    if (manifest.name, manifest.version) != (name, version):
        raise Damaged(
            f"{path} belongs to version {manifest.version} of survey {manifest.name!r}, not to"
            f" version {version} of {name!r}; {_RESTORE}"
        )
    return manifest


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    with storage_errors(path):
        try:
            yield
        except PermissionError:
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError, csv.Error) as error:
            raise Damaged(f"{path} cannot be read ({str(error)[:160]}); {_RESTORE}") from error
