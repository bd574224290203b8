"""What is odd in one own column alone, or to a detector, in two passes over a large survey."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from core.config import LoopConfig
from core.discovery import Engine, imitation, prepare, shortlist, wide
from core.discovery.imitation import KNOTS, LEANED_ON, Bent, Imitation, View, leaned_on
from core.discovery.learners.logistic import REGULARISATION_C
from core.discovery.outside import Outside
from core.discovery.prepare import Standardised
from core.discovery.registry import LEARNERS
from core.discovery.wide import Wide

N, D = 6_000, 40
KINDS = ("other", "high", "band", "odd")
SMALL = {"LISTED": 400, "MOST_LISTED": 1_500, "FITTED_TO": 800, "CHECKED": 800}


def survey():
    """Eight components hold all but the last columns; a high one and a narrow band in two of
    these, and three columns off, other ones each time, are what the targets are."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, 8)) @ rng.normal(size=(8, D)) + 0.5 * rng.normal(size=(N, D))
    values /= values.std(axis=0)
    values[:, 36:] = rng.normal(size=(N, 4))
    kind = np.zeros(N, int)
    for number in (1, 2, 3):
        kind[number::100] = number
    values[kind == 1, 37] += 5
    values[kind == 2, 38] = rng.uniform(2.4, 2.5, (kind == 2).sum())
    for row in np.flatnonzero(kind == 3):
        values[row, rng.choice(36, 3, replace=False)] += rng.choice([-5, 5], 3)
    return values.astype(np.float16), kind


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch):
    """Six thousand rows are a large survey here, of which eight components are kept."""
    for module in (shortlist, wide):
        monkeypatch.setattr(module, "FULL_ROWS", 1_000)
    for name, value in SMALL.items():
        monkeypatch.setattr(shortlist, name, value)
    monkeypatch.setattr(imitation, "_CHUNK", 512)
    monkeypatch.setattr(prepare, "COMPONENTS", 8)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """(engine on an embedding that is mapped from its file, that, kind of every row)."""
    values, kind = survey()
    path = tmp_path_factory.mktemp("embedding") / "embedding.npy"
    np.save(path, values)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(prepare, "COMPONENTS", 8)
        config = LoopConfig(control_share=0, queue_length=50)
        mapped = np.load(path, mmap_mode="r")
        yield Engine(mapped, np.ones(N, bool), KINDS, "high", config), mapped, kind


def some_labels(kind, *targets):
    rng = np.random.default_rng(1)
    counts = {0: 60, **dict.fromkeys(targets, 20)}
    rows = [rng.choice(np.flatnonzero(kind == k), count) for k, count in counts.items()]
    return {int(row): KINDS[kind[row]] for row in np.concatenate(rows)}


def shared(quick, full):
    return len({pick.row for pick in quick.picks} & {pick.row for pick in full.picks})


@pytest.mark.parametrize("targets", [(1,), (2,), (3,), (1, 3)])
def test_what_few_columns_tell_is_listed(stored, targets, monkeypatch):
    engine, _, kind = stored
    names = [KINDS[one] for one in targets]
    engine = engine.with_task(("other", *names), names[0], names[1:])
    labels = some_labels(kind, *targets)
    quick = engine.rerank(labels)
    assert quick.told.n_full < 1_600 + len(labels) + 400 * len(targets)  # the short lists did
    monkeypatch.setattr(shortlist, "FULL_ROWS", N)
    full = engine.rerank(labels)
    assert full.told is None
    assert shared(quick, full) >= 48
    found, whole = (sum(kind[pick.row] in targets for pick in one.picks) for one in (quick, full))
    assert found >= max(whole - 1, 6)  # one in a hundred or two is, by chance


def test_the_order_of_answers_leaves_no_trace(stored):
    engine, _, kind = stored
    labels = some_labels(kind, 1)
    task = engine.with_task(KINDS[:2], "high")
    one = task.rerank(labels)
    task.rerank(dict(list(labels.items())[:50]))
    other = task.rerank(dict(reversed(labels.items())))
    assert other.picks == one.picks
    assert (other.scores == one.scores).all()


@pytest.mark.parametrize("most", [1_000, N + 5])
def test_what_was_known_before_is_listed_too(stored, most, monkeypatch):
    for module in (shortlist, wide):  # with N + 5 it is the known ones that make the survey large
        monkeypatch.setattr(module, "FULL_ROWS", most)
    engine, values, kind = stored
    like = values[kind == 1][:15].astype(np.float32)
    taught = engine.with_task(KINDS[:2], "high").with_outside(Outside(like, ("high",) * 15))
    labels = dict.fromkeys(some_labels(kind), "other")
    quick = taught.rerank(labels)
    assert quick.told is not None
    monkeypatch.setattr(shortlist, "FULL_ROWS", N + 15)
    full = taught.rerank(labels)
    assert full.told is None
    assert shared(quick, full) >= 48


# Against plain references


