"""Which of several trainings an encoder takes its network from, and what is to be said of that."""

from __future__ import annotations

from collections.abc import Sequence

from core.representation.training.held_out import PROGRESS_MEASURE, collapsed
from core.survey import RunRecord

__all__ = ["CLEARLY", "FEW_STEPS", "chosen_training", "kept_neighbours", "reasons_for"]

FEW_STEPS = 100
"""A network that was trained for fewer is doubted."""

CLEARLY = 0.03
"""By so much more of the held-out neighbours kept is one training better than another: the share
of some hundreds of objects moves by about as much with the draw of these objects."""


def chosen_training(runs: Sequence[RunRecord]) -> RunRecord:
    """The one whose weights are taken, of at least one training of a method, the newest first.

    That is the newest of those that kept about as many neighbours of held-out objects (`CLEARLY`)
    as the best one did, among the trainings whose held-out objects compare with those of the
    newest: drawn from the same pictures, seen in the same bands, measured by the same version.
    The newest of all where it has no such quality.
    """
    if kept_neighbours(runs[0]) is None:
        return runs[0]
    comparable = _comparable(runs)
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
    if chosen.run_id != newest.run_id:
        told.append(
            f"the network is that of the training {chosen.run_id}, which kept more neighbours of"
            f" held-out objects ({kept or 0.0:.2f}) than the newest, {newest.run_id}"
            f" ({kept_neighbours(newest) or 0.0:.2f}); name another one as the weights to have it"
        )
    if kept == 0.0:
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
    quality = (run.record.get("result") or {}).get("best_quality") or {}
    if not isinstance(quality, dict):
        return None
    if collapsed(quality):
        return 0.0
    found = quality.get(PROGRESS_MEASURE)
    return float(found) if isinstance(found, int | float) else None


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
