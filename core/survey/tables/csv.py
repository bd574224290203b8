"""Text tables with a separator (CSV, TSV, blanks, ECSV), streamed: no size is too large."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from core.errors import BadInput
from core.survey.layout import ColumnInfo
from core.survey.tables.base import TableSource, UnreadableRows, forget, listed
from core.survey.tables.cells import MISSING_TEXT, ColumnGuess, stripped, values_of
from core.survey.tables.ecsv import read_ecsv_header
from core.survey.tables.header import Dialect, guess_dialect
from core.survey.tables.ids import counted, id_candidates, text_hashes
from core.survey.tables.lines import Line, checked_file, kept_open, open_plain, read_lines

_BLOCK = 512
_PIECE = 8192
_MAX_ID_COLUMNS = 4
_MAX_RECORD_LINES = 100

_REASONS = (
    "has {n} cells where the header has {wanted}",
    "opens a quotation mark that is never closed",
    "is too long (more than 1 MB, or a cell of 128 kB)",
    "the file is cut short or damaged here",
)
_CELLS, _QUOTE, _LONG, _CUT = range(4)


@dataclass
class _Record:
    """One row of the file, or what should have been one."""

    line: Line
    cells: list[str]
    bad: int = -1


class CsvTable(TableSource):
    """A text table whose first pass finds the rows and the types of the columns.

    A row is found again by the byte offset of its block. Lines with too few or too many cells
    are bad entries; after a quotation mark that is never closed reading goes on with the next
    line, so that it does not swallow the rest.
    """

    kind = "CSV"

    def __init__(self, path: Path, missing: Sequence[float] = ()) -> None:
        super().__init__(path, missing)
        checked_file(path)
        self._stamp(path)
        self._ecsv = read_ecsv_header(path)
        self._dialect, header = guess_dialect(path, self._ecsv)
        names = self._set_columns(header)
        self.notes += self._dialect.notes
        self.settings = self._dialect.as_settings()
        self._types: list[pa.DataType] = []
        guesses = self._index(names)
        self._tell_types(names, guesses)
        self._declare_missing()

    def _index(self, names: list[str]) -> list[ColumnGuess]:
        guesses = [ColumnGuess() for _ in names]
        self._ids: dict[int, list[np.ndarray]] = {
            names.index(name): [] for name in id_candidates(names)[:_MAX_ID_COLUMNS]
        }
        offsets, numbers = [], []
        bad_lines, bad_kinds, bad_counts = [], [], []
        n_latin = 0
        piece: list[list[str]] = []
        with open_plain(self.path) as file:
            for record in self._records(file, self._dialect.offset, self._dialect.number):
                n_latin += record.line.is_latin
                if record.bad >= 0:
                    bad_lines.append(record.line.number)
                    bad_kinds.append(record.bad)
                    bad_counts.append(len(record.cells))
                    continue
                if self.n_rows % _BLOCK == 0:
                    offsets.append(record.line.offset)
                    numbers.append(record.line.number)
                self.n_rows += 1
                piece.append(record.cells)
                if len(piece) >= _PIECE:
                    self._guess(guesses, piece)
                    piece = []
        self._guess(guesses, piece)
        for number, hashes in self._ids.items():
            self.unique[names[number]] = counted(hashes, self.n_rows - sum(map(len, hashes)))
        del self._ids
        self._offsets = np.array(offsets, np.int64)
        self._numbers = np.array(numbers, np.int64)
        self._bad_lines = np.array(bad_lines, np.int64)
        self._bad_kinds = np.array(bad_kinds, np.int8)
        self._bad_counts = np.array(bad_counts, np.int32)
        self.n_bad = len(bad_lines)
        if self.n_rows + self.n_bad == 0:
            raise BadInput(
                f"{self.path} should be a table, but has a header alone; name another file."
            )
        if self.n_rows == 0 or self.n_bad > self.n_rows + 10:
            raise BadInput(
                f"{self.path} should be a table with {len(names)} columns"
                f" ({listed(names)}), but {self.n_bad} of {self.n_rows + self.n_bad} lines have"
                " another number of cells; check its header and separator."
            )
        if n_latin:
            self.notes.append(f"Lines that are not UTF-8 and were read as Latin-1: {n_latin}.")
        return guesses

    def _guess(self, guesses: list[ColumnGuess], piece: list[list[str]]) -> None:
        for number, cells in enumerate(zip(*piece, strict=True)):
            plain = stripped(cells)
            guesses[number].add(plain)
            hashes = self._ids.get(number)
            if hashes is None:
                continue
            # Going through the file once more for this would take as long again.
            texts = [text for text in plain.to_pylist() if text not in MISSING_TEXT]
            hashes.append(text_hashes(texts))

    def _tell_types(self, names: list[str], guesses: list[ColumnGuess]) -> None:
        ecsv = self._ecsv
        for number, (name, guess) in enumerate(zip(names, guesses, strict=True)):
            kind = guess.type
            info = ColumnInfo(kind="categorical" if guess.is_categorical else "")
            if ecsv is not None:
                column = ecsv.columns[number]
                info = replace(info, unit=column.unit, description=column.description)
                if column.is_vector:
                    self.notes.append(f"Column {name!r} holds arrays and was left out.")
                    continue
                if column.is_text and kind != pa.string():
                    kind = pa.string()
            if guess.mixed is not None:
                self.notes.append(
                    f"Column {name!r} holds text (such as {guess.mixed[:40]!r}) beside numbers"
                    " and was kept as text."
                )
            self.columns[name], self.types[name] = info, kind
        self._all_names = names

    def bad(self, start: int, stop: int) -> list[tuple[str, str]]:
        found = []
        for number in range(max(0, start), min(stop, self.n_bad)):
            reason = _REASONS[self._bad_kinds[number]].format(
                n=self._bad_counts[number], wanted=self._dialect.n_cells
            )
            found.append((f"line {self._bad_lines[number]}", reason))
        return found

    def _read(self, start: int, stop: int, names: Sequence[str]) -> pa.Table:
        key = self._key(self.path)
        block = start // _BLOCK
        file = kept_open(key, self.path)
        records = self._records(file, int(self._offsets[block]), int(self._numbers[block]))
        good = (record.cells for record in records if record.bad < 0)
        rows = list(islice(good, start - block * _BLOCK, stop - block * _BLOCK))
        if len(rows) < stop - start:
            forget(key)
            raise UnreadableRows("is cut short or damaged")
        columns = list(zip(*rows, strict=True))
        place = {name: number for number, name in enumerate(self._all_names)}
        return pa.table(
            {name: values_of(stripped(columns[place[name]]), self.types[name]) for name in names}
        )

    def _records(self, file: BinaryIO, offset: int, number: int) -> Iterator[_Record]:
        dialect = self._dialect
        wanted = dialect.n_cells
        lines = read_lines(file, offset, number)
        again: list[Line] = []
        while True:
            line = again.pop(0) if again else next(lines, None)
            if line is None:
                return
            text = line.text
            if line.is_cut or text is None:
                yield _Record(line, [], _CUT if line.is_cut else _LONG)
                continue
            if not text or text.isspace() or text.startswith("#"):
                continue
            if '"' not in text:
                cells = dialect.split(text)
                n = len(cells)
                if n != wanted:
                    cells = _without_last(cells, wanted)
                yield _Record(line, cells, -1 if len(cells) == wanted else _CELLS)
                continue
            cells, more, bad = _quoted(dialect, line, again, lines)
            cells = _without_last(cells, wanted)
            if bad < 0 and len(cells) == wanted:
                yield _Record(line, cells)
                continue
            # What looked like one record may be a stray quotation mark: only its line is bad.
            again = more + again
            if bad < 0:
                bad = _QUOTE if more else _CELLS
            yield _Record(line, cells, bad)


def _without_last(cells: list[str], wanted: int) -> list[str]:
    """Without the empty cell that a separator at the end of a line makes."""
    if len(cells) == wanted + 1 and not cells[-1].strip():
        return cells[:-1]
    return cells


def _quoted(
    dialect: Dialect, first: Line, again: list[Line], lines: Iterator[Line]
) -> tuple[list[str], list[Line], int]:
    """Cells of a record with quotation marks, the further lines that it took, and -1 or what is
    wrong with its marks. Lines come from `again` first and are taken from there."""
    used: list[Line] = []
    texts = [first.text or ""]
    while True:
        try:
            cells = dialect.split_quoted(texts)
        except csv.Error:
            return [], used, _QUOTE if used else _LONG
        if cells is not None:
            return cells, used, -1
        line = again.pop(0) if again else next(lines, None)
        if line is None:
            return [], used, _QUOTE
        used.append(line)
        if line.text is None or line.is_cut or len(used) >= _MAX_RECORD_LINES:
            return [], used, _QUOTE
        texts.append(line.text)
