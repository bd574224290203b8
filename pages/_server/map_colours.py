"""What the points of a map can be coloured by, as one byte a point and a legend."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.display import colour_map
from core.errors import BadInput, NotReady
from core.run_taught import TAUGHT_BY
from core.survey import Survey
from core.survey.added_columns import columns_stamp, full_catalogue
from core.vocabulary import JobKind, ScoreKind
from labels_db import Task
from pages._server.columns import column_list, known_columns
from pages._server.identity import Identity
from pages._server.kept_runs import kept_runs
from pages._server.map_data import Placed, labels_seen, points_of
from pages._server.services import Services
from pages._server.taught import is_taught_hidden, taught_by
from pages._server.visibility import answers_hidden
from pages._shared.colours import CLASS_COLOURS, class_colours

__all__ = [
    "MAX_CATEGORIES",
    "NO_ANSWER",
    "OTHER_CLASSES",
    "Paint",
    "class_codes",
    "coded_classes",
    "colourings",
    "offer",
    "paint",
]

MAX_CATEGORIES = 60
"""Of a column, the most frequent ones; the others are one category."""
MAX_CODED = 250
"""Of a task's classes, with those that were retired: a code is one byte."""
LEVELS = 250
"""Steps of a continuous scale; code 250 is "no value"."""
PERCENTILES = (1, 99)
"""A scale ends there: catalogue columns have tails, and the colours should tell the bulk apart."""
NO_ANSWER, OTHERS, NO_VALUE = "no answer", "others", "no value"
OTHER_CLASSES = "other classes"
"""Of labels whose class the task has no more: they are answers all the same."""
_GREY, _DARK_GREY = "#8b94a3", "#6b7280"
_COLUMN = "column:"
_SCALE = "viridis"
"""Even steps of lightness, and read by people who do not tell red from green."""
_ENDS = (28, 240)
"""Of its 256 colours: the darkest and the lightest are lost on dark and light pages."""


@dataclass(frozen=True)
class Paint:
    """The colours of a map.

    Attributes
    ----------
    codes
        (M,) uint8, one a point: an index into `names`; of numbers the step of the scale, or
        `LEVELS` where there is no value.
    legend
        JSON: kind "categories" (names, counts, colours) or "numbers" (low, high, log, colours,
        n_missing); title.
    """

    codes: np.ndarray
    legend: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """The categories by code; of numbers that of the points without a value alone."""
        names: list[str] = self.legend["names"]
        return names

    def hidden(self, names: Sequence[str]) -> np.ndarray:
        """(M,) bool: the points of these categories (`BadInput` if there is no such one)."""
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise BadInput(
                f"There is no {unknown[0][:60]!r} in the legend any more; look at the legend and"
                " select anew."
            )
        first = LEVELS if self.legend["kind"] == "numbers" else 0
        return np.isin(self.codes, [first + self.names.index(name) for name in names])


def colourings(
    services: Services, task: Task, survey: Survey, who: Identity
) -> list[dict[str, str]]:
    """What this person may colour the map by: `by` for addresses, a title, and the kind
    ("categories" or "numbers")."""
    found = [{"by": "class", "title": "Answers", "kind": "categories"}]
    hidden = answers_hidden(services.db(), task, who)
    scores = None if hidden else services.scores(task)
    if scores is not None and scores.kind is ScoreKind.TARGET_PROBABILITY:
        found.append(
            {"by": "prediction", "title": f"P({' or '.join(scores.targets)})", "kind": "numbers"}
        )
        found.append({"by": "uncertainty", "title": "Uncertainty", "kind": "numbers"})
    elif scores is not None:
        found.append({"by": "anomaly", "title": "Anomaly score", "kind": "numbers"})
    if not hidden:
        found.append({"by": "sampler", "title": "Shown by sampler", "kind": "categories"})
    if _groups(services, survey, who) is not None:
        found.append({"by": "group", "title": "Group", "kind": "categories"})
    kept_back = known_columns(survey) if hidden else ()
    for column in column_list(survey, kept_back):
        kind = "numbers" if column["kind"] == "number" else "categories"
        found.append({"by": f"{_COLUMN}{column['name']}", "title": column["name"], "kind": kind})
    return found


