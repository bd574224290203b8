"""Look-alikes: distances, weights, counter-examples and ties, against plain loops."""

import numpy as np
import pytest

from core.errors import BadInput, Damaged
from core.mapping.cells import Cells, load_cells, make_cells, save_cells
from core.mapping.lookalikes import ALL, ANY, COSINE, EUCLIDEAN, Lookalikes, Wanted


def made(n=300, d=9, dtype=np.float16, seed=0):
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(n, d)) + 2 * rng.normal(size=(7, d))[rng.integers(0, 7, n)]).astype(
        dtype
    )
    mask = rng.random(n) > 0.1
    values[~mask] = np.nan
    return values, mask


def plain_distance(a, b, metric):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if metric == EUCLIDEAN:
        return float(np.sqrt(((a - b) ** 2).sum()))
    if not a.any() or not b.any():
        return 1.0
    return 1 - float((a * b).sum()) / np.sqrt(float((a * a).sum()) * float((b * b).sum()))


def plain_standing(row, like, unlike, like_weights, unlike_weights, how, metric):
    """(distance, standing) of one row, as the class says it, example by example."""
    each = [plain_distance(row, one, metric) for one in like]
    if how == ALL:
        distance = sum(w * d for w, d in zip(like_weights, each, strict=True)) / sum(like_weights)
    else:
        distance = min(d * max(like_weights) / w for w, d in zip(like_weights, each, strict=True))
    if not len(unlike):
        return distance, distance
    away = min(
        plain_distance(row, one, metric) * max(unlike_weights) / w
        for w, one in zip(unlike_weights, unlike, strict=True)
    )
    return distance, distance * min(max(1.0, distance / away), 10.0)


@pytest.mark.parametrize("metric", [COSINE, EUCLIDEAN])
@pytest.mark.parametrize("how", [ALL, ANY])
@pytest.mark.parametrize("n_unlike", [0, 2])
def test_order_and_distances_are_those_of_a_plain_loop(metric, how, n_unlike):
    values, mask = made()
    rng = np.random.default_rng(3)
    like, unlike = rng.normal(size=(3, 9)), rng.normal(size=(n_unlike, 9))
    weights, counter = np.array([1.0, 3.0, 0.5]), np.array([1.0, 2.0])[:n_unlike]
    wanted = Wanted(like, unlike, weights, counter, how)
    found = Lookalikes(values, mask, metric).search(wanted, 25)
    expected = sorted(
        (plain_standing(values[row], like, unlike, weights, counter, how, metric)[1], row)
        for row in np.flatnonzero(mask)
    )
    assert found.rows.tolist() == [row for _, row in expected[:25]]
    np.testing.assert_allclose(found.standings, [s for s, _ in expected[:25]], rtol=1e-5)
    distances = [
        plain_standing(values[row], like, unlike, weights, counter, how, metric)[0]
        for row in found.rows
    ]
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5)
    np.testing.assert_allclose(
        np.sort(found.spread), [s for s, _ in expected], rtol=2e-3, atol=1e-4
    )
    assert not found.sampled


def test_a_counter_example_pushes_back_what_is_nearer_to_it_only():
    values = np.array([[0, 0], [1, 0], [0, 1.05], [0.4, 0], [0.7, 0], [9, 9]], np.float32)
    search = Lookalikes(values, np.ones(6, bool), EUCLIDEAN)
    like, unlike = values[:1], values[1:2]
    assert search.search(Wanted(like), 6).rows.tolist() == [0, 3, 4, 1, 2, 5]
    found = search.search(Wanted(like, unlike), 6)
    assert found.rows.tolist() == [0, 3, 2, 4, 1, 5]
    assert found.standings.tolist() == pytest.approx(
        [0, 0.4, 1.05, 0.7 * 0.7 / 0.3, 10, 9 * 2**0.5 * 9 * 2**0.5 / np.hypot(8, 9)]
    )


