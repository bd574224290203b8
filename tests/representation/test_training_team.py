"""Several processes train one network."""

import contextlib
import os
import socket
from datetime import timedelta

import pytest
import torch
import torch.multiprocessing as mp
from torch import distributed

from core.config import PretrainConfig
from core.errors import BadInput
from core.progress import silent
from core.representation.methods.method import METHODS
from core.representation.training import checkpoint as checkpoints
from core.representation.training import loop, team
from core.representation.training.launch import with_others
from core.representation.training.loop import Trainer, pretrain
from core.representation.training.team import Team, connection_broke

from .short_training import SHORT, SLIM, noise, same_weights, served


@pytest.fixture(scope="module")
def pictures():
    return noise()


def _in_team(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    within = timedelta(seconds=60)  # a second process that never comes is an error, not a hang
    distributed.init_process_group("gloo", rank=rank, world_size=2, timeout=within)
    try:
        for method in ("vicreg", "byol"):
            losses, state = _trained(method)
            if rank == 0:
                torch.save([losses, state], folder / f"{method}.pt")
    finally:
        distributed.destroy_process_group()


def _second(_index, port, folder):
    _in_team(1, port, folder)


def _exact(enabled: bool | None = None) -> contextlib.AbstractContextManager[object]:
    return contextlib.nullcontext()


def _trained(method):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(24, 3, 128, 128, generator=generator)
    before, loop.autocast = loop.autocast, _exact  # bf16 would hide differences
    try:
        config = PretrainConfig(method=method, steps=5, batch_size=8, settings=SLIM, seed=1)
        result = pretrain(lambda i: pictures[i], 24, config)
    finally:
        loop.autocast = before
    return [record["loss"] for record in result.history], result.method.state_dict()


def test_two_processes_agree_with_one_at_the_same_batch(tmp_path, monkeypatch):
    """The losses of five steps within one part in 10,000, the weights within a fiftieth of the way
    they went (AdamW also moves weights whose gradient is nothing but rounding)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    threads = torch.get_num_threads()
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")  # so that what is set now does not stay
    other = mp.spawn(_second, (port, tmp_path), nprocs=1, join=False, daemon=True)
    assert other is not None
    _in_team(0, port, tmp_path)
    assert other.join(60)
    torch.set_num_threads(threads)
    for method in ("vicreg", "byol"):
        losses, state = torch.load(tmp_path / f"{method}.pt", weights_only=True)
        alone, expected = _trained(method)
        assert losses == pytest.approx(alone, rel=1e-4)
        torch.manual_seed(1)
        fresh = METHODS[method](METHODS[method].input_spec(3), SLIM).state_dict()
        moving = [name for name, value in expected.items() if value.is_floating_point()]
        went = torch.cat([(expected[name] - fresh[name]).flatten() for name in moving])
        apart = torch.cat([(expected[name] - state[name]).flatten() for name in moving])
        assert apart.norm() < 0.02 * went.norm()


def test_alone_a_team_is_no_trouble():
    alone = Team.join()
    assert (alone.rank, alone.size, alone.is_main) == (0, 1, True)
    assert alone.told({"a": [1]}) == {"a": [1]}
    assert alone.share_of(8) == slice(0, 8)
    alone.leave()


@pytest.fixture
def environment(monkeypatch):
    """Sets variables as a launcher does; those of others are not there."""
    for name in ("MASTER_PORT", "ACCELERATE_MIXED_PRECISION", *team._SIZES, *team._RANKS):
        monkeypatch.delenv(name, raising=False)
    return lambda **given: [monkeypatch.setenv(name, value) for name, value in given.items()]


@pytest.mark.parametrize(
    ("size", "rank"),
    [
        ("WORLD_SIZE", "RANK"),
        ("PMI_SIZE", "PMI_RANK"),
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ],
)
def test_every_launcher_is_understood(environment, size, rank):
    assert (team.launched(), team.launched_rank()) == (1, 0)
    environment(**{size: "3", rank: "2"})
    assert (team.launched(), team.launched_rank()) == (3, 2)


def test_those_that_do_not_come_together_are_told(environment, monkeypatch):
    environment(WORLD_SIZE="2", RANK="0")
    monkeypatch.setattr("accelerate.PartialState", lambda **_: None)
    with pytest.raises(BadInput, match="started 2 processes, but they did not come together"):
        Team.join()


def test_the_only_one_of_several_that_accelerate_was_asked_for_is_told(environment):
    """What `accelerate launch --cpu --num_processes 2` sets, and what with one process."""
    environment(ACCELERATE_MIXED_PRECISION="no")
    with with_others(1, []):
        pass
    environment(MASTER_ADDR="127.0.0.1", MASTER_PORT="29500")
    with pytest.raises(BadInput, match="say --processes N"), with_others(1, []):
        pass
    environment(OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="1")
    with with_others(1, []):
        pass


def test_which_errors_say_that_a_process_was_lost():
    assert connection_broke(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed"))
    assert not connection_broke(RuntimeError("shapes do not match"))
    assert not connection_broke(ValueError("gloo"))


def test_the_state_of_a_team_is_not_that_of_one_process(pictures, tmp_path):
    pretrain(served(pictures), 24, SHORT, checkpoint=tmp_path)
    for size, done in ((2, 0), (1, 2)):
        trainer = Trainer(served(pictures), 24, SHORT)
        trainer.team = Team(0, size)
        trainer._restore(tmp_path)
        assert trainer.done == done


def test_a_process_that_is_lost_within_a_step_leaves_the_state_before_it(
    pictures, tmp_path, monkeypatch
):
    """A queue that the broken step changed is as it was."""
    config = PretrainConfig(method="moco", steps=4, batch_size=8, settings=SLIM)
    whole = pretrain(served(pictures), 24, config)
    monkeypatch.setattr(Team, "mean", lambda self, values: values)
    monkeypatch.setattr(Team, "told", lambda self, value=None: value)
    trainer = Trainer(served(pictures), 24, config)
    trainer.team = Team(0, 2)
    monkeypatch.setattr(Team, "share_of", lambda self, count: slice(0, count))

    def lost(self, parameters):
        if trainer.done == 2:
            raise RuntimeError("Connection closed by peer")

    with monkeypatch.context() as patch:
        patch.setattr(Team, "average_gradients", lost)
        with pytest.raises(RuntimeError, match="closed by peer"):
            trainer.run(tmp_path, silent, lambda _: None)
    assert checkpoints.kept_step(tmp_path) == 2
    resumed = Trainer(served(pictures), 24, config)
    resumed.team = Team(0, 2)
    monkeypatch.setattr(Team, "average_gradients", lambda self, parameters: None)
    assert same_weights(whole, resumed.run(tmp_path, silent, lambda _: None))
