"""How far the label of each object is to be believed, by what is known of who answered it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from core.metrics.answers import Labels, Truth, coded
from core.metrics.consensus import dawid_skene

LEAST_SHARED = 20
"""Objects that two or more answered, or whose class is settled, below which nothing is said of
anybody: five errors in ten answers are as likely luck."""

LEAST = 0.1

NEARLY = 0.95
"""Above this share of the best an answer counts in full: no two annotators are quite alike."""


def believed(
    objects: Labels,
    annotators: Labels,
    classes: Labels,
    current: Mapping[Any, Hashable],
    *,
    class_names: Sequence[Hashable],
    gold: Truth | None = None,
) -> dict[Hashable, float]:
    """Object -> how far its class in `current` is to be believed, from 0.1 to below 1, of those
    that are believed less than others of their class; all the others count in full.

    By Dawid and Skene's model (`dawid_skene`) the answers to an object make its class so and so
    probable. That is divided by the probability of the best believed label of the same class, and
    cut at 0.1. Within its class: every find of a rare one is less sure than what is common, and
    who errs makes up more finds than there are.

    Parameters
    ----------
    objects, annotators, classes : (N,) one answer each
    current : object -> its class; others are left out
    class_names : (C,) all classes
    gold : object -> settled class; these count in full
    """
    settled = dict(gold or {})
    answers = coded(objects, annotators, classes, class_names)
    checked = answers.per_object() > 1
    checked |= answers.truth_codes(settled) >= 0
    if len(answers.annotators) < 2 or int(checked.sum()) < LEAST_SHARED:
        return {}
    model = dawid_skene(objects, annotators, classes, class_names=class_names, gold=settled)
    number = {name: at for at, name in enumerate(model.class_names)}
    rows = [at for at, name in enumerate(model.objects) if name in current and name not in settled]
    own = np.array([number[current[model.objects[at]]] for at in rows], dtype=np.int64)
    chance = model.probabilities[rows, own]
    best = np.zeros(len(number))
    np.maximum.at(best, own, chance)
    weights = np.maximum(chance / best[own], LEAST)
    return {
        model.objects[at]: weight
        for at, weight in zip(rows, weights.tolist(), strict=True)
        if weight < NEARLY
    }
