"""Cells of the CSV files that Skysift writes, safe to open in a spreadsheet."""

from __future__ import annotations

import re

_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters that make a spreadsheet evaluate a cell (OWASP, "CSV Injection"), with their
full-width twins, which some spreadsheets fold to the plain ones."""


def safe_cell(value: object) -> str:
    """Return `value` as the text of one CSV cell that no spreadsheet takes for a formula.

    Text that starts like a formula gets a leading apostrophe, which spreadsheets hide; leading
    blanks are looked through, since some importers trim them. Numbers stay numbers, negative
    ones too. `None` becomes the empty cell; NUL characters, which end the cell in some readers,
    are dropped, and text that cannot be written as UTF-8 is escaped with backslashes. Quoting
    of commas and line ends is left to the csv module.

    Source: OWASP, "CSV Injection" (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    if value is None:
        return ""
    text = str(value).replace("\x00", "").encode("utf-8", "backslashreplace").decode("utf-8")
    if not text.lstrip(" ").startswith(_FORMULA_STARTS) or _PLAIN_NUMBER.fullmatch(text):
        return text
    return "'" + text
