"""Encoders, methods and networks in words, and which of them fit a survey."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from core.representation import ENCODERS, METHODS, EmbeddingRecord, encoder_name, reads
from core.representation.encoders.fusion import DEFAULT_PARTS
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import DEFAULT, JobKind
from pages._shared.times import moment

__all__ = [
    "encoder_words",
    "fitting_encoders",
    "fusion_parts",
    "method_of",
    "network_words",
    "networks",
    "options_words",
    "short_words",
    "unused_network",
    "uses_method",
]

ROWS = "rows"
_PLAINER = {
    "fusion": "Several encoders side by side, each brought to unit variance and weighted: numbers"
    " read off the pixels beside a network.",
    "imagenet": "EfficientNet-Lite0, which was trained on everyday photographs (ImageNet): the"
    " features before its classes. A baseline to compare with.",
    "morphology": "Numbers read off the pixels, such as concentration, asymmetry, nuclei and"
    " colour gradients, with what is missing and flags of artefacts.",
}
"""Where the docstring, written for those who read code, says too little to others."""


def fitting_encoders(survey: Survey) -> list[str]:
    """Names of the encoders that can see something of the survey, the default one first."""
    default = encoder_name(DEFAULT, survey)
    known = (*survey.manifest.modalities, "columns", ROWS)
    fit = sorted(name for name, cls in ENCODERS.items() if reads(cls) in known)
    return [default, *(name for name in fit if name != default)]


def encoder_words(name: str) -> str:
    """What an encoder is, in a sentence: that of its method, or the first of its docstring."""
    if name in METHODS:
        said = METHODS[name].description.rstrip(".")
        return f"A network trained without labels. {said[:1].upper()}{said[1:]}."
    if name in _PLAINER:
        return _PLAINER[name]
    cls = ENCODERS[name]
    said = str(getattr(cls, "description", "")) or str(cls.__doc__ or "")
    first = said.strip().split("\n\n")[0].replace("\n", " ")
    # The shapes are for those who read code.
    first = re.sub(r"\s+", " ", first).replace("`", "")
    first = re.sub(r"^.*->\s*\([^)]*\)\s*(:|of\b)?\s*", "", first)
    return first[:1].upper() + first[1:]


def networks(survey: Survey) -> list[RunRecord]:
    """The finished pretrainings of the survey, the newest first."""
    return finished_runs(survey, JobKind.PRETRAIN)


def method_of(run: RunRecord) -> str:
    """The method of a pretraining; those of versions up to 0.4 have VICReg's name in capitals."""
    return str(run.config.get("method", "vicreg")).lower()


def network_words(run: RunRecord) -> str:
    """A pretraining in a line, for a list."""
    when = str(run.record.get("finished", ""))[:16].replace("T", " ")
    return f"{method_of(run)}, {when} ({run.run_id})"


def short_words(run: RunRecord) -> str:
    """A pretraining in a few words, for a legend."""
    when = moment(str(run.record["finished"]))
    return f"{method_of(run)}, {when:%d %b %H:%M} ({run.run_id[-6:]})"


def fusion_parts(method: str) -> str:
    """The parts of the default fusion with the network of a method in the network's place."""
    parts = []
    for part in DEFAULT_PARTS.split(","):
        name, *numbers = part.split(":")
        parts.append(":".join([method if name in METHODS else name, *numbers]))
    return ",".join(dict.fromkeys(parts))


def uses_method(encoder: str, options: Mapping[str, Any], method: str) -> bool:
    """Whether an embedding by this encoder and these options is made with such a network."""
    if encoder == "fusion":
        parts = str(options.get("parts") or DEFAULT_PARTS)
        return method in {part.split(":")[0].strip() for part in parts.split(",")}
    return encoder == method


def options_words(options: Mapping[str, Any]) -> str:
    """Options of an encoder in a line."""
    return ", ".join(f"{key} {value}" for key, value in sorted(options.items()))


def unused_network(survey: Survey, made: Sequence[EmbeddingRecord]) -> RunRecord | None:
    """The newest network of the survey, if none of these embeddings is made with it."""
    newest = next(iter(networks(survey)), None)
    if newest is None:
        return None
    trained = moment(str(newest.record["finished"]))
    for one in made:
        asked = one.options.get("weights", "")
        if asked == newest.run_id:
            return None
        if asked or not uses_method(one.encoder, one.options, method_of(newest)):
            continue
        if moment(one.finished) - timedelta(seconds=one.seconds) >= trained:
            return None  # it took the newest there was
    return newest
