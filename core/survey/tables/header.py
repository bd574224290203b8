"""How a text table is written: separator, header, where its rows begin."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.survey.tables.base import listed
from core.survey.tables.ecsv import EcsvHeader
from core.survey.tables.lines import Line, read_head, read_lines

_HEAD = 1024 * 1024
_SAMPLE_LINES = 200
_SEPARATORS = (",", "\t", ";", "|", " ")
_WORDS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", " ": "blanks"}
_END = "\x01end of the record\x01"
_SEXAGESIMAL = re.compile(r"[+-]?\d+[:hd ]\d+[:m' ]\d+(\.\d*)?[s\"]?")


@dataclass
class Dialect:
    """How the rows of a text table are written.

    Attributes
    ----------
    separator
        One character; " " for any blanks.
    n_cells
        Cells a row.
    offset, number
        Byte and line at which the first row starts.
    has_header
        The names come from the file.
    has_bars
        Rows begin and end with the separator "|".
    """

    separator: str
    n_cells: int = 0
    offset: int = 0
    number: int = 1
    has_header: bool = True
    has_bars: bool = False
    notes: list[str] = field(default_factory=list)

    def split(self, text: str) -> list[str]:
        """Cells of a line without quotation marks."""
        if self.separator == " ":
            return text.split()
        return self._bare(text).split(self.separator)

    def split_quoted(self, texts: Sequence[str]) -> list[str] | None:
        """Cells of one record of some lines; `None` if a quotation mark is still open.

        Of several lines only a record by the book is taken: a stray mark would join lines that
        do not belong together. Raises `csv.Error` for others, and for cells beyond 128 kB.
        """
        lines = list(texts)
        if self.separator == " ":
            lines = [line.replace("\t", " ").strip() for line in lines]
        elif self.has_bars and len(lines) == 1:
            lines = [self._bare(lines[0])]
        feed = [*(line + "\n" for line in lines), _END]
        reader = csv.reader(
            feed, delimiter=self.separator, skipinitialspace=True, strict=len(lines) > 1
        )
        cells = next(reader)
        if cells and cells[-1].endswith(_END):
            return None
        return cells

    def as_settings(self) -> dict[str, Any]:
        return {"separator": _WORDS[self.separator], "header": self.has_header}

    def _bare(self, text: str) -> str:
        return text.strip().removeprefix("|").removesuffix("|") if self.has_bars else text


def guess_dialect(
    path: Path, ecsv: EcsvHeader | None, size: int = _HEAD
) -> tuple[Dialect, list[str]]:
    """How the table is written, and the names of its columns, by its first `size` bytes.

    Raises `BadInput` for what is no text or no table.
    """
    head = read_head(path, size)
    _refuse_binary(path, head)
    lines = [line for line in read_lines(io.BytesIO(head), 0, 1) if line.text is not None]
    if len(head) == size and len(lines) > 1:
        lines.pop()  # most likely not whole
    comments = [line for line in lines if (line.text or "").startswith("#")]
    rows = [line for line in lines if not (line.text or "#").startswith("#")]
    rows = [line for line in rows if (line.text or "").strip()][:_SAMPLE_LINES]
    if not rows:
        raise BadInput(f"{path} should be a table, but has no row; name another file.")
    if ecsv is not None:
        return _of_ecsv(path, ecsv, rows)
    separator, n_cells = _separator(path, rows)
    dialect = Dialect(separator, n_cells)
    first = (rows[0].text or "").strip()
    dialect.has_bars = separator == "|" and first.startswith("|") and first.endswith("|")
    return dialect, _header(dialect, rows, comments)


def _of_ecsv(path: Path, ecsv: EcsvHeader, rows: list[Line]) -> tuple[Dialect, list[str]]:
    names = [column.name for column in ecsv.columns]
    dialect = Dialect(ecsv.delimiter, len(names))
    cells = _cells(dialect, rows[0].text or "")
    if cells != names:
        raise BadInput(
            f"The comments of {path} name the columns {listed(names)}, but its first row has"
            f" {listed(cells)}; write the file anew."
        )
    _start_after(dialect, rows)
    return dialect, names


def _separator(path: Path, rows: list[Line]) -> tuple[str, int]:
    """The separator that gives most lines as many cells as the first one has."""
    best, best_share, best_n = "", 0.0, 0
    texts = [row.text or "" for row in rows]
    for separator in _SEPARATORS:
        for counts in _counts(separator, texts):
            rest = Counter(counts[1:] or counts)
            n, same = max(rest.items(), key=lambda item: (item[1], item[0] == counts[0], item[0]))
            # A header may lack the name of the row numbers (R), or have a separator at its end.
            near = counts[0] - n in (-1, 0, 1)
            share = same / max(1, len(counts) - 1) if near else 0.0
            share -= 0.0 if counts[0] == n else 0.2
            n = max(n, counts[0])
            if n > 1 and share > best_share + 1e-9:
                best, best_share, best_n = separator, share, n
    if best_share > 0.5:
        return best, best_n
    if all(len(text.split()) == 1 for text in texts):
        return ",", 1
    raise BadInput(
        f"{path} should be a table, but no separator (comma, tab, semicolon, bar, blanks) gives"
        " most of its lines the same number of cells; check the file."
    )


def _counts(separator: str, texts: list[str]) -> Iterator[list[int]]:
    """Cells a line; and cells a record, where quotation marks may hold line ends."""
    plain = Dialect(separator)
    yield [len(_cells(plain, text)) for text in texts]
    if not any('"' in text for text in texts):
        return
    lines = (text.strip() if separator == " " else text for text in texts)
    reader = csv.reader(
        (f"{line}\n" for line in lines), delimiter=separator, skipinitialspace=True, strict=True
    )
    with contextlib.suppress(csv.Error):
        yield [len(record) for record in reader]


def _header(dialect: Dialect, rows: list[Line], comments: list[Line]) -> list[str]:
    first = _cells(dialect, rows[0].text or "") or [""]
    second = _cells(dialect, rows[1].text or "") if len(rows) > 1 else first
    if len(first) == len(second) + 1 and not first[-1].strip():
        first.pop()
    if len(second) == len(first) + 1 and second[-1].strip():
        first = ["row", *first]
    dialect.n_cells = len(first)
    # pandas names the columns of a plain array 0, 1, 2 ..., after an empty name for its rows.
    is_counted = first[0] == "" and first[1:] == [str(n) for n in range(len(first) - 1)]
    if is_counted or not any(_is_number(cell) for cell in first):
        _start_after(dialect, rows)
        return first
    dialect.offset, dialect.number = rows[0].offset, rows[0].number
    above = [line for line in comments if line.number < rows[0].number]
    for line in reversed(above):
        names = _cells(dialect, (line.text or "").lstrip("#").strip())
        if len(names) == dialect.n_cells and not any(_is_number(name) for name in names):
            return names
    dialect.has_header = False
    dialect.notes.append(
        "The first line holds numbers, so there is no header; columns are called column_1,"
        " column_2 ..."
    )
    return [f"column_{number}" for number in range(1, dialect.n_cells + 1)]


def _start_after(dialect: Dialect, rows: list[Line]) -> None:
    """Rows begin after the header, which is the first of `rows`."""
    if len(rows) > 1:
        dialect.offset, dialect.number = rows[1].offset, rows[1].number
    else:
        size = len((rows[0].text or "").encode())
        dialect.offset, dialect.number = rows[0].offset + size, rows[0].number


def _cells(dialect: Dialect, text: str) -> list[str]:
    if '"' not in text:
        return [cell.strip() for cell in dialect.split(text)]
    try:
        cells = dialect.split_quoted([text])
    except csv.Error:
        cells = None
    return [cell.strip() for cell in cells] if cells is not None else []


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return bool(_SEXAGESIMAL.fullmatch(cell))
    return cell.strip().lower() not in ("nan", "inf", "infinity")


def _refuse_binary(path: Path, head: bytes) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(f"The text of {path} is UTF-16; save it as UTF-8.")
    if head.startswith((b"\xd0\xcf\x11\xe0", b"PK\x03\x04")):
        raise BadInput(
            f"{path} looks like an Excel workbook or an archive, which are not read as tables;"
            " save the sheet as CSV."
        )
    if b"\0" in head:
        raise BadInput(
            f"{path} is no table of a kind known here (CSV, TSV, ECSV, Parquet, FITS, VOTable,"
            " MAT, NPY, NPZ); convert it to one of these."
        )
    if b"\n" not in head and b"\r" in head:
        raise BadInput(
            f"The lines of {path} end in the way of old Macintoshes; save it with line feeds."
        )
