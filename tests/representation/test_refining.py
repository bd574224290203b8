"""A network that is taught labels: what it is shown, what changes, and that it goes on."""

import dataclasses

import numpy as np
import pytest
import torch

from core.errors import BadInput, Cancelled, NotReady
from core.representation.embedding.records import Embedding
from core.representation.inputs.pictures import PictureSource
from core.representation.refining import (
    ALONE,
    WAYS,
    Labels,
    Refiner,
    RefineSettings,
    network_place,
    planned_steps,
    replaced_columns,
    teach,
    way_named,
)
from core.representation.refining.reading import network_codes
from core.representation.refining.refiner import AS_MUCH, Shown
from core.workspace import open_workspace
from tests.representation.refining_kit import SIDE, is_double, make_spots, tiny_network

QUICK = RefineSettings(steps=3, batch_size=8)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The pictures of the survey `spots`."""
    survey = make_spots(open_workspace(tmp_path_factory.mktemp("refining") / "ws"))
    return PictureSource([survey])


@pytest.fixture
def labels():
    """Six doubles and six others."""
    index = np.r_[np.arange(0, 24, 4), np.arange(1, 24, 4)]
    return Labels(index, np.where(is_double(index), 0, ALONE))


def state_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def equal(a, b):
    return all(torch.equal(value, b[name]) for name, value in a.items())


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_step_changes_the_network_but_not_its_batch_statistics(source, labels, way):
    before = state_of(tiny_network())
    settings = dataclasses.replace(QUICK, way=way)
    done = teach(source, tiny_network(), labels, settings)
    after = done.network.state_dict()
    known = [name for name in before if not name.startswith("projector.")]
    statistics = [name for name in known if "running" in name or "batches" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert any(not torch.equal(before[name], after[name]) for name in set(known) - {*statistics})
    parts = {"own", "pull"} if WAYS[way].has_joint else set()
    parts |= {"labelled", "consistency", "sure"} if WAYS[way].has_fixmatch else set()
    assert set(done.history[-1]) == {"step", "loss", *parts}
    assert done.history[-1]["step"] == 3
    again = teach(source, tiny_network(), labels, settings)
    assert equal(state_of(done.network), again.network.state_dict())


@pytest.mark.parametrize("method", ["autoencoder", "byol"])
def test_networks_of_other_methods_are_taught_alike(source, labels, method):
    from core.representation.methods import method_named

    cls = method_named(method)
    torch.manual_seed(0)
    network = cls(dataclasses.replace(cls.input_spec(3), size_px=SIDE), {})
    done = teach(source, network, labels, dataclasses.replace(QUICK, steps=1, way="both"))
    assert np.isfinite(done.history[-1]["loss"])


def test_a_stopped_one_goes_on_to_the_same_weights(source, labels, tmp_path):
    whole = teach(source, tiny_network(), labels, QUICK)

    def stop(fraction, _message):
        if fraction > 0.5:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        teach(source, tiny_network(), labels, QUICK, checkpoint=tmp_path, progress=stop)
    seen = []
    done = teach(
        source,
        tiny_network(seed=9),  # the state holds the weights, not the start
        labels,
        QUICK,
        checkpoint=tmp_path,
        progress=lambda fraction, _: seen.append(fraction),
    )
    assert seen == [1.0]
    assert equal(state_of(whole.network), done.network.state_dict())
    assert [one["step"] for one in done.history] == [1, 2, 3]
    # Other labels are another training.
    fewer = labels.without(np.arange(12) == 3)
    seen.clear()
    teach(
        source,
        tiny_network(),
        fewer,
        QUICK,
        checkpoint=tmp_path,
        progress=lambda fraction, _: seen.append(fraction),
    )
    assert len(seen) == 3


def refiner(way="fixmatch", n_rarer=6):
    usual = torch.randn(32, 7, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return Refiner(tiny_network(), way_named(way), n_rarer, usual)


def test_objects_without_a_label_are_held_to_what_the_network_says_alone():
    """Nothing tells which of them are targets: their class in the loss is the network's own."""
    taught = refiner()
    views = torch.randn(8, 7, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    shown = Shown(labelled=views[:4], weak=views, strong=views.flip(3))
    classes = torch.tensor([0, ALONE])
    undecided = taught.loss(shown, classes)
    assert undecided["consistency"].item() == 0.0
    assert undecided["sure"].item() == 0.0
    for said in (0, 1):
        with torch.no_grad():
            taught.head.bias.copy_(torch.tensor([8.0, -8.0] if said == 0 else [-8.0, 8.0]))
        parts = taught.loss(shown, classes)
        assert parts["sure"].item() == 1.0
        parts["consistency"].backward()
        gradient = taught.head.bias.grad
        assert gradient is not None
        assert gradient[said] <= 0 <= gradient[1 - said]
        taught.zero_grad()


def test_the_rarer_side_sets_how_much_labels_weigh():
    assert refiner(n_rarer=AS_MUCH).share == 0.5
    assert refiner(n_rarer=8).share < 0.3
    assert refiner(n_rarer=200).share > 0.9
    taught = refiner("joint", AS_MUCH)
    views = [torch.randn(8, 7, SIDE, SIDE) for _ in range(3)]
    shown = Shown(labelled=views[0], own=views[1:])
    first = taught.loss(shown, torch.tensor([0, 0, ALONE, ALONE]))
    assert first["loss"].item() == pytest.approx(1.0, abs=1e-4)  # both brought to 1, half each
    scales = taught.scales.clone()
    taught.loss(Shown(labelled=views[1], own=views[:2]), torch.tensor([0, 0, ALONE, ALONE]))
    assert torch.equal(taught.scales, scales)


def test_new_parts_learn_faster_and_all_learn():
    taught = refiner("both")
    new, known = {id(one) for one in taught.new}, {id(one) for one in taught.known}
    assert not new & known
    learning = {id(one) for one in taught.parameters() if one.requires_grad}
    assert learning == new | known
    projector = {id(one) for one in taught.network.projector.parameters()}
    assert projector <= new


def test_what_cannot_be_taught(source, labels):
    with pytest.raises(BadInput, match="all of one kind"):
        teach(source, tiny_network(), labels.without(~labels.is_target), QUICK)
    with pytest.raises(BadInput, match="fixmatch, joint, both, but 'magic'"):
        RefineSettings(way="magic")
    with pytest.raises(BadInput, match="1 step or more"):
        RefineSettings(steps=0)


def test_minutes_become_steps_by_timing(source, labels):
    ticks = iter(np.arange(0, 1000, 2.0))
    steps = planned_steps(source, tiny_network(), labels, QUICK, 100.0, lambda: next(ticks))
    assert steps == 50
    ticks = iter(np.arange(0, 1000, 2.0))
    assert planned_steps(source, tiny_network(), labels, QUICK, 1.0, lambda: next(ticks)) == 1


def embedding_of(encoder, width=10, **parts):
    values = np.arange(20 * width, dtype=np.float32).reshape(20, width)
    return Embedding(values, np.ones(20, bool), "run", encoder, parts)


def test_the_network_is_found_in_an_embedding():
    parts = [{"name": "structure", "weight": 1.0}, {"name": "vicreg", "weight": 2.0}]
    fused = embedding_of("fusion", structure=slice(0, 7), vicreg=slice(7, 10))
    place = network_place(fused, {"parts": parts})
    assert (place.columns, place.method) == (slice(7, 10), "vicreg")
    assert (place.components, place.weight) == (3, 2.0)
    alone = network_place(embedding_of("byol"), {})
    assert (alone.columns, alone.components) == (slice(0, 10), 10)
    for encoder, settings in (("pca", {}), ("fusion", {"parts": parts[:1]})):
        with pytest.raises(NotReady, match=rf"\({encoder}\) has no network"):
            network_place(embedding_of(encoder), settings)


def test_only_the_columns_of_the_network_are_made_anew(source):
    fused = embedding_of("fusion", first=slice(0, 4), vicreg=slice(4, 7), last=slice(7, 10))
    settings = {"parts": [{"name": "first", "weight": 1}, {"name": "vicreg", "weight": 2.0}]}
    place = network_place(fused, settings)
    index, fit = np.arange(20), np.arange(20) >= 5
    made = replaced_columns(fused.values, place, tiny_network(), source, index, fit)
    assert (made[:, :4] == fused.values[:, :4]).all()
    assert (made[:, 7:] == fused.values[:, 7:]).all()
    own = made[fit, 4:7] / 2.0
    assert own.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-4)
    assert np.cov(own.T, bias=True) == pytest.approx(np.eye(3), abs=1e-3)


def test_codes_do_not_depend_on_the_batch_and_are_the_mean_of_the_turns(source, monkeypatch):
    from core.representation.refining import reading

    network, index = tiny_network(), np.arange(6)
    codes = network_codes(network, source, index)
    assert codes.shape == (6, 2 * network.dimensions)
    monkeypatch.setattr(reading, "BATCH", 4)
    assert network_codes(network, source, index) == pytest.approx(codes, abs=1e-5)
    with torch.inference_mode():
        shown = network.spec(source(torch.from_numpy(index)))
        turns = [network.codes(torch.rot90(shown[:, 0], k, (2, 3))) for k in range(4)]
    expected = torch.stack(turns).mean(0).numpy()
    assert codes[:, : network.dimensions] == pytest.approx(expected, abs=0.02)
