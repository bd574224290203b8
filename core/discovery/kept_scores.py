"""Detector scores of a large survey on disk: a worker that starts anew need not work them out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

LEAST_ROWS = 200_000
"""Scores of smaller surveys take a second or two."""


class KeptScores:
    """The scores of one embedding in one folder, a file each detector.

    What cannot be read is worked out again, and what cannot be written is not kept: nothing but
    time is lost.

    Parameters
    ----------
    folder : made where there is something to keep; what it holds of other embeddings goes then;
        None: nothing is kept
    key : names the embedding and the seed, such as "embed-20260101-120000-abcdef-3"
    """

    def __init__(self, folder: Path | None = None, key: str = "") -> None:
        self._folder, self._key = folder, key

    def of(self, name: str, n: int, make: Callable[[], np.ndarray]) -> np.ndarray:
        """(n,) float32 of a detector: those kept, or else made and kept."""
        scores = None if self._folder is None else self._load(self._path(self._folder, name), n)
        if scores is None:
            scores = np.asarray(make(), dtype=np.float32)
            if self._folder is not None and n > LEAST_ROWS:
                self._save(self._folder, name, scores)
        return scores

    @staticmethod
    def _load(path: Path, n: int) -> np.ndarray | None:
        try:
            scores = np.load(path, allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return None
        fits = scores.shape == (n,) and scores.dtype == np.float32
        return scores if fits and np.isfinite(scores).all() else None

    def _save(self, folder: Path, name: str, scores: np.ndarray) -> None:
        path = self._path(folder, name)
        partial = path.with_suffix(".partial")
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                if not old.name.startswith(f"{self._key}."):
                    old.unlink()
            with open(partial, "wb") as handle:
                np.save(handle, scores, allow_pickle=False)
            partial.replace(path)

    def _path(self, folder: Path, name: str) -> Path:
        return folder / f"{self._key}.{name.replace('/', '.')}.npy"
