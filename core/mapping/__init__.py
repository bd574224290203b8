"""Projections and neighbours of an embedding: arrays in, arrays out."""

from core.mapping.neighbours import NeighbourIndex, nearest
from core.mapping.pca import pca, pca_map, principal_axes
from core.mapping.umap_map import umap_map

__all__ = ["NeighbourIndex", "nearest", "pca", "pca_map", "principal_axes", "umap_map"]
