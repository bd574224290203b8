"""Titles of choices, of which no two may be alike: a browser answers with the title."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["distinct"]

K = TypeVar("K")


def distinct(titles: Mapping[K, str], *tails: Callable[[K], str]) -> dict[K, str]:
    """The same titles, of which those that are alike get one tail after the other, as far as it
    tells them apart."""
    found = dict(titles)
    for tail in tails:
        words = {one: tail(one) for one in found}
        # What all of one title have in common tells none of them apart.
        told = Counter(title for title, _ in {(found[one], words[one]) for one in found})
        for one, title in list(found.items()):
            if told[title] > 1 and words[one]:
                found[one] = f"{title}, {words[one]}"
    return found
