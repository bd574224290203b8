"""The benchmarks of label-free measures: steps, correlations, picks, what is kept, on made-up
numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.kept import Kept
from benchmarks.measures import (
    Measured,
    as_asked,
    by_measure,
    newest,
    pairs_told,
    told_shares,
)
from benchmarks.progress import MOST, drawn_rows
from benchmarks.progress_figures import (
    Look,
    Series,
    correlation,
    each_row,
    interval,
    log_steps,
    mean_of_sets,
    picked,
    rank_correlation,
    share_of_best,
    summary,
)
from core.representation.quality import Assessment
from core.survey import RunRecord
from core.vocabulary import JobKind

KEPT_NEIGHBOURS, ERROR = "held out: neighbour_consistency", "held out: reconstruction_error"


def series(
    kept: list[float], probe: list[float], error: list[float] | None = None, name: str = "blobs"
) -> Series:
    """Looks at steps 0, 10, 20, ..."""
    looks = [
        Look(
            10 * at,
            {KEPT_NEIGHBOURS: one} | ({} if error is None else {ERROR: error[at]}),
            {"target": good},
        )
        for at, (one, good) in enumerate(zip(kept, probe, strict=True))
    ]
    return Series(name, looks, {"the last one": looks[-1].probes})


def test_checkpoints_are_spaced_evenly_in_log_steps():
    steps = log_steps(1000, 5)
    assert (steps[0], steps[-1], len(steps)) == (10, 1000, 5)
    assert np.ptp(np.diff(np.log(steps))) < 0.05  # but for rounding to whole steps
    assert log_steps(12, 9) == [10, 11, 12]
    assert log_steps(5, 9) == [5]


def test_the_rank_correlation_is_spearmans_and_passes_over_what_is_unknown():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 12).astype(float), rng.random(12)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    c = np.append(a, np.nan)
    assert rank_correlation(c, np.append(b, 1.0)) == pytest.approx(spearmanr(a, b).statistic)
    assert math.isnan(rank_correlation(a[:3], b[:3]))
    assert math.isnan(rank_correlation(np.ones(12), b))


def test_signs_are_turned_and_late_looks_stand_alone():
    kept, probe = [0.5, 0.9, 0.1, 0.2, 0.3, 0.4], [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    one = series(kept, probe, error=[6, 5, 4, 3, 2, 1])
    assert correlation(one, ERROR, "target") == pytest.approx(1)
    assert correlation(one, KEPT_NEIGHBOURS, "target") == pytest.approx(0)
    late = replace(one, looks=[*one.looks[:2], *(replace(a, step=90) for a in one.looks[2:])])
    # 10 of 90 steps is before a fifth of them.
    assert correlation(late, KEPT_NEIGHBOURS, "target", late=True) == pytest.approx(1)


def test_all_measures_are_correlated_over_the_same_looks():
    """The untrained network has no loss: the other measures may not gain or lose by it."""
    kept, probe = [0.0, 0.4, 0.2, 0.3, 0.1, 0.0], [9.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    one = series(kept, probe, error=[math.nan, 4, 2, 3, 1, 0])
    expected = spearmanr(kept[1:], probe[1:]).statistic
    assert correlation(one, KEPT_NEIGHBOURS, "target") == pytest.approx(expected)
    assert correlation(one, ERROR, "target") == pytest.approx(-expected)
    # Nor by a checkpoint at which another measure is not known, which may still be picked.
    one = series(kept, probe, error=[5, math.nan, 2, 3, 1, 0])
    expected = spearmanr(kept[2:], probe[2:]).statistic
    assert correlation(one, KEPT_NEIGHBOURS, "target") == pytest.approx(expected)
    assert picked(one, KEPT_NEIGHBOURS) == one.looks[1]


def test_a_pick_is_the_best_trained_network_and_the_later_of_equals():
    one = series([0.9, 0.5, 0.5, 0.1], [1.0, 0.2, 0.3, 0.4], error=[0, 3, 2, 2])
    assert picked(one, KEPT_NEIGHBOURS) == one.looks[2]
    assert picked(one, ERROR) == one.looks[3]
    assert picked(one, "unknown") is None
    assert share_of_best(one, KEPT_NEIGHBOURS, "target") == pytest.approx(0.3 / 0.4)
    assert share_of_best(one, "the last one", "target") == 1
    assert math.isnan(share_of_best(one, "unknown", "target"))
    longer = series([0.9, 0.5, 0.5, 0.1, 0.2], [1.0, 0.2, 0.3, 0.4, 0.3])
    rho = spearmanr([0.5, 0.5, 0.1, 0.2], [0.2, 0.3, 0.4, 0.3]).statistic
    row = ["blobs", "target", KEPT_NEIGHBOURS, pytest.approx(rho), 20, 0.3, 30, 0.4]
    assert each_row(longer)[0] == row


def test_sets_count_alike_whatever_their_targets():
    values = {"one": [0.0, 1.0, math.nan], "two": [0.1], "none": [math.nan]}
    assert mean_of_sets(values) == pytest.approx(0.3)
    low, high = interval(values)
    assert (low, high) == pytest.approx((0.1, 0.5))  # all draws are of the one or of the other
    assert math.isnan(mean_of_sets({"none": [math.nan]}))


def test_the_table_holds_every_measure_and_rule_against_the_picker():
    good = series([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4], error=[1, 2, 3, 4])
    half = series([0.1, 0.2, 0.3, 0.4], [0.1, 0.8, 0.2, 0.4], error=[1, 2, 3, 4], name="others")
    columns, rows = summary([good, half], KEPT_NEIGHBOURS, late=True)
    table = {str(row[0]): dict(zip(columns, row, strict=True)) for row in rows}
    assert set(table) == {KEPT_NEIGHBOURS, ERROR, "the last one"}
    kept, error, last = (table[name] for name in (KEPT_NEIGHBOURS, ERROR, "the last one"))
    assert kept["share of the best"] == last["share of the best"] == pytest.approx(0.75)
    assert kept["worst"] == pytest.approx(0.5)
    assert kept[f"beside {KEPT_NEIGHBOURS}"] == 0
    assert error["share of the best"] == pytest.approx((0.5 + 1) / 2)
    assert math.isnan(float(str(last["rank correlation"])))
    assert summary([good, half], KEPT_NEIGHBOURS)[0] == columns[:3] + columns[5:]


def test_rare_targets_are_embedded_whole_and_others_up_to_the_most():
    labels = np.array(["common"] * 5000 + ["rare"] * 30 + ["usual"] * 300)
    rows = drawn_rows(labels, ("rare", "usual"), seed=0)
    assert len(rows) == MOST
    assert (np.diff(rows) > 0).all()
    assert (labels[rows] == "rare").sum() == 30
    assert 0 < (labels[rows] == "usual").sum() < 300
    assert (drawn_rows(labels, ("rare", "usual"), seed=1) != rows).any()


def test_what_ended_is_kept_and_a_broken_line_is_found_again(tmp_path):
    path = tmp_path / "some.jsonl"
    kept = Kept(path)
    kept.add({"set": "one", "seed": 0}, [1.0])
    kept.add({"set": "two", "seed": 0}, [2.0])
    text = path.read_text()
    path.write_text(text[:-5])  # as a cut-off leaves it
    kept = Kept(path)
    assert kept.get({"seed": 0, "set": "one"}) == [1.0]
    assert kept.get({"set": "two", "seed": 0}) is None
    kept.add({"set": "two", "seed": 0}, [3.0])
    assert Kept(path).get({"set": "two", "seed": 0}) == [3.0]
    assert Kept(path, fresh=True).get({"set": "one", "seed": 0}) is None


def assessment(name: str, **measures: float | None) -> Assessment:
    return Assessment(name, name, 2, 20, 0, 20, measures, {}, (), (), (), ())


def test_pairs_are_told_right_wrong_or_not_at_all():
    found = [assessment(name) for name in ("a", "b", "c")]
    probes = [0.5, 0.48, 0.1]  # a and b are as good as each other

    def first(pair):
        return None if pair[0] is found[1] else pair[0]

    assert pairs_told(found, probes, first) == (1, 0, 1)
    assert pairs_told(found, probes, lambda pair: pair[1]) == (0, 2, 0)


def test_a_measure_tells_pairs_by_its_better_end_and_sets_count_alike():
    found = (
        assessment("a", silhouette=0.2, davies_bouldin=1.0, consistency=None),
        assessment("b", silhouette=0.1, davies_bouldin=2.0, consistency=0.5),
        assessment("c", silhouette=0.3, davies_bouldin=3.0, consistency=0.4),
    )
    probes = ({"x": 0.9, "y": 0.5}, {"x": 0.6, "y": 0.5}, {"x": 0.3, "y": 0.5})
    one = Measured("one", found, probes)
    assert told_shares([one], by_measure("davies_bouldin")) == [1, 0, 0]
    assert told_shares([one], by_measure("silhouette")) == pytest.approx([1 / 3, 2 / 3, 0])
    assert told_shares([one], by_measure("consistency")) == pytest.approx([1 / 3, 0, 2 / 3])
    assert pairs_told(found[:1] * 2, [0.9, 0.1], by_measure("silhouette")) == (0, 0, 1)  # equal
    level = Measured("level", found, ({"y": 0.5},) * 3)  # no embedding is clearly better
    assert told_shares([one, level], by_measure("davies_bouldin")) == [1, 0, 0]
    assert np.isnan(told_shares([level], by_measure("davies_bouldin"))).all()
    other = Measured("other", found[:2], ({"x": 0.1}, {"x": 0.9}))
    assert told_shares([one, other], by_measure("davies_bouldin")) == [0.5, 0.5, 0]
    again = Measured.from_dict(one.as_dict())
    assert (again.assessments, again.probes) == (found, probes)
    # "b" is ahead of "c" and behind none: of "a" too few measures are known.
    assert again.as_series().rules == {"the verdict": probes[1]}


def run(name: str, encoder: str, seed: int | None = None, **options: str) -> RunRecord:
    """An embedding; seed : of its network's training"""
    config = {"steps": 300, "seed": seed}
    weights = {} if seed is None else {"weights": {"surveys": {"a": "b"}, "config": config}}
    record = {"result": weights}
    return RunRecord(
        name, Path(name), {"encoder": encoder, "options": options}, JobKind.EMBED, record
    )


def test_the_newest_of_each_encoder_network_and_options_is_measured():
    runs = [
        run("1", "vicreg", 0),
        run("2", "vicreg", 1),  # as many steps on the same survey, but another network
        run("3", "vicreg", 0, weights="pretrain-1"),  # the first one, asked for by its run
        run("4", "pca"),
        run("5", "pca", components="8"),
        run("6", "pca"),
    ]
    assert newest(runs) == ["1", "2", "4", "5"]


def test_figures_are_kept_for_the_embeddings_that_they_are_of(tmp_path):
    kept = Kept(tmp_path / "some.jsonl")
    kept.add(as_asked("one", 1, ["b", "a"], 0), [1.0])
    assert kept.get(as_asked("one", 1, ["a", "b"], 0)) == [1.0]
    assert kept.get(as_asked("one", 1, ["a", "b", "c"], 0)) is None
    assert kept.get(as_asked("one", 2, ["a", "b"], 0)) is None
    assert kept.get(as_asked("one", 1, ["a", "b"], 1)) is None
