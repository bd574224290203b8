"""The loop's step: labels in, the next objects out."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, islice
from typing import Any, cast

import numpy as np

from core.config import LoopConfig
from core.discovery.answered import aimed, one_thread
from core.discovery.checks import checked_learner, checked_parts, checked_task
from core.discovery.control import (
    control_order,
    controls_of,
    is_control_position,
    n_controls_before,
    open_controls,
)
from core.discovery.kept_scores import KeptScores
from core.discovery.learner import ask, draw_from_pool
from core.discovery.outside import Outside, below, whitened_like
from core.discovery.partitions import Partitions
from core.discovery.pool import Draw, Pool, any_of, frozen_array
from core.discovery.prepare import CHUNK, Standardised, chunks, whiten
from core.discovery.ranking import Pick, Ranking
from core.discovery.registry import DETECTORS, SAMPLERS
from core.discovery.samplers.like_this import LIKE_THIS, nearest_distance
from core.discovery.schedule import LATE_START, n_of_start, schedule_of, unique
from core.discovery.scratch import keep_rows
from core.discovery.shortlist import QUICK_LEARNERS, TOP_ONLY, Shortlisting, Wanted
from core.discovery.state import state_in_words
from core.discovery.teaching import teach
from core.discovery.trusting import Trusted
from core.discovery.wide import DETECTORS_SEEN, Wide, made_wide
from core.errors import BadInput, NotFound
from core.vocabulary import ScoreKind

_SCORE_DETECTOR = "isolation_forest"
"""Ranks the survey while nothing is trained."""


class Engine:
    """Ranks one survey for one task.

    `rerank` is pure: the same labels give the same ranking on CPU. Only what does not depend on
    labels is kept between calls: the rows as learners see them, the detector scores, the control
    order.

    Parameters
    ----------
    embedding : (N, D) numbers, row-aligned with the survey; NaN allowed
    mask : (N,) bool, False where the encoder had nothing to see; such rows take part all the same
    classes : the task's classes, two or more
    target : the wanted one among them, `targets` has its number
    config : which sampler and learner, the control share, the seed
    also_targets : other classes that are wanted as well; an answer with any of them is a find
    parts : name -> columns of the embedding, where it is several side by side; a detector may look
        at one of them alone ("isolation_forest/peaks")
    scratch : folder for what does not fit in memory, that for temporary files if None; it takes
        256 bytes an object of a large survey, and nothing is left there
    kept_scores : where detectors' scores of a large survey outlive the engine

    Raises
    ------
    BadInput
        Shapes that do not fit, an unknown sampler or learner, a sampler that cannot take so many
        rows, a target not among the classes, no class that is not wanted.
    """

    def __init__(
        self,
        embedding: np.ndarray,
        mask: np.ndarray,
        classes: Sequence[str],
        target: str,
        config: LoopConfig | None = None,
        *,
        also_targets: Sequence[str] = (),
        parts: Mapping[str, slice] | None = None,
        scratch: str | None = None,
        kept_scores: KeptScores | None = None,
    ) -> None:
        self.config = config or LoopConfig()
        self._kept_scores = kept_scores or KeptScores()
        self.classes, self.targets = checked_task(classes, (target, *also_targets))
        self._learner = checked_learner(self.config, np.size(mask))
        self._rows, self._scratch = Standardised(embedding, mask), scratch
        self._values = frozen_array(whiten(self._rows, self._rows.unseen, scratch))
        self._embedding, self._mask = frozen_array(np.asanyarray(embedding)), np.array(mask)
        self.parts = checked_parts(parts or {}, self._embedding.shape[1])
        self._partitions: Partitions | None = None
        self._control = control_order(self.config.seed, len(self._values))
        self._detected: dict[str, np.ndarray] = {}
        self._columns: np.ndarray | None = None
        self._outside: Outside | None = None
        self._longer: dict[str, np.ndarray] = {}
        self._wide: tuple[int, np.ndarray | Wide] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def with_config(self, config: LoopConfig) -> Engine:
        """The same survey and task by another strategy; the embedding is not read anew.

        Raises
        ------
        BadInput
            An unknown sampler or learner, a sampler that cannot take so many rows, or another
            seed, which would change the control order.
        """
        if config.seed != self.config.seed:
            raise BadInput(
                f"The seed of an engine stays {self.config.seed}, but {config.seed} was asked for;"
                " make a new engine."
            )
        learner = checked_learner(config, len(self))
        other = copy.copy(self)
        other.config, other._learner = config, learner
        return other

    def with_task(
        self, classes: Sequence[str], target: str, also_targets: Sequence[str] = ()
    ) -> Engine:
        """The same survey and strategy for another task; the embedding is not read anew, and what
        a detector has found or finds of it serves both.

        Raises
        ------
        BadInput
            Fewer than two classes, one twice, a target not among them, or none that is not one.
        """
        other = copy.copy(self)
        other.classes, other.targets = checked_task(classes, (target, *also_targets))
        return other

    def with_outside(self, outside: Outside | None) -> Engine:
        """The same survey, task and strategy, taught `outside` beside the answers from now on;
        the embedding is not read anew.

        Raises
        ------
        BadInput
            Its values have not the columns of the embedding.
        """
        other = copy.copy(self)
        other._outside = outside if outside is not None and len(outside) else None
        other._columns, other._longer, other._wide = None, {}, None
        white = self._values[: len(self)]
        other._values = frozen_array(white)
        if other._outside is not None:
            own = self._rows.of_others(other._outside.values)
            rows = whitened_like(own, self._rows, white)
            shape = (len(white) + len(rows), white.shape[1])
            blocks = (white[part] for part in chunks(len(white)))
            other._values = frozen_array(keep_rows(chain(blocks, [rows]), shape, self._scratch))
        return other

    def with_partitions(self, client: Any) -> Engine:
        """The same, the workers of a Dask cluster going over a large survey: see `Partitions`."""
        other = copy.copy(self)
        other._partitions = Partitions(client, self._rows)
        return other

    def detector_scores(self, name: str) -> np.ndarray:
        """(N,) float32 of a registered detector, read-only; computed at the first call.

        "DETECTOR/PART" is the detector on the columns of one part of the embedding.
        """
        if name not in self._detected:
            named, _, part = name.partition("/")
            detector = DETECTORS.find(named).call
            if part and part not in self.parts:
                raise BadInput(
                    f"The parts of this embedding are {', '.join(self.parts) or 'none'}, but"
                    f" {part!r} was asked for; choose one of them."
                )
            rows = self._rows
            if part:
                rows = Standardised(self._embedding[:, self.parts[part]], self._mask)
            # A large survey's rows are made as the detector reads them.
            values = np.asarray(rows) if len(rows) <= CHUNK else cast(np.ndarray, rows)
            scores = self._kept_scores.of(
                name, len(self), lambda: detector(values, rows.unseen, self.config.seed)
            )
            self._detected[name] = frozen_array(scores)
        return self._detected[name]

    def _standardised(self) -> np.ndarray:
        """(N, D) float32, made once and kept: asked for by few samplers only."""
        if self._columns is None:
            own = [] if self._outside is None else [self._rows.of_others(self._outside.values)]
            shape = (len(self._values), self._rows.shape[1])
            blocks = chain(self._rows, own)
            self._columns = frozen_array(keep_rows(blocks, shape, self._scratch))
        return self._columns

    def _detected_of_all(self, name: str) -> np.ndarray:
        """`detector_scores`, with the least of them for what stands below the survey's rows."""
        if self._outside is None:
            return self.detector_scores(name)
        if name not in self._longer:
            scores = self.detector_scores(name)
            least = np.full(len(self._outside), scores.min(), dtype=np.float32)
            self._longer[name] = below(scores, least)
        return self._longer[name]

    def rerank(
        self,
        labels: Mapping[int, str],
        excluded: Collection[int] = (),
        n: int | None = None,
        *,
        asked_by: Mapping[int, str] | None = None,
        budget: int | None = None,
        trust: Mapping[int, float] | None = None,
    ) -> Ranking:
        """Train on `labels` and fill a queue of `n` rows (`config.queue_length` if None).

        Parameters
        ----------
        labels : row -> class, in the order in which the answers were given
        excluded : rows not to be shown though unanswered (skipped ones)
        asked_by : row -> the sampler that showed it, as far as known
        budget : answers still to be spent, where somebody said so
        trust : row -> how far its answer is believed, above 0 and up to 1; 1 where nothing is said

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
        labelled, answers, open_rows, turns = self._read(labels, excluded)
        n_answers, mask = len(labelled), self._mask
        if self._outside is not None:
            labelled, answers, turns = self._outside.joined(
                labelled, answers, turns, self.classes, len(self)
            )
            mask = below(mask, np.ones(len(self._outside), dtype=bool))
        shown = tuple((asked_by or {}).get(row, "") for row in labelled.tolist())
        estimator = aimed(self._learner.call, self.config.seed, self.targets, self._values)
        learner = Shortlisting(one_thread(estimator), query_strategy=draw_from_pool)
        learner.partitions = self._partitions
        seen = set(answers.tolist())
        met = [one for one in self.targets if one in seen]
        found = bool(met) and (len(open_rows) > 0 or len(seen) > 1)
        trained = bool(met) and len(seen) > len(met)
        trusted = Trusted.of(trust if found else None, labelled, self._learner.name, estimator)
        n_stand_ins = 0
        if found:
            if self._learner.wide:
                n_leading, learner.wide = self._wide_rows()
                estimator.set_params(n_leading=n_leading)
            n_stand_ins = teach(
                learner,
                self._values if learner.wide is None else learner.wide,
                labelled,
                answers,
                open_rows,
                self.targets,
                len(self.classes),
                trusted,
                self.config.seed,
                n_survey=len(self),
                take_back=self._learner.wide,
            )

        n_done = len(self) - len(open_rows)
        seeking = len(met) < len(self.targets)
        cycle = schedule_of(
            self.config.sampler, n_of_start(shown), trained=trained, found=found, seeking=seeking
        )
        length = min(length, len(open_rows))
        top_only = TOP_ONLY & set(cycle) and set(cycle) <= TOP_ONLY | set(LATE_START)
        if top_only and self._learner.name not in QUICK_LEARNERS:
            # Any of these may come up as control, beside rows with the learner's own P(class).
            controls = open_controls(self._control, open_rows) if self.config.control_share else ()
            certain = np.array([*labelled, *islice(controls, length)], dtype=np.int64)
            learner.wanted = Wanted(
                met[0], open_rows, length, certain, self.config.seed, tuple(met[1:])
            )
        needed = unique(d for name in cycle if (d := SAMPLERS[name].detector))
        pool = Pool(
            embedding=self._values,
            mask=mask,
            unlabelled=open_rows,
            labelled=labelled,
            answers=answers,
            classes=self.classes,
            target=self.targets[0],
            learner=learner if found else None,
            detector_scores={name: self._detected_of_all(name) for name in needed},
            budget=budget,
            rng=np.random.default_rng([self.config.seed, len(labelled)]),
            turns=turns,
            asked_by=shown,
            standardised=self._standardised,
            detect=self._detected_of_all,
            parts=tuple(self.parts),
            also_targets=self.targets[1:],
            turn=n_done - n_controls_before(n_done, self.config.control_share),
        )
        draws = {name: ask(learner, pool, SAMPLERS[name].call, length) for name in unique(cycle)}
        said_of_trust = trusted.in_words(cycle, pool)
        probabilities = None if pool.learner is None else pool.probabilities[: len(self)]
        scores = (
            self.detector_scores(_SCORE_DETECTOR)
            if probabilities is None
            else any_of(probabilities, self.targets)
        )
        is_mixed = len(self.classes) == 2 or n_stand_ins <= int((~pool.is_find).sum())
        return Ranking(
            picks=self._fill(draws, cycle, open_rows, length, n_done, scores),
            scores=frozen_array(scores),
            score_kind=ScoreKind.ANOMALY
            if probabilities is None
            else ScoreKind.TARGET_PROBABILITY,
            sampler="+".join(unique(cycle)),
            learner=None if probabilities is None else self._learner.name,
            state=state_in_words(
                self.config,
                cycle,
                answers[:n_answers],
                {self.classes[one]: one for one in self.targets},
                n_stand_ins,
                len(open_rows),
                len(self),
            )
            + learner.in_words()
            + said_of_trust
            + (self._outside.in_words() if self._outside is not None else ""),
            n_labels=n_answers,
            class_probabilities=probabilities if trained and is_mixed else None,
            told=learner.told,
        )

    def _wide_rows(self) -> tuple[int, np.ndarray | Wide]:
        """What a learner that is taught wide rows sees, made once; see `made_wide`."""
        if self._wide is None:
            scores = [self.detector_scores(one) for one in DETECTORS_SEEN]
            outside = None if self._outside is None else self._outside.values
            self._wide = made_wide(
                self._values, scores, self._rows, outside, self.config.seed, self._scratch
            )
        return self._wide

    def more_like(
        self, rows: Sequence[int], done: Collection[int] = (), n: int | None = None
    ) -> list[Pick]:
        """The rows most like any of `rows`, nearest first: a target for the moment, which needs
        no answer and changes none.

        done : rows not to be shown; the given ones never are. Scores are minus the distances.

        Raises
        ------
        NotFound
            A row that the survey does not have.
        BadInput
            No row, or `n` below 0.
        """
        length = self.config.queue_length if n is None else n
        if not len(rows) or length < 0:
            raise BadInput(
                "More like this needs an object to be like and zero or more places, but got"
                f" {len(rows)} objects and {length} places; name an object."
            )
        left = self._read({}, {*rows, *done})[2]
        scores = -nearest_distance(self._values, np.array(sorted({*rows}), dtype=np.int64))
        order = left[np.argsort(-scores[left], kind="stable")][:length].tolist()
        return [
            Pick(row, LIKE_THIS, float(scores[row]), 1.0, rank) for rank, row in enumerate(order)
        ]

    def _read(
        self, labels: Mapping[int, str], excluded: Collection[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(L,) labelled rows ascending, (L,) their class indices, (U,) rows still open, (L,) the
        turn of each labelled row."""
        given = np.fromiter(labels, dtype=np.int64, count=len(labels))
        turns = np.argsort(given, kind="stable")
        labelled = given[turns]
        if isinstance(excluded, np.ndarray):
            aside = np.asarray(excluded, dtype=np.int64)
        else:
            aside = np.fromiter(excluded, dtype=np.int64, count=len(excluded))
        for rows, what in ((labelled, "answered"), (aside, "set aside")):
            wrong = rows[(rows < 0) | (rows >= len(self))]
            if len(wrong):
                raise NotFound(
                    f"The rows of this survey are 0 to {len(self) - 1}, but row {wrong.min()} was"
                    f" {what}; open the task with the survey version that it was labelled on."
                )
        index = {name: number for number, name in enumerate(self.classes)}
        numbers = list(map(index.get, labels.values()))
        if None in numbers:
            unknown = min({str(name) for name in labels.values() if name not in index})
            raise BadInput(
                f"The classes of this task are {', '.join(self.classes)}, but an answer says"
                f" {unknown!r}; correct that answer or the task."
            )
        answers = np.array(numbers, dtype=np.int64)[turns]
        is_open = np.ones(len(self), dtype=bool)
        is_open[labelled] = False
        is_open[aside] = False
        return labelled, answers, np.flatnonzero(is_open), turns

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
        controls = controls_of(self.config, self._control, open_rows, scores)
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
                (row, probability), name = controls.draw(n_done + rank, used), controls.name
                score = float(scores[row])
            else:
                of = cycle[turn % len(cycle)]
                turn += 1
                row, probability, name = next(one for one in lists[of] if one[0] not in used)
                score = float(draws[of].scores[row])
            used.add(row)
            picks.append(Pick(row, name, score, probability, rank))
        return picks
