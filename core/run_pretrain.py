"""The job `pretrain`: a network trained without labels on one or several surveys."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from core.config import PretrainConfig
from core.errors import BadInput, Cancelled, NotReady
from core.progress import Progress
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.representation.training.launch import Others
    from core.representation.training.outcome import PretrainResult
    from core.representation.training.team import Team
    from core.survey import Survey

Job = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

NOTHING_KEPT = "it had not learnt anything yet, and the same command starts over"


def add_pretrain_job(job: Job) -> None:
    """`python -m core.run pretrain`."""
    sub = job("pretrain", _pretrain, "train a network without labels on one or several surveys")
    sub.set_defaults(stopped=NOTHING_KEPT)
    sub.add_argument("surveys", nargs="+", metavar="SURVEY")
    add = sub.add_argument
    add("--method", default=PretrainConfig.method, help="vicreg (default), byol, simclr, mae ...")
    add("--minutes", type=float, default=None, help="about so long in all, instead of --steps")
    add("--steps", type=int, default=None, help=f"default: {PretrainConfig.steps:,}")
    add("--batch-size", type=int, default=None, help="objects a step (default: by rule)")
    add("--learning-rate", type=float, default=None, help="at its peak (default: by rule)")
    add(
        "--augmentation",
        default=PretrainConfig.augmentation,
        help="none, weak, standard (default) or strong",
    )
    add(
        "--augmentation-strength",
        type=float,
        default=1.0,
        help="0 (turns and flips only) to 2; 1 = as the preset has it",
    )
    add(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="an augmentation to leave out; repeatable",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the method; repeatable",
    )
    add("--bands", type=int, default=None, help="the network sees (default: as the surveys have)")
    add("--processes", type=int, default=1, help="on this machine: cores or GPUs (default: 1)")
    add("--no-early-stop", action="store_true", help="train all steps whatever the quality does")
    add("--seed", type=int, default=0)
    add("--out", default=None, help="also write the weights into this folder")


def _pretrain(a: argparse.Namespace) -> str:
    from core.representation.training.team import launched_rank

    workspace = open_workspace(a.workspace, create=False)
    if launched_rank() > 0:
        follow(workspace, a.surveys)
        return ""
    if a.minutes is not None and a.steps is not None:
        raise BadInput("--minutes and --steps say the same in two ways; give one of them.")
    given = {
        name: value
        for name in ("steps", "batch_size", "learning_rate")
        if (value := getattr(a, name)) is not None
    }
    config = PretrainConfig(
        method=a.method,
        augmentation=a.augmentation,
        augmentation_strength=a.augmentation_strength,
        augmentation_off=tuple(a.without),
        early_stop=not a.no_early_stop,
        settings=_settings(a.set),
        seed=a.seed,
        **given,
    )
    out = Path(a.out) if a.out else None
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # refused now rather than after hours

    def kept(words: str) -> None:
        a.stopped = words

    done = run_pretrain(
        workspace,
        a.surveys,
        config,
        a.minutes,
        out,
        by_rule={"batch_size", "learning_rate"} - set(given),
        bands=a.bands,
        processes=a.processes,
        on_stop=kept,
    )
    where = a.out or done.folder.name
    embeds = [
        f"`python -m core.run embed {name} --encoder {config.method} --weights {where}"
        f" --workspace {a.workspace}`"
        for name in dict.fromkeys(a.surveys)
    ]
    return f"{done.words} The network is in {done.folder}; next, {' or '.join(embeds)}."


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings of a method, whose values are JSON (16, 0.5, [16, 32]) or words."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise BadInput(f"--set is KEY=VALUE, but is {pair!r}; correct it.")
        try:
            found[key.strip()] = json.loads(text)
        except ValueError:
            found[key.strip()] = text.strip()
    return found


@dataclass(frozen=True)
class Pretrained:
    """The folder with the weights, and how the training went in words."""

    folder: Path
    words: str


def run_pretrain(
    workspace: Workspace,
    names: Sequence[str],
    config: PretrainConfig,
    minutes: float | None = None,
    out: Path | None = None,
    *,
    by_rule: Collection[str] = (),
    bands: int | None = None,
    processes: int = 1,
    quiet: bool = False,
    clock: Callable[[], float] = monotonic,
    on_stop: Callable[[str], None] = lambda _: None,
) -> Pretrained:
    """Pretrain on the pictures of one or several surveys, as a recorded run of the first one.

    Parameters
    ----------
    minutes
        All in all; None trains the steps of the config.
    out
        Also writes the weights there.
    by_rule
        Which of batch_size and learning_rate are chosen from the pictures and the minutes rather
        than taken from the config.
    bands
        The network sees; that of the surveys if they agree, else 3.
    processes
        On this machine, this one among them. Those that a launcher started join by themselves.
    clock
        Of the minutes; `time.process_time` makes them processor minutes.
    on_stop
        Given what is kept, in words, when a signal ends the job.

    Raises
    ------
    Cancelled
        On request; the message says where the state is kept.
    InUse
        Another process does the very same.
    NotReady
        Another process of those that train together was lost.
    """
    from core.representation.methods import method_named, save_method
    from core.representation.training import asking
    from core.representation.training.checkpoint import (
        claimed_checkpoint,
        kept_step,
        remove_checkpoint,
    )
    from core.representation.training.launch import with_others
    from core.representation.training.rules import stopwatch
    from core.representation.training.team import launched
    from core.representation.training.views import recipe_of
    from core.run_jobs import open_survey, recorded_job
    from core.survey import RunFolder

    spent = stopwatch(clock)
    method_named(config.method)
    recipe_of(config)
    asking.checked_numbers(minutes, bands)
    surveys = asking.checked_surveys([open_survey(workspace, name) for name in names])
    subject = surveys[0]
    work = _Work(config, minutes, tuple(sorted(by_rule)), bands or common_bands(surveys))
    asked = {"surveys": list(names), **work.as_dict(), **config.as_dict(), "processes": processes}
    name = work.folder_name(surveys, max(processes, launched()))
    what = f"{config.method} network of {' and '.join(names)} by these settings"
    command = ["-m", "core.run", "pretrain", *names, "--workspace", str(workspace.root)]
    with claimed_checkpoint(subject.folder / "checkpoints" / name, what) as checkpoint:

        def kept() -> str:
            step = kept_step(checkpoint)
            if step is None:
                return NOTHING_KEPT
            return (
                f"its state after {step:,} steps is kept in {checkpoint}, and the same command"
                " goes on from there"
            )

        try:
            with (
                recorded_job(workspace, JobKind.PRETRAIN, subject.name, asked, quiet=quiet) as (
                    run_id,
                    progress,
                    result,
                ),
                with_others(processes, command) as others,
                _joined(others, kept) as team,
            ):
                team.told({**work.as_dict(), "config": config.as_dict()})
                plan, words, train = _planned(surveys, team, work, checkpoint, spent, progress)
                if not quiet:
                    print(words, file=sys.stderr, flush=True)
                settings = {
                    **plan.as_dict(),
                    "bands": work.bands,
                    "minutes": minutes,
                    "processes": team.size,
                    "surveys": {survey.name: survey.manifest.content_hash for survey in surveys},
                }
                with RunFolder(subject, JobKind.PRETRAIN, settings, run_id=run_id) as run:
                    with open(run.path / "metrics.jsonl", "w", encoding="utf-8") as lines:

                        def record(one: dict[str, Any]) -> None:
                            lines.write(json.dumps(one) + "\n")
                            lines.flush()

                        record({"step": 0, "note": words})
                        trained = train(record)
                    last = {"loss": trained.history[-1]["loss"]} if trained.history else {}
                    found = {
                        "plan": words,
                        "ending": trained.ending,
                        "best_step": trained.best_step,
                        "best_quality": trained.best_quality,
                        "notes": trained.notes,
                        "steps": plan.steps,
                        "batch_size": plan.batch_size,
                        **last,
                    }
                    origin = {
                        "method": config.method,
                        "surveys": settings["surveys"],
                        "config": plan.as_dict(),
                        **found,
                    }
                    save_method(trained.method, run.path, origin)
                    run.result.update(found)
                if out is not None:
                    out.mkdir(parents=True, exist_ok=True)
                    save_method(trained.method, out, origin)
                remove_checkpoint(checkpoint)
                result.update(found)
        except Cancelled as stopped:
            raise Cancelled(f"{str(stopped).rstrip('.')}; {kept()}.") from None
        except KeyboardInterrupt:
            on_stop(kept())
            raise
    return Pretrained(out or subject.folder / "runs" / run_id, _words(trained))


def follow(workspace: Workspace, names: Sequence[str]) -> None:
    """Train beside the main process, which records, writes and decides."""
    from core.progress import silent
    from core.representation.training.team import connection_broke
    from core.run_jobs import open_survey

    try:
        with _joined() as team:
            work = _Work.from_dict(team.told())
            surveys = [open_survey(workspace, name) for name in names]
            _, _, train = _planned(surveys, team, work, None, None, silent)
            with contextlib.suppress(Cancelled):
                train(lambda _: None)
    except RuntimeError as error:
        if not connection_broke(error):
            raise
        raise NotReady(
            f"This process trained with others, and the connection broke ({str(error)[:80]}); what"
            " the first of them says tells why."
        ) from None


def common_bands(surveys: Sequence[Survey]) -> int:
    """Bands of a network for these surveys: their own number if they agree, else 3; at most 16."""
    from core.representation.inputs.spec import MAX_BANDS

    numbers = {len(survey.manifest.bands) for survey in surveys}
    return min(numbers.pop(), MAX_BANDS) if len(numbers) == 1 else 3


@dataclass(frozen=True)
class _Work:
    """What was asked for."""

    config: PretrainConfig
    minutes: float | None
    by_rule: tuple[str, ...]
    bands: int

    def as_dict(self) -> dict[str, Any]:
        return {"minutes": self.minutes, "by_rule": list(self.by_rule), "bands": self.bands}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> _Work:
        config = PretrainConfig.from_dict(told["config"])
        return cls(config, told["minutes"], tuple(told["by_rule"]), told["bands"])

    def folder_name(self, surveys: Sequence[Survey], processes: int) -> str:
        """The same for the same command on the same pictures, and for no other."""
        asked = json.dumps([self.as_dict(), self.config.as_dict(), processes])
        parts = [survey.manifest.content_hash for survey in surveys] + [asked]
        mark = hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
        return f"pretrain-{self.config.method}-{mark}"


def _planned(
    surveys: Sequence[Survey],
    team: Team,
    work: _Work,
    checkpoint: Path | None,
    spent: Callable[[], float] | None,
    progress: Progress,
) -> tuple[PretrainConfig, str, Callable[[Callable[[dict[str, Any]], None]], PretrainResult]]:
    """The complete settings, the same in words, and what trains by them. Every process of a team
    calls this."""
    from core.representation.inputs.pictures import IN_MEMORY_BYTES, PictureSource
    from core.representation.methods import method_named
    from core.representation.training.checkpoint import PLAN, kept_step
    from core.representation.training.loop import pretrain
    from core.representation.training.rules import planned

    before, step = None, None
    if team.is_main and checkpoint is not None:
        before, step = _plan_before(checkpoint), kept_step(checkpoint)
    spec = method_named(work.config.method).input_spec(work.bands)
    source = PictureSource(
        surveys, work.bands, progress, spec.scaling, memory_bytes=IN_MEMORY_BYTES // team.size
    )
    before = team.told(before)
    if before is not None:
        config, words = PretrainConfig.from_dict(before["config"]), before["words"]
        if step is not None:
            words += "; a run that was stopped goes on"
    else:
        plan = planned(
            source,
            len(source),
            work.config,
            minutes=work.minutes,
            by_rule=work.by_rule,
            bands=work.bands,
            groups=source.groups,
            spent=spent,
            progress=progress,
        )
        config, words = plan.config, plan.words
        if checkpoint is not None and team.is_main:
            checkpoint.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"config": config.as_dict(), "words": words})
            (checkpoint / (PLAN + ".partial")).write_text(text)
            (checkpoint / (PLAN + ".partial")).replace(checkpoint / PLAN)
    config = PretrainConfig.from_dict(team.told(config.as_dict()))
    folder = team.told(None if checkpoint is None else str(checkpoint))

    def train(record: Callable[[dict[str, Any]], None]) -> PretrainResult:
        return pretrain(
            source,
            len(source),
            config,
            bands=work.bands,
            groups=source.groups,
            checkpoint=Path(folder),
            progress=progress,
            on_record=record,
        )

    return config, words + ".", train


def _plan_before(checkpoint: Path) -> dict[str, Any] | None:
    from core.representation.training.checkpoint import PLAN

    try:
        found: dict[str, Any] = json.loads((checkpoint / PLAN).read_text())
        PretrainConfig.from_dict(found["config"])
    except (OSError, ValueError, KeyError, TypeError, BadInput):
        return None  # none, or left by another version
    return found


@contextlib.contextmanager
def _joined(others: Others | None = None, kept: Callable[[], str] | None = None) -> Iterator[Team]:
    """In a team. With `others`, the loss of one of them is told, and what is `kept`."""
    from core.representation.training.team import Team, connection_broke

    team = Team.join()
    try:
        yield team
    except RuntimeError as error:
        if others is None or kept is None or not connection_broke(error):
            raise
        how = others.last_words() or "see what it says"
        raise NotReady(
            f"Another of the {team.size} processes that train together was lost ({how}); {kept()}."
        ) from None
    finally:
        team.leave()


def _words(trained: PretrainResult) -> str:
    from core.representation.training.held_out import picked_words

    said = [trained.ending[0].upper() + trained.ending[1:]]
    if picked := picked_words(trained.best_quality):
        said.append(f"kept are the weights of step {trained.best_step} ({picked})")
    return "; ".join(said) + "." + "".join(f" {note}" for note in trained.notes)


__all__ = ["Pretrained", "add_pretrain_job", "common_bands", "follow", "run_pretrain"]
