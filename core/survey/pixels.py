"""images.zarr: the pixels of a survey version, one object readable without the rest.

A Zarr v3 group of two arrays: `image` (N, band, y, x) in the native dtype, in small zstd chunks
packed into shards of about a thousand objects, and `has_image` (N,) bool. An object without a
picture has a row of zeros (uint8) or NaN (float32) and False in the mask.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from core.errors import Damaged

_CHUNK_BYTES = 64 * 1024
_SHARD_BYTES = 64 * 1024 * 1024
_MAX_CHUNK_OBJECTS = 4
_MAX_SHARD_OBJECTS = 1024
_MASK_CHUNK = 65_536


def shard_layout(object_bytes: int) -> tuple[int, int]:
    """Objects a chunk and objects a shard for objects of that size.

    A chunk is what must be decoded to see one object, a shard is what the writer holds in
    memory: both are bounded in bytes as well as in objects.
    """
    chunk = max(1, min(_MAX_CHUNK_OBJECTS, _CHUNK_BYTES // object_bytes))
    shard = max(chunk, min(_MAX_SHARD_OBJECTS, _SHARD_BYTES // object_bytes))
    return chunk, shard // chunk * chunk


class PixelWriter:
    """Appends pictures to a new images.zarr, a shard at a time."""

    def __init__(self, path: Path, n_bands: int, side: int, dtype: str) -> None:
        shape = (n_bands, side, side)
        self._dtype = np.dtype(dtype)
        chunk, shard = shard_layout(int(np.prod(shape)) * self._dtype.itemsize)
        self._absent = np.nan if self._dtype.kind == "f" else 0
        group = zarr.open_group(path, mode="w-", zarr_format=3)
        self._image = group.create_array(
            "image",
            shape=(0, *shape),
            chunks=(chunk, *shape),
            shards=(shard, *shape),
            dtype=self._dtype,
            # The checksum makes a damaged chunk an error instead of a wrong picture.
            compressors=ZstdCodec(level=3, checksum=True),
            fill_value=self._absent,
            dimension_names=("object", "band", "y", "x"),
            # Without this a shard of absent pictures has no file and looks like a lost one.
            config={"write_empty_chunks": True},
        )
        self._has_image = group.create_array(
            "has_image",
            shape=(0,),
            chunks=(_MASK_CHUNK,),
            dtype=bool,
            compressors=ZstdCodec(level=3, checksum=True),
            fill_value=False,
            config={"write_empty_chunks": True},
        )
        self._buffer = np.full((shard, *shape), self._absent, self._dtype)
        self._mask = np.zeros(shard, bool)
        self._filled = 0
        self._masks: list[np.ndarray] = []

    def add(self, image: np.ndarray | None) -> None:
        """Append one picture (band, y, x), or the place of an object that has none."""
        self._buffer[self._filled] = self._absent if image is None else image
        self._mask[self._filled] = image is not None
        self._filled += 1
        if self._filled == len(self._buffer):
            self._flush()

    def finish(self) -> None:
        self._flush()
        mask = np.concatenate(self._masks)
        self._has_image.resize((len(mask),))
        self._has_image[:] = mask

    def _flush(self) -> None:
        if self._filled:
            start = self._image.shape[0]
            stop = start + self._filled
            self._image.resize((stop, *self._image.shape[1:]))
            self._image[start:stop] = self._buffer[: self._filled]
            self._masks.append(self._mask[: self._filled].copy())
            self._filled = 0


class PixelReader:
    """Reads pictures out of images.zarr; raises `Damaged` where that fails.

    Parameters
    ----------
    path
        The images.zarr folder.
    shape
        What the manifest says: (N, band, y, x).
    dtype
        What the manifest says.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int], dtype: str) -> None:
        self._path = path
        with self._reading():
            group = zarr.open_group(path, mode="r", zarr_format=3)
            self._image = group["image"]
            self._has_image = group["has_image"]
        found = (self._image.shape, str(self._image.dtype), self._has_image.shape)
        if found != (shape, dtype, shape[:1]):
            raise Damaged(
                f"{path} should hold images {shape} of {dtype} by the manifest, but holds"
                f" {found[0]} of {found[1]} with a mask {found[2]};"
                " restore the survey from a backup or import it again."
            )
        self.chunk_objects = int(self._image.chunks[0])
        self.shard_objects = int(self._image.shards[0])

    def missing_files(self) -> list[Path]:
        """Chunk files that should be there and are not (no file is read)."""
        n_objects = self._image.shape[0]
        shards = (
            self._path / "image" / "c" / str(number) / "0" / "0" / "0"
            for number in range(-(-n_objects // self.shard_objects))
        )
        masks = (
            self._path / "has_image" / "c" / str(number)
            for number in range(-(-n_objects // int(self._has_image.chunks[0])))
        )
        return [path for path in (*shards, *masks) if not path.is_file()]

    def mask(self) -> np.ndarray:
        """Which objects have a picture, (N,) bool."""
        with self._reading():
            return np.asarray(self._has_image[:], dtype=bool)

    def block(self, start: int, stop: int) -> np.ndarray:
        """Images (stop - start, band, y, x) of neighbouring rows."""
        with self._reading():
            return np.asarray(self._image[start:stop])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Images (B, band, y, x) of any rows in any order, doubles allowed.

        Zarr's own indexing by lists decodes a chunk again for each of its rows; rows that lie
        close together are read here as one block.
        """
        images = np.empty((len(rows), *self._image.shape[1:]), self._image.dtype)
        if len(rows) == 0:
            return images
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        breaks = np.flatnonzero(np.diff(ordered) > 2 * self.chunk_objects) + 1
        for part in np.split(np.arange(len(rows)), breaks):
            for piece in np.split(
                part, np.arange(self.shard_objects, len(part), self.shard_objects)
            ):
                start, stop = int(ordered[piece[0]]), int(ordered[piece[-1]]) + 1
                images[order[piece]] = self.block(start, stop)[ordered[piece] - start]
        return images

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, PermissionError):
            raise
        except Exception as error:
            # Zarr and its codecs raise whatever comes to hand over bytes that make no sense.
            raise Damaged(
                f"The pixels in {self._path} cannot be read ({type(error).__name__}:"
                f" {str(error)[:120]}); restore the survey from a backup or import it again."
            ) from error
