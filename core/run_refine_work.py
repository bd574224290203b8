"""What the job `refine` computes: trainings on the labels, and their networks held against the one
in use."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.discovery.comparing import Comparison, HeldOut, compare
from core.errors import NotReady
from core.progress import Progress, part_of
from core.representation import Embedding
from core.representation.inputs.pictures import PictureSource
from core.representation.methods import Method, load_method, save_method
from core.representation.refining import (
    ALONE,
    FOLDS,
    Labels,
    Place,
    RefineSettings,
    is_spread,
    network_place,
    planned_steps,
    replaced_columns,
    spread_folds,
    teach,
)
from core.representation.training.checkpoint import PLAN, claimed_checkpoint
from core.run_refine_checks import (
    Unjudged,
    decision_words,
    judging,
    recorded_comparison,
    remove_others,
)
from core.run_teaching import TaughtLabels
from core.survey import RunFolder, Survey
from core.vocabulary import JobKind

FIELD = 1_000
"""Unanswered objects at random that stand for the survey."""

LEAST_FIELD = 40

TRAINED = 0.9
"""Share of the work that the trainings are; judging is the rest."""

ASSIGNED = "folds.json"
"""In the run's folder: object_id -> the fold in which its label was held out."""


@dataclass(frozen=True, eq=False)
class Base:
    """The network in use.

    Attributes
    ----------
    place
        Where it stands in the embedding.
    encoder, options, precision
        Of the embedding.
    folder
        Of the network.
    folds
        Those of its siblings, each without one fold of the labels, where it was taught labels of
        this very task; else none.
    assigned
        object_id -> the fold of the labels that it was taught.
    words
        What it is.
    """

    place: Place
    encoder: str
    options: Mapping[str, str]
    precision: str
    folder: Path
    folds: tuple[Path, ...]
    assigned: Mapping[str, int]
    words: str

    def without_fold(self, number: int) -> Path:
        """The network that has not seen the labels of a fold."""
        return self.folds[number] if self.folds else self.folder


def base_of(survey: Survey, embedding: Embedding, task: str) -> Base:
    """The network behind an embedding.

    Raises
    ------
    NotReady
        The embedding has none, or several; or the network was taught labels of this task by a
        run that is gone, so that nothing can tell what it has not seen.
    """
    run = survey.folder / "runs" / embedding.run_id
    record = json.loads((run / "config.json").read_text(encoding="utf-8"))
    place = network_place(embedding, record["result"] or {})
    config = record["config"]
    folder = run if embedding.encoder == place.method else run / f"part-{place.method}"
    words, folds = "as it was trained without labels", tuple[Path, ...]()
    assigned: dict[str, int] = {}
    taught = load_method(folder, place.method)[1].get("refined")
    if taught is not None:
        words = f"that of {taught['run']}"
        if task in taught["earlier"]:
            raise NotReady(
                f"The network in use was taught labels of {task} and then those of"
                f" {taught['task']}, so that nothing can judge more teaching of the first; choose"
                f" another embedding by `python -m core.run embeddings {survey.name} --choose RUN"
                f" --workspace {survey.folder.parents[1]}` and teach that one."
            )
    if taught is not None and taught["task"] == task:
        earlier = survey.folder / "runs" / str(taught["run"])
        try:
            assigned = json.loads((earlier / ASSIGNED).read_text(encoding="utf-8"))
        except OSError:
            raise NotReady(
                f"The network in use was taught labels of {task} by {taught['run']}, which is"
                " gone, so that nothing can judge more teaching; choose another embedding by"
                f" `python -m core.run embeddings {survey.name} --choose RUN --workspace"
                f" {survey.folder.parents[1]}` and teach that one."
            ) from None
        folds = tuple(earlier / _fold(number) for number in range(FOLDS))
    options = {key: str(one) for key, one in (config.get("options") or {}).items()}
    precision = str(config.get("precision", "float16"))
    return Base(place, embedding.encoder, options, precision, folder, folds, assigned, words)


