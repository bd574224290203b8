"""A search for look-alikes as a link carries it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import BadInput
from core.mapping.lookalikes import ALL, ANY, COSINE, MAX_EXAMPLES, METRICS
from core.vocabulary import MAX_ID_LENGTH

__all__ = [
    "LEAST_SHOWN",
    "LEAST_WEIGHT",
    "MAX_WEIGHT",
    "MOST_SHOWN",
    "PARAMETERS",
    "Example",
    "SimilarQuery",
]

LEAST_SHOWN, MOST_SHOWN, SHOWN = 12, 240, 48
LEAST_WEIGHT, MAX_WEIGHT = 0.1, 100.0

OBJECT, EXAMPLES = "object", "examples"
PARAMETERS = (OBJECT, EXAMPLES, "embedding", "distance", "together", "shown", "unlabelled")
"""Names in the address."""

_PICTURE = re.compile("[0-9a-f]{24}")
_CALLED = re.compile(r"J[0-9.]{4,12}[+-][0-9.]{4,12}", re.ASCII)
"""A place on the sky, as `core.survey.positions.position_name` writes it."""
_LONGEST = 64 * 1024


@dataclass(frozen=True)
class Example:
    """Something that the objects sought shall look like, or shall not.

    Attributes
    ----------
    object_id, picture
        An object of the survey, or the id of a picture that was uploaded or downloaded
        (`keep_pixels`); one of them.
    part
        x0, y0, x1, y1 in pixels, ends excluded, where only a part of the picture is meant.
    weight
        From 0.1 to 100.
    is_like
        False: what is sought shall not look like it.
    called
        Of a picture: its place on the sky, such as "J122254.00+154920.0"; "" where nobody knows.
    """

    object_id: str = ""
    picture: str = ""
    part: tuple[int, int, int, int] | None = None
    weight: float = 1.0
    is_like: bool = True
    called: str = ""

    @property
    def name(self) -> str:
        """What it is called on a page."""
        name = self.object_id or self.called or f"picture {self.picture[:6]}"
        return f"part of {name}" if self.part else name

    @property
    def identity(self) -> tuple[str, str, tuple[int, int, int, int] | None]:
        """The same for two examples that show the same."""
        return self.object_id, self.picture, self.part


@dataclass(frozen=True)
class SimilarQuery:
    """What is searched for.

    Attributes
    ----------
    examples
        At most 100, each once.
    embedding
        The run; "" for the one in use.
    metric, how
        Of `core.mapping.lookalikes`.
    shown
        How many are shown.
    only_unlabelled
        Leave out what has an answer.
    """

    examples: tuple[Example, ...] = ()
    embedding: str = ""
    metric: str = COSINE
    how: str = ALL
    shown: int = SHOWN
    only_unlabelled: bool = False

    def having(self, example: Example) -> SimilarQuery:
        """With one more example; one that is there already takes its sign and weight."""
        others = [one for one in self.examples if one.identity != example.identity]
        if len(others) >= MAX_EXAMPLES:
            raise BadInput(f"A search takes at most {MAX_EXAMPLES} examples; remove one first.")
        there = [place for place, one in enumerate(self.examples) if one not in others]
        others.insert(there[0] if there else len(others), example)
        return replace(self, examples=tuple(others))

    def lacking(self, example: Example) -> SimilarQuery:
        """Without an example."""
        left = tuple(one for one in self.examples if one.identity != example.identity)
        return replace(self, examples=left)

    def as_parameters(self) -> dict[str, str]:
        """Of the address; what is as usual is left out."""
        found: dict[str, str] = {}
        lone = self.examples[0].object_id if len(self.examples) == 1 else ""
        if lone and self.examples == (Example(object_id=lone),):
            found[OBJECT] = lone
        elif self.examples:
            found[EXAMPLES] = json.dumps(
                [_written(one) for one in self.examples], ensure_ascii=False, separators=(",", ":")
            )
        if self.embedding:
            found["embedding"] = self.embedding
        if self.metric != COSINE:
            found["distance"] = self.metric
        if self.how != ALL:
            found["together"] = self.how
        if self.shown != SHOWN:
            found["shown"] = str(self.shown)
        if self.only_unlabelled:
            found["unlabelled"] = "1"
        return found

    @classmethod
    def of_parameters(cls, given: Mapping[str, str]) -> SimilarQuery:
        """The search that an address asks for.

        Raises
        ------
        BadInput
            A parameter is not what `as_parameters` writes.
        """
        examples: tuple[Example, ...] = ()
        if given.get(EXAMPLES):
            examples = _read(given[EXAMPLES])
        elif given.get(OBJECT):
            examples = (Example(object_id=_checked_id(given[OBJECT])),)
        query = cls(
            embedding=given.get("embedding", "")[:64],
            metric=_one_of("distance", given.get("distance", COSINE), tuple(METRICS)),
            how=_one_of("together", given.get("together", ALL), (ALL, ANY)),
            shown=_shown(given.get("shown", str(SHOWN))),
            only_unlabelled=given.get("unlabelled") == "1",
        )
        for example in examples:
            query = query.having(example)
        return query


def _written(example: Example) -> dict[str, Any]:
    found: dict[str, Any] = (
        {"o": example.object_id} if example.object_id else {"p": example.picture}
    )
    if example.part is not None:
        found["at"] = list(example.part)
    if example.called:
        found["n"] = example.called
    if example.weight != 1 or not example.is_like:
        found["w"] = round(example.weight if example.is_like else -example.weight, 4)
    return found


def _read(text: str) -> tuple[Example, ...]:
    try:
        if len(text) > _LONGEST:
            raise ValueError("it is too long")
        entries = json.loads(text)
        if not isinstance(entries, list) or len(entries) > MAX_EXAMPLES:
            raise ValueError(f"it is no list of at most {MAX_EXAMPLES}")
        return tuple(_example(entry) for entry in entries)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise BadInput(
            f"The examples in this link cannot be read ({str(error)[:80]}); choose them anew."
        ) from None


def _example(entry: Any) -> Example:
    if not isinstance(entry, dict):
        raise ValueError("an example is no object")
    weight = float(entry.get("w", 1))
    if not LEAST_WEIGHT <= abs(weight) <= MAX_WEIGHT:
        raise ValueError(f"a weight of {weight:g}, not {LEAST_WEIGHT:g} to {MAX_WEIGHT:g}")
    part = entry.get("at")
    box = None
    if part is not None:
        x0, y0, x1, y1 = (int(one) for one in part)
        box = (x0, y0, x1, y1)
    if "o" in entry:
        return Example(_checked_id(entry["o"]), "", box, abs(weight), weight > 0)
    picture = str(entry["p"])
    if not _PICTURE.fullmatch(picture):
        raise ValueError("a picture without an id")
    called = str(entry.get("n", ""))
    if called and not _CALLED.fullmatch(called):
        raise ValueError("a picture with a name that is no place")
    return Example("", picture, box, abs(weight), weight > 0, called)


def _checked_id(object_id: Any) -> str:
    right = isinstance(object_id, str) and 0 < len(object_id) <= MAX_ID_LENGTH
    if not right or not _is_text(object_id):
        raise BadInput(
            f"An object_id is 1 to {MAX_ID_LENGTH} characters, but this link has"
            f" {str(object_id)[:40]!a}; choose an object."
        )
    return object_id


def _is_text(object_id: str) -> bool:
    """Whether it can be written: JSON may hold halves of characters."""
    return not any("\ud800" <= one <= "\udfff" for one in object_id)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadInput(
            f"{name} in this link is {' or '.join(allowed)}, but is {value[:40]!r}; choose one."
        )
    return value


def _shown(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not LEAST_SHOWN <= int(text) <= MOST_SHOWN:
        raise BadInput(
            f"From {LEAST_SHOWN} to {MOST_SHOWN} look-alikes are shown, but this link asks for"
            f" {text[:20]!r}; choose how many."
        )
    return int(text)
