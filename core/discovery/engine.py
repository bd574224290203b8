"""The loop's step: labels in, the next objects out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.config import LoopConfig
from core.discovery.control import control_order, is_control_position, n_controls_before
from core.discovery.learner import Learner, ask, draw_from_pool
from core.discovery.pool import Draw, Pool, frozen_array
from core.discovery.prepare import standardise, whiten
from core.discovery.registry import DETECTORS, LEARNERS, SAMPLERS
from core.discovery.schedule import DEFAULT_LEARNER, schedule_of, unique
from core.errors import BadInput, NotFound
from core.vocabulary import CONTROL_SAMPLER, DEFAULT, ScoreKind

_SCORE_DETECTOR = "isolation_forest"
"""Ranks the survey while nothing is trained."""


@dataclass(frozen=True)
class Pick:
    """One object of the queue: who chose it, with what score and probability; rank from 0."""

    row: int
    sampler: str
    score: float
    probability: float
    rank: int


@dataclass(frozen=True, eq=False)
class Ranking:
    """The answer to one set of labels.

    Attributes
    ----------
    picks
        What to show, in order; empty when nothing is left.
    scores
        (N,) float32, read-only, one for every row, labelled ones too; see `score_kind`.
    sampler
        The samplers that filled the queue, control apart, joined by "+".
    learner
        Name of the learner behind `scores`; None while nothing is trained.
    state
        One sentence: what is shown and why.
    class_probabilities
        (N, C) float32, read-only: P(class) of every row, in the order of the engine's classes;
        None while nothing is trained.
    """

    picks: list[Pick]
    scores: np.ndarray
    score_kind: ScoreKind
    sampler: str
    learner: str | None
    state: str
    n_labels: int
    class_probabilities: np.ndarray | None = None


class Engine:
    """Ranks one survey for one task.

    `rerank` is pure: the same labels give the same ranking on CPU. Only what does not depend on
    labels is kept between calls: the whitened embedding, the detector scores, the control order.

    Parameters
    ----------
    embedding : (N, D) numbers, row-aligned with the survey; NaN allowed
    mask : (N,) bool, False where the encoder had nothing to see; such rows take part all the same
    classes : the task's classes, two or more
    target : the wanted one among them
    config : which sampler and learner, the control share, the seed

    Raises
    ------
    BadInput
        Shapes that do not fit, an unknown sampler or learner, a target not among the classes.
    """

    def __init__(
        self,
        embedding: np.ndarray,
        mask: np.ndarray,
        classes: Sequence[str],
        target: str,
        config: LoopConfig | None = None,
    ) -> None:
        self.config = config or LoopConfig()
        self.classes = tuple(classes)
        if len(set(self.classes)) < max(2, len(self.classes)) or target not in self.classes:
            raise BadInput(
                "A ranking needs two or more different classes and the target among them, but"
                f" got {', '.join(map(repr, self.classes)) or 'none'} with the target"
                f" {target!r}; correct the task."
            )
        self.target = self.classes.index(target)
        schedule_of(self.config.sampler, trained=False)  # refuses an unknown name
        name = self.config.learner
        self._learner = LEARNERS.find(DEFAULT_LEARNER if name == DEFAULT else name)
        values, unseen = standardise(embedding, mask)
        self._values = frozen_array(whiten(values, unseen))
        self._embedding, self._mask = frozen_array(np.asanyarray(embedding)), np.array(mask)
        self._control = control_order(self.config.seed, len(values))
        self._detected: dict[str, np.ndarray] = {}
        self._columns: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._values)

    def detector_scores(self, name: str) -> np.ndarray:
        """(N,) float32 of a registered detector, read-only; computed at the first call."""
        if name not in self._detected:
            detector = DETECTORS.find(name).call
            # Standardised anew: kept, it would double the engine's memory for one use.
            values, unseen = standardise(self._embedding, self._mask)
            scores = detector(values, unseen, self.config.seed)
            self._detected[name] = frozen_array(np.asarray(scores, dtype=np.float32))
        return self._detected[name]

    def _standardised(self) -> np.ndarray:
        """(N, D) float32, made once and kept: asked for by few samplers only."""
        if self._columns is None:
            self._columns = frozen_array(standardise(self._embedding, self._mask)[0])
        return self._columns

    def rerank(
        self,
        labels: Mapping[int, str],
        excluded: Collection[int] = (),
        n: int | None = None,
        *,
        asked_by: Mapping[int, str] | None = None,
        budget: int | None = None,
    ) -> Ranking:
        """Train on `labels` and fill a queue of `n` rows (`config.queue_length` if None).

        Parameters
        ----------
        labels : row -> class, in the order in which the answers were given
        excluded : rows not to be shown though unanswered (skipped ones)
        asked_by : row -> the sampler that showed it, as far as known
        budget : answers still to be spent, where somebody said so

        Raises
        ------
        NotFound
            A row that the survey does not have.
        BadInput
            A class that the task does not have, or `n` below 0.
        """
        length = self.config.queue_length if n is None else n
        if length < 0:
            raise BadInput(f"A queue has zero or more places, but {length} were asked for.")
        labelled, answers, open_rows = self._read(labels, excluded)
        place = {row: turn for turn, row in enumerate(labels)}
        who = asked_by or {}
        learner = Learner(self._learner.call(self.config.seed), query_strategy=draw_from_pool)
        seen = set(answers.tolist())
        trained = self.target in seen and len(seen) > 1
        if trained:
            learner.teach(self._values[labelled], answers)

        n_done = len(self) - len(open_rows)
        cycle = schedule_of(self.config.sampler, trained=trained)
        needed = unique(d for name in cycle if (d := SAMPLERS[name].detector))
        pool = Pool(
            embedding=self._values,
            mask=self._mask,
            unlabelled=open_rows,
            labelled=labelled,
            answers=answers,
            classes=self.classes,
            target=self.target,
            learner=learner if trained else None,
            detector_scores={name: self.detector_scores(name) for name in needed},
            budget=budget,
            rng=np.random.default_rng([self.config.seed, len(labelled)]),
            turns=np.array([place[row] for row in labelled.tolist()], dtype=np.int64),
            asked_by=tuple(who.get(row, "") for row in labelled.tolist()),
            standardised=self._standardised,
        )
        length = min(length, len(open_rows))
        draws = {name: ask(learner, pool, SAMPLERS[name].call, length) for name in unique(cycle)}
        probabilities = pool.probabilities if trained else None
        scores = (
            self.detector_scores(_SCORE_DETECTOR)
            if probabilities is None
            else probabilities[:, self.target]
        )
        return Ranking(
            picks=self._fill(draws, cycle, open_rows, length, n_done, scores),
            scores=frozen_array(scores),
            score_kind=ScoreKind.TARGET_PROBABILITY if trained else ScoreKind.ANOMALY,
            sampler="+".join(unique(cycle)),
            learner=self._learner.name if trained else None,
            state=self._sentence(answers, cycle, trained=trained, n_open=len(open_rows)),
            n_labels=len(labelled),
            class_probabilities=probabilities,
        )

    def _read(
        self, labels: Mapping[int, str], excluded: Collection[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(L,) labelled rows ascending, (L,) their class indices, (U,) rows still open."""
        labelled = np.array(sorted(labels), dtype=np.int64)
        aside = np.array(sorted(excluded), dtype=np.int64)
        for rows, what in ((labelled, "answered"), (aside, "set aside")):
            wrong = rows[(rows < 0) | (rows >= len(self))]
            if len(wrong):
                raise NotFound(
                    f"The rows of this survey are 0 to {len(self) - 1}, but row {wrong[0]} was"
                    f" {what}; open the task with the survey version that it was labelled on."
                )
        index = {name: number for number, name in enumerate(self.classes)}
        unknown = sorted({str(name) for name in labels.values() if name not in index})
        if unknown:
            raise BadInput(
                f"The classes of this task are {', '.join(self.classes)}, but an answer says"
                f" {unknown[0]!r}; correct that answer or the task."
            )
        answers = np.array([index[labels[row]] for row in labelled.tolist()], dtype=np.int64)
        is_open = np.ones(len(self), dtype=bool)
        is_open[labelled] = False
        is_open[aside] = False
        return labelled, answers, np.flatnonzero(is_open)

    def _fill(
        self,
        draws: Mapping[str, Draw],
        cycle: Sequence[str],
        open_rows: np.ndarray,
        length: int,
        n_done: int,
        scores: np.ndarray,
    ) -> list[Pick]:
        """Deal the draws out to the places of the queue; no row twice."""
        share = self.config.control_share
        is_open = np.zeros(len(self), dtype=bool)
        is_open[open_rows] = True
        controls = iter(self._control[is_open[self._control]].tolist())
        lists = {
            name: zip(
                draw.rows.tolist(),
                draw.probabilities.tolist(),
                draw.chosen_by or [name] * len(draw.rows),
                strict=True,
            )
            for name, draw in draws.items()
        }
        used: set[int] = set()
        picks: list[Pick] = []
        turn = n_done - n_controls_before(n_done, share)
        for rank in range(length):
            if is_control_position(n_done + rank, share):
                name, probability = CONTROL_SAMPLER, 1 / (len(open_rows) - len(used))
                row = next(row for row in controls if row not in used)
                score = float(scores[row])
            else:
                of = cycle[turn % len(cycle)]
                turn += 1
                row, probability, name = next(one for one in lists[of] if one[0] not in used)
                score = float(draws[of].scores[row])
            used.add(row)
            picks.append(Pick(row, name, score, probability, rank))
        return picks

    def _sentence(
        self, answers: np.ndarray, cycle: Sequence[str], *, trained: bool, n_open: int
    ) -> str:
        target = repr(self.classes[self.target])
        if n_open == 0:
            return f"All {len(self)} objects are answered or set aside; nothing is left to show."
        found = int((answers == self.target).sum())
        if trained:
            reason = f"Trained on {len(answers)} answers, {found} of them {target}"
        elif not len(answers):
            reason = "No answers yet"
        elif found:
            reason = f"Only {target} seen yet, nothing else"
        else:
            reason = f"No {target} seen yet"
        asked = self.config.sampler
        if asked != DEFAULT and asked not in cycle:
            reason += f" ({asked!r} waits for {SAMPLERS[asked].needs})"
        shown = " and ".join(SAMPLERS[name].description for name in unique(cycle))
        if len(set(cycle)) > 1:
            shown += ", in turn"
        if self.config.control_share:
            shown += f", and {100 * self.config.control_share:.3g} % at random as control"
        return f"{reason}: showing {shown}."
