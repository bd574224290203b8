"""The simulated survey: repeats exactly, keeps its recipe, and gives nothing away."""

import csv
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from core.errors import AlreadyExists, BadInput, Cancelled
from core.survey.demos import _rarities as rarities
from core.survey.demos import build_demo, simulated
from core.survey.demos._population import draw_galaxy, draw_magnitude
from core.survey.demos._profiles import double_gaussian_psf, effective_pixels, render_painted
from core.survey.demos.simulated import Label, build_simulated, deal_out, simulate_cutouts
from core.survey.store import Survey, list_surveys
from core.workspace import open_workspace


@pytest.fixture(scope="module")
def batches():
    return list(simulate_cutouts(400, seed=11))


@pytest.fixture(scope="module")
def images(batches):
    return np.concatenate([batch.images for batch in batches])


@pytest.fixture(scope="module")
def labels(batches):
    return np.array([row.label for batch in batches for row in batch.truth])


@pytest.fixture
def workspace(tmp_path):
    return open_workspace(tmp_path / "w")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    def whole(seed):
        (batch,) = simulate_cutouts(40, seed=seed)
        return batch.images.tobytes(), batch.object_ids, batch.columns, batch.truth

    assert whole(5) == whole(5)
    assert whole(5)[0] != whole(6)[0]
    assert whole(5)[1] != whole(6)[1]


def test_shapes_ids_and_columns(batches, images):
    assert images.shape == (400, 3, 64, 64)
    assert images.dtype == np.float32
    assert np.isfinite(images).all()
    ids = [object_id for batch in batches for object_id in batch.object_ids]
    assert len(set(ids)) == 400
    assert [row.object_id for batch in batches for row in batch.truth] == ids
    columns = {name for batch in batches for entry in batch.columns for name in entry}
    assert columns == {"psf_fwhm_arcsec", "mag_r", "g_r", "r_i"}


def test_class_counts_of_the_full_survey():
    counts = Counter(what.label for what in deal_out(4000, seed=1))
    assert counts == {
        Label.DUAL: 60,
        Label.CONFUSER: 600,
        Label.LENS: 20,
        Label.ARTEFACT: 40,
        Label.ORDINARY: 3280,
    }


def test_confusers_come_in_equal_shares(monkeypatch):
    called = []

    def noting(recipe):
        def draw(rng, fwhm):
            called.append(recipe.__name__)
            return recipe(rng, fwhm)

        return draw

    monkeypatch.setattr(simulated, "CONFUSERS", tuple(map(noting, rarities.CONFUSERS)))
    list(simulate_cutouts(133, seed=2))
    assert Counter(called) == dict.fromkeys(
        ("star_in_front", "chance_neighbour", "clumpy_disc", "bright_knot"), 5
    )


def test_separations_are_uniform_and_flux_ratios_log_uniform():
    drawn = [rarities.dual_nucleus(np.random.default_rng([3, k]), 1.4)[1:] for k in range(400)]
    separation, ratio = np.array(drawn).T
    assert stats.kstest(separation, "uniform", args=(0.5, 3.5)).pvalue > 0.01
    assert stats.kstest(np.log(ratio), "uniform", args=(0, np.log(20))).pvalue > 0.01


def test_the_two_nuclei_are_as_far_apart_and_as_bright_as_the_truth_says():
    for k in range(20):
        scene, separation, ratio = rarities.dual_nucleus(np.random.default_rng([4, k]), 1.3)
        first, second = scene.components[-2:]
        distance = np.hypot(first.x - second.x, first.y - second.y)
        assert distance / 1.3 == pytest.approx(separation)
        assert first.flux[1] / second.flux[1] == pytest.approx(ratio)


def test_only_dual_nuclei_have_a_separation(batches):
    for row in (row for batch in batches for row in batch.truth):
        is_dual = row.label == Label.DUAL
        assert (row.separation_fwhm is not None) == is_dual
        assert (row.flux_ratio is not None) == is_dual


def test_sky_noise_and_depth_are_as_stated(images, labels):
    corners = images[labels == Label.ORDINARY][:, :, :6, :6]
    # The median of the corners' spread: a chance neighbour in one of them does not count.
    measured = np.median(corners.std(axis=(2, 3)), axis=0)
    assert measured == pytest.approx(simulated.SKY_SIGMA, rel=0.04)
    psf = double_gaussian_psf(1.4 * simulated.FWHM_BY_BAND)
    noise = measured * np.sqrt(effective_pixels(psf, simulated.PIXEL_SCALE_ARCSEC))
    depth = 22.5 - 2.5 * np.log10(5 * noise)
    assert depth == pytest.approx([22.2, 22.0, 21.4], abs=0.08)


def test_catalogue_entries_are_read_off_the_noisy_pixels(batches):
    axis = (np.arange(64) - 31.5) * 0.396
    within = np.hypot(*np.meshgrid(axis, axis)) < 4.0
    batch = batches[0]
    for image, entry in zip(batch.images[:30], batch.columns, strict=False):
        assert entry["mag_r"] == pytest.approx(
            22.5 - 2.5 * np.log10(image[1][within].sum(dtype=float)), abs=1e-3
        )
        assert 1.2 <= entry["psf_fwhm_arcsec"] <= 1.6


