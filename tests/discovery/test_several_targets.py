"""Several targets in one task: none is starved, and with one nothing changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from core.config import LoopConfig
from core.discovery import LEARNERS, SAMPLERS, Engine, Oracle, shortlist, simulate
from core.discovery.answered import aimed
from core.discovery.imitation import View
from core.discovery.learners import chosen as chosen_module
from core.discovery.learners.calibrated import Calibrated
from core.discovery.pool import any_of, top_draw
from core.discovery.registry import without_target
from core.discovery.schedule import COLD_START, LATE_START, PATIENCE, SEEKING, schedule_of
from core.discovery.shortlist import FULL_ROWS, Shortlisting, Wanted, two_passes
from core.discovery.simulate import known_targets
from core.discovery.validation import validate
from core.errors import BadInput
from tests.discovery.pools import make_pool

CLASSES = ("other", "common", "rare")
N, N_COMMON, N_RARE = 1_200, 200, 20
CONFIG = LoopConfig(learner="logistic", control_share=0, queue_length=40, seed=1)


def planted() -> tuple[np.ndarray, dict[int, str]]:
    """The rare target is ten times rarer than the common one, and both stand out a little."""
    values = np.random.default_rng(4).normal(size=(N, 6)).astype(np.float32)
    values[:N_COMMON, 0] += 3
    values[N_COMMON : N_COMMON + N_RARE, 1] += 3
    truth = dict.fromkeys(range(N), "other")
    truth |= dict.fromkeys(range(N_COMMON), "common")
    truth |= dict.fromkeys(range(N_COMMON, N_COMMON + N_RARE), "rare")
    return values, truth


def engine(config: LoopConfig = CONFIG, also: tuple[str, ...] = ("rare",)) -> Engine:
    values, _ = planted()
    return Engine(values, np.ones(N, bool), CLASSES, "common", config, also_targets=also)


def some_labels() -> dict[int, str]:
    _, truth = planted()
    rows = [*range(20), *range(N_COMMON, N_COMMON + 3), *range(N - 30, N)]
    return {row: truth[row] for row in rows}


@pytest.fixture
def by_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows by P(any target) alone."""
    entry = SAMPLERS["most_likely"]
    greedy = replace(entry, call=lambda pool, n: top_draw(pool, pool.chances, n))
    monkeypatch.setitem(SAMPLERS._entries, entry.name, greedy)


def shares() -> tuple[int, int]:
    """Of the next forty places, those with the common and with the rare target."""
    _, truth = planted()
    shown = [truth[pick.row] for pick in engine().rerank(some_labels()).picks]
    return shown.count("common"), shown.count("rare")


def test_a_common_target_does_not_keep_a_rare_one_from_being_shown() -> None:
    common, rare = shares()
    assert common >= 15
    assert rare >= 8  # of the 17 that are left, ten times rarer


def test_by_any_target_alone_it_would(by_any: None) -> None:
    common, rare = shares()
    assert rare <= 4
    assert common >= 30


def test_both_are_found_sooner_than_by_any_target_alone(monkeypatch) -> None:
    def until_eleven_of_each() -> int:
        _, truth = planted()
        done = simulate(engine(), truth, 120, 10, known=[0, N_COMMON, N - 1])
        shown = [truth[one.row] for one in done.order]
        assert done.of_each["rare"] == (shown.count("rare"), N_RARE - 1)
        assert done.is_target == [one != "other" for one in shown]
        both = [min(shown[:n].count(one) for one in CLASSES[1:]) for n in range(len(shown) + 1)]
        return both.index(11) if 11 in both else 10_000

    by_turns = until_eleven_of_each()
    entry = SAMPLERS["most_likely"]
    greedy = replace(entry, call=lambda pool, n: top_draw(pool, pool.chances, n))
    monkeypatch.setitem(SAMPLERS._entries, entry.name, greedy)
    assert 1.5 * by_turns < until_eleven_of_each()


def test_places_go_round_and_each_takes_the_likeliest_left() -> None:
    found = engine().rerank(some_labels())
    chances = found.class_probabilities
    assert chances is not None
    used = set(some_labels())
    for place, pick in enumerate(found.picks):
        target = 1 + (len(some_labels()) + place) % 2
        row = max((row for row in range(N) if row not in used), key=lambda r: chances[r, target])
        used.add(row)
        assert (pick.row, pick.sampler) == (row, f"most_likely ({CLASSES[target]})")
        assert pick.probability == 1
        assert pick.score == found.scores[row] == chances[row, 1] + chances[row, 2]
    assert "(each target in its turn)" in found.state
    assert "53 answers, 20 of them 'common', 3 'rare'" in found.state
    assert found.sampler == "most_likely"


