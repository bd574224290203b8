"""What a training leaves behind: no half of a checkpoint, no plan alone, no collapsed network as
the best one."""

import errno

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import BadInput
from core.representation.augmentation import ViewRecipe
from core.representation.inputs.spec import InputSpec
from core.representation.training import checkpoint
from core.representation.training.held_out import HeldOut, better, collapsed
from core.survey.partial import partial_path


def saved(folder):
    method = nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(method.parameters())
    checkpoint.save_checkpoint(folder, {"step": 3}, method, optimiser, None)


def test_a_full_disk_leaves_no_half_of_a_checkpoint(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints" / "one"
    saved(folder)

    def full(_tensors, path, metadata=None):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_tensors", full)
    with pytest.raises(OSError, match="No space"):
        saved(folder)
    assert [one.name for one in folder.iterdir()] == [checkpoint.STATE]
    assert checkpoint.kept_step(folder) == 3


def test_a_plan_without_a_state_goes_with_the_run_that_failed(tmp_path):
    folder = tmp_path / "checkpoints" / "one"
    for has_saved in (False, True):

        def fails(has_saved=has_saved):
            with checkpoint.claimed_checkpoint(folder, "network") as partial:
                (partial / checkpoint.PLAN).write_text("{}")
                if has_saved:
                    saved(partial)
                raise BadInput("The loss diverged.")

        with pytest.raises(BadInput, match="diverged"):
            fails()
        assert folder.parent.exists() == has_saved
    assert checkpoint.kept_step(partial_path(folder)) == 3


class Giving:
    """Codes that are one constant but for noise of a given size."""

    spec = InputSpec()
    reconstructs = False

    def __init__(self, noise):
        self.noise = noise

    def eval(self):
        return self

    train = eval

    def codes(self, x):
        seen = x.mean((2, 3)).repeat(1, 2)
        return 1 + self.noise * seen


def test_collapsed_codes_are_never_better():
    pictures = torch.rand(60, 3, 128, 128) * torch.rand(60, 3, 1, 1)
    rows = np.arange(60)
    found = {}
    for noise in (0, 1e-6, 1):
        method = Giving(noise)
        held = HeldOut(lambda index: pictures[index], rows, method, ViewRecipe(), 0)  # type: ignore[arg-type]
        found[noise] = held.quality(method)  # type: ignore[arg-type]
    for noise in (0, 1e-6):
        assert found[noise] == {"rank": 0}
        assert collapsed(found[noise])
        assert not better(found[noise], found[1])
        assert better(found[1], found[noise])
    assert found[1]["rank"] > 1.5
    assert "neighbour_consistency" in found[1]
    assert not collapsed(found[1])
    # As a run that measured it before this was known had it.
    old = {"neighbour_consistency": 1.0, "rank": 1.0}
    assert not better(old, found[1])
