"""What every kind of table file has in common: columns, a number of rows, slices of them."""

from __future__ import annotations

import abc
import atexit
import contextlib
import os
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput, Cancelled
from core.survey.layout import ColumnInfo
from core.survey.tables.missing import applies, finite, spelling, without_codes

MAX_COLUMNS = 4096
MAX_WHOLE_BYTES = 512 * 1024 * 1024
"""Largest file of a kind that has to be read as a whole, and largest array within one."""

MAX_VECTOR = 16
"""Longest vector column that is split into one column an element."""

SLAB_ROWS = 16_384
"""Rows read at a time by what goes through a whole table."""

MAX_LEVELS = 64
"""Most names of classes that a categorical column has."""

CHANGED = "changed while it was being read"

_MAX_NAME = 128
_OPEN_FILES = 8
_SAMPLE_SLICES, _SAMPLE_ROWS = 8, 2048


class IdValues(NamedTuple):
    """How far the values of a column can name the rows: how many rows were looked at, how many of
    them have no value, and how many one that another row had before."""

    n_rows: int
    n_missing: int
    n_repeats: int

    @property
    def share(self) -> float:
        """Part of the rows that the column names, 0 to 1."""
        return (self.n_rows - self.n_missing - self.n_repeats) / max(1, self.n_rows)

    @property
    def is_whole(self) -> bool:
        """Whether it names every row."""
        return self.n_rows > 0 and not (self.n_missing or self.n_repeats)


class UnreadableRows(Exception):
    """Why some rows of a table cannot be read; a few words that follow the table's name."""


