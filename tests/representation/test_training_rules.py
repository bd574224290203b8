"""Batch, learning rate and steps by rule; which objects a step takes."""

import math

import numpy as np
import pytest
import torch

from core.config import PretrainConfig
from core.representation.training.order import Order, divided
from core.representation.training.rules import planned

from .short_training import SLIM, noise, served


@pytest.fixture(scope="module")
def pictures():
    return noise()


def test_every_object_is_taken_once_an_epoch_and_the_order_needs_no_state():
    order = Order(np.arange(5, 29), seed=3)
    taken = torch.cat([order(step, 6) for step in range(4)])
    assert sorted(taken.tolist()) == list(range(5, 29))
    assert order(5, 6).tolist() != order(1, 6).tolist()
    again = Order(np.arange(5, 29), seed=3)
    assert again(5, 6).tolist() == order(5, 6).tolist()


def test_objects_on_disk_are_taken_in_blocks_of_neighbours():
    order = Order(np.arange(100), seed=0, block=10)
    taken = torch.cat([order(step, 20) for step in range(5)]).tolist()
    assert sorted(taken) == list(range(100))
    assert taken != sorted(taken)
    for start in range(0, 100, 10):
        assert taken[start : start + 10] == list(range(taken[start], taken[start] + 10))


@pytest.mark.parametrize(("count", "held"), [(20, 0), (39, 0), (40, 20), (1000, 100), (9000, 512)])
def test_how_many_are_held_out(count, held):
    trained, kept = divided(count, seed=1)
    assert len(kept) == held
    assert sorted([*trained, *kept]) == list(range(count))
    assert divided(count, seed=1)[1].tolist() == kept.tolist()


def test_views_of_one_thing_stay_on_one_side():
    groups = np.repeat(np.arange(50), 4)
    trained, kept = divided(200, 0, groups)
    assert 0 < len(kept) <= 20
    assert not set(groups[trained]) & set(groups[kept])
    everything_alike = np.zeros(200, np.int64)
    assert len(divided(200, 0, everything_alike)[1]) == 0


def test_batch_rate_and_steps_by_rule(pictures):
    asked = PretrainConfig(steps=7, settings=SLIM)
    plan = planned(served(pictures), 24, asked)
    assert plan.config.batch_size == 24
    assert plan.config.learning_rate == pytest.approx(1.5e-3 * math.sqrt(24 / 192), rel=0.01)
    assert plan.config.steps == 7
    assert "24 pictures: 7 steps of 24 by vicreg" in plan.words
    told = PretrainConfig(batch_size=12, learning_rate=0.01, settings=SLIM)
    kept = planned(served(pictures), 24, told, by_rule=()).config
    assert kept == told


def test_minutes_become_steps(pictures):
    asked = PretrainConfig(settings=SLIM, batch_size=4)
    short = planned(served(pictures), 24, asked, minutes=0.02, by_rule=()).config
    longer = planned(served(pictures), 24, asked, minutes=20, by_rule=()).config
    assert 1 <= short.steps < longer.steps
    assert longer.batch_size == 4
    # Time that has gone by already is not there.
    gone = planned(served(pictures), 24, asked, minutes=20, by_rule=(), spent=lambda: 1200.0)
    assert gone.config.steps == 1


def test_minutes_too_short_for_a_training_are_told(pictures):
    asked = PretrainConfig(settings=SLIM, batch_size=4)
    gone = planned(served(pictures), 24, asked, minutes=1, by_rule=(), spent=lambda: 60.0)
    assert "1 step of 4" in gone.words
    assert gone.words.endswith(
        "1 minutes, reading included, are too short to learn much: give more"
    )
    enough = planned(served(pictures), 24, asked, minutes=60, by_rule=())
    assert "too short" not in enough.words
