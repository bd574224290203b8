"""Reads HDF5 files of images: Galaxy10, the Legacy Surveys' self-supervised sets, and others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.survey.readers.array_choice import ArrayInfo, is_images
from core.survey.readers.arrays import ArrayReader
from core.survey.readers.registry import register_reader
from core.survey.readers.source_file import Stamp, beginning, brief, checked_file
from core.survey.readers.unreadable import Unreadable

MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_DATASETS = 4096
MOST_DEPTH = 32
MOST_CHUNK_BYTES = 512 * 1024**2
MOST_UNWRITTEN = 1000
"""Rows that may be claimed for each that is stored."""


class _File:
    """An open HDF5 file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        try:
            dataset = self._file[name]
            return np.asarray(dataset[start : min(stop, dataset.shape[0])])
        except Exception as error:  # the library meets damaged bytes and raises anything
            raise Unreadable(f"cannot be read ({brief(error)})") from None


@register_reader("hdf5", "an HDF5 file with an array of images")
class Hdf5Reader(ArrayReader):
    """Images of the dataset `images` or of the largest that fits; other datasets of as many
    rows become columns.

    Only what lies in the file itself is read: soft and external links, external storage and
    virtual datasets lead elsewhere and are left out, with a note.
    """

    kind = "HDF5 file"

    @classmethod
    def recognises(cls, source: Path) -> int:
        if beginning(source, 8) != MAGIC:
            return 0
        import h5py

        try:
            with h5py.File(source, "r", locking=False) as file:
                infos = (_info(dataset) for _, dataset in _datasets(file, []))
                found = any(isinstance(one, ArrayInfo) and is_images(one) for one in infos)
                return 70 if found else 20
        except Exception:  # damaged: its reader says how
            return 50

    def _checked(self) -> tuple[Path, Stamp]:
        return self.source, checked_file(self.source, "an HDF5 file")

    def _look(self) -> dict[str, ArrayInfo]:
        found: dict[str, ArrayInfo] = {}
        elsewhere: list[str] = []
        try:
            with self._opened_file() as file:
                for path, dataset in _datasets(file, elsewhere):
                    try:
                        info = _info(dataset)
                    except Exception as error:  # damage shows in any way
                        info = f"cannot be read: {brief(error)}"
                    if isinstance(info, ArrayInfo):
                        found[path] = info
                    else:
                        elsewhere.append(f"{path} ({info})")
        except Unreadable as error:
            raise BadInput(f"{self.source} {error}; check the file.") from None
        if elsewhere:
            self.notes.append(f"Left out: {', '.join(elsewhere[:20])}.")
        if not found:
            told = f" (left out: {', '.join(elsewhere[:5])})" if elsewhere else ""
            raise BadInput(f"{self.source} holds no array that can be read{told}; check the file.")
        return found

    @contextmanager
    def _opened(self) -> Iterator[_File]:
        with self._opened_file() as file:
            yield _File(file)

    @contextmanager
    def _opened_file(self) -> Iterator[Any]:
        import h5py

        try:
            # Without locking: the file may lie where there is none, and is only read.
            file = h5py.File(self.source, "r", locking=False)
        except Exception as error:
            reason = "is cut short" if "truncated" in str(error) else f"({brief(error)})"
            raise Unreadable(f"cannot be opened as HDF5: {reason}") from None
        try:
            yield file
        finally:
            file.close()


def _datasets(file: Any, elsewhere: list[str]) -> Iterator[tuple[str, Any]]:
    """Datasets by path, sorted; what leads out of the file or in a circle is not followed."""
    import h5py

    seen: set[Any] = set()
    try:
        seen.add(h5py.h5o.get_info(file["/"].id).addr)
    except Exception as error:
        raise Unreadable(f"is damaged ({brief(error)})") from None
    waiting = [("", file)]
    n_found = 0
    while waiting:
        place, group = waiting.pop()
        try:
            names = sorted(group)
        except Exception as error:
            elsewhere.append(f"{place or '/'} (cannot be listed: {brief(error)})")
            continue
        below = []
        for name in names:
            path = f"{place}/{name}".strip("/")
            try:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    elsewhere.append(f"{path} (a link)")
                    continue
                thing = group[name]
                address = h5py.h5o.get_info(thing.id).addr
                if address in seen:  # a second name, which may lead in a circle
                    continue
                seen.add(address)
                if isinstance(thing, h5py.Group):
                    if path.count("/") < MOST_DEPTH:
                        below.append((path, thing))
                elif isinstance(thing, h5py.Dataset):
                    n_found += 1
                    if n_found > MOST_DATASETS:
                        elsewhere.append(f"{path} and those after it (too many)")
                        return
                    yield path, thing
            except Exception as error:
                elsewhere.append(f"{path} (cannot be read: {brief(error)})")
        waiting += reversed(below)


def _info(dataset: Any) -> ArrayInfo | str:
    """What a dataset is, or why it is left out."""
    import h5py

    if dataset.is_virtual or dataset.external is not None:
        return "its values lie in another file"
    if dataset.shape is None:
        return "empty"
    text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.dtype.hasobject and not (text and dataset.dtype.kind == "O"):
        return "Python objects or references"
    creation = dataset.id.get_create_plist()
    for number in range(creation.get_nfilters()):
        code, _, _, name = creation.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            called = name.decode("utf-8", "replace") or "?"
            return f"packed by the filter {called!r} (number {code}), which is not installed"
    chunk_rows = 0
    if dataset.chunks is not None and dataset.shape:
        if math.prod(dataset.chunks) * dataset.dtype.itemsize > MOST_CHUNK_BYTES:
            return f"stored in chunks of more than {MOST_CHUNK_BYTES // 1024**2} MB"
        chunk_rows = dataset.chunks[0]
        stored = dataset.id.get_num_chunks() * chunk_rows
        if dataset.shape[0] > MOST_UNWRITTEN * max(1, stored):
            return f"{dataset.shape[0]:,} rows by its header, and {stored:,} at most are there"
    elif not _is_whole(dataset):
        return "cut short"
    unit = ""
    try:
        for key in ("unit", "units"):
            if isinstance(dataset.attrs.get(key), str):
                unit = dataset.attrs[key][:64]
    except Exception:  # a damaged attribute is no reason to leave the values out
        unit = ""
    return ArrayInfo(tuple(dataset.shape), dataset.dtype, chunk_rows, text, unit)


def _is_whole(dataset: Any) -> bool:
    """Whether values stored in one piece can lie in the file: a header can lie about its size."""
    offset = dataset.id.get_offset()
    if offset is None:  # within the header, or never written: then they are the fill value
        return True
    return bool(offset + dataset.id.get_storage_size() <= dataset.file.id.get_filesize())
