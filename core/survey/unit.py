"""A piece of the work of an import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unit:
    """A piece of work: some neighbouring entries of the source.

    Attributes
    ----------
    index
        Its number, counted from 0.
    n_entries
        Entries in it; its objects and rejects add up to this.
    what
        What the reader needs to find them again; JSON (lists, dictionaries, text, numbers).
        A list stands for one entry an element, which lets a unit be taken apart.
    """

    index: int
    n_entries: int
    what: Any
