"""The job `simulate`: what its command line understands, and what it does."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import STRATIFIED, UNIFORM, LoopConfig
from core.errors import BadInput, NotReady
from core.progress import part_of
from core.vocabulary import DEFAULT, JobKind
from core.workspace import Workspace, open_workspace, storage_errors

if TYPE_CHECKING:
    from core.discovery import SimulationResult, Truth
    from core.representation import Embedding

AddJob = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

MAX_BATCH = 10_000
MAX_SEEDS = 1_000
SHOWN = (50, 100, 200)
"""Numbers of answers at which finds are printed, beside the last one."""


def add_simulate_job(job: AddJob) -> None:
    """Add `simulate` to the jobs."""
    sub = job("simulate", _simulate, "run the loop with an oracle instead of a person")
    sub.add_argument("survey")
    sub.add_argument("--truth", required=True, help="CSV with object_id,label")
    sub.add_argument(
        "--target",
        dest="targets",
        action="append",
        required=True,
        metavar="CLASS",
        help="the class to be found; repeatable, for a task that looks for several",
    )
    sub.add_argument("--sampler", default=DEFAULT)
    sub.add_argument("--learner", default=DEFAULT)
    sub.add_argument("--encoder", default=DEFAULT)
    sub.add_argument("--budget", type=int, default=200, help="answers (default: %(default)s)")
    sub.add_argument("--batch", type=int, default=10, help="answers between two rankings")
    sub.add_argument("--control-share", type=float, default=LoopConfig.control_share)
    sub.add_argument(
        "--control",
        choices=(UNIFORM, STRATIFIED),
        default=LoopConfig.control,
        help="what the controls are: of the fixed random order, or of all heights of the ranking",
    )
    sub.add_argument(
        "--examples", type=int, default=0, metavar="K", help="targets known from the start"
    )
    sub.add_argument(
        "--error-rate", type=float, default=0.0, help="share of answers that are wrong"
    )
    sub.add_argument(
        "--dask",
        default=None,
        metavar="ADDRESS",
        help="go over a large survey on a Dask cluster: a scheduler's address, or local",
    )
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="runs, with the seeds from --seed on"
    )
    sub.add_argument(
        "--out",
        "--json",
        default=None,
        metavar="FILE",
        help="write a .json (everything) or .csv (the finds); - prints JSON",
    )


def run_simulate(
    workspace: Workspace,
    name: str,
    truth: Path,
    targets: Sequence[str],
    encoder: str,
    config: LoopConfig,
    budget: int,
    batch: int,
    *,
    examples: int = 0,
    error_rate: float = 0.0,
    n_seeds: int = 1,
    dask: str | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """The loop with an oracle for the annotator, once for each of `n_seeds` seeds.

    The seed decides the detectors, what samplers and learners leave to chance, the controls, which
    `examples` targets are known from the start, and which answers are wrong. `dask`: a scheduler's
    address, or "local"; its workers go over a large survey.

    Returns
    -------
    What JSON can hold: the settings, `n_targets`, `n_objects`, `notes` (sentences about what did
    not fit), and `runs`, one a seed: labels, finds, chance and ideal after every batch, area,
    first_find, n_wrong, the ids of the examples, the answers in order, and `of_each`: target ->
    how many of it were shown, and how many there were.
    """
    from core.discovery import Engine, read_truth, simulate
    from core.discovery.simulate import known_targets
    from core.run_jobs import open_survey, opened_cluster, recorded_job

    _check_names(config)
    survey = open_survey(workspace, name)
    answers = read_truth(truth, survey.object_ids)
    _check_truth(answers, targets, truth)
    first = known_targets(answers, targets, examples, config.seed)
    embedding = _embedding(workspace, name, encoder, quiet=quiet)
    classes = tuple(dict.fromkeys([*targets, *answers.classes]))
    settings: dict[str, Any] = {"target": " or ".join(targets), "targets": list(targets)}
    settings.update(encoder=embedding.encoder, budget=budget, batch=batch)
    settings.update(config.as_dict(), embedding_run=embedding.run_id, examples=examples)
    settings.update(error_rate=error_rate, n_seeds=n_seeds)
    runs = []
    with (
        opened_cluster(dask) as client,
        recorded_job(workspace, JobKind.SIMULATE, name, settings, quiet=quiet) as job,
    ):
        _, tell, result = job
        for number in range(n_seeds):
            seed = config.seed + number
            known = known_targets(answers, targets, examples, seed) if number else first
            engine = Engine(
                embedding.values,
                embedding.mask,
                classes,
                targets[0],
                replace(config, seed=seed),
                also_targets=targets[1:],
                parts=embedding.parts,
            )
            if client is not None:
                engine = engine.with_partitions(client)
            done = simulate(
                engine,
                answers,
                budget,
                batch,
                part_of(tell, number / n_seeds, (number + 1) / n_seeds),
                known=known,
                error_rate=error_rate,
                seed=seed,
            )
            runs.append(_run_record(done, seed, known, survey.object_ids))
        result.update(finds=[run["finds"][-1] for run in runs])
    return {
        "survey": name,
        "content_hash": survey.manifest.content_hash,
        **settings,
        "n_targets": runs[0]["n_targets"],
        "n_objects": runs[0]["n_objects"],
        "notes": _notes(answers, truth, name, budget, runs[0]["n_objects"]),
        "runs": runs,
    }


def _check_names(config: LoopConfig) -> None:
    """Before a survey is embedded for them: `BadInput` for an unknown sampler or learner."""
    from core.discovery import LEARNERS, SAMPLERS

    for registry, name in ((SAMPLERS, config.sampler), (LEARNERS, config.learner)):
        if name != DEFAULT:
            registry.find(name)


def _check_truth(truth: Truth, targets: Sequence[str], path: Path) -> None:
    if set(truth.classes) <= set(targets):
        raise BadInput(
            f"All {len(truth)} labels in {path} are {' or '.join(map(repr, truth.classes))}; a"
            " search needs objects of another class too."
        )
    for target in targets:
        if target not in truth.classes:
            raise BadInput(
                f"A simulation needs objects whose truth is the target {target!r}, but {path}"
                f" holds only {', '.join(truth.classes[:9])}; choose one of these."
            )
    if len(set(targets)) < len(targets):
        raise BadInput(
            f"Each --target is named once, but got {', '.join(targets)}; leave out what is double."
        )


def _embedding(workspace: Workspace, name: str, encoder: str, *, quiet: bool) -> Embedding:
    """The embedding asked for, made where there is none."""
    from core.representation import encoder_name, load_embedding
    from core.run_embed import run_embed
    from core.run_jobs import open_survey

    survey = open_survey(workspace, name)
    resolved = encoder_name(encoder, survey)
    try:
        return load_embedding(survey, encoder)
    except NotReady:
        run_embed(workspace, name, resolved, quiet=quiet)
        return load_embedding(survey, encoder)


def _run_record(
    done: SimulationResult, seed: int, known: Sequence[int], object_ids: np.ndarray
) -> dict[str, Any]:
    return {
        "seed": seed,
        "labels": done.labels,
        "finds": done.finds,
        "chance": done.chance,
        "ideal": done.ideal,
        "area": done.area,
        "first_find": done.first_find,
        "n_targets": done.n_targets,
        "n_objects": done.n_objects,
        "n_wrong": done.n_wrong,
        "of_each": {name: list(counts) for name, counts in done.of_each.items()},
        "examples": [str(object_ids[row]) for row in known],
        "states": done.states,
        "order": [
            {
                "object_id": str(object_ids[step.row]),
                "answer": step.answer,
                "is_target": hit,
                "sampler": step.sampler,
                "probability": step.pick.probability,
            }
            for step, hit in zip(done.order, done.is_target, strict=True)
        ],
    }


def _notes(truth: Truth, path: Path, name: str, budget: int, n_objects: int) -> list[str]:
    notes = []
    if truth.n_unknown:
        are = "object in it is" if truth.n_unknown == 1 else "objects in it are"
        notes.append(
            f"{truth.n_unknown:,} labelled {are} not in the survey {name} as it is now and were"
            f" left out; check {path} if they should be."
        )
    if truth.n_without:
        have = "object has" if truth.n_without == 1 else "objects have"
        notes.append(
            f"{truth.n_without:,} {have} no truth, are never shown and count as neither target"
            " nor other."
        )
    if budget > n_objects:
        notes.append(
            f"A budget of {budget:,} answers is beyond the {n_objects:,} objects with a truth; the"
            " simulation ended with the last of them, where nothing is left to be searched."
        )
    return notes


def result_lines(found: dict[str, Any]) -> list[str]:
    """What is printed: finds beside chance and the ideal, the area, the first find, the notes."""
    runs = found["runs"]
    asked = [run["labels"][-1] for run in runs]
    finds = [run["finds"][-1] for run in runs]
    seeds = [run["seed"] for run in runs]
    said = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    lines = [
        f"{_mean_and_worst(finds)} of {found['n_targets']:,} {found['target']} found with"
        f" {max(asked):,} answers among {found['n_objects']:,} objects (sampler"
        f" {found['sampler']}, learner {found['learner']}, encoder {found['encoder']}, {said})."
    ]
    if len(found["targets"]) > 1:
        lines.append(f"Of these {', '.join(_of_each(name, runs) for name in found['targets'])}.")
    if found["examples"]:
        known = "target was" if found["examples"] == 1 else "targets were"
        lines.append(f"{found['examples']:,} {known} known from the start and count as no find.")
    if found["error_rate"]:
        wrong = _mean_and_worst([run["n_wrong"] for run in runs], least_is_worst=False)
        lines.append(f"{wrong} answers were wrong (error rate {found['error_rate']:g}).")
    table = [("answers", "finds", "chance", "ideal")]
    for count in (*(n for n in SHOWN if n < min(asked)), min(asked)):
        at = [sum(step["is_target"] for step in run["order"][:count]) for run in runs]
        chance = count * found["n_targets"] / found["n_objects"]
        ideal = min(count, found["n_targets"])
        table.append((f"{count:,}", _mean_and_worst(at), f"{chance:.1f}", f"{ideal:,}"))
    widths = [max(len(row[k]) for row in table) for k in range(4)]
    lines += [
        "  ".join(text.rjust(w) for text, w in zip(row, widths, strict=True)) for row in table
    ]
    areas = [run["area"] for run in runs]
    worst = f", worst {min(areas):.3f}" if len(areas) > 1 else ""
    lines.append(
        f"Area of the finds curve: {np.mean(areas):.3f}{worst} (1 = every answer a find until none"
        " is left)."
    )
    lines.append(f"First find: {_first_words([run['first_find'] for run in runs])}.")
    return lines + [f"Note: {note}" for note in found["notes"]]


def _of_each(target: str, runs: Sequence[dict[str, Any]]) -> str:
    shown = [run["of_each"][target][0] for run in runs]
    there = [run["of_each"][target][1] for run in runs]
    of = f"{there[0]:,}" if len(set(there)) == 1 else f"{np.mean(there):,.1f}"
    return f"{_mean_and_worst(shown)} of {of} {target}"


def _mean_and_worst(numbers: Sequence[int], *, least_is_worst: bool = True) -> str:
    if len(numbers) == 1:
        return f"{numbers[0]:,}"
    worst = min(numbers) if least_is_worst else max(numbers)
    return f"{np.mean(numbers):,.1f} (worst {worst:,})"


def _first_words(firsts: Sequence[int | None]) -> str:
    found = sorted(first for first in firsts if first is not None)
    if len(firsts) == 1:
        return f"after {found[0]:,} answers" if found else "none"
    if len(found) < len(firsts):
        return f"none in {len(firsts) - len(found)} of {len(firsts)} runs"
    return f"after {np.median(found):g} answers (median), {found[-1]:,} (worst)"


def finds_csv(found: dict[str, Any]) -> str:
    """A line a batch and seed: seed, labels, finds, chance, ideal, area of the whole run."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["seed", "labels", "finds", "chance", "ideal", "area"])
    for run in found["runs"]:
        for row in zip(run["labels"], run["finds"], run["chance"], run["ideal"], strict=True):
            out.writerow([run["seed"], *row, run["area"]])
    return text.getvalue()


