"""A small survey of spots, some of them double, and a small network that knows nothing of it."""

import numpy as np
import torch

from core.representation.inputs.spec import InputSpec
from core.representation.methods import method_named
from core.survey import Batch, SurveyWriter

SIDE = 16
TINY = {"widths": [4, 4, 4, 8], "blocks": [1, 1, 1, 1], "projector_width": 8}


def is_double(row):
    """Every fourth object is."""
    return row % 4 == 0


def make_spots(workspace, count=72, seed=0):
    """The survey `spots`: a blob an object, two in a double."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    images = rng.normal(20, 3, (count, 3, SIDE, SIDE))
    for row in range(count):
        images[row] += 150 * np.exp(-((x - 8) ** 2 + (y - 8) ** 2) / 6)
        if is_double(row):
            images[row] += 150 * np.exp(-((x - 12) ** 2 + (y - 8) ** 2) / 4)
    with SurveyWriter(
        workspace,
        "spots",
        bands=("R", "G", "B"),
        cutout_size_px=SIDE,
        dtype="uint8",
        origin="made for a test",
        licence="none",
    ) as writer:
        ids = [f"s{row}" for row in range(count)]
        shown = np.clip(images, 0, 255).astype(np.uint8)
        writer.append(Batch(object_ids=ids, images=shown, columns=[{} for _ in ids]))
        return writer.commit()


def tiny_network(method="vicreg", seed=0, **settings):
    torch.manual_seed(seed)
    spec = InputSpec(bands=3, size_px=SIDE)
    return method_named(method)(spec, {**TINY, **settings}).eval()
