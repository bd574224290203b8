"""Losses against plain sums in numpy; gradients where they belong; averages; what is refused."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.errors import BadInput
from core.representation.device import autocast
from core.representation.inputs.spec import InputSpec
from core.representation.methods import METHODS, load_method, save_method
from core.representation.methods.byol import disagreement, momentum_at
from core.representation.methods.contrastive_loss import info_nce, nt_xent
from core.representation.methods.mae import patch_error
from core.representation.networks.normalisation import BatchNorm
from core.representation.networks.patches import as_patches, places
from core.representation.networks.slim import SlimResNet

NARROW: dict[str, Any] = {"widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1], "projector_width": 16}
SMALL: dict[str, dict[str, Any]] = {
    "vicreg": NARROW,
    "simclr": {**NARROW, "projection": 8},
    "byol": {**NARROW, "projection": 8},
    "moco": {**NARROW, "projection": 8, "queue_length": 20},
    "mae": {"width": 16, "depth": 2, "decoder_width": 16},
}


def made(name, bands=3, **more):
    torch.manual_seed(0)
    cls = METHODS[name]
    return cls(cls.input_spec(bands), {**SMALL[name], **more}).train()


def views_of(method, count=8, seed=1):
    """Smooth pictures, each object's views alike."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, method.spec.channels, 4, 4, generator=generator)
    one = functional.interpolate(coarse, size=method.spec.size_px, mode="bilinear")
    return [torch.rot90(one, turn, (2, 3)) for turn in range(method.views)]


def cosine(a, b):
    return sum(a * b) / math.sqrt(sum(a * a)) / math.sqrt(sum(b * b))


def test_nt_xent_is_the_cross_entropy_of_finding_the_other_view():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    both, losses = [*a, *b], []
    for i in range(10):
        j = (i + 5) % 10
        others = [math.exp(cosine(both[i], both[k]) / 0.3) for k in range(10) if k != i]
        losses.append(-math.log(math.exp(cosine(both[i], both[j]) / 0.3) / sum(others)))
    terms = nt_xent(torch.tensor(a), torch.tensor(b), 0.3)
    assert terms.total.item() == pytest.approx(np.mean(losses), rel=1e-9)
    pairs = [cosine(a[i], b[i]) for i in range(5)]
    assert terms.attraction.item() == pytest.approx(-np.mean(pairs) / 0.3, rel=1e-9)


def test_info_nce_is_the_cross_entropy_of_finding_the_key_beside_the_queue():
    rng = np.random.default_rng(2)
    query, key, queue = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=(6, 3))
    queue /= np.linalg.norm(queue, axis=1, keepdims=True)
    losses = []
    for i in range(4):
        own = math.exp(cosine(query[i], key[i]) / 0.2)
        others = [math.exp(cosine(query[i], key[j]) / 0.2) for j in range(4) if j != i]
        others += [math.exp(cosine(query[i], old) / 0.2) for old in queue]
        losses.append(-math.log(own / (own + sum(others))))
    terms = info_nce(torch.tensor(query), torch.tensor(key), torch.tensor(queue), 0.2)
    assert terms.total.item() == pytest.approx(np.mean(losses), rel=1e-9)


def test_disagreement_is_two_minus_two_cosines():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    found = disagreement(torch.tensor(a), torch.tensor(b)).item()
    assert found == pytest.approx(np.mean([2 - 2 * cosine(a[i], b[i]) for i in range(6)]))
    unit = a / np.linalg.norm(a, axis=1, keepdims=True)
    other = b / np.linalg.norm(b, axis=1, keepdims=True)
    assert found == pytest.approx(((unit - other) ** 2).sum(1).mean())


def test_the_masked_error_counts_hidden_patches_alone():
    rng = np.random.default_rng(4)
    x, drawn = rng.normal(size=(2, 3, 8, 8)), rng.normal(size=(2, 4, 48))
    hidden = np.array([[0, 3], [1, 2]])
    expected = []
    for one in range(2):
        squares = []
        for patch in hidden[one]:
            row, column = 4 * (patch // 2), 4 * (patch % 2)
            cut = x[one, :, row : row + 4, column : column + 4].reshape(-1)
            squares += list((drawn[one, patch] - cut) ** 2)
        expected.append(np.mean(squares))
    found = patch_error(torch.tensor(drawn), torch.tensor(x), torch.tensor(hidden), 4)
    assert found.numpy() == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    "loss", [lambda a, b: nt_xent(a, b, 1), lambda a, b: info_nce(a, b, b, 1), disagreement]
)
def test_shapes_that_do_not_fit_are_refused(loss):
    with pytest.raises(BadInput, match=r"two \(B, D\) arrays"):
        loss(torch.zeros(4, 3), torch.zeros(4, 2))


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_loss_of_a_method_is_its_formula_of_what_its_parts_give(name):
    """The pieces put together by hand, view by view where a method runs them together."""
    method = made(name).eval()
    x = views_of(method)
    if name == "mae":
        order = method._order(8)
        visible, hidden = order[:, :16], order[:, 16:]
        bands = x[0][:, :3]
        drawn = method.decoder(method.encoder(bands, visible), visible)
        expected = patch_error(drawn, bands, hidden, 8).mean()
    else:
        first, second = (method.projector(method.backbone(view)) for view in x)
    if name == "simclr":
        expected = nt_xent(first, second, 0.2).total
    if name == "vicreg":
        scatter = [torch.cov(z.T) for z in (first, second)]
        covariance = sum((c - c.diag().diag()).square().sum() / 16 for c in scatter)
        variance = sum((1 - (c.diag() + 1e-4).sqrt()).relu().mean() for c in scatter) / 2
        expected = 25 * (first - second).square().mean() + 25 * variance + covariance
    if name == "byol":
        one, two = method.target(x[0]), method.target(x[1])
        there = disagreement(method.predictor(first), two)
        expected = there + disagreement(method.predictor(second), one)
    if name == "moco":
        expected = info_nce(first, method.target(x[1]), method.queue, 0.2).total
    loss = method.loss(x)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert tuple(loss.parts) == method.parts