def test_magnitudes_grow_in_number_to_the_faint_end():
    rng = np.random.default_rng(0)
    magnitudes = np.array([draw_magnitude(rng) for _ in range(2000)])
    counts, _ = np.histogram(magnitudes, bins=[15.5, 16.5, 17.5, 18.5, 19.5])
    assert counts.sum() == 2000
    assert np.all(np.diff(counts) > 0)


def test_red_ellipticals_and_blue_discs():
    galaxies = [draw_galaxy(np.random.default_rng([8, k])) for k in range(300)]
    colour: dict[bool, list[float]] = {True: [], False: []}
    for galaxy in galaxies:
        if galaxy.scene.painted:
            continue
        g, r, _ = np.sum([part.flux for part in galaxy.scene.components], axis=0)
        colour[galaxy.early].append(-2.5 * np.log10(g / r))
    assert np.mean(colour[True]) - np.mean(colour[False]) > 0.2


def test_spiral_arms_neither_add_nor_take_light():
    psf = double_gaussian_psf(1.4 * simulated.FWHM_BY_BAND)
    checked = 0
    for k in range(60):
        galaxy = draw_galaxy(np.random.default_rng([6, k]), disc=True)
        if galaxy.scene.painted and galaxy.radius_arcsec < 3:
            smooth = sum(part.flux[1] for part in galaxy.scene.components)
            disc = render_painted(galaxy.scene.painted[0], psf, 128, 0.396)[1].sum()
            assert disc + smooth == pytest.approx(galaxy.flux_r, rel=0.025)
            checked += 1
    assert checked > 5


def test_second_nuclei_lie_on_their_galaxies():
    for k in range(50):
        plan = rarities._host_with_nucleus(np.random.default_rng([2, k]), 1.4)
        distance = np.hypot(plan.x - plan.galaxy.x, plan.y - plan.galaxy.y)
        assert distance <= 2.5 * plan.galaxy.radius_arcsec


def test_rows_and_ids_tell_nothing_about_the_label():
    for seed in range(3):
        plan = deal_out(4000, seed)
        numbers = np.array([int(what.object_id.removeprefix("SIM-J")) for what in plan])
        label = np.array([what.label for what in plan])
        clues = (np.arange(4000), numbers, numbers % 10, numbers % 97)
        for name in (Label.DUAL, Label.CONFUSER, Label.LENS, Label.ARTEFACT):
            for clue in clues:
                test = stats.mannwhitneyu(clue[label == name], clue[label != name])
                assert test.pvalue > 1e-3
        assert abs(stats.spearmanr(clues[0], numbers).statistic) < 0.06


def test_the_psf_column_tells_nothing_about_the_label(batches, labels):
    fwhm = np.array([entry["psf_fwhm_arcsec"] for batch in batches for entry in batch.columns])
    for name in (Label.DUAL, Label.CONFUSER):
        test = stats.mannwhitneyu(fwhm[labels == name], fwhm[labels == Label.ORDINARY])
        assert test.pvalue > 0.01


def test_the_survey_and_its_truth(workspace):
    told = []
    survey = build_simulated(
        workspace, seed=3, n_objects=70, progress=lambda f, message: told.append((f, message))
    )
    assert len(survey) == 70
    assert survey.manifest.bands == ("g", "r", "i")
    assert survey.manifest.pixel_scale_arcsec == 0.396
    assert "label" not in survey.catalogue
    assert told[-1] == (1.0, "Simulated 70 of 70 objects.")
    with open(workspace.truth("simulated"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["object_id", "label", "separation_fwhm", "flux_ratio"]
    assert [row["object_id"] for row in rows] == list(survey.object_ids)
    dual = [row for row in rows if row["label"] == "dual_nucleus"]
    assert len(dual) == 1
    assert 0.5 <= float(dual[0]["separation_fwhm"]) <= 4
    assert all(row["flux_ratio"] == "" for row in rows if row["label"] != "dual_nucleus")
    with pytest.raises(AlreadyExists):
        build_demo(workspace, "simulated")


def test_the_content_hash_repeats(tmp_path):
    hashes = [
        build_simulated(
            open_workspace(tmp_path / name), seed=seed, n_objects=20
        ).manifest.content_hash
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_stopped_build_leaves_neither_survey_nor_truth(workspace):
    def stop(fraction, message):
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        build_simulated(workspace, n_objects=20, progress=stop)
    assert list_surveys(workspace) == []
    assert not workspace.truth("simulated").exists()


def test_a_failed_commit_leaves_no_truth(workspace, monkeypatch):
    def fail(self):
        raise OSError("disk gone")

    monkeypatch.setattr(simulated.SurveyWriter, "commit", fail)
    with pytest.raises(OSError, match="disk gone"):
        build_simulated(workspace, n_objects=20)
    assert list(workspace.root.rglob("simulated.csv*")) == []
    assert list_surveys(workspace) == []
    monkeypatch.undo()
    assert len(build_simulated(workspace, n_objects=20)) == len(
        Survey.open(workspace, "simulated")
    )


@pytest.mark.parametrize("change", [{"n_objects": 0}, {"seed": -1}, {"size_px": 8}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(BadInput, match="change that"):
        next(simulate_cutouts(**({"n_objects": 10} | change)))


def test_an_unknown_demo_names_the_choices(workspace):
    with pytest.raises(BadInput, match="hubble and simulated, but got 'sdss'"):
        build_demo(workspace, "sdss")