def offer(services: Services, task: Task, survey: Survey, who: Identity) -> str:
    """Changes with what the browser was told of classes and colourings: quick enough to ask
    every few seconds."""
    hidden = answers_hidden(services.db(), task, who)
    scores = None if hidden else services.scores(task)
    said = (scores.kind, scores.targets) if scores is not None else None
    groups = [one.run_id for one in kept_runs(survey, JobKind.GROUP)[:1]]
    parts = repr((task.version, hidden, said, groups, columns_stamp(survey)))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def paint(
    services: Services,
    task: Task,
    survey: Survey,
    who: Identity,
    placed: Placed,
    by: str,
    *,
    log: bool = False,
) -> Paint:
    """The colours of a map by one of `colourings`.

    log: a scale of equal factors; values of zero and less have none.

    Raises
    ------
    BadInput
        There is nothing of that name, or this person may not see it.
    """
    offered = {one["by"]: one for one in colourings(services, task, survey, who)}
    if by not in offered:
        raise BadInput(
            f"The map cannot be coloured by {by[:80]!r}; choose one of the list, which changes"
            " with what the model and the catalogue have."
        )
    title = offered[by]["title"]
    base: tuple[Any, ...] = (survey.manifest.content_hash, placed.key, by, log, title)
    if by == "class":
        seq, labels, state = labels_seen(services, task, who)
        own = tuple(class_colours(task).items())
        return _kept(
            services,
            (*base, state, own),
            lambda: _by_class(survey, task, placed, labels, title, seq),
        )
    if by == "sampler":
        seq = services.db().last_seq(task.name)
        shown = services.db().shown_by(task.name)
        return _kept(
            services,
            (*base, task.name, seq),
            lambda: _by_sampler(survey, placed, shown, title),
        )
    if by in ("prediction", "uncertainty", "anomaly"):
        scores = services.scores(task)
        if scores is None:  # it was there when the list was made
            raise NotReady(
                "The scores of this model have just been replaced; choose the colouring again."
            )
        values = scores.values[placed.rows].astype(np.float64)
        if by == "uncertainty":
            values = 1 - np.abs(2 * values - 1)
        model = (task.name, scores.model.version, scores.model.created_at)
        ends = (0.0, 1.0) if by != "anomaly" and not log else None
        return _kept(services, (*base, *model), lambda: _numbers(values, title, log, ends))
    if by == "group":
        found_groups = _groups(services, survey, who)
        if found_groups is None:  # they were there when the list was made
            raise NotReady("The groups have just been removed; choose another colouring.")
        run, groups = found_groups
        return _kept(services, (*base, run), lambda: _by_group(groups[placed.rows], title))
    column = full_catalogue(survey)[by.removeprefix(_COLUMN)]
    stamp = columns_stamp(survey)
    if offered[by]["kind"] == "numbers":
        numbers = column.to_numpy(dtype=float, na_value=np.nan)[placed.rows]
        return _kept(services, (*base, stamp), lambda: _numbers(numbers, title, log, None))
    return _kept(services, (*base, stamp), lambda: _words(column.iloc[placed.rows], title))


def _kept(services: Services, key: tuple[Any, ...], make: Any) -> Paint:
    made: Paint = services.paints.get(key, make)
    return made


def _groups(services: Services, survey: Survey, who: Identity) -> tuple[str, np.ndarray] | None:
    """The newest groups of this version that can be read and this person may see: the run, and
    (N,) int with -1 for objects in none."""
    for record in kept_runs(survey, JobKind.GROUP):
        path = record.path / "groups.npy"
        about = record.record.get("survey") or {}
        if about.get("content_hash") != survey.manifest.content_hash:
            continue
        config = record.config
        embedding_run, recorded = str(config.get("embedding_run", "")), config.get(TAUGHT_BY) or ()
        if is_taught_hidden(services, taught_by(survey, embedding_run, recorded), who):
            continue
        try:
            groups = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError):  # the Groups page says so
            continue
        if groups.shape == (len(survey),) and groups.dtype.kind == "i":
            return record.run_id, groups
    return None


def _by_class(
    survey: Survey, task: Task, placed: Placed, labels: dict[str, str], title: str, seq: int
) -> Paint:
    classes = coded_classes(task)
    names = [_free(NO_ANSWER, classes), *classes]
    colours = [_GREY, *class_colours(task).values()][: len(names)]
    points = points_of(survey, placed, list(labels))
    codes = np.zeros(len(placed.rows), dtype=np.int64)
    codes[points[points >= 0]] = class_codes(task, labels.values())[points >= 0]
    if (codes == len(names)).any():
        names.append(_free(OTHER_CLASSES, names))
        colours.append(_DARK_GREY)
    made = _categories(codes, names, colours, title)
    made.legend["seq"] = seq  # from there `/api/map_state` tells what changed
    return made


def coded_classes(task: Task) -> list[str]:
    """The classes that have a code and a colour of their own, in its order."""
    return list(task.every_class[:MAX_CODED])


