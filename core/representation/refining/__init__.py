"""Labels back into the network behind an embedding."""

from core.representation.refining.folds import FOLDS, is_spread, spread_folds
from core.representation.refining.labels import ALONE, Labels, Taught
from core.representation.refining.losses import fixmatch_terms, supervised_contrastive
from core.representation.refining.reading import Place, network_place, replaced_columns
from core.representation.refining.refiner import JOINT, WAYS, Refiner, Way, way_named
from core.representation.refining.training import RefineSettings, Steps, planned_steps, teach

__all__ = [
    "ALONE",
    "FOLDS",
    "JOINT",
    "WAYS",
    "Labels",
    "Place",
    "RefineSettings",
    "Refiner",
    "Steps",
    "Taught",
    "Way",
    "fixmatch_terms",
    "is_spread",
    "network_place",
    "planned_steps",
    "replaced_columns",
    "spread_folds",
    "supervised_contrastive",
    "teach",
    "way_named",
]
