"""Arrays of a source -> cells and names of catalogue columns."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from core.survey.batch import CatalogueValue

RESERVED = ("object_id", "group_id")
ID_NAMES = (
    *("object_id", "objectid", "objid", "obj_id", "object_ids", "objids", "ids", "id"),
    *("galaxy_id", "galaxyid", "source_id", "sourceid", "specobjid", "targetid", "target_id"),
    *("iauname", "iau_name", "dr7objid", "dr8_id", "name", "names"),
)
"""Names of columns that hold object ids, the likeliest first; compared without regard to case."""

MOST_TEXT_BYTES = 16_384
"""Longest text a cell of fixed width may have."""

_MOST_INT = 2**63 - 1


def holds_cells(dtype: np.dtype[Any]) -> bool:
    """Whether values of this type can stand in a catalogue."""
    return dtype.kind in "biufSUM" and dtype.itemsize <= MOST_TEXT_BYTES


def cells(values: np.ndarray, missing: Collection[float] = ()) -> list[CatalogueValue]:
    """One value each of a 1-D array; None where it is one of `missing` or holds nothing."""
    kind = values.dtype.kind
    found: list[Any]
    if kind == "U":
        values = _possible(values)
    if kind in "SOU":
        found = [_text(value) for value in values.tolist()]
    elif kind == "M":
        found = [None if np.isnat(value) else str(value) for value in values]
    elif kind == "f":
        found = values.astype(np.float64).tolist()
    else:
        found = values.tolist()
        if kind == "u" and values.dtype.itemsize == 8:
            found = [value if value <= _MOST_INT else str(value) for value in found]
    if missing and kind in "iuf":
        if kind == "f":  # -999.9 in single precision is -999.9000244140625
            with np.errstate(over="ignore"):
                missing = {*missing, *np.asarray(list(missing), values.dtype).tolist()}
        found = [None if value in missing else value for value in found]
    return found


def id_text(value: CatalogueValue) -> str:
    """A cell as an object_id: whole numbers without a decimal point, empty where it is missing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def column_name(name: str, taken: Iterable[str] = ()) -> str:
    """A name that the catalogue allows and that is not taken yet."""
    plain = "".join(sign if sign.isprintable() else "_" for sign in name).strip()[:120]
    plain = plain or "column"
    while plain in RESERVED or plain in taken:
        plain += "_"
    return plain


def short_name(path: str, all_paths: Collection[str]) -> str:
    """The last part of a path within a file, or all of it where that is not enough."""
    last = PurePosixPath(path).name
    alone = sum(PurePosixPath(other).name == last for other in all_paths) <= 1
    return last if alone else path.strip("/").replace("/", "_")


def _possible(values: np.ndarray) -> np.ndarray:
    """Text without numbers that are no characters: Python's strings break from these."""
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if not native.itemsize:
        return native
    codes = native.view(np.uint32)
    if not codes.size or codes.max() <= sys.maxunicode:
        return native
    return np.where(codes > sys.maxunicode, np.uint32(0xFFFD), codes).view(native.dtype)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    text = str(value).replace("\0", "").strip()
    # A lone surrogate cannot be written as UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()
