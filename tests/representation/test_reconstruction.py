"""Pictures rebuilt from codes, what codes say, and error against the length of a code."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from core.errors import BadInput, Cancelled, Damaged
from core.representation import METHODS, embed
from core.representation.compression import (
    RESULT,
    CompressionConfig,
    LatentError,
    _held_out,
    _pictures,
    error_by_latent,
    finished_compressions,
    within_minutes,
    worse_than_mean,
)
from core.representation.encoders.pca import PCAEncoder
from core.representation.inputs.scaling import PixelScaling, resized
from core.representation.inputs.spec import InputSpec
from core.representation.methods import save_method
from core.representation.reconstruction import (
    MethodRebuilder,
    coded_sample,
    feature_correlation,
    latent_pairs,
    latent_traversal,
    rebuilder,
    rebuilding_runs,
    rebuilds,
    reconstructions,
)
from core.run import main
from core.run_compress import error_table, run_compress
from core.survey import Batch, RunFolder, SurveyWriter
from core.vocabulary import JobKind
from core.workspace import open_workspace

COUNT, ODD, EMPTY = 40, 7, 5


def blobs(rng):
    """Round blobs in two bands, one chequered object, one without a picture."""
    y, x = np.mgrid[:20, :20] - 9.5
    images = []
    for _number in range(COUNT):
        light = rng.uniform(10, 20) * np.exp(-np.hypot(x, y) / rng.uniform(2, 5))
        images.append(np.stack([light, 0.5 * light]) + rng.normal(0, 0.1, (2, 20, 20)))
    images[ODD] = np.broadcast_to(15 * ((np.indices((20, 20)).sum(0) // 2) % 2), (2, 20, 20))
    return [image.astype(np.float32) for image in images]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return open_workspace(tmp_path_factory.mktemp("reconstruction") / "ws")


@pytest.fixture(scope="module")
def survey(workspace):
    images = blobs(np.random.default_rng(3))
    images[EMPTY] = None
    writer = SurveyWriter(
        workspace,
        "blobs",
        bands=("g", "r"),
        cutout_size_px=20,
        dtype="float32",
        origin="test",
        licence="none",
    )
    with writer:
        ids = [f"B{number}" for number in range(COUNT)]
        groups = [f"pair{number // 2}" for number in range(COUNT)]
        writer.append(Batch(ids, images, [{} for _ in ids], groups))
        return writer.commit()


@pytest.fixture(scope="module")
def runs(survey):
    """By name: an embedding by PCA and by structure, networks of vae and vicreg."""
    embed(survey, "pca", options={"components": 4, "size_px": 16})
    embed(survey, "structure")
    torch.manual_seed(0)
    made: dict[str, dict[str, Any]] = {
        "vae": {"latent": 3, "widths": [4, 4]},
        "vicreg": {"widths": [4] * 4},
    }
    for name, settings in made.items():
        method = METHODS[name](METHODS[name].input_spec(2), settings)
        origin = {"method": name, "surveys": {}, "config": {}}
        with RunFolder(survey, JobKind.PRETRAIN, origin) as run:
            save_method(method, run.path, origin)
    found = rebuilding_runs(survey)
    return {str(run.config.get("encoder") or run.config["method"]): run for run in found}


def test_only_what_rebuilds_is_listed(runs):
    assert set(runs) == {"pca", "vae"}
    assert rebuilds("aae")
    assert rebuilds("nmf")
    assert not rebuilds("vicreg")
    assert not rebuilds("structure")
    assert not rebuilds("nothing of this name")


def test_reconstructions_of_pca_are_sklearn_s_and_the_odd_one_is_worst(survey, runs):
    model = rebuilder(survey, runs["pca"])
    rows = np.flatnonzero(survey.has_image)
    found = reconstructions(model, survey, rows)
    scaled = PixelScaling.of(survey.manifest)(survey.images(rows))
    seen = resized(scaled, 16).numpy()
    np.testing.assert_array_equal(found.originals, seen)
    pixels = seen.reshape(len(rows), -1)
    reference = PCA(4, svd_solver="full").fit(pixels)
    rebuilt = reference.inverse_transform(reference.transform(pixels))
    np.testing.assert_allclose(found.rebuilt.reshape(len(rows), -1), rebuilt, atol=5e-3)
    errors = np.square(found.rebuilt - seen).mean((1, 2, 3))
    np.testing.assert_allclose(found.errors, errors, rtol=1e-4)
    assert found.object_ids[rows == ODD] == ["B7"]
    others = PCAEncoder(4, 16)
    others.fit_pixels(pixels[rows != ODD])  # one that does not know the odd one
    alone = np.square(others.decode(others.code(pixels)) - pixels).mean(1)
    assert rows[alone.argmax()] == ODD


def test_codes_and_errors_come_a_batch_at_a_time(survey, runs, monkeypatch):
    from core.representation import reconstruction as module

    rows = np.flatnonzero(survey.has_image)
    model = rebuilder(survey, runs["vae"])
    whole = coded_sample(model, survey, rows)
    monkeypatch.setattr(module, "BATCH", 7)
    told = []
    parts = coded_sample(model, survey, rows, lambda fraction, _words: told.append(fraction))
    np.testing.assert_allclose(parts.codes, whole.codes, atol=1e-5)
    np.testing.assert_allclose(parts.errors, whole.errors, rtol=1e-4)
    assert whole.codes.shape == (COUNT - 1, 3)
    assert told[-1] == 1
    found = reconstructions(model, survey, rows[:3])
    assert found.originals.shape == found.rebuilt.shape == (3, 2, 64, 64)
    assert 0 <= found.originals.min() <= found.originals.max() <= 1
    np.testing.assert_allclose(found.errors, whole.errors[:3], rtol=1e-4)


def test_an_object_without_a_picture_and_a_method_without_a_decoder_are_told(survey, runs):
    model = rebuilder(survey, runs["pca"])
    with pytest.raises(BadInput, match="B5 of blobs has no picture"):
        reconstructions(model, survey, np.array([1, EMPTY]))
    with pytest.raises(BadInput, match="No object"):
        coded_sample(model, survey, np.zeros(0, np.int64))
    vicreg = METHODS["vicreg"](InputSpec(bands=2), {"widths": [4] * 4})
    with pytest.raises(BadInput, match="makes no pictures from codes"):
        MethodRebuilder(vicreg, PixelScaling.of(survey.manifest))


def test_a_walk_changes_one_number_and_passes_through_the_object(survey, runs):
    model = rebuilder(survey, runs["pca"])
    code = model.codes(survey.images(np.array([2])))[0]
    values = code[1] + np.array([-1.0, 0.0, 1.0])
    walk = latent_traversal(model, code, 1, values)
    assert walk.shape == (3, 2, 16, 16)
    np.testing.assert_allclose(walk[1], model.decode(code[None])[0], atol=1e-6)
    step = walk[2] - walk[1]
    np.testing.assert_allclose(walk[1] - walk[0], step, atol=1e-5)  # PCA is linear
    axis = np.zeros((1, 4), np.float32)
    axis[0, 1] = 1
    expected = (model.decode(axis) - model.decode(0 * axis))[0]
    np.testing.assert_allclose(step, expected, atol=1e-5)
    with pytest.raises(BadInput, match="0 to 3"):
        latent_traversal(model, code, 4, values)


def test_pairs_differ_and_repeat_by_seed():
    pairs = latent_pairs(6, 10, 1)
    assert len(set(pairs)) == 10
    assert all(0 <= i < j < 6 for i, j in pairs)
    assert pairs == latent_pairs(6, 10, 1) != latent_pairs(6, 10, 2)
    assert len(latent_pairs(3, 10)) == 3
    assert latent_pairs(1, 4) == []


def test_correlations_are_numpy_s_and_a_constant_number_is_told():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, (200, 4)).astype(np.float32)
    values[:, 2] = 2 * values[:, 0] + 1
    found = feature_correlation(np.vstack([values, np.full((3, 4), np.nan)]))
    reference = np.asarray(np.corrcoef(values.T))
    np.testing.assert_allclose(found.matrix, reference, atol=1e-6)
    off = np.abs(reference[np.triu_indices(4, 1)]).mean()
    assert found.redundancy == pytest.approx(off, abs=1e-6)
    assert (found.constant, found.objects) == ((), 200)
    values[:, 3] = 7
    told = feature_correlation(values)
    assert told.constant == (3,)
    assert np.isnan(told.matrix[3]).all()
    assert told.redundancy == pytest.approx(np.abs(reference[np.triu_indices(3, 1)]).mean())
    assert np.isnan(feature_correlation(values[:, 3:]).redundancy)
    with pytest.raises(BadInput, match="3 rows or more"):
        feature_correlation(values[:2])


SMALL = CompressionConfig(
    kinds=("pca", "nmf", "dense_autoencoder"), latents=(1, 4), depths=(1, 2), steps=4, size_px=16
)


@pytest.fixture(scope="module")
def errors(survey):
    return error_by_latent(survey, SMALL)


def test_every_fit_of_the_plan_is_measured_on_what_it_did_not_see(survey, errors):
    plan = [(one.kind, one.latent, one.depth) for one in errors]
    assert plan == [
        *[("pca", 1, None), ("pca", 4, None), ("nmf", 1, None), ("nmf", 4, None)],
        *[("dense_autoencoder", d, n) for n in (1, 2) for d in (1, 4)],
    ]
    pictures, groups = _pictures(survey, SMALL)
    held_out = _held_out(groups, 0)
    assert not set(groups[held_out]) & set(groups[~held_out])
    assert held_out.sum() == pytest.approx(0.2 * len(groups), abs=2)
    learnt, unseen = (pictures[mask].flatten(1).numpy() for mask in (~held_out, held_out))
    model = PCA(4, svd_solver="full").fit(learnt)
    for one, pixels in (("error", unseen), ("learnt_error", learnt)):
        rebuilt = model.inverse_transform(model.transform(pixels))
        expected = np.square(rebuilt - pixels).mean()
        assert getattr(errors[1], one) == pytest.approx(expected, rel=0.02)
    mean_error = np.square(unseen - learnt.mean(0)).mean()
    assert errors[0].mean_error == pytest.approx(mean_error, rel=1e-4)
    assert errors[1].error < errors[0].error < mean_error


def test_networks_learn_and_a_seed_repeats(survey, errors):
    longer = CompressionConfig(
        kinds=("dense_autoencoder",), latents=(4,), depths=(2,), steps=60, size_px=16
    )
    (one,) = error_by_latent(survey, longer)
    before = errors[-1]
    assert (before.latent, before.depth) == (4, 2)
    assert one.error < 0.8 * before.error
    again = error_by_latent(
        survey, CompressionConfig(("dense_autoencoder",), (1, 4), (1, 2), 4, size_px=16)
    )
    assert again[-1].error == before.error


def test_a_comparison_can_be_stopped_within_a_network(survey):
    told = []

    def stop(fraction, words):
        told.append((fraction, words))
        if "step 3 of 50" in words:
            raise Cancelled("stopped")

    one = CompressionConfig(("vae",), (2,), (1,), 50, size_px=16)
    with pytest.raises(Cancelled):
        error_by_latent(survey, one, stop)
    assert told[-1] == (pytest.approx(3 / 50), "vae with 2 numbers, depth 1, seed 0: step 3 of 50")


def test_minutes_become_steps(survey):
    steps = within_minutes(survey, SMALL, 0.2).steps
    assert steps > 1
    only_linear = CompressionConfig(kinds=("pca",), steps=9)
    assert within_minutes(survey, only_linear, 5).steps == 9


def test_the_job_keeps_what_it_found(workspace, survey):
    config = CompressionConfig(("pca", "ica"), (2, 3), seeds=(0, 1), size_px=16)
    found = run_compress(workspace, "blobs", config, quiet=True)
    (kept,) = finished_compressions(survey)
    assert kept.config == config
    assert kept.errors == found
    table = error_table(found)
    mean = np.mean([one.error for one in found if (one.kind, one.latent) == ("ica", 3)])
    assert f"{1000 * mean:.3f}" in table.splitlines()[-1]
    path = kept.run.path / RESULT
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"errors": [{"kind": "pca"}]}))
    with pytest.raises(Damaged, match="compress blobs"):
        finished_compressions(survey)
    path.write_text(json.dumps(record))


def test_what_is_no_better_than_the_mean_picture_is_named(workspace, survey, monkeypatch, capsys):
    def fit(kind, latent, depth, seed, error):
        return LatentError(kind, latent, depth, seed, error, 0.0, 1.0, 0.1)

    found = [
        *(fit("pca", latent, None, 0, 0.5) for latent in (2, 4)),
        *(fit("vae", 2, 3, seed, error) for seed, error in enumerate((0.9, 1.3))),
        *(fit("vae", 4, 3, seed, error) for seed, error in enumerate((0.9, 1.05))),
    ]
    (said,) = worse_than_mean(found)
    assert said.startswith("vae of depth 3 with 2 numbers loses as much as the mean picture")
    assert "--steps" in said
    monkeypatch.setattr("core.representation.compression.error_by_latent", lambda *_: found)
    path = str(workspace.root)
    assert main(["compress", "blobs", "--workspace", path]) == 0
    assert f"Note: {said}." in capsys.readouterr().out


def test_a_stopped_comparison_does_not_say_that_it_is_kept(workspace, survey, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("core.representation.compression.error_by_latent", stop)
    path = str(workspace.root)
    assert main(["compress", "blobs", "--workspace", path]) == 130
    assert "stopped; nothing of the comparison is kept" in capsys.readouterr().err
    assert not list((survey.folder / "runs").glob("*.partial"))


def test_unknown_kinds_are_told_in_words():
    with pytest.raises(BadInput, match="aae, but is nosuch; change"):
        CompressionConfig(kinds=("pca", "nosuch"))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("kinds", ("pca", "kpca")),
        ("kinds", ()),
        ("latents", (0,)),
        ("depths", (5,)),
        ("steps", 0),
        ("objects", 3),
        ("size_px", 50),
    ],
)
def test_settings_out_of_range_are_told(setting, value):
    with pytest.raises(BadInput, match=setting):
        CompressionConfig(**{setting: value})
