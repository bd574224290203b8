"""Lists of object ids that people bring: a line each, or a column of a CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput
from core.survey import Survey

__all__ = ["MAX_UPLOAD_MB", "IdList", "read_ids"]

MAX_UPLOAD_MB = 100
LISTED_UNKNOWN = 1000
SPARE_LINES = 1_000_000
"""A list may have so many lines over twice the objects of the survey."""
_COLUMN = "object_id"


@dataclass(frozen=True)
class IdList:
    """What a list said.

    Attributes
    ----------
    rows
        (K,) int64 ascending, each once.
    n_given
        Different ids that were given; `column` says where they stood.
    unknown
        The first of those that the survey lacks, in the order given; `n_unknown` counts all.
    """

    rows: np.ndarray
    n_given: int
    n_unknown: int
    unknown: list[str]
    column: str
    file: str

    @property
    def is_cut(self) -> bool:
        """Whether more are unknown than are listed."""
        return self.n_unknown > len(self.unknown)


def read_ids(content: bytes, name: str, survey: Survey) -> IdList:
    """Read a list of ids (UTF-8) and find them in the survey.

    A line that is an id as a whole is one, whatever commas it holds; else the text is read as
    CSV: its column object_id, or its first one.

    Raises
    ------
    BadInput
        It is no text, holds no ids, or far more lines than the survey has objects.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(
            f"A list of ids is UTF-8 text, but {name or 'this'} is something else; save it as"
            " text or CSV."
        ) from None
    if "\x00" in text:
        raise BadInput(
            f"A list of ids is text, but {name or 'this'} holds NUL characters; save it as text or"
            " CSV."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    most = 2 * len(survey) + SPARE_LINES
    if len(lines) > most:
        raise BadInput(
            f"A list of ids of {survey.name} has up to {most:,} lines, but {name or 'this'} has"
            f" {len(lines):,}; leave out what the survey does not have."
        )
    known = pa.array(survey.object_ids, pa.large_string())
    try:
        ids, column = _ids(lines, known)
    except csv.Error as error:
        raise BadInput(
            f"{name or 'This text'} cannot be read as CSV ({error}); give one id a line."
        ) from None
    ids = list(dict.fromkeys(one for one in ids if one))
    if not ids:
        raise BadInput(f"There are no ids in {name or 'this text'}; give one a line.")
    places = pc.index_in(pa.array(ids, pa.large_string()), value_set=known)
    absent = places.is_null().to_numpy(zero_copy_only=False)
    lost = [ids[place] for place in np.flatnonzero(absent)[:LISTED_UNKNOWN]]
    rows = np.sort(places.drop_null().to_numpy().astype(np.int64))
    return IdList(rows, len(ids), int(absent.sum()), lost, column, name[:200])


def _ids(lines: list[str], known: pa.Array) -> tuple[list[str], str]:
    """The ids, and where they stood."""
    head = _csv(lines[:1])
    if head and _COLUMN in head[0]:
        place = head[0].index(_COLUMN)
        return [row[place] for row in _csv(lines[1:]) if len(row) > place], "the column object_id"
    odd = [line for line in lines if "," in line or '"' in line]
    if not odd or pc.any(pc.is_in(pa.array(odd, pa.large_string()), value_set=known)).as_py():
        return lines, "the lines"
    return [row[0] for row in _csv(lines) if row], "the first column"


def _csv(lines: list[str]) -> list[list[str]]:
    return list(csv.reader(io.StringIO("\n".join(lines)), skipinitialspace=True))
