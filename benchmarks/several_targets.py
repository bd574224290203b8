"""Two targets in one task, one a dozen times rarer: by turns, and by P(any of them) alone.

On the handwritten digits that scikit-learn brings along: one digit is common, of another 15 are
left, all others are in the way. An oracle answers.

python -m benchmarks.several_targets [--starts 4] [--budget 200]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.common import arguments, report
from core.config import LoopConfig
from core.discovery import SAMPLERS, Draw, Engine, Pool, simulate, top_draw

PAIRS = ((3, 8), (1, 4), (0, 9))
"""The common digit and the rare one."""
N_RARE = 15
SHOWN = (50, 100, 200)
CLASSES = ("common", "rare", "other")
BY_TURNS, BY_ANY = "by turns", "P(any target)"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--budget", type=int, default=200)
    a = parser.parse_args()
    shown = [n for n in SHOWN if n <= a.budget]
    if not shown:
        parser.error(f"--budget takes {SHOWN[0]} answers or more, but is {a.budget}")
    rows = []
    for rule in (BY_TURNS, BY_ANY):
        found = []
        with _rule(rule):
            for pair in PAIRS:
                for start in range(a.starts):
                    values, truth = digits(*pair, start)
                    engine = Engine(
                        values,
                        np.ones(len(values), dtype=bool),
                        CLASSES,
                        CLASSES[0],
                        LoopConfig(seed=start),
                        also_targets=CLASSES[1:2],
                    )
                    done = simulate(engine, truth, a.budget, 10)
                    answers = [step.answer for step in done.order]
                    found.append([answers[:n].count(name) for name in CLASSES[:2] for n in shown])
        mean = np.mean(found, axis=0)
        rows.append([rule, *(f"{value:.1f}" for value in mean), int(np.min(found, axis=0)[-1])])
        print(*rows[-1], flush=True)
    columns = ["rule", *(f"{name} at {n}" for name in CLASSES[:2] for n in shown), "rare, worst"]
    settings = {"pairs": PAIRS, "n_rare": N_RARE, "starts": a.starts, "budget": a.budget}
    report("several_targets", columns, rows, settings)


def digits(common: int, rare: int, start: int) -> tuple[np.ndarray, dict[int, str]]:
    """(N, 64) pictures, and row -> class, with `N_RARE` of the rare digit drawn by `start`."""
    values, kinds = load_digits(return_X_y=True)
    rng = np.random.default_rng(start)
    left_out = rng.permutation(np.flatnonzero(kinds == rare))[N_RARE:]
    kept = np.setdiff1d(np.arange(len(kinds)), left_out)
    names = {common: CLASSES[0], rare: CLASSES[1]}
    truth = {row: names.get(kind, CLASSES[2]) for row, kind in enumerate(kinds[kept].tolist())}
    return values[kept], truth


@contextmanager
def _rule(name: str) -> Iterator[None]:
    """The default's rule, or with `BY_ANY` the highest P(any target) in its place."""
    entry = SAMPLERS["most_likely"]

    def greedy(pool: Pool, n: int) -> Draw:
        return top_draw(pool, pool.chances, n)

    SAMPLERS._entries[entry.name] = replace(entry, call=greedy) if name == BY_ANY else entry
    try:
        yield
    finally:
        SAMPLERS._entries[entry.name] = entry


if __name__ == "__main__":
    main()
