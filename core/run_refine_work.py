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

from core.discovery.comparing import FIRST, LEVEL, Comparison, HeldOut, Lateness, compare
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
    network_place,
    planned_steps,
    replaced_columns,
    spread_folds,
    teach,
)
from core.representation.training.checkpoint import PLAN, claimed_checkpoint
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
        self.field = self._field()
        self.folds = spread_folds(
            labels.object_ids, labels.groups, labels.is_find, settings.seed, base.assigned
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
            tell(TRAINED, "judging it by labels that it was not taught")
            compared = self._compared(source, networks[:-1])
            harmed = []
            if compared.is_better:
                harmed = self._harmed(source, networks[-1], others)
            words = decision_words(compared, harmed)
            config = {**self.config, **settings.as_dict()}
            with RunFolder(self.survey, JobKind.REFINE, config, run_id=run_id) as run:
                self._write(run.path, networks, settings, run_id)
                lines = "".join(json.dumps(one) + "\n" for one in history)
                (run.path / "metrics.jsonl").write_text(lines, encoding="utf-8")
                run.result.update(_record(compared, harmed), words=words)
                run.result["notes"] = list(self.labels.notes)
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
        assigned = dict(zip(self.labels.object_ids, self.folds.tolist(), strict=True))
        (path / ASSIGNED).write_text(json.dumps(assigned) + "\n", encoding="utf-8")

    def _field(self) -> np.ndarray:
        """(B,) rows at random that have a picture and no answer, ascending."""
        free = self.survey.has_image & np.asarray(self.embedding.mask)
        free[self.labels.rows] = False
        rows = np.flatnonzero(free)
        if len(rows) < LEAST_FIELD:
            raise NotReady(
                f"A network is judged among {LEAST_FIELD} unanswered objects or more, but"
                f" {self.survey.name} has {len(rows)} with a picture left; there is hardly"
                " anything to search any more."
            )
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
            text = json.dumps({"steps": settings.steps})
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

    def _compared(self, source: PictureSource, networks: Sequence[Method]) -> Comparison:
        """The embedding in use and the new one, by the labels of each fold."""
        rows = np.concatenate([self.labels.rows, self.field])
        known: dict[Path, np.ndarray] = {}
        folds = []
        for number, network in enumerate(networks):
            start = self.base.without_fold(number)
            if start not in known:
                known[start] = self._values(source, self._network(start), rows)
            after = self._values(source, network, rows)
            folds.append(HeldOut(self.folds == number, known[start], after))
        return self._judged(folds, self.labels)

    def _harmed(
        self, source: PictureSource, network: Method, others: Mapping[str, TaughtLabels]
    ) -> list[str]:
        """The other tasks of the survey that would find less, by their own labels."""
        harmed = []
        for name, labels in others.items():
            field = self.field[~np.isin(self.field, labels.rows)]
            rows = np.concatenate([labels.rows, field])
            before = self._values(source, self._network(self.base.folder), rows)
            after = self._values(source, network, rows)
            seed = self.settings.seed
            folds = spread_folds(labels.object_ids, labels.groups, labels.is_find, seed)
            each = [HeldOut(folds == number, before, after) for number in range(FOLDS)]
            if self._judged(each, labels).is_worse:
                harmed.append(name)
        return harmed

    def _values(self, source: PictureSource, network: Method, rows: np.ndarray) -> np.ndarray:
        """(B, D) of the rows, the columns of the network made by this one."""
        is_field = np.isin(rows, self.field)
        index = np.searchsorted(source.rows, rows)
        values = self.embedding.rows(rows)
        return replaced_columns(values, self.base.place, network, source, index, is_field)

    def _judged(self, folds: Sequence[HeldOut], labels: TaughtLabels) -> Comparison:
        return compare(
            folds,
            labels.answers,
            labels.targets,
            labels.learner,
            self.settings.seed,
            len(self.survey),
        )


def decision_words(compared: Comparison, harmed: Sequence[str] = ()) -> str:
    """The decision in a sentence, and the figures that it rests on."""
    n, field = len(compared.first_after), compared.field
    if compared.is_better and harmed:
        said = f"finds more for this task, but less for {' and '.join(harmed)}"
    elif compared.is_better:
        said = "finds more"
    elif compared.is_worse:
        said = "finds less"
    else:
        said = "finds no more, beyond what chance may do"
    stays = "" if compared.is_better and not harmed else ", so the embedding in use stays"
    before, after = field.means
    return (
        f"With the labels taught the network {said}{stays}. Of {n} finds, each held out once,"
        f" {compared.first_after.sum():.0f} come among the first {FIRST:.0%} of unanswered"
        f" objects, {compared.first_before.sum():.0f} by the embedding in use; in the mean"
        f" {after:.1%} of unanswered objects come before a find, {before:.1%} by the embedding in"
        f" use ({_octaves(field)}, and sooner in {field.n_better} of {field.n_folds} folds);"
        f" {_octaves(compared.others)} among the answered others."
    )


def _octaves(side: Lateness) -> str:
    return f"{side.gain:+.2f} octaves, {LEVEL:.0%} interval {side.low:+.2f} to {side.high:+.2f}"


def _fold(number: int | None) -> str:
    return "all" if number is None else f"fold-{number}"


def _record(compared: Comparison, harmed: Sequence[str]) -> dict[str, Any]:
    field, others = compared.field, compared.others
    return {
        "is_better": compared.is_better and not harmed,
        "harmed": list(harmed),
        "before": field.means[0],
        "after": field.means[1],
        "gain": field.gain,
        "low": field.low,
        "high": field.high,
        "gain_among_answered": others.gain,
        "low_among_answered": others.low,
        "high_among_answered": others.high,
        "folds": field.n_folds,
        "folds_better": field.n_better,
        "n_held_out": len(field.before),
        "level": LEVEL,
        "first_before": float(compared.first_before.sum()),
        "first_after": float(compared.first_after.sum()),
    }


__all__ = ["Base", "Work", "base_of", "decision_words"]