def test_masked_and_forbidden_rows_never_come_and_few_are_all_there_are():
    values, mask = made(40)
    allowed = np.arange(40) % 3 > 0
    found = Lookalikes(values, mask).search(Wanted(values[mask][:1]), 500, allowed)
    assert sorted(found.rows) == np.flatnonzero(mask & allowed).tolist()
    assert len(found.spread) == (mask & allowed).sum()
    nobody = Lookalikes(values, np.zeros(40, bool)).search(Wanted(np.ones((1, 9))), 3)
    assert len(nobody.rows) == len(nobody.spread) == 0


@pytest.mark.parametrize("metric", [COSINE, EUCLIDEAN])
def test_equals_come_by_row_and_copies_at_distance_zero(metric):
    """Large numbers, of which float32 keeps too little to tell near ones apart in one pass."""
    rng = np.random.default_rng(1)
    values = (1000 + rng.normal(size=(5000, 12))).astype(np.float32)
    values[[17, 1200, 4711]] = values[3000]
    values[99] = values[3000] + np.float32(0.01)
    found = Lookalikes(values, np.ones(5000, bool), metric).search(Wanted(values[3000:3001]), 5)
    assert found.rows[:4].tolist() == [17, 1200, 3000, 4711]
    np.testing.assert_allclose(found.distances[:4], 0, atol=1e-12)
    if metric == EUCLIDEAN:
        assert found.rows[4] == 99
    again = Lookalikes(values, np.ones(5000, bool), metric).search(Wanted(values[3000:3001]), 2)
    assert again.rows.tolist() == [17, 1200]


def test_distances_of_all_rows_have_gaps_where_nothing_was_seen():
    values, mask = made(50)
    distances, standings = Lookalikes(values, mask).distances(Wanted(values[mask][:2]))
    assert np.isnan(distances).tolist() == (~mask).tolist()
    assert distances.tolist() == standings.tolist() or np.isnan(standings[~mask]).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Wanted(np.empty((0, 3))), "at least one example, but got none"),
        (lambda: Wanted(np.empty((0, 3)), np.ones((1, 3))), "only what it shall not be like"),
        (lambda: Wanted(np.full((1, 3), np.nan)), "nothing to see"),
        (lambda: Wanted(np.ones((2, 3)), like_weights=np.array([1.0, 0.0])), "above 0"),
        (lambda: Wanted(np.ones((101, 3))), "At most 100"),
        (lambda: Wanted(np.ones((1, 3)), how="none"), "all or any"),
        (lambda: Lookalikes(np.ones((4, 3)), np.ones(4, bool), "manhattan"), "manhattan"),
        (
            lambda: Lookalikes(np.ones((4, 3)), np.ones(4, bool)).search(
                Wanted(np.ones((1, 2))), 1
            ),
            "rows of 3 numbers",
        ),
        (
            lambda: Lookalikes(np.ones((4, 3)), np.ones(4, bool)).search(
                Wanted(np.ones((1, 3))), 0
            ),
            "at least 1",
        ),
    ],
)
def test_what_cannot_be_searched_is_told(make, words):
    with pytest.raises(BadInput, match=words):
        make()


@pytest.mark.parametrize("metric", [COSINE, EUCLIDEAN])
def test_cells_hold_every_seen_row_once_and_find_what_they_promise(metric, tmp_path):
    values, mask = made(4000, seed=5)
    cells = make_cells(values, mask, metric, seed=1)
    assert sorted(cells.rows.tolist()) == np.flatnonzero(mask).tolist()
    assert cells.recall >= 0.95
    cells = load_cells(tmp_path, save_cells(cells, tmp_path))
    everywhere, through = Lookalikes(values, mask, metric), Lookalikes(values, mask, metric, cells)
    held = []
    for row in np.flatnonzero(mask)[::80]:
        wanted = Wanted(values[row : row + 1])
        exact, found = everywhere.search(wanted, 10), through.search(wanted, 10)
        assert found.sampled
        held.append(np.isin(exact.rows, found.rows).mean())
        both = np.intersect1d(exact.rows, found.rows)
        assert exact.distances[np.isin(exact.rows, both)].tolist() == (
            found.distances[np.isin(found.rows, both)].tolist()
        )
    assert np.mean(held) > 0.9