def patchy_rows(below=3):
    rng = np.random.default_rng(2)
    values = rng.normal(2, 3, size=(90, 5)).astype(np.float16)
    values[7, 2] = np.nan
    mask = rng.random(90) > 0.1
    own = Standardised(values, mask)
    others = own.of_others(rng.normal(size=(below, 5))) if below else None
    white, score = rng.normal(size=(90 + below, 4)), rng.normal(size=90 + below)
    return Wide(white.astype("f4"), [score.astype("f4")], own, others)


@pytest.mark.parametrize("below", [0, 3])
def test_some_own_columns_are_those_of_all(below):
    rows = patchy_rows(below)
    assert rows.n_own == 5
    whole = rows[:]
    columns = np.array([4, 0, 2])
    view = View(whole[:, :4], rows, columns)
    mask = np.arange(len(rows)) % 2 == 0
    numbers = np.array([89, 7, 7, len(rows) - 1])
    for asked in (slice(0, 40), slice(80, 999), numbers, mask, np.empty(0, int)):
        seen = view[asked]
        assert (seen.own == whole[asked][:, 5 + columns]).all()
        assert (seen.odd == whole[asked][:, 4:5]).all()
        assert (seen.white == whole[asked][:, :4]).all()
    assert (view.odd(slice(80, 999)) == whole[80:, 4:5]).all()
    plain = Wide(whole[:, :4], [], whole[:, 5:])
    assert (plain.own_columns(slice(3, 9), columns) == whole[3:9][:, 5 + columns]).all()


def test_what_trees_make_most_of_is_seen():
    rows = patchy_rows()
    assert rows.shape[1] == 4 + 1 + 5 + 1  # the last tells what is missing, as the components do
    importance = np.array([9, 9, 9, 9, 9, 0.2, 0, 0.5, 0.1, 0, 9])
    seen = leaned_on(SimpleNamespace(feature_importances_=importance), rows)
    assert seen.tolist() == [0, 2, 3]
    rng = np.random.default_rng(3)
    many = Wide(rng.normal(size=(300, 2)).astype("f4"), [], rng.normal(size=(300, 30)))
    answers = (many[:][:, 2 + 17] > 1).astype(int)
    for entry in LEARNERS.values():
        if entry.wide:
            estimator = entry.call(0).set_params(n_leading=many.n_leading)
            columns = leaned_on(estimator.fit(many[:], answers), many)
            assert len(columns) == LEANED_ON
            assert 17 in columns
            assert (np.diff(columns) > 0).all()


def test_bent_lines_add_up():
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(50, 3)).astype(np.float32)
    bent = Bent(columns)
    slopes = rng.normal(size=(bent.n_features, 2))
    bent.set_slopes(slopes)
    sums = np.ones((50, 2), np.float32)
    bent.add(columns, sums)
    per_column = slopes[3:].reshape(3, len(KNOTS), 2)
    for row in range(50):
        plain = np.ones(2)
        for c in range(3):
            x = columns[row, c]
            plain += slopes[c] * x
            for k, share in enumerate(KNOTS):
                plain += per_column[c, k] * max(x, np.quantile(columns[:, c], share))
        assert sums[row] == pytest.approx(plain, abs=1e-4)
    unchanged = np.ones((50, 2), np.float32)
    Bent(columns[:, :0]).add(columns[:, :0], unchanged)
    assert (unchanged == 1).all()


def test_the_imitation_is_a_ridge_regression():
    rng = np.random.default_rng(5)
    rows = Wide(
        rng.normal(size=(700, 3)).astype("f4"),
        [rng.normal(size=700).astype("f4")],
        rng.normal(size=(700, 4)).astype("f4"),
    )
    view = View(rows[:][:, :3], rows, np.array([1, 3]))
    taught = view[:60].white, (rng.random(60) > 0.5).astype(int)
    own = rng.dirichlet((1, 2), 700).astype(np.float32)
    simple = Imitation(taught, view[:500], own[:500], (1,), view.columns)
    chances, order = simple.score(view)

    seen = view[:]
    columns = np.hstack([seen.own, seen.odd])
    guide = LogisticRegression(C=REGULARISATION_C, class_weight="balanced", max_iter=2000)
    knots = np.quantile(columns[:500], KNOTS, axis=0)
    features = np.hstack(
        [
            *(seen.white, seen.white**2, guide.fit(*taught).predict_proba(seen.white), columns),
            *(np.maximum(columns - knot, 0) for knot in knots),
        ]
    )
    scaler = StandardScaler().fit(features[:500])
    ridge = Ridge(imitation._RIDGE * 500).fit(scaler.transform(features[:500]), own[:500, 1])
    assert order[:, 0] == pytest.approx(ridge.predict(scaler.transform(features)), abs=2e-3)
    inside = (order[:, 0] > 0.01) & (order[:, 0] < 0.99)
    assert chances[inside, 1] == pytest.approx(order[inside, 0], abs=1e-3)

    # Others may work all out but what the detectors' scores add.
    sums = simple.regressed(seen.white[:600], seen.own[:600])
    assert (simple.score(view, sums)[1] == order).all()