@pytest.mark.parametrize("name", sorted(SMALL))
def test_gradients_reach_what_is_trained_and_nothing_else(name):
    method = made(name)
    method.loss(views_of(method)).total.backward()
    for key, parameter in method.named_parameters():
        if key.startswith("target."):
            assert not parameter.requires_grad
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all()
    first = method.backbone.stem[0] if name != "mae" else method.encoder.stem.conv
    assert first.weight.grad.abs().max() > 0


@pytest.mark.parametrize("name", sorted(SMALL))
def test_some_steps_lower_the_loss(name):
    method = made(name)
    optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], 3e-3)
    # A queue must not hold the objects of the batch, and is full of keys after three steps.
    steps, first = (40, 3) if name == "moco" else (15, 0)
    losses = []
    for step in range(steps):
        loss = method.loss(views_of(method, seed=step if name == "moco" else 1))
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        method.after_step((step + 1) / steps)
        losses.append(loss.total.item())
    assert np.mean(losses[-5:]) < np.mean(losses[first : first + 3])


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_saved_network_gives_the_same_codes_and_leaves_training_behind(name, tmp_path):
    method = made(name)
    method.loss(views_of(method))
    save_method(method, tmp_path, {"from": "a test"})
    loaded, origin = load_method(tmp_path, name)
    assert origin == {"from": "a test"}
    x = views_of(method, seed=5)[0]
    with torch.no_grad():
        codes = loaded.codes(x)
        assert torch.equal(codes, method.eval().codes(x))
    assert codes.shape == (8, method.dimensions)
    kept = (tmp_path / "network.safetensors").read_bytes()
    assert not any(word in kept for word in (b"projector", b"target", b"queue", b"decoder"))


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize("bands", [1, 5])
def test_any_number_of_bands(name, bands):
    method = made(name, bands)
    assert method.loss(views_of(method)).total.isfinite()


@pytest.mark.parametrize("name", sorted(SMALL))
def test_pictures_without_content_give_finite_losses_and_codes(name):
    method = made(name)
    flat = [torch.zeros_like(view) for view in views_of(method)]
    loss = method.loss(flat)
    loss.total.backward()
    assert loss.total.isfinite()
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)
    assert method.eval().codes(flat[0]).isfinite().all()


@pytest.mark.parametrize("name", sorted(SMALL))
def test_losses_are_taken_in_float32_whatever_the_network_runs_in(name):
    method = made(name)
    with autocast(True):
        loss = method.loss(views_of(method))
    assert loss.total.dtype == torch.float32
    exact = made(name).loss(views_of(method)).total.item()
    assert loss.total.item() == pytest.approx(exact, rel=0.05)


def test_terms_of_large_sums_are_not_rounded_to_bf16():
    """Within autocast a product of matrices would be: eight bits, an error of some 0.4 %."""
    method = made("vicreg", invariance_weight=0, variance_weight=0)
    a = torch.randn(64, 16, generator=torch.Generator().manual_seed(0)) + 30
    method.projected = lambda views: torch.cat([a, a])
    with autocast(True):
        found = method.loss([a, a]).parts["covariance"].item()
    exact = torch.cov(a.T)
    expected = 2 * (exact - exact.diag().diag()).square().sum().item() / 16
    assert found == pytest.approx(expected, rel=1e-4)


def test_an_average_follows_exactly_and_the_momentum_rises_to_one():
    method = made("byol")
    before = {k: v.clone() for k, v in method.target.network.named_parameters()}
    with torch.no_grad():
        for parameter in method.online().parameters():
            parameter += 1
    online = dict(method.online().named_parameters())
    method.after_step(0.25)
    share = 1 - 0.01 * (math.cos(math.pi / 4) + 1) / 2
    for key, value in method.target.network.named_parameters():
        expected = share * before[key] + (1 - share) * online[key]
        assert torch.allclose(value, expected, atol=1e-6)
    assert [momentum_at(f, 0.9) for f in (0, 0.5, 1)] == pytest.approx([0.9, 0.95, 1])


