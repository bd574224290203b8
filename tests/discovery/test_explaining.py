"""Why one object is odd, against a plain loop over the groups."""

from __future__ import annotations

import numpy as np
import pytest

from core.discovery import explaining
from core.discovery.detecting import FITTED
from core.discovery.detectors import isolation_forest as forest_module
from core.discovery.explaining import Explainer
from core.discovery.prepare import standardise
from core.errors import BadInput

GROUPS = [[0, 1], [2], [3, 4, 5]]


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch):
    monkeypatch.setattr(forest_module, "N_TREES", 30)


def survey(n=300):
    """Six columns on scales of their own; the last row is far out in columns 3 to 5 alone."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 6)) * [1, 10, 0.1, 5, 5, 5] + [0, 3, 0, 0, 1, 0]
    values[-1] = [0, 3, 0, 30, -30, 30]
    return values.astype(np.float16), np.ones(n, bool)


@pytest.mark.parametrize("detector", ["isolation_forest", "mahalanobis"])
def test_shares_are_those_of_a_plain_loop(detector):
    embedding, mask = survey()
    found = Explainer(embedding, mask, GROUPS, detector).explain(embedding[-1], 299)
    values, _ = standardise(embedding, mask)
    score = FITTED[detector](values, 0)
    usual = np.median(values, axis=0)

    def of(columns):
        altered = values[-1:].copy()
        altered[0, columns] = usual[columns]
        return float(score(altered, np.array([-1]))[0])

    before, after = of([]), of(list(range(6)))
    expected = [(before - of(group)) / (before - after) for group in GROUPS]
    np.testing.assert_allclose(found.shares, expected, rtol=1e-4, atol=1e-6)
    assert int(np.argmax(found.shares)) == 2
    assert found.score == pytest.approx(before, rel=1e-5)
    every = score(values, np.full(len(values), -1))
    assert found.share_below == pytest.approx(float((every < every[-1]).mean()))
    plain = embedding.astype(np.float32)
    centre = np.median(plain, axis=0)
    scatter = 1.4826 * np.median(np.abs(plain - centre), axis=0)
    np.testing.assert_allclose(found.robust_z, (plain[-1] - centre) / scatter, rtol=1e-4)


@pytest.mark.parametrize("detector", ["knn_distance", "lof"])
def test_an_object_is_no_neighbour_of_itself(detector):
    embedding, mask = survey()
    known = Explainer(embedding, mask, GROUPS, detector)
    values, _ = standardise(embedding, mask)
    ranking = FITTED[detector](values, 0)(values, np.arange(len(values)))
    for row in (3, 299):
        found = known.explain(embedding[row], row)
        assert found.score == pytest.approx(float(ranking[row]), rel=1e-4)
        assert found.share_below == pytest.approx(np.mean(ranking < ranking[row]), abs=0.004)
    if detector == "knn_distance":
        far = np.sort(np.linalg.norm(values - values[3], axis=1))
        assert known.explain(embedding[3], 3).score == pytest.approx(far[1:11].mean(), rel=1e-4)
    # Something that is not in the sample has all of it for neighbours.
    mask[3] = False
    without = Explainer(embedding, mask, GROUPS, detector)
    assert without.explain(embedding[3], 3).score == without.explain(embedding[3]).score


def test_it_repeats_exactly_and_a_usual_object_has_no_reasons():
    embedding, mask = survey()
    first, second = (Explainer(embedding, mask, GROUPS, seed=3) for _ in range(2))
    one, two = first.explain(embedding[5]), second.explain(embedding[5])
    assert one.score == two.score
    np.testing.assert_array_equal(one.shares, two.shares)
    middle = first.explain(first.median)
    assert middle.share_below < 0.2
    assert not (middle.shares > 0).any()


def test_a_large_survey_is_sampled_and_unseen_rows_are_left_out(monkeypatch):
    monkeypatch.setattr(explaining, "SAMPLE", 100)
    embedding, mask = survey()
    mask[:40] = False
    embedding[:40] = np.nan
    known = Explainer(embedding, mask, GROUPS)
    assert known.n_compared == 100
    assert np.isfinite(known.median).all()
    found = known.explain(embedding[-1])
    assert int(np.argmax(found.shares)) == 2
    assert np.isfinite(found.robust_z).all()


def test_unseen_rows_are_nothing_that_is_usual():
    embedding, mask = survey()
    mask[:200] = False
    embedding[:200] = np.nan
    # As if the unseen rows had never been in the survey.
    alone = Explainer(embedding[200:], mask[200:], GROUPS)
    one, two = (
        known.explain(embedding[-1]) for known in (Explainer(embedding, mask, GROUPS), alone)
    )
    assert one.score == pytest.approx(two.score)
    assert one.share_below == two.share_below
    np.testing.assert_allclose(one.shares, two.shares)


def test_a_column_that_hardly_ever_varies_has_a_finite_scatter():
    embedding, mask = survey()
    embedding[:, 2] = 0
    embedding[7, 2] = 1
    found = Explainer(embedding, mask, GROUPS).explain(embedding[7])
    assert found.robust_z[2] == pytest.approx(1 / embedding[:, 2].astype(float).std(), rel=1e-3)


@pytest.mark.parametrize(
    ("groups", "detector", "words"),
    [
        (GROUPS, "farthest_first", "one of"),
        ([[0], []], "isolation_forest", "columns of the embedding"),
        ([[0, 6]], "isolation_forest", "6 columns"),
    ],
)
def test_what_cannot_be_explained_is_told(groups, detector, words):
    embedding, mask = survey()[:2]
    with pytest.raises(BadInput, match=words):
        Explainer(embedding, mask, groups, detector)


def test_nothing_seen_is_told():
    embedding, mask = survey()
    with pytest.raises(BadInput, match="nothing to see"):
        Explainer(embedding, ~mask, GROUPS)
