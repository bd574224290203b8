"""The two leading principal components (Pearson 1901)."""

from __future__ import annotations

import numpy as np

from core.mapping.pca import pca
from core.mapping.projections.projection import Objects, register_projection

__all__ = ["principal"]


@register_projection(
    "pca",
    "PCA",
    "the two directions in which the objects differ most: quick, the same for everybody, distances"
    " and densities as they are in them; groups lie over each other",
    fewest=1,
    has_axes=True,
)
def principal(objects: Objects) -> np.ndarray:
    """See the registration; it needs no start."""
    return pca(objects.values, 2, objects.rows, objects.take)