def test_a_queue_filled_anew_goes_on_with_whose_turn_it_is() -> None:
    config = replace(CONFIG, control_share=0.1)
    labels = some_labels()
    turns = []
    for _ in range(6):
        picks = engine(config).rerank(labels).picks[:5]
        labels |= {pick.row: planted()[1][pick.row] for pick in picks}
        turns += [pick.sampler for pick in picks if pick.sampler != "control"]
    assert len(turns) == 27
    assert all(one != other for one, other in pairwise(turns))


def test_shares_stay_even_where_every_fifth_place_seeks_another_target() -> None:
    """Five have finds, one has none, and the queue is ranked anew after each answer."""
    names = tuple("abcdef")
    values = np.random.default_rng(5).normal(size=(600, 6)).astype(np.float32)
    truth = dict.fromkeys(range(600), "other")
    for number, name in enumerate(names[:5]):
        own = slice(60 * number, 60 * number + 60)
        values[own, number] += 4
        truth |= dict.fromkeys(range(600)[own], name)
    config = replace(CONFIG, queue_length=5)
    one = Engine(
        values, np.ones(600, bool), ("other", *names), "a", config, also_targets=names[1:]
    )
    labels = {row: truth[row] for row in [*range(0, 300, 20), *range(300, 330)]}
    asked_by: dict[int, str] = {}
    for _ in range(30):
        pick = one.rerank(labels, asked_by=asked_by).picks[0]
        labels[pick.row] = truth[pick.row]
        asked_by[pick.row] = pick.sampler
    came = Counter(name for name in asked_by.values() if name.startswith("most_likely"))
    assert set(came) == {f"most_likely ({name})" for name in "abcde"}
    assert max(came.values()) - min(came.values()) <= 1


@pytest.mark.parametrize("sampler", ["default", "stratified", "margin"])
def test_with_one_target_nothing_changes(sampler: str) -> None:
    config = replace(CONFIG, sampler=sampler)
    values, _ = planted()
    one = Engine(values, np.ones(N, bool), CLASSES, "common", config).rerank(some_labels())
    two = engine(config, also=()).rerank(some_labels())
    assert one.picks == two.picks
    assert one.state == two.state
    chances = one.class_probabilities
    assert chances is not None
    assert (one.scores == chances[:, 1]).all()
    assert {pick.sampler for pick in one.picks} == {one.sampler}
    if sampler == "default":
        order = sorted(set(range(N)) - set(some_labels()), key=lambda row: (-chances[row, 1], row))
        assert [pick.row for pick in one.picks] == order[:40]


