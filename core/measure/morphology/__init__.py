"""Morphology read off the pixels of many objects at once, and artefacts: arrays in, arrays out."""

from core.measure.morphology.artefacts import (
    ARTEFACT_NUMBERS,
    FLAGS,
    Artefacts,
    measure_artefacts,
)
from core.measure.morphology.measuring import LARGEST_PX, SMALLEST_PX, measure_morphology
from core.measure.morphology.quantities import (
    DIRECTIONS,
    Morphology,
    Quantity,
    band_words,
    quantities,
)

__all__ = [
    "ARTEFACT_NUMBERS",
    "DIRECTIONS",
    "FLAGS",
    "LARGEST_PX",
    "SMALLEST_PX",
    "Artefacts",
    "Morphology",
    "Quantity",
    "band_words",
    "measure_artefacts",
    "measure_morphology",
    "quantities",
]
