"""PCA, ICA and NMF of pixels against scikit-learn and scipy, and where they have little to see."""

import json
import warnings

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.optimize import nnls
from sklearn.decomposition import NMF, PCA, FastICA

from core.errors import BadInput, Damaged
from core.progress import silent
from core.representation import ENCODERS, embed, make_encoder
from core.representation.encoders.ica import ICAEncoder
from core.representation.encoders.nmf import NMFEncoder
from core.representation.encoders.pca import PCAEncoder
from core.representation.inputs.scaling import PixelScaling, resized
from core.survey import Batch, SurveyWriter
from core.workspace import open_workspace

NAMES = ("pca", "ica", "nmf")


@pytest.fixture(scope="module")
def pixels():
    """(300, 64): sums of 5 non-Gaussian parts that only add up, and a little noise."""
    rng = np.random.default_rng(0)
    parts = rng.gamma(0.5, 1, (5, 64)) * (rng.random((5, 64)) < 0.4)
    light = rng.exponential(1, (300, 5)) @ parts + rng.uniform(0, 0.01, (300, 64))
    return light.astype(np.float32)


def fitted(cls, pixels, components=5):
    encoder = cls(components, 8)
    encoder.fit_pixels(pixels)
    return encoder


def test_pca_is_sklearn_s_whitened(pixels):
    model = PCA(5, whiten=True, svd_solver="full").fit(pixels)
    ours, theirs = fitted(PCAEncoder, pixels).code(pixels), model.transform(pixels)
    signs = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours * signs, theirs, atol=2e-3)
    rebuilt = fitted(PCAEncoder, pixels).decode(ours)
    np.testing.assert_allclose(rebuilt, model.inverse_transform(theirs), atol=2e-3)


def test_ica_finds_what_sklearn_finds(pixels):
    encoder = fitted(ICAEncoder, pixels)
    model = FastICA(5, whiten="unit-variance", random_state=1, max_iter=1000, tol=1e-6)
    theirs = model.fit_transform(pixels.astype(float))  # float32 does not settle so far
    ours = encoder.code(pixels)
    assert encoder.notes == []
    np.testing.assert_allclose(ours.std(0), 1, atol=0.02)
    match = np.abs(np.corrcoef(ours.T, theirs.T)[:5, 5:])
    assert (match.max(1) > 0.99).all()
    assert len(set(match.argmax(1))) == 5
    np.testing.assert_allclose(encoder.decode(ours), model.inverse_transform(theirs), atol=5e-3)


def test_nmf_is_sklearn_s_and_its_codes_are_non_negative_least_squares(pixels):
    encoder = fitted(NMFEncoder, pixels)
    model = NMF(5, init="nndsvda", random_state=0, max_iter=400).fit(pixels)
    np.testing.assert_allclose(encoder.arrays["parts"], model.components_, rtol=1e-4, atol=1e-5)
    codes = encoder.code(pixels)
    exact = np.stack([nnls(encoder.arrays["parts"].T.astype(float), x)[0] for x in pixels])
    np.testing.assert_allclose(codes, exact, atol=1e-3)
    assert codes.min() >= 0
    np.testing.assert_allclose(encoder.decode(codes), pixels, atol=0.1)
    alone = encoder.code(pixels[7:8])
    np.testing.assert_allclose(alone[0], codes[7], atol=1e-4)


def test_a_fit_that_does_not_settle_is_told(pixels, monkeypatch):
    from core.representation.encoders import ica, nmf

    monkeypatch.setattr(ica, "ROUNDS", 1)
    monkeypatch.setattr(nmf, "ROUNDS", 1)
    for cls, word in ((ICAEncoder, "ICA"), (NMFEncoder, "NMF")):
        encoder = fitted(cls, pixels)
        (note,) = encoder.notes
        assert note.startswith(f"{word} did not settle within 1 rounds")
        assert np.isfinite(encoder.code(pixels)).all()


def made(tmp_path, images, bands, name="some"):
    writer = SurveyWriter(
        open_workspace(tmp_path / "ws"),
        name,
        bands=bands,
        cutout_size_px=images.shape[-1],
        dtype="float32",
        origin="test",
        licence="none",
    )
    with writer:
        ids = [f"P{number}" for number in range(len(images))]
        writer.append(Batch(ids, list(images), [{} for _ in ids]))
        return writer.commit()


