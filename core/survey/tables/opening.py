"""Opens any table: `open_table` looks at the content of a file and finds what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import BadInput, Cancelled
from core.survey.tables.base import TableSource, UnreadableRows, short_reason
from core.survey.tables.lines import checked_file, read_head
from core.survey.tables.missing import suggested_codes

__all__ = ["TableSource", "UnreadableRows", "open_table", "table_kind"]

KINDS = (
    *("CSV", "Parquet", "FITS table", "VOTable", "CDS table", "IPAC table"),
    *("NPY", "NPZ", "MAT", "MAT 7.3"),
)
"""What can be opened; CSV stands for all text with a separator, ECSV too."""


def open_table(
    path: Path | str,
    *,
    missing: Sequence[float] = (),
    hdu: int | str | None = None,
) -> TableSource:
    """The table in a file, or in a folder of Parquet files.

    Parameters
    ----------
    missing
        Values that stand for "not measured" in number columns; they become missing cells.
    hdu
        Number or name of the table in a FITS or VOTable file; the first one when left out.

    Raises
    ------
    BadInput
        There is no table at `path`; one sentence says what is wrong.
    """
    path = Path(path).expanduser()
    kind = table_kind(path) or "CSV"
    try:
        source = _MAKERS[kind](path, missing, hdu)
    except (BadInput, Cancelled):
        raise
    except UnreadableRows as error:
        raise BadInput(f"The table {path} {error}; check the file.") from None
    except Exception as error:  # whatever a damaged file makes a library raise
        raise BadInput(f"The table {path} {short_reason(error)}; check the file.") from None
    _suggest(source)
    return source


def table_kind(path: Path) -> str | None:
    """One of `KINDS` by the first bytes; None for what is text without such marks, or nothing.

    Raises `BadInput` for what is no plain file (nor a folder).
    """
    if path.is_dir():
        return "Parquet"
    checked_file(path)
    head = read_head(path, 4096)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"PK\x03\x04") and b".npy" in head[:300]:
        return "NPZ"
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if plain.startswith(b"<") and b"VOTABLE" in head.upper():
        return "VOTable"
    has_keywords = plain.startswith(b"\\") and b"\n|" in head
    if has_keywords or (plain.startswith(b"|") and _is_ipac(plain)):
        return "IPAC table"
    return "CDS table" if b"Byte-by-byte Description" in head else None


_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"SIMPLE  =", "FITS table"),
    (b"\x93NUMPY", "NPY"),
    (b"MATLAB 5.0 MAT-file", "MAT"),
    (b"MATLAB 7.3 MAT-file", "MAT 7.3"),
)


def _is_ipac(head: bytes) -> bool:
    """The second line of a table of the IPAC says types, between bars too."""
    lines = head.split(b"\n")
    if len(lines) < 3 or not lines[1].startswith(b"|"):
        return False
    words = {word.strip().lower() for word in lines[1].strip().strip(b"|").split(b"|")}
    return words <= {
        b"char",
        b"c",
        b"double",
        b"d",
        b"real",
        b"r",
        b"float",
        b"f",
        b"int",
        b"i",
        b"long",
        b"l",
        b"date",
        b"bool",
        b"",
    } and words != {b""}


def _suggest(source: TableSource) -> None:
    """Tell of values that look like "not measured", unless codes were declared."""
    if source.missing:
        return
    found = suggested_codes(source)
    if not found:
        return
    codes = [int(code) for code in sorted(found)]
    source.settings["missing_suggested"] = codes
    where = sorted({name for names in found.values() for name in names})
    shown = ", ".join(where[:4]) + (" ..." if len(where) > 4 else "")
    what = "name it as a missing code" if len(codes) == 1 else "name them as missing codes"
    source.notes.append(
        f"{' and '.join(str(code) for code in codes)} in {shown} may stand for 'not measured';"
        f" if so, {what} (--missing={','.join(str(code) for code in codes)})."
    )


def _whole(kind: str) -> Callable[..., TableSource]:
    def make(path: Path, missing: Sequence[float], hdu: int | str | None) -> TableSource:
        from core.survey.tables.whole import WholeTable

        return WholeTable(path, missing, kind=kind, table=hdu)

    return make


def _csv(path: Path, missing: Sequence[float], _hdu: int | str | None) -> TableSource:
    from core.survey.tables.csv import CsvTable

    return CsvTable(path, missing)


def _parquet(path: Path, missing: Sequence[float], _hdu: int | str | None) -> TableSource:
    from core.survey.tables.parquet import ParquetTable

    return ParquetTable(path, missing)


def _fits(path: Path, missing: Sequence[float], hdu: int | str | None) -> TableSource:
    from core.survey.tables.fits import FitsTable

    return FitsTable(path, missing, hdu)


def _array(kind: str) -> Callable[..., TableSource]:
    def make(path: Path, missing: Sequence[float], _hdu: int | str | None) -> TableSource:
        from core.survey.tables.mat import Mat5Table, Mat73Table
        from core.survey.tables.npz import NpyTable, NpzTable

        made: dict[str, Callable[..., TableSource]] = {
            "NPY": NpyTable,
            "NPZ": NpzTable,
            "MAT": Mat5Table,
            "MAT 7.3": Mat73Table,
        }
        return made[kind](path, missing)

    return make


_MAKERS: dict[str, Callable[..., TableSource]] = {
    "CSV": _csv,
    "Parquet": _parquet,
    "FITS table": _fits,
    **{kind: _whole(kind) for kind in ("VOTable", "CDS table", "IPAC table")},
    **{kind: _array(kind) for kind in ("NPY", "NPZ", "MAT", "MAT 7.3")},
}
