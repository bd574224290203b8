"""The names of an embedding's numbers, and the way back from it to what was measured."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import ndimage

from core.measure.morphology import measure_morphology
from core.representation import Embedding, embed, load_embedding
from core.representation.encoders.peaks import DIMENSIONS as N_PEAKS
from core.representation.encoders.structure import DIMENSIONS as N_STRUCTURE
from core.representation.inputs.looks import two_looks
from core.representation.inputs.scaling import PixelScaling
from core.representation.naming import Naming, naming_of
from core.representation.number_names import peaks_numbers, structure_numbers, three_bands
from core.survey import Survey, SurveyWriter
from core.survey.batch import Batch
from core.workspace import open_workspace

N, SIDE = 30, 32
BANDS = ("g", "r", "z")
PARTS = "structure:1,peaks:2,morphology:1.5,pca:1:3"


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> tuple[Survey, Embedding, Naming]:
    """Blobs with a companion, embedded by three parts that have names and one that has none."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    images = []
    for number in range(N):
        light = 100 * np.exp(-np.hypot(x, y * rng.uniform(1, 2)) / rng.uniform(2, 5))
        light += 60 * np.exp(-((x - rng.uniform(3, 9)) ** 2 + (y - number % 5) ** 2) / 4)
        noise = rng.normal(8, 1, (3, SIDE, SIDE))
        images.append((light * rng.uniform(0.5, 1, (3, 1, 1)) + noise).astype(np.float32))
    with SurveyWriter(
        open_workspace(tmp_path_factory.mktemp("naming") / "ws"),
        "blobs",
        bands=BANDS,
        cutout_size_px=SIDE,
        dtype="float32",
        origin="made up",
        licence="none",
    ) as writer:
        writer.append(Batch([f"o{row}" for row in range(N)], images, [{} for _ in range(N)]))
        survey = writer.commit()
    embed(survey, "fusion", options={"parts": PARTS})
    embedding = load_embedding(survey)
    return survey, embedding, naming_of(survey, embedding)


def test_every_column_is_named_once_or_was_learnt(fused) -> None:
    _, embedding, naming = fused
    every = np.concatenate([naming.named.columns, *naming.learnt.values()])
    assert sorted(every.tolist()) == list(range(embedding.values.shape[1]))
    assert {name: len(one) for name, one in naming.learnt.items()} == {"pca": 3}
    assert len(naming.named.numbers) == len(naming.named.columns)
    places = sorted(itertools.chain.from_iterable(naming.named.groups().values()))
    assert places == list(range(len(naming.named.numbers)))


def natural(fused, prefix: str) -> tuple[dict[tuple[str, str], np.ndarray], np.ndarray]:
    """(title, meaning) -> (N,) values of the columns of a group's prefix, NaN where cut off."""
    _, embedding, naming = fused
    values = np.array([naming.named.natural(row) for row in embedding.rows()])
    cut = np.array([naming.named.beyond(row) for row in embedding.rows()])
    values[cut] = np.nan
    found = {
        (one.title, one.meaning): values[:, place]
        for place, one in enumerate(naming.named.numbers)
        if one.group.startswith(prefix)
    }
    return found, cut


def test_morphology_comes_back_as_it_was_measured(fused) -> None:
    survey, embedding, naming = fused
    measured = measure_morphology(survey.images(slice(0, N)), bands=BANDS)
    values = np.array([naming.named.natural(row) for row in embedding.rows()])
    cut = np.array([naming.named.beyond(row) for row in embedding.rows()])
    titles = [one.title for one in naming.named.numbers]
    for name, title in (
        *(("ellipticity", "ellipticity"), ("separation", "separation"), ("gini", "gini")),
        *(("r50_r", "r50 (r)"), ("noise_z", "noise (z)"), ("flux_ratio", "flux ratio")),
        ("colour_g_r", "colour (g - r)"),
    ):
        place = titles.index(title)
        truth = measured.of(name)
        known = np.isfinite(truth) & ~cut[:, place]
        assert known.sum() > N / 2
        spread = np.ptp(truth[known])
        np.testing.assert_allclose(values[known, place], truth[known], atol=0.02 * spread)


