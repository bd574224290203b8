"""A selection in words: what it is called, how it was made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.errors import BadInput
from core.survey.filtering import as_condition
from labels_db import Selection
from pages._server.tables import ANSWER, SCORE
from pages._shared.times import ago, moment

__all__ = ["how_made", "objects", "title_of"]

_KINDS = {
    "lasso": "Drawn on the map",
    "similar": "Look-alikes",
    "search": "Found by a search",
    "group": "A group",
    "duplicates": "Near-duplicates",
}
_TITLES = {ANSWER: "answer", SCORE: "score"}
_JOINED = {"and": "and also in", "or": "or in", "not": "but not in"}
MAX_CONDITIONS = 6


def objects(n: int) -> str:
    """Such as "1 object" and "1,200 objects"."""
    return f"{n:,} object{'' if n == 1 else 's'}"


def title_of(selection: Selection) -> str:
    """Its name, or that it has none yet."""
    return selection.name or "Selection without a name"


def how_made(selection: Selection) -> str:
    """Two sentences: from what, by whom and when."""
    age = (datetime.now(UTC) - moment(selection.made_at)).total_seconds()
    when = ago(age) if age < 2 * 86_400 else f"on {selection.made_at[:10]}"
    return f"{_origin(selection.origin)}. Made by {selection.made_by} {when}."


def _origin(origin: dict[str, Any]) -> str:
    """What it was made from, and the filter that was in use."""
    said = _source(origin)
    return (
        f"{said}, of what passes: {_conditions(origin['filter'])}" if "filter" in origin else said
    )


def _source(origin: dict[str, Any]) -> str:
    said = origin.get("words")
    if isinstance(said, str) and said:
        return said.rstrip(".")
    kind = str(origin.get("kind", ""))
    if kind == "filter":
        return _filter(origin)
    if kind == "upload":
        unknown = origin.get("n_unknown") or 0
        rest = f", {unknown:,} of them unknown to the survey" if unknown else ""
        return f"A list of {origin.get('n_given', 0):,} ids{rest}"
    if kind in _JOINED:
        names = [part.get("name") or "a selection without a name" for part in origin["of"]]
        return f"In {names[0]} {_JOINED[kind]} {names[1]}"
    if kind == "lasso":
        return _KINDS[kind] + (", what has no answer" if origin.get("only_unlabelled") else "")
    return _KINDS.get(kind, f"Made by {kind}")


def _filter(origin: dict[str, Any]) -> str:
    words = _conditions(origin.get("conditions", []))
    within = origin.get("within")
    inside = f", within {within.get('name') or 'a selection without a name'}" if within else ""
    return (f"Filter: {words}" if words else "All objects") + inside


def _conditions(listed: Any) -> str:
    """Conditions as JSON, in words; "" of none, or of what cannot be read."""
    try:
        conditions = [as_condition(one) for one in listed]
    except (BadInput, TypeError):
        return ""
    words = [one.words(_TITLES.get(one.column)) for one in conditions]
    if len(words) > MAX_CONDITIONS:
        words = [*words[:MAX_CONDITIONS], f"{len(words) - MAX_CONDITIONS} more conditions"]
    return " and ".join(words)
