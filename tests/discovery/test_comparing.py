"""Whether a new embedding finds more, by labels that it was not taught."""

import numpy as np
import pytest

from core.discovery import comparing
from core.discovery.comparing import Comparison, HeldOut, Lateness, compare
from core.errors import NotReady

N_LABELS, N_FIELD, N_FINDS = 48, 300, 15


def columns(rng, is_find, strength):
    """(L + B, 6): noise, of which the first column is raised by finds; one in sixty of the field
    is a find that nobody knows of."""
    n_field = np.arange(N_FIELD) % 60 == 0
    values = rng.normal(size=(N_LABELS + N_FIELD, 6)).astype(np.float32)
    values[np.concatenate([is_find, n_field]), 0] += strength
    return values


def folds_of(before, after, seed=0):
    """Three folds with the same rows by either embedding."""
    fold = np.random.default_rng(seed).permutation(N_LABELS) % 3
    return [HeldOut(fold == number, before, after) for number in range(3)]


@pytest.fixture
def is_find():
    return np.arange(N_LABELS) < N_FINDS


def judged(before, after, answers, targets=(1,)):
    return compare(folds_of(before, after), answers, targets, "neighbours", 0, 2_000)


def test_one_that_tells_finds_apart_is_taken_and_the_reverse_is_worse(is_find):
    rng = np.random.default_rng(3)
    poor, good = columns(rng, is_find, 0.5), columns(rng, is_find, 5.0)
    found = judged(poor, good, is_find.astype(int))
    assert found.is_better
    assert not found.is_worse
    field = found.field
    assert len(field.before) == N_FINDS
    assert field.n_better == field.n_folds == 3
    assert field.gain > 1
    assert field.low < field.gain < field.high
    assert field.means[1] < field.means[0] / 2
    assert found.others.low > 0
    assert found.first_after.sum() > found.first_before.sum()
    back = judged(good, poor, is_find.astype(int))
    assert back.is_worse
    assert not back.is_better
    assert back.field.gain == pytest.approx(-field.gain)


@pytest.mark.parametrize("seed", range(4))
def test_labels_that_say_nothing_take_nothing(is_find, seed):
    """Shuffled labels agree with neither embedding, whichever of them is the better one; that the
    labelled have more targets than the field, as those chosen by a search have, is no merit."""
    rng = np.random.default_rng(seed)
    poor, good = columns(rng, is_find, 0.5), columns(rng, is_find, 5.0)
    assert not judged(poor, good, rng.permutation(is_find).astype(int)).is_better


def test_the_same_rows_gain_nothing(is_find):
    values = columns(np.random.default_rng(0), is_find, 1.0)
    found = judged(values, values, is_find.astype(int))
    for side in (found.field, found.others):
        assert (side.gain, side.low, side.high) == (0.0, 0.0, 0.0)
    assert not found.is_better
    assert not found.is_worse


def test_several_targets_are_finds_alike(is_find):
    rng = np.random.default_rng(3)
    poor, good = columns(rng, is_find, 0.5), columns(rng, is_find, 5.0)
    answers = np.where(is_find, 1 + np.arange(N_LABELS) % 2, 0)
    found = judged(poor, good, answers, targets=(1, 2))
    assert len(found.field.before) == N_FINDS
    assert found.is_better


class Rounded:
    """A learner that says the first column, rounded, so that some are equal."""

    def __init__(self, _seed=0):
        pass

    def get_params(self, deep=True):
        return {}

    def set_params(self, **_):
        return self

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X):
        share = rounded(X) / 4 + 0.5
        return np.stack([1 - share, share], axis=1)


def rounded(rows):
    return np.clip(np.round(rows[:, 0]), -2, 2)


