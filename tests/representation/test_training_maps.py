"""Maps of the held-out objects: the same as plain formulas give, and kept over a restart."""

from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA

from core.config import PretrainConfig
from core.errors import Cancelled
from core.representation.training import loop
from core.representation.training.held_out import HeldOut
from core.representation.training.loop import Record, pretrain
from core.representation.training.maps import aligned, mapped, positions
from core.representation.training.order import divided

from .short_training import SLIM, patterned


class Named:
    """Patterns whose objects have ids: those of two surveys."""

    def __init__(self) -> None:
        self.pictures = patterned()

    def __call__(self, index):
        return self.pictures[index]

    def ids(self, index):
        first = [f"a{one}" for one in index if one < 30]
        return {"one": first, "two": [f"b{one}" for one in index if one >= 30]}


def test_positions_are_the_leading_components_of_directions_at_one_scale():
    codes = np.random.default_rng(0).normal(size=(40, 6)) * [5, 3, 1, 1, 1, 0.1] + 10
    found = positions(codes.astype(np.float32))
    centred = codes - codes.mean(0)
    expected = PCA(2).fit_transform(centred / np.linalg.norm(centred, axis=1, keepdims=True))
    expected /= np.sqrt((expected**2).sum(1).mean())
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
    np.testing.assert_allclose(positions(1000 * codes), found, atol=1e-4)
    noise = np.random.default_rng(1).normal(size=(5, 3)) * 1e-5
    assert (positions(7 + noise) == 0).all()
    assert (positions(np.ones((1, 3), np.float32)) == 0).all()
    assert np.isfinite(positions(np.array([[0.0, 0], [1, 0], [2, 0]]))).all()


def test_a_map_is_turned_and_mirrored_to_the_one_before_and_nothing_else():
    rng = np.random.default_rng(1)
    before = rng.normal(size=(30, 2))
    turn = np.array([[0.6, 0.8], [0.8, -0.6]])  # a mirror
    np.testing.assert_allclose(aligned(before @ turn, before), before, atol=1e-12)
    present = rng.normal(size=(30, 2))
    expected = present @ orthogonal_procrustes(present, before)[0]
    np.testing.assert_allclose(aligned(present, before), expected, atol=1e-12)
    assert (aligned(0 * present, before) == 0).all()


def test_each_evaluation_has_a_map_and_a_restart_the_same_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_FEWEST_STEPS", 1)
    config = PretrainConfig(steps=3, batch_size=8, settings=SLIM)
    source = Named()
    whole = pretrain(source, 60, config).qualities
    _, held = divided(60, 0)
    assert whole[0]["objects"] == source.ids(held)
    assert [np.shape(one["map"]) for one in whole] == [(len(held), 2)] * 3
    assert not any("objects" in one for one in whole[1:])
    for before, after in pairwise(whole):
        turned, _ = orthogonal_procrustes(np.array(after["map"]), np.array(before["map"]))
        np.testing.assert_allclose(turned, np.eye(2), atol=2e-3)

    def stop(fraction: float, _message: str) -> None:
        if fraction < 0.5:
            raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        pretrain(source, 60, config, checkpoint=tmp_path, progress=stop)
    told: list[Record] = []
    again = pretrain(source, 60, config, checkpoint=tmp_path, on_record=told.append)
    assert again.qualities == whole
    assert [one for one in told if "map" in one] == whole


def test_without_ids_or_numbers_there_is_no_map():
    codes = np.ones((3, 2), np.float32)
    ids = {"a": ["1", "2", "3"]}
    assert mapped(None, []) == {}
    assert mapped(cast(HeldOut, SimpleNamespace(objects={}, plain=codes)), []) == {}
    assert mapped(cast(HeldOut, SimpleNamespace(objects=ids, plain=None)), []) == {}
    found = mapped(cast(HeldOut, SimpleNamespace(objects=ids, plain=codes)), [])
    assert found == {"map": [[0.0, 0.0]] * 3, "objects": ids}
