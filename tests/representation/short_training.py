"""Pictures and settings that make a training short."""

import torch

from core.config import PretrainConfig

SLIM = {"widths": [4, 8, 8, 16], "blocks": [1, 1, 1, 1]}
CONFIG = PretrainConfig(steps=6, batch_size=8, settings=SLIM, seed=4)
SHORT = PretrainConfig(steps=2, batch_size=8, settings=SLIM, seed=4)


def noise():
    """24 objects."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(24, 3, 128, 128, generator=generator)


def patterned():
    """60 objects told apart by their pattern."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand(60, 3, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=128, mode="bilinear")


def served(pictures):
    return lambda index: pictures[index]


def same_weights(a, b):
    ours, theirs = a.method.state_dict(), b.method.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())
