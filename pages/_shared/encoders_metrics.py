"""The curves of a pretraining, read from its metrics.jsonl while it runs or after it ended."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from core.representation.training.checkpoint import STATE
from core.representation.training.held_out import PROGRESS_MEASURE
from core.representation.training.maps import MAP, OBJECTS

__all__ = ["METRICS", "Curve", "Curves", "Maps", "read_curves", "read_maps"]

METRICS = "metrics.jsonl"
MAX_BYTES = 64_000_000
"""Longer files are read from their end: no page may hang on one."""
_NO_PART = frozenset({"step", "loss", "learning_rate", "seconds", "quality"})


@dataclass(frozen=True)
class Curve:
    """One number against training: (n,) step, minutes (NaN where no time was noted) and value."""

    steps: NDArray[np.float64]
    minutes: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """What one run noted; a curve that it did not note is not there.

    `loss` has the total under "loss" and then each part; `quality` the measures on objects that
    were held out; `rate` the learning rate, if any; `notes` what happened, in words. `has_times`
    is False for runs of versions up to 0.4, which noted none.
    """

    loss: dict[str, Curve] = field(default_factory=dict)
    quality: dict[str, Curve] = field(default_factory=dict)
    rate: Curve | None = None
    has_times: bool = False
    notes: tuple[str, ...] = ()

    @property
    def last_step(self) -> int | None:
        """The newest step that anything was noted of."""
        found = [one.steps[-1] for one in (*self.loss.values(), *self.quality.values())]
        return int(max(found)) if found else None


def read_curves(path: Path) -> Curves:
    """The curves in a metrics.jsonl, or in a checkpoint; empty where it is not there (yet).

    A line that is half written or damaged is left out, and so is a value that is no finite
    number. Of two records of a step, as a run that went on leaves them, the later counts.
    """
    return _curves(_records(path))


@dataclass(frozen=True)
class Maps:
    """The held-out objects in two dimensions at the evaluations of one run.

    `steps` (S,), `positions` (S, N, 2); `objects` has N pairs of survey and object_id, `kept` (S,)
    the share of their neighbours that stay in another view, NaN where it was not measured.
    """

    steps: tuple[int, ...]
    positions: NDArray[np.float64]
    objects: tuple[tuple[str, str], ...]
    kept: NDArray[np.float64]


def read_maps(path: Path) -> Maps | None:
    """The maps in a metrics.jsonl, or in a checkpoint; None without any, as in older
    runs. What is damaged is left out."""
    objects: tuple[tuple[str, str], ...] = ()
    found: dict[int, tuple[NDArray[np.float64], float]] = {}
    for record in _records(path):
        named, step = record.get(OBJECTS), _number(record.get("step"))
        if isinstance(named, dict):
            objects = tuple((str(name), str(one)) for name, ids in named.items() for one in ids)
        if MAP not in record or step is None:
            continue
        try:
            place = np.asarray(record[MAP], float)
        except (TypeError, ValueError):
            continue
        if place.shape == (len(objects), 2) and np.isfinite(place).all() and objects:
            measures = record.get("quality")
            kept = measures.get(PROGRESS_MEASURE) if isinstance(measures, dict) else None
            known = _number(kept)
            found[int(step)] = place, np.nan if known is None else known
    if not found:
        return None
    steps = tuple(sorted(found))
    return Maps(
        steps,
        np.stack([found[step][0] for step in steps]),
        objects,
        np.array([found[step][1] for step in steps]),
    )


def _kept_records(path: Path) -> Iterator[Mapping[str, Any]]:
    """The records in a checkpoint file."""
    try:
        with safe_open(path, "np") as handle:
            state = json.loads((handle.metadata() or {}).get("state", "{}"))
    except (OSError, SafetensorError, ValueError):  # removed this moment, or damaged
        return
    for name in ("history", "qualities"):
        kept = state.get(name) if isinstance(state, dict) else None
        yield from (one for one in kept or () if isinstance(one, dict))


def _curves(records: Iterable[Mapping[str, Any]]) -> Curves:
    loss: dict[str, dict[float, float]] = {}
    quality: dict[str, dict[float, float]] = {}
    rate: dict[float, float] = {}
    seconds: dict[float, float] = {}
    notes: list[str] = []
    for record in records:
        step = _number(record.get("step"))
        if step is None:
            continue
        for name, value in record.items():
            number = _number(value)
            if number is None:
                continue
            if name == "seconds":
                seconds[step] = number
            elif name == "learning_rate":
                rate[step] = number
            elif name not in _NO_PART or name == "loss":
                loss.setdefault(str(name), {})[step] = number
        if isinstance(record.get("note"), str):
            notes.append(record["note"])
        measures = record.get("quality")
        if isinstance(measures, dict):
            for name, value in measures.items():
                number = _number(value)
                if number is not None:
                    quality.setdefault(str(name), {})[step] = number
    order = sorted(loss, key=lambda name: name != "loss")
    return Curves(
        {name: _curve(loss[name], seconds) for name in order},
        {name: _curve(points, seconds) for name, points in quality.items()},
        _curve(rate, seconds) if rate else None,
        bool(seconds),
        tuple(dict.fromkeys(notes)),
    )


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    """What a training noted, record by record."""
    if path.name == STATE:
        yield from _kept_records(path)
        return
    try:
        with open(path, "rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(0, handle.tell() - MAX_BYTES))
            lines = handle.read().splitlines()
    except OSError:  # not begun, or renamed this moment
        return
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # half written, or not UTF-8
            continue
        if isinstance(record, dict):
            yield record


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _curve(points: Mapping[float, float], seconds: Mapping[float, float]) -> Curve:
    steps = np.array(sorted(points))
    minutes = np.full(len(steps), np.nan)
    if seconds:
        known = np.array(sorted(seconds))
        times = np.array([seconds[step] for step in known])
        minutes = np.interp(steps, known, times) / 60
    return Curve(steps, minutes, np.array([points[step] for step in steps]))