class TableSource(abc.ABC):
    """A table in a file (or a folder of them): read by slices, in memory that is bounded.

    Instances are made by `core.survey.tables.open_table` and can be pickled: they hold no open
    file. Every column is of one of the types int64, float32, float64, bool and string.

    Attributes
    ----------
    path
        As given.
    kind
        What it is, in a word: "CSV", "Parquet" ...
    columns
        What is known of every column, by name, in the order of the file.
    types
        Arrow type of every column.
    n_rows
        Rows that can be asked for.
    n_bad
        Entries of the file that are no rows: lines with too few cells, rows cut off.
    notes
        Sentences about what was left out or changed.
    settings
        What was guessed, for the records; JSON.
    truth
        Columns that look like the answer to what is searched for (array files only).
    unique
        How far the values of a column are there and different, where that is known already.
    missing
        Values that stand for "not measured" in number columns.
    """

    kind = ""

    def __init__(self, path: Path, missing: Sequence[float] = ()) -> None:
        self.path = path
        self.missing = tuple(missing)
        self.columns: dict[str, ColumnInfo] = {}
        self.types: dict[str, pa.DataType] = {}
        self.n_rows = 0
        self.n_bad = 0
        self.notes: list[str] = []
        self.settings: dict[str, Any] = {}
        self.truth: tuple[str, ...] = ()
        self.unique: dict[str, IdValues] = {}
        self._stamps: dict[str, tuple[int, int]] = {}

    def rows(self, start: int, stop: int, names: Iterable[str] | None = None) -> pa.Table:
        """The rows start <= row < stop; values that stand for "not measured" are null.

        `names` chooses columns. Raises `UnreadableRows` where the file is damaged.
        """
        return self.counted_rows(start, stop, names)[0]

    def counted_rows(
        self, start: int, stop: int, names: Iterable[str] | None = None
    ) -> tuple[pa.Table, dict[str, int]]:
        """`rows`, and how many cells of which column held a value of `missing`."""
        chosen = list(self.columns) if names is None else list(names)
        start, stop = max(0, start), min(stop, self.n_rows)
        if stop <= start:
            return self._empty(chosen), {}
        with readable_rows():
            self._check_unchanged()
            table = self._read(start, stop, chosen)
            self._check_unchanged()
            if table.num_rows != stop - start:
                raise UnreadableRows("holds fewer rows than it promised")
            found: dict[str, int] = {}
            arrays = []
            for name in chosen:
                column = table.column(name)
                if column.type != self.types[name]:
                    column = pc.cast(column, self.types[name])
                codes = self.columns[name].missing
                if codes and column.type != pa.string():
                    column, n = without_codes(column, [float(code) for code in codes])
                    if n:
                        found[name] = n
                arrays.append(column)
            return pa.table(arrays, names=chosen), found

    def parts(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The rows in pieces of which one may be damaged while the others are not."""
        return [(start, stop)]

    def bad(self, start: int, stop: int) -> list[tuple[str, str]]:
        """Where and why, for the bad entries start <= number < stop."""
        del start, stop  # most kinds of files have none
        return []

    def slabs(
        self, names: Iterable[str] | None = None, rows: int = SLAB_ROWS
    ) -> Iterator[tuple[int, pa.Table]]:
        """The whole table, some rows at a time, each with the number of its first row."""
        chosen = None if names is None else list(names)
        for start in range(0, self.n_rows, rows):
            yield start, self.rows(start, start + rows, chosen)

    def sample(self, names: Iterable[str] | None = None) -> pa.Table:
        """Rows from all over the table, at most 16,384; damaged places are left out."""
        chosen = list(self.columns) if names is None else list(names)
        whole = _SAMPLE_SLICES * _SAMPLE_ROWS
        starts = [0]
        if self.n_rows > whole:
            step = (self.n_rows - _SAMPLE_ROWS) / (_SAMPLE_SLICES - 1)
            starts = [int(number * step) for number in range(_SAMPLE_SLICES)]
        size = whole if len(starts) == 1 else _SAMPLE_ROWS
        parts = [self._empty(chosen)]
        for start in starts:
            try:
                parts.append(self.rows(start, start + size, chosen))
            except UnreadableRows:
                continue
        return pa.concat_tables(parts)

    @abc.abstractmethod
    def _read(self, start: int, stop: int, names: Sequence[str]) -> pa.Table:
        """Rows of the file as they are; at least the columns `names`."""

    def _set_columns(self, names: Sequence[str]) -> list[str]:
        """Make names that the catalogue takes, tell of changes, and refuse too many."""
        if len(names) > MAX_COLUMNS:
            raise BadInput(
                f"A table may have {MAX_COLUMNS} columns, but {self.path} has {len(names)};"
                " leave some out."
            )
        usable, notes = usable_names(names)
        self.notes += notes
        return usable

    def _stamp(self, path: Path) -> None:
        self._stamps[str(path)] = stamp_of(path)

    def _check_unchanged(self) -> None:
        for path, stamp in self._stamps.items():
            if stamp_of(Path(path)) != stamp:
                raise UnreadableRows(CHANGED)

    def _key(self, path: Path) -> tuple[Any, ...]:
        return (type(self).__name__, str(path), *self._stamps[str(path)])

    def _empty(self, names: Sequence[str]) -> pa.Table:
        return pa.table({name: pa.array([], self.types[name]) for name in names})

    def _declare_missing(self) -> None:
        """Note on every number column which codes are taken for missing cells."""
        wanted = {
            name: [code for code in self.missing if applies(code, name, self.types[name])]
            for name in self.columns
        }
        wanted = {name: codes for name, codes in wanted.items() if codes}
        if not wanted:
            return
        sample = self.sample(wanted)
        for name, codes in wanted.items():
            values = finite(sample.column(name))
            written = [spelling(values, code) for code in codes]
            taken = tuple(
                code if value is None else value
                for code, value in zip(codes, written, strict=True)
            )
            for code, value in zip(codes, taken, strict=True):
                if code != value:
                    self.notes.append(
                        f"Column {name!r} writes {value!r} for {code:g} ('not measured')."
                    )
            self.columns[name] = replace(self.columns[name], missing=taken)


class readable_rows:
    """Turns whatever a decoder raises into `UnreadableRows` with a short reason."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(
            error, UnreadableRows | BadInput | Cancelled
        ):
            raise UnreadableRows(short_reason(error)) from error


