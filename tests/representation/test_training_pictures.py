"""Training on the pictures of a survey, from memory and from disk."""

import math

import numpy as np
import pytest
import torch

from core.errors import Damaged
from core.representation.inputs.pictures import PictureSource
from core.representation.training.loop import pretrain
from core.survey import Batch, SurveyWriter
from core.workspace import open_workspace

from .short_training import CONFIG, SHORT, same_weights


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """50 float pictures in five bands: one has NaN, one is constant, one is missing, one
    nothing but NaN (which counts as missing)."""
    rng = np.random.default_rng(0)
    images = list(rng.normal(3, 1, (50, 5, 20, 20)).astype(np.float32))
    images[3][:, :4] = np.nan
    images[4][:] = np.nan
    images[5][:] = 7.0
    images[6] = None
    writer = SurveyWriter(
        open_workspace(tmp_path_factory.mktemp("pretraining") / "ws"),
        "cubes",
        bands=tuple("ugriz"),
        cutout_size_px=20,
        dtype="float32",
        origin="test",
        licence="none",
    )
    with writer:
        ids = [f"C{number}" for number in range(50)]
        writer.append(Batch(ids, images, [{} for _ in ids], [f"T{n // 2}" for n in range(50)]))
        return writer.commit()


def test_training_from_disk_is_training_from_memory(survey):
    kept = PictureSource([survey], bands=5)
    streamed = PictureSource([survey], bands=5, memory_bytes=0)
    assert (kept.block, streamed.block, len(streamed)) == (1, 16, 48)
    index = torch.tensor([40, 3, 17])
    assert torch.allclose(kept(index), streamed(index), atol=2e-3)
    result = pretrain(streamed, 48, SHORT, bands=5, groups=streamed.groups)
    assert all(math.isfinite(record["loss"]) for record in result.history)
    assert same_weights(result, pretrain(streamed, 48, SHORT, bands=5, groups=streamed.groups))


def test_groups_of_the_survey_hold_together(survey):
    groups = PictureSource([survey, survey], bands=3).groups
    assert len(groups) == 96
    assert len(set(groups[:48])) == 25
    assert not set(groups[:48]) & set(groups[48:])  # the surveys' groups are not one another's
    assert groups[0] == groups[1] != groups[2]


def test_a_read_that_fails_while_a_step_runs_is_told(survey, monkeypatch):
    source = PictureSource([survey], bands=5, memory_bytes=0)
    real, calls = source._read, []

    def fails(index):
        calls.append(1)
        if len(calls) > 6:
            raise Damaged("The file is gone.")
        return real(index)

    monkeypatch.setattr(source, "_read", fails)
    with pytest.raises(Damaged, match="gone"):
        pretrain(source, 48, CONFIG, bands=5)
