"""Rankings by oddness as the Oddest page shows them: in order, by group, and why.

What follows from a ranking is kept, so that a page of a survey of a million objects costs one pass
over a mask and never a sort.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, Damaged, NotFound
from core.run_detect import Detection, detections
from core.survey import Survey
from core.survey.added_columns import added_columns, columns_stamp
from core.survey.matching.crossmatch import KNOWN_AS
from core.vocabulary import JobKind
from labels_db import Task
from pages._server.identity import Identity
from pages._server.kept_runs import kept_runs
from pages._server.map_data import labels_seen
from pages._server.odd import USUAL, Why, why_odd
from pages._server.recent import Recent
from pages._server.services import Services
from pages._server.similar import embedding_of
from pages._server.taught import is_taught_hidden, taught_by

if TYPE_CHECKING:
    from core.representation import Embedding

__all__ = [
    "BINS",
    "LEAST_GROUP",
    "Ranked",
    "explained_by",
    "known_rows",
    "labelled_rows",
    "n_of_older_versions",
    "ranked",
    "ranked_by_group",
    "rankings",
    "reasons",
    "shown_rankings",
    "standardised_by_group",
    "teachers_of",
]

BINS = 80
LEAST_GROUP = 20
"""Among fewer objects there is no telling what is usual in a group."""
_SCATTER = 1.4826
"""Standard deviations of a Gaussian in one median absolute deviation."""

_rankings = Recent(16)
_masks = Recent(8)
_reasons = Recent(1024)


@dataclass(frozen=True, eq=False)
class Ranked:
    """A ranking; of equal scores the lower row comes first.

    Attributes
    ----------
    key
        The same for the same scores.
    scores
        (N,) float32, higher = odder; NaN for what the encoder had nothing to see in.
    """

    key: tuple[str, ...]
    scores: NDArray[np.float32]

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """(S,) the rows with a score, the oddest first."""
        n_seen = len(self.scores) - len(self.unseen)
        # NaN comes last in numpy's order.
        order = np.argsort(-self.scores, kind="stable")[:n_seen].astype(np.int32)
        order.setflags(write=False)
        return order

    @cached_property
    def places(self) -> NDArray[np.int32]:
        """(N,) the place of each row, 1 for the oddest; 0 where there is no score."""
        places = np.zeros(len(self.scores), np.int32)
        places[self.order] = np.arange(1, len(self.order) + 1, dtype=np.int32)
        places.setflags(write=False)
        return places

    @cached_property
    def unseen(self) -> NDArray[np.int64]:
        """(U,) rows without a score, ascending."""
        return np.flatnonzero(np.isnan(self.scores))

    @cached_property
    def histogram(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(81,) edges from the least score to the highest, and (80,) counts."""
        scores = self.scores[self.order]
        counts, edges = np.histogram(scores.astype(np.float64), BINS)
        return edges, counts

    def place_of(self, row: int) -> int:
        """What `places` says of a row, without sorting the others."""
        score = self.scores[row]
        if np.isnan(score):
            return 0
        before = np.count_nonzero(self.scores > score)
        return int(before + np.count_nonzero(self.scores[:row] == score)) + 1

    def first(self, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The oddest `n` of the rows with a score that are allowed ((N,) bool), in order and
        without sorting the others; fewer where there are fewer."""
        keys = np.where(allowed & np.isfinite(self.scores), -self.scores, np.inf)
        n = min(n, int(np.count_nonzero(keys < np.inf)))
        if not n:
            return np.empty(0, np.int64)
        last = np.partition(keys, n - 1)[n - 1]
        before = np.flatnonzero(keys < last)
        rows = np.concatenate([before, np.flatnonzero(keys == last)[: n - len(before)]])
        return rows[np.lexsort((rows, keys[rows]))]

    def among(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.int32]:
        """The rows of `order` that are allowed ((N,) bool; None: all)."""
        return self.order if allowed is None else self.order[allowed[self.order]]


def rankings(survey: Survey) -> list[Detection]:
    """The newest ranking by each detector of each embedding, the newest first."""
    found: dict[tuple[str, str], Detection] = {}
    for one in detections(survey, kept_runs(survey, JobKind.DETECT)):
        found.setdefault((one.detector, one.embedding_run), one)
    return list(found.values())


def shown_rankings(services: Services, survey: Survey, who: Identity) -> list[Detection]:
    """`rankings` without those of an embedding that was taught answers that are kept from this
    person."""
    return [
        one
        for one in rankings(survey)
        if not is_taught_hidden(services, teachers_of(survey, one), who)
    ]


def teachers_of(survey: Survey, detection: Detection) -> tuple[str, ...]:
    """The tasks whose answers the embedding of a ranking was taught."""
    return taught_by(survey, detection.embedding_run, detection.taught_by)


def n_of_older_versions(survey: Survey) -> int:
    """How many rankings there are of other versions of the survey."""
    runs = kept_runs(survey, JobKind.DETECT)
    return len(runs) - len(detections(survey, runs))


def ranked(detection: Detection) -> Ranked:
    """A ranking with what follows from it, kept (`Damaged`)."""
    key = (str(detection.path),)
    found: Ranked = _rankings.get(key, lambda: Ranked(key, np.asarray(detection.scores())))
    return found


def ranked_by_group(detection: Detection, grouping: str, groups: NDArray[np.integer]) -> Ranked:
    """The ranking by how odd objects are for their groups, kept; see `standardised_by_group`.

    grouping: the run of the groups. groups: (N,), -1 for an object in none (`Damaged` if these are
    not the survey's).
    """
    if groups.shape != (detection.n_objects,):
        raise Damaged(
            f"The groups {grouping} are of {groups.shape} objects, but the survey has"
            f" {detection.n_objects:,}; make the groups again."
        )
    key = (str(detection.path), grouping)
    scores = ranked(detection).scores
    found: Ranked = _rankings.get(key, lambda: Ranked(key, standardised_by_group(scores, groups)))
    return found


def standardised_by_group(
    scores: NDArray[np.float32], groups: NDArray[np.integer]
) -> NDArray[np.float32]:
    """(N,) how many usual scatters each score lies above the median of its group.

    The scatter is 1.4826 median absolute deviations, the standard deviation where that is 0.
    Objects in no group (-1) or in one of fewer than 20 with a score are held against the whole
    survey. NaN stays NaN.
    """
    out = np.full(len(scores), np.nan, np.float32)
    seen = np.flatnonzero(np.isfinite(scores))
    if not len(seen):
        return out
    of_survey: tuple[float, float] | None = None
    by_group = seen[np.argsort(groups[seen], kind="stable")]
    edges = np.flatnonzero(np.diff(groups[by_group])) + 1
    for rows in np.split(by_group, edges):
        if groups[rows[0]] < 0 or len(rows) < LEAST_GROUP:
            of_survey = of_survey or _usual(scores[seen])
            centre, scatter = of_survey
        else:
            centre, scatter = _usual(scores[rows])
        out[rows] = (scores[rows] - centre) / scatter
    return out


def _usual(scores: NDArray[np.float32]) -> tuple[float, float]:
    """Median and scatter; the latter never 0."""
    values = scores.astype(np.float64)
    centre = float(np.median(values))
    scatter = _SCATTER * float(np.median(np.abs(values - centre)))
    return centre, scatter or float(values.std()) or 1.0


def labelled_rows(
    services: Services, task: Task, survey: Survey, who: Identity
) -> NDArray[np.bool_]:
    """(N,) True for what has an answer, as far as this person may know."""
    _seq, labels, state = labels_seen(services, task, who)

    def make() -> NDArray[np.bool_]:
        mask = np.zeros(len(survey), bool)
        for object_id in labels:
            with suppress(NotFound):  # labelled on another version of the survey
                mask[survey.row(object_id)] = True
        return _readonly(mask)

    found: NDArray[np.bool_] = _masks.get(("labelled", survey.manifest.content_hash, state), make)
    return found


def known_rows(survey: Survey) -> NDArray[np.bool_]:
    """(N,) True for what a cross-match found in a catalogue."""

    def make() -> NDArray[np.bool_]:
        added = added_columns(survey)
        if KNOWN_AS not in added:
            return _readonly(np.zeros(len(survey), bool))
        return _readonly(added[KNOWN_AS].notna().to_numpy(bool, copy=True))

    key = ("known", survey.manifest.content_hash, columns_stamp(survey))
    found: NDArray[np.bool_] = _masks.get(key, make)
    return found


def explained_by(detector: str) -> str:
    """The detector that says why an object is odd: itself where it scores things that the survey
    lacks, else the isolation forest."""
    from core.discovery.detecting import FITTED

    return detector if detector in FITTED else USUAL


def reasons(
    services: Services, survey: Survey, detection: Detection, rows: Sequence[int]
) -> list[Why]:
    """What makes each of these objects odd to the detector of a ranking, kept.

    Raises
    ------
    BadInput
        The encoder had nothing to see in one.
    NotFound, Damaged
        The embedding is gone or cannot be read.
    """

    @cache
    def embedding() -> Embedding:
        return embedding_of(services, survey, detection.embedding_run)

    def explain(row: int) -> Why:
        if not embedding().mask[row]:
            raise BadInput(
                f"{survey.object_ids[row]} has no place in the embedding"
                f" {detection.embedding_run}: the encoder had nothing to see in it; choose another"
                " object."
            )
        return why_odd(services, survey, embedding(), row, explained_by(detection.detector))

    found: list[Why] = [
        _reasons.get((str(detection.path), row), partial(explain, row)) for row in rows
    ]
    return found


def _readonly(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    mask.setflags(write=False)
    return mask
