"""One FITS file that holds many objects: the planes of a cube, or the extensions of a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.survey.batch import Batch, BatchBuilder
from core.survey.readers.band_choice import BandChoice
from core.survey.readers.bands import from_blue_to_red
from core.survey.readers.fits_hdus import FileContent, Hdu, walk
from core.survey.readers.fits_header import Content
from core.survey.readers.fits_image import (
    FitsImage,
    chosen_hdus,
    decode_hdu,
    decompressed,
    make_image,
    scaled,
    three_axes,
)
from core.survey.readers.image_entry import EntryShaper
from core.survey.readers.registry import Unit
from core.survey.readers.sniffing import stem
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import read_whole, unpacked

MAX_BANDS = 16
"""An image with more planes, or a file with more images, is a pile of objects."""

_THE_REST = -1


def is_pile(path: Path, hdu: int | str | None) -> bool:
    """Whether a file is more likely to hold many objects than the bands of one."""
    try:
        with _Opened(path) as content:
            hdus = list(walk(content, whole=False))
            images = chosen_hdus(hdus, hdu)
    except Unreadable:
        return False
    n_planes = _n_planes(images[0])
    # Four long axes leave no other reading.
    return max(len(images), n_planes) > MAX_BANDS or (len(images[0].shape) == 4 and n_planes > 1)


class FitsPlanes:
    """The objects of one FITS file.

    A cube (object, y, x) or (object, band, y, x) has one object a plane, numbered from 0 in
    their ids; otherwise each image extension is an object, with its EXTNAME for an id where all
    differ. Planes behind the end of a file that was cut short are one entry together.

    Raises
    ------
    BadInput
        The file cannot be read, or is no pile of images.
    """

    def __init__(self, path: Path, hdu: int | str | None) -> None:
        self._path = path
        try:
            with _Opened(path) as content:
                hdus = list(walk(content, whole=False))
                images = chosen_hdus(hdus, hdu)
                cube = len(images) == 1 and _n_planes(images[0]) > 1
                self._cube = images[0].number if cube else None
                n_missing = 0
                self._n_others = sum(one.n_bytes > 0 for one in hdus) - len(images)
                self._names: dict[int, str] = {}
                self._entries: Sequence[int]
                if self._cube is not None:
                    self._entries, n_missing = _planes_there(images[0], len(content))
                else:
                    self._entries = [one.number for one in images]
                    names = [one.name for one in images]
                    unique = all(names) and len(set(names)) == len(names)
                    self._names = dict(zip(self._entries, names, strict=True)) if unique else {}
                if n_missing:
                    self._entries = [*self._entries, _THE_REST]
                self._n_missing = n_missing
                first = self._first(content, hdus)
        except Unreadable as error:
            raise BadInput(f"The file {path} {error}; check the file.") from None
        self.n_entries = len(self._entries)
        self.n_bands = len(first.image)
        self.band_names = from_blue_to_red(first.bands)
        self.side = min(2048, *first.image.shape[1:])
        scale = first.pixel_scale_arcsec
        self.scale = None if scale is None else float(f"{scale:.6g}")

    def settings(self) -> dict[str, Any]:
        kind = "extensions" if self._cube is None else f"planes of HDU {self._cube}"
        return {"axis": "objects", "objects": kind}

    def notes(self) -> list[str]:
        notes = []
        if not self._names:
            notes.append(
                f"The objects are numbered in the order in which {self._path.name} has them."
            )
        if self._n_others:
            notes.append(
                f"HDUs that are not among the images and were left out: {self._n_others}."
            )
        return notes

    def units(self, step: int) -> Iterator[Unit]:
        for number, start in enumerate(range(0, self.n_entries, step)):
            part = list(self._entries[start : start + step])
            yield Unit(number, len(part), part)

    def read(self, unit: Unit, choice: BandChoice, shaper: EntryShaper) -> Iterator[Batch]:
        gathered = BatchBuilder()
        try:
            with _Opened(self._path) as content:
                hdus = {one.number: one for one in walk(content, whole=False)}
                for entry in unit.what:
                    self._read_entry(gathered, entry, content, hdus, choice, shaper)
                if isinstance(content, FileContent):
                    content.check_unchanged()
        except Unreadable as error:
            gathered.take()
            for entry in unit.what:
                gathered.reject(self._path.name, str(error), self._member(entry))
        yield gathered.take()

    def _read_entry(
        self,
        gathered: BatchBuilder,
        entry: int,
        content: Content,
        hdus: dict[int, Hdu],
        choice: BandChoice,
        shaper: EntryShaper,
    ) -> None:
        if entry == _THE_REST:
            gathered.reject(
                self._path.name,
                f"is cut short ({self._n_missing:,} planes of its header are missing)",
                self._member(entry),
            )
            return
        try:
            found = self._image(content, hdus, entry)
            image = choice.pick(found.image, found.bands)
            name = self._names.get(entry) or f"{stem(self._path.name)}-{entry:06d}"
            shaper.add_measured(gathered, name, self._path.name, [(found, image)])
        except Unreadable as error:
            gathered.reject(self._path.name, str(error), self._member(entry))
        except MemoryError:
            gathered.reject(self._path.name, "is too large for the memory", self._member(entry))

    def _first(self, content: Content, hdus: list[Hdu]) -> FitsImage:
        """The first object that can be read."""
        reason = Unreadable("has no image")
        numbered = {one.number: one for one in hdus}
        for entry in self._entries[:100]:
            try:
                return self._image(content, numbered, entry)
            except Unreadable as error:
                reason = error
        raise reason

    def _image(self, content: Content, hdus: dict[int, Hdu], entry: int) -> FitsImage:
        hdu = hdus.get(entry if self._cube is None else self._cube)
        if hdu is None:
            raise Unreadable("changed while it was being read")
        if self._cube is None:
            if hdu.start + hdu.n_bytes > len(content):
                raise Unreadable("is cut short")
            return make_image(*decode_hdu(content, hdu), [hdu], hdus[0].header)
        shape = hdu.shape
        if hdu.compressed:
            values = decompressed(content, hdu, slice(entry, entry + 1))[0]
        else:
            n_bytes = math.prod(shape[1:]) * hdu.dtype.itemsize
            start = hdu.start + entry * n_bytes
            plane = content[start : start + n_bytes]
            if len(plane) < n_bytes:
                raise Unreadable("is cut short")
            values = scaled(np.frombuffer(plane, hdu.dtype).reshape(shape[1:]), hdu.header)
        return make_image(*three_axes(values, hdu), [hdu], hdus[0].header)

    def _member(self, entry: int) -> str:
        if entry == _THE_REST:
            return "the planes behind its end"
        return f"plane {entry}" if self._cube is not None else f"HDU {entry}"


class _Opened:
    """The content of a FITS file: from disk as it is needed, or unpacked and kept for the next
    unit where it is packed as a whole."""

    def __init__(self, path: Path) -> None:
        self._content: FileContent | bytes = FileContent(path)
        if self._content[:2] == b"\x1f\x8b" or self._content[:3] == b"BZh":
            status = path.stat()
            with self._content:
                self._content = _unpacked_file(path, status.st_size, status.st_mtime_ns)

    def __enter__(self) -> FileContent | bytes:
        return self._content

    def __exit__(self, *_error: object) -> None:
        if isinstance(self._content, FileContent):
            self._content.__exit__(None, None, None)


@lru_cache(maxsize=1)
def _unpacked_file(path: Path, _size: int, _mtime_ns: int) -> bytes:
    return unpacked(read_whole(path))


def _n_planes(hdu: Hdu) -> int:
    """Objects along the first axis of a cube, 1 where it is a single image."""
    shape = hdu.shape
    if len(shape) == 3 and shape[2] >= 8:
        return shape[0]
    return shape[0] if len(shape) == 4 and shape[0] > 1 and shape[1] <= MAX_BANDS else 1


def _planes_there(hdu: Hdu, size: int) -> tuple[range | list[int], int]:
    """The planes that lie in the file, and how many do not."""
    if hdu.compressed:
        return range(hdu.shape[0]), 0
    n_bytes = math.prod(hdu.shape[1:]) * hdu.dtype.itemsize
    there = min(hdu.shape[0], max(0, size - hdu.start) // max(1, n_bytes))
    return range(there), hdu.shape[0] - there
