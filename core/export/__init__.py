"""Candidate lists and label tables as CSV, with their provenance in columns."""

from core.export.tables import (
    CANDIDATE_COLUMNS,
    Provenance,
    candidates_csv,
    rank_candidates,
    write_csv,
)

__all__ = [
    "CANDIDATE_COLUMNS",
    "Provenance",
    "candidates_csv",
    "rank_candidates",
    "write_csv",
]
