"""What may be changed in a picture without making it another object."""

from core.representation.augmentation.augment import random_view
from core.representation.augmentation.conditions import Conditions, SurveyConditions
from core.representation.augmentation.recipe import (
    DEFAULT_PRESET,
    PRESETS,
    ViewRecipe,
    preset,
)
from core.representation.augmentation.seam import (
    AUGMENTATIONS,
    Augmentation,
    Dose,
    in_order,
    register_augmentation,
)

__all__ = [
    "AUGMENTATIONS",
    "DEFAULT_PRESET",
    "PRESETS",
    "Augmentation",
    "Conditions",
    "Dose",
    "SurveyConditions",
    "ViewRecipe",
    "in_order",
    "preset",
    "random_view",
    "register_augmentation",
]
