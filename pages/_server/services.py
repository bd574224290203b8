"""What stands behind the routes and the pages: one `Services` a process, shared by all its users.

It keeps the surveys open, the label database, neighbour indices, rendered pictures and the
processes. Pages reach it by `services()`.
"""

from __future__ import annotations

import math
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import NotReady, SkysiftError
from core.survey import Survey, finished_runs, list_surveys
from core.vocabulary import JobKind, RunState, ScoreKind
from core.workspace import Workspace
from labels_db import LabelsDB, ModelRecord, RunRow, Task
from pages._server.catalogue_kept import RecentArrays
from pages._server.identity import Identity
from pages._server.map_view import Hidden, MapView, has_map, is_of, map_view
from pages._server.pictures import Pictures
from pages._server.processes import Children
from pages._server.recent import Recent
from pages._server.selections import Selections

if TYPE_CHECKING:
    from core.mapping import NeighbourIndex
    from core.representation import Embedding

__all__ = ["MapView", "Preparation", "Scores", "Services", "install", "score_kind", "services"]

RECHECK_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
"""So long the server puts off what is not needed to show a first object."""


@dataclass(frozen=True)
class Preparation:
    """How far a survey is from being searchable: embedded, then mapped.

    `sentence` is empty when there is nothing to say; `fraction` is that of the running job;
    `error` the sentence of a job that failed and was not started again.
    """

    embedded: bool
    mapped: bool
    sentence: str
    fraction: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Scores:
    """The full ranking of one model: `values` is (N,) float32, NaN where it says nothing;
    `targets` are the classes that it was ranked for, which the task may have changed since."""

    values: NDArray[np.float32]
    kind: ScoreKind
    model: ModelRecord
    targets: tuple[str, ...]


