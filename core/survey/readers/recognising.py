"""How sure the folder reader is of a path, by a few kilobytes of a few files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from core.survey.readers.fits_hdus import FileContent, walk
from core.survey.readers.fits_header import Content
from core.survey.readers.sniffing import kind_of_file
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import read_head, unpacked_head

_SURE = 60
_PERHAPS = 30
_A_FOLDER = 5
"""So that a folder without images is told what it should hold."""

_MAX_FILES = 50
_MAX_ENTRIES = 2000
_MAX_HDUS = 40
_HEAD = 64 * 1024


def sure_of_file(path: Path) -> int:
    kind = kind_of_file(path)
    if kind == "fits":
        return _SURE if has_image(path) else 0
    return _SURE if kind else 0


def sure_of_folder(folder: Path) -> int:
    images = files = 0
    for path in _some_files(folder):
        files += 1
        images += sure_of_file(path) > 0
    if not images:
        return _A_FOLDER
    return _SURE if images * 4 >= files else _PERHAPS


def has_image(path: Path) -> bool:
    """Whether an early HDU of a FITS file is an image, as far as it can be told quickly."""
    try:
        head = read_head(path, _HEAD)
        if head[:6] == b"SIMPLE":
            with FileContent(path) as content:
                return _names_image(content)
        return _names_image(unpacked_head(head))
    except Unreadable:
        return False


def _names_image(content: Content) -> bool:
    return any(hdu.is_image for hdu in islice(walk(content, whole=False), _MAX_HDUS))


def _some_files(folder: Path) -> Iterator[Path]:
    """Up to so many files, some of each folder met first, without going through millions."""
    waiting, entries_seen, files_seen = [folder], 0, 0
    while waiting and files_seen < _MAX_FILES and entries_seen < _MAX_ENTRIES:
        place = waiting.pop(0)
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    entries_seen += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        files_seen += 1
                        yield Path(entry.path)
                    if files_seen >= _MAX_FILES or entries_seen >= _MAX_ENTRIES:
                        return
        except OSError:
            continue
