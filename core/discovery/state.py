"""What a ranking says of itself: one sentence, what is shown and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.config import UNIFORM, LoopConfig
from core.discovery.registry import SAMPLERS
from core.discovery.schedule import unique
from core.vocabulary import DEFAULT

BY_TURNS = "most_likely"
"""The sampler that gives each of several targets its turn."""


def state_in_words(
    config: LoopConfig,
    cycle: Sequence[str],
    answers: np.ndarray,
    targets: Mapping[str, int],
    n_stand_ins: int,
    n_open: int,
    n_rows: int,
) -> str:
    """The sentence of a ranking.

    Parameters
    ----------
    cycle : the samplers that fill the places
    answers : (L,) int, the class of each
    targets : name -> class, of what is looked for
    n_stand_ins : unanswered rows that were taken for others
    """
    n_answers = len(answers)
    hits = {name: int((answers == one).sum()) for name, one in targets.items()}
    names, found = [repr(name) for name in hits], sum(hits.values())
    if n_open == 0:
        return f"All {n_rows} objects are answered or set aside; nothing is left to show."
    if not n_answers:
        reason = "No answers yet"
    elif not found:
        reason = f"No {' or '.join(names)} seen yet"
    elif found == n_answers:
        reason = f"Only {' and '.join(repr(name) for name, n in hits.items() if n)} seen yet"
    else:
        first, *others = (f"{n} {name}" for name, n in zip(names, hits.values(), strict=True))
        first = first.replace(" ", " of them ", 1)
        reason = f"Trained on {n_answers} answers, {', '.join([first, *others])}"
    if n_stand_ins:
        many = "" if n_stand_ins == 1 else "s"
        reason += f", with {n_stand_ins} unanswered object{many} at random taken for others"
    if config.sampler != DEFAULT and config.sampler not in cycle:
        reason += f" ({config.sampler!r} waits for {SAMPLERS[config.sampler].needs})"
    said = {name: SAMPLERS[name].description for name in unique(cycle)}
    if BY_TURNS in said and sum(n > 0 for n in hits.values()) > 1:
        said[BY_TURNS] += " (each target in its turn)"
    *others, last = said.values()
    shown = f"{', '.join(others)} and {last}" if others else last
    if len(said) > 1:
        shown += ", in turn"
    if config.control_share:
        how = "at random" if config.control == UNIFORM else "from all heights of the ranking"
        shown += f", and {100 * config.control_share:.3g} % {how} as control"
    return f"{reason}: showing {shown}."


__all__ = ["BY_TURNS", "state_in_words"]
