"""Methods that give pictures back: their held-out reconstruction error picks the weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from core.config import PretrainConfig
from core.errors import Cancelled
from core.representation.augmentation import ViewRecipe
from core.representation.inputs.spec import InputSpec
from core.representation.methods.autoencoder import Autoencoder
from core.representation.methods.method import METHODS
from core.representation.training import held_out, loop
from core.representation.training.held_out import HeldOut, better, picked_words, stalled
from core.representation.training.loop import pretrain

from .short_training import SLIM, patterned, same_weights, served

SMALL: dict[str, dict[str, Any]] = {
    "autoencoder": {"filters": [4, 4, 2]},
    "dense_autoencoder": {"widths": [8, 4]},
    "vae": {"latent": 3, "widths": [4, 4]},
    "aae": {"latent": 3, "widths": [4, 4], "discriminator_width": 8},
}
ERROR, NEIGHBOURS = "reconstruction_error", "neighbour_consistency"


def test_it_is_the_autoencoders_that_go_by_it():
    assert {name for name, one in METHODS.items() if one.reconstructs} == set(SMALL)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_error_is_that_of_plain_loops(name):
    torch.manual_seed(3)
    method: Any = METHODS[name](InputSpec("plain", 2, 16), SMALL[name])
    method.loss([torch.rand(8, 2, 16, 16)])  # batch statistics that are not those of the start
    generator = torch.Generator().manual_seed(1)
    pictures = 1.6 * torch.rand(70, 2, 16, 16, generator=generator) - 0.3
    rows = np.array([2, *range(4, 70)])  # more than one block
    held = HeldOut(lambda index: pictures[index], rows, method, ViewRecipe(), 0)
    quality = held.quality(method)
    assert method.training
    method.eval()
    squares = []
    for row in rows:
        seen = method.spec(pictures[row : row + 1])[:, 0]
        with torch.no_grad():
            rebuilt = 1 / (1 + np.exp(-method.logits(method.codes(seen)).double().numpy()))
        for wanted, found in zip(seen.numpy().ravel(), rebuilt.ravel(), strict=True):
            squares.append((min(max(wanted, 0), 1) - found) ** 2)
    assert quality[ERROR] == pytest.approx(np.mean(squares), rel=1e-3)  # half precision is kept
    assert quality[ERROR] == float(f"{held.reconstruction_error(method):.6g}")


@pytest.fixture
def crowded(monkeypatch):
    """60 objects of many blobs each, which the autoencoder sees at 32 px."""

    def small(_cls, bands):
        return InputSpec("plain", bands, 32)

    monkeypatch.setattr(Autoencoder, "input_spec", classmethod(small))
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 5)
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(60, 1, 8, 8, generator=generator) ** 2
    return torch.nn.functional.interpolate(coarse, size=128, mode="bicubic").clamp(0, 1)


COPYING = PretrainConfig(
    method="autoencoder", steps=50, batch_size=16, learning_rate=5e-3, settings={"filters": [8, 4]}
)


def test_an_autoencoder_keeps_what_copies_best_and_not_what_has_hardly_learnt(crowded):
    result = pretrain(served(crowded), 60, COPYING, bands=1)
    qualities = [(record["step"], record["quality"]) for record in result.qualities]
    by_error = min(qualities, key=lambda one: one[1][ERROR])
    by_neighbours = max(qualities, key=lambda one: (one[1][NEIGHBOURS], one[0]))
    assert (result.best_step, result.best_quality) == by_error
    assert by_neighbours[0] < result.best_step
    assert by_neighbours[1][ERROR] > 1.2 * result.best_quality[ERROR]
    assert picked_words(result.best_quality).startswith("picked by reconstruction error, 0.0")


def test_one_that_was_stopped_ends_with_the_same_weights(crowded, tmp_path):
    def until(fraction, _message):
        if fraction > 0.5:
            raise Cancelled("Enough.")

    short = replace(COPYING, steps=20)
    whole = pretrain(served(crowded), 60, short, bands=1)
    with pytest.raises(Cancelled):
        pretrain(served(crowded), 60, short, bands=1, checkpoint=tmp_path, progress=until)
    again = pretrain(served(crowded), 60, short, bands=1, checkpoint=tmp_path)
    assert again.qualities == whole.qualities
    assert (again.best_step, again.best_quality) == (whole.best_step, whole.best_quality)
    assert same_weights(again, whole)


def test_training_stops_early_when_the_error_no_longer_falls(monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 1)
    monkeypatch.setattr(loop, "EVALUATIONS", 8)
    monkeypatch.setattr(loop, "PATIENCE", 1)
    scores = iter([0.5, 0.2, *[0.4] * 6])
    monkeypatch.setattr(
        HeldOut, "quality", lambda *_: {NEIGHBOURS: 1 / (n := next(scores)) - n, ERROR: n}
    )
    config = PretrainConfig(steps=8, batch_size=8, settings=SLIM)
    result = pretrain(served(patterned()), 60, config)
    assert result.ending == (
        "stopped early at step 4: reconstruction_error has not fallen for 2 evaluations"
    )
    assert result.best_step == 2


@pytest.mark.parametrize("name", ["vicreg", "mae"])
def test_methods_that_are_trained_for_codes_go_by_neighbours(name, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 2)
    small = {"patch_px": 32, "width": 16, "depth": 1, "decoder_width": 16}
    config = PretrainConfig(
        method=name, steps=4, batch_size=8, settings=small if name == "mae" else SLIM
    )
    result = pretrain(served(patterned()), 60, config)
    assert all(ERROR not in record["quality"] for record in result.qualities)
    assert stalled(result.best_quality) == "neighbour_consistency has not risen"
    best = max(result.qualities, key=lambda one: (one["quality"].get(NEIGHBOURS, 0), one["step"]))
    assert result.best_step == best["step"]


def test_which_quality_is_the_better_one():
    good, poor = {ERROR: 0.01, NEIGHBOURS: 0.1}, {ERROR: 0.02, NEIGHBOURS: 0.9}
    assert better(good, poor)
    assert better(good, good)
    assert not better(poor, good)
    assert better(poor, {NEIGHBOURS: 1.0})  # the best so far of a version that had no error
    assert not better({NEIGHBOURS: 1.0}, good)  # its pictures are no numbers
    assert not better({}, good)
    fallen = {ERROR: 0.001, "rank": 1.0}
    assert not better(fallen, poor)
    assert better(poor, fallen)
    assert not better({}, fallen)
    assert better({**fallen, ERROR: 0.0005}, fallen)
    assert not better(fallen, {**fallen, ERROR: 0.0005})
    assert held_out.picked_by({NEIGHBOURS: 0.5}, {}) == held_out.PROGRESS_MEASURE
