"""The files of spectra below a folder, kept small: ten million names are a few hundred MB."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.survey.readers.spectra_files import (
    FITS_ENDINGS,
    NPZ_ENDINGS,
    TEXT_ENDINGS,
    holds_many,
    is_sdss_name,
)

Entry = str | list[str | int]
"""The path of a file below the source, or such a path and a row of the file."""

_PROBED_FILES = 5_000
"""Up to so many files all are looked into for many spectra; beyond, those named as DESI does."""

_BLOCK_FILES = 10_000

_DESI_NAMES = ("coadd-", "spectra-")
_REDSHIFT_NAMES = ("redrock-", "zbest-")


@dataclass
class _Block:
    """Some files of one folder, or one file of `n_rows` spectra."""

    folder: str
    names: bytes
    n_files: int
    n_rows: int | None = None

    @property
    def n_entries(self) -> int:
        return self.n_files if self.n_rows is None else self.n_rows

    def entry(self, place: int) -> Entry:
        if self.n_rows is not None:
            return [self._path(self.names), place]
        return self._path(self.names.split(b"\0")[place])

    def entries(self) -> Iterator[Entry]:
        if self.n_rows is not None:
            path = self._path(self.names)
            for row in range(self.n_rows):
                yield [path, row]
        elif self.n_files:
            yield from map(self._path, self.names.split(b"\0"))

    def _path(self, name: bytes) -> str:
        text = os.fsdecode(name)
        return f"{self.folder}/{text}" if self.folder else text


@dataclass
class Listing:
    """Entries in order, and what else lay there.

    Attributes
    ----------
    closed
        Folders that may not be listed; entries as well.
    n_others
        Files that are no spectra by their endings.
    n_exposures
        DESI files of single exposures, left out where their co-added ones are there.
    n_redshifts
        Files of redshifts that go with others.
    n_linked_folders
        Not entered.
    """

    blocks: list[_Block] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    n_others: int = 0
    n_exposures: int = 0
    n_redshifts: int = 0
    n_linked_folders: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def n_entries(self) -> int:
        return sum(block.n_entries for block in self.blocks) + len(self.closed)

    def entries(self) -> Iterator[Entry]:
        for block in self.blocks:
            yield from block.entries()
        yield from self.closed

    def spread(self, count: int) -> list[Entry]:
        """About `count` entries from all over, and the first of as many folders and files, since
        what differs mostly does so from one to the other."""
        total = sum(block.n_entries for block in self.blocks)
        wanted = sorted({place * total // count for place in range(count)}) if total else []
        filled = [block for block in self.blocks if block.n_entries]
        found = [block.entry(0) for block in filled[:: max(1, -(-len(filled) // count))]]
        begin = 0
        for block in self.blocks:
            inside = [place for place in wanted if begin <= place < begin + block.n_entries]
            more = (block.entry(place - begin) for place in inside)
            found += [entry for entry in more if entry not in found]
            begin += block.n_entries
        return found


def list_file(path: Path, count: Callable[[Path], int | None]) -> Listing:
    """The entries of a single file."""
    found = Listing()
    _add(found, "", [path.name], path.parent, count, probe=True)
    return found


def list_folder(
    folder: Path, count: Callable[[Path], int | None], besides: Path | None
) -> Listing:
    """Everything below a folder, sorted; `count` tells how many spectra a file of many holds, or
    None if that cannot be found out, and `besides` is a file that is no spectrum.

    Text counts as spectra only where there is no other kind: beside FITS files it is mostly
    notes and catalogues.
    """
    has_others, n_files = _look(folder)
    endings = (*FITS_ENDINGS, *NPZ_ENDINGS) if has_others else TEXT_ENDINGS
    found = Listing()

    def closed(error: OSError) -> None:
        found.closed.append(Path(error.filename).relative_to(folder).as_posix())

    for place, subfolders, files in os.walk(folder, onerror=closed):
        subfolders.sort()
        below = Path(place).relative_to(folder).as_posix()
        below = "" if below == "." else below
        found.n_linked_folders += sum(os.path.islink(os.path.join(place, s)) for s in subfolders)
        names = sorted(name for name in files if name.lower().endswith(endings))
        found.n_others += len(files) - len(names)
        kept = [name for name in names if not name.startswith(_REDSHIFT_NAMES)]
        found.n_redshifts += len(names) - len(kept)
        if any(name.startswith("coadd-") for name in kept):
            names, kept = kept, [name for name in kept if not name.startswith("spectra-")]
            found.n_exposures += len(names) - len(kept)
        if besides is not None and besides.parent == Path(place) and besides.name in kept:
            kept.remove(besides.name)
        _add(found, below, kept, Path(place), count, probe=n_files <= _PROBED_FILES)
    found.closed.sort()
    return found


def _look(folder: Path) -> tuple[bool, int]:
    """Whether there are FITS files or archives below, and how many."""
    n = 0
    for _place, _subfolders, files in os.walk(folder):
        n += sum(name.lower().endswith((*FITS_ENDINGS, *NPZ_ENDINGS)) for name in files)
    return n > 0, n


def _add(
    found: Listing,
    below: str,
    names: list[str],
    folder: Path,
    count: Callable[[Path], int | None],
    probe: bool,
) -> None:
    """Add files of one folder in order, those of many spectra as blocks of their own."""
    single: list[str] = []

    def flush() -> None:
        if single:
            joined = os.fsencode("\0".join(single))
            found.blocks.append(_Block(below, joined, len(single)))
            single.clear()

    for name in names:
        lower = name.lower()
        looked = lower.startswith(_DESI_NAMES) or lower.endswith(NPZ_ENDINGS)
        looked |= probe and not is_sdss_name(name) and not lower.endswith(TEXT_ENDINGS)
        n_rows = None
        if looked and holds_many(folder / name):
            n_rows = count(folder / name)
        if n_rows is None:
            if len(single) == _BLOCK_FILES:
                flush()
            single.append(name)
            found.kinds["files of one spectrum"] += 1
        else:
            flush()
            found.blocks.append(_Block(below, os.fsencode(name), 1, n_rows))
            found.kinds["files of many spectra"] += 1
    flush()
