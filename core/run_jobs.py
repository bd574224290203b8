"""Jobs: what each does, and how each is recorded, watched and stopped."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from core.errors import AlreadyExists, BadInput, Cancelled, NotFound, NotReady, SkysiftError
from core.progress import Progress
from core.survey import (
    Survey,
    build_demo,
    damaged_runs,
    list_surveys,
)
from core.survey.interrupted import interrupted
from core.vocabulary import DEFAULT, JobKind, checked_classes, checked_name
from core.workspace import Workspace, owner_name
from labels_db import LabelsDB, TaskSpec

HEARTBEAT_S = 1.0

DEMO_TASKS: dict[str, TaskSpec] = {
    "hubble": TaskSpec(
        name="peculiar-galaxies",
        survey="hubble",
        question="Is this galaxy disturbed, interacting or otherwise out of the ordinary?",
        classes=("peculiar", "ordinary", "point source", "artefact"),
        target="peculiar",
        guideline="Peculiar: tails, double cores, rings, arcs, close pairs that touch. "
        "Ordinary: a smooth or regular galaxy. Point source: no extent. "
        "Artefact: a spike, an edge, noise.",
    ),
    "simulated": TaskSpec(
        name="dual-nuclei",
        survey="simulated",
        question="Does this galaxy have two nuclei?",
        classes=("dual_nucleus", "ordinary", "confuser", "lens", "artefact"),
        target="dual_nucleus",
        guideline="Dual nucleus: two compact cores in one galaxy. Confuser: a star in front, a "
        "chance neighbour, a clumpy disc or a blue knot. Lens: blue arcs round a red galaxy. "
        "Artefact: a trail, a dead column, a bleed.",
    ),
}


_FROM_RUNS = frozenset(
    {JobKind.PRETRAIN, JobKind.EMBED, JobKind.QUALITY, JobKind.MAP, JobKind.COMPRESS}
)
"""Jobs of a survey that choose among its earlier runs."""


@dataclass
class Terminal:
    """Prints progress: one line rewritten on a terminal, a line every few seconds elsewhere."""

    label: str
    quiet: bool = False
    last: float = field(default=0.0)

    def __call__(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        tty = sys.stderr.isatty()
        if self.quiet or (now - self.last < (0.1 if tty else 5.0) and fraction < 1):
            return
        self.last = now
        line = f"{self.label} {fraction:4.0%}  {message}"
        print(f"\r\x1b[K{line}" if tty else line, end="" if tty else "\n", file=sys.stderr)
        sys.stderr.flush()

    def done(self) -> None:
        if sys.stderr.isatty() and not self.quiet:
            print(file=sys.stderr)


def opened_cluster(scheduler: str | None) -> contextlib.AbstractContextManager[Any]:
    """A client of the Dask cluster at an address or, of "local", on this machine; nothing of None.

    Raises
    ------
    BadInput
        The scheduler cannot be reached, or it is no address.
    NotReady
        This machine's workers did not start.
    """
    if scheduler is None:
        return contextlib.nullcontext()
    from core.representation.embedding.spreading import check_scheduler, dask_workers

    check_scheduler(scheduler)
    return dask_workers(scheduler)


@contextlib.contextmanager
def recorded_job(
    workspace: Workspace,
    kind: JobKind,
    subject: str,
    config: dict[str, Any],
    *,
    quiet: bool = False,
) -> Iterator[tuple[str, Progress, dict[str, Any]]]:
    """Run the body as a recorded run: (run_id, progress, result to fill in).

    The run is in the registry from start to end with its progress, and is cancelled from there;
    an error ends it as failed with its sentence. Damaged runs of the survey are told at the start.
    """
    if not quiet and kind in _FROM_RUNS:
        for sentence in damaged_runs(workspace.survey(subject)):
            print(f"skysift: note: {sentence}", file=sys.stderr, flush=True)
    # Cut to what a run's name may have: a task's or survey's own may be as long as that.
    run_id = f"{kind}-{subject[:24]}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-"
    run_id += uuid.uuid4().hex[:6]
    terminal = Terminal(f"{kind} {subject}", quiet)
    with LabelsDB(workspace.labels) as db:
        db.start_run(run_id, kind, subject, config)
        began = last = time.monotonic()

        def progress(fraction: float, message: str) -> None:
            nonlocal last
            now = time.monotonic()
            # What an import made is said once, by its result, which comes right after.
            made = fraction >= 1 and kind is JobKind.IMPORT
            terminal(fraction, "done" if made else message)
            if now - last < HEARTBEAT_S and fraction < 1:
                return
            last = now
            eta = (now - began) * (1 - fraction) / fraction if fraction > 0.02 else None
            db.heartbeat(run_id, fraction=fraction, message=message, eta_s=eta)
            if db.cancel_requested(run_id):
                raise Cancelled(f"The {kind} of {subject} was stopped on request.")

        result: dict[str, Any] = {}
        try:
            yield run_id, progress, result
        except (Cancelled, KeyboardInterrupt):
            db.mark_cancelled(run_id)
            raise
        except SkysiftError as error:
            db.fail_run(run_id, str(error))
            raise
        except BaseException as error:
            db.fail_run(
                run_id,
                f"The {kind} of {subject} met an unforeseen error ({type(error).__name__}:"
                f" {error}); its log has the details. Nothing that was there was changed.",
            )
            raise
        else:
            db.finish_run(run_id, {**result, "seconds": round(time.monotonic() - began, 2)})
        finally:
            terminal.done()


def open_survey(workspace: Workspace, name: str) -> Survey:
    """The newest version of a survey.

    Raises
    ------
    NotReady
        Its import was stopped or is still at work; the message says what to do.
    NotFound
        There is none.
    """
    try:
        return Survey.open(workspace, name)
    except NotFound:
        unfinished = unfinished_words(workspace, name)
        if not unfinished:
            raise
        raise NotReady(unfinished) from None


def unfinished_words(workspace: Workspace, name: str) -> str:
    """How far the import of that name is that was stopped or is at work; empty for none."""
    for one in interrupted(workspace):
        if one.name == name:
            entries = "entry" if one.n_entries == 1 else "entries"
            far = f"at {one.n_done:,} of {one.n_entries:,} {entries}"
            if one.running:
                return f"The import of {name} is {far}; wait until it is done."
            return (
                f"The import of {name} stopped {far}; the same `import` command goes on,"
                f" `discard {name}` forgets it."
            )
    return ""


def ensure_task(workspace: Workspace, spec: TaskSpec) -> None:
    """Create the task unless one of that name is there."""
    with LabelsDB(workspace.labels) as db, contextlib.suppress(AlreadyExists):
        db.create_task(spec, by=owner_name())


def create_task(
    workspace: Workspace,
    name: str,
    survey: str,
    question: str,
    classes: Sequence[str],
    target: str,
    guideline: str = "",
    seed: int = 0,
    *,
    also_targets: Sequence[str] = (),
) -> None:
    """Create a task of an existing survey."""
    open_survey(workspace, survey)
    spec = TaskSpec(
        name=checked_name(name, "task"),
        survey=survey,
        question=question,
        classes=checked_classes(classes, target),
        target=target.strip(),
        also_targets=tuple(also_targets),
        guideline=guideline,
        seed=seed,
    )
    with LabelsDB(workspace.labels) as db:
        db.create_task(spec, by=owner_name())


def checked_demo(name: str) -> str:
    """Return the name of an embedded survey, else raise `BadInput`."""
    if name not in DEMO_TASKS:
        raise BadInput(
            f"The embedded surveys are {' and '.join(DEMO_TASKS)}, but {name!r} was asked for;"
            " name one of them."
        )
    return name


def run_demo(workspace: Workspace, name: str, *, quiet: bool = False) -> Survey:
    """Build an embedded survey and its ready-made task."""
    if checked_demo(name) in list_surveys(workspace):
        ensure_task(workspace, DEMO_TASKS[name])  # an interrupted start may have left it out
    with recorded_job(workspace, JobKind.DEMO, name, {}, quiet=quiet) as (_, progress, result):
        survey = build_demo(workspace, name, progress=progress)
        result.update(objects=len(survey), rejects=survey.manifest.n_rejects)
    ensure_task(workspace, DEMO_TASKS[name])
    return survey


def run_demo_embedded(workspace: Workspace, name: str) -> Survey:
    """Build an embedded survey with its task, then its embedding, in one process.

    PyTorch loads while the survey is made.
    """
    import core.survey.demos  # noqa: F401  (before the thread: no two imports of one library)
    from core.run_embed import run_embed

    threading.Thread(target=import_module, args=("torch",), daemon=True).start()
    survey = run_demo(workspace, name)
    run_embed(workspace, name, DEFAULT)
    return survey


__all__ = [
    "DEMO_TASKS",
    "create_task",
    "ensure_task",
    "open_survey",
    "recorded_job",
    "run_demo",
    "run_demo_embedded",
    "unfinished_words",
]
