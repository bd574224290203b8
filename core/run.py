"""`python -m core.run JOB ...`: the composition root of every job."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from core.config import PretrainConfig
from core.errors import BadInput, SkysiftError
from core.niceness import give_way
from core.run_compress import add_compress_job
from core.run_data import add_data_jobs, joined_codes
from core.run_detect import add_detect_job
from core.run_embed import add_embed_job
from core.run_examples import add_examples_job
from core.run_group import add_group_job
from core.run_map import add_map_job
from core.run_neighbours import add_neighbours_job
from core.run_pretrain import add_pretrain_job
from core.run_quality import add_quality_job
from core.run_refine import add_refine_job
from core.run_simulate import add_simulate_job
from core.vocabulary import DEFAULT, checked_classes
from core.workspace import Workspace, open_workspace, owner_name, storage_errors

THREAD_SETTINGS = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "THP_MEM_ALLOC_ENABLE": "1",
}
"""Set before torch loads. Threads that spin while they wait for each other stand still as soon as
another process wants the core: embedding beside one busy process took three times the processor
time without this."""

NEXT_STEP = "open it with `python app.py --workspace {workspace}`"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one job; 0 when it is done, 2 after a sentence on standard error."""
    arguments = _parser().parse_args(joined_codes(sys.argv[1:] if argv is None else argv))
    for name, value in THREAD_SETTINGS.items():
        os.environ.setdefault(name, value)
    run: Callable[[argparse.Namespace], str] = arguments.run
    try:
        # The worker ends by a signal in its own way.
        ends = contextlib.nullcontext() if run is _worker else _ended_by_sigterm()
        with storage_errors(Path(arguments.workspace)), ends:
            sentence = run(arguments)
    except SkysiftError as error:
        print(f"skysift: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"skysift: stopped; {arguments.stopped}.", file=sys.stderr)
        return 143 if isinstance(stop, _Terminated) else 130
    except Exception as error:
        where = _log_traceback(Path(arguments.workspace))
        print(
            f"skysift: an unforeseen error ended the job ({type(error).__name__}: {error}); what"
            f" was finished before is kept, the details are in {where}.",
            file=sys.stderr,
        )
        return 1
    if sentence:
        try:
            print(sentence, flush=True)
        except BrokenPipeError:  # the reader (head, say) has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class _Terminated(KeyboardInterrupt):
    """SIGTERM: a job ends by it as by Ctrl-C."""


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let the first SIGTERM end the body in order, and a second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only there may a program say what signals do
        return

    def end(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _log_traceback(workspace: Path) -> Path:
    """Append the traceback in hand to a log of the workspace, or of the temporary folder."""
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) + traceback.format_exc()
    for path in (workspace / "logs" / "errors.log", Path(tempfile.gettempdir()) / "skysift.log"):
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            with open(path, "a", encoding="utf-8") as handle:
                handle.write(text)
            return path
    return Path(os.devnull)


def prepare_demo(workspace: Workspace, name: str) -> None:
    """The embedded survey with its task and embedding, made where they are missing."""
    from core.run_embed import run_embed
    from core.run_jobs import DEMO_TASKS, ensure_task, run_demo
    from core.survey import list_surveys

    if name not in list_surveys(workspace):
        run_demo(workspace, name)
        run_embed(workspace, name, DEFAULT)
    if name in DEMO_TASKS:
        ensure_task(workspace, DEMO_TASKS[name])


def embed_survey(workspace: Workspace, name: str, encoder: str = DEFAULT) -> None:
    """Embed a survey as a recorded run."""
    from core.run_embed import run_embed

    run_embed(workspace, name, encoder)


def pretrain_network(
    workspace: Workspace,
    names: Sequence[str],
    config: PretrainConfig,
    out: str | None = None,
    minutes: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Pretrain as a recorded run; the folder with the weights. With `minutes` of `clock`, steps,
    batch and learning rate are chosen by rule."""
    from core.run_pretrain import run_pretrain

    to = Path(out) if out else None
    by_rule = () if minutes is None else ("batch_size", "learning_rate")
    return run_pretrain(workspace, names, config, minutes, to, by_rule=by_rule, clock=clock).folder


def _demo(a: argparse.Namespace) -> str:
    from core.run_jobs import checked_demo, run_demo, run_demo_embedded

    checked_demo(a.name)
    workspace = open_workspace(a.workspace)
    if a.embed:
        survey = run_demo_embedded(workspace, a.name)
        return (
            f"{survey.name}: {len(survey):,} objects, embedded;"
            f" {NEXT_STEP.format(workspace=a.workspace)}."
        )
    survey = run_demo(workspace, a.name)
    return (
        f"{survey.name}: {len(survey):,} objects; next,"
        f" `python -m core.run embed {survey.name} --workspace {a.workspace}`, or"
        f" {NEXT_STEP.format(workspace=a.workspace)}."
    )


def _task(a: argparse.Namespace) -> str:
    from core.run_jobs import create_task

    target, *also = a.targets
    classes = checked_classes(a.classes, target)
    workspace = open_workspace(a.workspace, create=False)
    create_task(
        workspace,
        a.name,
        a.survey,
        a.question,
        classes,
        target,
        a.guideline,
        a.seed,
        also_targets=also,
    )
    return f"The task {a.name} is ready; {NEXT_STEP.format(workspace=a.workspace)}."


def _export(a: argparse.Namespace) -> str:
    from core.exchange import SUFFIXES, Format
    from core.run_labels import checked_target, export_table
    from core.survey import Survey
    from labels_db import LabelsDB

    workspace = open_workspace(a.workspace, create=False)
    name = f"{a.task}-{a.table}{SUFFIXES[Format(a.format)]}"
    out = checked_target(workspace, Path(a.out) if a.out else None, name)
    with LabelsDB(workspace.labels) as db:
        survey = Survey.open(workspace, db.task(a.task).survey)
        n = export_table(db, a.task, a.table, a.format, out, overwrite=a.overwrite, survey=survey)
    return f"{n:,} {a.table} of the task {a.task} are in {out}."


def _import_labels(a: argparse.Namespace) -> str:
    from core.run_labels import import_labels
    from core.survey import Survey
    from labels_db import LabelsDB

    rename = {}
    for pair in a.rename:
        old, equals, new = pair.partition("=")
        if not equals:
            raise BadInput(f"--rename is FILE_CLASS=TASK_CLASS, but is {pair!r}; correct it.")
        rename[old] = new
    workspace = open_workspace(a.workspace, create=False)
    with LabelsDB(workspace.labels) as db:
        survey = Survey.open(workspace, db.task(a.task).survey)
        done = import_labels(
            db,
            survey,
            a.task,
            Path(a.file).expanduser(),
            by=a.by or owner_name(),
            rename=rename,
            id_field=a.id_field,
            zooniverse_task=a.zooniverse_task,
            label_studio_control=a.label_studio_control,
        )
    return done.sentence


def _agreement(a: argparse.Namespace) -> str:
    from core.run_labels import agreement_lines
    from labels_db import LabelsDB

    workspace = open_workspace(a.workspace, create=False)
    with LabelsDB(workspace.labels) as db:
        return "\n".join(agreement_lines(db, a.task))


def _person(a: argparse.Namespace) -> str:
    from core.run_people import act_on_person

    return act_on_person(open_workspace(a.workspace, create=False), a)


def _backup(a: argparse.Namespace) -> str:
    from core.run_care import run_backup

    workspace = open_workspace(a.workspace, create=False)
    return run_backup(workspace, Path(a.to) if a.to else None)


def _backups(a: argparse.Namespace) -> str:
    from core.run_care import run_backups

    return run_backups(open_workspace(a.workspace, create=False))


def _restore(a: argparse.Namespace) -> str:
    from core.run_care import run_restore

    return run_restore(open_workspace(a.workspace, create=False), Path(a.file))


def _check(a: argparse.Namespace) -> str:
    from core.run_care import run_check

    return run_check(open_workspace(a.workspace, create=False), thorough=a.thorough)


def _worker(a: argparse.Namespace) -> str:
    from core.run_care import warn_of_network
    from core.run_worker import serve, work

    workspace = open_workspace(a.workspace, create=False)
    warn_of_network(workspace)
    if a.once:
        work(workspace, a.task, until_ranked=True, dask=a.dask)
    else:
        serve(workspace, a.task, a.dask)
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.run", description="The jobs of Skysift; JOB --help says more of one."
    )
    jobs = parser.add_subparsers(required=True, metavar="JOB")

    def job(
        name: str, run: Callable[[argparse.Namespace], str], text: str
    ) -> argparse.ArgumentParser:
        sub = jobs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run, stopped="what was finished before is kept")
        sub.add_argument(
            "--workspace",
            default=os.environ.get("SKYSIFT_WORKSPACE", "workspace"),
            help="folder of surveys and labels (default: %(default)s)",
        )
        return sub

    sub = job("demo", _demo, "build an embedded survey (hubble, simulated); no download")
    sub.add_argument("name", help="hubble or simulated")
    sub.add_argument("--embed", action="store_true", help="go on and embed it")

    add_data_jobs(job)

    add_pretrain_job(job)

    add_embed_job(job)
    add_quality_job(job)
    add_refine_job(job)

    add_compress_job(job)

    add_map_job(job)
    add_neighbours_job(job)
    add_group_job(job)
    add_detect_job(job)

    sub = job("task", _task, "create a task: one question asked of a survey")
    sub.add_argument("name")
    sub.add_argument("--survey", required=True)
    sub.add_argument("--class", dest="classes", action="append", default=[], required=True)
    sub.add_argument(
        "--target",
        dest="targets",
        action="append",
        required=True,
        metavar="CLASS",
        help="the class to be found; repeatable, to look for several",
    )
    sub.add_argument("--question", default="Which class is this object?")
    sub.add_argument("--guideline", default="")
    sub.add_argument("--seed", type=int, default=0)

    sub = job("export", _export, "write a task's label events or current labels as a table")
    sub.add_argument("task")
    sub.add_argument("--table", choices=("events", "labels"), default="labels")
    sub.add_argument(
        "--format", choices=("csv", "parquet", "votable", "fits", "jsonl"), default="csv"
    )
    sub.add_argument("--out", help="the file (default: in the workspace's folder exports)")
    sub.add_argument("--overwrite", action="store_true")

    sub = job("import-labels", _import_labels, "take the labels of a file into a task")
    sub.add_argument("task")
    sub.add_argument(
        "file", help="a table written by export, a CSV, or an export of Label Studio or Zooniverse"
    )
    sub.add_argument("--by", default=None, help="annotator of rows that name none (default: you)")
    sub.add_argument("--rename", action="append", default=[], metavar="FILE_CLASS=TASK_CLASS")
    sub.add_argument("--id-field", default=None, help="field that names the object")
    sub.add_argument("--zooniverse-task", default=None, help="task of the workflow, such as T0")
    sub.add_argument("--label-studio-control", default=None, help="control that asks the class")

    sub = job("agreement", _agreement, "how far the annotators of a task agree")
    sub.add_argument("task")

    sub = job("person", _person, "who may sign in: add, invite, disable, list")
    sub.add_argument("act", choices=("list", "add", "invite", "role", "disable", "enable"))
    sub.add_argument("name", nargs="?", default=None)
    sub.add_argument("--role", choices=("owner", "annotator", "viewer"), default="annotator")
    sub.add_argument("--email", default=None, help="signs in through OpenID Connect")
    sub.add_argument("--by", default=None, help="who does it, for the log (default: you)")

    sub = job("backup", _backup, "copy the label database while people label")
    sub.add_argument(
        "--to", metavar="FILE", help="a new file (default: in the workspace's folder backups)"
    )
    job("backups", _backups, "list the backups in the workspace and whether each is sound")
    sub = job("restore", _restore, "bring a backup back; the present labels are kept as a backup")
    sub.add_argument("file", help="a path, or the name of a file in the folder backups")
    sub = job("check", _check, "check the label database and its backups")
    sub.add_argument("--thorough", action="store_true", help="also hold labels against events")

    sub = job("worker", _worker, "keep a task's queue ranked (the app starts it by itself)")
    sub.add_argument("task")
    sub.add_argument("--once", action="store_true", help="rank once and end")
    sub.add_argument(
        "--dask",
        default=None,
        metavar="ADDRESS",
        help="go over a large survey on a Dask cluster: a scheduler's address, or local",
    )

    add_examples_job(job)
    add_simulate_job(job)
    return parser


if __name__ == "__main__":
    give_way()
    sys.exit(main())