def _simulate(a: argparse.Namespace) -> str:
    for option, most in (("budget", None), ("batch", MAX_BATCH), ("seeds", MAX_SEEDS)):
        given = getattr(a, option)
        if given < 1 or (most is not None and given > most):
            allowed = "at least 1" if most is None else f"1 to {most:,}"
            raise BadInput(f"--{option} is {allowed}, but is {given}; change it.")
    if a.examples < 0:
        raise BadInput(f"--examples is 0 or more, but is {a.examples}; change it.")
    if not 0 <= a.error_rate < 1:
        raise BadInput(f"--error-rate is at least 0 and below 1, but is {a.error_rate}; lower it.")
    out = None if a.out in (None, "-") else Path(a.out).expanduser()
    if out is not None:
        with storage_errors(out):
            _check_writable(out)
    config = LoopConfig(
        sampler=a.sampler,
        learner=a.learner,
        control_share=a.control_share,
        control=a.control,
        queue_length=max(a.batch, 100),
        seed=a.seed,
    )
    found = run_simulate(
        open_workspace(a.workspace, create=False),
        a.survey,
        Path(a.truth).expanduser(),
        [name.strip() for name in a.targets],
        a.encoder,
        config,
        a.budget,
        a.batch,
        examples=a.examples,
        error_rate=a.error_rate,
        n_seeds=a.seeds,
        dask=a.dask,
        quiet=a.out == "-",
    )
    if a.out == "-":
        return json.dumps(found, indent=1)
    lines = result_lines(found)
    if out is not None:
        is_csv = out.suffix.lower() == ".csv"
        with storage_errors(out):
            out.write_text(finds_csv(found) if is_csv else json.dumps(found, indent=1) + "\n")
        lines.append(f"Written to {out}.")
    return "\n".join(lines)


def _check_writable(path: Path) -> None:
    """Before hours of work for it: `BadInput` where no such file can be written. What it holds
    stays, and none is left that was not there."""
    if path.is_dir() or not path.parent.is_dir() or path.suffix.lower() not in (".json", ".csv"):
        raise BadInput(
            f"--out names a .json or .csv file in a folder that is there (or -), but came {path};"
            " change it."
        )
    # Where a link leads, so that the link itself is not taken away.
    file = Path(os.path.realpath(path))
    was_there = file.exists()
    file.open("a").close()
    if not was_there:
        file.unlink(missing_ok=True)


__all__ = ["add_simulate_job", "finds_csv", "result_lines", "run_simulate"]
