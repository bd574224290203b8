"""Marks: positions that an annotator points out in an object (nuclei, arcs, an artefact, a line).

A mark is a JSON object with its `kind` and where it is: in pixels of the cutout as imported
(`x_px`, `y_px`; the centre of the first pixel is 0, 0), on the sky (`ra_deg`, `dec_deg`, ICRS) or
in a spectrum (`wavelength_angstrom`, vacuum). It may say more, in finite numbers and words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import BadInput

MAX_MARKS = 200
MAX_KIND = 64

PLACES = (("x_px", "y_px"), ("ra_deg", "dec_deg"), ("wavelength_angstrom",))


def checked_marks(marks: Any) -> None:
    """Raise `BadInput` unless `marks` is a list of marks."""
    if not isinstance(marks, list) or not 0 < len(marks) <= MAX_MARKS:
        raise BadInput(
            f"marks are a list of 1 to {MAX_MARKS} JSON objects, but are {str(marks)[:80]!r};"
            " correct it."
        )
    for mark in marks:
        kind = mark.get("kind") if isinstance(mark, Mapping) else None
        if not isinstance(kind, str) or not 0 < len(kind) <= MAX_KIND or not kind.isprintable():
            raise BadInput(
                f"A mark is a JSON object with a kind of 1 to {MAX_KIND} characters, but is"
                f" {str(mark)[:80]!r}; correct it."
            )
        given = {name for names in PLACES for name in names if name in mark}
        whole = any(given.issuperset(names) for names in PLACES)
        if not whole or not all(_is_number(mark[name]) for name in given):
            raise BadInput(
                "A mark has numbers for x_px and y_px, for ra_deg and dec_deg, or for"
                f" wavelength_angstrom, but is {str(mark)[:120]!r}; correct it."
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
