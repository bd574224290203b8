"""UMAP (McInnes, Healy & Melville 2018, arXiv 1802.03426), with or without labels."""

from __future__ import annotations

import re
import warnings

import numpy as np

from core.mapping.projections.neighbour_graph import neighbour_graph
from core.mapping.projections.projection import Objects, register_projection
from core.progress import Progress, part_of

__all__ = ["umap_map"]

NEIGHBOURS, NEAREST = 15, 0.1
"""Neighbours that hold an object in place, itself among them; how close two may lie."""


@register_projection(
    "umap",
    "UMAP",
    "keeps neighbours together and shows groups as islands",
    most=200_000,
    takes_labels=True,
)
def umap_map(objects: Objects) -> np.ndarray:
    """(M, 2): see `Objects`. Importing and compiling UMAP takes 10 to 20 s: run it as a job.

    With labels, objects of a class are drawn together and classes pushed apart (target_weight 0.5
    of umap-learn); what has no answer lies where the embedding has it.
    """
    objects.progress(0.0, "loading UMAP (its first use takes a while)")
    with warnings.catch_warnings():
        # Only the parametric UMAP, not used here, wants it.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        from umap import UMAP
    n = len(objects.values)
    k = min(NEIGHBOURS, n - 1)
    objects.progress(0.05, f"finding the neighbours of {n:,} objects")
    others, gaps = neighbour_graph(objects.values, k - 1)
    own = np.arange(n, dtype=np.int32)[:, None]
    graph = np.hstack([own, others]), np.hstack([np.zeros((n, 1), np.float32), gaps])
    told = part_of(objects.progress, 0.3, 1.0)
    with warnings.catch_warnings():
        # Objects that hang together in several separate groups are what a map should show.
        warnings.filterwarnings("ignore", "Graph is not fully connected", UserWarning)
        # New objects are placed by their neighbours.
        warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
        reducer = UMAP(
            n_components=2,
            n_neighbors=k,
            min_dist=NEAREST,
            random_state=objects.seed,
            n_jobs=1,  # what a seed entails; said so that UMAP need not warn of it
            init="spectral" if objects.start is None else objects.start,
            precomputed_knn=(*graph, None),
            tqdm_kwds={
                "disable": False,
                "file": _Steps(told),
                "bar_format": "{n_fmt}/{total_fmt}",
            },
        )
        places: np.ndarray = reducer.fit_transform(objects.values, objects.classes)
    return places


class _Steps:
    """A file that UMAP's progress bar writes to."""

    encoding = "utf-8"

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, text: str) -> None:
        steps = re.search(r"(\d+)/(\d+)", text)
        if steps:
            done, of = int(steps[1]), max(1, int(steps[2]))
            self._progress(done / of, f"arranging: step {done} of {of}")

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False
