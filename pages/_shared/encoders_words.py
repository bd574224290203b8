"""Encoders, methods and networks in words, and which of them fit a survey."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from core.representation import ENCODERS, METHODS, EmbeddingRecord, encoder_name, reads
from core.representation.encoders.choosing import (
    CLEARLY,
    CLEARLY_LESS,
    FEW_STEPS,
    chosen_training,
    kept_neighbours,
    rebuilding_error,
)
from core.representation.encoders.fusion import DEFAULT_PARTS, parts_from
from core.representation.encoders.network import SHIPPED_WORD
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import DEFAULT, JobKind
from labels_db import RunRow
from pages._shared.times import moment

__all__ = [
    "chosen_step",
    "doubts",
    "encoder_words",
    "fitting_encoders",
    "fusion_parts",
    "is_weights_of",
    "method_of",
    "names_of",
    "network_words",
    "networks",
    "notes_words",
    "older_default",
    "options_words",
    "parts_words",
    "plainer",
    "run_words",
    "tail",
    "unused_network",
    "uses_method",
    "when_words",
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

_ARITHMETIC = re.compile(r"the network runs in [^()]*\([^)]*\)(: no faster way[^.;]*)?")


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


def method_of(run: RunRecord | RunRow) -> str:
    """The method of a pretraining; those of versions up to 0.4 have VICReg's name in capitals."""
    return str(run.config.get("method", "vicreg")).lower()


def run_words(run: RunRecord | RunRow) -> str:
    """What a pretraining is called everywhere, while it runs and afterwards: its method, when it
    began, and its seed, such as "vicreg, 26 Nov 00:37, seed 1"."""
    seed = run.config.get("seed")
    return f"{method_of(run)}, {_began(run)}" + (f", seed {seed}" if seed is not None else "")


def names_of(runs: Sequence[RunRecord | RunRow]) -> dict[str, str]:
    """Run id -> what it is called; the ends of the ids tell those of one minute apart."""
    names = {run.run_id: run_words(run) for run in runs}
    often = Counter(names.values())
    return {
        run_id: f"{name} ({tail(run_id)})" if often[name] > 1 else name
        for run_id, name in names.items()
    }


def network_words(run: RunRecord, name: str = "") -> str:
    """A finished pretraining in a line, for a list: its name, or another one, and its steps."""
    steps = (run.record.get("result") or {}).get("steps")
    long = f", {steps:,} {'step' if steps == 1 else 'steps'}" if isinstance(steps, int) else ""
    return (name or run_words(run)) + long


def chosen_step(run: RunRecord) -> float | None:
    """The step whose weights a pretraining kept, where it noted that."""
    found = (run.record.get("result") or {}).get("best_step")
    return float(found) if isinstance(found, int | float) else None


def is_weights_of(run: RunRecord, origin: Mapping[str, Any]) -> bool:
    """Whether weights are those of a pretraining, by what they say of where they come from."""
    config, said = origin.get("config"), run.record.get("result") or {}
    return (
        isinstance(config, dict)
        and bool(config)
        and all(run.config.get(key) == value for key, value in config.items())
        and origin.get("surveys") == run.config.get("surveys")
        and origin.get("loss") == said.get("loss")
    )


