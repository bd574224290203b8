"""What the readers of array files (HDF5, Zarr, NumPy) share.

One array holds the images, an object a row; arrays of the same length become columns.
"""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.errors import BadInput
from core.survey.batch import Batch, BatchBuilder, CatalogueValue
from core.survey.layout import ColumnInfo, Layout
from core.survey.options import MAX_SIDE_PX, ImportOptions
from core.survey.readers.array_choice import (
    SCALE_NAMES,
    SSL_PIXEL_ARCSEC,
    ArrayInfo,
    axes_of,
    chosen_bands,
    chosen_images,
    guessed_bands,
    is_ssl,
)
from core.survey.readers.array_columns import (
    Rows,
    catalogue_names,
    columns_of,
    with_classes,
)
from core.survey.readers.array_slabs import LARGEST_UNIT_BYTES, SlabRows, slab_rows
from core.survey.readers.cells import ID_NAMES, id_text
from core.survey.readers.registry import Reader, Unit
from core.survey.readers.shaping import shape_image
from core.survey.readers.source_file import Stamp, check_same
from core.survey.readers.unreadable import Unreadable

_LOOKED_AT = 4096
"""Rows looked at for guesses."""


class ArrayReader(Reader):
    """Images and columns from a file of arrays, in the order of its rows.

    Pixels: uint8 stays; other whole numbers and fractions become float32 (told where digits are
    lost), truth values 0 and 1. Images keep their size unless it is wished or not square (see
    `shape_image`). The object_id comes from the setting id_column, or from an array with one of
    the usual names and no value twice, else from the name of the file and the row, counted
    from 0.

    Subclasses say what arrays there are (`_look`) and hand out their rows (`_opened`). An array
    that is cut short in the file ends after `_n_whole` rows; the rest is one reject.
    """

    own_options: ClassVar[Mapping[str, str]] = {
        "images": "path of the array that holds the images; the largest that fits when left out",
        "axes": "how its axes run: NYX, NYXC or NCYX (N object, C band)",
        "columns": "arrays that become columns, with commas between; all that fit when left out",
    }
    kind: ClassVar[str] = "an array file"

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self._watched, self._stamp = self._checked()
        self._n_whole: int | None = None
        arrays = self._look()
        what = f"{self.kind} {source.name}"
        self._images = chosen_images(arrays, own.get("images"), what, " ".join(self.notes)[:600])
        self._info = info = arrays[self._images]
        self._axes = axes_of(info.shape, own.get("axes"))
        self._n_rows = info.shape[0] if self._n_whole is None else self._n_whole
        self.n_entries = self._n_rows + (self._n_rows < info.shape[0])
        meant = (options.id_column, options.group_column, options.ra_column, options.dec_column)
        self._columns, left_out = columns_of(arrays, self._images, own.get("columns"), meant)
        first = self._looked_at(arrays, left_out)
        if left_out:
            self.notes.append(f"Arrays that were left out: {', '.join(left_out[:20])}.")
        self._choose_ids(first)
        self._choose_layout(arrays, first)
        step = slab_rows(info)
        self._slabs = {self._images: step} if step else {}
        if step:
            self.notes.append(
                f"The images are stored in chunks that span {info.chunk_rows:,} objects; reading"
                " is slower than from chunks of one object."
            )
        self.settings |= {
            "images": self._images,
            "axes": self._axes,
            "columns": [
                name
                for columns in self._columns
                for name in columns.names
                if name not in (self._id_column, self._group_column)
            ],
            "object_id": self._id_column or f"{source.stem}-ROW",
        }

    @abc.abstractmethod
    def _checked(self) -> tuple[Path, Stamp]:
        """The file whose change would be noticed, and its stamp; raises `BadInput`."""

    @abc.abstractmethod
    def _look(self) -> dict[str, ArrayInfo]:
        """The arrays, by their paths in the file; raises `BadInput`."""

    @abc.abstractmethod
    def _opened(self) -> AbstractContextManager[Rows]:
        """The file, open; raises `Unreadable`."""

    def units(self) -> Iterator[Unit]:
        step = self.layout.unit_entries
        chunk = self._info.chunk_rows
        if chunk > 1 and chunk * self._info.row_bytes <= LARGEST_UNIT_BYTES:
            step = max(1, round(step / chunk)) * chunk
        number = 0
        for start in range(0, self._n_rows, step):
            rows = list(range(start, min(start + step, self._n_rows)))
            yield Unit(number, len(rows), rows)
            number += 1
        if self._n_rows < self._info.shape[0]:
            yield Unit(number, 1, [self._n_rows])

    def read(self, unit: Unit) -> Iterator[Batch]:
        gathered = BatchBuilder()
        try:
            check_same(self._watched, self._stamp)
            with self._opened() as arrays:
                store = SlabRows(arrays, (str(self.source), self._stamp), self._slabs)
                for start, stop in _runs([row for row in unit.what if row < self._n_rows]):
                    self._read_rows(store, start, stop, gathered)
            check_same(self._watched, self._stamp)
        except Unreadable as error:
            gathered = BatchBuilder()
            for row in unit.what:
                gathered.reject(self.source.name, str(error), self._member(row))
        else:
            if self._n_rows in unit.what:
                rest = f"{self._n_rows:,} to {self._info.shape[0] - 1:,}"
                gathered.reject(self.source.name, f"is cut short: rows {rest} are missing", "rest")
        yield gathered.take()

    def _member(self, row: int) -> str:
        return f"row {row}"

    def _read_rows(self, store: Rows, start: int, stop: int, gathered: BatchBuilder) -> None:
        """Rows of which some cannot be read are halved until those are found."""
        values: dict[str, list[CatalogueValue]] = {}
        try:
            images = store.rows(self._images, start, stop)
            for columns in self._columns:
                values |= columns.values(store, start, stop, self.options.missing)
        except Unreadable as error:
            if stop - start > 1:
                middle = (start + stop) // 2
                self._read_rows(store, start, middle, gathered)
                self._read_rows(store, middle, stop, gathered)
            else:
                gathered.reject(self.source.name, str(error), self._member(start))
            return
        planes, lost = as_planes(images, self._axes, self._places)
        if self.options.missing:
            for name, several in values.items():
                n_missing = sum(value is None for value in several)
                if n_missing:
                    gathered.tally(f"Values of {name} taken for not measured", n_missing)
        for place in range(stop - start):
            row = {name: several[place] for name, several in values.items()}
            self._add(gathered, start + place, planes[place], bool(lost[place]), row)

    def _add(
        self,
        gathered: BatchBuilder,
        row: int,
        image: np.ndarray,
        lost: bool,
        columns: dict[str, CatalogueValue],
    ) -> None:
        object_id = f"{self.source.stem}-{row:0{self._id_width}d}"
        if self._id_column is not None:
            object_id = id_text(columns.pop(self._id_column))
            if not object_id:
                reason = f"has nothing in its id column {self._id_column}"
                gathered.reject(self.source.name, reason, self._member(row))
                return
        group_id = None
        if self._group_column is not None:
            group_id = id_text(columns.pop(self._group_column, None)) or object_id
        scale = columns.get(self._scale_column) if self._scale_column else None
        try:
            shaped = shape_image(
                image,
                self.layout.cutout_size_px,
                self.options.mixed,
                scale=float(scale) if isinstance(scale, (int, float)) and scale > 0 else None,
                target_scale=self.layout.pixel_scale_arcsec,
            )
        except Unreadable as error:
            gathered.reject(self.source.name, str(error), self._member(row))
            return
        if shaped.how:
            gathered.tally(f"Images {shaped.how}")
        if lost:
            gathered.tally("Images whose numbers were rounded to 32-bit fractions")
        gathered.add(
            object_id,
            columns,
            image=shaped.image,
            group_id=group_id,
            source=self.source.name,
            member=self._member(row),
        )

    def _looked_at(
        self, arrays: dict[str, ArrayInfo], left_out: list[str]
    ) -> dict[str, list[CatalogueValue]]:
        """Columns of the first rows, for guesses; an array that cannot be read is left out."""
        stop = min(_LOOKED_AT, self._n_rows)
        found: dict[str, list[CatalogueValue]] = {}
        readable = []
        try:
            with self._opened() as store:
                for columns in self._columns:
                    try:
                        found |= columns.values(store, 0, stop)
                    except Unreadable as error:
                        left_out.append(f"{columns.array}, which {error}")
                    else:
                        readable.append(columns)
                self._columns, used = with_classes(readable, arrays, store)
        except Unreadable as error:
            raise BadInput(f"{self.source} {error}; check the file.") from None
        left_out[:] = [words for words in left_out if not used or not words.startswith(used)]
        return found

    def _choose_ids(self, first: dict[str, list[CatalogueValue]]) -> None:
        options = self.options
        self._id_width = max(6, len(str(self._info.shape[0] - 1)))
        self._id_column = options.id_column
        self._group_column = options.group_column
        for wished in (
            *(options.id_column, options.group_column, options.ra_column, options.dec_column),
        ):
            if wished is not None and wished not in first:
                raise BadInput(
                    f"Columns of {self.source.name} are {', '.join(first) or 'none'}, but"
                    f" {wished!r} is none of them; choose one of these."
                )
        if self._id_column is None:
            self._id_column = _guessed_ids(first)
        if self._id_column is None:
            self.notes.append(
                "No array of ids was found; objects are named by the file and their row, counted"
                " from 0."
            )
        given = {name: name for name in (self._id_column, self._group_column) if name is not None}
        for wished, name in ((options.ra_column, "ra"), (options.dec_column, "dec")):
            if wished is not None:
                given[wished] = name
        self._columns = catalogue_names(self._columns, given)

    def _choose_layout(
        self, arrays: dict[str, ArrayInfo], first: dict[str, list[CatalogueValue]]
    ) -> None:
        info, options = self._info, self.options
        is_uint8 = info.dtype == np.uint8
        n_bands = info.shape[self._axes.index("C")] if "C" in self._axes else 1
        known = guessed_bands(n_bands, is_uint8, arrays)
        bands, self._places = chosen_bands(known, options.bands)
        height, width = (info.shape[self._axes.index(axis)] for axis in "YX")
        self._scale_column, scale = _guessed_scale(first)
        if scale is None and is_ssl(arrays):
            scale = SSL_PIXEL_ARCSEC
        self.settings |= {"height_px": height, "width_px": width, "bands": list(bands)}
        self.layout = Layout(
            bands=bands,
            cutout_size_px=options.size_px or min(height, width, MAX_SIDE_PX),
            dtype="uint8" if is_uint8 else "float32",
            pixel_scale_arcsec=options.pixel_scale_arcsec or scale,
            origin=options.origin or f"{self.kind} {self.source.name}",
            licence=options.licence or "not stated",
            columns=self._column_infos(),
        )

    def _column_infos(self) -> dict[str, ColumnInfo]:
        infos: dict[str, ColumnInfo] = {}
        for columns in self._columns:
            info = replace(columns.info, missing=self.options.missing)
            if info != ColumnInfo():
                infos |= dict.fromkeys(columns.names, info)
        return infos


