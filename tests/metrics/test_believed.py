"""How far labels are believed, against simulated people of known error."""

from __future__ import annotations

import numpy as np
import pytest

from core.metrics import dawid_skene
from core.metrics.believed import believed


def answers(seed=0, n=400, errors=(0.03, 0.4), shared=0.3, rare=0.1):
    """Two people, who each answer a half of `n` objects, and both a share of them."""
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(n) < rare, "dual", "other")
    rows = []
    for number in range(n):
        asked = (0, 1) if rng.random() < shared else (number % 2,)
        for who in asked:
            wrong = rng.random() < errors[who]
            said = truth[number] if not wrong else ("other" if truth[number] == "dual" else "dual")
            rows.append((f"o{number}", "ab"[who], said))
    return [list(one) for one in zip(*rows, strict=True)], truth


def test_made_up_finds_are_doubted_more_than_what_is_common():
    (objects, people, classes), _ = answers()
    once = {name for name in objects if objects.count(name) == 1}
    current = dict(zip(objects, classes, strict=True))
    found = believed(objects, people, classes, current, class_names=("dual", "other"))
    of = dict(zip(objects, people, strict=True))
    careless = [name for name in once if of[name] == "b"]
    finds = [found.get(name, 1.0) for name in careless if current[name] == "dual"]
    others = [found.get(name, 1.0) for name in careless if current[name] == "other"]
    assert max(finds) < 0.3 < 0.9 < min(others)
    careful = [found.get(name, 1.0) for name in once if of[name] == "a"]
    assert min(careful) > 0.6
    assert all(0.1 <= one < 0.95 for one in found.values())


def test_each_weight_is_that_of_the_formula():
    (objects, people, classes), _ = answers(seed=3, n=120)
    names = ("dual", "other")
    current = dict(zip(objects, classes, strict=True))
    model = dawid_skene(objects, people, classes, class_names=names)
    chance: dict[str, dict[str, float]] = {name: {} for name in names}
    for name, class_name in current.items():
        joint = dict(zip(names, model.prevalence, strict=True))
        for one, who, said in zip(objects, people, classes, strict=True):
            if one == name:
                at = model.annotators.index(who)
                for k, other in enumerate(names):
                    joint[other] *= model.confusion[at, k, names.index(said)]
        chance[class_name][name] = joint[class_name] / sum(joint.values())
    expected: dict[str, float] = {}
    for of_class in chance.values():
        best = max(of_class.values())
        expected |= {name: max(0.1, one / best) for name, one in of_class.items()}
    found = believed(objects, people, classes, current, class_names=names)
    assert found == pytest.approx({n: w for n, w in expected.items() if w < 0.95}, abs=1e-3)


def test_nothing_is_said_where_nothing_tells():
    (objects, people, classes), _ = answers(n=40, shared=0.0)
    current = dict(zip(objects, classes, strict=True))
    names = ("dual", "other")
    assert believed(objects, people, classes, current, class_names=names) == {}
    alone = ["a"] * len(people)
    assert believed(objects, alone, classes, current, class_names=names) == {}
    assert believed([], [], [], {}, class_names=names) == {}


def test_what_is_settled_counts_in_full_and_tells_who_errs():
    (objects, people, classes), truth = answers(shared=0.0)
    gold = {f"o{number}": str(truth[number]) for number in range(100)}
    current = dict(zip(objects, classes, strict=True)) | gold
    found = believed(objects, people, classes, current, class_names=("dual", "other"), gold=gold)
    assert not set(found) & set(gold)
    of = dict(zip(objects, people, strict=True))
    assert {of[str(name)] for name in found} == {"b"}
