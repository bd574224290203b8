"""Finds the image files below a folder, by their endings or, failing that, their first bytes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.survey.readers.names import SortedNames
from core.survey.readers.sniffing import image_ending, kind_of_file

_MAX_TOLD_ENDINGS = 6


@dataclass
class Listing:
    """What lies in a folder.

    Attributes
    ----------
    names
        Paths below it with "/" between; one with "/" behind is a folder that may not be listed.
    others
        Files that are no images, counted by their endings.
    n_linked_folders
        Folders that are links; they are not entered, so that no circle has to be feared.
    """

    names: SortedNames
    others: Counter[str] = field(default_factory=Counter)
    n_linked_folders: int = 0

    def notes(self) -> list[str]:
        """What was left out, in sentences."""
        notes = []
        if self.others:
            most = self.others.most_common(_MAX_TOLD_ENDINGS)
            told = ", ".join(f"{ending} {n:,}" for ending, n in most)
            more = ", ..." if len(self.others) > len(most) else ""
            n_others = sum(self.others.values())
            notes.append(
                f"Files that are no images and were left out: {n_others:,} ({told}{more})."
            )
        if self.n_linked_folders:
            notes.append(f"Linked folders that were not entered: {self.n_linked_folders:,}.")
        return notes


def list_images(folder: Path) -> Listing:
    """Every image file in a folder and those below it, in the order of their paths.

    A file whose name ends like an image is one, whatever it holds: that is found out, and told,
    when it is read. Of other files the first bytes are looked at.
    """
    listing = Listing(SortedNames(()))
    listing.names = SortedNames(_walk(folder, listing))
    return listing


def _walk(folder: Path, listing: Listing) -> Iterator[str]:
    # Not os.walk, which holds every name of a folder: there may be millions.
    waiting = [""]
    while waiting:
        below = waiting.pop()
        place = folder / below
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    name = below + entry.name
                    kind = _kind(entry)
                    if kind == "folder":
                        waiting.append(name + "/")
                    elif kind == "linked folder":
                        listing.n_linked_folders += 1
                    elif image_ending(entry.name) or kind_of_file(entry.path):
                        yield name
                    else:
                        ending = os.path.splitext(entry.name)[1].lower()
                        listing.others[ending[:16] or "without ending"] += 1
        except OSError:
            yield below or "/"


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        if entry.is_symlink() and entry.is_dir():
            return "linked folder"
    except OSError:  # a link in a circle: a file that cannot be read
        pass
    return "file"