class Work:
    """The trainings on the labels of a task, and what they are worth."""

    def __init__(
        self,
        survey: Survey,
        embedding: Embedding,
        base: Base,
        labels: TaughtLabels,
        settings: RefineSettings,
        config: dict[str, Any],
    ) -> None:
        self.survey, self.embedding, self.base, self.labels = survey, embedding, base, labels
        self.settings, self.config = settings, config
        self.notes = list(labels.notes)
        self.field = self._field(labels)
        if len(self.field) < LEAST_FIELD:
            raise NotReady(
                f"A network is judged among {LEAST_FIELD} unanswered objects or more, but"
                f" {survey.name} has fewer with a picture left; there is hardly anything to search"
                " any more."
            )
        self.folds = spread_folds(
            labels.object_ids, labels.groups, labels.is_find, settings.seed, base.assigned
        )
        if not is_spread(self.folds, labels.is_find):
            raise NotReady(
                "The labels are parted as in the round before, and all finds, or all others, that"
                " are left lie in one part, so that nothing can judge the network; answer more"
                " objects."
            )

    def run(
        self,
        run_id: str,
        minutes: float | None,
        clock: Callable[[], float],
        others: Mapping[str, TaughtLabels],
        tell: Progress,
    ) -> tuple[bool, str]:
        """Train, judge, write the run; whether it finds more, and that in words.

        The state of each training is kept until the run is whole: after a kill the same work goes
        on where it was.
        """
        spec = self._network(self.base.folder).spec
        source = PictureSource([self.survey], spec.bands, part_of(tell, 0.0, 0.0), spec.scaling)
        parts: list[int | None] = [*range(FOLDS), None]
        what = f"network of {self.survey.name} taught these labels"
        kept = self.survey.folder / "checkpoints"
        remove_others(kept, self.config["task"], self.config["mark"])
        with contextlib.ExitStack() as held:
            folders = [
                held.enter_context(
                    claimed_checkpoint(kept / f"refine-{self.config['mark']}-{_fold(one)}", what)
                )
                for one in parts
            ]
            settings = self._planned(source, minutes, clock, folders)
            networks: list[Method] = []
            history: list[dict[str, Any]] = []
            for place, (one, folder) in enumerate(zip(parts, folders, strict=True)):
                share = TRAINED / len(parts)
                told = part_of(tell, place * share, (place + 1) * share)
                network, records = self._taught(source, settings, one, folder, told)
                networks.append(network)
                history += [{"training": _fold(one), **record} for record in records]
            middle = (1 + TRAINED) / 2
            told = part_of(tell, TRAINED, middle)
            compared = self._compared(source, networks[:-1], told)
            harmed = []
            if compared.is_better:
                told = part_of(tell, middle, 1.0)
                harmed = self._harmed(source, networks[-1], others, told)
            words = decision_words(compared, harmed)
            config = {**self.config, **settings.as_dict()}
            with RunFolder(self.survey, JobKind.REFINE, config, run_id=run_id) as run:
                self._write(run.path, networks, settings, run_id)
                lines = "".join(json.dumps(one) + "\n" for one in history)
                (run.path / "metrics.jsonl").write_text(lines, encoding="utf-8")
                run.result.update(recorded_comparison(compared, harmed), words=words)
                run.result["notes"] = self.notes
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
        return compared.is_better and not harmed, words

    def _write(
        self, path: Path, networks: Sequence[Method], settings: RefineSettings, run_id: str
    ) -> None:
        *judged, kept = networks
        _, before = load_method(self.base.folder, self.base.place.method)
        last = before.get("refined") or {"earlier": [], "task": self.config["task"]}
        earlier = {*last["earlier"], last["task"]} - {self.config["task"]}
        taught = {"run": run_id, "task": self.config["task"], "earlier": sorted(earlier)}
        origin = {**before, "refined": {**taught, **settings.as_dict()}}
        save_method(kept, path, origin)
        for number, network in enumerate(judged):
            (path / _fold(number)).mkdir()
            save_method(network, path / _fold(number), origin)
        now = dict(zip(self.labels.object_ids, self.folds.tolist(), strict=True))
        # Labels that are gone for now too: one that comes back was seen by the same networks.
        assigned = {**self.base.assigned, **now}
        (path / ASSIGNED).write_text(json.dumps(assigned) + "\n", encoding="utf-8")

    def _field(self, labels: TaughtLabels) -> np.ndarray:
        """(B,) rows at random, ascending, that have a picture and no answer of this task, nor has
        another view of the same thing."""
        free = self.survey.has_image & np.asarray(self.embedding.mask)
        free[labels.taken] = False
        rows = np.flatnonzero(free)
        rng = np.random.default_rng([self.settings.seed, 0xF1E1D])
        return np.sort(rng.choice(rows, min(FIELD, len(rows)), replace=False))

    def _network(self, folder: Path) -> Method:
        torch.manual_seed(self.settings.seed)  # what training alone needs of it starts anew
        return load_method(folder, self.base.place.method)[0]

    def _to_teach(self, source: PictureSource) -> Labels:
        labels = self.labels
        classes = np.where(labels.is_find, labels.answers, ALONE)
        return Labels(np.searchsorted(source.rows, labels.rows), classes)

    def _planned(
        self,
        source: PictureSource,
        minutes: float | None,
        clock: Callable[[], float],
        folders: Sequence[Path],
    ) -> RefineSettings:
        """The settings with the steps that fit the minutes: those of an earlier start, else by
        timing a few."""
        settings, before = self.settings, None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            before = int(json.loads((folders[0] / PLAN).read_text(encoding="utf-8"))["steps"])
        if before is not None:
            settings = replace(settings, steps=before)
        elif minutes is not None:
            network, seconds = self._network(self.base.folder), 60 * minutes / len(folders)
            labels = self._to_teach(source)
            steps = planned_steps(source, network, labels, settings, seconds, clock)
            settings = replace(settings, steps=steps)
        for folder in folders:
            text = json.dumps({"steps": settings.steps, "task": self.config["task"]})
            (folder / PLAN).write_text(text, encoding="utf-8")
        return settings

    def _taught(
        self,
        source: PictureSource,
        settings: RefineSettings,
        fold: int | None,
        folder: Path,
        tell: Progress,
    ) -> tuple[Method, list[dict[str, Any]]]:
        """The network without the labels of a fold; with all of them for None."""
        start = self.base.folder if fold is None else self.base.without_fold(fold)
        held = np.zeros(len(self.folds), bool) if fold is None else self.folds == fold
        if fold is None:
            name = "training with all labels, "
        else:
            name = f"training {fold + 1} of {FOLDS}, without a third of the labels, "
        done = teach(
            source,
            self._network(start),
            self._to_teach(source).without(held),
            settings,
            checkpoint=folder,
            progress=lambda fraction, message: tell(fraction, name + message),
        )
        return done.network, done.history

    def _compared(
        self, source: PictureSource, networks: Sequence[Method], tell: Progress
    ) -> Comparison:
        """The embedding in use and the new one, by the labels of each fold."""
        places = judging(self.labels.is_find, self.settings.seed)
        labels, numbers = self.labels.part(places), self.folds[places]
        starts = [self.base.without_fold(number) for number in range(len(networks))]
        passes = len(networks) + len(set(starts)) + 1  # the last one is the learner's
        known: dict[Path, np.ndarray] = {}
        folds: list[HeldOut] = []

        def told() -> Progress:
            done = len(known) + len(folds)
            return part_of(tell, done / passes, (done + 1) / passes)

        for number, (start, network) in enumerate(zip(starts, networks, strict=True)):
            if start not in known:
                before = self._network(start)
                known[start] = self._values(source, before, labels, self.field, told())
            after = self._values(source, network, labels, self.field, told())
            folds.append(HeldOut(numbers == number, known[start], after))
        return self._judged(folds, labels, told())

    def _harmed(
        self,
        source: PictureSource,
        network: Method,
        others: Mapping[str, TaughtLabels],
        tell: Progress,
    ) -> list[str]:
        """The other tasks of the survey that would find less, by their own labels.

        One that cannot be judged has no say, as one with few labels has none, and is noted.
        """
        harmed = []
        for place, (name, labels) in enumerate(others.items()):
            told = part_of(tell, place / len(others), (place + 1) / len(others))
            try:
                if self._is_harmed(source, network, labels, told):
                    harmed.append(name)
            except Unjudged as error:
                self.notes.append(
                    f"What {name} would find cannot be judged ({error}), so it had no say"
                )
        return harmed

    def _is_harmed(
        self, source: PictureSource, network: Method, labels: TaughtLabels, tell: Progress
    ) -> bool:
        field = self._field(labels)
        if len(field) < LEAST_FIELD:
            raise Unjudged("hardly an object is left that it has not answered")
        labels = labels.part(judging(labels.is_find, self.settings.seed))
        folds = spread_folds(labels.object_ids, labels.groups, labels.is_find, self.settings.seed)
        if not is_spread(folds, labels.is_find):
            raise Unjudged("its finds or its others are views of one thing")
        start = self._network(self.base.folder)
        before = self._values(source, start, labels, field, part_of(tell, 0.0, 0.4))
        after = self._values(source, network, labels, field, part_of(tell, 0.4, 0.8))
        each = [HeldOut(folds == number, before, after) for number in range(FOLDS)]
        return self._judged(each, labels, part_of(tell, 0.8, 1.0)).is_worse

    def _values(
        self,
        source: PictureSource,
        network: Method,
        labels: TaughtLabels,
        field: np.ndarray,
        tell: Progress,
    ) -> np.ndarray:
        """(L + B, D) of the labelled rows and the field, the columns of the network made by this
        one; its components are fitted on the field."""
        rows = np.concatenate([labels.rows, field])

        def told(done: int) -> None:
            words = "judging it by labels that it was not taught"
            tell(done / len(rows), f"{words}, {done:,} of {len(rows):,} pictures")

        return replaced_columns(
            self.embedding.rows(rows),
            self.base.place,
            network,
            source,
            np.searchsorted(source.rows, rows),
            np.arange(len(rows)) >= len(labels.rows),
            told,
        )

    def _judged(
        self, folds: Sequence[HeldOut], labels: TaughtLabels, tell: Progress
    ) -> Comparison:
        return compare(
            folds,
            labels.answers,
            labels.targets,
            labels.learner,
            self.settings.seed,
            len(self.survey),
            labels.groups,
            tell,
        )


def _fold(number: int | None) -> str:
    return "all" if number is None else f"fold-{number}"


__all__ = ["Base", "Work", "base_of"]
