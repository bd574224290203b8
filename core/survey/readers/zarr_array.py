"""Reads Zarr arrays and groups of images (formats 2 and 3) from a folder."""

from __future__ import annotations

import itertools
import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.survey.readers.array_choice import ArrayInfo
from core.survey.readers.arrays import ArrayReader
from core.survey.readers.registry import register_reader
from core.survey.readers.source_file import Stamp, brief
from core.survey.readers.unreadable import Unreadable

METADATA = ("zarr.json", ".zarray", ".zgroup")
MOST_METADATA_BYTES = 4 * 1024**2
MOST_ARRAYS = 4096
MOST_DEPTH = 16
MOST_CHUNK_BYTES = 512 * 1024**2
PLAIN_CODECS = "zarr.core.codec_pipeline.BatchedCodecPipeline"
MOST_UNWRITTEN = 1000
"""Rows that may be claimed for each that a chunk holds."""

CODECS = frozenset(
    (
        *("bytes", "transpose", "gzip", "zstd", "blosc", "crc32c", "sharding_indexed"),
        *("zlib", "bz2", "lzma", "lz4", "shuffle", "delta", "fixedscaleoffset", "quantize"),
        *("astype", "bitround", "packbits", "adler32", "crc32", "fletcher32", "vlen-utf8"),
        *("vlen-bytes", "numcodecs.zlib", "numcodecs.bz2", "numcodecs.lzma", "numcodecs.lz4"),
        *("numcodecs.shuffle", "numcodecs.delta", "numcodecs.zstd", "numcodecs.blosc"),
    )
)
"""Codecs that only pack numbers; "pickle" among others could run what a file says."""


class _Folder:
    """An open Zarr folder; `alone` if it is one array."""

    def __init__(self, root: Path, alone: bool) -> None:
        self._root, self._alone = root, alone
        self._arrays: dict[str, Any] = {}

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        folder = self._root if self._alone else self._root / name
        try:
            if name not in self._arrays:
                self._arrays[name] = _opened_array(folder)
            array = self._arrays[name]
            try:
                return np.asarray(array[start : min(stop, array.shape[0])])
            except Exception:
                # The compiled codecs that Skysift takes by default know no other byte order
                # than this machine's; Zarr's own do.
                array = self._arrays[name] = _opened_array(folder, plain=True)
                return np.asarray(array[start : min(stop, array.shape[0])])
        except Unreadable:
            raise
        except Exception as error:  # codecs meet damaged bytes and raise anything
            raise Unreadable(f"cannot be read ({brief(error)})") from None


@register_reader("zarr", "a Zarr array or group of images")
class ZarrReader(ArrayReader):
    """Images of a Zarr array, or of the array of a group that fits; the rest become columns.

    Linked folders are not entered. An array whose codecs could run code is left out, with a
    note. A chunk that is not there holds the fill value, as the format says.
    """

    kind = "Zarr folder"

    @classmethod
    def recognises(cls, source: Path) -> int:
        return 90 if _metadata_file(source) is not None else 0

    def _checked(self) -> tuple[Path, Stamp]:
        file = _metadata_file(self.source)
        if file is None:
            raise BadInput(
                f"{self.source} should be a Zarr folder, but holds none of"
                f" {', '.join(METADATA)}; check the path."
            )
        found = os.stat(file)
        return file, (found.st_size, found.st_mtime_ns)

    def _look(self) -> dict[str, ArrayInfo]:
        found: dict[str, ArrayInfo] = {}
        left_out: list[str] = []
        for path in _array_folders(self.source, left_out):
            name = path.relative_to(self.source).as_posix()
            try:
                if len(found) >= MOST_ARRAYS:
                    raise Unreadable(f"is beyond the first {MOST_ARRAYS:,}")
                found["array" if name == "." else name] = _info(path)
            except Unreadable as error:
                left_out.append(f"{name}, which {error}")
        if left_out:
            self.notes.append(f"Arrays that were left out: {'; '.join(left_out[:20])}.")
        if not found:
            told = f" (left out: {left_out[0]})" if left_out else ""
            raise BadInput(f"{self.source} holds no array that can be read{told}; check it.")
        self._alone = _is_array(self.source)
        return found

    @contextmanager
    def _opened(self) -> Iterator[_Folder]:
        yield _Folder(self.source, self._alone)


