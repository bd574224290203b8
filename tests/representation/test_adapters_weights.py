"""Weights that other projects' packages load, in the way in which timm loads them."""

import os
import pickle
import threading

import pytest
import torch
from torch import nn

from core.errors import Damaged, SkysiftError
from core.representation.encoders.adapter_weights import loading


class Ran(Exception):
    pass


def run_it():
    raise Ran


class Malicious:
    def __reduce__(self):
        return (run_it, ())


class Small(nn.Module):
    """A network of timm's without its classes."""

    def __init__(self, blocks=2, classifier="top.fc") -> None:
        super().__init__()
        self.pretrained_cfg = {"classifier": classifier}
        self.blocks = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(blocks))
        self.norm = nn.BatchNorm2d(3)


def load(file, network=None, beside=()):
    network = network or Small()
    with loading("The weights", beside):
        network.load_state_dict(torch.load(file, weights_only=False), strict=False)
    return network


def test_a_pickle_in_disguise_is_refused(tmp_path):
    file = tmp_path / "pytorch_model.bin"
    torch.save(Small().state_dict(), file)
    load(file)
    torch.save({"blocks.0.weight": Malicious()}, file)
    with pytest.raises(Damaged, match=r"a pickle that asks for more than numbers .*run_it.*"):
        load(file)
    file.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(Damaged, match="nothing of it was run"):
        load(file)
    assert nn.Module.load_state_dict.__module__ == "torch.nn.modules.module"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize("name", ["blocks.0.weight", "norm.bias", "norm.running_var"])
def test_weights_without_a_part_of_the_network_are_refused(tmp_path, name):
    state = Small().state_dict()
    del state[name]
    torch.save(state, tmp_path / "file")
    with pytest.raises(Damaged, match=f"of another network .*no {name}"):
        load(tmp_path / "file")
    state[name] = torch.zeros(9, 3, 3, 3)
    torch.save(state, tmp_path / "file")
    with pytest.raises(Damaged, match="of another network"):
        load(tmp_path / "file")


def test_a_count_of_batches_may_be_absent(tmp_path):
    state = Small().state_dict()
    del state["norm.num_batches_tracked"]  # as in files of before torch 0.4.1
    torch.save(state, tmp_path / "file")
    load(tmp_path / "file")


def test_weights_of_a_larger_network_are_refused(tmp_path):
    torch.save(Small(blocks=3).state_dict(), tmp_path / "file")
    with pytest.raises(Damaged, match=r"another network .*no place for blocks\.2\.bias and 1 "):
        load(tmp_path / "file")


@pytest.mark.parametrize("classifier", ["top.fc", ("top.fc", "distilled.fc")])
def test_layers_that_give_classes_may_be_in_the_file(tmp_path, classifier):
    state = Small().state_dict() | {
        "top.fc.weight": torch.zeros(2, 3),
        "top.norm.bias": torch.zeros(3),
        "head.x": torch.zeros(1),
    }
    torch.save(state, tmp_path / "file")
    load(tmp_path / "file", Small(classifier=classifier), (r"head\.",))
    for other in (None, "to.fc"):
        with pytest.raises(Damaged, match=r"no place for top\.fc\.weight and 1 more"):
            load(tmp_path / "file", Small(classifier=other), (r"head\.",))


def test_a_parameter_of_two_names_may_be_in_the_file_once():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(2, 2)
            self.other = self.one

    with loading("The weights"):
        Tied().load_state_dict({"one.weight": torch.ones(2, 2), "one.bias": torch.ones(2)}, False)
    with pytest.raises(Damaged, match=r"no one\.bias and 1 more"), loading("The weights"):
        Tied().load_state_dict({"one.weight": torch.ones(2, 2)}, strict=False)


def test_two_threads_may_load_and_others_are_left_alone():
    """The second begins while the first is within and would end after it."""
    errors: list[SkysiftError] = []

    def second():
        try:
            with loading("The others"):
                first_is_out.wait(0.1)
                Small().load_state_dict({}, strict=False)
        except SkysiftError as error:
            errors.append(error)

    first_is_out = threading.Event()
    thread = threading.Thread(target=second)
    plain = threading.Thread(target=lambda: Small().load_state_dict({}, strict=False))
    with loading("The weights"):
        thread.start()
        thread.join(0.05)
        plain.start()  # would end with an error that pytest tells of
        plain.join()
    first_is_out.set()
    thread.join()
    assert [type(one) for one in errors] == [Damaged]
    assert nn.Module.load_state_dict.__module__ == "torch.nn.modules.module"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