def test_the_queue_holds_the_latest_keys_in_turn():
    method = made("moco", queue_length=20)
    noise = method.queue.clone()
    keys = []
    for seed in range(3):
        x = views_of(method, count=8, seed=seed)
        keys.append(functional.normalize(method.target(x[1]), dim=1))
        method.loss(x)
        method.after_step(0.1)
    queue = method.queue
    assert torch.allclose(queue[8:16], keys[1], atol=1e-6)
    assert torch.allclose(queue[16:20], keys[2][:4], atol=1e-6)
    assert torch.allclose(queue[:4], keys[2][4:], atol=1e-6)  # round the end
    assert torch.allclose(queue[4:8], keys[0][4:], atol=1e-6)
    assert not torch.equal(queue, noise)
    assert int(method.position) == 4
    method.eval().loss(x)
    method.after_step(0.1)
    assert torch.equal(method.queue, queue)  # what is looked at is not kept


def test_hidden_patches_do_not_leak_and_masks_change_from_step_to_step():
    method = made("mae")
    bands = views_of(method)[0][:, :3]
    order = method._order(8)
    visible = order[:, :16]
    assert method.visible == 16  # a quarter of 64
    assert (order.sort(1).values == torch.arange(64)).all()
    changed = bands.clone().reshape(8, 3, 8, 8, 8, 8).permute(0, 2, 4, 1, 3, 5)
    changed = changed.reshape(8, 64, -1)
    for one in range(8):
        changed[one, order[one, 16:]] = 9.0
    changed = changed.reshape(8, 8, 8, 3, 8, 8).permute(0, 3, 1, 4, 2, 5).reshape(8, 3, 64, 64)
    assert torch.allclose(method.encoder(bands, visible), method.encoder(changed, visible))
    assert not torch.allclose(method.codes(bands), method.codes(changed))
    assert torch.equal(order, method._order(8))
    method.after_step(0.5)
    assert not torch.equal(order, method._order(8))


def test_all_visible_patches_are_the_whole_picture():
    method = made("mae").eval()
    bands = views_of(method)[0][:, :3]
    turned = torch.arange(64).flip(0).expand(8, -1)
    whole, flipped = method.encoder(bands), method.encoder(bands, turned)
    assert torch.allclose(whole, flipped.flip(1), atol=1e-5)


def test_patches_and_places():
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    assert as_patches(x, 2)[0, 1].tolist() == [[[2, 3], [6, 7]], [[18, 19], [22, 23]]]
    where = places(8, 16)
    assert where.shape == (64, 16)
    assert torch.cdist(where, where).fill_diagonal_(1).min() > 0.1  # no two alike
    with pytest.raises(BadInput, match="patch_px of the method mae must divide"):
        made("mae", patch_px=7)


def test_batch_normalisation_is_that_of_torch():
    for shape, other in (
        ((6, 4), torch.nn.BatchNorm1d(4)),
        ((6, 4, 3, 3), torch.nn.BatchNorm2d(4)),
    ):
        own = BatchNorm(4)
        assert own.state_dict().keys() == other.state_dict().keys()
        x = torch.rand(shape)
        assert torch.equal(own(x), other(x))
        statistics = dict(other.named_buffers())
        assert all(torch.equal(one, statistics[key]) for key, one in own.named_buffers())
    with pytest.raises(ValueError, match="came"):
        BatchNorm(4)(torch.rand(2, 4, 3))


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("simclr", "temperature", 0),
        ("moco", "queue_length", 1.5),
        ("moco", "momentum", 1.1),
        ("byol", "momentum", "fast"),
        ("byol", "projection", True),
        ("vicreg", "variance_weight", float("nan")),
        ("vicreg", "widths", [16, 32]),
        ("vicreg", "blocks", [1, 0, 1, 1]),
        ("vicreg", "projector_width", None),
        ("mae", "hidden_share", 1.0),
        ("mae", "width", 18),
        ("mae", "seed", -1),
    ],
)
def test_settings_out_of_range_are_refused_with_a_sentence(name, setting, value):
    with pytest.raises(BadInput, match=f"The setting {setting} of the method {name} must be"):
        made(name, **{setting: value})


def test_settings_of_a_command_line_are_text():
    assert made("moco", queue_length="32", temperature="0.1").settings["temperature"] == 0.1
    assert made("moco", queue_length="32").queue.shape == (32, 8)


def test_the_network_is_as_slim_as_promised_and_sees_a_faint_second_spot():
    network = SlimResNet().eval()
    assert 0.5e6 <= sum(p.numel() for p in network.parameters()) <= 1.5e6
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    one = torch.exp(-((x - 32) ** 2 + (y - 32) ** 2) / 18)
    two = one + 0.3 * torch.exp(-((x - 40) ** 2 + (y - 32) ** 2) / 6)
    with torch.no_grad():
        a, b = network(torch.stack([one, two]).unsqueeze(1).expand(-1, 7, -1, -1))
    assert a.shape == (256,)
    assert (a - b).norm() > 1e-3


def test_each_method_says_what_it_is():
    for name, cls in METHODS.items():
        assert cls.name == name
        assert cls.description
        assert cls.parts
        assert InputSpec.from_dict(cls.input_spec(3).as_dict()) == cls.input_spec(3)