def _metadata_file(folder: Path) -> Path | None:
    for name in METADATA:
        try:
            if stat.S_ISREG(os.stat(folder / name).st_mode):
                return folder / name
        except (OSError, ValueError):
            continue
    return None


def _metadata(folder: Path) -> dict[str, Any]:
    file = _metadata_file(folder)
    try:
        if file is None:
            raise Unreadable("has no metadata")
        if file.stat().st_size > MOST_METADATA_BYTES:
            raise Unreadable("has metadata too large to be true")
        found = json.loads(file.read_text(encoding="utf-8")) | {"file": file.name}
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"has damaged metadata ({brief(error)})") from None
    return dict(found)


def _is_array(folder: Path) -> bool:
    try:
        about = _metadata(folder)
    except Unreadable:
        return True  # to be told of
    return about["file"] == ".zarray" or about.get("node_type") == "array"


def _array_folders(root: Path, left_out: list[str]) -> Iterator[Path]:
    """Folders of arrays, sorted; those of chunks are not listed, as there can be millions."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        if _is_array(folder):
            yield folder
            continue
        below = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if depth < MOST_DEPTH and _metadata_file(Path(entry.path)) is not None:
                            below.append((Path(entry.path), depth + 1))
                    elif entry.is_symlink() and os.path.isdir(entry.path):
                        left_out.append(f"{entry.name}, which is a linked folder")
        except OSError as error:
            left_out.append(f"{folder.name}, which cannot be listed ({error.strerror})")
        waiting += sorted(below, reverse=True)


def _codecs(about: Any) -> Iterator[str]:
    """Names of all codecs in metadata of either format."""
    if isinstance(about, dict):
        for key in ("codecs", "index_codecs", "filters", "compressor"):
            several = about.get(key)
            for codec in several if isinstance(several, list) else [several]:
                if isinstance(codec, dict):
                    yield str(codec.get("name", codec.get("id")))
                    yield from _codecs(codec.get("configuration"))


def _opened_array(folder: Path, *, plain: bool = False) -> Any:
    """The array of a folder, after a look at its codecs; raises `Unreadable`. `plain` takes
    Zarr's own codecs."""
    strange = sorted(set(_codecs(_metadata(folder))) - CODECS)
    if strange:
        raise Unreadable(f"is packed by {strange[0]!r}, which is not read here")
    import zarr

    pipeline = {"codec_pipeline.path": PLAIN_CODECS} if plain else {}
    try:
        with zarr.config.set(pipeline):
            return zarr.open_array(str(folder), mode="r")
    except Exception as error:
        raise Unreadable(f"cannot be opened ({brief(error)})") from None


def _has_files(folder: Path, n: int) -> bool:
    """Whether there are so many chunks (or folders of chunks, one for each first number)."""
    place = folder / "c" if (folder / "c").is_dir() else folder
    with os.scandir(place) as entries:
        return sum(1 for _ in itertools.islice(entries, n)) >= n


def _info(folder: Path) -> ArrayInfo:
    array = _opened_array(folder)
    try:
        text = type(array.dtype).__name__ in ("StringDType", "StringDTypeType")
        text |= array.dtype.kind == "T"
        if array.dtype.hasobject and not text:
            raise Unreadable("holds Python objects")
        chunks = array.chunks
        if math.prod(chunks) * max(1, array.dtype.itemsize) > MOST_CHUNK_BYTES:
            raise Unreadable(f"is stored in chunks of more than {MOST_CHUNK_BYTES // 1024**2} MB")
        shape = tuple(int(n) for n in array.shape)
        rows = int((getattr(array, "shards", None) or chunks)[0]) if shape else 1
        needed = shape[0] // (MOST_UNWRITTEN * rows) if shape else 0
        if needed and not _has_files(folder, needed):
            raise Unreadable(f"has {shape[0]:,} rows by its metadata, and hardly a chunk")
        chunk_rows = min(int(chunks[0]), shape[0]) if shape else 0
        return ArrayInfo(shape, array.dtype, chunk_rows, text)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"cannot be read ({brief(error)})") from None
