"""Encoders side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from core.errors import BadInput, Damaged
from core.progress import silent
from core.representation import ENCODERS, make_encoder
from core.representation.encoders.fusion import DEFAULT_PARTS, FusionEncoder, parts_from
from core.survey import Survey, SurveyWriter
from core.survey.batch import Batch
from core.workspace import open_workspace

N = 40
WITH_PICTURE = np.arange(N) % 4 != 0


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    """Noise pictures of 32 px for three objects in four, and a table for all."""
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 255, (3, 32, 32), dtype=np.uint8) if there else None
        for there in WITH_PICTURE
    ]
    columns: list[dict[str, Any]] = [{"flux": float(one)} for one in rng.normal(size=N)]
    with SurveyWriter(
        open_workspace(tmp_path / "ws"),
        "mixed",
        bands=("r", "g", "b"),
        cutout_size_px=32,
        dtype="uint8",
        origin="made up",
        licence="none",
    ) as writer:
        writer.append(Batch([f"o{row}" for row in range(N)], images, columns))
        return writer.commit()


def test_each_part_has_its_weight_in_units_of_its_deviation(survey: Survey) -> None:
    encoder = make_encoder("fusion", survey, {"parts": "structure:1,peaks:3"})
    encoder.fit(survey, silent)
    rows = np.flatnonzero(WITH_PICTURE)
    values = encoder.encode(survey.images(rows))
    widths = [ENCODERS["structure"], ENCODERS["peaks"]]
    first = len(make_fitted(widths[0], survey).encode(survey.images(rows[:1]))[0])
    deviation = values.std(0)
    varies = deviation > 0
    np.testing.assert_allclose(deviation[:first][varies[:first]], 1, rtol=1e-3)
    np.testing.assert_allclose(deviation[first:][varies[first:]], 3, rtol=1e-3)


def make_fitted(cls: Any, survey: Survey) -> Any:
    one = cls()
    one.fit(survey, silent)
    return one


def test_an_object_without_a_picture_gets_the_mean_of_the_part(survey: Survey) -> None:
    encoder = make_encoder("fusion", survey, {"parts": "columns,peaks"})
    encoder.fit(survey, silent)
    from core.representation.encoder import SurveyRows

    values = encoder.encode(SurveyRows(survey, np.arange(N)))
    assert np.isfinite(values).all()
    peaks = values[:, -51:]
    assert (peaks[~WITH_PICTURE] == 0).all()
    assert (peaks[WITH_PICTURE] != 0).any(axis=1).all()


def test_saved_and_loaded_it_gives_the_same(survey: Survey, tmp_path: Path) -> None:
    encoder = make_encoder("fusion", survey, {"parts": "structure,peaks:2,pca:1:5"})
    encoder.fit(survey, silent)
    folder = tmp_path / "kept"
    folder.mkdir()
    settings = encoder.save(folder)
    images = survey.images(np.flatnonzero(WITH_PICTURE)[:5])
    again = FusionEncoder.load(folder, settings)
    np.testing.assert_array_equal(again.encode(images), encoder.encode(images))


def test_one_of_an_earlier_version_is_told(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="embed the survey again"):
        FusionEncoder.load(tmp_path, {"scaling": {}})


@pytest.mark.parametrize(
    "words", ["structure:x", "structure:1:2:3", "structure:-1", "nothing", "fusion", "pca,pca", ""]
)
def test_words_that_name_no_parts_are_refused(words: str) -> None:
    with pytest.raises(BadInput):
        parts_from(words)


def test_an_option_that_no_part_takes_is_refused(survey: Survey) -> None:
    with pytest.raises(BadInput, match="rotations"):
        make_encoder("fusion", survey, {"parts": "structure,peaks", "rotations": "2"})


def test_a_wild_number_is_bounded_and_a_flag_nobody_raised_is_seen() -> None:
    from core.representation.whitening import Whitening

    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(size=500), np.zeros(500)]).astype(np.float32)
    fitted = Whitening.standardising(values)
    raised = fitted(np.array([[0.0, 1.0]], np.float32))
    assert 5 < raised[0, 1] < 12


def test_the_default_is_what_it_says() -> None:
    parts = {part.name: part for part in parts_from(DEFAULT_PARTS)}
    assert "imagenet" not in parts
    assert parts["vicreg"].components == 16


class _Silent:
    """An encoder with nothing to say of any object."""

    name: ClassVar[str] = "silent"

    def fit(self, _survey: Survey, _progress: object) -> None:
        pass

    def encode(self, images: np.ndarray) -> np.ndarray:
        return np.full((len(images), 3), np.nan, np.float32)


def test_parts_with_nothing_to_say_of_anything_are_told(
    survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.errors import NotReady

    monkeypatch.setitem(ENCODERS, "silent", _Silent)
    encoder = make_encoder("fusion", survey, {"parts": "silent,peaks"})
    with pytest.raises(NotReady, match="silent"):
        encoder.fit(survey, silent)
