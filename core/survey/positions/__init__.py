"""Positions as people write them: degrees, hours, sexagesimal; tables and plain lists."""

from core.survey.positions.source import (
    Position,
    PositionSource,
    open_positions,
    position_name,
    read_positions,
)

__all__ = ["Position", "PositionSource", "open_positions", "position_name", "read_positions"]
