"""Weights on disk: what is written is read again, everything else is refused with a sentence."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import BadInput, Damaged
from core.representation.encoders.network import SHIPPED
from core.representation.inputs.spec import InputSpec
from core.representation.methods import METHODS, load_method, save_method

NARROW = {"widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1], "projector_width": 16}


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_method(METHODS["vicreg"](InputSpec(), NARROW), tmp_path, {"from": "a test"})
    return tmp_path


def changed(folder, **entries):
    path = folder / "network.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_a_pickle_in_disguise_is_refused_unopened(folder, tmp_path):
    sprung = tmp_path / "sprung"
    for body in (pickle.dumps(Trap(sprung)), pickle.dumps({"x": torch.zeros(2)})):
        (folder / "network.safetensors").write_bytes(body)
        with pytest.raises(Damaged, match=r"should hold network\.safetensors") as caught:
            load_method(folder)
        assert "\n" not in str(caught.value)
    torch.save({"x": torch.zeros(2)}, folder / "network.safetensors")
    with pytest.raises(Damaged):
        load_method(folder)
    assert not sprung.exists()


def test_weights_of_another_architecture_are_refused(folder):
    changed(folder, settings={**NARROW, "widths": [4, 4, 8, 16]})
    with pytest.raises(Damaged, match=r"has the shape .* but needs") as caught:
        load_method(folder)
    assert "\n" not in str(caught.value)
    changed(folder, settings={**NARROW, "blocks": [1, 1, 1, 2]})
    with pytest.raises(Damaged, match="tensors are missing and 0 unknown"):
        load_method(folder)
    changed(folder, settings=NARROW, method="mae")
    with pytest.raises(BadInput, match="method mae has the settings"):
        load_method(folder)


def test_weights_of_another_method_are_refused_by_name(folder):
    with pytest.raises(BadInput, match="weights of vicreg, but byol was asked for"):
        load_method(folder, "byol")
    changed(folder, method="alchemy")
    with pytest.raises(Damaged, match="'alchemy' is not known"):
        load_method(folder)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"vicreg"', "{}", '{"method": "vicreg"}', '{"method": ["vicreg"]}'],
)
def test_a_description_that_is_none_is_refused(folder, text):
    (folder / "network.json").write_text(text)
    with pytest.raises(Damaged, match="restore the files"):
        load_method(folder)


def test_a_description_of_impossible_settings_is_refused(folder):
    changed(folder, settings={**NARROW, "widths": [4, 4, 8, 10**9]})
    with pytest.raises(BadInput, match="widths of the method vicreg must be four numbers"):
        load_method(folder)


def test_files_that_are_cut_short_or_not_there_are_refused(folder, tmp_path):
    weights = folder / "network.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(Damaged, match=r"network\.safetensors is unreadable or no safetensors"):
        load_method(folder)
    weights.unlink()
    with pytest.raises(Damaged, match=r"but network\.safetensors is not there; train"):
        load_method(folder)
    with pytest.raises(Damaged, match=r"but network\.json is not there; train"):
        load_method(tmp_path / "nowhere")


def test_weights_of_another_type_are_refused(folder):
    path = folder / "network.safetensors"
    state = load_file(path)
    for kind, name in ((torch.int8, "I8"), (torch.bool, "BOOL")):
        save_file({key: one.to(kind) for key, one in state.items()}, path)
        with pytest.raises(Damaged, match=f"is of {name}, but may be of F32, F16"):
            load_method(folder)
    halves = {k: one.half() if one.is_floating_point() else one for k, one in state.items()}
    save_file(halves, path)
    assert load_method(folder)[0].state_dict()["backbone.stem.0.weight"].dtype == torch.float32


def test_a_giant_is_refused_before_memory_is_taken_for_it(folder):
    spec = InputSpec().as_dict()
    for key, value in (("size_px", 10**7), ("size_px", 4), ("bands", 99), ("bands", 0)):
        changed(folder, spec={**spec, key: value})
        with pytest.raises(BadInput, match="1 to 16 bands at 8 to 1024 px, but came"):
            load_method(folder)
    # 3 TB of weights, each number allowed by itself.
    plain = InputSpec("plain", 16, 1024).as_dict()
    changed(folder, method="dense_autoencoder", spec=plain, settings={"widths": [40_000, 8]})
    with pytest.raises((Damaged, BadInput)) as caught:
        load_method(folder)
    assert "tensors are missing" in str(caught.value) or "widths" in str(caught.value)


def test_what_is_wrong_is_said_without_the_words_of_python(folder):
    path = folder / "network.json"
    whole = path.read_text()
    for text in ("[" * 100_000, "{", '{"method": "vicreg", "spec": 3}', '{"method": []}', "[]"):
        path.write_text(text)
        with pytest.raises(Damaged, match=r"network\.json") as caught:
            load_method(folder)
        assert not any(word in str(caught.value) for word in ("Error", "Errno", "indices"))
    path.write_text(whole)
    changed(folder, spec={**InputSpec().as_dict(), "bands": "many"})
    with pytest.raises(Damaged, match="does not describe a network of vicreg"):
        load_method(folder)


def test_a_folder_of_version_0_4_still_loads(folder, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    state = load_file(folder / "network.safetensors")
    save_file(
        {key.removeprefix("backbone."): one for key, one in state.items()},
        old / "vicreg.safetensors",
    )
    network = {"channels": 7, "widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1]}
    (old / "vicreg.json").write_text(json.dumps({"network": network, "origin": {"from": "then"}}))
    method, origin = load_method(old, "vicreg")
    assert origin == {"from": "then"}
    x = torch.rand(2, 7, 64, 64)
    with torch.no_grad():
        assert torch.equal(method.codes(x), load_method(folder)[0].codes(x))


def test_the_shipped_weights_load():
    method, origin = load_method(SHIPPED, "vicreg")
    assert method.dimensions == 256
    assert origin["surveys"]
