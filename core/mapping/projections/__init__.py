"""Embeddings laid out in two dimensions: one file a projection, one that drives them all."""

from core.mapping.projections.aligning import Aligned, aligned
from core.mapping.projections.pacmap_map import pacmap_map
from core.mapping.projections.principal import principal
from core.mapping.projections.projecting import Projected, added_to_map, project
from core.mapping.projections.projection import PROJECTIONS, Projection, projection
from core.mapping.projections.tsne_map import tsne_map
from core.mapping.projections.umap_map import umap_map

__all__ = [
    "PROJECTIONS",
    "Aligned",
    "Projected",
    "Projection",
    "added_to_map",
    "aligned",
    "pacmap_map",
    "principal",
    "project",
    "projection",
    "tsne_map",
    "umap_map",
]
