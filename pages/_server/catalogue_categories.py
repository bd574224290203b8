"""Categories of which a plot tells the largest apart, the others together."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from pages._server.catalogue_counts import lumped
from pages._server.map_colours import MAX_CATEGORIES, OTHERS, Paint

__all__ = ["Categories", "others_in", "told_apart"]

_UNKNOWN = ("no value", "no answer", "in none")
_OTHERS = re.compile(rf"\(?([\d,]+) {OTHERS}\)?")
_GREY = "#8b94a3"


@dataclass(frozen=True, eq=False)
class Categories:
    """(N,) int64 codes, and the name and colour of each code."""

    codes: np.ndarray
    names: tuple[str, ...]
    colours: tuple[str, ...]


def others_in(made: Paint, by: str) -> tuple[int, int] | None:
    """The code under which the colours of the quantity `by` already hold the smaller categories
    together, and how many these are; None if they name all."""
    # Classes of a task are all named, whatever their names.
    if by == "class" or len(made.names) <= MAX_CATEGORIES:
        return None
    found = _OTHERS.fullmatch(made.names[MAX_CATEGORIES])
    return (MAX_CATEGORIES, int(found[1].replace(",", ""))) if found else None


def told_apart(made: Paint, by: str, most: int) -> Categories:
    """At most `most` categories of the quantity `by`: the largest in their order, the others as
    one. What has no value stays by itself, and last."""
    names, colours = made.names, made.legend["colours"]
    last = bool(names) and names[-1].strip("()") in _UNKNOWN
    others, n_held = others_in(made, by) or (None, 1)
    codes, kept = lumped(made.codes, len(names), most, keep_last=last, others=others)
    n_others = len(names) - len(kept) + n_held
    word = f"{n_others:,} {OTHERS}"
    word = f"({word})" if word in names else word
    return Categories(
        codes,
        tuple(word if one is None else names[one] for one in kept),
        tuple(_GREY if one is None else colours[one] for one in kept),
    )
