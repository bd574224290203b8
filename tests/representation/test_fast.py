"""Faster ways to run a network: the same function, or not used."""

import numpy as np
import pytest
import torch
from torch import nn

from core.representation import fast
from core.representation.fast import (
    exact_forward,
    fast_forward,
    forward_named,
)
from core.representation.inputs.spec import InputSpec
from core.representation.methods import METHODS


def network(name="vicreg"):
    """A method with random weights and running statistics that folding has to respect."""
    torch.manual_seed(0)
    cls = METHODS[name]
    method = cls(cls.input_spec(3))
    for part in method.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
    return method.eval()


def shown(spec: InputSpec, count=24):
    """Blobs of varied size and place, so that codes differ."""
    generator = torch.Generator().manual_seed(1)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, spec.size_px)] * 2, indexing="ij")
    out = torch.zeros(count, spec.channels, spec.size_px, spec.size_px)
    for number in range(count):
        at = torch.rand(2, generator=generator) - 0.5
        width = 0.05 + 0.4 * torch.rand(spec.channels, 1, 1, generator=generator)
        out[number] = torch.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / width)
    return out


@pytest.mark.parametrize("name", ["vicreg", "vae", "mae"])
def test_every_way_is_the_same_function_to_its_precision(name):
    method = network(name)
    x = shown(method.spec, 6)
    with torch.inference_mode():
        plain = method.codes(x)
    scale = plain.std()
    assert torch.allclose(exact_forward(method)(x), plain, atol=1e-5 * float(scale) + 1e-6)
    for way, tolerance in ((fast.FOLDED, 1e-4), (fast.MIXED, 0.1), (fast.BF16, 0.1)):
        forward = fast.make_forward(method, way)
        if forward is None:  # nothing that torch.fx can fold
            assert way != fast.BF16
            continue
        codes = forward(x)
        assert codes.dtype == torch.float32
        assert (codes - plain).square().mean().sqrt() < tolerance * scale
    # What was given is left as it was.
    with torch.inference_mode():
        assert torch.equal(method.codes(x), plain)


def test_folding_leaves_no_normalisation_in_the_residual_network():
    folded = fast.make_forward(network(), fast.FOLDED)
    assert folded is not None
    assert isinstance(folded.run, nn.Module)
    used = {node.target for node in folded.run.graph.nodes if node.op == "call_module"}  # type: ignore[union-attr]
    parts = dict(folded.run.named_modules())
    assert not [name for name in used if isinstance(parts[str(name)], nn.BatchNorm2d)]
    assert len([name for name in used if isinstance(parts[str(name)], nn.Conv2d)]) > 10


def test_copies_and_overflow_are_no_drift_and_all_drift(monkeypatch):
    """Which of many blank pictures are the nearest is chance; what overflows is lost."""
    monkeypatch.setattr(fast, "bf16_is_native", lambda: True)
    method = network()
    sample = shown(method.spec)
    truth = np.random.default_rng(0).normal(size=(len(sample), 8))
    truth[: len(sample) // 2] = 1.0

    def values(way):
        return np.where(way.name in (fast.BF16, fast.MIXED), np.inf, truth)

    chosen = fast_forward(method, sample, values)
    assert chosen.name == fast.FOLDED
    assert chosen.overlap == 1
    assert chosen.tried[fast.BF16] == 0
    assert fast_forward(method, sample, lambda way: truth).name == fast.BF16
    nothing = np.full_like(truth, np.nan)
    assert fast_forward(method, sample, lambda way: nothing).name == fast.EXACT


def test_a_way_that_moves_neighbours_is_not_used(monkeypatch):
    monkeypatch.setattr(fast, "bf16_is_native", lambda: True)
    method = network()
    sample = shown(method.spec)
    kept = fast_forward(method, sample)
    assert kept.overlap >= fast.LEAST_OVERLAP
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(len(sample), 8))

    def values(way):
        drift = 0.0 if way.name == fast.EXACT else 5.0 if way.name != fast.FOLDED else 1e-6
        return truth + drift * rng.normal(size=truth.shape)

    chosen = fast_forward(method, sample, values)
    assert chosen.name == fast.FOLDED
    assert set(chosen.tried) == {fast.BF16, fast.MIXED, fast.FOLDED}
    assert chosen.tried[fast.BF16] < 0.9
    assert "folded bf16 0." in chosen.sentence
    worse = fast_forward(
        method, sample, lambda way: truth + (way.name != fast.EXACT) * rng.normal(size=truth.shape)
    )
    assert worse.name == fast.EXACT
    assert worse.overlap == 1
    assert "no faster way keeps 99%" in worse.sentence
    assert worse.as_dict()["tried"] == worse.tried


def test_few_objects_say_nothing_about_drift():
    method = network()
    assert fast_forward(method, shown(method.spec, 5)).name == fast.EXACT


def test_a_way_is_found_again_by_its_name_where_it_can_run(monkeypatch):
    method = network()
    monkeypatch.setattr(fast, "bf16_is_native", lambda: True)
    assert forward_named(method, fast.BF16, 0.995).overlap == 0.995
    assert forward_named(method, fast.MIXED).name == fast.MIXED
    assert forward_named(method, fast.FOLDED).name == fast.FOLDED
    monkeypatch.setattr(fast, "bf16_is_native", lambda: False)
    for name in (fast.BF16, fast.MIXED, fast.COMPILED, fast.EXACT):
        assert forward_named(method, name).name == fast.EXACT


def test_codes_that_are_all_the_same_are_no_check():
    method = network()
    x = shown(method.spec)
    way = fast_forward(method, x[:1].expand(len(x), -1, -1, -1))
    assert (way.name, way.tried) == ("float32", {})
    assert "most objects have the same codes" in way.sentence
    half = torch.cat([x[:12], x[:1].expand(12, -1, -1, -1)])  # copies, as of empty pictures
    assert fast_forward(method, half).tried