def class_codes(task: Task, names: Iterable[str | None]) -> np.ndarray:
    """(K,) int64: 0 for no answer (None), 1 and more for the places of the task's classes, one
    more than there are for a class the task has no more, or beyond `MAX_CODED`."""
    code_of: dict[str | None, int] = {
        name: 1 + place for place, name in enumerate(coded_classes(task))
    }
    code_of[None] = 0
    return np.array([code_of.get(name, len(code_of)) for name in names], dtype=np.int64)


def _by_sampler(survey: Survey, placed: Placed, shown: dict[str, str], title: str) -> Paint:
    words = pd.Series(None, index=range(len(placed.rows)), dtype=object)
    points = points_of(survey, placed, list(shown))
    words.iloc[points[points >= 0]] = np.array(list(shown.values()), dtype=object)[points >= 0]
    return _words(words, title, missing=NO_ANSWER)


def _by_group(groups: np.ndarray, title: str) -> Paint:
    words = pd.Series(groups).map(lambda one: f"group {one + 1}" if one >= 0 else None)
    return _words(words, title, missing="in none")


def _words(column: pd.Series[Any], title: str, missing: str = NO_VALUE) -> Paint:
    """Categories of a column of words or truth values; `missing` names the points without one."""
    codes, found = pd.factorize(column)
    names = [str(one) for one in found]
    if (codes < 0).any():
        names.append(missing)
        codes = np.where(codes < 0, len(names) - 1, codes)
    return _frequent(codes, names, title, last=missing)


def _frequent(codes: np.ndarray, names: list[str], title: str, last: str) -> Paint:
    """The most frequent categories, the largest first; those beyond are "others". The final one
    stays so where it is called `last`: what has no value is no category among others."""
    counts = np.bincount(codes, minlength=len(names))
    tail = [len(names) - 1] if names and names[-1] == last else []
    order = np.lexsort((np.arange(len(names)), -counts)).tolist()
    order = [one for one in order if one not in tail]
    kept, n_others = order[:MAX_CATEGORIES], max(0, len(order) - MAX_CATEGORIES)
    new = np.full(len(names), len(kept), dtype=np.int64)
    new[kept] = np.arange(len(kept))
    shown, shades = [names[one] for one in kept], _shades(len(kept))
    if n_others:
        shown.append(_free(f"{n_others:,} {OTHERS}", shown))
        shades.append(_DARK_GREY)
    if tail:
        new[tail] = len(shown)
        shown.append(_free(last, shown))
        shades.append(_GREY)
    return _categories(new[codes], shown, shades, title)


def _free(name: str, taken: Sequence[str]) -> str:
    """`name`, in brackets where a category of the data is called so."""
    return f"({name})" if name in taken else name


def _categories(
    codes: np.ndarray, names: Sequence[str], colours: Sequence[str], title: str
) -> Paint:
    counts = np.bincount(codes, minlength=len(names)).tolist()
    legend = {
        "kind": "categories",
        "title": title,
        "names": list(names),
        "counts": counts,
        "colours": list(colours),
    }
    return Paint(codes.astype(np.uint8), legend)


def _shades(n: int) -> list[str]:
    """Colours of n categories: those of classes first, then hues by the golden angle in three
    lightnesses, since hue alone does not tell so many apart."""
    shades = list(CLASS_COLOURS[:n])
    for place in range(len(shades), n):
        red, green, blue = colorsys.hls_to_rgb(
            place * 0.381966 % 1, (0.45, 0.62, 0.75)[place % 3], 0.55
        )
        shades.append(f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}")
    return shades


def _numbers(values: np.ndarray, title: str, log: bool, ends: tuple[float, float] | None) -> Paint:
    known = np.isfinite(values) & ((values > 0) if log else True)
    some = values[known]
    if log:
        some = np.log10(some)
    if ends is not None:
        low, high = ends
    elif len(some):
        low, high = (float(one) for one in np.percentile(some, PERCENTILES))
    else:
        low, high = 0.0, 1.0
    width = high - low
    if not width > 0:  # constant, or nearly so: the middle of the scale
        low, width = low - 0.5, 1.0
        high = low + width
    codes = np.full(len(values), LEVELS, dtype=np.uint8)
    codes[known] = np.clip((some - low) * (LEVELS / width), 0, LEVELS - 1)
    table = colour_map(_SCALE)
    steps = table[np.linspace(*_ENDS, LEVELS).round().astype(int)]
    legend = {
        "kind": "numbers",
        "title": title,
        "low": float(10**low if log else low),
        "high": float(10**high if log else high),
        "log": log,
        "n_below": int((some < low).sum()),
        "n_above": int((some > high).sum()),
        "names": [NO_VALUE],
        "counts": [int(len(values) - known.sum())],
        "colours": ["#" + "".join(f"{int(one):02x}" for one in step) for step in steps],
    }
    return Paint(codes, legend)