def _guessed_ids(first: dict[str, list[CatalogueValue]]) -> str | None:
    by_name = {name.lower(): name for name in reversed(first)}
    for usual in ID_NAMES:
        name = by_name.get(usual)
        if name is not None:
            ids = [id_text(value) for value in first[name]]
            if all(ids) and len(set(ids)) == len(ids):
                return name
    return None


def _guessed_scale(
    first: dict[str, list[CatalogueValue]],
) -> tuple[str | None, float | None]:
    """A column of pixel scales, and the one to bring all images to."""
    for name, values in first.items():
        if name.lower() in SCALE_NAMES:
            known = [v for v in values if isinstance(v, float) and 0 < v < math.inf]
            if known:
                return name, float(np.median(known))
    return None, None


def as_planes(
    images: np.ndarray, axes: str, places: list[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """(object, band, y, x) uint8 or float32, and which objects lost digits."""
    if axes == "NYXC":
        images = np.moveaxis(images, -1, 1)
    elif axes == "NYX":
        images = images[:, np.newaxis]
    if places is not None and places != list(range(images.shape[1])):
        images = images[:, places]
    if images.dtype == np.uint8:
        return images, np.zeros(len(images), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        planes = images.astype(np.float32, order="C")
    lost = np.zeros(len(images), dtype=bool)
    if not np.can_cast(images.dtype, np.float32):
        for number, (before, after) in enumerate(zip(images, planes, strict=True)):
            # The comparison is made with the wider of the two types.
            same = before == after
            if before.dtype.kind == "f":
                same |= np.isnan(before)
            lost[number] = not same.all()
    return planes, lost


def _runs(rows: list[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring rows as (start, stop)."""
    for _, several in itertools.groupby(enumerate(rows), key=lambda pair: pair[1] - pair[0]):
        part: list[tuple[int, Any]] = list(several)
        yield part[0][1], part[-1][1] + 1
