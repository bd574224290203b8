"""What the catalogue of a survey holds, column by column, in bounded memory."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.survey.catalogue import RESERVED
from core.survey.layout import ColumnInfo

__all__ = ["ColumnSummary", "count_groups", "ids_at", "reject_reasons", "summarise_columns"]

ROWS_AT_ONCE = 65_536
TOP_CATEGORIES = 8

MAX_CATEGORIES = 10_000
"""Different texts counted in a column: one with more is of names, not of classes."""

MAX_REASONS = 200

EMPTY = "(empty)"
"""How a text of no marks is listed."""

_LONGEST = 80

_OWN = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*(?:e[+-]?\d+)?")
"""What differs between two rejects for one reason: names in quotes, numbers."""


@dataclass(frozen=True)
class ColumnSummary:
    """One column of the catalogue.

    Attributes
    ----------
    name, unit, description
        As the source gave them.
    kind
        "fraction", "whole number", "text", "truth value".
    n_missing
        Cells without a value, NaN among them.
    low, median, high
        Of a column of finite numbers; None for others and where there is no value.
    top
        Of other columns: the most frequent values, with how often.
    n_distinct
        Different texts; None where they are too many to be counted.
    """

    name: str
    kind: str
    unit: str
    description: str
    n_missing: int
    low: int | float | None = None
    median: float | None = None
    high: int | float | None = None
    top: tuple[tuple[str, int], ...] = ()
    n_distinct: int | None = None


def summarise_columns(path: Path, info: Mapping[str, ColumnInfo]) -> tuple[ColumnSummary, ...]:
    """Every column of catalogue.parquet but the ids."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        fields = [field for field in file.schema_arrow if field.name not in RESERVED]
        return tuple(
            _column(file, field, info.get(field.name) or ColumnInfo()) for field in fields
        )


def ids_at(path: Path, rows: np.ndarray) -> list[str]:
    """The object ids of sorted rows, without holding those of all."""
    found: list[str] = []
    start = 0
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=["object_id"]):
            first, last = np.searchsorted(rows, [start, start + batch.num_rows])
            if last > first:
                found += batch.column(0).take(pa.array(rows[first:last] - start)).to_pylist()
            start += batch.num_rows
    return found


def count_groups(path: Path) -> int:
    """How many different group ids there are; counted by 64-bit hashes of them."""
    from pandas.util import hash_array

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        hashes = [
            hash_array(batch.column(0).to_numpy(zero_copy_only=False), categorize=False)
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=["group_id"])
        ]
    return int(np.unique(np.concatenate(hashes)).size) if hashes else 0


def reject_reasons(path: Path) -> tuple[tuple[str, int], ...]:
    """Reasons of rejects.csv with how often, the most frequent first.

    Reasons that differ by a name in quotes or a number alone are one.
    """
    counts: Counter[str] = Counter()
    with open(path, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            reason = _OWN.sub("\N{HORIZONTAL ELLIPSIS}", line.get("reason") or "")
            known = reason in counts or len(counts) < MAX_REASONS
            counts[reason if known else "for another reason"] += 1
    return tuple(counts.most_common())


def _column(file: pq.ParquetFile, field: pa.Field, info: ColumnInfo) -> ColumnSummary:
    chunks = (batch.column(0) for batch in file.iter_batches(ROWS_AT_ONCE, columns=[field.name]))
    kind = field.type
    if pa.types.is_boolean(kind):
        return _truth(chunks, field.name, info)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        word = "whole number" if pa.types.is_integer(kind) else "fraction"
        return _numbers(chunks, field.name, word, info)
    return _texts(chunks, field.name, info)


def _numbers(chunks: Iterator[pa.Array], name: str, kind: str, info: ColumnInfo) -> ColumnSummary:
    pieces, n_missing = [np.empty(0)], 0
    low: int | float | None = None
    high: int | float | None = None
    for chunk in chunks:
        known = chunk.drop_null()
        if pa.types.is_floating(known.type):
            known = known.filter(pc.is_finite(known))
        n_missing += len(chunk) - len(known)
        if len(known):
            ends = pc.min_max(known).as_py()  # a whole number of 64 bits is no float
            low = ends["min"] if low is None else min(low, ends["min"])
            high = ends["max"] if high is None else max(high, ends["max"])
            pieces.append(known.to_numpy(zero_copy_only=False).astype(np.float64))
    values = np.concatenate(pieces)
    median = float(np.median(values)) if values.size else None
    if median is not None and not math.isfinite(median):  # the mean of two huge ones
        median = None
    return ColumnSummary(
        name, kind, info.unit, info.description, n_missing, low=low, median=median, high=high
    )


def _truth(chunks: Iterator[pa.Array], name: str, info: ColumnInfo) -> ColumnSummary:
    counts, n_missing = Counter({"yes": 0, "no": 0}), 0
    for chunk in chunks:
        n_missing += chunk.null_count
        n_true = int(pc.sum(chunk).as_py() or 0)
        counts["yes"] += n_true
        counts["no"] += len(chunk) - chunk.null_count - n_true
    top = tuple((word, n) for word, n in counts.most_common() if n)
    return ColumnSummary(
        name, "truth value", info.unit, info.description, n_missing, top=top, n_distinct=len(top)
    )


def _texts(chunks: Iterator[pa.Array], name: str, info: ColumnInfo) -> ColumnSummary:
    counts: Counter[str] | None = Counter()
    n_missing = 0
    for chunk in chunks:
        n_missing += chunk.null_count
        if counts is None:
            continue
        for one in chunk.drop_null().value_counts():
            counts[str(one["values"].as_py())] += int(one["counts"].as_py())
            if len(counts) > MAX_CATEGORIES:
                counts = None
                break
    # Names that nobody has twice are no categories: their "top" would be the first few.
    top = [] if counts is None else counts.most_common(TOP_CATEGORIES)
    if top and top[0][1] == 1 and counts is not None and len(counts) > TOP_CATEGORIES:
        top = []
    return ColumnSummary(
        name,
        "text",
        info.unit,
        info.description,
        n_missing,
        top=tuple((_short(value) if value.strip() else EMPTY, n) for value, n in top),
        n_distinct=None if counts is None else len(counts),
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