def test_structure_numbers_are_what_their_names_say(fused) -> None:
    survey = fused[0]
    scaled = PixelScaling.of(survey.manifest)(survey.images(slice(0, N)))
    looks = two_looks(scaled).numpy().astype(np.float64)
    found, _ = natural(fused, "structure")
    whole, central = "whole picture", "central half"
    for title, meaning, truth in (
        (
            f"brightest light, {whole}",
            "highest value in band g",
            looks[:, 0, 0].max(axis=(1, 2)),
        ),
        (
            f"faintest light, {central}",
            "lowest value in band z, averaged over 3 px",
            ndimage.uniform_filter(looks[:, 1, 2], (0, 3, 3), mode="constant").min(axis=(1, 2)),
        ),
        (
            f"lopsided light overall, {central}",
            "root mean square of what a half turn does not share in band r",
            np.sqrt(np.square(looks[:, 1, 4]).mean(axis=(1, 2))),
        ),
        (
            f"sharpest structure, {whole}",
            "highest value of the unsharp mask, averaged over 7 px",
            ndimage.uniform_filter(looks[:, 0, 6], (0, 7, 7), mode="constant").max(axis=(1, 2)),
        ),
    ):
        values = found[title, meaning]
        known = np.isfinite(values)
        spread = np.ptp(truth[known])
        assert spread > 0
        np.testing.assert_allclose(values[known], truth[known], atol=0.01 * spread)


def test_peaks_agree_with_one_another(fused) -> None:
    _, embedding, naming = fused
    values = np.array([naming.named.natural(row) for row in embedding.rows()])
    titles = [one.title for one in naming.named.numbers]

    def of(title: str) -> list[np.ndarray]:
        return [values[:, place] for place, one in enumerate(titles) if one == title]

    apart, from_logarithm = of("distance of the second peak from the sharpest")
    np.testing.assert_allclose(from_logarithm, apart, rtol=0.02, atol=0.002)
    (first,) = of("strength of the sharpest peak")
    (second,) = of("strength of the second peak")
    (ratio,) = of("strength of the second peak beside the sharpest")
    np.testing.assert_allclose(ratio, np.clip(second / first, 1e-3, 1), rtol=0.03)
    like = of("likeness of the second peak to a second nucleus")
    like += of("likeness of the third peak to a second nucleus")
    like += of("likeness of the fourth peak to a second nucleus")
    (most,) = of("likeness to two nuclei")
    np.testing.assert_allclose(np.max(like, axis=0), most, atol=5e-3)
    (count,) = of("number of peaks")
    np.testing.assert_allclose(count, np.round(count), atol=0.05)


def test_there_is_a_name_for_each_number_whatever_the_bands() -> None:
    for bands in (("r",), ("g", "r"), BANDS, tuple("ugrizy")):
        assert len(structure_numbers(bands)) == N_STRUCTURE
        assert len(peaks_numbers(bands)) == N_PEAKS
    assert three_bands(("g", "r")) == ("band g", "the mean of both bands", "band r")
    assert three_bands(tuple("ugriz")) == ("band u", "band r", "band z")


def test_an_encoder_without_names_is_learnt_and_morphology_alone_is_named(fused) -> None:
    survey, embedding, _ = fused
    plain = dataclasses.replace(embedding, run_id="gone", encoder="external", parts={})
    naming = naming_of(survey, plain)
    assert naming.named.numbers == ()
    assert naming.learnt["external"].tolist() == list(range(plain.values.shape[1]))
    embed(survey, "morphology")
    alone = load_embedding(survey, "morphology")
    naming = naming_of(survey, alone)
    assert naming.learnt == {}
    titles = [one.title for one in naming.named.numbers]
    truth = measure_morphology(survey.images(slice(0, N)), bands=BANDS).of("ellipticity")
    place = titles.index("ellipticity")
    values = [naming.named.natural(row)[place] for row in alone.rows()]
    np.testing.assert_allclose(values, truth, atol=0.01)
    assert naming.named.numbers[titles.index("flag: trail")].is_flag
    assert not any(naming.named.beyond(alone.rows()[0]))
    assert naming_of(survey, dataclasses.replace(alone, run_id="gone")).learnt  # files are gone


def test_a_tamed_number_that_was_cut_is_told_as_beyond(fused) -> None:
    survey, _, naming = fused
    embed(survey, "morphology")
    alone = naming_of(survey, load_embedding(survey, "morphology"))
    for named in (alone.named, naming.named):
        place = next(at for at in np.flatnonzero(named.tamed) if named.scale[at] > 0)
        # As the encoder says 1,400 scatters, 1e5 and -1e5: arcsinh, cut at 8.
        row = np.zeros(1_000)
        told = []
        for scatters in (1_400, 1e5, -1e5):
            raw = np.clip(np.arcsinh(scatters), -8, 8)
            row[named.columns[place]] = (raw - named.centre[place]) * named.scale[place]
            free = dataclasses.replace(named, farthest=np.full(len(named.columns), np.inf))
            told.append(bool(free.beyond(row.astype(np.float16))[place]))
        assert told == [False, True, True]
    untamed = np.flatnonzero(~alone.named.tamed)[0]
    assert not alone.named.beyond(np.full(1_000, 8.0))[untamed]
