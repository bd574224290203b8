"""Numbers that say how well a ranking or an embedding does: arrays in, numbers out."""

from core.metrics.ranking import (
    Interval,
    RecallBin,
    average_precision,
    average_precision_interval,
    discovery_area,
    finds_curve,
    recall_by_bin,
)
from core.metrics.representation import linear_probe_ap, linear_probe_scores

__all__ = [
    "Interval",
    "RecallBin",
    "average_precision",
    "average_precision_interval",
    "discovery_area",
    "finds_curve",
    "linear_probe_ap",
    "linear_probe_scores",
    "recall_by_bin",
]
