"""What views draw against comes from the survey's manifest and catalogue."""

import math

import numpy as np
import pytest
import torch

from core.representation.augmentation import Conditions, SurveyConditions, preset, random_view
from core.representation.augmentation.conditions import psf_widths_px
from core.representation.inputs.pictures import PictureSource
from core.representation.inputs.scaling import PixelScaling
from core.survey import Batch, SurveyWriter
from core.workspace import open_workspace

FWHM_PX = 2 * math.sqrt(2 * math.log(2))


@pytest.fixture
def workspace(tmp_path):
    return open_workspace(tmp_path / "ws", create=True)


def survey(workspace, name="one", bands=("g", "r", "z"), columns=None, **settings):
    """Twelve objects of sky with noise 2, a source in the middle; the last has no picture."""
    rng = np.random.default_rng(5)
    pictures = 10 + 2 * rng.normal(size=(12, len(bands), 32, 32)).astype(np.float32)
    pictures[:, :, 12:20, 12:20] += 300
    dtype = settings.pop("dtype", "float32")
    if dtype == "uint8":
        pictures = pictures.clip(0, 255).astype(np.uint8)
    with SurveyWriter(
        workspace,
        name,
        bands=bands,
        cutout_size_px=32,
        dtype=dtype,
        origin="made for a test",
        licence="none",
        **settings,
    ) as writer:
        writer.append(
            Batch(
                object_ids=[f"o{i}" for i in range(12)],
                images=[*pictures[:11], None],
                columns=columns or [{} for _ in range(12)],
            )
        )
        return writer.commit()


def test_a_survey_says_its_noise_its_stretch_and_its_dust(workspace):
    one = survey(workspace)
    scaling = PixelScaling.of(one.manifest)
    found = Conditions.of(one, scaling, 3)
    assert len(found) == 1
    assert found.extinction[0].tolist() == pytest.approx([3.214, 2.165, 1.211])
    assert found.noise[0].tolist() == pytest.approx(scaling.sky_noise())
    assert found.native_px.item() == 32
    assert found.psf_px.isnan().all()
    pixel = one.images(np.arange(11))[:, :, :8, :8]
    assert float(scaling(pixel).std()) == pytest.approx(float(found.noise.mean()), rel=0.2)


def test_eight_bit_pictures_are_reddened_gently(workspace):
    one = survey(workspace, bands=("R", "G", "B"), dtype="uint8")
    found = Conditions.of(one, PixelScaling.of(one.manifest), 3)
    assert found.extinction[0].tolist() == pytest.approx([1.211 / 2, 2.2125 / 2, 3.214 / 2])
    assert not found.steepness.any()


@pytest.mark.parametrize(("have", "want"), [(1, 3), (2, 3), (5, 3), (5, 5), (1, 1)])
def test_bands_are_brought_to_those_of_the_network(workspace, have, want):
    one = survey(workspace, bands=tuple(f"b{i}" for i in range(have)))
    source = PictureSource([one], bands=want)
    conditions = SurveyConditions([one], source.scalings, source.which, source.rows, want)
    index = torch.tensor([3, 0, 3])
    view = random_view(
        source(index),
        preset("strong"),
        torch.Generator().manual_seed(0),
        size_px=64,
        conditions=conditions(index),
    )
    assert view.shape == (3, want, 64, 64)
    assert torch.isfinite(view).all()


def test_each_object_has_its_own_point_spread_and_its_own_survey(workspace):
    fwhm = [1.0 + 0.1 * i for i in range(12)]
    columns = [{"psf_fwhm_arcsec": value} for value in fwhm]
    columns[4] = {"psf_fwhm_arcsec": float("nan")}
    columns[5] = {"psf_fwhm_arcsec": -1.0}
    one = survey(workspace, columns=columns, pixel_scale_arcsec=0.25)
    other = survey(workspace, "other", bands=("a", "b", "c"))
    source = PictureSource([one, other])
    conditions = SurveyConditions([one, other], source.scalings, source.which, source.rows, 3)
    found = conditions(torch.tensor([0, 4, 5, 10, 11]))
    median = float(np.median([v for i, v in enumerate(fwhm[:11]) if i not in (4, 5)]))
    expected = [fwhm[0], median, median, fwhm[10]]
    assert found.psf_px[:4].tolist() == pytest.approx([v / 0.25 / FWHM_PX for v in expected])
    assert found.typical_psf_px[:4].tolist() == pytest.approx([median / 0.25 / FWHM_PX] * 4)
    assert found.psf_px[4].isnan()
    assert found.extinction[3].tolist() == pytest.approx([3.214, 2.165, 1.211])
    assert found.extinction[4].tolist() == pytest.approx([3.214, 2.2125, 1.211])


def test_point_spreads_of_single_bands_are_averaged(workspace):
    columns = [{"psf_fwhm_arcsec_g": 1.2, "psf_fwhm_arcsec_r": 1.0} for _ in range(12)]
    one = survey(workspace, columns=columns, pixel_scale_arcsec=0.5)
    assert psf_widths_px(one, np.array([3])).tolist() == pytest.approx([1.1 / 0.5 / FWHM_PX])
    no_scale = survey(workspace, "no-scale", columns=columns)
    assert np.isnan(psf_widths_px(no_scale, np.arange(12))).all()
    words = survey(
        workspace,
        "words",
        columns=[{"psf_fwhm_arcsec": "poor"}] * 12,
        pixel_scale_arcsec=0.5,
    )
    assert np.isnan(psf_widths_px(words, np.arange(12))).all()
