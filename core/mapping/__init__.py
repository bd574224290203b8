"""Projections and neighbours of an embedding: arrays in, arrays out."""

from core.mapping.neighbours import NeighbourIndex, nearest
from core.mapping.pca import pca, pca_map, principal_axes
from core.mapping.projections import PROJECTIONS, aligned, project

__all__ = [
    "PROJECTIONS",
    "NeighbourIndex",
    "aligned",
    "nearest",
    "pca",
    "pca_map",
    "principal_axes",
    "project",
]
