"""Efficient nonmyopic search: what leads to most finds in the end (Jiang et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.discovery.kept import Kept
from core.discovery.neighbour_graph import ReverseNeighbours, reverse_neighbours
from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.registry import Need, register_sampler

K = 20
"""Neighbours that an answer informs."""

PRIOR = 0.01
"""P(target), worth one answer, of a row without an answered neighbour while nothing is trained.
The paper's 0.1 is for targets that are not rare."""

WORTH = 20.0
"""How many answers the learner's P(target) is worth."""

AHEAD = 5
"""Answers looked ahead, at most. Whatever is sure to be asked within the horizon scores alike, so
that a long one puts off finds: with all of 200 answers ahead the area of the finds curve fell from
.83 to .69 on seven development sets, and as many were found in the end."""

MOST_ROWS = 1_000_000
"""The graph of neighbours takes about a kilobyte a row while it is made and read."""

_NUMBERS = 2_000_000
"""At once in memory."""


@register_sampler(
    "ens",
    needs=Need.TARGET,
    description="first those whose answer lets one expect most finds in all of the answers left"
    " (efficient nonmyopic search)",
    most_rows=MOST_ROWS,
)
def ens(pool: Pool, n: int) -> Draw:
    """Score of x = p(x) + E[sum of the b - 1 highest probabilities of the others once x is
    answered] - the sum of the b - 1 highest now, where b answers count: those left, 5 at most.

    p is the learner's P(target), worth 20 answers; in a pool without a learner, which the engine
    never gives, it is
    (0.01 + targets) / (1 + answers) among the row's 20 nearest neighbours. An answer y of one of
    these (Euclidean, of the whitened embedding, looked up once an embedding) makes it
    (w p + y) / (w + 1), w being what p is worth and the number of answers among the neighbours.

    Rows whose bound shows that they cannot be among the `n` best get the bound for a score. A
    batch takes the highest. Source: Jiang, Malkomes, Converse, Shofner, Moseley & Garnett 2017
    (ICML), whose p is that of the neighbours throughout.
    """
    scores = np.zeros(len(pool.embedding))
    if len(pool.unlabelled):
        left = AHEAD if pool.budget is None else min(pool.budget, AHEAD)
        beliefs = believed(pool, _graph(pool.embedding))
        scores[pool.unlabelled] = beliefs.gains(max(left - 1, 0), n)
    return top_draw(pool, scores, n)


def _of_embedding(embedding: np.ndarray) -> ReverseNeighbours:
    return reverse_neighbours(embedding, K)


_graph = Kept(_of_embedding)


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What is believed of every row, and what one more answer would change.

    Attributes
    ----------
    graph
        Whom the answer of a row would inform.
    now, hit, miss
        (N,) float64: P(target) as it stands, and were one more neighbour a target or none.
    rows
        (U,) int, ascending: the rows that may be asked.
    """

    graph: ReverseNeighbours
    now: np.ndarray
    hit: np.ndarray
    miss: np.ndarray
    rows: np.ndarray

    def gains(self, ahead: int, n: int) -> np.ndarray:
        """(U,) float64: the scores of `rows`, with `ahead` answers after this one.

        Exact for the `n` best; for others that cannot be among them, an upper bound.
        """
        ahead = min(ahead, len(self.rows) - 1)
        if ahead == 0:
            return self.now[self.rows]
        scores = self._bounds(ahead)
        order = np.argsort(-scores, kind="stable")
        ranked = self.rows[np.argsort(-self.now[self.rows], kind="stable")]
        best = np.empty(0)
        begin = 0
        while begin < len(order):
            if len(best) == n and scores[order[begin]] < best.min(initial=np.inf) - 1e-9:
                break
            most = int(self.graph.count(self.rows[order[begin : begin + 512]]).max())
            some = order[begin : begin + max(1, min(512, _NUMBERS // (ahead + 2 * most + 1)))]
            scores[some] = self._exact(self.rows[some], ranked, ahead)
            best = np.sort(np.concatenate([best, scores[some]]))[::-1][:n]
            begin += len(some)
        return scores

    def _bounds(self, ahead: int) -> np.ndarray:
        """(U,) float64, not below the scores.

        The sum of the m highest of v is the least, over t, of m t + sum max(v - t, 0); with the
        t that is right before the answer, it bounds the sum after it.
        """
        own = self.now[self.rows]
        limit = np.partition(own, len(own) - ahead)[len(own) - ahead]
        before = np.maximum(self.now, limit)
        is_open = np.zeros(len(self.now), dtype=bool)
        is_open[self.rows] = True
        rise = np.where(is_open, np.maximum(self.hit, limit) - before, 0)
        fall = np.where(is_open, np.maximum(self.miss, limit) - before, 0)
        after = own * self.graph.sums(rise)[self.rows]
        after += (1 - own) * self.graph.sums(fall)[self.rows]
        return own + after - (before[self.rows] - limit)

    def _exact(self, rows: np.ndarray, ranked: np.ndarray, ahead: int) -> np.ndarray:
        """(M,) float64: the scores of `rows`; ranked: the rows that may be asked, best first."""
        which, informed = self.graph.of(rows)
        is_open = np.zeros(len(self.now), dtype=bool)
        is_open[ranked] = True
        which, informed = which[is_open[informed]], informed[is_open[informed]]
        count = np.bincount(which, minlength=len(rows))
        most = int(count.max(initial=0))
        # However many of them an answer changes, the highest are among so many and the changed.
        top = ranked[: ahead + 1 + most]
        place = np.full(len(self.now), -1)
        place[top] = np.arange(len(top))
        kept = np.tile(self.now[top], (len(rows), 1))
        for line, row in ((np.arange(len(rows)), rows), (which, informed)):
            listed = place[row] >= 0
            kept[line[listed], place[row[listed]]] = 0
        beside = np.arange(len(which)) - (np.cumsum(count) - count)[which]
        after = np.zeros(len(rows))
        p = self.now[rows]
        for chance, changed in ((p, self.hit), (1 - p, self.miss)):
            informed_now = np.zeros((len(rows), most))
            informed_now[which, beside] = changed[informed]
            values = np.concatenate([kept, informed_now], axis=1)
            cut = values.shape[1] - ahead
            after += chance * np.partition(values, cut, axis=1)[:, cut:].sum(axis=1)
        return p + after - self.now[ranked[:ahead]].sum()


def believed(pool: Pool, graph: ReverseNeighbours) -> Beliefs:
    """What the answers of its neighbours, and the learner where there is one, say of each row."""
    which, informed = graph.of(pool.labelled)
    is_target = pool.is_find[which]
    seen = np.bincount(informed, minlength=len(pool.embedding))
    found = np.bincount(informed[is_target], minlength=len(pool.embedding))
    worth = (1.0 if pool.learner is None else WORTH) + seen
    now = (PRIOR + found) / worth
    if pool.learner is not None:
        now = pool.chances.astype(np.float64)
    return Beliefs(
        graph,
        now=now,
        hit=(worth * now + 1) / (worth + 1),
        miss=worth * now / (worth + 1),
        rows=pool.unlabelled,
    )
