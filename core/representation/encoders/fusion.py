"""Several encoders side by side: what the app uses unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, Damaged, NotReady
from core.progress import Progress, part_of
from core.representation.encoder import (
    ENCODERS,
    ROWS,
    Sampled,
    SurveyRows,
    make_encoder,
    read_batch,
    reads,
    register_encoder,
    sampled_rows,
    seen_rows,
)
from core.representation.whitening import Whitening
from core.survey import Survey

DEFAULT_PARTS = "structure:1,peaks:1,morphology:1,vicreg:1:16"
"""The network's leading 16 components are about what its effective rank holds: more of them, at
unit variance each, outvote the numbers read off the pixels."""

FIT_ROWS = 5000
BATCH = 256

FARTHEST = 10.0
"""Deviations beyond which a number says no more: one wild number would outvote all others."""


@dataclass
class Part:
    """One encoder of a fusion.

    Attributes
    ----------
    name, weight
        The encoder, and the factor its numbers get after each was brought to unit variance: a part
        of many numbers counts more than one of few.
    components
        Leading whitened components that are kept of it; 0 keeps its numbers, each at unit
        variance.
    """

    name: str
    weight: float = 1.0
    components: int = 0
    model: Any = None
    whitening: Whitening = field(default_factory=Whitening.nothing)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "weight": self.weight, "components": self.components}


def parts_from(words: str) -> tuple[Part, ...]:
    """Parts from `name:weight:components,...`; weight and components may be left out.

    Raises
    ------
    BadInput
        It does not read so, or names an encoder that is not there or one twice.
    """
    found = []
    for one in words.split(","):
        name, *numbers = one.strip().split(":")
        try:
            weight = float(numbers[0]) if numbers else 1.0
            components = int(numbers[1]) if len(numbers) > 1 else 0
            if len(numbers) > 2 or not 0 < weight < 1000 or components < 0:
                raise ValueError
        except ValueError:
            raise BadInput(
                "The parts of a fusion are written NAME:WEIGHT:COMPONENTS, separated by commas,"
                f" such as {DEFAULT_PARTS}, but one is {one.strip()!r}; correct it."
            ) from None
        if name not in ENCODERS or name == "fusion":
            allowed = ", ".join(sorted(set(ENCODERS) - {"fusion"}))
            raise BadInput(f"A fusion is made of {allowed}, but {name!r} was named; change it.")
        found.append(Part(name, weight, components))
    if len({part.name for part in found}) < len(found):
        raise BadInput(f"Each part of a fusion is named once, but came {words!r}; leave one out.")
    return tuple(found)


@register_encoder("fusion")
class FusionEncoder:
    """Encoders side by side: each number brought to unit variance, bounded, and weighted by part.

    What a part has nothing to say of (an object without a spectrum, say) gets the part's mean; an
    object of which no part has anything to say is masked. Fitted on at most 5,000 objects.
    """

    name: str
    own_options: ClassVar[dict[str, str]] = {
        "parts": f"NAME:WEIGHT:COMPONENTS, separated by commas (default {DEFAULT_PARTS}); 0"
        " components keep all numbers of a part",
        "weights": "of the network, as for the encoder vicreg",
        "rotations": "of the network, as for the encoder vicreg",
    }

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.sampled: Sampled | None = None
        kinds = {reads(part.model) for part in self.parts}
        self.reads = kinds.pop() if len(kinds) == 1 else ROWS

    @classmethod
    def make(cls, survey: Survey, options: Mapping[str, Any]) -> FusionEncoder:
        parts = parts_from(str(options.get("parts", DEFAULT_PARTS)))
        shared = {key: value for key, value in options.items() if key != "parts"}
        for key in shared:
            if not any(key in getattr(ENCODERS[one.name], "own_options", {}) for one in parts):
                named = ", ".join(one.name for one in parts)
                raise BadInput(
                    f"The option {key} is of networks, but the parts of this fusion are {named};"
                    " leave it out or add a network."
                )
        for part in parts:
            known = getattr(ENCODERS[part.name], "own_options", {})
            given = {key: value for key, value in shared.items() if key in known}
            if part.components and "components" in known:
                given["components"] = part.components  # more would be made only to be cut off
            part.model = make_encoder(part.name, survey, given)
        return cls(parts)

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Fit every part, and its whitening on at most 5,000 objects."""
        seen: list[Sampled] = []
        for number, part in enumerate(self.parts):
            share = part_of(progress, number / len(self.parts), (number + 1) / len(self.parts))
            part.model.fit(survey, share)
            seen.append(_looked_at(part.model, survey))
            values = seen[-1].codes[np.isfinite(seen[-1].codes).all(axis=1)]
            if not len(values):
                raise NotReady(
                    f"The part {part.name} of the fusion has nothing to say of any object of"
                    f" {survey.name}; leave it out by the option parts."
                )
            if part.components:
                part.whitening = Whitening.fit(values, part.components)
            else:
                part.whitening = Whitening.standardising(values)
        rows = seen[0].rows
        if all(np.array_equal(one.rows, rows) for one in seen):
            codes = [part.whitening(one.codes) for part, one in zip(self.parts, seen, strict=True)]
            self.sampled = Sampled(rows, self._side_by_side(codes))

    def encode(self, batch: Any) -> NDArray[np.float32]:
        return self._side_by_side([self._of(part, batch) for part in self.parts])

    def _side_by_side(self, values: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(B, D) from the whitened numbers of each part."""
        columns, known = [], []
        for part, own in zip(self.parts, values, strict=True):
            finite = np.asarray(np.isfinite(own).all(axis=1))
            bounded = np.clip(own, -FARTHEST, FARTHEST)
            columns.append(np.where(finite[:, None], bounded, 0) * part.weight)
            known.append(finite)
        out = np.concatenate(columns, axis=1).astype(np.float32)
        out[~np.any(known, axis=0)] = np.nan
        return out

    def _of(self, part: Part, batch: Any) -> NDArray[np.float32]:
        """(B, D) whitened numbers of a part; not finite where it has nothing to say."""
        what = reads(part.model)
        if not isinstance(batch, SurveyRows) or self.reads == what:
            return part.whitening(part.model.encode(batch))
        seen = seen_rows(batch.survey, what)[batch.rows]
        values = np.full((len(seen), part.whitening.matrix.shape[1]), np.nan, np.float32)
        if seen.any():
            given = read_batch(batch.survey, batch.rows[seen], what)
            values[seen] = part.whitening(part.model.encode(given))
        return values

    def save(self, folder: Path) -> dict[str, Any]:
        parts = []
        for part in self.parts:
            within = folder / f"part-{part.name}"
            within.mkdir()
            part.whitening.save(within / "fusion-whitening.safetensors")
            parts.append({**part.describe(), "settings": part.model.save(within)})
        return {"parts": parts}

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> FusionEncoder:
        if "parts" not in settings:
            raise Damaged(
                f"The fusion in {folder} was made by Skysift 0.4, which kept it otherwise; embed"
                " the survey again."
            )
        parts = []
        for one in settings["parts"]:
            within = folder / f"part-{one['name']}"
            part = Part(one["name"], one["weight"], one["components"])
            part.model = ENCODERS[part.name].load(within, one["settings"])
            part.whitening = Whitening.load(within / "fusion-whitening.safetensors")
            parts.append(part)
        return cls(parts)


def _looked_at(model: Any, survey: Survey) -> Sampled:
    """At most 5,000 objects with their codes: those that the fit has left, or encoded now."""
    what = reads(model)
    rows = sampled_rows(survey, FIT_ROWS, what=what)
    left: Sampled | None = getattr(model, "sampled", None)
    if left is not None and np.array_equal(left.rows, rows):
        return left
    codes = [
        model.encode(read_batch(survey, rows[start : start + BATCH], what))
        for start in range(0, len(rows), BATCH)
    ]
    return Sampled(rows, np.concatenate(codes))


__all__ = ["DEFAULT_PARTS", "FusionEncoder", "Part", "parts_from"]
