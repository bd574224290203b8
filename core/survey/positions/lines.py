"""Plain lists of positions: a line each, "ra dec" or "id ra dec", however they are separated."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.survey.batch import Reject
from core.survey.positions import Position, PositionSource, position_name
from core.survey.positions.angles import NotAnAngle, is_angle, is_sexagesimal
from core.survey.positions.columns import find_names, position_of
from core.survey.tables.base import CHANGED, UnreadableRows, forget, stamp_of
from core.survey.tables.lines import (
    Line,
    checked_file,
    kept_open,
    open_plain,
    read_head,
    read_lines,
)

_STEP = 512
_SAMPLE_LINES = 200
_HEAD = 64 * 1024
_SEPARATORS = re.compile(r"\s*[,;|\t]\s*")

_FORMS = ("h m s d m s", "id h m s d m s", "ra dec", "ra dec id", "id ra dec")
"""What a line may hold; all lines of a list hold the same."""

_SHOULD = 'lines such as "150.1 2.2" or "name 10:00:24 +02:12:00"'


def looks_like_lines(path: Path) -> bool:
    """Whether a file is a list of positions without a header, by its first lines."""
    head = read_head(path, _HEAD) if path.is_file() else b""
    if not head or b"\0" in head or head.startswith((b"SIMPLE  =", b"PAR1", b"PK\x03\x04")):
        return False
    first = None
    for line in head.decode("utf-8", "replace").removeprefix("\ufeff").splitlines():
        plain = line.strip()
        if plain.startswith("#"):
            words = re.split(r"[\s,;|]+", plain.lstrip("#").strip())
            if find_names(words) is not None:
                return False  # a header
        elif plain:
            first = plain
            break
    return first is not None and any(_fits(first, form) for form in _FORMS)


def open_lines(path: Path) -> PositionSource:
    """The positions of a list; raises `BadInput` if most lines are none."""
    checked_file(path)
    return LinePositions(path)


def parse_lines(text: str, source: str = "positions") -> list[Position | Reject]:
    """The positions of pasted text."""
    lines = [
        Line(0, number, line, False, False) for number, line in enumerate(text.splitlines(), 1)
    ]
    form = _form([line.text or "" for line in lines if _is_entry(line)], source)
    return [_read(line, form, source) for line in lines if _is_entry(line)]


class LinePositions(PositionSource):
    """Every line that is not empty and no comment (#) is an entry."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = stamp_of(path)
        self.columns = {}
        self.notes = []
        offsets, numbers, sample = [], [], []
        n = n_latin = 0
        with open_lines_of(path) as lines:
            for line in lines:
                if not _is_entry(line):
                    continue
                if n % _STEP == 0:
                    offsets.append(line.offset)
                    numbers.append(line.number)
                if n < _SAMPLE_LINES:
                    sample.append(line.text or "")
                n_latin += line.is_latin
                n += 1
        self.n_entries = n
        self._offsets = np.array(offsets, np.int64)
        self._numbers = np.array(numbers, np.int64)
        self._form = _form(sample, str(path))
        self.notes.append(f"Every line was read as {self._form!r}.")
        if "id" not in self._form:
            self.notes.append(
                "The lines have no ids; objects are named by their position, such as"
                " J123456.78+012345.6."
            )
        if n_latin:
            self.notes.append(f"Lines that are not UTF-8 and were read as Latin-1: {n_latin}.")

    def rows(self, start: int, stop: int) -> Iterator[Position | Reject]:
        start, stop = max(0, start), min(stop, self.n_entries)
        if stop <= start:
            return
        given = start
        name = self._path.name
        key = ("lines", str(self._path), *self._stamp)
        try:
            for line in islice(self._lines(key, start), stop - start):
                yield _read(line, self._form, name)
                given += 1
            reason = "is cut short or damaged"
        except UnreadableRows as error:
            reason = str(error)
        if given < stop:
            forget(key)
        for entry in range(given, stop):
            yield Reject(name, reason, f"entry {entry + 1}")

    def _lines(self, key: object, start: int) -> Iterator[Line]:
        try:
            if stamp_of(self._path) != self._stamp:
                raise UnreadableRows(CHANGED)
            file = kept_open(key, self._path)
        except OSError:
            raise UnreadableRows("is not there any more") from None
        block = start // _STEP
        lines = read_lines(file, int(self._offsets[block]), int(self._numbers[block]))
        entries = (line for line in lines if _is_entry(line))
        yield from islice(entries, start - block * _STEP, None)


class open_lines_of:
    """The lines of a file, which is closed behind them."""

    def __init__(self, path: Path) -> None:
        self._file = open_plain(path)

    def __enter__(self) -> Iterator[Line]:
        return read_lines(self._file, 0, 1)

    def __exit__(self, *_error: object) -> None:
        self._file.close()


def _is_entry(line: Line) -> bool:
    if line.text is None or line.is_cut:
        return True
    text = line.text.strip()
    return bool(text) and not text.startswith("#")


def _form(sample: list[str], source: str) -> str:
    """What most lines hold; the form that comes first in `_FORMS` where several serve."""
    fit: Counter[str] = Counter()
    for text in sample:
        for form in _FORMS:
            fit[form] += _fits(text, form)
    best = max(_FORMS, key=lambda form: fit[form])
    if not sample:
        raise BadInput(f"{source} should hold {_SHOULD}, but holds none; add some.")
    if fit[best] * 2 < len(sample):
        other = next(text for text in sample if not _fits(text, best))
        raise BadInput(
            f"{source} should hold {_SHOULD}, all lines alike, but"
            f" {len(sample) - fit[best]:,} of {len(sample):,} differ, such as"
            f" {other.strip()[:60]!r}; change them."
        )
    if best == "ra dec" and fit["id ra dec"] == fit[best]:
        # Three numbers: the first is an id if it is always a whole number, and no declination.
        firsts = [_cells(text)[0] for text in sample if _fits(text, "id ra dec")]
        if all(first.isdecimal() for first in firsts):
            return "id ra dec"
    return best


def _fits(text: str, form: str) -> bool:
    try:
        _parts(text, form)
    except NotAnAngle:
        return False
    return True


def _cells(text: str) -> list[str]:
    stripped = text.strip()
    if _SEPARATORS.search(stripped):
        return [cell.strip().strip('"') for cell in _SEPARATORS.split(stripped)]
    return [cell.strip('"') for cell in stripped.split()]


def _parts(text: str, form: str) -> tuple[str | None, float, float]:
    """(id, ra, dec); raises `NotAnAngle` where a line is not of the form."""
    cells = _cells(text)
    name: str | None = None
    if form.endswith("h m s d m s"):
        n = len(form.split())
        if len(cells) < n or (n == 6 and len(cells) > 6):
            raise NotAnAngle(f"has {len(cells)} parts where {form!r} is expected")
        name = " ".join(cells[:-6]) or None
        ra, dec = " ".join(cells[-6:-3]), " ".join(cells[-3:])
        if not (is_sexagesimal(ra) and is_sexagesimal(dec)):
            raise NotAnAngle(f"is not {form!r}")
    elif form == "id ra dec":
        at = 1 if _SEPARATORS.search(text.strip()) else _first_angle(cells)
        if len(cells) < at + 2:
            raise NotAnAngle(f"has {len(cells)} parts where {form!r} is expected")
        name, ra, dec = " ".join(cells[:at]), cells[at], cells[at + 1]
        if not name:
            raise NotAnAngle("has no id")
    else:
        if len(cells) < len(form.split()):
            raise NotAnAngle(f"has too few parts where {form!r} is expected")
        ra, dec, *rest = cells
        if form == "ra dec id":
            name = " ".join(rest)
            if not name or all(_is_number(cell) for cell in rest):
                raise NotAnAngle("has no name at its end")
        elif not all(_is_number(cell) for cell in rest):
            raise NotAnAngle("has more than numbers")
    return (name, *position_of(ra, dec))


def _first_angle(cells: list[str]) -> int:
    """Where the right ascension is in a line split at blanks, which names may have too."""
    for at in range(1, len(cells) - 1):
        if not cells[at].isdecimal() and is_angle(cells[at]) and is_angle(cells[at + 1]):
            return at
    return max(1, len(cells) - 2)


def _read(line: Line, form: str, source: str) -> Position | Reject:
    member = f"line {line.number}"
    if line.is_cut:
        return Reject(source, "the file is cut short or damaged here", member)
    if line.text is None:
        return Reject(source, "is longer than 1 MB", member)
    try:
        name, ra, dec = _parts(line.text, form)
    except NotAnAngle as error:
        return Reject(source, str(error), member)
    return Position(name or position_name(ra, dec), ra, dec)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
