"""Large surveys: two passes beside the full one, rows made as they are read, files for arrays."""

from __future__ import annotations

import errno
from dataclasses import replace

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from core.config import LoopConfig
from core.discovery import Engine, imitation, prepare, scratch, shortlist, threads, wide
from core.discovery.imitation import View
from core.discovery.learner import Learner
from core.discovery.shortlist import Shortlisting, Wanted, two_passes
from core.errors import StorageFull
from core.vocabulary import CONTROL_SAMPLER

N = 6_000
KINDS = ("rare", "common", "dust")


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch):
    """Six thousand rows are a large survey here."""
    for module in (shortlist, wide):
        monkeypatch.setattr(module, "FULL_ROWS", 1_000)
    monkeypatch.setattr(shortlist, "LISTED", 400)
    monkeypatch.setattr(shortlist, "MOST_LISTED", 1_500)
    monkeypatch.setattr(shortlist, "FITTED_TO", 800)
    monkeypatch.setattr(shortlist, "CHECKED", 800)
    monkeypatch.setattr(imitation, "_CHUNK", 512)


def planted(seed=0):
    """A cloud of eight columns; fifty rare rows shifted in three of them, dust in another."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(N, 8)).astype(np.float32)
    kind = np.ones(N, int)
    kind[:50], kind[50:400] = 0, 2
    values[:50, :3] += 2.5
    values[50:400, 3] -= 3
    return values, kind


def some_labels(kind, seed=1):
    rng = np.random.default_rng(seed)
    rows = np.concatenate(
        [rng.choice(np.flatnonzero(kind == k), 12 + 20 * (k == 1)) for k in range(3)]
    )
    return {int(row): KINDS[kind[row]] for row in rows}


def engine(values, learner="averaged", **changes):
    config = LoopConfig(learner=learner, control_share=0, queue_length=100)
    return Engine(values, np.ones(len(values), bool), KINDS, "rare", replace(config, **changes))


@pytest.mark.parametrize("learner", ["averaged", "broad", "extra_trees"])
def test_two_passes_show_what_one_would(learner, monkeypatch):
    values, kind = planted()
    if learner == "broad":  # more own columns than are seen, the first of them saying nothing
        noise = np.random.default_rng(2).normal(size=(N, 6)).astype(np.float32)
        values = np.hstack([noise, values])
    labels = some_labels(kind)
    one = engine(values, learner)
    quick = one.rerank(labels)
    again = engine(values, learner).rerank(labels)
    assert quick.picks == again.picks
    assert (quick.scores == again.scores).all()
    monkeypatch.setattr(shortlist, "FULL_ROWS", N)
    full = one.rerank(labels)

    top = {pick.row for pick in full.picks}
    # Trees leave many rows level: one that scores as high is as good.
    lowest = min(full.scores[pick.row] for pick in full.picks)
    as_good = [full.scores[pick.row] >= lowest for pick in quick.picks]
    assert np.mean(as_good) >= 0.95
    assert len(top & {pick.row for pick in quick.picks}) >= 90
    assert all(pick.score == full.scores[pick.row] for pick in quick.picks)

    assert full.told is None
    told = quick.told
    assert told is not None
    assert told.n_rows == N
    assert told.n_full < N / 2
    assert quick.state.startswith(full.state)
    assert f"scored {told.n_full:,} of 6,000 objects" in quick.state


def test_scores_of_the_others_are_on_the_same_scale():
    values, kind = planted()
    labels = some_labels(kind) | dict.fromkeys(range(1000, 1012), "common")
    one = engine(values)
    quick = one.rerank(labels)
    shortlist.FULL_ROWS = N  # the fixture puts it back
    full = one.rerank(labels)
    differ = quick.scores != full.scores
    assert 0.5 < differ.mean() < 0.95
    assert quick.scores[differ].mean() == pytest.approx(full.scores[differ].mean(), abs=0.01)
    # Trees, of which the learner is three quarters, leave the bulk to chance.
    assert np.corrcoef(quick.scores[differ], full.scores[differ])[0, 1] > 0.6
    chances = quick.class_probabilities
    assert chances is not None
    assert (chances >= 0).all()
    assert np.allclose(chances.sum(axis=1), 1, atol=1e-5)
    # The answered ones are compared with their answers: they have the learner's own.
    answered = list(labels)
    assert (quick.scores[answered] == full.scores[answered]).all()
    # Nothing is put above what is shown.
    shown = min(pick.score for pick in quick.picks)
    left = np.setdiff1d(np.flatnonzero(differ), answered)
    assert quick.scores[left].max() < shown


def test_controls_have_the_learner_s_own_score(monkeypatch):
    values, kind = planted()
    labels = some_labels(kind)
    one = engine(values, control_share=0.4)
    quick = one.rerank(labels)
    monkeypatch.setattr(shortlist, "FULL_ROWS", N)
    full = one.rerank(labels)
    controls = [pick for pick in quick.picks if pick.sampler == CONTROL_SAMPLER]
    assert len(controls) == 40
    assert all(pick.score == full.scores[pick.row] for pick in controls)


class _Spy:
    """P(class) by a function of the rows, counting what it was asked."""

    def __init__(self, chance):
        self.chance, self.asked = chance, 0

    def __call__(self, rows):
        self.asked += len(rows)
        p = self.chance(rows).astype(np.float32)
        return np.stack([p, 1 - p], axis=1)


def passes(chance, values, n=50, left_out=()):
    spy = _Spy(chance)
    rows = np.setdiff1d(np.arange(len(values)), left_out)
    taught = values[1000:1040], (values[1000:1040, 0] < 0).astype(int)
    wanted = Wanted(0, rows, n, np.array([3, 4]), 7)
    return *two_passes(lambda places: spy(values[places]), taught, View(values), wanted), spy


def test_what_the_imitation_cannot_see_is_told():
    values = planted()[0]

    def checkers(rows):  # no sum of bent columns follows it
        return 1 / (1 + np.exp(-8 * np.sin(9 * rows[:, 0]) * np.sin(9 * rows[:, 1])))

    probabilities, told, spy = passes(checkers, values)
    assert spy.asked == told.n_full
    truth = checkers(values)
    floor = np.sort(probabilities[:, 0])[-50]
    missed = (truth > floor + 1e-6).sum() - (probabilities[:, 0] > floor + 1e-6).sum()
    assert missed > 0
    assert told.missed > 0
    assert told.n_full > 1_500  # the longer list was tried


def test_the_estimate_of_what_is_missed_is_right_on_the_mean():
    values = planted()[0]

    def hidden(rows):
        return np.abs(np.sin(40 * rows[:, 0])) * 0.5

    estimates, truths = [], []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        shuffled = values[rng.permutation(N)]
        probabilities, told, _ = passes(hidden, shuffled)
        floor = np.sort(probabilities[:, 0])[-50]
        truths.append((hidden(shuffled).astype(np.float32) > floor).sum() - 49)
        estimates.append(told.missed)
    scatter = np.std(estimates) / np.sqrt(len(estimates))
    assert np.mean(estimates) == pytest.approx(
        np.mean(truths), abs=4 * scatter + 0.1 * np.mean(truths)
    )


def test_a_plain_learner_is_found_whole_with_few_rows_scored():
    values = planted()[0]

    def sloping(rows):
        return 1 / (1 + np.exp(4 - 2 * rows[:, 0] - rows[:, 1] ** 2))

    aside = np.argsort(-sloping(values))[:5]
    probabilities, told, _ = passes(sloping, values, left_out=aside)
    truth = sloping(values).astype(np.float32)
    open_rows = np.setdiff1d(np.arange(N), aside)
    best = open_rows[np.argsort(-truth[open_rows], kind="stable")[:50]]
    mine = open_rows[np.argsort(-probabilities[open_rows, 0], kind="stable")[:50]]
    assert mine.tolist() == best.tolist()
    assert told.missed == 0
    assert told.n_full < 2_200


def test_ends_of_the_survey():
    values = planted()[0]
    flat = passes(lambda rows: np.zeros(len(rows)), values)
    assert np.allclose(flat[0].sum(axis=1), 1)
    assert (flat[0][:, 0] <= 1e-5).all()
    probabilities, told, _ = passes(lambda rows: np.ones(len(rows)), values, n=0)
    assert told.n_top == 0
    assert np.isfinite(probabilities).all()
    nothing = passes(lambda rows: rows[:, 0] > 0, values, left_out=np.arange(N))
    assert nothing[1].n_top == 0
    few = passes(lambda rows: rows[:, 0] > 0, values, left_out=np.arange(N - 30))
    assert few[1].n_top == 30
    assert few[1].missed == 0


def test_no_row_that_was_not_scored_is_shown_where_the_last_shown_has_nothing():
    values = planted()[0]
    asked: set[float] = set()

    def hopeless(rows):
        asked.update(rows[:, 0].tolist())
        return np.where(rows[:, 0] == values[4_000, 0], 0.5, 0)

    probabilities = passes(hopeless, values)[0]
    best = np.argsort(-probabilities[:, 0], kind="stable")[:50]  # level rows in row order
    assert asked.issuperset(values[best, 0].tolist())
    assert len(asked) < N / 2
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_classes_not_taught_stay_at_nothing():
    values, kind = planted()
    learner = Shortlisting(GaussianNB())
    rows = np.r_[:40, 1000:1080]
    learner.teach(values[rows], np.where(kind[rows] == 0, 3, 1))
    plain = learner.class_probabilities(values, 5)
    assert learner.told is None  # nobody said what for
    learner.wanted = Wanted(3, np.arange(N), 20, rows, 0)
    quick = learner.class_probabilities(values, 5)
    assert learner.told is not None
    assert (quick[:, [0, 2, 4]] == 0).all()
    assert (quick[rows] == plain[rows]).all()
    assert np.sort(quick[:, 3])[-20:].tolist() == np.sort(plain[:, 3])[-20:].tolist()


@pytest.mark.parametrize("sampler", ["margin", "stratified"])
def test_samplers_of_the_middle_get_the_learner_s_own_everywhere(sampler):
    values, kind = planted()
    ranking = engine(values[:1500], sampler=sampler).rerank(some_labels(kind[:1500]))
    assert ranking.told is None
    assert engine(values[:1500], "logistic").rerank(some_labels(kind[:1500])).told is None


# Rows made as they are read


def patchy():
    values = np.random.default_rng(2).normal(size=(900, 5)).astype(np.float16)
    values[7, 2] = np.nan
    values[8] = np.inf
    mask = np.ones(900, bool)
    mask[20:23] = False
    return values, mask


def test_rows_made_when_read_are_those_of_the_whole_table(monkeypatch):
    values, mask = patchy()
    whole, unseen = prepare.standardise(values, mask)
    monkeypatch.setattr(prepare, "CHUNK", 64)
    rows = prepare.Standardised(values, mask)
    assert rows.shape == whole.shape == (900, 6)
    assert (rows.unseen == unseen).all()
    assert unseen.nonzero()[0].tolist() == [7, 8, 20, 21, 22]
    few = np.array([899, 8, 8, 21])
    assert (rows[few] == whole[few]).all()
    assert (rows[5:30] == whole[5:30]).all()
    assert (rows[unseen] == whole[unseen]).all()
    assert np.allclose(np.asarray(rows), whole, atol=1e-6)
    assert np.allclose(np.concatenate(list(rows)), whole, atol=1e-6)


@pytest.mark.parametrize("case", ["plain", "patchy", "wide", "flat"])
def test_whitening_in_pieces_is_whitening(case, monkeypatch):
    values, mask = patchy()
    if case == "plain":
        values, mask = values[30:], mask[30:]
    elif case == "wide":
        values = np.random.default_rng(0).normal(size=(900, 100)) * np.geomspace(1, 1e-7, 100)
        values = values @ np.random.default_rng(1).normal(size=(100, 100))
    elif case == "flat":
        values[:] = 3
    columns, unseen = prepare.standardise(values, mask)
    whole = prepare.whiten(columns, unseen)
    monkeypatch.setattr(prepare, "CHUNK", 100)
    pieces = prepare.whiten(prepare.Standardised(values, mask), unseen)
    assert pieces.dtype == np.float32
    assert pieces.shape == whole.shape
    assert np.allclose(pieces, whole, atol=2e-3)


def test_a_large_survey_s_detectors_read_rows_and_find_the_same(monkeypatch):
    values, mask = patchy()
    names = ("knn_distance", "farthest_first", "mahalanobis", "mahalanobis/b")
    config = LoopConfig()
    parts = {"a": slice(0, 2), "b": slice(2, 5)}
    whole = Engine(values, mask, KINDS, "rare", config, parts=parts)
    expected = {name: whole.detector_scores(name) for name in names}
    monkeypatch.setattr(prepare, "CHUNK", 100)
    monkeypatch.setattr("core.discovery.engine.CHUNK", 100)
    pieces = Engine(values, mask, KINDS, "rare", config, parts=parts)
    for name in names:
        assert np.allclose(pieces.detector_scores(name), expected[name], rtol=1e-4), name


# Arrays on disk


def test_what_does_not_fit_in_memory_is_mapped_and_leaves_no_file(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    kept = scratch.keep_rows(iter([rows[:30], rows[30:]]), rows.shape, str(tmp_path))
    monkeypatch.setattr(scratch, "IN_MEMORY", 1_000)
    mapped = scratch.keep_rows(iter([rows[:30], rows[30:]]), rows.shape, str(tmp_path))
    for one in (kept, mapped):
        assert (one == rows).all()
        assert type(one) is np.ndarray
        assert one.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            one[0, 0] = 1
    assert isinstance(mapped.base, np.memmap)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)

    def full():
        yield np.zeros((2, 2), np.float32)
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(StorageFull, match="is full"):
        scratch.keep_rows(full(), (4, 2), str(tmp_path))


@pytest.mark.parametrize("learner", ["averaged", "broad"])
def test_an_engine_on_mapped_rows_ranks_as_one_in_memory(tmp_path, monkeypatch, learner):
    values, kind = planted()
    labels = some_labels(kind)
    expected = engine(values, learner).rerank(labels)
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    monkeypatch.setattr(prepare, "CHUNK", 500)
    config = LoopConfig(learner=learner, control_share=0, queue_length=100)
    mapped = Engine(values, np.ones(N, bool), KINDS, "rare", config, scratch=str(tmp_path))
    ranking = mapped.rerank(labels)
    shared = {p.row for p in ranking.picks} & {p.row for p in expected.picks}
    assert len(shared) >= 95
    assert np.allclose(ranking.scores, expected.scores, atol=0.1)


# Many answers, threads


def test_answers_and_rows_set_aside_by_the_thousand(monkeypatch):
    monkeypatch.setattr(shortlist, "FULL_ROWS", 10**9)
    values, kind = planted()
    one = engine(values, "logistic")
    labels = {int(row): KINDS[kind[row]] for row in np.random.default_rng(3).permutation(N)[:4000]}
    left = sorted(set(range(N)) - set(labels))
    ranking = one.rerank(labels, excluded=np.array(left[:1500]), n=N)
    assert sorted(pick.row for pick in ranking.picks) == left[1500:]
    assert ranking.n_labels == 4000


def test_cores_are_counted_where_no_system_call_tells_which_may_be_used(monkeypatch):
    monkeypatch.delattr(threads.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: None)
    assert threads.available_cores() == 1
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 6)
    assert threads.available_cores() == 6
    done: list[slice] = []
    threads.in_threads(done.append, [slice(0, 1), slice(1, 2)])
    assert len(done) == 2


def test_threads_write_every_part_once(monkeypatch):
    done = np.zeros(10_000, int)

    def call(part):
        done[part] += 1

    parts = [slice(s, s + 7) for s in range(0, 10_000, 7)]
    threads.in_threads(call, parts)
    assert (done == 1).all()

    def broken(part):
        raise RuntimeError("in a thread")

    with pytest.raises(RuntimeError, match="in a thread"):
        threads.in_threads(broken, parts)


def test_probabilities_by_pieces_are_those_of_the_whole():
    values, kind = planted()
    rows = np.r_[:60, 1000:1200]
    learner = Learner(GaussianNB())
    learner.teach(values[rows], kind[rows])
    many = np.tile(values, (4, 1))
    assert np.allclose(
        learner.class_probabilities(many, 3)[-N:], learner.predict_proba(values), atol=1e-6
    )
