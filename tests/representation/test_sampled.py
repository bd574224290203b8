"""What an encoder saw while it was fitted is not encoded again, and is what it would encode."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from core.errors import Cancelled
from core.progress import silent
from core.representation import ENCODERS, embed, make_encoder
from core.representation.encoder import Sampled
from core.survey import Batch, Survey, SurveyWriter, finished_runs
from core.workspace import open_workspace

N = 40
SAMPLE = np.array([1, 2, 3, 9, 10, 25, 26, 38])


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    """Noise of 16 px with a blob in the middle; every eighth object has no picture."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16] - 7.5
    images: list[Any] = [
        rng.normal(0, 1, (3, 16, 16)) + rng.uniform(5, 30) * np.exp(-(y**2 + x**2) / 8)
        for _ in range(N)
    ]
    images = [one.astype(np.float32) for one in images]
    for row in range(0, N, 8):
        images[row] = None
    with SurveyWriter(
        open_workspace(tmp_path / "ws"),
        "dots",
        bands=("g", "r", "i"),
        cutout_size_px=16,
        dtype="float32",
        origin="made up",
        licence="none",
    ) as writer:
        writer.append(
            Batch(
                [f"o{row}" for row in range(N)], images, [{"flux": row**1.5} for row in range(N)]
            )
        )
        return writer.commit()


class Remembering:
    """Means of the bands; of the sample it leaves ten times as much, to be told by."""

    name: str
    given: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.sampled: Sampled | None = None

    def fit(self, survey: Survey, _progress: object) -> None:
        self.sampled = Sampled(SAMPLE, 10 * self.encode(survey.images(SAMPLE)))
        self.given.clear()

    def encode(self, images: np.ndarray) -> np.ndarray:
        self.given.append(len(images))
        return images.mean((2, 3)).astype(np.float32)

    def save(self, _folder: Path) -> dict[str, Any]:
        return {}

    @classmethod
    def load(cls, _folder: Path, _settings: dict[str, Any]) -> Remembering:
        return cls()


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> type[Remembering]:
    """Registered for one test."""
    cls = type("Registered", (Remembering,), {"given": [], "name": "remembering"})
    monkeypatch.setitem(ENCODERS, "remembering", cls)
    return cls


def expected(survey: Survey) -> np.ndarray:
    rows = np.flatnonzero(survey.has_image)
    values = np.full((N, 3), np.nan, np.float32)
    values[rows] = survey.images(rows).mean((2, 3))
    values[SAMPLE] *= 10
    return values


@pytest.mark.parametrize("batch_size", [3, 7, 100])
def test_rows_of_the_sample_are_taken_as_they_are_and_no_others(survey, remembering, batch_size):
    found = embed(survey, "remembering", precision="float32", batch_size=batch_size)
    np.testing.assert_allclose(found.values, expected(survey), rtol=1e-6)
    assert sum(remembering.given) == survey.has_image.sum() - len(SAMPLE)
    assert found.mask.tolist() == survey.has_image.tolist()
    names = {one.name for one in finished_runs(survey)[0].path.iterdir()}
    assert names == {"config.json", "embedding.npy", "mask.npy"}


def test_a_run_that_goes_on_has_the_same_sample(survey, remembering):
    def until(_fraction: float, message: str) -> None:
        if message.startswith("embedded 20"):
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        embed(survey, "remembering", precision="float32", batch_size=10, progress=until)
    found = embed(survey, "remembering", precision="float32", batch_size=10)
    np.testing.assert_allclose(found.values, expected(survey), rtol=1e-6)
    assert not list((survey.folder / "checkpoints").glob("*"))


@pytest.mark.parametrize("name", ["morphology", "vicreg", "fusion"])
def test_what_is_left_is_what_is_encoded(survey, name):
    encoder = make_encoder(name, survey, {"weights": "shipped"} if name == "vicreg" else {})
    encoder.fit(survey, silent)
    assert encoder.sampled.rows.tolist() == np.flatnonzero(survey.has_image).tolist()
    again = encoder.encode(survey.images(encoder.sampled.rows))
    np.testing.assert_allclose(encoder.sampled.codes, again, atol=2e-3)


def test_a_fusion_whose_parts_read_different_rows_leaves_nothing(survey):
    encoder = make_encoder("fusion", survey, {"parts": "columns,structure"})
    encoder.fit(survey, silent)
    assert encoder.sampled is None
