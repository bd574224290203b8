"""Reading labels from a file: what it is is found by looking into it, never by its name alone."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import NotFound
from core.exchange import label_studio, plain_csv, zooniverse
from core.exchange.binary_in import read_fits, read_parquet
from core.exchange.csv_in import Sidecar, read_csv, read_sidecar, restored
from core.exchange.incoming import IncomingRow, LabelFile, Place, RawTable
from core.exchange.json_elements import json_elements
from core.exchange.jsonl_in import read_jsonl
from core.exchange.own_rows import checked_kind, kind_of, own_rows
from core.exchange.text import text_chunks
from core.exchange.votable_in import read_votable
from core.exchange.writing import sidecar_of
from core.workspace import storage_errors

_HEAD = 4096
_SIDECAR_LIMIT = 1 << 26


def read_labels(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    id_field: str | None = None,
    zooniverse_task: str | None = None,
    label_studio_control: str | None = None,
) -> LabelFile:
    """Open a label file; iterate over what is returned to read it, row by row.

    Read are the tables that `write_table` writes (events and current labels, in every format,
    and the zip of a CSV), a CSV or JSON Lines with at least object_id and label, Label Studio's
    JSON and JSON_MIN, and the Zooniverse's classification export. Text may be gzipped.

    Parameters
    ----------
    format
        What the file should be, by the names of `LabelFile.format`; None takes what it is.
    id_field
        Field of a Label Studio task or Zooniverse subject that names the object.
    zooniverse_task
        Task of a workflow to take, such as "T0".
    label_studio_control
        Labelling control that asks for the class.

    Raises
    ------
    NotFound
        There is no such file.
    BadInput
        The file is not what it should be, or a row cannot be used; with its line. Also raised
        while iterating.
    """
    path = Path(path)
    if not path.exists():
        raise NotFound(f"There is no file {path}; name one that is there.")
    place = Place(path.name)
    with storage_errors(path):
        head = _head(path, place)
        found = _sniffed(head, place)
        options = {
            "id_field": id_field, "task": zooniverse_task, "control": label_studio_control,
        }  # fmt: skip
        file = _OPENERS[found](path, place, options)
    if format is not None and format != file.format:
        raise place.bad(
            None,
            f"it was said to be {format}, but is {file.format}; choose that, or another file.",
        )
    return file


def _head(path: Path, place: Place) -> bytes:
    """The first bytes of what is in the file, unpacked and without a byte order mark."""
    try:
        with _unpacked(path) as stream:
            head = stream.read(_HEAD)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise place.bad(
            None, "the compressed file is cut short or damaged; fetch it again."
        ) from None
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    return head.removeprefix(b"\xef\xbb\xbf")


def _sniffed(head: bytes, place: Place) -> str:
    if not head.strip():
        raise place.bad(None, "the file is empty; there is nothing to import.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    text = head.lstrip()
    if text.startswith(b"<"):
        return "votable"
    return {b"[": "label_studio", b"{": "jsonl"}.get(text[:1], "csv")


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, through gzip where it is one."""
    with open(path, "rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if zipped:
            with gzip.open(stream) as plain:
                yield plain  # type: ignore[misc]
        else:
            yield stream


def _kept(path: Path) -> tuple[BinaryIO, contextlib.ExitStack]:
    stack = contextlib.ExitStack()
    return stack.enter_context(_unpacked(path)), stack


def _closing(
    rows: Iterator[IncomingRow], stack: contextlib.ExitStack, place: Place
) -> Iterator[IncomingRow]:
    """The rows, and the file closed behind them. JSON can say half of a surrogate pair, which no
    file or database can hold: such a row is refused."""
    with stack:
        for row in rows:
            try:
                for value in row.values.values():
                    if isinstance(value, str):
                        value.encode()
                    elif isinstance(value, list | dict):
                        json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise place.bad(
                    row.line,
                    "a text holds half of a surrogate pair, which is no character; correct it.",
                ) from None
            yield row


def _open_parquet(path: Path, place: Place, _options: Mapping[str, Any]) -> LabelFile:
    rows = Place(place.name, "row")
    metadata, table = read_parquet(path, rows)
    return _own(LabelFile(place.name, "parquet", metadata, iter(())), rows, table)


def _open_fits(path: Path, place: Place, _options: Mapping[str, Any]) -> LabelFile:
    rows = Place(place.name, "row")
    metadata, table = read_fits(path, rows)
    return _own(LabelFile(place.name, "fits", metadata, iter(())), rows, table)


def _open_votable(path: Path, place: Place, _options: Mapping[str, Any]) -> LabelFile:
    stream, stack = _kept(path)
    with _closed_on_error(stack):
        metadata, table = read_votable(stream, place)
        file = _own(LabelFile(place.name, "votable", metadata, iter(())), place, table)
        file.rows = _closing(file.rows, stack, place)
        return file


def _open_jsonl(path: Path, place: Place, _options: Mapping[str, Any]) -> LabelFile:
    stream, stack = _kept(path)
    with _closed_on_error(stack):
        metadata, table = read_jsonl(stream, place)
        file = LabelFile(place.name, "jsonl", metadata, iter(()))
        if kind_of(table.columns) is None and set(plain_csv.NEEDED) <= set(table.columns):
            file.rows = plain_csv.plain_rows(file, place, _as_text(table))
        else:
            _own(file, place, table)
        file.rows = _closing(file.rows, stack, place)
        return file


def _as_text(table: RawTable) -> Iterator[tuple[int, dict[str, str | None]]]:
    for line, values in table.rows:
        yield (
            line,
            {
                key: value if value is None or isinstance(value, str) else json.dumps(value)
                for key, value in values.items()
            },
        )


def _open_label_studio(path: Path, place: Place, options: Mapping[str, Any]) -> LabelFile:
    stream, stack = _kept(path)
    file = LabelFile(place.name, "label_studio", {}, iter(()))
    tasks = json_elements(text_chunks(stream, place), place)
    rows = label_studio.label_studio_rows(
        file, place, tasks, id_field=options["id_field"], control=options["control"]
    )
    file.rows = _closing(rows, stack, place)
    return file


def _open_csv(path: Path, place: Place, options: Mapping[str, Any]) -> LabelFile:
    beside = sidecar_of(path.with_suffix("") if path.suffix == ".gz" else path)
    document = None
    if beside.is_file() and beside.stat().st_size <= _SIDECAR_LIMIT:
        document = beside.read_bytes()
    with _unpacked(path) as stream:
        sidecar = read_sidecar(document, stream)
    stream, stack = _kept(path)
    with _closed_on_error(stack):
        return _csv(stream, stack, place, sidecar, options)


def _open_zip(path: Path, place: Place, options: Mapping[str, Any]) -> LabelFile:
    """The one CSV in a zip, with its sidecar."""
    stack = contextlib.ExitStack()
    with _closed_on_error(stack):
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise place.bad(None, "a zip should hold one CSV; unpack it and choose a file.")
            beside = f"{names[0]}.json"
            document = None
            if (
                beside in archive.namelist()
                and archive.getinfo(beside).file_size <= _SIDECAR_LIMIT
            ):
                document = archive.read(beside)
            with archive.open(names[0]) as stream:
                sidecar = read_sidecar(document, stream)  # type: ignore[arg-type]
            stream = stack.enter_context(archive.open(names[0]))
        except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError):
            raise place.bad(None, "the zip is damaged or locked; fetch it again.") from None
        return _csv(stream, stack, place, sidecar, options)  # type: ignore[arg-type]


