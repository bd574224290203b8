"""The artefact study: shares are kept, artefacts do what they say, curves follow their words."""

from __future__ import annotations

import tarfile
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from benchmarks.artefact_study_curves import given_up, in_worst
from benchmarks.artefact_study_drawing import ZERO_COLOURS, draw_curves, draw_maps, zero_step
from benchmarks.artefact_study_networks import ENTRIES, trained
from benchmarks.artefact_study_sky import (
    GOOD,
    KINDS,
    View,
    counts_of,
    deal_out,
    picture,
    write_tars,
)


@pytest.mark.parametrize("n_views", [8000, 400, 1000])
def test_a_twentieth_of_the_views_is_spoilt_by_each_kind_in_its_part(n_views):
    counts = counts_of(n_views)
    assert sum(counts.values()) == n_views // 20
    assert list(counts) == list(KINDS)
    for kind, part in KINDS.items():
        assert abs(counts[kind] - part * n_views / 20) <= 2
    views = deal_out(n_views // 4, seed=3)
    dealt = Counter(view.kind for view in views)
    assert dealt == {**counts, GOOD: n_views - n_views // 20}
    assert len({view.object_id for view in views}) == n_views
    assert deal_out(n_views // 4, seed=3) == views != deal_out(n_views // 4, seed=4)
    # Shuffled over all galaxies and cameras, not the first of them.
    spoilt = [view for view in views if view.kind != GOOD]
    assert {view.camera for view in spoilt} == {0, 1, 2, 3}
    assert max(view.galaxy for view in spoilt) > n_views // 8


def spoilt_and_good(kind: str, galaxy: int) -> tuple[np.ndarray, np.ndarray]:
    """The same view with and without its artefact."""
    view = View(f"sim_{galaxy:06d}_cam1", galaxy, 1, kind)
    good = View(view.object_id, galaxy, 1, GOOD)
    return picture(view, 0), picture(good, 0)


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_artefact_changes_its_picture_and_repeats(kind):
    changed = []
    for galaxy in range(16):
        spoilt, good = spoilt_and_good(kind, galaxy)
        assert spoilt.dtype == np.float32
        assert np.isfinite(spoilt).all()
        changed.append(float((spoilt != good).mean()))
        if kind == "missing":
            assert not spoilt[spoilt != good].any()
        if kind == "cosmic":
            assert (spoilt >= good).all()
    again, _ = spoilt_and_good(kind, 15)
    assert np.array_equal(again, spoilt)
    assert min(changed) > 0
    if kind in ("missing", "cosmic"):  # the others reach far, if faintly
        assert min(changed) < 0.05
        assert max(changed) > 5 * min(changed)


def test_four_cameras_see_one_galaxy_from_four_sides():
    """Their light is the same from each; noise, seeing and chance neighbours differ."""
    galaxies = []
    for galaxy in range(12):
        views = [picture(View("", galaxy, camera, GOOD), 0) for camera in range(4)]
        galaxies.append([float(view[20:44, 20:44].sum()) for view in views])
    light = np.array(galaxies)
    within = light.std(axis=1) / light.mean(axis=1)
    assert np.median(within) < 0.15
    assert light.mean(axis=1).std() / light.mean() > 3 * np.median(within)


def test_the_tar_files_hold_every_view(tmp_path):
    views = deal_out(201, seed=0)
    views = [*views[:3], *views[798:804]]
    write_tars(tmp_path / "tars", views[:3], 0)
    write_tars(tmp_path / "again", views[:3], 0)
    (one,) = (tmp_path / "tars").iterdir()
    assert one.read_bytes() == (tmp_path / "again" / one.name).read_bytes()
    with tarfile.open(one) as tar:
        assert tar.getnames() == [f"{view.object_id}.fits" for view in views[:3]]
        with fits.open(tar.extractfile(tar.getnames()[1])) as hdus:
            assert np.array_equal(hdus[0].data, picture(views[1], 0))
            assert hdus[0].header["CAMERA"] == 1


def rest_one_by_one(groups, badness, artefact, share):
    """Purity of the rest by going through objects, whole groups, one after another."""
    order = sorted(set(groups), key=lambda one: -np.mean(badness[groups == one]))
    left = share * len(groups)
    kept_good = kept_bad = 0.0
    for one in order:
        inside = groups == one
        gone = min(1.0, left / inside.sum())
        left = max(0.0, left - inside.sum())
        kept_good += (1 - gone) * (inside & ~artefact).sum()
        kept_bad += (1 - gone) * (inside & artefact).sum()
    return kept_good / (kept_good + kept_bad)


def test_the_curve_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    groups = rng.integers(-1, 6, 500)
    artefact = rng.random(500) < 0.02 + 0.1 * (groups == 3) + 0.6 * (groups == -1)
    badness = (artefact & (rng.random(500) < 0.7)).astype(float)
    curve = given_up(groups, badness, artefact)
    for share in (0.0, 0.013, 0.05, 0.2, 0.5, 0.77, 0.99):
        expected = rest_one_by_one(groups, badness, artefact, share)
        assert curve.purity_at(share) == pytest.approx(expected, abs=1e-12)
    worst = in_worst(groups, badness, 2)
    assert curve.share(2) == pytest.approx(worst.mean())
    assert curve.collected(2) == pytest.approx((worst & artefact).sum() / artefact.sum())
    assert curve.lost(2) == pytest.approx((worst & ~artefact).sum() / (~artefact).sum())
    assert curve.purity(2) == pytest.approx((~artefact[~worst]).mean())
    assert set(np.unique(groups[worst])) >= {-1}
    # One group is as good as drawing at random.
    flat = given_up(np.zeros(500, int), badness, artefact)
    assert flat.purity_at(0.4) == pytest.approx((~artefact).mean())


def test_the_truth_is_the_best_order_and_does_not_order_otherwise():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 7, 300)
    artefact = rng.random(300) < 0.3 * (groups < 2)
    best = given_up(groups, artefact.astype(float), artefact)
    other = given_up(groups, rng.random(300), artefact)
    assert best.collected(2) == 1.0 > other.collected(2)
    turned = given_up(groups, rng.random(300), ~artefact)
    assert turned.objects[-1] == other.objects[-1] == 300


def test_a_network_that_was_trained_for_another_time_is_not_taken(monkeypatch):
    entry = ENTRIES["convolutional, weights of the job"]
    survey: Any = None
    runs = [
        SimpleNamespace(
            run_id=f"pretrain-{steps}", config={"method": entry.encoder, "steps": steps}
        )
        for steps in (250, entry.steps)
    ]
    monkeypatch.setattr("benchmarks.artefact_study_networks.finished_runs", lambda *_: runs)
    assert trained(survey, entry) == f"pretrain-{entry.steps}"
    runs.pop()
    assert trained(survey, entry) is None


def test_zero_fractions_have_their_colours():
    steps = zero_step(np.array([0.0, 1e-4, 0.02, 0.03, 0.21, 0.9, 1.0]))
    assert steps.tolist() == [0, 1, 1, 2, 4, 5, 5]
    assert len(ZERO_COLOURS) == 6


def test_the_figures_are_small_and_hold_every_object(tmp_path):
    rng = np.random.default_rng(0)
    zero = np.where(rng.random(2000) < 0.05, rng.random(2000), 0.0)
    maps = {one: rng.standard_normal((2000, 2)) for one in ("a", "b", "c")}
    draw_maps(tmp_path / "maps.svg", maps, zero)
    text = (tmp_path / "maps.svg").read_text()
    assert text.count("h0") == 6000
    assert len(text) < 150_000
    lines = {"some": ([0.0, 0.6], [0.95, 0.99]), "none": ([0.0, 0.6], [0.95, 0.95])}
    draw_curves(tmp_path / "curves.svg", lines, lowest=0.94, most=0.6)
    drawn = (tmp_path / "curves.svg").read_text()
    # 95 % lies five sixths down the frame of 300 px that begins at 28.
    assert 'points="58.0,278.0 578.0,78.0"' in drawn
