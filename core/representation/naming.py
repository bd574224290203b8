"""What the numbers of an embedding are called, where they have names, and how large they were.

Numbers that are read off the pixels mean something each; components that were learnt do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.representation.embedding import Embedding
from core.representation.embedding.choice import fitting_runs
from core.representation.encoders.fusion import FARTHEST
from core.representation.encoders.morphology import CLIP, MorphologyEncoder
from core.representation.number_names import (
    NamedNumber,
    morphology_numbers,
    peaks_numbers,
    structure_numbers,
)
from core.representation.whitening import Whitening
from core.survey import Survey

_NEARLY = 0.999
"""Of where a number is cut: float16 and the way back do not give that exactly."""

_FIXED = {"structure": structure_numbers, "peaks": peaks_numbers}


@dataclass(frozen=True)
class NamedColumns:
    """Some columns of an embedding that have names.

    Attributes
    ----------
    columns
        Which, in the order of `numbers`.
    numbers
        What each is.
    centre, scale
        (K,) what was taken off and multiplied by on the way into the embedding; a scale of 0
        means that the number says nothing in this survey.
    tamed
        (K,) bool, True where arcsinh came before that, of (number - zero) / unit.
    zero, unit
        (K,) see `tamed`.
    farthest
        Where the embedding cuts off; infinite if it does not.
    """

    columns: NDArray[np.int64]
    numbers: tuple[NamedNumber, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    tamed: NDArray[np.bool_]
    zero: NDArray[np.float64]
    unit: NDArray[np.float64]
    farthest: NDArray[np.float64]

    def natural(self, row: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(K,) the numbers as they were measured, from a row (D,) of the embedding; NaN where the
        number says nothing."""
        raw = self._raw(row)
        untamed = np.sinh(np.where(self.tamed, raw, 0)) * self.unit + self.zero
        values = np.where(self.tamed, untamed, raw)
        for place, number in enumerate(self.numbers):
            values[place] = number.undo(values[place])
        out: NDArray[np.float64] = values
        return out

    def beyond(self, row: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """(K,) True where a number was cut off, by the encoder that tamed it or by the embedding:
        it was farther out than `natural`."""
        given = np.abs(np.asarray(row, np.float64)[self.columns])
        cut_tamed = self.tamed & (np.abs(self._raw(row)) >= _NEARLY * CLIP)
        return np.asarray(cut_tamed | (given >= _NEARLY * self.farthest))

    def _raw(self, row: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(K,) the numbers as the encoder gave them, still tamed; NaN where one says nothing."""
        given = np.asarray(row, np.float64)[self.columns]
        with np.errstate(divide="ignore", invalid="ignore"):
            raw = np.where(self.scale > 0, given / self.scale, np.nan) + self.centre
        return np.asarray(raw, np.float64)

    def groups(self) -> dict[str, list[int]]:
        """Numbers that say nearly the same -> their places among `numbers`, in order."""
        found: dict[str, list[int]] = {}
        for place, number in enumerate(self.numbers):
            found.setdefault(number.group, []).append(place)
        return found


@dataclass(frozen=True)
class Naming:
    """What is known of an embedding's columns: `named` ones, and those `learnt`, by part."""

    named: NamedColumns
    learnt: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


def naming_of(survey: Survey, embedding: Embedding) -> Naming:
    """The names of an embedding's columns, from what its run has kept.

    An encoder whose numbers have no names, or whose files are gone, leaves them `learnt` under
    its name.
    """
    columns = np.arange(embedding.values.shape[1], dtype=np.int64)
    run = next((one for one in fitting_runs(survey) if one.run_id == embedding.run_id), None)
    result = {} if run is None else run.record.get("result") or {}
    bands = survey.manifest.bands
    named: list[NamedColumns] = []
    learnt: dict[str, NDArray[np.int64]] = {}
    if run is not None and embedding.parts:
        for part in result["parts"]:
            own = columns[embedding.parts[part["name"]]]
            within = run.path / f"part-{part['name']}"
            model = _loaded(part["name"], within, part["settings"])
            found = None if part["components"] else _named(part["name"], model, bands, own)
            if found is None:
                learnt[part["name"]] = own
            else:
                whitening = Whitening.load(within / "fusion-whitening.safetensors")
                named.append(_fused(found, whitening, float(part["weight"])))
    else:
        name = embedding.encoder
        model = _loaded(name, None if run is None else run.path, result)
        found = _named(name, model, bands, columns)
        if found is None:
            learnt[name] = columns
        else:
            named.append(found)
    return Naming(_joined(named), learnt)


def _loaded(name: str, folder: Path | None, settings: dict[str, Any]) -> Any:
    """The encoder itself, where naming its numbers needs it."""
    if name != "morphology" or folder is None or "bands" not in settings:
        return None
    return MorphologyEncoder.load(folder, settings)


def _named(
    name: str, model: Any, bands: Sequence[str], columns: NDArray[np.int64]
) -> NamedColumns | None:
    """The named numbers of one encoder at these columns; None where it has none."""
    n = len(columns)
    zero, unit, tamed = np.zeros(n), np.ones(n), np.zeros(n, bool)
    if name in _FIXED:
        numbers = _FIXED[name](bands)
    elif isinstance(model, MorphologyEncoder):
        numbers = morphology_numbers(model.columns, model.bands)
        used = model.scale > 0
        k = int(used.sum())
        if k <= n:
            zero[:k], unit[:k], tamed[:k] = model.centre[used], model.scale[used], True
    else:
        return None
    if len(numbers) != n:  # made by a Skysift that measured others
        return None
    whole = np.full(n, np.inf)
    return NamedColumns(columns, numbers, np.zeros(n), np.ones(n), tamed, zero, unit, whole)


def _fused(own: NamedColumns, whitening: Whitening, weight: float) -> NamedColumns:
    """The same numbers inside a fusion, which standardised, bounded and weighted them."""
    return replace(
        own,
        centre=whitening.mean.astype(np.float64),
        scale=weight * np.diag(whitening.matrix).astype(np.float64),
        farthest=np.full(len(own.columns), weight * FARTHEST),
    )


def _joined(parts: Sequence[NamedColumns]) -> NamedColumns:
    def side_by_side(name: str, kind: Any) -> NDArray[Any]:
        return np.concatenate([np.zeros(0, kind), *(getattr(one, name) for one in parts)])

    return NamedColumns(
        columns=side_by_side("columns", np.int64),
        numbers=tuple(number for one in parts for number in one.numbers),
        centre=side_by_side("centre", np.float64),
        scale=side_by_side("scale", np.float64),
        tamed=side_by_side("tamed", np.bool_),
        zero=side_by_side("zero", np.float64),
        unit=side_by_side("unit", np.float64),
        farthest=side_by_side("farthest", np.float64),
    )


__all__ = ["NamedColumns", "Naming", "naming_of"]
