"""Reads Parquet files with a column of images, as the Hugging Face hub has them."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadInput
from core.survey.readers.arrow_images import check_names, class_names, holds_images, image_kind
from core.survey.readers.arrow_reader import ArrowReader, Piece, Shard, chosen_splits
from core.survey.readers.kept import going_on
from core.survey.readers.registry import register_reader
from core.survey.readers.source_file import (
    beginning,
    brief,
    checked_file,
    files_below,
    stamp_of,
)
from core.survey.readers.unreadable import Unreadable

MAGIC = b"PAR1"
_BATCH = 64
_LOOKED_AT = 40
_SHARD = re.compile(r"([A-Za-z]+)-\d+-of-\d+")


class _Forwards:
    """Rows of one row group, forwards: a group can only be unpacked from its beginning."""

    def __init__(self, path: Path, group: int, columns: list[str]) -> None:
        self._path, self._group, self._columns = path, group, columns
        self._file: Any = None
        self._rewind()

    def _rewind(self) -> None:
        self.close()
        self._file = pq.ParquetFile(self._path, pre_buffer=False, buffer_size=1024 * 1024)
        self._batches = self._file.iter_batches(
            _BATCH, row_groups=[self._group], columns=self._columns, use_threads=False
        )
        self._position = 0
        self._rest: pa.RecordBatch | None = None

    def rows(self, start: int, stop: int) -> pa.Table:
        if start < self._position:
            self._rewind()
        parts: list[pa.RecordBatch] = []
        while self._position < stop:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            self._rest = None
            if batch is None:
                break
            end = min(self._position + batch.num_rows, stop)
            if end > start:
                skip = max(0, start - self._position)
                parts.append(batch.slice(skip, end - self._position - skip))
            if end < self._position + batch.num_rows:
                self._rest = batch.slice(end - self._position)
            self._position = end
        if not parts:
            raise Unreadable("is cut short")
        return pa.Table.from_batches(parts)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@register_reader("parquet-images", "a Parquet file with a column of images, or a folder of them")
class ParquetImagesReader(ArrowReader):
    """Images from a struct of bytes and path, from binary, or from nested lists; the rest of the
    columns come along.

    Files of a folder are read in the order of their paths; those named as the Hugging Face hub
    does ("train-00000-of-00002.parquet") give a column `split`. A file that cannot be read is
    one reject.
    """

    kind = "Parquet"

    @classmethod
    def recognises(cls, source: Path) -> int:
        try:
            if not source.is_dir():
                return 75 if _has_images(source) else 0
            with os.scandir(source) as entries:
                several = [entry.path for entry in itertools.islice(entries, _LOOKED_AT)]
            files = [Path(path) for path in several if os.path.isfile(path)]
            if not files and len(several) == 1:  # the hub's layout: all in the folder "data"
                files = list(itertools.islice(Path(several[0]).glob("*.parquet"), _LOOKED_AT))
            shards = [path for path in files if beginning(path, 4) == MAGIC]
            return 75 if 2 * len(shards) > len(files) and _has_images(min(shards)) else 0
        except Exception:  # a look must not raise, whatever is there
            return 0

    def _look(self, splits: set[str] | None) -> pa.Schema:
        paths: list[tuple[str, str]] = []
        closed: list[str] = []
        if self.source.is_dir():
            n_others = 0
            for path in files_below(self.source, closed):
                if beginning(path, 4) == MAGIC or path.suffix.lower() in (".parquet", ".pq"):
                    found = _SHARD.match(path.name)
                    name = path.relative_to(self.source).as_posix()
                    paths.append((name, found[1] if found else ""))
                else:
                    n_others += 1
            if n_others:
                self.notes.append(f"Files that are not Parquet and were left out: {n_others:,}.")
        else:
            checked_file(self.source, "a Parquet file")
            paths.append(("", ""))
        wanted = set(chosen_splits(sorted({split for _, split in paths if split}), splits))
        n_left = len(paths)
        if splits is not None:
            paths = [one for one in paths if one[1] in wanted]
        if len(paths) < n_left:
            self.notes.append(
                f"Files of other splits that were left out: {n_left - len(paths):,}."
            )
        schema: pa.Schema | None = None
        first, reason = 0, ""
        for name, split in paths:
            try:
                stamp = stamp_of(self.source / name if name else self.source)
            except Unreadable:
                stamp = (0, 0)
            shard = Shard(name, stamp, split)
            self._shards.append(shard)
            number = len(self._shards) - 1
            try:
                of_file, sizes = _groups(self._path(shard))
            except Unreadable as error:
                reason = reason or f"{name or self.source.name} {error}"
                self._pieces.append(Piece(number, 0, first, 1, str(error)))
                first += 1
                continue
            schema = of_file if schema is None else schema
            for group, n_rows in enumerate(sizes):
                if n_rows:
                    self._pieces.append(Piece(number, group, first, n_rows))
                    first += n_rows
        for name in closed:
            self._shards.append(Shard(name, (0, 0)))
            problem = "may not be listed by this user"
            self._pieces.append(Piece(len(self._shards) - 1, 0, first, 1, problem))
            first += 1
        if schema is None or not any(not piece.problem for piece in self._pieces):
            told = f" ({reason})" if reason else ""
            raise BadInput(f"No row can be read from {self.source}{told}; check the data.")
        self._metadata = dict(schema.metadata or {})
        return schema

    def _class_names(self) -> dict[str, tuple[str, ...]]:
        try:
            about = json.loads(self._metadata[b"huggingface"])
            return class_names(about["info"]["features"])
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return {}

    def _rows(self, piece: Piece, start: int, stop: int, columns: list[str]) -> pa.Table:
        shard = self._shards[piece.shard]
        path = self._path(shard)
        key = ("parquet", str(path), shard.stamp, piece.place, *columns)
        try:
            with going_on(key, lambda: _Forwards(path, piece.place, columns)) as rows:
                return rows.rows(start, stop)
        except Unreadable:
            raise
        except Exception as error:  # decoders of pages meet damaged bytes
            raise Unreadable(f"cannot be read ({brief(error)})") from None


def _groups(path: Path) -> tuple[pa.Schema, list[int]]:
    """Schema and rows of each row group; raises `Unreadable`."""
    if beginning(path, 4) != MAGIC:
        raise Unreadable("is no Parquet file, whatever its name says")
    try:
        with pq.ParquetFile(path) as file:
            check_names(file.schema_arrow)
            about = file.metadata
            size = os.path.getsize(path)
            sizes = []
            for number in range(about.num_row_groups):
                group = about.row_group(number)
                # Equal values take no room at all, so that only the absurd can be told.
                if group.num_rows < 0 or group.num_rows > 1000 * size:
                    raise Unreadable("has a damaged directory")
                sizes.append(group.num_rows)
            return file.schema_arrow, sizes
    except Unreadable:
        raise
    except Exception as error:  # a damaged directory raises anything
        short = "is cut short" if _ends_badly(path) else f"cannot be read ({brief(error)})"
        raise Unreadable(short) from None


def _ends_badly(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(-4, os.SEEK_END)
            return file.read() != MAGIC
    except OSError:
        return False


def _has_images(path: Path) -> bool:
    """Whether a Parquet file has a column of images, by its schema and first values."""
    if beginning(path, 4) != MAGIC:
        return False
    try:
        with pq.ParquetFile(path) as file:
            kinds = {field.name: image_kind(field) for field in file.schema_arrow}
            if any(kind in ("struct", "lists") for kind in kinds.values()):
                return True
            binary = [name for name, kind in kinds.items() if kind == "binary"]
            for batch in _first_batch(file, binary) if binary else ():
                return any(holds_images(column) for column in batch.columns)
    except Exception:  # not for this reader, then
        return False
    return False


def _first_batch(file: Any, columns: list[str]) -> Iterator[pa.RecordBatch]:
    yield from itertools.islice(file.iter_batches(8, columns=columns, use_threads=False), 1)
