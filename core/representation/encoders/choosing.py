"""Which of several trainings an encoder takes its network from, and what is to be said of that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from core.representation.training.held_out import (
    PROGRESS_MEASURE,
    RECONSTRUCTION_ERROR,
    collapsed,
)
from core.survey import RunRecord

__all__ = [
    "CLEARLY",
    "CLEARLY_LESS",
    "FEW_STEPS",
    "chosen_training",
    "kept_neighbours",
    "reasons_for",
    "rebuilding_error",
]

FEW_STEPS = 100
"""A network that was trained for fewer is doubted."""

CLEARLY = 0.03
"""By so much more of the held-out neighbours kept is one training better than another: the share
of some hundreds of objects moves by about as much with the draw of these objects."""

CLEARLY_LESS = 0.9
"""A reconstruction error of less than this share of another's is clearly the smaller one: the mean
of some hundreds of objects moves by a tenth or so with the draw of these objects."""


def chosen_training(runs: Sequence[RunRecord]) -> RunRecord:
    """The one whose weights are taken, of at least one training of a method, the newest first.

    That is the newest of those that kept about as many neighbours of held-out objects (`CLEARLY`)
    as the best one did, among the trainings whose held-out objects compare with those of the
    newest: drawn from the same pictures, seen in the same bands, measured by the same version.
    The newest of all where it has no such quality. Of a method that gives pictures back it is
    the newest of those that rebuilt held-out pictures with about as little error
    (`CLEARLY_LESS`), where the newest has measured that; those that have not are left aside.
    """
    comparable = _comparable(runs)
    if _goes_by_error(runs):
        least = min(_error(run) for run in comparable)
        return next(run for run in comparable if CLEARLY_LESS * _error(run) <= least)
    if kept_neighbours(runs[0]) is None:
        return runs[0]
    most = max(kept_neighbours(run) or 0.0 for run in comparable)
    return next(run for run in comparable if (kept_neighbours(run) or 0.0) >= most - CLEARLY)


def reasons_for(runs: Sequence[RunRecord]) -> list[str]:
    """What is to be said of the choice among these trainings, newest first: why it is not the
    newest, and why it may be a poor one. Sentences without their dot, or none."""
    if not runs:
        return []
    chosen, newest = chosen_training(runs), runs[0]
    kept, steps = kept_neighbours(chosen), _steps(chosen)
    told = []
    if chosen.run_id != newest.run_id and _goes_by_error(runs):
        told.append(
            f"the network is that of the training {chosen.run_id}, which rebuilt held-out pictures"
            f" with less error ({_error_words(chosen)}) than the newest, {newest.run_id}"
            f" ({_error_words(newest)}); name another one as the weights to have it"
        )
    elif chosen.run_id != newest.run_id:
        told.append(
            f"the network is that of the training {chosen.run_id}, which kept more neighbours of"
            f" held-out objects ({kept or 0.0:.2f}) than the newest, {newest.run_id}"
            f" ({kept_neighbours(newest) or 0.0:.2f}); name another one as the weights to have it"
        )
    if kept == 0.0 and math.isinf(_error(chosen)):  # copies may be good, and no neighbour kept
        told.append(
            f"the network is that of the training {chosen.run_id}, whose codes tell no objects"
            " apart; train it for longer or with a lower learning rate"
        )
    elif steps is not None and steps < FEW_STEPS:
        longer = [run for run in runs if (_steps(run) or 0) >= FEW_STEPS]
        instead = f"name {longer[0].run_id} as the weights" if longer else "train it for longer"
        told.append(
            f"the network is that of the training {chosen.run_id}, which has no more than {steps}"
            f" {'step' if steps == 1 else 'steps'}; {instead}"
        )
    return told


def kept_neighbours(run: RunRecord) -> float | None:
    """Share of the neighbours of held-out objects that stay in another view, by the weights kept;
    0 of codes that collapsed, None where the run has not measured it."""
    quality = _quality(run)
    if collapsed(quality):
        return 0.0
    found = quality.get(PROGRESS_MEASURE)
    return float(found) if isinstance(found, int | float) else None


def rebuilding_error(run: RunRecord) -> float | None:
    """Mean squared error a pixel of held-out pictures rebuilt by the weights kept; infinite of
    codes that collapsed, None where the run has not measured it: it makes no pictures, or was
    trained before this was measured."""
    quality = _quality(run)
    found = quality.get(RECONSTRUCTION_ERROR)
    if not isinstance(found, int | float):
        return None
    return math.inf if collapsed(quality) else float(found)


def _goes_by_error(runs: Sequence[RunRecord]) -> bool:
    """Whether it is the reconstruction error that chooses among them: the newest has measured it,
    and not all codes collapsed."""
    measured = rebuilding_error(runs[0]) is not None
    return measured and any(math.isfinite(_error(run)) for run in _comparable(runs))


def _quality(run: RunRecord) -> dict[str, Any]:
    found = (run.record.get("result") or {}).get("best_quality")
    return found if isinstance(found, dict) else {}


def _error(run: RunRecord) -> float:
    """`rebuilding_error`, infinite where there is none."""
    found = rebuilding_error(run)
    return math.inf if found is None else found


def _error_words(run: RunRecord) -> str:
    error = _error(run)
    return "its codes collapsed" if math.isinf(error) else f"{error:.3g}"


def _comparable(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Those whose held-out objects compare with the newest one's, it among them."""
    mark = _measured_on(runs[0])
    return [run for run in runs if run is runs[0] or (mark and _measured_on(run) == mark)]


def _measured_on(run: RunRecord) -> tuple[object, ...]:
    """What the quality of a training depends on beside the network; () where that is unknown."""
    surveys = run.config.get("surveys")
    if not isinstance(surveys, dict) or not surveys:
        return ()
    version = str((run.record.get("versions") or {}).get("skysift", ""))
    pictures = frozenset(str(content) for content in surveys.values())
    return pictures, run.config.get("bands"), version.split(".")[:2]


def _steps(run: RunRecord) -> int | None:
    """Steps that led to the weights kept, where the run has them."""
    found = (run.record.get("result") or {}).get("best_step") or run.config.get("steps")
    return found if isinstance(found, int) else None
