"""Samplers, shares and strategies as the discovery page and the strategy write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labels_db import Strategy
from pages._shared.review_words import counted

__all__ = ["changes", "control_words", "gone_words", "phrases"]


def control_words(share: float) -> str:
    """A share of controls, such as "5%" and "0.4%": a small one is not 0."""
    return f"{100 * share:.3g}%"


def gone_words(n_gone: int) -> str:
    """A sentence on labels of objects that a newer version of the survey lacks, "" for none."""
    if not n_gone:
        return ""
    labels = counted(n_gone, "label is of an object", "labels are of objects")
    return f" {labels} that this survey no longer has."


def phrases(said: Mapping[str, str]) -> dict[str, str]:
    """What completes "Showing ...", of sentences that begin with it."""
    return {name: text.removeprefix("Showing ").rstrip(".") for name, text in said.items()}


def changes(chosen: Sequence[Strategy], seqs: np.ndarray) -> dict[int, str]:
    """Number of answers -> what was changed in the strategy after so many, in words.

    Of several changes between two answers the last one counts, against what was before them all.

    chosen : every strategy of the task, oldest first; seqs : (k,) the event of each answer
    """
    then = {int(np.searchsorted(seqs, one.from_seq, side="right")): one for one in chosen}
    before, said = Strategy(), {}
    for answers, now in then.items():
        if words := _changed(before, now):
            said[answers] = words
        before = now
    return said


def _changed(before: Strategy, now: Strategy) -> str:
    said = {
        "sampler": f"sampler {now.sampler}",
        "learner": f"learner {now.learner}",
        "control_share": f"{control_words(now.control_share)} controls",
        "retrain_every": f"ranked after every {counted(now.retrain_every, 'answer')}",
    }
    return ", ".join(
        words for name, words in said.items() if getattr(now, name) != getattr(before, name)
    )
