"""A fresh workspace, and small surveys to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.survey import Batch, Survey, SurveyWriter
from core.workspace import Workspace, open_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "ws")


def batches(n: int, size: int, side: int = 12, seed: int = 0) -> Iterator[Batch]:
    """`n` float objects of three bands in batches of `size`; every seventh has no picture."""
    rng = np.random.default_rng(seed)
    images = rng.normal(10, 2, (n, 3, side, side)).astype(np.float32)
    for start in range(0, n, size):
        rows = range(start, min(start + size, n))
        yield Batch(
            [f"obj-{row}" for row in rows],
            [None if row % 7 == 3 else images[row] for row in rows],
            [
                {
                    "ra": row * 0.5,
                    "big_id": 1237648720693755918 + row if row % 5 else None,
                    "text": "é," * (row % 3),
                    "good": row % 2 == 0,
                }
                for row in rows
            ],
            [f"group-{row // 2}" for row in rows],
        )


WriteSurvey = Callable[..., Survey]


@pytest.fixture
def write_survey(workspace: Workspace) -> WriteSurvey:
    def write(name: str = "mine", n: int = 20, size: int = 6, **more: int) -> Survey:
        with SurveyWriter(
            workspace,
            name,
            bands=("g", "r", "i"),
            cutout_size_px=more.get("side", 12),
            dtype="float32",
            origin="made up",
            licence="none",
            pixel_scale_arcsec=0.396,
        ) as writer:
            for batch in batches(n, size, **more):
                writer.append(batch)
            return writer.commit()

    return write