def test_how_late_a_find_comes_is_counted_among_others_and_field(is_find):
    """Against a plain count."""
    values = columns(np.random.default_rng(5), is_find, 1.0)
    fold = HeldOut(np.arange(N_LABELS) % 3 == 0, values, values)
    field = comparing._Field(fold, is_find.astype(int), is_find, 2_000, [0])
    in_field, in_others, first = field.places(Rounded, values, None, np.array([1]), 0)
    score = rounded(values)
    others = [n for n in range(N_LABELS) if fold.is_held[n] and not is_find[n]]
    n_stand_ins = 100 - 22  # of a hundred; two thirds of the 33 others are taught
    assert len(field.field) == N_FIELD - n_stand_ins
    expected = []
    for find in [n for n in range(N_LABELS) if fold.is_held[n] and is_find[n]]:
        shares = []
        for rest in (field.field.tolist(), others):
            above = sum(score[one] > score[find] for one in rest)
            equal = sum(score[one] == score[find] for one in rest)
            shares.append((above + equal / 2) / len(rest))
        expected.append(shares)
    assert in_field == pytest.approx([0.01 + one for one, _ in expected])
    assert in_others == pytest.approx([0.05 + one for _, one in expected])
    assert first.tolist() == [one <= 0.05 for one, _ in expected]
    taught = set(field.taught[field.taught < N_LABELS].tolist())
    assert taught == set(np.flatnonzero(~fold.is_held).tolist())
    assert not set(field.taught.tolist()) & {*field.field.tolist(), *others}


def test_noise_a_small_gain_and_folds_that_differ_take_nothing():
    level, folds = np.full(6, 0.2), np.repeat(np.arange(3), 2)

    def side(*octaves, low=0.01, high=0.9):
        return Lateness(level, level / 2.0 ** np.repeat(octaves, 2), folds, low, high)

    def better(*octaves, others=0.01, **interval):
        field = side(*octaves, **interval)
        return Comparison(field, side(1, 1, 1, low=others), level, level).is_better

    assert side(0.5, 0.5, 0.5).gain == pytest.approx(0.5)
    assert better(0.5, 0.5, 0.5)
    assert better(0.9, 0.1, 0.1)
    assert not better(0.9, 0.9, -0.1)
    assert not better(0.5, 0.5, 0.5, low=-0.01)
    assert not better(0.1, 0.1, 0.1)
    assert not better(0.5, 0.5, 0.5, others=-0.01)  # the answered come sooner, not the finds
    up, down = side(1, 1, 1), side(-1, -1, -1, low=-0.9, high=-0.1)
    assert Comparison(down, up, level, level).is_worse
    assert Comparison(up, down, level, level).is_worse
    assert not Comparison(up, up, level, level).is_worse


def test_views_of_one_thing_are_drawn_together():
    """Against a plain bootstrap of things, with the same draws."""
    late, folds = np.full(7, 0.2), np.zeros(7, dtype=int)
    octaves = np.array([0.0, 0.1, 1.0, 1.1, 1.2, -0.5, 0.3])
    things = np.array([4, 4, 9, 9, 9, 2, 5])
    found = comparing._lateness(late, late / 2**octaves, folds, things, 3)
    rng = np.random.default_rng([3, 0xB0])
    names = sorted(set(things.tolist()))
    means = []
    for drawn in rng.integers(0, 4, (comparing.DRAWS, 4)).tolist():
        gains = [one for place in drawn for one in octaves[things == names[place]]]
        means.append(sum(gains) / len(gains))
    assert found.low == pytest.approx(np.quantile(means, 0.01))
    assert found.high == pytest.approx(np.quantile(means, 0.99))


def test_folds_that_cannot_judge_are_left_out(is_find):
    values = columns(np.random.default_rng(3), is_find, 5.0)
    number = np.where(is_find, 0, np.arange(N_LABELS) % 3)
    folds = [HeldOut(number == one, values, values) for one in range(3)]
    with pytest.raises(NotReady, match="all lie in one"):
        compare(folds, is_find.astype(int), (1,), "neighbours", 0, 2_000)
    number[:3] = 1
    folds = [HeldOut(number == one, values, values) for one in range(3)]
    told: list[float] = []
    found = compare(
        folds,
        is_find.astype(int),
        (1,),
        "neighbours",
        0,
        2_000,
        [str(one // 2) for one in range(N_LABELS)],
        lambda fraction, _: told.append(fraction),
    )
    assert found.field.n_folds == 2
    assert told == sorted(told)
