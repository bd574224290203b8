"""Links between rows, and sets of rows that share something: what groups of duplicates are made
of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Links", "Sets", "numbered"]


@dataclass(frozen=True)
class Links:
    """Pairs of rows that belong together, and how far apart they are (NaN for pictures)."""

    one: np.ndarray
    other: np.ndarray
    arcsec: np.ndarray


def numbered(*keys: np.ndarray) -> np.ndarray:
    """(N,) a number for each combination of values."""
    order = np.lexsort(keys)
    new = np.zeros(len(order), bool)
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    numbers = np.empty(len(order), np.intp)
    numbers[order] = np.cumsum(new)
    return numbers


class Sets:
    """Rows that share a key (a place, a picture). Those of one view, too, are twins: the first
    of them stands for all.

    Parameters
    ----------
    rows, keys
        (K,) rows in rising order, and a number for what each shares.
    views
        (N,) the view of every row of the survey.
    """

    def __init__(self, rows: np.ndarray, keys: np.ndarray, views: np.ndarray) -> None:
        self._rows = rows
        twins = numbered(keys, views[rows])
        _, first = np.unique(twins, return_index=True)
        self._stands_for = rows[first[twins]] if len(rows) else rows
        self._firsts, self._keys = rows[np.sort(first)], keys[np.sort(first)]

    @property
    def firsts(self) -> np.ndarray:
        """One row for each view of each key, rising."""
        return self._firsts

    def chains(self) -> tuple[np.ndarray, np.ndarray]:
        """Links between the views of each key, from one to the next."""
        order = np.lexsort((self._firsts, self._keys))
        rows, keys = self._firsts[order], self._keys[order]
        same = np.flatnonzero(keys[1:] == keys[:-1])
        return rows[same], rows[same + 1]

    def with_twins(self, links: Links) -> Links:
        """The same links, and each twin bound to what the first of its view is nearest to."""
        ends = np.concatenate([links.one, links.other]).astype(np.intp)
        partners = np.concatenate([links.other, links.one]).astype(np.intp)
        arcsec = np.concatenate([links.arcsec, links.arcsec])
        order = np.lexsort((partners, arcsec, ends))
        bound, first = np.unique(ends[order], return_index=True)
        nearest = order[first]
        twins = np.flatnonzero(self._rows != self._stands_for)
        twins = twins[np.isin(self._stands_for[twins], bound)]
        at = nearest[np.searchsorted(bound, self._stands_for[twins])]
        return Links(
            np.concatenate([links.one, self._rows[twins]]),
            np.concatenate([links.other, partners[at]]),
            np.concatenate([links.arcsec, arcsec[at]]),
        )
