"""Numbers that say how a search goes: shares with exact intervals, calibration, precision."""

from core.metrics.discovery.calibration import Calibration, calibration
from core.metrics.discovery.precision import precision_at_ranks
from core.metrics.discovery.shares import exact_interval

__all__ = ["Calibration", "calibration", "exact_interval", "precision_at_ranks"]
