"""The discovery benchmark: what ended is kept, starts repeat, figures follow their words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.discovery import Asked, Found, Kept, estimate, run_all, search
from benchmarks.discovery_figures import area_rows, chance_area, compared
from benchmarks.discovery_sets import RareSet

ASKED = Asked(set="blobs", search="default", start=0, known=0, budget=20, batch=10)
FOUND = Found(area=0.5, at=(1.0, 2.0, 3.0), first=None, seconds=6.0, targets=4, objects=50)


def blobs() -> RareSet:
    rng = np.random.default_rng(1)
    is_target = np.arange(300) < 20
    values = rng.standard_normal((300, 4)) + 4.0 * is_target[:, None]
    return RareSet(values.astype(np.float32), is_target, 20)


def test_a_search_repeats_and_another_start_differs():
    first = search(blobs(), ASKED)
    again = search(blobs(), ASKED)
    assert replace(again, seconds=first.seconds) == first
    assert (first.targets, first.objects) == (20, 300)
    assert 0 < first.at[0] == first.at[2]  # fewer answers than the first of SHOWN
    assert search(blobs(), replace(ASKED, start=1)).area != first.area


def test_a_class_made_rare_is_another_few_in_each_start():
    given = replace(blobs(), n_targets=5)
    drawn = [given.drawn(start, 0.0) for start in range(3)]
    targets = [sorted(rows[given.is_target[rows]].tolist()) for rows in drawn]
    assert [len(rows) for rows in drawn] == [given.n_objects] * 3 == [285] * 3
    assert [len(rows) for rows in targets] == [5] * 3
    assert targets[0] != targets[1] != targets[2]
    assert len(given.drawn(0, 0.1)) == 285 - round(28.5)
    # In the file the targets come first; in the order of a start they do not.
    assert np.flatnonzero(given.is_target[drawn[0]]).max() > 100


def test_a_known_target_is_no_find():
    found = search(blobs(), replace(ASKED, known=1))
    # A tenth of the rows is left out, 18 of the 20 targets or so; one of them is known.
    assert found.first == 1
    assert found.at[2] <= 19


def test_what_ended_is_kept_and_a_broken_line_is_run_again(tmp_path, monkeypatch):
    path = tmp_path / "some.jsonl"
    kept = Kept(path)
    other = replace(ASKED, start=1)
    kept.add(ASKED, FOUND)
    kept.add(other, FOUND)
    text = path.read_text()
    path.write_text(text[:-20])  # as a cut-off leaves it
    kept = Kept(path)
    assert kept.found == {ASKED: FOUND}

    ran: list[Asked] = []

    def run(asked: Asked, workspace: str, data: str | None) -> Found:
        ran.append(asked)
        return FOUND

    monkeypatch.setattr("benchmarks.discovery.run_search", run)
    run_all([ASKED, other], kept, "", None, jobs=1)
    assert ran == [other]
    assert Kept(path).found == {ASKED: FOUND, other: FOUND}
    assert not Kept(path, fresh=True).found


def test_one_search_is_forgotten_and_the_others_stay(tmp_path):
    path = tmp_path / "some.jsonl"
    kept = Kept(path)
    other = replace(ASKED, search="fixmatch")
    longer = replace(ASKED, search="default/other", start=1)
    for asked in (ASKED, other, replace(ASKED, set="rings"), longer):
        kept.add(asked, FOUND)
    kept.forget("default")
    assert kept.found == {other: FOUND, longer: FOUND}
    kept.add(replace(ASKED, start=2), FOUND)
    assert Kept(path).found == kept.found
    assert [one.name for one in tmp_path.iterdir()] == ["some.jsonl"]


def test_the_estimate_adds_what_is_left(tmp_path):
    kept = Kept(tmp_path / "some.jsonl")
    sizes = {"small": 100, "middle": 150, "large": 200}
    plan = [replace(ASKED, set=name, start=n) for name in sizes for n in range(2)]
    kept.add(plan[0], replace(FOUND, seconds=60.0))
    kept.add(plan[4], replace(FOUND, seconds=120.0))
    # Left: 60 s on the smallest, twice 90 s between, 120 s on the largest.
    assert estimate(plan, kept, sizes).startswith("6 minutes")


def test_the_best_single_peer_is_one_for_all_sets():
    areas = {
        "a": {"ours": np.array([0.8, 0.8]), "p": np.array([0.9, 0.9]), "q": np.array([0.1, 0.1])},
        "b": {"ours": np.array([0.8, 0.8]), "p": np.array([0.3, 0.3]), "q": np.array([0.7, 0.7])},
    }
    found = compared(areas, "ours", ["p", "q"])
    assert found.peer == "p"  # mean shortfall .4, that of q .6
    assert found.ratio == pytest.approx(0.2 / 0.4)
    assert found.best == {"a": "p", "b": "q"}
    assert found.share["a"] == pytest.approx(0.8 / 0.9)
    assert found.share["b"] == pytest.approx(0.8 / 0.7)
    # A draw of twice "a" or twice "b" gives 2 and 2 / 7.
    assert (found.low, found.high) == pytest.approx((0.2 / 0.7, 2.0))
    assert found.sentences("ours")[1].startswith("On a its area is below")


def test_the_bootstrap_is_paired():
    rng = np.random.default_rng(0)
    theirs = rng.random((3, 10))
    areas = {
        str(n): {"ours": 1 - 0.5 * (1 - theirs[n]), "p": theirs[n][:7]} for n in range(len(theirs))
    }
    found = compared(areas, "ours", ["p"])
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


def test_chance_is_what_random_answers_find_on_the_mean():
    rng = np.random.default_rng(0)
    truth = np.arange(40) < 5
    order = np.array([rng.permutation(40)[:20] for _ in range(4000)])
    curves = np.cumsum(truth[order], axis=1)
    ideal = np.minimum(np.arange(1, 21), 5).sum()
    assert chance_area(5, 40, 20) == pytest.approx(curves.sum(axis=1).mean() / ideal, rel=0.03)


def test_a_set_a_row_with_mean_and_worst():
    areas = {"a": {"ours": np.array([0.2, 0.4])}}
    columns, rows = area_rows(areas, {"a": (5, 40)}, 20, ["ours", "p"])
    assert columns == ["set", "targets", "objects", "ours", "p", "chance"]
    assert rows[0] == ["a", 5, 40, "0.30 / 0.20", "", f"{chance_area(5, 40, 20):.2f}"]
    assert rows[1][3:5] == ["0.300", ""]
