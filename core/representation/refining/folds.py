"""Which labels a network is not shown, so that it can be judged by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FOLDS = 3
"""Each costs a training."""


def spread_folds(
    object_ids: Sequence[str],
    group_ids: Sequence[str],
    is_target: NDArray[np.bool_],
    seed: int,
    before: Mapping[str, int] | None = None,
) -> NDArray[np.int64]:
    """(L,) the fold of each label, 0 to `FOLDS` - 1: finds and others each spread evenly, views of
    one thing (equal `group_ids`) in one fold.

    before
        object_id -> fold of an earlier round: it stays, so that a network which goes on from that
        round's still has not seen the labels of its fold.
    """
    known = before or {}
    things: dict[str, list[int]] = {}
    for place, group in enumerate(group_ids):
        things.setdefault(group, []).append(place)
    folds = np.full(len(object_ids), -1)
    filled = np.zeros((2, FOLDS), dtype=np.int64)
    waiting: list[list[int]] = []
    for members in things.values():
        earlier = [known[object_ids[one]] for one in members if object_ids[one] in known]
        if earlier:
            _put(folds, filled, members, earlier[0], is_target)
        else:
            waiting.append(members)
    order = np.random.default_rng([seed, 0xF1]).permutation(len(waiting))
    for place in order.tolist():
        members = waiting[place]
        row = filled[int(is_target[members].any())]
        _put(folds, filled, members, int(row.argmin()), is_target)
    return folds


def is_spread(folds: NDArray[np.int64], is_target: NDArray[np.bool_]) -> bool:
    """Whether finds and others lie in two folds or more each: both kinds are left then without any
    one fold."""
    return all(len(np.unique(folds[kind])) > 1 for kind in (is_target, ~is_target))


def _put(
    folds: NDArray[np.int64],
    filled: NDArray[np.int64],
    members: list[int],
    fold: int,
    is_target: NDArray[np.bool_],
) -> None:
    folds[members] = fold
    filled[int(is_target[members].any()), fold] += len(members)
