"""What can be read off pixels: arrays in, arrays out.

Names are looked up when they are first used: importing photutils takes a second, and a page that
shows a picture without it should not wait for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.measure.morphology import (
        Artefacts,
        Morphology,
        measure_artefacts,
        measure_morphology,
    )
    from core.measure.residuals import RESIDUAL_MODES, Residual, residual
    from core.measure.smoothing import gaussian_smoothed
    from core.measure.sources import Sources, find_sources

__all__ = [
    "RESIDUAL_MODES",
    "Artefacts",
    "Morphology",
    "Residual",
    "Sources",
    "find_sources",
    "gaussian_smoothed",
    "measure_artefacts",
    "measure_morphology",
    "residual",
]

_MODULE_OF = {
    "Artefacts": "morphology",
    "Morphology": "morphology",
    "measure_artefacts": "morphology",
    "measure_morphology": "morphology",
    "RESIDUAL_MODES": "residuals",
    "Residual": "residuals",
    "gaussian_smoothed": "smoothing",
    "residual": "residuals",
    "Sources": "sources",
    "find_sources": "sources",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"core.measure has no {name!r}")
    return getattr(import_module(f"core.measure.{_MODULE_OF[name]}"), name)
