"""Arrays of one row an object in a Zarr group: small chunks in shards, written in order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from core.errors import Damaged
from core.survey.catalogue import link_or_copy

# The same files, written and read in half the processor time by compiled code.
zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
_PLAIN = {
    "codec_pipeline.path": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    "array.write_empty_chunks": True,
}
"""Zarr's own: the compiled one writes no file for a shard of nothing but fill values, which then
looks like a lost one."""

_CHUNK_BYTES = 64 * 1024
_SHARD_BYTES = 64 * 1024 * 1024
_MAX_CHUNK_OBJECTS = 4
_MAX_SHARD_OBJECTS = 1024
_FLAG_CHUNK = 65_536


def shard_layout(object_bytes: int) -> tuple[int, int]:
    """Objects a chunk and objects a shard for objects of that size.

    A chunk is what must be decoded to see one object, a shard is what the writer holds in
    memory: both are bounded in bytes as well as in objects.
    """
    chunk = max(1, min(_MAX_CHUNK_OBJECTS, _CHUNK_BYTES // object_bytes))
    shard = max(chunk, min(_MAX_SHARD_OBJECTS, _SHARD_BYTES // object_bytes))
    return chunk, shard // chunk * chunk


class RowsWriter:
    """Appends rows to one array of a group, a shard at a time.

    Parameters
    ----------
    group
        The Zarr group; an array of that name in it is gone on with, else made.
    name
        Of the array.
    row_shape, dtype, absent
        Of a row, and the value that fills the place of a row that is not there.
    dimensions
        Names of the axes after "object".
    """

    def __init__(
        self,
        group: Any,
        name: str,
        row_shape: tuple[int, ...],
        dtype: np.dtype,
        absent: float,
        dimensions: Sequence[str],
    ) -> None:
        chunk, shard = shard_layout(int(np.prod(row_shape)) * dtype.itemsize)
        self.absent = absent
        if name in group:
            self._array = group[name]
            shard = int(self._array.shards[0])
        else:
            self._array = group.create_array(
                name,
                shape=(0, *row_shape),
                chunks=(chunk, *row_shape),
                shards=(shard, *row_shape),
                dtype=dtype,
                compressors=_codecs(dtype),
                fill_value=absent,
                dimension_names=("object", *dimensions),
            )
        self._buffer = np.full((shard, *row_shape), absent, dtype)
        self._filled = 0

    @property
    def n_flushed(self) -> int:
        """Rows in whole shards on the disk."""
        return int(self._array.shape[0])

    @property
    def tail(self) -> np.ndarray:
        """The rows that wait for their shard to become whole."""
        return self._buffer[: self._filled]

    def add(self, row: np.ndarray | None) -> None:
        self._buffer[self._filled] = self.absent if row is None else row
        self._filled += 1
        if self._filled == len(self._buffer):
            self.flush()

    def flush(self) -> None:
        if self._filled:
            start = self.n_flushed
            stop = start + self._filled
            self._array.resize((stop, *self._array.shape[1:]))
            rows = self._buffer[: self._filled]
            if _is_all(rows, self.absent):
                with zarr.config.set(_PLAIN):
                    zarr.open_array(self._array.store_path, mode="r+")[start:stop] = rows
            else:
                self._array[start:stop] = rows
            self._filled = 0

    def go_on(self, n_rows: int, tail: np.ndarray | None = None) -> None:
        """Stand after `n_rows` rows that are in the array, and fewer than a shard in `tail`.

        Without a tail the rows of the last shard, if it is not whole, are read from the array:
        so a version goes on from an older one.
        """
        whole = n_rows - n_rows % len(self._buffer)
        if tail is None:
            tail = np.asarray(self._array[whole:n_rows])
        if len(tail) != n_rows - whole:
            raise Damaged(
                f"What was kept of an interrupted import has {len(tail)} rows where"
                f" {n_rows - whole} should be; import with --restart."
            )
        # Only what is whole may stay: the shard that was not is written anew under its name.
        self._array.resize((whole, *self._array.shape[1:]))
        self._buffer[: len(tail)] = tail
        self._filled = len(tail)

    def blocks(self) -> Iterator[np.ndarray]:
        """The rows so far, a shard at a time."""
        for start in range(0, self.n_flushed, len(self._buffer)):
            yield np.asarray(self._array[start : start + len(self._buffer)])
        if self._filled:
            yield self.tail.copy()


def _codecs(dtype: np.dtype) -> list[Any]:
    """How chunks are compressed; a checksum makes a damaged one an error, not a wrong picture.

    Floats: LZ4 of shuffled bits takes half the time of zstd at level 1 and makes noisy pixels a
    tenth smaller. Bytes: zstd at level 1; level 3 takes twice the time for 2 %.
    """
    if dtype.kind == "f":
        shuffled = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=dtype.itemsize)
        return [shuffled, Crc32cCodec()]
    return [ZstdCodec(level=1, checksum=True)]


def _is_all(rows: np.ndarray, value: float) -> bool:
    first = rows.flat[0]
    if first != value and not (np.isnan(value) and np.isnan(first)):
        return False
    return bool(np.isnan(rows).all() if np.isnan(value) else (rows == value).all())


class FlagsWriter:
    """A mask of one bool a row, in memory until the end."""

    def __init__(self) -> None:
        self._pieces: list[np.ndarray] = []
        self._newest: list[bool] = []

    def add(self, flag: bool) -> None:
        self._newest.append(flag)
        if len(self._newest) >= _FLAG_CHUNK:
            self._pack()

    def extend(self, flags: np.ndarray) -> None:
        self._pack()
        self._pieces.append(np.asarray(flags, bool))

    def all(self) -> np.ndarray:
        self._pack()
        self._pieces = [np.concatenate(self._pieces)] if self._pieces else []
        return self._pieces[0] if self._pieces else np.zeros(0, bool)

    def _pack(self) -> None:
        if self._newest:
            self._pieces.append(np.array(self._newest, bool))
            self._newest = []

    def write(self, group: Any, name: str) -> None:
        flags = self.all()
        with zarr.config.set(_PLAIN):
            self._write(group, name, flags)

    def _write(self, group: Any, name: str, flags: np.ndarray) -> None:
        array = group.create_array(
            name,
            shape=flags.shape,
            chunks=(_FLAG_CHUNK,),
            dtype=bool,
            compressors=ZstdCodec(level=3, checksum=True),
            fill_value=False,
            overwrite=True,  # an import that was killed at its very end finishes again
        )
        array[:] = flags


def open_group(path: Path) -> Any:
    """The group at `path`, made where it is missing."""
    return zarr.open_group(path, mode="a", zarr_format=3)


def link_group(source: Path, target: Path) -> None:
    """Give a finished group a second name, file by file, without its flags (has_...).

    Shards never change once they are written whole, so both versions may share them; the files
    that will change (zarr.json) are copied.
    """
    for path in sorted(source.rglob("*")):
        below = path.relative_to(source)
        if below.parts[0].startswith("has_"):
            continue
        if path.is_dir():
            (target / below).mkdir(parents=True, exist_ok=True)
        elif path.name == "zarr.json":
            (target / below).parent.mkdir(parents=True, exist_ok=True)
            (target / below).write_bytes(path.read_bytes())
        else:
            link_or_copy(path, target / below)


class RowsReader:
    """Reads rows out of one array of a group; raises `Damaged` where that fails.

    Parameters
    ----------
    path
        The group's folder.
    name
        Of the array.
    shape, dtype
        What the manifest says; the first number of the shape is that of the objects.
    what
        Names what is in it, for error messages: "pixels", "spectra".
    """

    def __init__(
        self, path: Path, name: str, shape: tuple[int, ...], dtype: str, what: str
    ) -> None:
        self._path, self._name, self._what = path, name, what
        with self._reading():
            self._array = zarr.open_group(path, mode="r", zarr_format=3)[name]
        found = (tuple(self._array.shape), str(self._array.dtype))
        if found != (shape, dtype):
            raise Damaged(
                f"{path} should hold {what} {shape} of {dtype} by the manifest, but holds"
                f" {found[0]} of {found[1]}; restore the survey from a backup or import it again."
            )
        self.chunk_objects = int(self._array.chunks[0])
        self.shard_objects = int((self._array.shards or self._array.chunks)[0])

    def missing_files(self) -> list[Path]:
        """Chunk files that should be there and are not (no file is read)."""
        more = ["0"] * (self._array.ndim - 1)
        files = (
            self._path.joinpath(self._name, "c", str(number), *more)
            for number in range(-(-int(self._array.shape[0]) // self.shard_objects))
        )
        return [path for path in files if not path.is_file()]

    def all(self) -> np.ndarray:
        with self._reading():
            return np.asarray(self._array[:])

    def block(self, start: int, stop: int) -> np.ndarray:
        """Neighbouring rows (stop - start, ...)."""
        with self._reading():
            return np.asarray(self._array[start:stop])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Any rows (B, ...) in any order, doubles allowed.

        Zarr's own indexing by lists decodes a chunk again for each of its rows; rows that lie
        close together are read here as one block.
        """
        found = np.empty((len(rows), *self._array.shape[1:]), self._array.dtype)
        if len(rows) == 0:
            return found
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        breaks = np.flatnonzero(np.diff(ordered) > 2 * self.chunk_objects) + 1
        for part in np.split(np.arange(len(rows)), breaks):
            for piece in np.split(
                part, np.arange(self.shard_objects, len(part), self.shard_objects)
            ):
                start, stop = int(ordered[piece[0]]), int(ordered[piece[-1]]) + 1
                found[order[piece]] = self.block(start, stop)[ordered[piece] - start]
        return found

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, PermissionError):
            raise
        except Exception as error:
            # Zarr and its codecs raise whatever comes to hand over bytes that make no sense.
            raise Damaged(
                f"The {self._what} in {self._path} cannot be read ({type(error).__name__}:"
                f" {str(error)[:120]}); restore the survey from a backup or import it again."
            ) from error