def _csv(
    stream: BinaryIO,
    stack: contextlib.ExitStack,
    place: Place,
    sidecar: Sidecar,
    options: Mapping[str, Any],
) -> LabelFile:
    table = read_csv(stream, place)
    columns = set(table.columns)
    file = LabelFile(place.name, "csv", {}, iter(()))
    if columns.issuperset(zooniverse.NEEDED):
        file.format = "zooniverse"
        file.rows = zooniverse.zooniverse_rows(
            file, place, table.rows, task=options["task"], id_field=options["id_field"]
        )
    elif kind_of(columns) is not None:
        file.metadata = sidecar.metadata
        if sidecar.metadata and not sidecar.same:
            file.remarks.append("The CSV was changed since Skysift wrote it.")
        _own(file, place, RawTable(table.columns, restored(table.rows, sidecar)))
    elif columns.issuperset(plain_csv.NEEDED):
        file.rows = plain_csv.plain_rows(file, place, table.rows)
    else:
        raise place.bad(
            1,
            f"the columns {' and '.join(plain_csv.NEEDED)} are needed"
            f" ({', '.join(plain_csv.OPTIONAL)} may be there too), but the header has"
            f" {', '.join(table.columns)[:300]}; rename the columns.",
        )
    file.rows = _closing(file.rows, stack, place)
    return file


def _own(file: LabelFile, place: Place, table: RawTable) -> LabelFile:
    kind = checked_kind(table.columns, place)
    file.rows = own_rows(file, place, kind, table.rows)
    return file


@contextlib.contextmanager
def _closed_on_error(stack: contextlib.ExitStack) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stack.close()
        raise


_OPENERS = {
    "parquet": _open_parquet,
    "fits": _open_fits,
    "zip": _open_zip,
    "votable": _open_votable,
    "jsonl": _open_jsonl,
    "label_studio": _open_label_studio,
    "csv": _open_csv,
}
