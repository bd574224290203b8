"""Which training's weights an encoder takes, and what it says of that choice."""

import json

import numpy as np
import pytest
import torch

from core.representation.encoder import make_encoder
from core.representation.encoders.network import weights_folder
from core.representation.methods.method import METHODS
from core.representation.methods.store import save_method
from core.survey import Batch, RunFolder, SurveyWriter
from core.vocabulary import JobKind
from core.workspace import open_workspace

from .short_training import SLIM


@pytest.fixture
def surveys(tmp_path):
    """Two of 12 small pictures, of different content."""
    made = []
    for seed, name in enumerate(("first", "second")):
        pictures = np.random.default_rng(seed).integers(0, 255, (12, 3, 16, 16), np.uint8)
        writer = SurveyWriter(
            open_workspace(tmp_path / "ws"),
            name,
            bands=("red", "green", "blue"),
            cutout_size_px=16,
            dtype="uint8",
            origin="test",
            licence="none",
        )
        with writer:
            writer.append(Batch([f"{name}{n}" for n in range(12)], pictures, [{}] * 12))
            made.append(writer.commit())
    return made


def trained(survey, kept, steps, of=None, bands=3, measured=True, error=None):
    """A finished training of BYOL that kept so many neighbours; collapsed where that is None.
    With an `error` it is one of VAE, whose error was not measured where that is 0."""
    name, settings = ("byol", SLIM) if error is None else ("vae", {"latent": 2, "widths": [2]})
    seen = {one.name: one.manifest.content_hash for one in of or [survey]}
    config = {"method": name, "steps": steps, "surveys": seen, "bands": bands}
    torch.manual_seed(0)
    with RunFolder(survey, JobKind.PRETRAIN, config) as run:
        save_method(METHODS[name](METHODS[name].input_spec(3), settings), run.path, {})
        quality = {"rank": 1.0} if kept is None else {"neighbour_consistency": kept}
        if error:
            quality["reconstruction_error"] = error
        run.result["best_quality"] = quality if measured else {}
    return run.run_id


def test_the_training_that_kept_most_neighbours_is_taken_and_it_is_said_why(surveys):
    survey = surveys[0]
    trained(survey, 0.8, 500)
    assert make_encoder("byol", survey).notes == []
    good = trained(survey, 0.78, 500)
    assert make_encoder("byol", survey).notes == []  # hardly worse, and newer
    assert weights_folder(survey, "byol").name == good
    newest = trained(survey, 0.4, 500)
    encoder = make_encoder("byol", survey)
    assert weights_folder(survey, "byol").name == good
    (note,) = encoder.notes
    assert f"training {good}, which kept more neighbours of held-out objects (0.78)" in note
    assert f"than the newest, {newest} (0.40)" in note
    encoder.fit(survey, lambda *_: None)
    assert encoder.notes[0] == note
    encoder.fit(survey, lambda *_: None)
    assert encoder.notes.count(note) == 1
    assert make_encoder("byol", survey, {"weights": newest}).notes == []


def test_only_trainings_measured_alike_are_compared(surveys):
    survey = surveys[0]
    trained(survey, 0.9, 500, of=surveys)  # on more pictures: other objects are held out
    trained(survey, 0.9, 500, bands=5)
    elsewhere = trained(survey, 0.9, 500)
    path = survey.folder / "runs" / elsewhere / "config.json"
    told = json.loads(path.read_text())
    told["versions"]["skysift"] = "0.0.1"
    path.write_text(json.dumps(told))
    newest = trained(survey, 0.2, 500)
    assert weights_folder(survey, "byol").name == newest
    assert make_encoder("byol", survey).notes == []
    better = trained(survey, 0.5, 500)
    trained(survey, 0.3, 500)
    assert weights_folder(survey, "byol").name == better
    unmeasured = trained(survey, 0.1, 500, measured=False)
    assert weights_folder(survey, "byol").name == unmeasured


def test_a_training_of_a_few_steps_is_doubted(surveys):
    survey = surveys[0]
    trained(survey, 0.5, 3)
    (note,) = make_encoder("byol", survey).notes
    assert note.endswith("no more than 3 steps; train it for longer")
    longer = trained(survey, 0.5, 300)
    trained(survey, 0.52, 1)
    (note,) = make_encoder("byol", survey).notes
    assert note.endswith(f"no more than 1 step; name {longer} as the weights")


def test_a_training_on_several_surveys_is_found_by_each(surveys):
    first, second = surveys
    both = trained(first, 0.5, 500, of=surveys)
    assert weights_folder(second, "byol").name == both
    trained(first, 0.5, 500)  # on the first alone
    assert weights_folder(second, "byol").name == both
    assert weights_folder(second, "byol", both).name == both
    own = trained(second, 0.5, 500)
    assert weights_folder(second, "byol").name == own


def test_a_training_that_collapsed_is_doubted(surveys):
    survey = surveys[0]
    trained(survey, None, 500)
    (note,) = make_encoder("byol", survey).notes
    assert "tell no objects apart" in note
    good = trained(survey, 0.3, 500)
    trained(survey, None, 500)
    (note,) = make_encoder("byol", survey).notes
    assert f"training {good}, which kept more neighbours" in note


def test_of_autoencoders_the_one_that_rebuilds_best_is_taken_once_that_is_measured(surveys):
    survey = surveys[0]
    old = trained(survey, 0.8, 500, error=0)
    trained(survey, 0.4, 500, error=0)
    assert weights_folder(survey, "vae").name == old  # by neighbours, as it was
    (note,) = make_encoder("vae", survey).notes
    assert f"training {old}, which kept more neighbours" in note
    first = trained(survey, 0.0, 500, error=0.02)
    assert weights_folder(survey, "vae").name == first
    assert make_encoder("vae", survey).notes == []  # it copies well, whatever its neighbours
    good = trained(survey, 0.1, 500, error=0.01)
    assert weights_folder(survey, "vae").name == good
    near = trained(survey, 0.0, 500, error=0.0109)
    assert weights_folder(survey, "vae").name == near
    newest = trained(survey, 0.9, 500, error=0.0125)
    assert weights_folder(survey, "vae").name == near
    (note,) = make_encoder("vae", survey).notes
    assert f"training {near}, which rebuilt held-out pictures with less error (0.0109)" in note
    assert f"than the newest, {newest} (0.0125)" in note
    trained(survey, None, 500, error=0.001)  # of codes that collapsed
    assert weights_folder(survey, "vae").name == near
    (note,) = make_encoder("vae", survey).notes
    assert "(its codes collapsed)" in note


def test_a_collapsed_autoencoder_does_not_put_older_trainings_aside(surveys):
    survey = surveys[0]
    old = trained(survey, 0.5, 500, error=0)
    trained(survey, None, 500, error=0.001)
    assert weights_folder(survey, "vae").name == old
    (note,) = make_encoder("vae", survey).notes
    assert f"training {old}, which kept more neighbours" in note
