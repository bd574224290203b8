"""Each encoder through the whole path: fit, encode, save, load, and the embedding of a survey."""

import functools
import os
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import BadInput, Damaged, NotFound, NotReady, StorageFull
from core.representation import (
    ENCODERS,
    METHODS,
    embed,
    encoder_name,
    fast,
    load_embedding,
    make_encoder,
)
from core.representation.encoder import register_encoder
from core.representation.encoders.network import NetworkEncoder, weights_folder
from core.representation.encoders.structure import DIMENSIONS, structure
from core.representation.inputs.looks import two_looks
from core.representation.inputs.scaling import PixelScaling
from core.representation.methods import save_method
from core.representation.whitening import Whitening
from core.survey import Batch, RunFolder, Survey, SurveyWriter, finished_runs
from core.vocabulary import JobKind
from core.workspace import open_workspace

COUNT = 24
OF_PICTURES = ("fusion", "pca", "structure", *sorted(METHODS))
"""Those that have no tests of their own."""

NARROW: dict[str, Any] = {"widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1], "projector_width": 16}
SETTINGS: dict[str, dict[str, Any]] = {
    "vicreg": NARROW,
    "simclr": {**NARROW, "projection": 8},
    "byol": {**NARROW, "projection": 8},
    "moco": {**NARROW, "projection": 8, "queue_length": 20},
    "autoencoder": {"filters": [8, 8, 8, 4, 2]},  # 32 numbers: 1,024 take seconds to whiten
    "mae": {"width": 16, "depth": 1, "decoder_width": 16},
    "dense_autoencoder": {"widths": [64, 16]},
}


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Survey:
    """Galaxies in g, r, i with noise; every fourth has a second nucleus; one has no picture."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:40, :40] - 19.5
    images = []
    for number in range(COUNT):
        light = np.exp(-np.hypot(x, y * rng.uniform(1, 1.6)) / rng.uniform(2, 5))
        if number % 4 == 0:
            light = light + 0.7 * np.exp(-((x - 7) ** 2 + (y - 2) ** 2) / 5)
        bands = np.stack([light * c for c in (0.5, 1.0, 1.4)]) + rng.normal(0, 0.02, (3, 40, 40))
        images.append(bands.astype(np.float32))
    images[5] = None  # type: ignore[call-overload]
    made = survey_of(tmp_path_factory.mktemp("encoders") / "ws", "galaxies", images)
    for name in METHODS:
        untrained(made, name)
    return made


def survey_of(folder, name, images) -> Survey:
    """Of float32 pictures (band, y, x), None for one that has none."""
    bands, size_px = next(one.shape for one in images if one is not None)[:2]
    writer = SurveyWriter(
        open_workspace(folder),
        name,
        bands=tuple(f"b{band}" for band in range(bands)),
        cutout_size_px=size_px,
        dtype="float32",
        origin="test",
        licence="none",
    )
    with writer:
        ids = [f"G{number}" for number in range(len(images))]
        writer.append(Batch(ids, images, [{} for _ in ids]))
        return writer.commit()


def untrained(survey, name, bands=3):
    """A finished pretraining run of a small network of that method."""
    torch.manual_seed(0)
    cls = METHODS[name]
    with RunFolder(survey, JobKind.PRETRAIN, {"method": name}) as run:
        save_method(cls(cls.input_spec(bands), SETTINGS.get(name)), run.path, {"from": "a test"})
    return run.run_id


@pytest.fixture(scope="module")
def embedded(survey):
    """The first embedding of the survey by an encoder of that name."""
    return functools.cache(lambda name: embed(survey, name))


@pytest.mark.parametrize("name", OF_PICTURES)
def test_an_embedding_has_a_row_an_object_and_a_mask(embedded, name):
    embedding = embedded(name)
    assert embedding.encoder == name
    assert embedding.values.shape[0] == COUNT
    assert np.flatnonzero(~embedding.mask).tolist() == [5]
    assert np.isnan(embedding.values[5]).all()
    assert np.isfinite(embedding.values[embedding.mask]).all()
    with pytest.raises(ValueError, match="read-only"):
        embedding.values[0] = 0


@pytest.mark.parametrize("name", OF_PICTURES)
def test_a_loaded_encoder_encodes_as_the_saved_one_and_a_run_repeats(survey, embedded, name):
    first, second = embedded(name), embed(survey, name)
    assert first.run_id != second.run_id
    assert np.array_equal(first.values, second.values, equal_nan=True)
    assert load_embedding(survey, name).run_id == second.run_id
    run = next(r for r in finished_runs(survey, JobKind.EMBED) if r.run_id == second.run_id)
    again = ENCODERS[name].load(run.path, run.record["result"])
    codes = again.encode(survey.images(np.arange(4)))
    # Half a step of float16 of numbers of a few units, and what bf16 makes of another batch.
    assert codes == pytest.approx(second.rows(slice(0, 4)), abs=5e-3, rel=5e-3)


@pytest.mark.parametrize("name", ["structure", "fusion", *sorted(METHODS)])
def test_a_turned_picture_is_the_same_object(survey, name):
    encoder = make_encoder(name, survey)
    encoder.fit(survey, lambda *_: None)
    pictures = survey.images(np.array([0, 1, 2, 3]))
    turned = np.ascontiguousarray(np.rot90(pictures, 1, (2, 3)))
    before, after = encoder.encode(pictures), encoder.encode(turned)
    spread = np.abs(before - before.mean(0)).mean()
    assert np.abs(before - after).mean() < 0.05 * spread  # bf16 rounds where it is native


def test_structure_sees_the_second_nucleus(survey):
    """The asymmetry of a double stands far above that of every single galaxy."""
    encoder = ENCODERS["structure"]()
    encoder.fit(survey, lambda *_: None)
    numbers = encoder.encode(survey.images(np.arange(COUNT)))
    # Look 1 (the centre), scale 3 px, maximum, asymmetry of the middle band.
    column = DIMENSIONS // 2 + (1 * 3 + 0) * 7 + 4
    doubles = np.arange(COUNT) % 4 == 0
    singles = ~doubles & (np.arange(COUNT) != 5)
    assert numbers[doubles, column].min() > numbers[singles, column].max()


def test_structure_is_what_its_docstring_says():
    looks = two_looks(torch.rand(2, 3, 64, 64))
    numbers = structure(looks)
    assert numbers.shape == (2, DIMENSIONS)
    first = looks[1, 0]  # object 1, the whole picture, unsmoothed
    expected = [first.amax((1, 2)), first.amin((1, 2)), first.square().mean((1, 2)).sqrt()]
    assert torch.allclose(numbers[1, :21], torch.cat(expected))
    smooth = torch.nn.functional.avg_pool2d(first, 7, 1, 3)
    assert torch.allclose(numbers[1, 42:49], smooth.amax((1, 2)), atol=1e-5)


def test_whitening_gives_uncorrelated_unit_columns_and_leaves_out_what_is_flat(tmp_path):
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 8)) + 3
    values = np.column_stack([mixed, np.full(500, 7.0)]).astype(np.float32)
    whitening = Whitening.fit(values, 20)
    out = whitening(values)
    assert out.shape == (500, 6)  # the rank
    assert np.cov(out.T, bias=True) == pytest.approx(np.eye(6), abs=1e-3)
    whitening.save(tmp_path / "w.safetensors")
    assert np.array_equal(Whitening.load(tmp_path / "w.safetensors")(values), out)
    assert Whitening.fit(np.ones((4, 3), np.float32), 2)(np.ones((4, 3), np.float32)).max() == 0


def test_names_and_registration():
    assert encoder_name("default") == "fusion"
    assert set(METHODS) < set(ENCODERS)
    with pytest.raises(BadInput, match="psychic"):
        encoder_name("psychic")
    with pytest.raises(ValueError, match="registered already"):
        register_encoder("pca")(type("Other", (), {}))


def test_what_is_not_there_or_does_not_fit_is_told(survey, tmp_path):
    fresh = Survey.open(open_workspace(survey.folder.parents[1]), survey.name)
    embed(fresh, "pca")
    with RunFolder(fresh, JobKind.EMBED, {"encoder": "pca"}) as run:
        np.save(run.path / "embedding.npy", np.zeros((3, 2), np.float32))
        np.save(run.path / "mask.npy", np.ones(3, bool))
    with pytest.raises(Damaged, match=r"\(3, 2\) and \(3,\)"):
        load_embedding(fresh, "pca")
    with pytest.raises(Damaged, match=r"network\.safetensors"):
        ENCODERS["vicreg"](tmp_path)


def writer_of(tmp_path, name):
    """A writer of a survey of 16 px colour pictures."""
    return SurveyWriter(
        open_workspace(tmp_path / "ws"),
        name,
        bands=("R", "G", "B"),
        cutout_size_px=16,
        dtype="uint8",
        origin="test",
        licence="none",
    )


def test_a_survey_without_an_embedding(tmp_path):
    with writer_of(tmp_path, "bare") as writer:
        writer.append(Batch(["a", "b"], [None, None], [{}, {}]))
        bare = writer.commit()
    with pytest.raises(NotReady, match="no fusion embedding yet"):
        load_embedding(bare)
    with pytest.raises(NotReady, match="has a picture"):
        embed(bare, "structure")


def test_bf16_moves_the_embedding_by_little(survey):
    """What a processor with bf16 embeds may be compared with what another one embeds."""
    encoder = ENCODERS["vicreg"]()
    encoder.fit(survey, lambda *_: None)
    shown = encoder._shown(survey.images(np.array([0, 1, 2, 3, 4, 6, 7, 8])))
    exact = fast.exact_forward(encoder.method)
    rounded = fast.make_forward(encoder.method, fast.BF16)
    codes = [encoder._codes(shown, way) for way in (exact, rounded)]
    drift = np.abs(codes[1] - codes[0]).mean()
    assert 0 < drift < 0.03 * codes[0].std(0).mean()


def test_a_way_of_running_the_network_is_held_against_float32_in_the_embedding(
    survey, monkeypatch, tmp_path
):
    encoder = make_encoder("vicreg", survey, {"weights": "shipped", "components": 8})
    asked = []

    def chosen(method, sample, values, *, pictures):
        exact = fast.exact_forward(method)
        asked.append((sample.shape, values(exact).shape, pictures))
        return fast.forward_named(method, fast.FOLDED, 0.995)

    monkeypatch.setattr("core.representation.encoders.network.fast_forward", chosen)
    encoder.fit(survey, lambda *_: None)
    seen = COUNT - 1
    assert asked == [((seen, 2, 7, 64, 64), (seen, 8), COUNT * 2 * 4)]
    settings = encoder.save(tmp_path)
    assert settings["forward"]["overlap"] == 0.995
    loaded = ENCODERS["vicreg"].load(tmp_path, settings)
    assert loaded.way.name == fast.FOLDED
    pictures = survey.images(np.arange(3))
    assert np.array_equal(encoder.encode(pictures), loaded.encode(pictures))


def test_codes_are_means_over_turns_of_what_the_method_gives(survey):
    encoder = make_encoder("byol", survey, {"rotations": "2"})
    encoder.scaling = PixelScaling.of(survey.manifest)
    pictures = survey.images(np.arange(3))
    shown = encoder._shown(pictures)
    with torch.inference_mode():
        looks = [
            sum(encoder.method.codes(torch.rot90(shown[:, look], q, (2, 3))) for q in (0, 2)) / 2
            for look in range(2)
        ]
    found = encoder._codes(shown)
    assert found == pytest.approx(torch.cat(looks, 1).numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "bands"), [*((name, 5) for name in sorted(METHODS)), ("vicreg", 1), ("mae", 2)]
)
def test_surveys_of_other_bands_broken_and_empty_pictures(tmp_path, name, bands):
    """By a network of three bands: pixels that are NaN or infinite, and no light at all."""
    rng = np.random.default_rng(bands)
    images = list(rng.normal(0, 1, (20, bands, 24, 24)).astype(np.float32))
    images[1][:, :12] = np.nan
    images[2][:] = 0
    images[3][:] = -5
    images[4][0, 3, 3] = np.inf
    odd = survey_of(tmp_path / "ws", "odd", images)
    run_id = untrained(odd, name)
    embedding = embed(odd, name, options={"weights": run_id, "components": "4"})
    assert embedding.mask.all()
    assert embedding.values.shape == (20, 4)
    assert np.isfinite(embedding.values).all()


def test_a_survey_whose_pictures_are_all_the_same(tmp_path):
    same = survey_of(tmp_path / "ws", "same", [np.ones((3, 24, 24), np.float32)] * 5)
    assert np.ptp(embed(same, "vicreg").rows(), axis=0).max() < 1e-3


def test_a_network_that_gives_no_numbers_is_told(survey):
    encoder = make_encoder("vicreg", survey, {"weights": "shipped"})
    with torch.no_grad():
        encoder.method.backbone.stem[0].weight.fill_(torch.nan)
    with pytest.raises(Damaged, match="vicreg gives codes that are no numbers"):
        encoder.fit(survey, lambda *_: None)


@pytest.mark.parametrize(
    ("option", "value"),
    [("rotations", 3), ("rotations", "many"), ("components", 0), ("components", "1.5")],
)
def test_options_of_a_network_that_are_not_allowed(survey, option, value):
    with pytest.raises(BadInput, match=f"{option} must be"):
        make_encoder("vicreg", survey, {option: value})


def test_weights_are_the_newest_run_of_the_method_or_what_is_asked_for(survey, tmp_path):
    newest = untrained(survey, "byol")
    assert weights_folder(survey, "byol").name == newest
    assert weights_folder(survey, "vicreg", "shipped").name == "weights"
    assert weights_folder(survey, "byol", str(tmp_path)) == tmp_path
    with pytest.raises(NotFound, match="'nothing' is none of them"):
        weights_folder(survey, "byol", "nothing")
    with pytest.raises(BadInput, match="Only vicreg comes with shipped weights"):
        weights_folder(survey, "byol", "shipped")
    with pytest.raises(NotReady, match="--method unheard --workspace "):
        weights_folder(survey, "unheard")
    with pytest.raises(BadInput, match="weights of byol, but vicreg was asked for"):
        make_encoder("vicreg", survey, {"weights": newest})
    assert issubclass(ENCODERS["byol"], NetworkEncoder)


def test_the_embedding_of_another_survey_of_the_same_name_is_not_used(tmp_path):
    def made(value):
        with writer_of(tmp_path, "twice") as writer:
            pictures = np.random.default_rng(value).integers(0, 255, (6, 3, 16, 16), np.uint8)
            writer.append(Batch([f"{value}-{i}" for i in range(6)], pictures, [{}] * 6))
            return writer.commit()

    first = made(1)
    embed(first, "structure")
    shutil.rmtree(first.path)
    second = made(2)
    assert second.version == first.version
    with pytest.raises(NotReady, match="no structure embedding yet"):
        load_embedding(second, "structure")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_up_while_embedding_is_told_and_leaves_nothing(survey, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        shutil.copytree(survey.folder.parents[1], disk / "ws", ignore=lambda *_: ["runs"])
        small = Survey.open(open_workspace(disk / "ws"), "galaxies")
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 6_000))
        with pytest.raises(StorageFull, match="is full"):
            embed(small, "structure")
        assert list((small.folder / "runs").glob("*")) == []
        small.verify()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
