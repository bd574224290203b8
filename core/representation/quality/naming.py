"""How embeddings are called where several stand side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from core.representation.encoders.network import SHIPPED as SHIPPED_FOLDER
from core.representation.methods.store import DESCRIPTION
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind

SHIPPED = "shipped"


def embedding_names(survey: Survey, encoders: Mapping[str, str]) -> dict[str, str]:
    """Run id -> name: the encoder, and its network, other options and run where it needs them.

    Such as "pca", or "vicreg, shipped" and "vicreg, 300 steps on mysurvey".

    encoders : run id -> encoder
    """
    records = {run.run_id: run for run in finished_runs(survey, JobKind.EMBED)}
    names = dict(encoders)
    for more in (network_words, _other_options, _tail):
        words = {
            run_id: more(records[run_id]) if run_id in records else _tail_of(run_id)
            for run_id in names
        }
        # What all of one name have in common tells none of them apart.
        told = Counter(name for name, _ in {(names[one], words[one]) for one in names})
        for run_id, name in list(names.items()):
            if told[name] > 1 and words[run_id]:
                names[run_id] = f"{name}, {words[run_id]}"
    return names


def network_words(run: RunRecord) -> str:
    """The network of an embedding: "shipped", how and where it was trained, or ""."""
    told = [_origin(origin) for origin in origins(run.record.get("result") or {})]
    return "; ".join(dict.fromkeys(told))


def origins(settings: Mapping[str, Any]) -> Iterator[dict[str, Any] | str]:
    """Where the weights of an encoder and of its parts come from, by its settings."""
    origin = settings.get("weights")
    if isinstance(origin, dict | str) and origin:
        yield origin
    for part in settings.get("parts") or ():
        if isinstance(part, dict):
            yield from origins(part.get("settings") or {})


def _origin(origin: dict[str, Any] | str) -> str:
    if isinstance(origin, str):
        return origin.split(" of ")[0]  # such as EfficientNet-Lite0, without its package
    surveys = ", ".join(origin.get("surveys") or ())
    if not surveys or _same_network(origin, _shipped_origin()):
        return SHIPPED
    steps = (origin.get("config") or {}).get("steps")
    return f"{steps:,} steps on {surveys}" if isinstance(steps, int) else f"trained on {surveys}"


def _same_network(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("surveys", "loss", "config"))


@cache
def _shipped_origin() -> dict[str, Any]:
    found = json.loads((SHIPPED_FOLDER / DESCRIPTION).read_text(encoding="utf-8"))
    return dict(found["origin"])


def _other_options(run: RunRecord) -> str:
    options = run.config.get("options") or {}
    return ", ".join(f"{key} {options[key]}" for key in sorted(options) if key != "weights")


def _tail(run: RunRecord) -> str:
    return _tail_of(run.run_id)


def _tail_of(run_id: str) -> str:
    return run_id[-6:]
