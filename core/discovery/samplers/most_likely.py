"""Most likely: the greedy search for the target, and for several by turns."""

from __future__ import annotations

import numpy as np

from core.discovery.pool import Draw, Pool, drawable_scores, top_draw
from core.discovery.registry import Need, for_target, register_sampler, without_target


@register_sampler(
    "most_likely",
    needs=Need.TARGET,
    description="the most likely to be the target first",
)
def most_likely(pool: Pool, n: int) -> Draw:
    """Score = P(target); of several targets P(any of them).

    Once two targets or more have finds, each place is the turn of one of these and goes to the
    row most likely to be it, so that a common target cannot keep a rare one from being shown:
    by P(any) alone the rare one's rows come after those of the common. `chosen_by` says whose
    turn it was.
    """
    found = [one for one in pool.targets if (pool.answers == one).any()]
    if len(found) < 2:
        return top_draw(pool, pool.chances, n)
    lists = [top_draw(pool, pool.probabilities[:, one], n).rows.tolist() for one in found]
    n = min(n, len(pool.unlabelled))
    names = [for_target("most_likely", pool.classes[one]) for one in found]
    used: set[int] = set()
    rows: list[int] = []
    chosen: list[str] = []
    left = [iter(one) for one in lists]
    # Its own places alone count: where other samplers have every so-many-th place of the queue,
    # counting those too could pass over the same target for ever.
    turn = sum(without_target(name) == "most_likely" for name in pool.asked_by) or pool.turn
    for place in range(n):
        whose = (turn + place) % len(found)
        row = next(one for one in left[whose] if one not in used)
        used.add(row)
        rows.append(row)
        chosen.append(names[whose])
    scores = drawable_scores(pool, pool.chances)
    return Draw(scores, np.array(rows, dtype=np.int64), np.ones(n), tuple(chosen))
