"""The encoder of morphology: finite for every picture, and telling what it is for."""

from __future__ import annotations

import numpy as np
import pytest

from core.measure.morphology import ARTEFACT_NUMBERS, FLAGS
from core.progress import silent
from core.representation import make_encoder
from core.representation.encoders.morphology import MorphologyEncoder
from core.survey import Batch, Survey, SurveyWriter
from core.workspace import open_workspace
from tests.measure.morphology.simulated import galaxies, gaussian


@pytest.fixture
def workspace(tmp_path):
    return open_workspace(tmp_path / "ws")


def survey_of(workspace, images: np.ndarray) -> Survey:
    bands = tuple(f"b{n}" for n in range(images.shape[1]))
    with SurveyWriter(
        workspace,
        "mine",
        bands=bands,
        cutout_size_px=images.shape[2],
        dtype=str(images.dtype),
        origin="a test",
        licence="none",
    ) as writer:
        writer.append(Batch([f"o{n}" for n in range(len(images))], images, [{} for _ in images]))
        return writer.commit()


def fitted(survey: Survey) -> MorphologyEncoder:
    encoder: MorphologyEncoder = make_encoder("morphology", survey)
    encoder.fit(survey, silent)
    return encoder


@pytest.mark.parametrize("bands", [1, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_every_picture_of_any_survey_has_a_finite_row(workspace, bands, dtype):
    images = np.concatenate([galaxies(20, 32, seed=n) for n in range(bands)], axis=1)
    images = np.clip(images * 3 + 30, 0, 255).astype(dtype)
    images[3] = 0
    images[4, 0] = 17
    if dtype == np.float32:
        images[5] = np.nan
        images[6, :, :10] = np.inf
    encoder = fitted(survey_of(workspace, images))
    found = encoder.encode(images)
    assert found.dtype == np.float32
    assert found.shape == (20, len(encoder.columns))
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 8
    odd = np.full((2, bands, 32, 32), 255).astype(dtype)
    assert np.isfinite(encoder.encode(odd)).all()


def test_what_is_missing_is_said(workspace):
    images = galaxies(20, 32)
    images[0] = np.nan
    encoder = fitted(survey_of(workspace, images))
    found = dict(zip(encoder.columns, encoder.encode(images).T, strict=True))
    assert found["missing_numbers"][0] > 0.8 > found["missing_numbers"][1:].max()
    assert found["no separation"][0] == 1
    assert found["empty"].tolist() == [1, *[0] * 19]
    # In place of a missing number stands the median.
    assert found["gini"][0] == 0
    assert "angle" not in found
    assert {one.name for one in FLAGS} <= set(found)


def test_what_the_sample_does_not_have_is_seen_all_the_same(workspace):
    """Artefacts rarer than the sample is large leave their trace, in columns that are always
    there."""
    images = galaxies(30, 32)
    encoder = fitted(survey_of(workspace, images))
    plain = dict(zip(encoder.columns, encoder.encode(images).T, strict=True))
    odd = images[:5].copy()
    odd[0, :, :, 5:16] = np.nan
    odd[1, :, 10] = 0
    odd[2, :, 8:20, 8:20] = odd[2].max()
    odd[3] = 0
    odd[4] = np.nan
    found = dict(zip(encoder.columns, encoder.encode(odd).T, strict=True))
    for name, row in [
        ("missing_share", 0),
        ("missing", 0),
        ("dead_lines", 1),
        ("dead_line", 1),
        ("top_share", 2),
        ("saturated", 2),
        ("flat_bands", 3),
        ("zero_share", 3),
        ("empty", 4),
        ("no gini", 4),
        ("no sky_b0", 4),
    ]:
        assert found[name][row] > plain[name].max() + 0.1, name
    assert set(plain["no sky_b0"]) == {0}
    assert {*(one.name for one in (*FLAGS, *ARTEFACT_NUMBERS))} <= set(encoder.columns)


def test_the_columns_are_those_of_the_bands_alone(workspace, tmp_path):
    images = np.concatenate([galaxies(20, 32, seed=n) for n in range(3)], axis=1)
    blank = np.zeros_like(images)
    one = fitted(survey_of(workspace, images))
    other = fitted(survey_of(open_workspace(tmp_path / "other"), blank))
    assert one.columns == other.columns
    assert len(set(one.columns)) == len(one.columns)
    assert np.isfinite(other.encode(images)).all()


def test_every_missing_number_is_told_by_a_column_or_the_share(workspace):
    """What is missing beside a number that has a column of its own."""
    images = galaxies(20, 32)
    encoder = fitted(survey_of(workspace, images))
    flat = np.concatenate([images[:2], np.full((1, 1, 32, 32), 5, np.float32)])
    found = encoder.encode(flat)
    told = [name for name, value in zip(encoder.columns, found[2], strict=True) if value == 1]
    assert {"no gini", "no r50", "no flux_b0", "no noise_b0"} <= set(told)
    assert found[2, encoder.columns.index("missing_numbers")] > 0.5


def test_saved_and_loaded_it_encodes_the_same(workspace, tmp_path):
    images = galaxies(20, 32)
    encoder = fitted(survey_of(workspace, images))
    settings = encoder.save(tmp_path)
    again = MorphologyEncoder.load(tmp_path, settings)
    assert again.columns == encoder.columns
    assert (again.encode(images[:5]) == encoder.encode(images[:5])).all()


def test_turned_pictures_keep_their_place(workspace):
    images = galaxies(20, 48, sizes=(2, 4))
    encoder = fitted(survey_of(workspace, images))
    upright = encoder.encode(images)
    turned = encoder.encode(np.ascontiguousarray(np.rot90(images, 1, (2, 3))))
    spread = np.linalg.norm(upright - upright.mean(axis=0), axis=1)
    assert np.median(np.linalg.norm(turned - upright, axis=1)) < 0.1 * np.median(spread)


def test_second_nuclei_are_told_apart(workspace):
    rng = np.random.default_rng(0)
    images, double = [], rng.random(120) < 0.3
    for is_double in double:
        away, angle = rng.uniform(5, 9), rng.uniform(0, 2 * np.pi)
        one = gaussian(40, rng.uniform(4, 6), flux=8000) + gaussian(40, 1.3, flux=900)
        if is_double:
            one += gaussian(40, 1.3, y=away * np.sin(angle), x=away * np.cos(angle), flux=500)
        images.append(one + rng.normal(0, 1, one.shape))
    pictures = np.array(images, np.float32)[:, None]
    encoder = fitted(survey_of(workspace, pictures))
    found = encoder.encode(pictures)
    nuclei = found[:, encoder.columns.index("nuclei")]
    assert nuclei[double].min() > nuclei[~double].max()