def test_cells_look_further_where_a_filter_leaves_few():
    values, mask = made(2000, seed=6)
    cells = make_cells(values, mask, seed=1)
    allowed = np.zeros(2000, bool)
    allowed[np.flatnonzero(mask)[-3:]] = True
    found = Lookalikes(values, mask, cells=cells).search(Wanted(values[mask][:1]), 10, allowed)
    assert sorted(found.rows) == np.flatnonzero(allowed).tolist()


def test_damaged_cells_are_told(tmp_path):
    (tmp_path / "cells.npz").write_bytes(b"no archive")
    with pytest.raises(Damaged, match="prepare the look-alikes again"):
        load_cells(tmp_path, {"probed": 1, "recall": 1.0, "metric": COSINE})


@pytest.mark.parametrize("metric", [COSINE, EUCLIDEAN])
def test_cells_find_what_they_promise_with_several_examples(metric):
    rng = np.random.default_rng(7)
    values, mask = made(6000, d=12, seed=7)
    cells = make_cells(values, mask, metric, seed=1)
    assert 0.95 <= cells.recall <= 1
    everywhere, through = Lookalikes(values, mask, metric), Lookalikes(values, mask, metric, cells)
    for how, n, n_unlike in ((ALL, 2, 0), (ALL, 6, 0), (ANY, 2, 0), (ANY, 20, 0), (ALL, 2, 1)):
        held = []
        for _ in range(15):
            examples = values[rng.choice(np.flatnonzero(mask), n + n_unlike, replace=False)]
            like, unlike = examples[:n].astype(np.float32), examples[n:].astype(np.float32)
            wanted = Wanted(like, unlike, rng.uniform(0.5, 2, n), how=how)
            exact, found = everywhere.search(wanted, 10), through.search(wanted, 10)
            held.append(np.isin(exact.rows, found.rows).mean())
        assert np.mean(held) > 0.9, (how, n, n_unlike)
    assert cells.probed < len(cells.centres)


def test_cells_are_taken_as_their_centres_stand():
    centres = np.array([[0, 0], [4, 0], [2, 0.5], [9, 9]], np.float32)
    cells = Cells(centres, np.arange(5), np.arange(4, dtype=np.int32), 1, 1.0, EUCLIDEAN)
    like = np.array([[0, 1], [4, 1]], np.float32)
    both = Wanted(like, like_weights=np.array([1.0, 1.0]))
    assert cells.ordered(both).tolist() == [2, 0, 1, 3]
    assert cells.near(both, np.ones(4, bool), 1).tolist() == [0, 1, 2, 3]  # there are so few
    one = Wanted(like, like_weights=np.array([1.0, 50.0]), how=ANY)
    assert cells.ordered(one)[0] == 1


def test_what_stands_nearer_comes_before_any_number_of_equals():
    """Thousands of copies at the k-th place: those before it are found wherever they lie."""
    values = np.zeros((9000, 2), np.float32)
    values[:, 0] = 1.0
    values[8990:, 0] = 0.5 + np.arange(10) / 100
    search = Lookalikes(values, np.ones(9000, bool), EUCLIDEAN)
    found = search.search(Wanted(np.zeros((1, 2), np.float32)), 12)
    assert found.rows.tolist() == [*range(8990, 9000), 0, 1]


def test_cut_off_cells_are_told(tmp_path):
    values, mask = made(100)
    told = save_cells(make_cells(values, mask), tmp_path)
    whole = (tmp_path / "cells.npz").read_bytes()
    for length in (0, len(whole) // 2, len(whole) - 30):
        (tmp_path / "cells.npz").write_bytes(whole[:length])
        with pytest.raises(Damaged, match="prepare the look-alikes again"):
            load_cells(tmp_path, told)