class Services:
    """See the module; everything here may be called from any thread.

    Parameters
    ----------
    workspace
        The open, held workspace.
    owner
        Whom the token stands for; writes from the pages carry this name.
    base_path
        Prefix of every address, "" or "/x".
    start_processes
        False leaves workers and jobs to somebody else.
    dask
        The scheduler whose workers go over large surveys, or "local"; None for this machine alone.
    """

    def __init__(
        self,
        workspace: Workspace,
        owner: Identity,
        *,
        base_path: str = "",
        start_processes: bool = True,
        dask: str | None = None,
    ) -> None:
        self.workspace = workspace
        self.owner = owner
        self.base_path = base_path
        self.pictures = Pictures()
        self.children = Children(workspace, dask)
        self.start_processes = start_processes
        self._local = threading.local()
        self._surveys = Recent(8)
        self._embeddings = Recent(4)
        self._indices = Recent(2)
        self.maps = Recent(4)
        self._scores = Recent(4)
        # Kept for the modules of these names: chances of classes, what catalogues hold, ids and
        # places to find objects by, labelled objects to compare with, what is usual in surveys.
        self.class_scores = Recent(6)
        self.catalogues = Recent(8)
        self.find_tables = Recent(6)
        self.labelled = Recent(16)
        # Of look-alikes: embeddings ready to be searched, what was found, examples as vectors, who
        # has an uploaded picture's pixels.
        self.lookalikes = Recent(4)
        self.found_alike = Recent(32)
        self.example_vectors = Recent(256)
        self.picture_twins = Recent(32)
        # Of maps: places and labels, and the colours that follow from them.
        self.map_parts = Recent(12)
        self.paints = Recent(8)
        self.oddities = Recent(8)
        # Of odd objects: models that rebuild pictures, and which runs of a survey hold one.
        self.rebuilders = Recent(4)
        self.rebuilding = Recent(16)
        # Of known examples: which there are, small pictures of them, labels that came so.
        self.example_lists = Recent(16)
        self.example_pictures = Recent(512)
        self.given = Recent(16)
        self.selections = Selections(workspace, self.db)
        # Of tables: rows that fulfil a condition, rows in order, answers by row.
        self.tables = Recent(24)
        # Those of answers apart: each answer makes them anew, and would drive the others out.
        self.answer_tables = Recent(12)
        # Of catalogue plots: quantities as numbers, places on the sky.
        self.plotted = RecentArrays()
        self._preparations: dict[str, tuple[float, Preparation]] = {}
        self._prepare_lock = threading.Lock()
        self._sampler_words: dict[str, str] = {}
        self._warm = threading.Event()
        self._closed = threading.Event()

    # Database and surveys

    def db(self) -> LabelsDB:
        """This thread's own connection to the label database."""
        database: LabelsDB | None = getattr(self._local, "db", None)
        if database is None:
            database = LabelsDB(self.workspace.labels)
            self._local.db = database
        return database

    def survey_names(self) -> list[str]:
        """Names of the surveys in the workspace."""
        return list_surveys(self.workspace)

    def survey(self, name: str, version: int | None = None) -> Survey:
        """The open survey, newest version unless told otherwise (`NotFound`)."""
        folder = self.workspace.survey(name) / "versions"
        try:
            # Changes when a version comes, and when the survey was deleted and made anew.
            stamp = os.stat(folder).st_mtime_ns
        except OSError:
            return Survey.open(self.workspace, name, version)
        return self._surveys.get(
            (name, version, stamp), lambda: Survey.open(self.workspace, name, version)
        )

    def survey_of(self, task: str) -> Survey:
        """The survey of a task."""
        return self.survey(self.db().task(task).survey)

    # Embedding, map, scores

    def embedding(self, survey: Survey) -> Embedding:
        """The survey's embedding in use (`NotReady`), kept open."""
        from core.representation import load_embedding

        try:
            # Changes when a run comes: an embedding is renamed into its place when whole.
            stamp = os.stat(survey.folder / "runs").st_mtime_ns
        except OSError:
            return load_embedding(survey)
        try:
            choice = os.stat(survey.folder / "chosen.json").st_mtime_ns
        except OSError:
            choice = 0  # nobody chose one
        return self._embeddings.get(
            (survey.manifest.content_hash, stamp, choice), lambda: load_embedding(survey)
        )

    def neighbours(
        self, survey: Survey, object_id: str, k: int
    ) -> tuple[list[tuple[str, float]], str]:
        """The nearest objects as (object_id, distance), and a sentence if there are none."""
        try:
            embedding = self.embedding(survey)
        except NotReady as error:
            return [], str(error)
        row = survey.row(object_id)
        if not embedding.mask[row]:
            return [], "The encoder had nothing to see in this object."
        rows, distances = self.neighbour_index(survey).query(row, k)
        found = [
            (str(survey.object_ids[int(near)]), float(distance))
            for near, distance in zip(np.ravel(rows), np.ravel(distances), strict=True)
            if near >= 0
        ]
        return found, ""

    def neighbour_index(self, survey: Survey) -> NeighbourIndex:
        """The index of the embedding in use (`NotReady`), kept."""
        from core.mapping import NeighbourIndex

        embedding = self.embedding(survey)
        index: NeighbourIndex = self._indices.get(
            (survey.manifest.content_hash, embedding.run_id),
            lambda: NeighbourIndex(embedding.values, embedding.mask),
        )
        return index

    def map(self, survey: Survey, run_id: str | None = None, is_hidden: Hidden = bool) -> MapView:
        """The map that is shown, or the one of a run: `pages._server.map_view.map_view`."""
        return map_view(self, survey, run_id, is_hidden)

    def scores(self, task: Task) -> Scores | None:
        """The scores of the task's newest model, or None before the first ranking."""
        survey = self.survey(task.survey)
        for model in reversed(self.db().models(task.name, last=3)):
            if not model.scores_file or model.survey_version != survey.version:
                continue
            path = self.workspace.task_scores(task.name) / os.path.basename(model.scores_file)
            try:
                # A ranking of the same answers anew replaces the file under its name.
                key = (str(path), os.stat(path).st_mtime_ns)
                values = self._scores.get(key, lambda p=path: np.load(p))  # type: ignore[misc]
            except OSError:
                continue  # only the last few are kept: an older one may just have gone
            if len(values) == len(survey):
                targets = self.db().targets_at(task.name, model.task_version)
                return Scores(values, score_kind(model), model, targets)
        return None

    # Processes

    def prepare(self, survey: Survey) -> Preparation:
        """Have the survey embedded and mapped, starting the jobs it lacks, and say how far."""
        with self._prepare_lock:
            checked, known = self._preparations.get(survey.name, (-math.inf, None))
            if known is not None and time.monotonic() - checked < RECHECK_SECONDS:
                return known
            fresh = self._prepare(survey)
            self._preparations[survey.name] = (time.monotonic(), fresh)
            return fresh

    def _prepare(self, survey: Survey) -> Preparation:
        embedded = self._is_embedded(survey)
        mapped = embedded and self._is_mapped(survey)
        if embedded and mapped:
            return Preparation(True, True, "")
        kind, doing = (
            (JobKind.MAP, "The map is being made")
            if embedded
            else (JobKind.EMBED, "The survey is being embedded")
        )
        running = self.running(kind, survey.name)
        if running is not None:
            detail = f": {running.message}" if running.message else ""
            return Preparation(embedded, False, f"{doing}{detail}", running.fraction)
        if self.children.job_running(kind, survey.name):
            return Preparation(embedded, False, f"{doing}: starting", 0.0)
        if embedded:
            # How one ended that somebody asked for otherwise says nothing of the one lacking.
            error = self.children.job_error(kind, survey.name, [survey.name])
        else:
            error = self.children.job_error(kind, survey.name)
        if error is not None:
            return Preparation(embedded, False, "", None, error)
        if not self.start_processes:
            return Preparation(embedded, False, f"The job {kind.value} has not run yet.")
        if embedded and self._first_ranking_awaited(survey.name):
            return Preparation(True, False, "The map is made after the first ranking.", 0.0)
        self.children.start_job(kind, survey.name, [survey.name])
        return Preparation(embedded, False, f"{doing}: starting", 0.0)

    def _first_ranking_awaited(self, survey: str | None = None) -> bool:
        """Whether a worker (of a task of this survey) is about to make its first ranking."""
        database = self.db()
        return any(
            database.latest_model(name) is None
            for name in self.children.tasks_at_work()
            if survey is None or database.task(name).survey == survey
        )

    def _is_embedded(self, survey: Survey) -> bool:
        if not self._warm.is_set():
            # Loading an embedding imports torch. Just after the start any embedding will do
            # for an answer; which encoder made it is asked again in a few seconds.
            runs = finished_runs(survey, JobKind.EMBED)
            return any(is_of(survey, record) for record in runs)
        try:
            self.embedding(survey)
        except NotReady:
            return False
        return True

    def _is_mapped(self, survey: Survey) -> bool:
        """Whether there is a map of the embedding in use; just after the start, of any."""
        return has_map(survey, self.embedding(survey).run_id if self._warm.is_set() else None)

    def running(self, kind: JobKind, subject: str) -> RunRow | None:
        """The registered run of this kind and subject that is running, whoever started it."""
        for run in self.db().runs(50):
            if (run.kind, run.subject, run.state) == (kind.value, subject, RunState.RUNNING):
                return run
        return None

    def restart_job(self, kind: JobKind, survey: Survey) -> None:
        """Start a job of the survey again, after it failed or for a newer result."""
        self.children.start_job(kind, survey.name, [survey.name])
        with self._prepare_lock:
            self._preparations.pop(survey.name, None)

    def map_anew(self, survey: Survey) -> Preparation:
        """Have the map made that is missing since another embedding is in use, however the one of
        the embedding before ended."""
        self.children.forget_job(JobKind.MAP, survey.name)
        with self._prepare_lock:
            self._preparations.pop(survey.name, None)
        return self.prepare(survey)

    def sampler_words(self) -> dict[str, str]:
        """What each sampler shows, in words, the arms of a portfolio (SAMPLER/LEARNER) among them;
        empty until `warm_up` has come that far."""
        return self._sampler_words

    def warm_up(self) -> None:
        """Import in the background what takes seconds, so that no request waits for it.

        What a new survey's first object does not need comes after it: on two cores it would come
        seconds later.
        """

        def load() -> None:
            import astropy.visualization  # noqa: F401  (the first look needs it)

            from core.measure.distances import kpc_per_arcsec
            from pages._server.positions import read_position

            kpc_per_arcsec(0.1)
            read_position("0 0")

            end = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < end and (
                self.children.embedding() or self._first_ranking_awaited()
            ):
                time.sleep(0.2)
            from core.discovery import sampler_words

            self._sampler_words = sampler_words()

            import core.mapping
            import core.measure.nuclei
            import core.representation  # noqa: F401

            self._warm.set()
            self.selections.keep_tidy(self._closed)

        threading.Thread(target=load, name="warm-up", daemon=True).start()

    def close(self) -> None:
        """Stop the processes."""
        self._closed.set()
        self.children.close()


def score_kind(model: ModelRecord) -> ScoreKind:
    """What a model's scores mean: before anything is learnt they are anomaly scores."""
    return ScoreKind.TARGET_PROBABILITY if model.learner else ScoreKind.ANOMALY


_installed: Services | None = None


def install(new: Services | None) -> None:
    """Make `new` what `services()` returns; done once by app.py (and by tests)."""
    global _installed
    _installed = new


def services() -> Services:
    """The process's services."""
    if _installed is None:
        raise SkysiftError("Skysift's pages are served by `python app.py`; start that instead.")
    return _installed