@pytest.fixture(scope="module", params=[1, 5])
def survey(request, tmp_path_factory):
    """Twenty pictures of 1 or 5 bands; one has NaN in it, one is constant."""
    rng = np.random.default_rng(2)
    images = rng.normal(0, 1, (20, request.param, 20, 20)).astype(np.float32)
    images[:, :, 6:14, 6:14] += rng.uniform(5, 20, (20, 1, 1, 1)).astype(np.float32)
    images[3, :, :4] = np.nan
    images[4] = 2.0
    bands = tuple("ugriz"[: request.param])
    return made(tmp_path_factory.mktemp("linear"), images, bands)


@pytest.mark.parametrize("name", NAMES)
def test_each_fits_saves_loads_and_rebuilds_twenty_objects(survey, name, tmp_path):
    encoder = make_encoder(name, survey, {"components": "6", "size_px": "10"})
    encoder.fit(survey, silent)
    images = survey.images(np.arange(20))
    codes = encoder.encode(images)
    assert codes.dtype == np.float32
    assert codes.shape == (20, 6)
    assert np.isfinite(codes).all()
    bands = images.shape[1]
    seen = resized(PixelScaling.of(survey.manifest)(images), 10).numpy()
    np.testing.assert_array_equal(encoder.seen(images), seen)
    rebuilt = encoder.reconstruct(images)
    assert rebuilt.shape == seen.shape == (20, bands, 10, 10)
    target = np.maximum(seen, 0) if name == "nmf" else seen
    assert np.square(rebuilt - target).mean() < np.square(target - target.mean(0)).mean()
    settings = json.loads(json.dumps(encoder.save(tmp_path)))
    loaded = ENCODERS[name].load(tmp_path, settings)
    np.testing.assert_array_equal(loaded.encode(images), codes)
    np.testing.assert_array_equal(loaded.reconstruct(images), rebuilt)


@pytest.mark.parametrize("name", NAMES)
def test_more_components_than_objects_give_no_noise(survey, name):
    """New objects stay within reach: no direction of rounding alone is blown up to unit size."""
    encoder = make_encoder(name, survey, {"size_px": 16})
    encoder.fit(survey, silent)
    images = survey.images(np.arange(20))
    shifted = images + np.float32(0.01)
    change = np.abs(encoder.encode(shifted) - encoder.encode(images))
    assert encoder.encode(images).shape[1] <= 20
    assert np.nanmax(change) < 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.0, 3.0])
@pytest.mark.parametrize("count", [1, 6])
def test_pictures_that_are_all_the_same_have_codes(name, level, count):
    encoder = ENCODERS[name](4, 8)
    pixels = np.full((count, 64), level, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.fit_pixels(pixels)
    codes = encoder.code(pixels)
    assert np.isfinite(codes).all()
    np.testing.assert_allclose(encoder.decode(codes), pixels, atol=1e-3)


def test_an_embedding_by_each_has_a_row_an_object(survey):
    for name in NAMES:
        values = embed(survey, name, options={"components": 3}).rows()
        assert values.shape == (20, 3)
        assert np.isfinite(values).all()


def test_a_pca_of_version_0_4_is_read(tmp_path):
    """It wrote mean and components, and neither their number nor the pictures' side."""
    rng = np.random.default_rng(0)
    arrays = {
        "mean": rng.random(3072).astype(np.float32),
        "components": rng.normal(size=(4, 3072)).astype(np.float32),
    }
    save_file(arrays, tmp_path / "weights.safetensors")
    scaling = {"linear": True, "low": [0.0] * 3, "high": [1.0] * 3, "sigma": [1.0] * 3}
    encoder = PCAEncoder.load(tmp_path, {"seed": 0, "scaling": scaling})
    images = rng.integers(0, 255, (2, 3, 32, 32), dtype=np.uint8)
    expected = (images.reshape(2, -1) / 255 - arrays["mean"]) @ arrays["components"].T
    np.testing.assert_allclose(encoder.encode(images), expected, rtol=1e-4)


def test_wrong_options_and_wrong_files_are_told(survey, tmp_path):
    for options in ({"components": "many"}, {"components": 0}, {"size_px": 500}, {"colour": 1}):
        with pytest.raises(BadInput, match=next(iter(options))):
            make_encoder("nmf", survey, options)
    encoder = make_encoder("nmf", survey, {"components": 2})
    encoder.fit(survey, silent)
    settings = encoder.save(tmp_path)
    with pytest.raises(Damaged, match="mean, components of pca"):
        ENCODERS["pca"].load(tmp_path, settings)
    assert set(load_file(tmp_path / "weights.safetensors")) == {"parts"}
    (tmp_path / "weights.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(Damaged, match="cannot be read"):
        ENCODERS["nmf"].load(tmp_path, settings)
    assert torch.is_tensor(encoder.scaling(survey.images(np.arange(1))))
