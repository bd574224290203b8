"""The header of an ECSV file: YAML in comments, with units and descriptions (astropy APE 6)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.survey.tables.base import MAX_COLUMNS
from core.survey.tables.lines import read_head

_HEAD = 1024 * 1024


@dataclass(frozen=True)
class EcsvColumn:
    name: str
    unit: str
    description: str
    is_text: bool
    is_vector: bool


@dataclass(frozen=True)
class EcsvHeader:
    """What the comments say: the separator and every column."""

    delimiter: str
    columns: tuple[EcsvColumn, ...]


def read_ecsv_header(path: Path) -> EcsvHeader | None:
    """The header of an ECSV file; `None` for a file that is none, `BadInput` for a damaged one."""
    head = read_head(path, 64).removeprefix(b"\xef\xbb\xbf")
    if not head.startswith(b"# %ECSV"):
        return None
    lines = []
    for line in read_head(path, _HEAD).decode("utf-8", "replace").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[2:])
    from astropy.table.meta import get_header_from_yaml

    try:
        header: Any = get_header_from_yaml(lines[1:])
        columns = [_column(one) for one in header["datatype"]]
        delimiter = str(header.get("delimiter", " "))
    except Exception:  # YAML and astropy have errors of their own
        columns, delimiter = [], ""
    if delimiter not in (" ", ",") or not 0 < len(columns) <= MAX_COLUMNS:
        raise BadInput(
            f"The header of {path} begins like ECSV, but what it says of the columns cannot be"
            " used; write the file anew or delete its comments."
        )
    return EcsvHeader(delimiter, tuple(columns))


def _column(said: Any) -> EcsvColumn:
    subtype = str(said.get("subtype", ""))
    return EcsvColumn(
        str(said["name"]),
        str(said.get("unit", "") or ""),
        str(said.get("description", "") or ""),
        str(said.get("datatype", "")) == "string" and not subtype,
        bool(subtype),
    )
