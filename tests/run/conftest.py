"""A workspace with a small imported survey and a structure embedding."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.run import main


def paint(folder, count=40, seed=0):
    """Pictures of one spot; every fifth has a second one beside it ("double")."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    truth = []
    folder.mkdir(parents=True)
    for index in range(count):
        spot = 200 * np.exp(-((x - 16) ** 2 + (y - 16) ** 2) / 18)
        double = index % 5 == 0
        if double:
            spot += 200 * np.exp(-((x - 24) ** 2 + (y - 16) ** 2) / 10)
        noisy = np.clip(spot + rng.normal(20, 4, spot.shape), 0, 255).astype(np.uint8)
        name = f"obj-{index:03d}"
        Image.fromarray(noisy).convert("RGB").save(folder / f"{name}.png")
        truth.append(f"{name},{'double' if double else 'single'}")
    (folder.parent / "truth.csv").write_text("object_id,label\n" + "\n".join(truth) + "\n")
    return folder.parent / "truth.csv"


@pytest.fixture
def workspace(tmp_path):
    """(path of the workspace, path of the truth) with the survey `spots` embedded by PCA."""
    truth = paint(tmp_path / "pictures")
    path = str(tmp_path / "ws")
    assert (
        main(["import", str(tmp_path / "pictures"), "--name", "spots", "--workspace", path]) == 0
    )
    assert main(["embed", "spots", "--encoder", "structure", "--workspace", path]) == 0
    return path, truth
