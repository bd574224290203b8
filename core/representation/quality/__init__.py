"""Whether an embedding is good: measured without labels and with, kept, told in plain words."""

from core.representation.embedding.choice import fitting_runs as embedding_runs
from core.representation.quality.assessing import OWN_OBJECTS, Comparison, assess, assess_all
from core.representation.quality.finding import Embedded, embeddings_of, opened
from core.representation.quality.keeping import QualityRun, Sheet, keep, kept, quality_runs
from core.representation.quality.labels import Labels
from core.representation.quality.records import MEASURES, Assessment, Measure, Probe, cell_of
from core.representation.quality.sheets import (
    cosine_distances,
    distance_sample,
    nearest_rows,
    query_rows,
)
from core.representation.quality.verdict import comparison, verdict_of

__all__ = [
    "MEASURES",
    "OWN_OBJECTS",
    "Assessment",
    "Comparison",
    "Embedded",
    "Labels",
    "Measure",
    "Probe",
    "QualityRun",
    "Sheet",
    "assess",
    "assess_all",
    "cell_of",
    "comparison",
    "cosine_distances",
    "distance_sample",
    "embedding_runs",
    "embeddings_of",
    "keep",
    "kept",
    "nearest_rows",
    "opened",
    "quality_runs",
    "query_rows",
    "verdict_of",
]
