"""The seam for readers: one file makes one new way to read data, registered by name."""

from __future__ import annotations

import abc
import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from core.errors import BadInput
from core.survey.batch import Batch
from core.survey.layout import Layout
from core.survey.options import ImportOptions
from core.survey.readers.whole_file import holds_zeros
from core.survey.unit import Unit


class Reader(abc.ABC):
    """What knows a kind of data. Made in the importing process, where it looks at the source;
    then pickled to the processes that read, a unit each.

    Two instances of one source and options give the same units with the same content, in any
    process: that is what lets a killed import go on.

    Attributes
    ----------
    name, description
        Of the kind; set by `register_reader`.
    own_options
        Settings that this reader takes in `ImportOptions.more`: name to meaning.
    polite
        True for a reader that asks other machines: its units are read in one process, one after
        the other, and it minds by itself how many questions it has open.
    takes_catalogue
        True for a reader that makes use of `ImportOptions.catalogue` itself, such as one that
        cuts out what it lists; for others that table is joined to the objects.
    layout
        What every object has.
    settings
        What was guessed or chosen, for the preview and the records; JSON.
    n_entries
        Entries that there are to read.
    notes
        Sentences about what was left out on purpose.
    """

    name: ClassVar[str] = ""
    description: ClassVar[str] = ""
    own_options: ClassVar[Mapping[str, str]] = {}
    polite: ClassVar[bool] = False
    takes_catalogue: ClassVar[bool] = False

    layout: Layout
    settings: dict[str, Any]
    n_entries: int
    notes: list[str]

    def __init__(self, source: Path, options: ImportOptions) -> None:
        """Look at the source; raises `BadInput` if it cannot be a survey."""
        self.source = source
        self.options = options
        self.settings = {}
        self.notes = []

    @classmethod
    @abc.abstractmethod
    def recognises(cls, source: Path) -> int:
        """How sure it is that `source` is for it, by content: 0 = no, 100 = surely.

        Quick and safe with any path: never raises, reads a few kilobytes at most.
        """

    @classmethod
    def cuts_up(cls, source: Path, options: ImportOptions) -> bool:  # noqa: ARG003
        """Whether it would cut out of the source what the catalogue lists. Never raises."""
        return False

    @abc.abstractmethod
    def units(self) -> Iterator[Unit]:
        """The work, in the order in which objects become rows."""

    @abc.abstractmethod
    def read(self, unit: Unit) -> Iterator[Batch]:
        """The objects of a unit, with a reject for every entry that could not be read."""

    def batches(self) -> Iterator[Batch]:
        """Everything, in this process."""
        for unit in self.units():
            yield from self.read(unit)


READERS: dict[str, type[Reader]] = {}
"""Every registered reader by its name."""


def register_reader(name: str, description: str) -> Callable[[type[Reader]], type[Reader]]:
    """Register a reader class under a new name; refuses a name that is taken.

    `description` says what it reads: "a folder of pictures".
    """

    def register(reader: type[Reader]) -> type[Reader]:
        if name in READERS:
            raise ValueError(f"there is already a reader {name!r}; choose another name")
        reader.name, reader.description = name, description
        READERS[name] = reader
        return reader

    return register


def recognised(source: Path) -> str:
    """The name of the reader that is surest of the source, by its content.

    Raises
    ------
    BadInput
        There is no such path, or nothing recognises it.
    """
    _check_open(source)
    sure = {name: reader.recognises(source) for name, reader in READERS.items()}
    best = max(sure, key=lambda name: sure[name])
    if sure[best] <= 0:
        if source.is_file() and source.stat().st_size == 0:
            raise BadInput(f"{source} is empty (zero bytes); check the file.")
        if holds_zeros(source):
            raise BadInput(
                f"{source} holds nothing but zeros, as a tar file without members does; check the"
                " file."
            )
        raise BadInput(
            f"Nothing here knows how to read {source} (readers: {', '.join(sorted(READERS))});"
            " check the path, or name a reader."
        )
    return best


def _check_open(source: Path) -> None:
    """Raises `BadInput` for what no reader could look into, and says why."""
    try:
        found = source.stat()
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(source):
                return
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise BadInput(f"{source} is neither a file nor a folder; check the path.")
        with open(source, "rb"):
            pass
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"There is no file or folder {source}; check the path.") from None
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise BadInput(
            f"{source} cannot be opened ({why}); check the path and its permissions."
        ) from None


def _lone_file(source: Path) -> Path:
    """The one file of a folder that holds nothing else, if a reader is surer of that."""
    with contextlib.suppress(OSError):
        if source.is_dir():
            there = list(islice(source.iterdir(), 2))
            if len(there) == 1 and there[0].is_file():
                both = [
                    max(r.recognises(path) for r in READERS.values())
                    for path in (source, there[0])
                ]
                return there[0] if both[1] > both[0] else source
    return source


def make_reader(
    source: Path, options: ImportOptions, settings: Mapping[str, str] | None = None
) -> Reader:
    """The reader that `options` names, or the one that is surest of the source.

    `settings` are given to a reader that knows them, unless `options.more` has them.

    Raises
    ------
    BadInput
        There is no such path or reader, nothing recognises the source, or the reader finds that
        it cannot be a survey.
    """
    path = Path(source).expanduser()
    if options.reader is None:
        path = _lone_file(path)
    name = options.reader or recognised(path)
    if options.reader is None and options.catalogue is not None:
        # Far fewer objects would come of it than the catalogue lists.
        cutting = (other for other, reader in READERS.items() if reader.cuts_up(path, options))
        name = next(cutting, name)
    if name not in READERS:
        raise BadInput(
            f"There is no reader {name!r} (there: {', '.join(sorted(READERS))}); choose one of"
            " these."
        )
    known = {k: v for k, v in (settings or {}).items() if k in READERS[name].own_options}
    return READERS[name](path, replace(options, more=known | dict(options.more)))