def test_until_each_was_found_some_places_go_on_as_at_the_start() -> None:
    labels = {row: name for row, name in some_labels().items() if name != "rare"}
    picks = engine().rerank(labels).picks
    cold = [pick.sampler for pick in picks if pick.sampler in COLD_START]
    assert len(cold) == len(picks) // SEEKING
    assert set(cold) == set(COLD_START)
    assert {pick.sampler for pick in picks} == {"most_likely", *COLD_START}
    assert set(schedule_of("default", trained=True, seeking=False)) == {"most_likely"}
    assert schedule_of("margin", trained=True, seeking=True) == ("margin",)
    assert schedule_of("default", trained=False, seeking=True) == COLD_START
    # What the start showed in vain before the find of another target still counts.
    late = schedule_of("default", PATIENCE, trained=True, seeking=True)
    assert set(late) == {"most_likely", *LATE_START}
    assert "random" not in schedule_of("default", PATIENCE - 1, trained=True, seeking=True)
    barren = dict.fromkeys(list(labels)[: PATIENCE // 2], "anomaly")
    shown = {**barren, **dict.fromkeys(list(labels)[PATIENCE // 2 :], "most_likely")}
    picks = engine().rerank(labels, asked_by=shown).picks
    assert "random" not in {pick.sampler for pick in picks}
    picks = engine().rerank(labels, asked_by=dict.fromkeys(labels, "anomaly")).picks
    assert "random" in {pick.sampler for pick in picks}


def test_finds_alone_are_held_against_rows_at_random() -> None:
    found = engine().rerank({0: "common", N_COMMON: "rare"})
    assert "Only 'common' and 'rare' seen yet, with 60 unanswered objects" in found.state
    assert found.class_probabilities is None
    assert found.scores[:N_COMMON].mean() > found.scores[N_COMMON + N_RARE :].mean()
    nothing = engine().rerank({N - 1: "other"})
    assert nothing.state.startswith("No 'common' or 'rare' seen yet")
    assert nothing.learner is None


def test_every_sampler_takes_an_answer_with_any_target_for_a_find() -> None:
    given = make_pool(
        n=30, n_classes=4, unlabelled=np.arange(12, 30), detectors=["isolation_forest"]
    )
    several = replace(given, also_targets=(3,))
    assert several.targets == (1, 3)
    assert several.is_find.tolist() == [one in (1, 3) for one in several.answers]
    assert (several.chances == given.probabilities[:, 1] + given.probabilities[:, 3]).all()
    merged = replace(given, answers=np.where(given.answers == 3, 1, given.answers))
    for name in ("astronomaly", "like_this"):
        fresh = {"rng": np.random.default_rng(5), "detect": lambda _: np.arange(30.0)}
        one, other = (SAMPLERS[name].call(replace(each, **fresh), 5) for each in (several, merged))
        fresh["rng"] = np.random.default_rng(5)
        other = SAMPLERS[name].call(replace(merged, **fresh), 5)
        assert one.rows.tolist() == other.rows.tolist(), name


def test_learners_take_several_targets_as_one(monkeypatch) -> None:
    rng = np.random.default_rng(2)
    answers = np.repeat([0, 1, 2, 3], [30, 12, 10, 8])
    X = rng.normal(size=(60, 4)).astype(np.float32)
    X[np.arange(60), answers] += 2
    model = aimed(LEARNERS["calibrated"].call, 0, (1, 3))
    assert isinstance(model, Calibrated)
    assert aimed(LEARNERS["calibrated"].call, 0, (2,)).target == 2
    model.fit(X, answers)
    assert model.targets_.tolist() == [1, 3]
    found, before = model.predict_proba(X), model.model_.predict_proba(X)
    assert np.allclose(found.sum(axis=1), 1)
    any_now, any_before = found[:, [1, 3]].sum(axis=1), before[:, [1, 3]].sum(axis=1)
    assert (np.argsort(any_now) == np.argsort(any_before)).all()
    assert not np.allclose(any_now, any_before)
    assert np.allclose(found[:, 1] / any_now, before[:, 1] / any_before)
    assert np.allclose(found[:, 0] / found[:, 2], before[:, 0] / before[:, 2])
    few = np.r_[:36, 52:54]
    chosen = aimed(LEARNERS["chosen"].call, 0, (3, 2)).fit(X[few], answers[few])
    assert "there are 2 and 36" in chosen.reason_
    monkeypatch.setattr(chosen_module, "MEANS", {})
    monkeypatch.setattr(chosen_module, "CANDIDATES", {"logistic": LEARNERS["logistic"].call})
    gained = chosen_module.held_out_precision(X[:42], answers[:42], np.array([0, 1]), 0)
    assert gained["logistic"].tolist() == [1.0] * 8  # all of these answers have one of the two
    held = validate("logistic", X, answers, 4, [1, 3], seed=0)
    assert (held.is_find == np.isin(answers, [1, 3])).all()
    assert np.allclose(held.chances, held.probabilities[:, 1] + held.probabilities[:, 3])
    assert held.precisions[-1] > 0.7


def test_two_passes_show_the_best_of_each_target() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40_000, 3)).astype(np.float32)
    open_rows = np.setdiff1d(np.arange(40_000), [5, 6])

    def predict(rows: np.ndarray) -> np.ndarray:
        one, two = np.exp(rows[:, 0]), np.exp(np.sin(3 * rows[:, 1]) + rows[:, 2])
        total = one + two + 20
        return np.stack([20 / total, one / total, two / total], axis=1).astype(np.float32)

    taught = values[:90], np.arange(90) % 3
    wanted = Wanted(1, open_rows, 50, np.arange(4), 7, (2,))
    found, told = two_passes(lambda rows: predict(values[rows]), taught, View(values), wanted)
    whole = predict(values)
    assert told.n_full < 40_000
    own = (found == whole).all(axis=1)
    for target in (1, 2):
        best = open_rows[np.argsort(-found[open_rows, target], kind="stable")][:50]
        assert own[best].all()
        right = open_rows[np.argsort(-whole[open_rows, target], kind="stable")][:50]
        assert len(np.intersect1d(best, right)) >= 48
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found >= 0).all()
    one = Shortlisting(LEARNERS["logistic"].call(0))
    assert one.wanted is None
    assert FULL_ROWS > 40_000


def test_no_row_that_was_not_scored_heads_those_by_any_target(monkeypatch) -> None:
    for name, value in {
        "LISTED": 400,
        "MOST_LISTED": 800,
        "FITTED_TO": 800,
        "CHECKED": 800,
    }.items():
        monkeypatch.setattr(shortlist, name, value)
    values = np.random.default_rng(3).normal(size=(6_000, 4)).astype(np.float32) / 50
    values[:500, 0] = values[500:1_000, 1] = 1  # sure to be one of the two as far as it goes
    both = np.arange(1_000, 1_060)
    values[both, :2] = 0.7  # on neither list, and by the sum before all
    asked: set[bytes] = set()

    def predict(rows: np.ndarray) -> np.ndarray:
        asked.update(row.tobytes() for row in rows)
        one, two = np.clip(rows[:, :2].T / 2, 0.001, 0.6)
        return np.stack([1 - one - two, one, two], axis=1).astype(np.float32)

    taught = values[:1_500:10], np.arange(150) % 3
    wanted = Wanted(1, np.arange(6_000), 50, np.arange(4), 7, (2,))
    found, _ = two_passes(lambda rows: predict(values[rows]), taught, View(values), wanted)
    own = np.array([row.tobytes() in asked for row in values])
    assert 30 < (~own[both]).sum() < len(both)
    by_any = any_of(found, (1, 2))
    assert by_any[~own].max() < np.sort(by_any[own])[-50]
    assert own[np.argsort(-by_any, kind="stable")[:50]].all()
    for target in (1, 2):
        assert found[~own, target].max() < np.sort(found[own, target])[-50]
    # Each gives way alike, and the other class takes what they leave.
    held = both[~own[both]]
    assert found[held, 1] == pytest.approx(found[held, 2], rel=0.2)
    assert (by_any[held] > 0.4).all()
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)


def test_the_sum_of_several_stays_a_probability() -> None:
    table = np.array([[0.6, 0.5, 0.0], [0.1, 0.2, 0.7]], dtype=np.float32)
    assert any_of(table, (1,)).tolist() == table[:, 1].tolist()
    assert any_of(table, (0, 1)) == pytest.approx([1.0, 0.3])
    assert table[0].tolist() == pytest.approx([0.6, 0.5, 0.0])  # what was given stays


def test_what_does_not_fit_is_refused() -> None:
    for also in (("lens",), ("rare", "other"), ("common",)):
        with pytest.raises(BadInput, match="correct the task"):
            engine(also=also)
        with pytest.raises(BadInput, match="correct the task"):
            engine().with_task(CLASSES, "common", also)
    assert engine(also=()).with_task(CLASSES, "rare", ("common",)).targets == (2, 1)
    assert without_target("most_likely (a (b))") == "most_likely"
    _, truth = planted()
    assert {truth[row] for row in known_targets(truth, ["common", "rare"], 40, 0)} == {
        "common",
        "rare",
    }
    with pytest.raises(BadInput, match="'common' or 'rare'"):
        known_targets(truth, ["common", "rare"], 220, 0)
    few = {row: name for row, name in truth.items() if name != "rare"}
    with pytest.raises(BadInput, match="truth is the target 'rare'"):
        simulate(engine(), few, 5, 5)


def test_an_oracle_that_errs_mistakes_any_target_for_the_usual() -> None:
    truth = {row: CLASSES[row % 3] for row in range(300)} | {300: "other"}
    oracle = Oracle(truth, ["common", "rare"], 0.3, seed=1)
    wrong = {(truth[row], oracle(row)) for row in truth if oracle(row) != truth[row]}
    assert wrong == {("common", "other"), ("rare", "other"), ("other", "common")}
