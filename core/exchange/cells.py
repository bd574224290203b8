"""Rewriting the few cells of a text column that a format cannot take as they are.

Every format has characters that need care. Most cells have none, so they are found by one
vectorised pass, and only they go through Python: the rule itself is written once, in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.csvsafe import safe_cell


def rewrite(column: pa.Array, mask: pa.Array, rule: Callable[[str], str]) -> pa.Array:
    """`column` of text with `rule` applied where `mask` is true (missing counts as false)."""
    mask = pc.fill_null(mask, False)
    if not pc.any(mask).as_py():
        return column
    changed = [rule(text) for text in column.filter(mask).to_pylist()]
    return pc.replace_with_mask(column, mask, pa.array(changed, column.type))


def matching(column: pa.Array, pattern: str) -> pa.Array:
    """Which cells hold a match of `pattern` (RE2 syntax); missing where the cell is."""
    return pc.match_substring_regex(column, pattern)


def starting(column: pa.Array, first_bytes: bytes) -> pa.Array | None:
    """Which cells begin with one of `first_bytes`; None if none does, an all but free test."""
    if column.null_count == len(column) or not column.buffers()[2].size:
        return None
    table = np.zeros(256, bool)
    table[list(first_bytes)] = True
    at = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
    text = np.frombuffer(column.buffers()[2], np.uint8)
    # An empty cell shows its neighbour's first byte here; the second test takes it out again.
    found = table[text[np.minimum(at[:-1], len(text) - 1)]]
    if not found.any():
        return None
    found &= at[1:] > at[:-1]
    return pc.and_(pa.array(found), column.is_valid())


# Tab, line ends, blank, "+", "-", "=", "@", NUL, and the first byte of the full-width signs.
_SUSPECTS = b"\t\r\n +-=@\x00\xef"


def safe_cells(column: pa.Array) -> pa.Array:
    """`core.csvsafe.safe_cell` on a column of text; missing cells stay missing."""
    suspects = starting(column, _SUSPECTS)
    if _holds_nul(column):
        nul = pc.match_substring(column, "\x00")
        suspects = nul if suspects is None else pc.or_(suspects, nul)
    return column if suspects is None else rewrite(column, suspects, safe_cell)


def _holds_nul(column: pa.Array) -> bool:
    data = column.buffers()[2]
    return bool(data is not None and data.size and not np.frombuffer(data, np.uint8).all())


def ambiguous_cells(column: pa.Array) -> pa.Array | None:
    """Which cells begin with an apostrophe of their own that `unsafe_cell` would take off."""
    quoted = starting(column, b"'")
    if quoted is None:
        return None
    own = [
        bool(maybe) and unsafe_cell(text) != text
        for maybe, text in zip(quoted.to_pylist(), column.to_pylist(), strict=True)
    ]
    return pa.array(own, pa.bool_()) if any(own) else None


def empty_cells(column: pa.Array) -> pa.Array | None:
    """Which cells hold an empty text; None if none does."""
    if column.null_count == len(column):
        return None
    empty = pc.equal(pc.binary_length(column), 0)
    return pc.fill_null(empty, False) if pc.any(empty).as_py() else None


def unsafe_cell(text: str) -> str:
    """Take off the apostrophe that `safe_cell` put before a formula start."""
    if text[:1] == "'" and text[1:] and safe_cell(text[1:]) == text:
        return text[1:]
    return text


_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")


def escaped(text: str, bad: re.Pattern[str]) -> str:
    r"""`text` with each match of `bad`, one character, as \uXXXX (two of them above U+FFFF).

    A backslash stays a backslash unless a "u" follows it, so that LaTeX in a note stays
    readable; `unescaped` brings every text back as it was.
    """
    return bad.sub(_units, text.replace("\\u", "\\u005cu"))


def unescaped(text: str) -> str:
    r"""What `escaped` was given."""
    if "\\u" not in text:
        return text
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    # Two escapes of one character above U+FFFF have become two halves: put them together.
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _units(found: re.Match[str]) -> str:
    raw = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[i : i + 2].hex()}" for i in range(0, len(raw), 2))
