"""How good an embedding is: with the truth (probes) and without (everything else)."""

from core.metrics.representation.clusters import ClusterQuality, cluster_quality
from core.metrics.representation.correlation import TwoPoint, two_point, two_point_score
from core.metrics.representation.maps import neighbours_kept, trustworthiness
from core.metrics.representation.neighbourhoods import (
    neighbour_consistency,
    neighbour_overlap,
    view_retrieval,
)
from core.metrics.representation.probe import knn_scores, linear_probe_ap, linear_probe_scores
from core.metrics.representation.spread import (
    Collapse,
    alignment,
    collapse_alarms,
    mean_square_differences,
    rankme,
    singular_shares,
    uniformity,
)
from core.metrics.representation.tables import SAMPLE, sample_rows, whitened

__all__ = [
    "SAMPLE",
    "ClusterQuality",
    "Collapse",
    "TwoPoint",
    "alignment",
    "cluster_quality",
    "collapse_alarms",
    "knn_scores",
    "linear_probe_ap",
    "linear_probe_scores",
    "mean_square_differences",
    "neighbour_consistency",
    "neighbour_overlap",
    "neighbours_kept",
    "rankme",
    "sample_rows",
    "singular_shares",
    "trustworthiness",
    "two_point",
    "two_point_score",
    "uniformity",
    "view_retrieval",
    "whitened",
]
