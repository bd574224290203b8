"""Two processes at the same global batch train what one does, by every method."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.representation.methods import METHODS

SCRIPT = Path(__file__).with_name("part_of_batch.py")
ROOT = Path(__file__).parents[2]

TOLERANCE = 2e-4
"""Of the largest gradient of a step, and of the largest change of the state."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", SCRIPT, str(rank), str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            said, _ = process.communicate(timeout=300)
            assert process.returncode == 0, said
    finally:
        for process in processes:
            process.kill()
    return {
        name: load_file(folder / f"{name}.safetensors")
        for name in ("alone", "together-0", "together-1")
    }


def of(run, prefix):
    return {key: one.float() for key, one in run.items() if key.startswith(prefix)}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_loss_is_that_of_one_process(runs, name):
    alone, together = (of(runs[run], f"{name}/loss") for run in ("alone", "together-0"))
    assert alone.keys() == together.keys()
    for key, value in alone.items():
        assert together[key].item() == pytest.approx(value.item(), rel=1e-4)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_averaged_gradients_are_those_of_one_process(runs, name):
    for step in range(2):
        prefix = f"{name}/gradient/{step}"
        alone, together = (of(runs[run], prefix) for run in ("alone", "together-0"))
        assert alone.keys() == together.keys()
        largest = max(one.abs().max().item() for one in alone.values())
        assert largest > 0
        for key, value in alone.items():
            assert (together[key] - value).abs().max().item() < TOLERANCE * largest, key


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_state_is_that_of_one_process_and_the_same_on_both(runs, name):
    """Weights, averages, the queue and the statistics of batch normalisation."""
    alone, first, second = (of(runs[run], f"{name}/state") for run in runs)
    assert alone.keys() == first.keys() == second.keys()
    for key, value in alone.items():
        assert torch.equal(first[key], second[key]), key
        assert (first[key] - value).abs().max().item() < TOLERANCE * (1 + value.abs().max().item())