def short_reason(error: BaseException) -> str:
    """A few words that follow a file's name, without paths."""
    if isinstance(error, FileNotFoundError):
        return "is not there any more"
    if isinstance(error, PermissionError):
        return "may not be read by this user"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if isinstance(error, EOFError | zlib.error):
        return "is cut short or damaged in its compression"
    words = " ".join(str(error).split())
    words = re.sub(r"\S*/\S+", "...", words).split(". ")[0].rstrip(".")[:120]
    return f"cannot be decoded ({words})" if words else "cannot be decoded"


def usable_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names that the catalogue takes, each once, and sentences about what was changed."""
    made: list[str] = []
    notes: list[str] = []
    taken = set(names)
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        plain = "".join(sign if sign.isprintable() else " " for sign in str(name))
        plain = plain.strip()[:_MAX_NAME] or f"column_{number}"
        new, count = plain, 2
        while new in seen or (new != name and new in taken):
            tail = f"_{count}"
            new, count = plain[: _MAX_NAME - len(tail)] + tail, count + 1
        if new != str(name).strip():
            what = "without a name" if not str(name).strip() else f"{str(name).strip()[:40]!r}"
            notes.append(f"Column {number} {what} is called {new!r} here.")
        seen.add(new)
        made.append(new)
    if len(notes) > 5:
        notes = [*notes[:5], f"Other columns that were renamed: {len(notes) - 5}."]
    return made, notes


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names for a sentence; a long list is cut."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def plain_type(kind: pa.DataType) -> pa.DataType | None:
    """The type that a column of an Arrow type has here; None for what a catalogue cannot hold."""
    if pa.types.is_boolean(kind):
        return pa.bool_()
    if pa.types.is_integer(kind):
        return pa.int64()
    if kind in (pa.float16(), pa.float32()):
        return pa.float32()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return pa.string()
    return None


def class_columns(source: TableSource) -> None:
    """Mark the text columns with few distinct values as categorical, by a sample."""
    texts = [name for name, kind in source.types.items() if kind == pa.string()]
    if not texts or not source.n_rows:
        return
    sample = source.sample(texts)
    for name in texts:
        column = sample.column(name)
        n_levels = pc.count_distinct(column).as_py()
        if is_categorical(n_levels, len(column) - column.null_count):
            source.columns[name] = replace(source.columns[name], kind="categorical")


def is_categorical(n_levels: int, n_values: int) -> bool:
    return 0 < n_levels <= MAX_LEVELS and n_levels <= n_values / 2


def stamp_of(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


class _Holder:
    """Holds a thing and closes it when it is let go of."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __del__(self) -> None:
        close = getattr(self.thing, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):
                close()


class _Kept(threading.local):
    """Open files and decoded pieces of one thread of one process."""

    def __init__(self) -> None:
        self.pid = 0
        self.holders: OrderedDict[Any, _Holder] = OrderedDict()


_kept = _Kept()
# At the very end of the interpreter files can no longer be closed in order.
atexit.register(lambda: _kept.holders.clear())


def kept(key: Any, make: Callable[[], Any]) -> Any:
    """What `make` made for the key last time, in this thread; the oldest are closed.

    Readers hold no open file, yet going through a compressed file or a Parquet row group from
    its start for every unit would take for ever.
    """
    # After a fork, parent and child would move one file position.
    if _kept.pid != os.getpid():
        _kept.pid, _kept.holders = os.getpid(), OrderedDict()
    if key in _kept.holders:
        _kept.holders.move_to_end(key)
        return _kept.holders[key].thing
    while len(_kept.holders) >= _OPEN_FILES:
        _kept.holders.popitem(last=False)
    _kept.holders[key] = made = _Holder(make())
    return made.thing


def forget(key: Any) -> None:
    """Close what is kept for the key: it is damaged or at the wrong place."""
    _kept.holders.pop(key, None)
