"""Extremely randomised trees (Geurts, Ernst & Wehenkel 2006)."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import ExtraTreesClassifier

from core.discovery.registry import register_learner

N_TREES = 64
"""Scoring 100,000 rows takes about 0.3 s on two cores with 200 answers taught."""


@register_learner("extra_trees", description="extremely randomised trees")
def extra_trees(seed: int) -> Any:
    """Fully grown, each split weighing sqrt(D) columns, classes balanced. One thread: pieces of a
    survey are scored side by side, and trees by several would be added up in any order."""
    return ExtraTreesClassifier(n_estimators=N_TREES, class_weight="balanced", random_state=seed)
