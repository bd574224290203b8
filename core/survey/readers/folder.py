"""Reads a plain folder of JPEG and PNG pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BadInput
from core.survey.batch import Batch, CatalogueValue, Reject
from core.survey.readers.picture import (
    MIN_SIDE_PX,
    UnreadablePicture,
    picture_size,
    read_picture,
    square_cutout,
)
from core.survey.readers.registry import register_reader

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png"))
MAX_MOST_FREQUENT_PX = 256
MAX_SIZE_PX = 2048
_BATCH = 64


@register_reader("folder")
class FolderReader:
    """Pictures in a folder and the folders below it, in the order of their paths.

    The object_id is the file name without its ending; where two files share one, the first that
    can be read keeps it. Columns: file_name (path below the folder), width_px, height_px (of
    the file, as it is meant to be looked at), resampled. A picture becomes uint8 bands R, G, B
    (see `read_picture`): its central square, resampled (Lanczos) to the cutout size if that
    differs.

    Linked files are read, linked folders are not entered. Files with other endings are counted
    in `notes`.

    Parameters
    ----------
    folder
        Where the pictures lie.
    size_px
        Side of the cutouts, 8 to 2048; when left out the most frequent shorter side among the
        pictures, and at most 256.

    Raises
    ------
    BadInput
        The folder is missing, is a file, holds no picture, or none that can be read.
    """

    bands: Sequence[str] = ("R", "G", "B")
    dtype = "uint8"
    licence = "not stated"
    pixel_scale_arcsec: float | None = None

    def __init__(self, folder: Path, size_px: int | None = None) -> None:
        if size_px is not None and not MIN_SIDE_PX <= size_px <= MAX_SIZE_PX:
            raise BadInput(
                f"The cutout size must be {MIN_SIDE_PX} to {MAX_SIZE_PX} pixels, but is"
                f" {size_px!r}; choose another."
            )
        self._folder = _checked_folder(folder)
        self._found = _walk(self._folder)
        if not self._found.images:
            raise BadInput(_no_image(self._folder, self._found))
        self.n_sources = len(self._found.images) + len(self._found.closed)
        self.origin = f"folder {self._folder.name}"
        self.notes = _notes(self._found)
        self.cutout_size_px = size_px or _most_frequent_side(self._folder, self._found.images)

    def batches(self) -> Iterator[Batch]:
        first_of: dict[str, str] = {}
        rejects = [
            Reject(folder, "may not be listed by this user") for folder in self._found.closed
        ]
        ids: list[str] = []
        images = []
        columns: list[dict[str, CatalogueValue]] = []
        for number, source in enumerate(self._found.images, start=1):
            object_id = Path(source).stem
            if object_id in first_of:
                reason = f"its object_id {object_id!r} is taken by {first_of[object_id]}"
                rejects.append(Reject(source, reason))
            else:
                try:
                    picture = read_picture(self._folder / source)
                except UnreadablePicture as error:
                    rejects.append(Reject(source, str(error)))
                else:
                    first_of[object_id] = source
                    image, resampled = square_cutout(picture, self.cutout_size_px)
                    ids.append(object_id)
                    images.append(image)
                    columns.append(
                        {
                            "file_name": source,
                            "width_px": picture.shape[2],
                            "height_px": picture.shape[1],
                            "resampled": resampled,
                        }
                    )
            if len(ids) + len(rejects) >= _BATCH or number == len(self._found.images):
                yield Batch(ids, images, columns, rejects=rejects)
                ids, images, columns, rejects = [], [], [], []


@dataclass
class _Found:
    """What lies in a folder; paths below it with '/' between, sorted."""

    images: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    n_others: int = 0
    n_linked_folders: int = 0


def _checked_folder(folder: Path) -> Path:
    path = Path(folder).expanduser()
    if not path.exists():
        raise BadInput(f"There is no folder {path}; check the path.")
    if not path.is_dir():
        raise BadInput(
            f"The folder reader wants a folder of JPEG or PNG pictures, but {path} is a file;"
            " name the folder that it lies in."
        )
    if not os.access(path, os.R_OK | os.X_OK):
        raise BadInput(f"The folder {path} may not be read by this user; change its permissions.")
    return path.resolve()


def _walk(folder: Path) -> _Found:
    found = _Found()

    def closed(error: OSError) -> None:
        found.closed.append(Path(error.filename).relative_to(folder).as_posix())

    for place, subfolders, files in os.walk(folder, onerror=closed):
        below = Path(place).relative_to(folder)
        found.n_linked_folders += sum((Path(place) / name).is_symlink() for name in subfolders)
        for name in files:
            if Path(name).suffix.lower() in IMAGE_SUFFIXES:
                found.images.append((below / name).as_posix())
            else:
                found.n_others += 1
    found.images.sort()
    found.closed.sort()
    return found


def _most_frequent_side(folder: Path, images: list[str]) -> int:
    sides: Counter[int] = Counter()
    reasons: list[str] = []
    for source in images:
        try:
            sides[min(picture_size(folder / source))] += 1
        except UnreadablePicture as error:  # the reading pass writes it down
            reasons.append(f"{source} {error}")
    if not sides:
        raise BadInput(
            f"None of the {len(images)} JPEG or PNG files in {folder} can be used (for one,"
            f" {reasons[0]}); check the files."
        )
    most = max(sides.values())
    return min(MAX_MOST_FREQUENT_PX, max(side for side, n in sides.items() if n == most))


def _no_image(folder: Path, found: _Found) -> str:
    there = f"{found.n_others} other files" if found.n_others else "nothing"
    return (
        f"The folder {folder} should hold JPEG or PNG pictures (.jpg, .jpeg, .png), but holds"
        f" {there}; name another folder."
    )


def _notes(found: _Found) -> list[str]:
    notes = []
    if found.n_others:
        notes.append(
            f"Files that are not .jpg, .jpeg or .png and were left out: {found.n_others}."
        )
    if found.n_linked_folders:
        notes.append(f"Linked folders that were not entered: {found.n_linked_folders}.")
    return notes