def _began(run: RunRecord | RunRow) -> str:
    """The time in its id, which is taken before anything is read, else the one it noted."""
    found = re.search(r"(\d{8})[T-](\d{6})", run.run_id)
    if found is not None:
        at = datetime.strptime("".join(found.groups()), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    elif isinstance(run, RunRow):
        at = moment(run.started_at)
    else:
        at = moment(str(run.record["started"]))
    is_this_year = at.year == datetime.now(UTC).year
    return f"{at:%-d %b %H:%M}" if is_this_year else f"{at:%-d %b %Y %H:%M}"


def when_words(text: str) -> str:
    """An ISO 8601 time as such as "26 Nov 2026, 00:19"."""
    return f"{moment(text):%-d %b %Y, %H:%M}"


def tail(run_id: str) -> str:
    """What tells runs of one survey apart."""
    return run_id[-6:]


def plainer(sentence: str) -> str:
    """A note or message of a job, without the figures of how its arithmetic was checked."""
    return _ARITHMETIC.sub("arithmetic checked: same neighbours", sentence)


def notes_words(notes: Sequence[str]) -> str:
    """Notes of a run as sentences."""
    told = [plainer(str(note)).strip().rstrip(".") for note in notes]
    return " ".join(f"{one[:1].upper()}{one[1:]}." for one in told if one)


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
    told = []
    for key, value in sorted(options.items()):
        if key == "parts":
            told.append(f"of {parts_words(str(value))}")
        elif key == "weights":
            is_shipped = value == SHIPPED_WORD
            told.append("the shipped network" if is_shipped else f"network {tail(str(value))}")
        else:
            told.append(f"{key.replace('_', ' ')} {value}")
    return ", ".join(told)


def parts_words(parts: str) -> str:
    """The parts of a fusion, NAME:WEIGHT:COMPONENTS with commas between, in words."""
    told = []
    for part in parts.split(","):
        name, *numbers = (one.strip() for one in part.split(":"))
        more = []
        if len(numbers) > 1 and numbers[1] not in ("", "0"):
            more.append(f"{numbers[1]} components")
        if numbers and numbers[0] not in ("", "1", "1.0"):
            more.append(f"weight {numbers[0]}")
        told.append(f"{name} ({', '.join(more)})" if more else name)
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def doubts(survey: Survey, run: RunRecord) -> str:
    """Why a network may be a poor one, in a sentence; "" where nothing speaks against it."""
    said = run.record.get("result") or {}
    steps = said.get("steps", (run.config.get("config") or {}).get("steps"))
    told = []
    if isinstance(steps, int) and steps < FEW_STEPS:
        count = "1 step" if steps == 1 else f"{steps:,} steps"
        told.append(f"it was trained for {count} only: a network needs hundreds at least")
    others = [one for one in networks(survey) if one.run_id != run.run_id]
    error = rebuilding_error(run)
    if error is not None:  # those of its own method are held against it by what picks among them
        alike = [one for one in others if method_of(one) == method_of(run)]
        others = [one for one in others if method_of(one) != method_of(run)]
        errors = [(found, one) for one in alike if (found := rebuilding_error(one)) is not None]
        least, other = min(errors, key=lambda pair: pair[0], default=(error, run))
        if least < CLEARLY_LESS * error:
            mine_is = f"an error of {error:.3g}" if math.isfinite(error) else "collapsed codes"
            told.append(
                f"it rebuilds held-out pictures with {mine_is}, but {network_words(other)} with an"
                f" error of {least:.3g}"
            )
    mine = kept_neighbours(run)
    known = [(value, one) for one in others if (value := kept_neighbours(one)) is not None]
    if mine is not None and known:
        best, other = max(known, key=lambda pair: pair[0])
        if best > mine + CLEARLY:
            told.append(
                f"on held-out objects it keeps {mine:.0%} of the neighbours, but"
                f" {network_words(other)} {best:.0%}"
            )
    words = "; ".join(told)
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def older_default(survey: Survey, run_id: str) -> str:
    """The parts of a default embedding, in words, if the default has other ones by now."""
    run = next((one for one in finished_runs(survey, JobKind.EMBED) if one.run_id == run_id), None)
    if run is None or run.config.get("encoder") != "fusion":
        return ""
    if (run.config.get("options") or {}).get("parts"):
        return ""  # they were asked for
    parts = (run.record.get("result") or {}).get("parts")
    if not isinstance(parts, list) or not all(isinstance(one, dict) for one in parts):
        return ""
    had = [(one.get("name"), one.get("weight"), one.get("components")) for one in parts]
    now = [(one.name, one.weight, one.components) for one in parts_from(DEFAULT_PARTS)]
    if had == now:
        return ""
    return parts_words(",".join(f"{name}:{weight:g}:{count}" for name, weight, count in had))


def unused_network(survey: Survey, made: Sequence[EmbeddingRecord]) -> RunRecord | None:
    """The network to embed the survey with, the one an encoder would take of the method trained
    last, if none of these embeddings is made with it."""
    trained = networks(survey)
    if not trained:
        return None
    method = method_of(trained[0])
    best = chosen_training([run for run in trained if method_of(run) == method])
    ended = moment(str(best.record["finished"]))
    for one in made:
        asked = one.options.get("weights", "")
        if asked == best.run_id:
            return None
        if asked or not uses_method(one.encoder, one.options, method):
            continue
        if moment(one.finished) - timedelta(seconds=one.seconds) >= ended:
            return None  # it had this one to choose from
    return best
